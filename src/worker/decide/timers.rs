//! The timers of a turn: deadlines that are due, warnings before them, and queue topics that were idle for long enough.

use std::sync::Arc;

use super::decider::Decider;
use crate::flow::FlowId;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;
use crate::worker::session::owned::{Owned, Stage};

impl Decider<'_> {
    /// Every command recorded until the end of the control topic was asked for is applied. What has become due since then
    /// waits for those that were recorded since.
    pub(super) fn timers(&mut self) {
        let now = self.now;
        let takes_part = |owned: &Owned| {
            owned.is_active() || mutant::is(Mutant::TimersBeforeCommandsThatWaited) && owned.takes_commands()
        };
        let asked = match mutant::is(Mutant::TimersBeforeCommands) || mutant::is(Mutant::TimersBeforeCommandsThatWaited)
        {
            true => Some(now),
            false => self.table.floor_asked,
        };
        // More of them than a turn has room for would outlive its transaction every time: the rest stays due.
        let mut room = self.budget.every;
        for (partition, owned) in self.table.owned.iter().filter(|(_, owned)| takes_part(owned)) {
            let by = asked.map(|asked| asked.min(now));
            for (by, flow) in by.into_iter().flat_map(|by| owned.due(by).map(move |flow| (by, flow))) {
                if room == 0 {
                    return;
                }
                room -= usize::from(self.strike(*partition, flow, by));
            }
            for (_, flow) in owned.facts.retirements().iter().take_while(|(due, _)| *due <= now) {
                if room == 0 {
                    return;
                }
                room -= usize::from(self.retire(*partition, flow));
            }
        }
    }

    /// Configuration may have lowered the longest pause since: what was restored comes under it, behind the commands that
    /// waited, before its timers. Where there are more than a turn has room for, the partition is not active before the last of them.
    pub(super) fn caps(&mut self) {
        let (now, limits) = (self.now, self.options.limits);
        let mut room = self.budget.every;
        let scan = self.table.control_scan;
        let introducing = |owned: &&Owned| matches!(owned.stage, Stage::Introducing) && scan >= owned.control_end;
        for (partition, owned) in self.table.owned.iter().filter(|(_, owned)| introducing(owned)) {
            if owned.facts.record().default.is_some() {
                let staged = self.decision.partition(*partition, owned);
                let is_capped = Arc::make_mut(&mut staged.record).cap_default(&limits, now);
                staged.record_changed |= is_capped;
                self.decision.needs_clock |= is_capped;
            }
            for flow in owned.beyond_cap(&limits).take(room) {
                room -= 1;
                let Some(staged) = self.decision.flow(*partition, owned, flow) else { continue };
                let Some(transition) = staged.flow.cap_deadline(&limits, now) else { continue };
                staged.changed = true;
                self.decision.needs_clock = true;
                let pause = self.pause(*partition, flow);
                self.note_own_transition(*partition, flow, (transition, pause), None);
            }
        }
    }

    /// Whether its deadline has ended its pause now, or a warning of that was due. `by`: every command recorded until then is
    /// applied.
    fn strike(&mut self, partition: i32, flow: &FlowId, by: Timestamp) -> bool {
        let now = self.now;
        let Some(owned) = self.table.owned.get(&partition) else { return false };
        let Some(staged) = self.decision.flow(partition, owned, flow) else { return false };
        let deadline = staged.flow.deadline();
        // A command of this turn may have moved the deadline, or ended the pause.
        let transitions = staged.flow.strike(by, now);
        if transitions.is_empty() {
            return false;
        }
        staged.changed = true;
        let fired = deadline.filter(|_| staged.flow.deadline().is_none());
        self.decision.stats.lateness.extend(fired.map(|deadline| now.since(deadline)));
        for transition in transitions {
            self.decision.needs_clock |= transition.is_by_the_clock();
            let pause = self.pause(partition, flow);
            self.note_own_transition(partition, flow, (transition, pause), None);
        }
        true
    }

    /// Whether it gives its queue topic up now.
    fn retire(&mut self, partition: i32, flow: &FlowId) -> bool {
        let now = self.now;
        let Some(owned) = self.table.owned.get(&partition) else { return false };
        let Some(staged) = self.decision.flow(partition, owned, flow) else { return false };
        let topic = staged.flow.queue.topic.clone();
        let retired = staged.flow.retire_queue(now);
        if retired {
            staged.changed = true;
            self.decision.retired.extend(topic);
        }
        retired
    }
}

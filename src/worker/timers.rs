//! The timers of a turn: deadlines that are due, and queue topics that were idle for long enough.

use super::commands::sets_or_fires_a_deadline;
use super::decide::Decider;
use super::table::Owned;
use crate::flow::FlowId;
use crate::mutant::{self, Mutant};

impl Decider<'_> {
    pub(super) fn timers(&mut self) {
        let now = self.now;
        let takes_part = |owned: &Owned| {
            owned.is_active() || mutant::is(Mutant::TimersBeforeCommandsThatWaited) && owned.takes_commands()
        };
        for (partition, owned) in self.table.owned.iter().filter(|(_, owned)| takes_part(owned)) {
            let early = std::time::Duration::from_secs(if mutant::is(Mutant::TimerFiresEarly) { 70 } else { 0 });
            for (_, flow) in owned.timers.iter().take_while(|(due, _)| due.before(early) <= now) {
                self.fire(*partition, flow);
            }
            for (_, flow) in owned.retirements.iter().take_while(|(due, _)| *due <= now) {
                self.retire(*partition, flow);
            }
        }
    }

    /// Configuration may have lowered the longest pause since: what was restored comes under it, before its timers.
    pub(super) fn caps(&mut self) {
        let (now, limits) = (self.now, self.options.limits);
        for (partition, owned) in
            self.table.owned.iter().filter(|(_, owned)| owned.takes_commands() && !owned.introduced)
        {
            for (due, flow) in &owned.timers {
                let paused_at = owned.flows.get(flow).and_then(|of| of.flow.pause()).map(|pause| pause.paused_at);
                if paused_at.is_none_or(|paused_at| paused_at.after(limits.max_pause) >= *due) {
                    continue;
                }
                if mutant::is(Mutant::LoweredMaxPauseIgnoredAtAStart) {
                    continue;
                }
                let Some(staged) = self.turn.flow(*partition, owned, flow) else { continue };
                let Some(transition) = staged.flow.cap_deadline(&limits, now) else { continue };
                staged.changed = true;
                self.turn.needs_clock = true;
                self.note_own_transition(*partition, flow, transition);
            }
        }
    }

    fn fire(&mut self, partition: i32, flow: &FlowId) {
        let now = self.now;
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let Some(staged) = self.turn.flow(partition, owned, flow) else { return };
        let deadline = staged.flow.deadline();
        // A command of this turn may have moved the deadline, or ended the pause.
        let Some(transition) = staged.flow.fire(now) else { return };
        staged.changed = true;
        self.turn.stats.lateness.extend(deadline.map(|deadline| now.since(deadline)));
        self.turn.needs_clock |= sets_or_fires_a_deadline(transition);
        self.note_own_transition(partition, flow, transition);
    }

    fn retire(&mut self, partition: i32, flow: &FlowId) {
        let now = self.now;
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let Some(staged) = self.turn.flow(partition, owned, flow) else { return };
        let topic = staged.flow.queue.topic.clone();
        if staged.flow.retire_queue(now) {
            staged.changed = true;
            self.turn.retired.extend(topic);
        }
    }
}

//! The commands of a turn: each applies to one partition, the flow's home, if it stands at or beyond that partition's
//! control position. What cannot be read belongs to partition 0.

use std::sync::Arc;

use super::decider::Decider;
use crate::broker::Record;
use crate::flow::command::{Applied, apply, apply_to_every};
use crate::flow::{Action, Command, FlowId, Happening, Issue, PauseEnd, Position, Target, Transition};
use crate::mutant::{self, Mutant};
use crate::schema::{self, Unreadable, headers};
use crate::worker::session::decision::StagedFlow;
use crate::worker::session::outgoing::{Origin, To, Write};

/// The partition that answers for what belongs to no flow.
const FIRST: i32 = 0;

impl Decider<'_> {
    pub(super) fn commands(&mut self, commands: &[Record]) {
        for record in commands {
            match schema::command::read(record.value.as_deref()) {
                Err(unreadable) => self.unreadable_command(record, &unreadable),
                Ok(command) => {
                    let issue = Issue { command: &command, offset: record.offset, recorded_at: record.timestamp };
                    match &command.target {
                        Target::Flow(flow) => self.command(self.table.shape.home(flow), flow, &issue),
                        Target::Every => self.command_for_every(&issue),
                    }
                }
            }
        }
    }

    /// Stages that the partition has applied what stands at `offset`; `false` if it is not to be applied to it here.
    fn takes(&mut self, partition: i32, offset: i64) -> bool {
        let table = self.table;
        let Some(owned) = table.owned.get(&partition).filter(|owned| owned.takes_commands()) else { return false };
        let applied_below = match self.decision.partitions.get(&partition) {
            Some(staged) => staged.record.control,
            None => owned.facts.record().control,
        };
        if offset < applied_below {
            return false;
        }
        let staged = self.decision.partition(partition, owned);
        if mutant::is(Mutant::CommandPositionOutsideTheTransaction) {
            return true;
        }
        Arc::make_mut(&mut staged.record).control = offset + 1;
        staged.record_changed = true;
        true
    }

    fn command(&mut self, partition: i32, flow: &FlowId, issue: &Issue<'_>) {
        if !self.takes(partition, issue.offset) {
            return;
        }
        let (now, limits) = (self.now, &self.options.limits);
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let known = self.decision.flow(partition, owned, flow);
        let (mut slot, unknown) = known.map(|staged| (staged.flow.clone(), staged.unknown.clone())).unzip();
        let staged = self.decision.partition(partition, owned);
        let before = slot.as_ref().and_then(|flow| flow.pause()).map(|pause| pause.id.clone());
        let applied = apply(&mut slot, flow, Arc::make_mut(&mut staged.record), issue, now, limits);
        let changes = !applied.repeated || !applied.transitions.is_empty();
        match (slot, staged.flows.get_mut(flow).filter(|staged| !staged.forgotten)) {
            (Some(changed), Some(place)) => {
                place.flow = changed;
                place.changed |= changes;
            }
            (Some(changed), None) => {
                let new = StagedFlow::new(changed, unknown.unwrap_or_default());
                staged.flows.insert(flow.clone(), StagedFlow { changed: changes, ..new });
            }
            (None, Some(place)) => (place.forgotten, place.changed) = (true, true),
            (None, None) => {}
        }
        self.decision.needs_clock |= compares_with_the_clock(&issue.command.action);
        for (number, transition) in applied.transitions.iter().enumerate() {
            let pause = self.pause(partition, flow);
            let (command, pause) = match transition {
                // What the timer ended came before the command.
                _ if number < applied.by_timer => (None, before.clone()),
                // So did what a new pause ends.
                Transition::Sampled(_) | Transition::Purged(_) => (Some(issue.offset), before.clone()),
                Transition::Seen => (Some(issue.offset), None),
                _ => (Some(issue.offset), pause),
            };
            self.decision.needs_clock |= transition.is_by_the_clock();
            self.note_transition(partition, flow, (transition.clone(), pause), command, issue.offset);
        }
        let position = self.position(partition, Some(flow), issue.offset);
        self.answer(partition, Some(flow), position, issue, applied);
    }

    fn command_for_every(&mut self, issue: &Issue<'_>) {
        if !self.takes(FIRST, issue.offset) {
            return;
        }
        let Some(staged) = self.decision.partitions.get_mut(&FIRST) else { return };
        let applied = apply_to_every(Arc::make_mut(&mut staged.record), issue);
        let position = self.position(FIRST, None, issue.offset);
        self.answer(FIRST, None, position, issue, applied);
    }

    fn answer(
        &mut self,
        partition: i32,
        flow: Option<&FlowId>,
        position: Position,
        issue: &Issue<'_>,
        applied: Applied,
    ) {
        self.decision.stats.commands += 1;
        let command: Command = issue.command.clone();
        let Applied { outcome, repeated, .. } = applied;
        *self.decision.stats.answers.entry(outcome.verdict.word()).or_default() += 1;
        self.note(partition, flow, position, Happening::Answer { command, offset: issue.offset, outcome, repeated });
    }

    fn position(&self, partition: i32, flow: Option<&FlowId>, control: i64) -> Position {
        let Some(staged) = self.decision.partitions.get(&partition) else { return Position::default() };
        match flow.and_then(|flow| staged.flows.get(flow)) {
            Some(of) => of.flow.position(staged.position, control),
            None => Position { input: staged.position, control, entry: 0, watermark: 0 },
        }
    }

    fn unreadable_command(&mut self, record: &Record, unreadable: &Unreadable) {
        if !self.takes(FIRST, record.offset) {
            return;
        }
        self.decision.stats.dead_letter(unreadable.reason);
        let whole = !self.table.refused_commands.contains(&record.offset);
        let bare = Record { key: None, value: None, headers: Vec::new(), ..record.clone() };
        let letter = if whole { record } else { &bare };
        self.decision.write(Write {
            to: To::DeadLetters,
            partition: FIRST,
            timestamp: None,
            key: letter.key.clone(),
            value: letter.value.clone(),
            headers: headers::dead_letter(letter, unreadable.reason, &unreadable.detail),
            origin: Origin::Command { offset: record.offset },
        });
    }
}

/// Whether the answer to an order depends on what time it is: whether `until` has passed, how old what is held is.
fn compares_with_the_clock(action: &Action) -> bool {
    match action {
        Action::Pause(order) => matches!(order.end, Some(PauseEnd::Until(_))),
        Action::Resume(order) => order.max_age.is_some(),
        _ => false,
    }
}

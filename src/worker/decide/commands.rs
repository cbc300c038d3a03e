//! The commands of a turn: each applies to one partition, the flow's home, or to all of them, if it stands at or beyond the
//! partition's control position. What cannot be read belongs to partition 0.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::decider::Decider;
use crate::broker::Record;
use crate::flow::command::apply;
use crate::flow::every::{Answer, Every, Ordered};
use crate::flow::{
    Action, Command, FlowId, Happening, Issue, Moment, PauseEnd, PauseId, Position, State, Target, Transition,
};
use crate::mutant::{self, Mutant};
use crate::schema::{self, Unreadable, headers};
use crate::worker::session::decision::StagedFlow;
use crate::worker::session::outgoing::{Origin, To, Write};
use crate::worker::traced::TracedCommand;

/// The partition that answers for what belongs to no flow.
const FIRST: i32 = 0;

impl Decider<'_> {
    /// Up to the first one that the turn has no room for.
    pub(super) fn commands(&mut self, mut commands: Vec<Record>) {
        let is_left = |record: &Record| {
            self.parent = self.options.sampling.of(&record.headers);
            self.is_left(record)
        };
        if let Some(first) = commands.iter().position(is_left) {
            self.decision.commands_left = commands.split_off(first);
        }
    }

    /// Whether the turn has no room for it.
    fn is_left(&mut self, record: &Record) -> bool {
        match schema::command::read(record.value.as_deref()) {
            Err(unreadable) => {
                self.unreadable_command(record, &unreadable);
                false
            }
            Ok(command) => {
                let issue = Issue { command: &command, offset: record.offset, recorded_at: record.timestamp };
                match &command.target {
                    Target::Flow(flow) => {
                        self.command(self.table.shape.home(flow), flow, &issue);
                        false
                    }
                    Target::Every => !self.command_for_every(&issue),
                }
            }
        }
    }

    /// Whether what stands at `offset` is to be applied to the partition here.
    fn concerns(&self, partition: i32, offset: i64) -> bool {
        let Some(owned) = self.table.owned.get(&partition).filter(|owned| owned.takes_commands()) else { return false };
        let applied_below = match self.decision.partitions.get(&partition) {
            Some(staged) => staged.record.control,
            None => owned.facts.record().control,
        };
        offset >= applied_below
    }

    /// Stages that the partition has applied what stands at `offset`; `false` if it is not to be applied to it here.
    fn takes(&mut self, partition: i32, offset: i64) -> bool {
        let concerns = self.concerns(partition, offset);
        if concerns {
            self.pass(partition, offset);
        }
        concerns
    }

    fn pass(&mut self, partition: i32, offset: i64) {
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let staged = self.decision.partition(partition, owned);
        if mutant::is(Mutant::CommandPositionOutsideTheTransaction) {
            return;
        }
        Arc::make_mut(&mut staged.record).control = offset + 1;
        staged.record_changed = true;
    }

    fn command(&mut self, partition: i32, flow: &FlowId, issue: &Issue<'_>) {
        if !self.takes(partition, issue.offset) {
            return;
        }
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let gone = owned.facts.flow(flow).and_then(|of| of.backlog.as_ref()?.blocked.as_ref()?.gone);
        let moment = Moment { now: self.now, limits: &self.options.limits, gone };
        let known = self.decision.flow(partition, owned, flow);
        let (mut slot, unknown) = known.map(|staged| (staged.flow.clone(), staged.unknown.clone())).unzip();
        let staged = self.decision.partition(partition, owned);
        // Whether it is in force depends on what time it is.
        let asks_default = slot.is_none() && staged.record.default.is_some();
        let before = slot.as_ref().and_then(|flow| flow.pause()).map(|pause| pause.id.clone());
        let applied = apply(&mut slot, flow, Arc::make_mut(&mut staged.record), issue, &moment);
        let changes = !applied.repeated || !applied.transitions.is_empty();
        match (slot, staged.flows.get_mut(flow).filter(|staged| !staged.forgotten)) {
            (Some(changed), Some(place)) => {
                place.flow = changed;
                place.changed |= changes;
                let lost = applied.transitions.iter().any(|of| matches!(of, Transition::LossAccepted(_)));
                place.lost |= lost;
                // It may end what passed entries, too.
                place.settled |= lost;
            }
            (Some(changed), None) => {
                let new = StagedFlow::new(changed, unknown.unwrap_or_default());
                staged.flows.insert(flow.clone(), StagedFlow { changed: changes, ..new });
            }
            (None, Some(place)) => (place.forgotten, place.changed) = (true, true),
            (None, None) => {}
        }
        self.decision.needs_clock |= asks_default || compares_with_the_clock(&issue.command.action);
        let told = Told { before, by_timer: applied.by_timer, by_default: applied.by_default };
        self.tell(partition, flow, &applied.transitions, &told, issue.offset);
        let position = self.position(partition, Some(flow), issue.offset);
        let answer = Answer { outcome: applied.outcome, repeated: applied.repeated };
        self.answer(partition, Some(flow), position, issue, answer);
    }

    /// Tells of what a command did to a flow, in order.
    fn tell(&mut self, partition: i32, flow: &FlowId, transitions: &[Transition], told: &Told, offset: i64) {
        let (mut by_default, mut has_lost) = (told.by_default, false);
        for (number, transition) in transitions.iter().enumerate() {
            let pause = self.pause(partition, flow);
            let (command, pause) = match transition {
                // What the timer ended came before the command.
                _ if number < told.by_timer => (None, told.before.clone()),
                // So did what a new pause ends.
                Transition::Sampled(_) | Transition::Purged(_) if !has_lost => (Some(offset), told.before.clone()),
                Transition::LossAccepted(_) => (Some(offset), told.before.clone()),
                // It has come to its end, and nothing ended it.
                _ if has_lost => (None, told.before.clone()),
                Transition::Seen => (Some(offset), None),
                Transition::Paused if by_default.is_some() => (by_default.take(), pause),
                _ => (Some(offset), pause),
            };
            has_lost |= matches!(transition, Transition::LossAccepted(_));
            self.decision.needs_clock |= transition.is_by_the_clock();
            self.note_transition(partition, flow, (transition.clone(), pause), command, offset);
        }
    }

    /// `false`: the turn has no room for all of it.
    fn command_for_every(&mut self, issue: &Issue<'_>) -> bool {
        let table = self.table;
        table.owned.keys().all(|partition| !self.concerns(*partition, issue.offset) || self.every(*partition, issue))
    }

    /// Applies a command for every flow in one partition. `false`: the turn has no room for all of its flows. A partition is
    /// divided only if it has more of them than a whole turn takes.
    fn every(&mut self, partition: i32, issue: &Issue<'_>) -> bool {
        let (now, limits, most) = (self.now, &self.options.limits, self.budget.every);
        let Some(owned) = self.table.owned.get(&partition) else { return true };
        let mut shared = Arc::clone(&self.decision.partition(partition, owned).record);
        let record = Arc::make_mut(&mut shared);
        let asks_default = record.default.is_some();
        let through = record.every.as_ref().filter(|of| of.command == issue.offset).map(|of| of.through.clone());
        let answer = match Every::begin(record, *issue, now, limits) {
            Err(answer) => Some(answer),
            Ok(mut every) => {
                let (flows, more) = self.flows_behind(partition, through.as_ref(), every.concerns_live(), most);
                if self.decision.looked_at > 0 && (more || self.decision.looked_at + flows.len() > most) {
                    return false;
                }
                self.decision.looked_at += flows.len();
                self.now = every.at();
                for flow in &flows {
                    let Some(staged) = self.decision.flow(partition, owned, flow) else { continue };
                    let before = staged.flow.pause().map(|pause| pause.id.clone());
                    let Ordered { transitions, by_timer } = every.order(&mut staged.flow);
                    staged.changed |= !transitions.is_empty();
                    let told = Told { before, by_timer, by_default: None };
                    self.tell(partition, flow, &transitions, &told, issue.offset);
                }
                match flows.last().filter(|_| more && !mutant::is(Mutant::EveryEndsWithItsFirstPart)) {
                    Some(last) => {
                        every.interrupt(record, last.clone());
                        None
                    }
                    None => Some(every.end(record)),
                }
            }
        };
        // A pause sets a deadline, also where there is no flow yet.
        let sets_default = matches!(issue.command.action, Action::Pause(_));
        self.decision.needs_clock |= asks_default || sets_default || compares_with_the_clock(&issue.command.action);
        let staged = self.decision.partition(partition, owned);
        (staged.record, staged.record_changed) = (shared, true);
        let is_whole = answer.is_some();
        if let Some(answer) = answer {
            self.pass(partition, issue.offset);
            let position = self.position(partition, None, issue.offset);
            self.answer(partition, None, position, issue, answer);
        }
        self.now = now;
        is_whole
    }

    /// The next flows of a partition that are known, also by this turn alone, in the order of their ids: at most so many, and
    /// whether there are more. `live`: also those that were live before the turn.
    fn flows_behind(&self, partition: i32, through: Option<&FlowId>, live: bool, most: usize) -> (Vec<FlowId>, bool) {
        let Some(owned) = self.table.owned.get(&partition) else { return (Vec::new(), false) };
        let known = owned.facts.flows();
        let staged = self.decision.partitions.get(&partition).map(|staged| &staged.flows);
        let is_staged = |flow: &FlowId| staged.is_some_and(|staged| staged.contains_key(flow));
        let is_live = |flow: &FlowId| known.get(flow).is_none_or(|of| of.flow().state == State::Live);
        let committed = known.ids().filter(|flow| !is_staged(flow) && (live || !is_live(flow)));
        let flows = committed.chain(staged.into_iter().flat_map(BTreeMap::keys));
        let mut flows: Vec<&FlowId> = flows.filter(|flow| through.is_none_or(|through| *flow > through)).collect();
        let more = flows.len() > most;
        if more {
            // The first ones, and only those are sorted: there may be a million behind them.
            flows.select_nth_unstable(most);
            flows.truncate(most);
        }
        flows.sort_unstable();
        (flows.into_iter().cloned().collect(), more)
    }

    fn answer(&mut self, partition: i32, flow: Option<&FlowId>, position: Position, issue: &Issue<'_>, answer: Answer) {
        self.decision.stats.commands += 1;
        let command: Command = issue.command.clone();
        let Answer { outcome, repeated } = answer;
        *self.decision.stats.answers.entry(outcome.verdict.word()).or_default() += 1;
        if !self.options.sampling.is_none() {
            self.decision.traced.command(TracedCommand {
                parent: self.parent,
                id: command.id.clone(),
                action: match &command.action {
                    Action::Invalid { .. } => "invalid".to_owned(),
                    action => action.word().to_owned(),
                },
                flow: flow.cloned(),
                partition,
                offset: issue.offset,
                issued_at: command.issued_at.unwrap_or(issue.recorded_at),
                verdict: outcome.verdict.word(),
            });
        }
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

/// What there is to tell of the transitions that a command brings, beside where it stands itself.
struct Told {
    /// The pause in force before.
    before: Option<PauseId>,
    /// So many of them, the first ones, a deadline did.
    by_timer: usize,
    /// Where the command for every flow stands that has paused a flow as it became known.
    by_default: Option<i64>,
}

/// Whether the answer to an order depends on what time it is: whether `until` has passed, how old what is held is.
fn compares_with_the_clock(action: &Action) -> bool {
    match action {
        Action::Pause(order) => matches!(order.end, Some(PauseEnd::Until(_))),
        Action::Resume(order) => order.max_age.is_some(),
        _ => false,
    }
}

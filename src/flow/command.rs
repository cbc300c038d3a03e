//! What operators order, and how it is applied.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use super::{
    Answered, CommandId, Expect, Flow, FlowId, Keep, NewRecords, OnExpiry, Outcome, Partition, Rate, RecordId, Release,
    Transition, Watermark,
};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// A command that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub id: CommandId,
    pub target: Target,
    pub action: Action,
    pub issued_by: String,
    pub issued_at: Option<Timestamp>,
    pub reason: Option<String>,
    /// Where the flow has to stand for it to be applied.
    pub expect: Expect,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Flow(FlowId),
    /// `*`
    Every,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Pause(PauseOrder),
    Resume(ResumeOrder),
    /// Deliver a sample of what is held.
    Release(ReleaseOrder),
    /// Remove what is held.
    Purge(PurgeOrder),
    /// Go on behind what somebody deleted.
    AcceptLoss(AcceptLossOrder),
    /// Forget the flow, for its name was a mistake.
    Forget,
    /// Something that names a command and a flow, but orders nothing that can be done; `why` names the field and the
    /// fix. Answered as rejected.
    Invalid {
        word: String,
        why: String,
    },
}

impl Action {
    /// The word on the wire.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Release(_) => "release",
            Self::Purge(_) => "purge",
            Self::AcceptLoss(_) => "accept_loss",
            Self::Forget => "forget",
            Self::Invalid { word, .. } => word,
        }
    }
}

/// An absent option takes its default for a new pause, and stays as it is for a pause in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseOrder {
    pub new_records: Option<NewRecords>,
    pub end: Option<PauseEnd>,
    pub keep: Option<Keep>,
    pub on_expiry: Option<OnExpiry>,
    pub expiry_rate: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseEnd {
    Until(Timestamp),
    /// From when the command takes effect.
    For(Duration),
}

/// An absent option takes its default for a new drain, and stays as it is for a running one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumeOrder {
    pub release: Option<Release>,
    pub max_rate: Option<Rate>,
    pub max_age: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReleaseOrder {
    /// So many from the head of the queue.
    Count(NonZeroU32),
    /// What is held of these records.
    Records(Vec<RecordId>),
}

impl ReleaseOrder {
    /// The largest sample: what is more has a resume with a rate.
    pub const MOST: u32 = 10_000;
    /// The most records that one command names.
    pub const MOST_RECORDS: usize = 100;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurgeOrder {
    /// The last entry of it; `None`: all that is held.
    pub through_entry: Option<NonZeroU64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptLossOrder {
    /// So many held events may be lost.
    pub at_most: NonZeroU32,
}

/// A command as it stands in the control topic.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    pub command: &'a Command,
    /// Its offset in the control topic.
    pub offset: i64,
    /// When the broker took it.
    pub recorded_at: Timestamp,
}

/// What configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest pause: 14 days unless configured lower.
    pub max_pause: Duration,
}

impl Limits {
    /// "The flow can only remain paused for up to 14 days" (the product's documentation).
    pub const MAX_PAUSE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pause: Self::MAX_PAUSE }
    }
}

/// Under what circumstances a command is applied.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    pub now: Timestamp,
    pub limits: &'a Limits,
    /// Everything of the flow's queue up to there is gone, and was not passed: somebody deleted it. `None`: nothing is known to
    /// be missing.
    pub gone: Option<Watermark>,
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub outcome: Outcome,
    /// In order; a deadline that had to fire first is among them.
    pub transitions: Vec<Transition>,
    /// So many of them, the first ones, the command did not cause: a deadline did that had to fire first.
    pub by_timer: usize,
    /// The flow became known under a default, which paused it: where the command stands that made the default what it is.
    pub by_default: Option<i64>,
    /// It had been answered before: nothing was done, and this is the same answer.
    pub repeated: bool,
}

/// Applies a command for one flow. `flow` is `None` while the flow is unknown; only a pause that takes effect makes it
/// known, so that typing errors make no flows: but while a default is in force every flow that is named is paused by it first.
pub fn apply(
    flow: &mut Option<Flow>,
    id: &FlowId,
    partition: &mut Partition,
    issue: &Issue<'_>,
    moment: &Moment<'_>,
) -> Applied {
    let now = moment.now;
    let mut transitions = flow.as_mut().map_or_else(Vec::new, |flow| flow.fire_before(issue, now));
    let by_timer = transitions.len();
    let known = flow.as_ref().and_then(|flow| flow.answered(&issue.command.id));
    let known = known.or_else(|| partition.answered(id.as_str(), &issue.command.id));
    if let Some(answered) = known.filter(|_| !mutant::is(Mutant::RepeatedCommandAppliedTwice)) {
        return Applied { outcome: answered.outcome.clone(), transitions, by_timer, by_default: None, repeated: true };
    }
    let default = partition.default_in_force(now).filter(|_| flow.is_none());
    let by_default = default.map(|default| default.command);
    if let Some(default) = default {
        let mut new = Flow::new(id.clone(), now);
        transitions.extend([Transition::Seen, new.begin_default(default, now, moment.limits)]);
        *flow = Some(new);
    }
    let outcome = match flow {
        Some(known) if issue.command.action == Action::Forget && partition.default_in_force(now).is_some() => {
            let outcome = Outcome::rejected(
                "every flow is paused: its next event would make it known and pause it again; resume `*` first",
            );
            known.remember(issue, &outcome);
            outcome
        }
        Some(known) => {
            let (outcome, ordered) = known.order(issue, moment, true);
            let is_forgotten = ordered.contains(&Transition::Forgotten);
            transitions.extend(ordered);
            known.remember(issue, &outcome);
            known.updated_at = now;
            if is_forgotten {
                partition.inherit(known);
                *flow = None;
            }
            outcome
        }
        None => {
            let mut new = Flow::new(id.clone(), now);
            let (outcome, ordered) = new.order(issue, moment, false);
            if ordered.is_empty() {
                remember_unknown(partition, id.as_str(), issue, outcome)
            } else {
                new.remember(issue, &outcome);
                *flow = Some(new);
                transitions.push(Transition::Seen);
                transitions.extend(ordered);
                outcome
            }
        }
    };
    Applied { outcome, transitions, by_timer, by_default, repeated: false }
}

pub(super) fn remember_unknown(partition: &mut Partition, flow: &str, issue: &Issue<'_>, outcome: Outcome) -> Outcome {
    let answered = Answered { id: issue.command.id.clone(), offset: issue.offset, outcome: outcome.clone() };
    partition.remember(flow, answered);
    outcome
}

impl Flow {
    /// The answer that this command got before, if it is remembered.
    #[must_use]
    pub fn answered(&self, command: &CommandId) -> Option<&Answered> {
        self.commands.iter().rev().find(|answered| answered.id == *command)
    }

    fn remember(&mut self, issue: &Issue<'_>, outcome: &Outcome) {
        if self.commands.len() >= Self::REMEMBERED_COMMANDS {
            self.commands.pop_front();
        }
        self.commands.push_back(Answered {
            id: issue.command.id.clone(),
            offset: issue.offset,
            outcome: outcome.clone(),
        });
    }

    /// What it answers and what happens, in order: nothing, unless it is applied. `is_known`: else it is a new one, and only a
    /// pause makes it known.
    fn order(&mut self, issue: &Issue<'_>, moment: &Moment<'_>, is_known: bool) -> (Outcome, Vec<Transition>) {
        if let Some(changed) = issue.command.expect.differs(self, is_known) {
            return (changed, vec![]);
        }
        let nothing = |to: &str| format!("no flow `{}` is known: nothing to {to}", self.id);
        match &issue.command.action {
            Action::Resume(_) if !is_known => (Outcome::unchanged(nothing("resume")), vec![]),
            Action::Forget if !is_known => (Outcome::unchanged(nothing("forget")), vec![]),
            Action::Release(_) if !is_known => (Outcome::rejected(nothing("release")), vec![]),
            Action::Purge(_) if !is_known => (Outcome::rejected(nothing("purge")), vec![]),
            Action::AcceptLoss(_) if !is_known => (Outcome::rejected(nothing("lose")), vec![]),
            Action::Pause(order) => {
                let (outcome, transition) = self.order_pause(order, issue, moment.now, moment.limits);
                (outcome, transition.into_iter().collect())
            }
            Action::Resume(order) => self.order_resume(order, issue, moment.now),
            Action::Release(order) => self.order_release(order, issue),
            Action::Purge(order) => self.order_purge(*order, issue),
            Action::AcceptLoss(order) => self.order_accept_loss(*order, issue, moment),
            Action::Forget => self.order_forget(),
            Action::Invalid { why, .. } => (Outcome::rejected(why.clone()), vec![]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::tests::*;
    use super::*;

    #[test]
    fn a_repeated_command_is_answered_the_same_out_of_turn_too() {
        let mut desk = Desk::live();
        let first = desk.order("p", pause());
        desk.order("r", resume());
        desk.flow().settle(T0);
        desk.now = T0.after(DAY);
        let again = desk.order("p", pause());
        assert_eq!((again.outcome, again.repeated, again.transitions), (first.outcome, true, vec![]));
        assert_eq!(desk.flow().state, State::Live);
        // An id is an id, whatever it orders the second time.
        assert!(desk.order("p", resume()).repeated);
    }

    #[test]
    fn the_last_64_of_a_flow_are_known() {
        let mut desk = Desk::live();
        for n in 0..=Flow::REMEMBERED_COMMANDS {
            assert!(!desk.order(&format!("c{n}"), purge()).repeated);
            // Repeating one does not make it younger, nor push another one out.
            assert!(desk.order(&format!("c{n}"), purge()).repeated);
        }
        assert_eq!(desk.flow().commands.len(), 64);
        assert_eq!(desk.flow().commands.front().unwrap().offset, 102, "where it stood the first time");
        for n in (1..=64).rev() {
            assert!(desk.order(&format!("c{n}"), purge()).repeated, "{n}");
        }
        assert!(!desk.order("c0", purge()).repeated);
        assert!(!desk.order("c1", purge()).repeated, "pushed out by c0");
    }

    #[test]
    fn the_last_1024_of_unknown_flows_are_known() {
        let mut desk = Desk::unknown();
        for n in 0..=Partition::REMEMBERED_COMMANDS {
            assert!(!desk.order(&format!("c{n}"), resume()).repeated);
        }
        assert_eq!(desk.partition.unknown.len(), 1024);
        assert!(desk.order("c1", resume()).repeated);
        assert!(!desk.order("c0", resume()).repeated);
        assert!(desk.flow.is_none());
    }

    #[test]
    fn a_command_answered_before_the_flow_became_known_stays_answered() {
        for first in [resume(), pause_until(T0), sample(1), purge(), accept_loss(1), Action::Forget] {
            let mut desk = Desk::unknown();
            let answer = desk.order("early", first.clone()).outcome;
            assert!(desk.flow.is_none(), "{first:?}");
            desk.order("pause", pause());
            let again = desk.order("early", first);
            assert_eq!((again.outcome, again.repeated), (answer, true));
            assert_eq!(desk.flow().state_word(), "paused");
        }
    }

    #[test]
    fn a_pause_that_makes_a_flow_known_is_remembered_by_it() {
        let mut desk = Desk::unknown();
        let first = desk.order("pause", pause());
        assert_eq!(first.transitions, [Transition::Seen, Transition::Paused]);
        assert!(desk.order("pause", pause()).repeated);
        assert!(desk.partition.unknown.is_empty());
    }

    #[test]
    fn the_same_id_for_another_flow_is_another_command() {
        let mut desk = Desk::unknown();
        desk.order("c", resume());
        let other = FlowId::new("other").unwrap();
        let resume = command("c", resume());
        let issue = Issue { command: &resume, offset: 7, recorded_at: T0 };
        let limits = Limits::default();
        let moment = Moment { now: T0, limits: &limits, gone: None };
        let answer = |partition: &mut Partition| apply(&mut None, &other, partition, &issue, &moment);
        assert!(!answer(&mut desk.partition).repeated);
        assert!(answer(&mut desk.partition).repeated);
    }
}

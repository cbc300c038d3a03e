//! `*`: a command for every flow, in one partition.
//!
//! A pause of every flow stays in the partition's record as its default, which pauses flows that are first seen later. It leaves
//! a flow with a pause of its own alone, and so does its resume: the pauses that `*` made are told by `by_all`.

use super::command::remember_unknown;
use super::pause::new_pause;
use super::{
    Action, DefaultPause, EveryUnderWay, Flow, FlowId, Issue, Limits, Outcome, Partition, Pause, PauseOrder,
    ResumeOrder, State, Transition, Warning,
};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// The flow id of such a command.
pub const EVERY: &str = "*";

/// A command for every flow, being applied to one flow of the partition after another.
pub struct Every<'a> {
    issue: Issue<'a>,
    now: Timestamp,
    limits: Limits,
    order: Order<'a>,
    /// Flows that it has changed.
    changed: u64,
    /// Flows that have a pause of their own.
    left_alone: u64,
}

enum Order<'a> {
    /// As the default says now.
    Pause(Pause),
    Resume {
        order: &'a ResumeOrder,
        /// A default was in force until now.
        ends_default: bool,
    },
}

/// The answer, where nothing is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub outcome: Outcome,
    /// It had been answered before: this is the same answer.
    pub repeated: bool,
}

/// What it did to one flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ordered {
    /// In order; a deadline that had to fire first is among them.
    pub transitions: Vec<Transition>,
    /// So many of them, the first ones, the deadline did.
    pub by_timer: usize,
}

impl<'a> Every<'a> {
    /// Begins to apply it, or goes on with it: the default of the partition is as it orders from now on.
    ///
    /// # Errors
    /// The answer: it does nothing here, or did it before.
    pub fn begin(partition: &mut Partition, issue: Issue<'a>, now: Timestamp, limits: &Limits) -> Result<Self, Answer> {
        let under_way = partition.every.take().filter(|of| of.command == issue.offset);
        if let Some(every) = under_way.and_then(|under_way| Self::go_on(partition, &under_way, issue, now, limits)) {
            return Ok(every);
        }
        if let Some(answered) = partition.answered(EVERY, &issue.command.id) {
            return Err(Answer { outcome: answered.outcome.clone(), repeated: true });
        }
        let order = match &issue.command.action {
            Action::Invalid { why, .. } => Err(Outcome::rejected(why.clone())),
            _ if !issue.command.expect.is_nothing() => {
                Err(Outcome::rejected("expect: every flow stands elsewhere; leave it out, or name one flow"))
            }
            Action::Pause(order) => partition.order_default(order, &issue, now, limits).map(Order::Pause),
            Action::Resume(order) => {
                let ends_default = partition.default.take().is_some_and(|default| !default.is_over(&issue, now));
                Ok(Order::Resume { order, ends_default })
            }
            Action::Release(_) | Action::Purge(_) | Action::AcceptLoss(_) | Action::Forget => {
                let word = issue.command.action.word();
                Err(Outcome::rejected(format!("{word} is for one flow at a time: name it instead of `*`")))
            }
        };
        match order {
            Ok(order) => Ok(Self { issue, now, limits: *limits, order, changed: 0, left_alone: 0 }),
            Err(outcome) => {
                Err(Answer { outcome: remember_unknown(partition, EVERY, &issue, outcome), repeated: false })
            }
        }
    }

    /// It has begun in a turn before, and found then that there is something to do.
    fn go_on(
        partition: &Partition,
        under_way: &EveryUnderWay,
        issue: Issue<'a>,
        now: Timestamp,
        limits: &Limits,
    ) -> Option<Self> {
        let order = match (&issue.command.action, &partition.default) {
            (Action::Pause(_), Some(default)) => Order::Pause(default.pause.clone()),
            (Action::Resume(order), _) => Order::Resume { order, ends_default: under_way.ended_default },
            _ => return None,
        };
        let EveryUnderWay { began_at, changed, left_alone, .. } = *under_way;
        let now = if mutant::is(Mutant::EveryPartByItsOwnClock) { now } else { began_at };
        Some(Self { issue, now, limits: *limits, order, changed, left_alone })
    }

    /// Whether it does something to flows that are live.
    #[must_use]
    pub fn concerns_live(&self) -> bool {
        matches!(self.order, Order::Pause(_))
    }

    /// The moment as of which it is applied to all of them, however many turns that takes: that of the first one.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.now
    }

    /// Applies it to a flow of the partition.
    pub fn order(&mut self, flow: &mut Flow) -> Ordered {
        let mut transitions = flow.fire_before(&self.issue, self.now);
        let by_timer = transitions.len();
        let ordered = match &self.order {
            Order::Pause(default) => flow.pause_by_all(default, &self.issue, self.now, &self.limits),
            Order::Resume { order, .. } => flow.resume_by_all(order, &self.issue, self.now),
        };
        self.left_alone += u64::from(flow.pause().is_some_and(|pause| !pause.by_all) && flow.deadline().is_some());
        if !ordered.is_empty() {
            self.changed += 1;
            flow.updated_at = self.now;
        }
        transitions.extend(ordered);
        Ordered { transitions, by_timer }
    }

    /// It was applied to this flow and to all before it. The others come in another turn, and the answer with the last of them.
    pub fn interrupt(self, partition: &mut Partition, through: FlowId) {
        let Self { issue, now: began_at, changed, left_alone, order, .. } = self;
        let ended_default = matches!(order, Order::Resume { ends_default: true, .. });
        let command = issue.offset;
        partition.every = Some(EveryUnderWay { command, began_at, through, changed, left_alone, ended_default });
    }

    /// It was applied to every flow of the partition.
    pub fn end(self, partition: &mut Partition) -> Answer {
        let flows = |n: u64| if n == 1 { "1 flow".to_owned() } else { format!("{n} flows") };
        let changed = flows(self.changed);
        let alone = match self.left_alone {
            0 => String::new(),
            1 => "; 1 flow has a pause of its own, which stays as it is".to_owned(),
            n => format!("; {n} flows have pauses of their own, which stay as they are"),
        };
        let outcome = match &self.order {
            Order::Pause(default) => {
                let until = default.resumes_at;
                Outcome::applied(format!("paused {changed}, and every new one, until {until}{alone}"))
            }
            Order::Resume { ends_default, .. } if *ends_default || self.changed > 0 => {
                Outcome::applied(format!("resuming {changed}{alone}"))
            }
            Order::Resume { .. } => Outcome::unchanged(format!("no pause of `*` is in force{alone}")),
        };
        let outcome = remember_unknown(partition, EVERY, &self.issue, outcome);
        Answer { outcome, repeated: false }
    }
}

impl DefaultPause {
    /// Whether its deadline has not passed.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.pause.resumes_at > now && !mutant::is(Mutant::DefaultForgottenForANewFlow)
    }

    /// Whether a command for every flow finds it ended. As with the flows that it has paused, one that was recorded before the
    /// deadline does not.
    fn is_over(&self, issue: &Issue<'_>, now: Timestamp) -> bool {
        self.pause.resumes_at <= now && self.pause.resumes_at <= issue.recorded_at
    }
}

impl Partition {
    /// The default, unless its deadline has passed.
    #[must_use]
    pub fn default_in_force(&self, now: Timestamp) -> Option<&DefaultPause> {
        self.default.as_ref().filter(|default| default.is_in_force(now))
    }

    /// Brings the deadline of the default under the cap, as [`Flow::cap_deadline`] does with a flow's. `true`: it has changed.
    pub fn cap_default(&mut self, limits: &Limits, now: Timestamp) -> bool {
        let Some(DefaultPause { pause, .. }) = &mut self.default else { return false };
        let cap = pause.paused_at.after(limits.max_pause);
        let is_beyond = pause.resumes_at > cap;
        if is_beyond {
            pause.move_deadline(cap, now);
        }
        is_beyond
    }

    /// The default as the order makes it or changes it.
    fn order_default(
        &mut self,
        order: &PauseOrder,
        issue: &Issue<'_>,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<Pause, Outcome> {
        let pause = match self.default.take_if(|default| !default.is_over(issue, now)) {
            Some(default) => {
                let mut pause = default.pause.clone();
                if let Err(rejected) = pause.update(order, issue, now, limits) {
                    self.default = Some(default);
                    return Err(rejected);
                }
                pause
            }
            None => Pause { by_all: true, ..new_pause(order, issue, now, limits)? },
        };
        self.default = Some(DefaultPause { pause: pause.clone(), command: issue.offset });
        Ok(pause)
    }
}

impl Flow {
    /// It is first seen under a default: that pauses it now.
    pub fn begin_default(&mut self, default: &DefaultPause, now: Timestamp, limits: &Limits) -> Transition {
        let resumes_at = default.pause.resumes_at.min(now.after(limits.max_pause));
        let warned = Warning::reached(resumes_at, now);
        self.begin(Pause { paused_at: now, resumes_at, warned, ..default.pause.clone() });
        Transition::Paused
    }

    fn pause_by_all(&mut self, default: &Pause, issue: &Issue<'_>, now: Timestamp, limits: &Limits) -> Vec<Transition> {
        let new = || {
            // The limit may have been lowered since the command began.
            let resumes_at = default.resumes_at.min(now.after(limits.max_pause));
            let (id, warned) = (Pause::id(issue), Warning::reached(resumes_at, now));
            Pause { id, paused_at: now, resumes_at, warned, ..default.clone() }
        };
        match &mut self.state {
            State::Paused(pause) if pause.by_all || mutant::is(Mutant::EveryEndsAPauseOfAFlowsOwn) => {
                let Pause { resumes_at, new_records, keep, on_expiry, expiry_rate, by, reason, .. } = default.clone();
                // It may have begun by a clock that is behind that of the default.
                pause.move_deadline(resumes_at.min(pause.paused_at.after(limits.max_pause)), now);
                *pause = Pause { new_records, keep, on_expiry, expiry_rate, by, reason, ..pause.clone() };
                vec![Transition::Updated]
            }
            State::Paused(_) => vec![],
            State::Live => {
                self.begin(new());
                vec![Transition::Paused]
            }
            State::Resuming { .. } => {
                self.lift_line();
                self.begin(new());
                vec![Transition::Repaused]
            }
        }
    }

    fn resume_by_all(&mut self, order: &ResumeOrder, issue: &Issue<'_>, now: Timestamp) -> Vec<Transition> {
        let by_all = self.pause().is_some_and(|pause| pause.by_all || mutant::is(Mutant::EveryEndsAPauseOfAFlowsOwn));
        if by_all { self.order_resume(order, issue, now).1 } else { vec![] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::super::{Cause, Expect, FlowId, Keep, NewRecords, PauseEnd, Release, Target, Verdict};
    use super::*;

    const SECOND: &str = "second";

    /// Two flows of a partition, and what their worker would do.
    struct Hall {
        flows: Vec<Option<Flow>>,
        partition: Partition,
        limits: Limits,
        now: Timestamp,
        offset: i64,
    }

    impl Hall {
        /// Both live.
        fn new() -> Self {
            let flow = |id: &str| Some(Flow::new(FlowId::new(id).unwrap(), T0));
            Self {
                flows: vec![flow("welcome"), flow(SECOND)],
                partition: Partition::new(6, 6, 0, 0, T0),
                limits: Limits::default(),
                now: T0,
                offset: 100,
            }
        }

        fn every(&mut self, id: &str, action: Action) -> (Answer, Vec<Vec<Transition>>) {
            self.every_expecting(id, action, Expect::default())
        }

        fn every_expecting(&mut self, id: &str, action: Action, expect: Expect) -> (Answer, Vec<Vec<Transition>>) {
            let command = super::super::Command { target: Target::Every, expect, ..command(id, action) };
            let issue = Issue { command: &command, offset: self.offset, recorded_at: self.now };
            self.offset += 1;
            match Every::begin(&mut self.partition, issue, self.now, &self.limits) {
                Err(answer) => (answer, Vec::new()),
                Ok(mut every) => {
                    let flows = self.flows.iter_mut().flatten();
                    let did = flows.map(|flow| every.order(flow).transitions).collect();
                    (every.end(&mut self.partition), did)
                }
            }
        }

        /// A command for the first of them, or for one that is not known.
        fn one(&mut self, index: usize, id: &str, action: Action) -> super::super::command::Applied {
            let command = command(id, action);
            let issue = Issue { command: &command, offset: self.offset, recorded_at: self.now };
            self.offset += 1;
            let moment = super::super::Moment { now: self.now, limits: &self.limits, gone: None };
            let name = self.flows[index].as_ref().map_or_else(flow_id, |flow| flow.id.clone());
            super::super::command::apply(&mut self.flows[index], &name, &mut self.partition, &issue, &moment)
        }

        fn flow(&mut self, index: usize) -> &mut Flow {
            self.flows[index].as_mut().unwrap()
        }

        fn pause(&mut self, index: usize) -> Pause {
            self.flow(index).pause().unwrap().clone()
        }

        fn words(&self) -> Vec<&'static str> {
            self.flows.iter().flatten().map(Flow::state_word).collect()
        }
    }

    fn answer(of: &(Answer, Vec<Vec<Transition>>)) -> String {
        of.0.outcome.to_string()
    }

    const PAUSED: [Transition; 1] = [Transition::Paused];
    const UPDATED: [Transition; 1] = [Transition::Updated];
    const RESUMED: [Transition; 1] = [Transition::Resumed(Cause::Resume)];

    #[test]
    fn every_flow_is_paused_and_resumed_but_for_pauses_of_their_own() {
        let mut hall = Hall::new();
        hall.one(1, "own", pause());
        let paused = hall.every("p", pause());
        assert_eq!(
            answer(&paused),
            "applied: paused 1 flow, and every new one, until 2024-01-15T00:00:00Z; 1 flow has a pause of its \
             own, which stays as it is"
        );
        assert_eq!(paused.1, [PAUSED.to_vec(), vec![]]);
        assert!(hall.pause(0).by_all && !hall.pause(1).by_all);
        let again = hall.every("p", pause());
        assert_eq!((again.0.outcome, again.0.repeated), (paused.0.outcome, true));
        let resumed = hall.every("r", resume());
        assert_eq!(answer(&resumed), "applied: resuming 1 flow; 1 flow has a pause of its own, which stays as it is");
        assert_eq!(resumed.1, [RESUMED.to_vec(), vec![]]);
        assert_eq!((hall.words(), hall.partition.default.clone()), (vec!["resuming", "paused"], None));
        let nothing = "unchanged: no pause of `*` is in force; 1 flow has a pause of its own, which stays as it is";
        hall.flow(0).settle(T0);
        assert_eq!(answer(&hall.every("again", resume())), nothing);
    }

    #[test]
    fn a_flow_that_is_first_seen_is_paused_as_long_as_the_default_is_in_force() {
        let mut hall = Hall::new();
        hall.every("p", pause_for(DAY));
        let now = T0.after(HOUR);
        let default = hall.partition.default_in_force(now).unwrap().clone();
        assert_eq!(default.command, 100);
        let mut new = Flow::new(flow_id(), now);
        assert_eq!(new.begin_default(&default, now, &hall.limits), Transition::Paused);
        let pause = new.pause().unwrap();
        let expected = ("pause-100", true, now, T0.after(DAY), Some(Warning::Day));
        assert_eq!((pause.id.as_str(), pause.by_all, pause.paused_at, pause.resumes_at, pause.warned), expected);
        // Judged when it is used.
        assert!(hall.partition.default_in_force(T0.after(DAY)).is_none());
        let lowered = Limits { max_pause: HOUR };
        assert!(hall.partition.cap_default(&lowered, now));
        assert!(hall.partition.default_in_force(now).is_none());
        assert!(!hall.partition.cap_default(&lowered, now));
    }

    /// Under it every flow that is named is known, whatever becomes of the command.
    #[test]
    fn a_command_finds_a_flow_that_the_default_has_paused() {
        let seen = [Transition::Seen, Transition::Paused];
        let cases: [(Action, Verdict, Option<Transition>); 6] = [
            (pause(), Verdict::Applied, Some(Transition::Updated)),
            (resume(), Verdict::Applied, Some(Transition::Resumed(Cause::Resume))),
            (sample(1), Verdict::Unchanged, None),
            (purge(), Verdict::Unchanged, None),
            (accept_loss(1), Verdict::Rejected, None),
            (Action::Forget, Verdict::Rejected, None),
        ];
        for (action, verdict, transition) in cases {
            let mut hall = Hall::new();
            hall.every("p", pause());
            hall.flows.push(None);
            let applied = hall.one(2, "c", action.clone());
            assert_eq!((applied.outcome.verdict, applied.by_default), (verdict, Some(100)), "{action:?}");
            assert_eq!(applied.transitions, seen.iter().cloned().chain(transition).collect::<Vec<_>>(), "{action:?}");
            assert!(hall.one(2, "c", action).repeated);
        }
    }

    #[test]
    fn it_goes_on_as_of_the_moment_at_which_it_began() {
        let mut hall = Hall::new();
        let command = super::super::Command { target: Target::Every, ..command("p", pause_for(DAY)) };
        let issue = Issue { command: &command, offset: 100, recorded_at: T0 };
        let mut every = Every::begin(&mut hall.partition, issue, T0, &hall.limits).ok().unwrap();
        every.order(hall.flows[0].as_mut().unwrap());
        every.interrupt(&mut hall.partition, flow_id());
        let mut every = Every::begin(&mut hall.partition, issue, T0.after(HOUR), &hall.limits).ok().unwrap();
        assert_eq!(every.at(), T0);
        every.order(hall.flows[1].as_mut().unwrap());
        let answer = every.end(&mut hall.partition);
        let told = "applied: paused 2 flows, and every new one, until 2024-01-02T00:00:00Z";
        assert_eq!((answer.outcome.to_string().as_str(), answer.repeated), (told, false));
        let expected = (T0, T0.after(DAY));
        assert_eq!([0, 1].map(|index| (hall.pause(index).paused_at, hall.pause(index).resumes_at)), [expected; 2]);
        assert_eq!(hall.partition.every, None);
        // Whether a default was in force is known from its beginning.
        let command = super::super::Command { target: Target::Every, ..self::command("r", resume()) };
        let issue = Issue { command: &command, offset: 101, recorded_at: T0 };
        let every = Every::begin(&mut hall.partition, issue, T0, &hall.limits).ok().unwrap();
        every.interrupt(&mut hall.partition, flow_id());
        assert_eq!(
            (hall.partition.default.clone(), hall.partition.every.as_ref().unwrap().ended_default),
            (None, true)
        );
        let every = Every::begin(&mut hall.partition, issue, T0, &hall.limits).ok().unwrap();
        assert_eq!(every.end(&mut hall.partition).outcome.to_string(), "applied: resuming 0 flows");
    }

    #[test]
    fn a_second_pause_changes_the_default_and_everything_that_it_paused() {
        let mut hall = Hall::new();
        hall.every("p", pause_for(2 * DAY));
        hall.one(1, "out", resume());
        hall.flow(1).settle(T0);
        hall.now = T0.after(HOUR);
        let order = PauseOrder {
            keep: Some(Keep::All),
            new_records: Some(NewRecords::Discard),
            end: Some(PauseEnd::For(DAY)),
            ..PauseOrder::default()
        };
        let second = hall.every("q", Action::Pause(order));
        assert_eq!(second.1, [UPDATED, PAUSED]);
        let resumes_at = T0.after(HOUR + DAY);
        let default = hall.partition.default.clone().unwrap();
        assert_eq!((default.pause.id.as_str(), default.pause.paused_at, default.command), ("pause-100", T0, 102));
        let (first, live) = (hall.pause(0), hall.pause(1));
        assert_eq!((first.id.as_str(), first.paused_at), ("pause-100", T0));
        assert_eq!((live.id.as_str(), live.paused_at), ("pause-102", T0.after(HOUR)));
        for pause in [first, live, default.pause] {
            assert_eq!((pause.resumes_at, pause.keep, pause.new_records), (resumes_at, Keep::All, NewRecords::Discard));
            assert!(pause.by_all);
        }
        // P5: its first paused-at sets the limit.
        let beyond = hall.every("r", pause_for(14 * DAY));
        assert_eq!(beyond.0.outcome.verdict, Verdict::Rejected);
        assert_eq!(hall.pause(0).resumes_at, resumes_at);
        assert_eq!(hall.partition.default.clone().unwrap().command, 102);
    }

    #[test]
    fn whoever_names_a_flow_makes_the_pause_its_own() {
        let mut hall = Hall::new();
        hall.every("p", pause());
        hall.one(0, "mine", pause_for(DAY));
        let resumed = hall.every("r", resume());
        assert_eq!(resumed.1, [vec![], RESUMED.to_vec()]);
        assert_eq!(hall.words(), ["paused", "resuming"]);
    }

    #[test]
    fn a_drain_is_stopped_and_given_new_orders_if_its_pause_was_of_every_flow() {
        let mut hall = Hall::new();
        hall.one(0, "own", pause());
        hall.one(0, "own drain", resume());
        hall.every("p", pause());
        assert_eq!(hall.words(), ["paused", "paused"]);
        assert!(hall.pause(0).by_all, "its drain was stopped");
        hall.every("r", resume());
        let rated = || Action::Resume(ResumeOrder { max_rate: rate(5), ..ResumeOrder::default() });
        let redirected = hall.every("s", rated());
        assert_eq!(redirected.1, [[Transition::Redirected], [Transition::Redirected]]);
        assert_eq!(answer(&redirected), "applied: resuming 2 flows");
        assert_eq!(hall.flow(1).max_rate(), rate(5));
        let mut hall = Hall::new();
        hall.one(0, "own", pause());
        hall.one(0, "own drain", resume());
        assert_eq!(hall.every("s", rated()).1, [[], []]);
        assert_eq!(hall.flow(0).max_rate(), None);
    }

    /// As with one flow: the deadline comes before a command that was recorded after it.
    #[test]
    fn the_timer_comes_before_a_command_recorded_after_the_deadline() {
        let mut hall = Hall::new();
        hall.every("p", pause_for(DAY));
        hall.now = T0.after(2 * DAY);
        let second = hall.every("q", pause());
        let anew = [Transition::Resumed(Cause::Timer), Transition::Repaused];
        assert_eq!(second.1, [anew.clone(), anew]);
        let default = hall.partition.default.clone().unwrap();
        assert_eq!((default.pause.id.as_str(), default.pause.resumes_at), ("pause-101", T0.after(16 * DAY)));
        // The end of what has ended by itself is no news.
        let mut hall = Hall::new();
        hall.every("p", pause_for(DAY));
        hall.now = T0.after(2 * DAY);
        hall.flows.clear();
        assert_eq!(answer(&hall.every("r", resume())), "unchanged: no pause of `*` is in force");
    }

    #[test]
    fn what_is_for_one_flow_is_rejected_and_remembered() {
        let invalid = Action::Invalid { word: String::new(), why: "`action` is missing".to_owned() };
        let cases = [
            (sample(1), "rejected: release is for one flow at a time: name it instead of `*`"),
            (purge(), "rejected: purge is for one flow at a time: name it instead of `*`"),
            (accept_loss(1), "rejected: accept_loss is for one flow at a time: name it instead of `*`"),
            (Action::Forget, "rejected: forget is for one flow at a time: name it instead of `*`"),
            (invalid, "rejected: `action` is missing"),
        ];
        let mut hall = Hall::new();
        for (n, (action, why)) in cases.into_iter().enumerate() {
            let first = hall.every(&n.to_string(), action.clone());
            assert_eq!((answer(&first).as_str(), first.0.repeated), (why, false));
            let again = hall.every(&n.to_string(), action);
            assert_eq!((again.0.outcome, again.0.repeated), (first.0.outcome, true));
        }
        let expect = Expect { next_entry: Some(1), ..Expect::default() };
        let why = "rejected: expect: every flow stands elsewhere; leave it out, or name one flow";
        assert_eq!(answer(&hall.every_expecting("e", pause(), expect)), why);
        assert_eq!(answer(&hall.every("u", pause_until(T0)))[..17], "rejected: expired"[..17]);
        assert_eq!((hall.words(), hall.partition.default.clone()), (vec!["live", "live"], None));
    }

    #[test]
    fn a_line_of_a_drain_that_is_stopped_is_lifted() {
        let mut hall = Hall::new();
        hall.one(0, "own", pause());
        hall.one(0, "none", resume_releasing(Release::None));
        hall.every("p", pause());
        assert_eq!(hall.flow(0).queue.discard_through, None);
    }
}

//! A pause of `*` is total: what commands for `*` did to each flow of a partition, and that they left none out.
//!
//! What a command for `*` makes of a flow is known from how it finds the flow. A flow that is first seen under a default is
//! paused by it there and then. Whether a flow's own transition that no command caused came before such a command or behind it
//! nobody tells where both stand at the same place of the input: there both are right.

use std::collections::HashMap;

use crate::court::Case;
use crate::defaults::{Defaults, ForAll, InForce, Partition, Standing, pause_id};
use crate::follow::{Transition, Verdict};
use crate::gather::Gathered;
use crate::succession::{State, next_state};
use crate::{Anomaly, Fault};

/// How a command finds a flow.
#[derive(Clone, Copy, Debug)]
struct Condition {
    state: State,
    known: bool,
    /// By `*`; of a flow that resumes: the pause that ended was.
    by_all: bool,
}

/// By partition and the command's offset: whether a flow was there that `*` had paused, for certain or perhaps.
#[derive(Debug, Default)]
pub(crate) struct Paused(HashMap<(i32, i64), (bool, bool)>);

/// Judges one flow.
pub(crate) fn judge(
    partition: &Partition,
    case: &Case<'_>,
    verdicts: &[Verdict],
    gathered: &Gathered<'_>,
    (paused, faults): (&mut Paused, &mut Vec<Fault>),
) {
    let flow = Flow { partition, transitions: case.transitions, conditions: conditions(case.transitions) };
    flow.causes(faults);
    flow.first_seen(verdicts, faults);
    flow.effects(faults);
    flow.unseen(case.flow, gathered, faults);
    for answer in partition.answers.iter().filter(|answer| answer.action() == "resume") {
        let (certain, perhaps) = flow.is_paused_before(answer);
        let known = paused.0.entry((answer.partition, answer.offset)).or_default();
        *known = (known.0 || certain, known.1 || perhaps);
    }
}

/// A resume of `*` is applied where there was something to resume, and unchanged where there was nothing.
pub(crate) fn resumes(defaults: &Defaults, paused: &Paused, anomalies: &mut Vec<Anomaly>) {
    for (partition, of) in defaults.partitions() {
        for answer in of.answers.iter().filter(|answer| answer.action() == "resume") {
            let (certain, perhaps) = paused.0.get(&(partition, answer.offset)).copied().unwrap_or_default();
            let default = of.before(answer.offset).map_or(InForce::No, |default| default.in_force(answer.judges_ms()));
            let why = match answer.outcome.as_str() {
                "applied" if !perhaps && default == InForce::No => "is applied, and there was nothing to resume",
                "unchanged" if certain || default == InForce::Yes => "is unchanged, and there was something to resume",
                _ => continue,
            };
            let fault = Fault::Command { at: answer.place.clone(), why: format!("a resume of `*` {why}") };
            anomalies.push(Anomaly { flow: None, fault });
        }
    }
}

/// How each transition finds the flow, and how the last one leaves it.
fn conditions(transitions: &[Transition]) -> Vec<Condition> {
    let mut condition = Condition { state: State::Live, known: false, by_all: false };
    let mut conditions = vec![condition];
    for transition in transitions {
        condition.change(transition);
        conditions.push(condition);
    }
    conditions
}

impl Condition {
    fn change(&mut self, transition: &Transition) {
        let word = transition.word.as_str();
        // What cannot be changes nothing, and is said elsewhere.
        let Some(state) = next_state(self.state, word) else { return };
        self.state = state;
        self.known = word != "forgotten";
        match word {
            "paused" | "repaused" => self.by_all = transition.for_all,
            // A limit that was lowered makes no pause the flow's own.
            "updated" if transition.offset.is_some() => self.by_all &= transition.for_all,
            "live" | "forgotten" => self.by_all = false,
            _ => {}
        }
    }

    /// The transition that a command for `*` makes of it.
    fn effect(self, command: &ForAll) -> Option<&'static str> {
        let orders = ["release", "max_rate", "max_age_seconds"].iter().any(|order| !command.command[order].is_null());
        match (command.action(), self.state) {
            _ if !self.known => None,
            ("pause", State::Live) => Some("paused"),
            ("pause", State::Resuming) => Some("repaused"),
            ("pause", State::Paused) => self.by_all.then_some("updated"),
            ("resume", State::Paused) => self.by_all.then_some("resumed"),
            ("resume", State::Resuming) => (self.by_all && orders).then_some("redirected"),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match (self.state, self.by_all) {
            _ if !self.known => "not known",
            (State::Live, _) => "live",
            (State::Paused, true) => "paused by `*`",
            (State::Paused, false) => "paused on its own",
            (State::Resuming, true) => "resuming from a pause of `*`",
            (State::Resuming, false) => "resuming from a pause of its own",
        }
    }
}

/// Whether a transition is what a command does to a flow's pause.
fn is_effect(transition: &Transition) -> bool {
    matches!(transition.word.as_str(), "paused" | "updated" | "repaused" | "resumed" | "redirected")
}

struct Flow<'a> {
    partition: &'a Partition,
    transitions: &'a [Transition],
    conditions: Vec<Condition>,
}

impl Flow<'_> {
    /// Whether a transition pauses a flow that is first seen, which the one before it says.
    fn is_first_pause(&self, index: usize) -> bool {
        let [Some(seen), Some(paused)] = [index.checked_sub(1), Some(index)].map(|at| self.transitions.get(at?)) else {
            return false;
        };
        let same = seen.position.input == paused.position.input;
        same && seen.word == "seen" && paused.word == "paused" && paused.for_all
    }

    /// Each transition of a command for `*` is what that command makes of the flow, and is made once.
    fn causes(&self, faults: &mut Vec<Fault>) {
        let mut made: Vec<i64> = Vec::new();
        for (index, transition) in self.transitions.iter().enumerate() {
            let Some(offset) = transition.offset.filter(|_| transition.for_all && is_effect(transition)) else {
                continue;
            };
            // Without its answer nothing is known of it, and that is said elsewhere.
            let Some(answer) = self.partition.answer(offset) else { continue };
            if self.is_first_pause(index) {
                continue;
            }
            let condition = self.conditions[index];
            let begins = matches!(transition.word.as_str(), "paused" | "repaused");
            let why = if condition.effect(answer) != Some(transition.word.as_str()) {
                format!("is not what a {} of `*` makes of a flow that is {}", answer.action(), condition.word())
            } else if made.contains(&offset) {
                "is the second thing that a command for `*` makes of the flow".to_owned()
            } else if transition.position.input != answer.position.input {
                "is not where its partition answers the command".to_owned()
            } else if begins && transition.pause_id != Some(pause_id(offset)) {
                "does not name the pause by its command".to_owned()
            } else {
                made.push(offset);
                continue;
            };
            faults.push(Fault::Audit { at: transition.place.clone(), why });
        }
    }

    /// A flow that is first seen under a default is paused by it, and no other is.
    fn first_seen(&self, verdicts: &[Verdict], faults: &mut Vec<Fault>) {
        for (index, seen) in self.transitions.iter().enumerate().filter(|(_, transition)| transition.word == "seen") {
            let pause = Some(index + 1).filter(|at| self.is_first_pause(*at)).map(|at| &self.transitions[at]);
            let behind = &self.transitions[index + 1 + usize::from(pause.is_some())..];
            // Whatever came to the flow next came behind its first pause.
            let answered = verdicts.iter().find(|verdict| seen.place < verdict.place).map(|verdict| verdict.offset);
            let next = behind.iter().find_map(|transition| transition.offset).into_iter().chain(answered).min();
            let standing = self.partition.standing(seen.position.input, next.unwrap_or(i64::MAX));
            let in_force = standing.map_or(InForce::No, |standing| standing.in_force(seen.told_ms));
            let why = match (standing, pause) {
                (Some(default), None) if in_force == InForce::Yes => {
                    format!("is not paused by the default of command {}", default.newest)
                }
                (Some(default), Some(pause)) if in_force != InForce::No => match wrongly_paused(default, pause) {
                    Some(why) => why.to_owned(),
                    None => continue,
                },
                (_, Some(_)) => "is paused by a default that is not in force".to_owned(),
                _ => continue,
            };
            faults.push(Fault::Audit { at: pause.unwrap_or(seen).place.clone(), why });
        }
    }

    /// Every command for `*` that was applied made of the flow what it had to.
    fn effects(&self, faults: &mut Vec<Fault>) {
        for answer in self.partition.answers.iter().filter(|answer| answer.outcome == "applied") {
            let of_it = |(index, transition): (usize, &Transition)| {
                transition.offset == Some(answer.offset) && is_effect(transition) && !self.is_first_pause(index)
            };
            if self.transitions.iter().enumerate().any(of_it) {
                continue;
            }
            let found = self.found_by(answer);
            if found.iter().all(|condition| condition.effect(answer).is_some()) {
                let condition = found[0].word();
                let why = format!("a {} of `*` makes nothing of a flow that is {condition}", answer.action());
                faults.push(Fault::Command { at: answer.place.clone(), why });
            }
        }
    }

    /// The conditions in which a command may have found the flow.
    fn found_by(&self, answer: &ForAll) -> &[Condition] {
        // The offset of a first event's transition may be that of the command for `*`.
        let offset = |transition: &Transition| transition.offset.filter(|_| transition.word != "seen");
        let input = answer.position.input;
        let is_earlier = |transition: &Transition| {
            transition.position.input < input || offset(transition).is_some_and(|offset| offset < answer.offset)
        };
        let is_later = |transition: &Transition| {
            transition.position.input > input || offset(transition).is_some_and(|offset| offset >= answer.offset)
        };
        let first = self.transitions.iter().rposition(is_earlier).map_or(0, |last| last + 1);
        let last = self.transitions.iter().position(is_later).unwrap_or(self.transitions.len());
        &self.conditions[first..=last.max(first)]
    }

    fn is_paused_before(&self, answer: &ForAll) -> (bool, bool) {
        let found = self.found_by(answer);
        (
            found.iter().all(|condition| condition.by_all && condition.state == State::Paused),
            found.iter().any(|condition| condition.by_all),
        )
    }

    /// No event of a flow that is not known passes a default unseen.
    fn unseen(&self, flow: usize, gathered: &Gathered<'_>, faults: &mut Vec<Fault>) {
        let mut next = 0;
        for event in gathered.flows[flow].events.iter().map(|event| &gathered.events[*event]) {
            let offset = event.source.offset;
            while self.transitions.get(next).is_some_and(|transition| transition.position.input <= offset) {
                next += 1;
            }
            if self.conditions[next].known || event.refused {
                continue;
            }
            let Some(default) = self.partition.standing(offset, i64::MAX) else { continue };
            let answer = self.partition.answer(default.newest);
            if let (InForce::Yes, Some(answer)) = (default.in_force(self.partition.told_behind(offset)), answer) {
                let why = format!("a pause of `*` does not pause the flow at its event at {offset}");
                faults.push(Fault::Command { at: answer.place.clone(), why });
            }
        }
    }
}

/// What is wrong with the pause of a flow that is first seen under a default.
fn wrongly_paused(default: &Standing, pause: &Transition) -> Option<&'static str> {
    if pause.offset != Some(default.newest) {
        return Some("names another command than the one that made the default what it is");
    }
    (pause.pause_id != Some(default.pause_id())).then_some("does not name the pause by the default's first command")
}

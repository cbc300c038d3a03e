//! Commands for `*`: what each partition answered, and the default that stands there behind each answer.
//!
//! A default is what all `pause` commands of `*` since the last `resume` of `*` made of it together: what one of them does not
//! name stays. So a pause that it makes orders what they order together, with the deadline as a time.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::Place;
use crate::record::Log;
use crate::time::{milliseconds, text};
use crate::told::{Answer, Position};

/// Two gates' clocks are each within 60 s of the broker's.
const CLOCK_SLACK_MS: i64 = 120_000;

/// In what all `pause` commands of `*` order together: when the first of them took effect.
pub(crate) const PAUSED_AT: &str = "default_paused_at";

/// By partition.
#[derive(Debug, Default)]
pub(crate) struct Defaults(BTreeMap<i32, Partition>);

#[derive(Debug, Default)]
pub(crate) struct Partition {
    /// In the order of the commands; without those that repeat an earlier one.
    pub answers: Vec<ForAll>,
    /// Where the input stood whenever something was told, and the earliest time told there or behind; in that order.
    told: Vec<(i64, i64)>,
}

/// A partition's answer to a command for `*`.
#[derive(Debug)]
pub(crate) struct ForAll {
    pub partition: i32,
    pub offset: i64,
    pub position: Position,
    /// By the gate's clock.
    pub told_ms: Option<i64>,
    /// When the broker took the command.
    recorded_ms: Option<i64>,
    pub outcome: String,
    pub command: Value,
    pub place: Place,
    /// What stands behind it.
    pub default: Option<Standing>,
}

/// A default. It may have come to its deadline.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Where the first `pause` of `*` stands, and the newest.
    pub first: i64,
    pub newest: i64,
    /// The earliest and the latest, where a command or a public state says it.
    deadline: Option<(i64, i64)>,
    /// What all of them order together.
    pub command: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InForce {
    Yes,
    No,
    /// Its deadline is too near, or is not known.
    Perhaps,
}

impl Defaults {
    /// Something was told in a partition.
    pub(crate) fn note(&mut self, partition: i32, input: i64, told_ms: i64) {
        self.0.entry(partition).or_default().told.push((input, told_ms));
    }

    pub(crate) fn of(&self, partition: i32) -> Option<&Partition> {
        self.0.get(&partition).filter(|partition| !partition.answers.is_empty())
    }

    pub(crate) fn partitions(&self) -> impl Iterator<Item = (i32, &Partition)> {
        self.0.iter().map(|(partition, of)| (*partition, of))
    }

    /// The default that a `pause` of `*` made what it is.
    pub(crate) fn paused_by(&self, partition: i32, offset: i64) -> Option<&Standing> {
        let answer = self.of(partition)?.answer(offset)?;
        answer.default.as_ref().filter(|_| answer.action() == "pause")
    }

    /// Takes the answers. `command`: the command at an offset.
    pub(crate) fn fold(
        &mut self,
        log: &Log,
        answers: &HashMap<i64, Vec<Answer>>,
        command: impl Fn(i64) -> Option<Value>,
    ) {
        let recorded: HashMap<i64, i64> =
            log.control.iter().map(|record| (record.offset, record.timestamp_ms)).collect();
        let mut any = false;
        for (offset, answers) in answers {
            let Some(command) = command(*offset).filter(|command| command["flow_id"] == "*") else { continue };
            any = true;
            for answer in answers.iter().filter(|answer| !answer.repeated) {
                self.0.entry(answer.partition).or_default().answers.push(ForAll {
                    partition: answer.partition,
                    offset: *offset,
                    position: answer.position,
                    told_ms: answer.told_ms,
                    recorded_ms: recorded.get(offset).copied(),
                    outcome: answer.outcome.clone(),
                    command: command.clone(),
                    place: answer.place.clone(),
                    default: None,
                });
            }
        }
        if any {
            let public = Public::read(log);
            self.0.iter_mut().for_each(|(partition, of)| of.fold(*partition, &public));
        }
    }
}

impl Partition {
    /// The answer to the command at an offset.
    pub(crate) fn answer(&self, offset: i64) -> Option<&ForAll> {
        let at = self.answers.binary_search_by_key(&offset, |answer| answer.offset).ok()?;
        Some(&self.answers[at])
    }

    /// The default behind everything that was answered up to a place in the input, and before a command.
    pub(crate) fn standing(&self, input: i64, before: i64) -> Option<&Standing> {
        let is_earlier = |answer: &&ForAll| answer.position.input <= input && answer.offset < before;
        self.answers.iter().rev().find(is_earlier)?.default.as_ref()
    }

    /// The default that the command at an offset found.
    pub(crate) fn before(&self, offset: i64) -> Option<&Standing> {
        self.answers.iter().rev().find(|answer| answer.offset < offset)?.default.as_ref()
    }

    /// The latest time at which the event at an offset may have come, if anything was told behind it.
    pub(crate) fn told_behind(&self, offset: i64) -> Option<i64> {
        let behind = self.told.partition_point(|(input, _)| *input <= offset);
        self.told.get(behind).map(|(_, earliest)| *earliest)
    }

    fn fold(&mut self, partition: i32, public: &Public) {
        self.told.sort_unstable();
        let mut earliest = i64::MAX;
        for (_, told) in self.told.iter_mut().rev() {
            earliest = earliest.min(*told);
            *told = earliest;
        }
        self.answers.sort_by_key(|answer| answer.offset);
        let mut standing: Option<Standing> = None;
        for answer in &mut self.answers {
            match (answer.outcome.as_str(), answer.action()) {
                ("applied", "pause") => {
                    let found = standing.take().filter(|found| found.is_updated(partition, answer, public));
                    standing = Some(Standing::behind(found, partition, answer, public));
                }
                ("applied", "resume") => standing = None,
                _ => {}
            }
            answer.default.clone_from(&standing);
        }
    }
}

impl ForAll {
    /// As of when it judges whether a default is in force: one that was recorded before the deadline finds it so, however late it
    /// takes effect.
    pub(crate) fn judges_ms(&self) -> Option<i64> {
        self.told_ms.map(|told| self.recorded_ms.map_or(told, |recorded| recorded.min(told)))
    }

    pub(crate) fn action(&self) -> &str {
        self.command["action"].as_str().unwrap_or_default()
    }
}

impl Standing {
    /// Whether it is in force at a time of a gate's clock.
    pub(crate) fn in_force(&self, at_ms: Option<i64>) -> InForce {
        match self.deadline.zip(at_ms) {
            Some(((first, _), at)) if at < first - CLOCK_SLACK_MS => InForce::Yes,
            Some(((_, last), at)) if at >= last + CLOCK_SLACK_MS => InForce::No,
            _ => InForce::Perhaps,
        }
    }

    pub(crate) fn pause_id(&self) -> String {
        pause_id(self.first)
    }

    /// Whether a `pause` of `*` finds it in force: where its deadline is near, the public record tells.
    fn is_updated(&self, partition: i32, by: &ForAll, public: &Public) -> bool {
        match self.in_force(by.judges_ms()) {
            InForce::Yes => true,
            InForce::No => false,
            InForce::Perhaps => match public.ids.get(&(partition, by.offset)) {
                Some(id) => *id == self.pause_id(),
                None => self.deadline.zip(by.judges_ms()).is_none_or(|((_, last), at)| at < last),
            },
        }
    }

    /// What a `pause` makes of what it finds.
    fn behind(found: Option<Self>, partition: i32, by: &ForAll, public: &Public) -> Self {
        let mut standing = found.unwrap_or_else(|| {
            let begun = by.told_ms.map(text);
            Self { first: by.offset, newest: by.offset, deadline: None, command: json!({(PAUSED_AT): begun}) }
        });
        standing.newest = by.offset;
        if let (Some(all), Some(given)) = (standing.command.as_object_mut(), by.command.as_object()) {
            let length = given.get("for_seconds").and_then(Value::as_i64);
            let until = by.told_ms.zip(length).map(|(at, seconds)| at.saturating_add(seconds.saturating_mul(1000)));
            let given = given.iter().filter(|(name, _)| *name != "for_seconds" && *name != PAUSED_AT);
            all.extend(given.map(|(name, value)| (name.clone(), value.clone())));
            if let Some(until) = until {
                all.insert("until".to_owned(), text(until).into());
            }
        }
        let ordered = standing.command["until"].as_str().and_then(milliseconds);
        // What is public may be sooner: configuration that lowers the longest pause brings deadlines down.
        let told = public.of_newest.get(&(partition, by.offset));
        let told = told.or_else(|| public.deadlines.get(&(partition, standing.pause_id()))).copied();
        standing.deadline = match (ordered, told) {
            (Some(ordered), Some((first, _))) => Some((ordered.min(first), ordered)),
            (Some(ordered), None) => Some((ordered, ordered)),
            (None, told) => told,
        };
        standing
    }
}

/// The id of the pause that the command at an offset begins.
pub(crate) fn pause_id(offset: i64) -> String {
    format!("pause-{offset}")
}

/// What public states say of defaults.
#[derive(Default)]
struct Public {
    /// By partition and pause: the earliest deadline and the latest.
    deadlines: HashMap<(i32, String), (i64, i64)>,
    /// The same by partition and newest command: only the record of a partition names that.
    of_newest: HashMap<(i32, i64), (i64, i64)>,
    /// By partition and newest command: the pause's id.
    ids: HashMap<(i32, i64), String>,
}

impl Public {
    fn read(log: &Log) -> Self {
        let mut public = Self::default();
        for record in &log.state {
            let document = record.value.as_deref().and_then(|value| serde_json::from_slice::<Value>(value).ok());
            let Some(document) = document else { continue };
            let of_all = &document["default_pause"];
            let pause = if of_all.is_object() { of_all } else { &document["pause"] };
            let Some(id) = pause["id"].as_str().filter(|_| of_all.is_object() || pause["by_all"] == true) else {
                continue;
            };
            let newest = of_all["command_offset"].as_i64().map(|newest| (record.partition, newest));
            if let Some(newest) = newest {
                public.ids.insert(newest, id.to_owned());
            }
            let Some(deadline) = pause["resumes_at"].as_str().and_then(milliseconds) else { continue };
            let of_pause = public.deadlines.entry((record.partition, id.to_owned())).or_insert((deadline, deadline));
            let of_newest = newest.map(|newest| public.of_newest.entry(newest).or_insert((deadline, deadline)));
            for bounds in [Some(of_pause), of_newest].into_iter().flatten() {
                *bounds = (bounds.0.min(deadline), bounds.1.max(deadline));
            }
        }
        public
    }
}

//! Warnings of deadlines: a day and an hour ahead, each once for a deadline.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::circumstances::Circumstances;
use super::deadlines::{begun_by, ordered};
use super::documents::Told;
use super::story::{Commands, Wrong};
use crate::gather::Topics;
use crate::record::Record;
use crate::time::milliseconds;

const WARNINGS: [i64; 2] = [86_400, 3_600];

/// No warning comes early, twice, after its deadline, or where the deadline was set with no more than that ahead. None is
/// missing where the gate has come to its timers meanwhile.
pub(super) fn warnings(
    told: &[(&Record, Told)],
    commands: &Commands<'_>,
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let turns = turns(told);
    let mut pauses: HashMap<(&str, &str), Pause<'_>> = HashMap::new();
    for (record, event) in told {
        let (Some(word), Some(flow), Some(id)) = (&event.transition, &event.flow_id, &event.pause_id) else { continue };
        let (Some(at), key) = (milliseconds(&event.at), (flow.as_str(), id.as_str())) else { continue };
        let command = commands.of(event);
        let missing = match word.as_str() {
            "paused" | "repaused" => {
                pauses.insert(key, Pause::new(event, record, at, command, circumstances));
                None
            }
            "updated" => pauses.get_mut(&key).and_then(|pause| {
                let missing = pause.missing(&turns, at, circumstances);
                pause.update(at, command, circumstances);
                missing
            }),
            "expiring" => {
                let why = pauses.get_mut(&key).and_then(|pause| pause.warn(event.within_seconds?, at, circumstances));
                if let Some(why) = why {
                    wrong(&event.flow_id, topics.place("audit", record), format!("warns of a deadline {why}"));
                }
                None
            }
            "resumed" | "expired" => pauses.remove(&key).and_then(|pause| pause.missing(&turns, at, circumstances)),
            _ => None,
        };
        if let Some(seconds) = missing {
            let why = format!("no warning {seconds} seconds ahead of its deadline came before this");
            wrong(&event.flow_id, topics.place("audit", record), why);
        }
    }
    for ((flow, id), pause) in pauses {
        if let Some(seconds) = pause.missing(&turns, i64::MAX, circumstances) {
            let why = format!("no warning comes {seconds} seconds ahead of the deadline of pause {id}");
            wrong(&Some(flow.to_owned()), topics.place("audit", pause.record), why);
        }
    }
}

/// By partition: the moments of turns that came to their timers, in order. A timer shows that, and a first event: events come
/// behind timers. (What is passed does not: a gate that has just taken over passes entries before it comes to timers. Nor does
/// a first pause.)
fn turns(told: &[(&Record, Told)]) -> HashMap<i32, Vec<i64>> {
    let is = |told: &Told, words: &[&str]| told.transition.as_deref().is_some_and(|word| words.contains(&word));
    let of = |told: &Told| Some((told.flow_id.clone()?, milliseconds(&told.at)?));
    let paused: HashSet<_> =
        told.iter().filter(|(_, told)| is(told, &["paused"])).filter_map(|(_, told)| of(told)).collect();
    let mut turns: HashMap<i32, Vec<i64>> = HashMap::new();
    for (_, told) in told.iter().filter(|(_, told)| is(told, &["seen", "expired", "expiring"])) {
        let by_event = || of(told).is_none_or(|seen| !paused.contains(&seen));
        if let (Some(partition), Some(at)) = (told.partition, milliseconds(&told.at))
            && (!is(told, &["seen"]) || by_event())
        {
            turns.entry(partition).or_default().push(at);
        }
    }
    turns.values_mut().for_each(|of| of.sort_unstable());
    turns
}

/// A pause in force.
struct Pause<'a> {
    record: &'a Record,
    partition: Option<i32>,
    begun: i64,
    /// When its deadline was set, and where it lies, at the earliest and at the latest.
    set_at: i64,
    deadline: (i64, i64),
    said: Vec<i64>,
    /// The same deadline was set again, or configuration moved it: what was said before may count or not.
    doubtful: bool,
}

impl<'a> Pause<'a> {
    fn new(told: &Told, record: &'a Record, at: i64, command: Option<&Value>, circumstances: Circumstances) -> Self {
        let begun = begun_by(command, at);
        let longest = (begun + circumstances.least_max_pause_ms, begun + circumstances.max_pause_ms);
        let deadline = ordered(command, at).map_or(longest, |deadline| (deadline, deadline));
        let (partition, said) = (told.partition, Vec::new());
        Self { record, partition, begun, set_at: at, deadline, said, doubtful: false }
    }

    fn update(&mut self, at: i64, command: Option<&Value>, circumstances: Circumstances) {
        match ordered(command, at) {
            Some(deadline) if self.deadline == (deadline, deadline) => (self.set_at, self.doubtful) = (at, true),
            Some(deadline) => {
                (self.set_at, self.deadline, self.doubtful) = (at, (deadline, deadline), false);
                self.said.clear();
            }
            None => {
                // The limit may have been lowered meanwhile.
                let lowered = self.begun + circumstances.least_max_pause_ms;
                self.doubtful |= command.is_none() || lowered < self.deadline.0;
                self.deadline.0 = self.deadline.0.min(lowered);
            }
        }
    }

    /// Why a warning is wrong.
    fn warn(&mut self, seconds: i64, at: i64, circumstances: Circumstances) -> Option<&'static str> {
        let (first, last) = self.deadline;
        let apart = circumstances.clocks_apart_ms;
        let repeated = self.said.iter().any(|said| *said <= seconds);
        self.said.push(seconds);
        if at < first - seconds * 1000 - apart {
            Some("before its time")
        } else if at >= last + apart {
            Some("that has passed")
        } else if seconds == WARNINGS[0] && at >= last - WARNINGS[1] * 1000 + apart {
            Some("a day ahead, where an hour is left")
        } else if self.doubtful {
            None
        } else if repeated {
            Some("that it has warned of before")
        } else {
            (last - self.set_at <= seconds * 1000).then_some("that was set with no more than that ahead")
        }
    }

    /// The warning that should have come before this time.
    fn missing(&self, turns: &HashMap<i32, Vec<i64>>, before: i64, circumstances: Circumstances) -> Option<i64> {
        let turns = self.partition.and_then(|partition| turns.get(&partition))?;
        // A timer comes up to a second late, and the turn that was running then.
        let late = 1000 + circumstances.turn_ms + circumstances.clocks_apart_ms;
        let (first, last) = self.deadline;
        WARNINGS.into_iter().find(|seconds| {
            let armed = !self.doubtful && first - self.set_at > seconds * 1000;
            let nearer = if *seconds == WARNINGS[0] { WARNINGS[1] * 1000 } else { 0 };
            let until = (first - nearer).min(before).saturating_sub(late);
            let next = turns.partition_point(|turn| *turn < last - seconds * 1000 + late);
            armed && !self.said.contains(seconds) && turns.get(next).is_some_and(|turn| *turn < until)
        })
    }
}

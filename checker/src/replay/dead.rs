//! The dead letters: one for each event that cannot be understood, and for those that Kafka refused to store.
//!
//! A dead letter may lack its value: so it is told by the place that it names, and by nothing else.

use std::collections::{HashMap, HashSet};

use super::difference::{Departure, Difference};
use super::topics::{Topics, sorted};
use crate::record::{Log, Record};
use crate::understand::{is_odd, understand};

/// Compares the dead letters with the events. Returns those events that could be understood and were refused all the
/// same: the list never sees them.
pub(super) fn compare(log: &Log, topics: Topics<'_>, differences: &mut Vec<Difference>) -> HashSet<(i32, i64)> {
    let mut letters: HashMap<(i32, i64), Vec<&Record>> = HashMap::new();
    for letter in sorted(&log.dead_letters) {
        if let Some(source) = topics.source(letter) {
            letters.entry(source).or_default().push(letter);
        }
    }
    let mut refused = HashSet::new();
    for source in sorted(&log.enrollments) {
        let of = (source.partition, source.offset);
        let letters = letters.remove(&of).unwrap_or_default();
        let altered = letters.iter().any(|letter| !is_of(letter, source));
        let (flow, why) = match understand(source.value.as_deref()) {
            Err(broken) => {
                let why = match letters.len() {
                    0 => Some("cannot be understood and has no dead letter"),
                    1 if altered => Some("has a dead letter of other bytes"),
                    1 => None,
                    _ => Some("has more than one dead letter"),
                };
                (broken.flow, why)
            }
            Ok(event) => {
                let bare = letters.iter().all(|letter| letter.value.is_none());
                let why = match letters.len() {
                    0 => None,
                    1 if bare || (!altered && (event.doubtful || is_odd(source.value.as_deref()))) => {
                        refused.insert(of);
                        None
                    }
                    1 => Some("can be understood, but has a dead letter"),
                    _ => Some("has more than one dead letter"),
                };
                (Some(event.flow), why)
            }
        };
        if let Some(why) = why {
            let departure = Departure::DeadLetter { event: topics.place("enrollments", source), why };
            differences.push(Difference { flow: flow.map(|flow| flow.into_owned()), departure });
        }
    }
    let mut strangers: Vec<&Record> = letters.into_values().flatten().collect();
    strangers.sort_by_key(|letter| (letter.partition, letter.offset));
    for letter in strangers {
        let found = topics.place("dead-letters", letter);
        differences.push(Difference { flow: None, departure: Departure::Unexpected { found, event: None } });
    }
    refused
}

fn is_of(letter: &Record, source: &Record) -> bool {
    letter.value.is_none() || (letter.value == source.value && letter.key == source.key)
}

//! Every event at the wrong partition has exactly one twin at home.
//!
//! Twins are told by their bytes **and** their time. Upstream may well have sent the same bytes to the home partition
//! itself, at another time: that is no second twin.

use std::collections::HashMap;

use crate::find::TIMESTAMP;
use crate::gather::{Gathered, Topics};
use crate::record::Record;
use crate::time::milliseconds;
use crate::{Anomaly, Fault, home};

/// Compares strays with their twins. Returns how many strays each flow has.
pub(crate) fn reroutes(
    gathered: &Gathered<'_>,
    topics: Topics<'_>,
    partitions: i32,
    anomalies: &mut Vec<Anomaly>,
) -> HashMap<usize, u64> {
    let mut counts: HashMap<usize, u64> = HashMap::new();
    let mut twins: HashMap<(u64, i64), Vec<&Record>> = HashMap::new();
    for stray in gathered.strays.iter().filter(|stray| !stray.refused) {
        *counts.entry(stray.flow).or_default() += 1;
        twins.entry((stray.source.content(0), stray.source.timestamp_ms)).or_default();
    }
    if twins.is_empty() {
        return counts;
    }
    for event in gathered.events.iter().filter(|event| counts.contains_key(&event.flow)) {
        for (added, time) in times(event.source) {
            if let Some(found) = twins.get_mut(&(event.source.content(added), time)) {
                found.push(event.source);
                break;
            }
        }
    }
    for stray in gathered.strays.iter().rev().filter(|stray| !stray.refused) {
        let source = stray.source;
        let found = twins.get_mut(&(source.content(0), source.timestamp_ms));
        if found.and_then(Vec::pop).is_none() {
            let name = &gathered.flows[stray.flow].name;
            let fault = Fault::NotRerouted { event: topics.event(source), home: home(name, partitions) };
            anomalies.push(Anomaly { flow: Some(name.to_string()), fault });
        }
    }
    for stray in &gathered.strays {
        let source = stray.source;
        for twin in twins.remove(&(source.content(0), source.timestamp_ms)).unwrap_or_default() {
            let fault = Fault::ReroutedTwice { event: topics.event(source), twin: topics.event(twin) };
            anomalies.push(Anomaly { flow: Some(gathered.flows[stray.flow].name.to_string()), fault });
        }
    }
    counts
}

/// The times that a record at home may have had elsewhere, and how many of its headers the gate added then.
pub(crate) fn times(record: &Record) -> impl Iterator<Item = (usize, i64)> {
    let replaced = record.headers.last().filter(|(name, _)| name == TIMESTAMP.as_bytes());
    let original = replaced.and_then(|(_, value)| std::str::from_utf8(value.as_deref()?).ok());
    let original = original.and_then(|text| text.parse().ok().or_else(|| milliseconds(text)));
    [Some((0, record.timestamp_ms)), original.map(|time| (1, time))].into_iter().flatten()
}

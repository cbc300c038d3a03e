//! The gate's own word on each flow: its last public state.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::gather::Topics;
use crate::record::Log;
use crate::report::PerKind;
use crate::{Anomaly, Fault, Place};

/// A flow's public state, as far as it is compared.
#[derive(Clone, Debug)]
pub(crate) struct GateState {
    pub state: String,
    pub counts: Counts,
    /// Queue entries so far.
    pub last_entry: u64,
    pub watermark: u64,
    /// Withdraws that came while it was not live.
    pub withdrawn: Option<u64>,
    pub taken: Taken,
    pub place: Place,
}

/// What was released by samples of named records, and is not passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Taken {
    pub enroll: u64,
    pub advance: u64,
    /// Their numbers and kinds, in order.
    pub entries: Vec<(u64, String)>,
}

impl Taken {
    pub(crate) fn count(&self) -> PerKind {
        PerKind { enroll: self.enroll, advance: self.advance }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Counts {
    pub queued: PerKind,
    pub released: PerKind,
    pub replaced: PerKind,
    pub removed: PerKind,
    pub turned_away: PerKind,
    pub lost: PerKind,
}

#[derive(Deserialize)]
struct Document {
    flow_id: String,
    state: String,
    #[serde(default)]
    counts: Counts,
    #[serde(default)]
    queue: Queue,
    withdrawn: Option<u64>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Queue {
    next_entry: u64,
    watermark: Watermark,
    taken: Option<Taken>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { next_entry: 1, watermark: Watermark::default(), taken: None }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Watermark {
    entry: u64,
}

/// The last state of every flow; `None`: the flow was forgotten.
pub(crate) fn states(
    log: &Log,
    topics: Topics<'_>,
    anomalies: &mut Vec<Anomaly>,
) -> BTreeMap<String, Option<GateState>> {
    let mut last = HashMap::new();
    for record in &log.state {
        // The record of a partition has the empty key; what is in it concerns no flow.
        let Some(key) = record.key.as_deref().filter(|key| !key.is_empty()) else { continue };
        let newest = last.entry((record.partition, key)).or_insert(record);
        if newest.offset < record.offset {
            *newest = record;
        }
    }
    let mut states = BTreeMap::new();
    for ((_, key), record) in last {
        let flow = String::from_utf8_lossy(key).into_owned();
        let Some(value) = record.value.as_deref() else {
            states.entry(flow).or_insert(None);
            continue;
        };
        match serde_json::from_slice::<Document>(value) {
            Ok(document) if document.flow_id == flow => {
                let state = GateState {
                    state: document.state,
                    counts: document.counts,
                    last_entry: document.queue.next_entry.saturating_sub(1),
                    watermark: document.queue.watermark.entry,
                    withdrawn: document.withdrawn,
                    taken: document.queue.taken.unwrap_or_default(),
                    place: topics.place("state", record),
                };
                states.insert(flow, Some(state));
            }
            _ => anomalies.push(Anomaly {
                flow: Some(flow),
                fault: Fault::Unexplained { at: topics.place("state", record), why: "it is no state of its key" },
            }),
        }
    }
    states
}

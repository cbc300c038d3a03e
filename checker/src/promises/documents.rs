//! Audit events and public states, as far as promises are about them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::record::Record;
use crate::report::PerKind;
use crate::states::{Counts, Taken};
use crate::time::milliseconds;
use crate::told::Position;

/// An audit event.
#[derive(Deserialize)]
pub(super) struct Told {
    pub flow_id: Option<String>,
    pub partition: Option<i32>,
    pub at: String,
    pub position: Option<Position>,
    pub transition: Option<String>,
    pub pause_id: Option<String>,
    pub command: Option<Value>,
    pub command_offset: Option<i64>,
    pub outcome: Option<String>,
    pub detail: Option<String>,
    #[serde(default)]
    pub repeated: bool,
    /// Of a warning.
    pub within_seconds: Option<i64>,
}

/// The public state of a flow. What a document lacks is not compared: schemas say that a gate writes every field.
#[derive(Deserialize)]
pub(super) struct State {
    pub flow_id: String,
    pub state: String,
    pub pause: Option<Pause>,
    pub drain: Option<Drain>,
    #[serde(default, deserialize_with = "told")]
    pub sample: Option<Option<Sample>>,
    pub counts: Option<Counts>,
    pub at_pause: Option<Counts>,
    pub queue: Option<Queue>,
    pub commands: Option<Vec<Answered>>,
    pub updated_at: Option<String>,
}

/// Of a flow, or the default of a partition.
#[derive(Deserialize)]
pub(super) struct Pause {
    pub id: String,
    pub paused_at: String,
    pub resumes_at: String,
    /// `None`: the document does not say, nor any other option.
    pub new_records: Option<String>,
    pub keep: Option<String>,
    pub on_expiry: Option<String>,
    pub expiry_rate: Option<f64>,
    pub by: Option<String>,
    pub reason: Option<String>,
    /// `*` paused it.
    pub by_all: Option<bool>,
    #[serde(default, deserialize_with = "told")]
    pub warned_seconds: Option<Option<i64>>,
}

#[derive(Deserialize)]
pub(super) struct Drain {
    pub command_id: Option<String>,
    pub cause: Option<String>,
    pub release: Option<String>,
    pub max_rate: Option<f64>,
    pub max_age_seconds: Option<i64>,
    pub as_of: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Queue {
    pub n: Option<u64>,
    pub topic: Option<String>,
    pub discard_through: Option<Line>,
    pub next_entry: Option<u64>,
    pub watermark: Option<Watermark>,
    /// What samples of named records have released, and is not passed.
    pub taken: Option<Taken>,
    #[serde(default, deserialize_with = "told")]
    pub purge_through: Option<Option<Purge>>,
}

#[derive(Deserialize)]
pub(super) struct Watermark {
    pub entry: u64,
}

#[derive(Deserialize)]
pub(super) struct Purge {
    pub entry: u64,
    pub command_id: String,
    pub removed: PerKind,
}

#[derive(Deserialize)]
pub(super) struct Sample {
    pub command_id: String,
    /// Of a sample of so many.
    pub left: Option<u64>,
    /// Of one of named records.
    pub record_ids: Option<Vec<String>>,
    pub through_entry: Option<u64>,
    pub released: PerKind,
}

#[derive(Deserialize)]
pub(super) struct Line {
    pub entry: u64,
    pub reason: String,
    pub command_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Answered {
    pub offset: i64,
}

/// A field that is there, null or not. What a document of an older gate lacks is not compared.
fn told<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl State {
    /// By the clock of the gate that wrote it.
    pub fn updated_at_ms(&self) -> Option<i64> {
        milliseconds(self.updated_at.as_deref()?)
    }
}

/// What can be read. The rest is the checker's business.
pub(super) fn read<T: DeserializeOwned>(records: &[Record]) -> Vec<(&Record, T)> {
    let read = |record: &Record| serde_json::from_slice(record.value.as_deref()?).ok();
    records.iter().filter_map(|record| Some((record, read(record)?))).collect()
}

impl Line {
    pub fn parts(&self) -> (u64, &str, Option<&str>) {
        (self.entry, &self.reason, self.command_id.as_deref())
    }
}

//! Held events as rows.

use serde_json::Value;

use super::columns::{Columns, Names};
use super::listing::{Row, whole};
use super::values::{self, value_cell};
use crate::client::held::{Entry, Fate};
use crate::client::shown::HeldEvent;
use crate::duration;
use crate::time::Timestamp;

const NARROW: [&str; 5] = ["ENTRY", "KIND", "RECORD", "HELD FOR", "FATE"];
const WIDE: [&str; 4] = ["PAUSE", "BYTES", "KEEP", "SOURCE"];
const CSV: [&str; 12] = [
    "entry",
    "kind",
    "record_id",
    "held_at",
    "pause_id",
    "keep",
    "fate",
    "source_topic",
    "source_partition",
    "source_offset",
    "timestamp_ms",
    "bytes",
];

pub static NAMES: Names = Names { narrow: &NARROW, wide: &WIDE, csv: &CSV, later_csv: &[] };

pub struct HeldRow<'a> {
    pub entry: &'a Entry,
    pub columns: Columns,
    pub now: Timestamp,
}

impl HeldRow<'_> {
    fn shown(&self) -> HeldEvent {
        HeldEvent::of(self.entry, self.columns.values)
    }
}

impl Row for HeldRow<'_> {
    fn cells(&self) -> Vec<String> {
        let Entry { held, value, fate, .. } = self.entry;
        let mut cells = vec![
            held.number.to_string(),
            held.kind.word().to_owned(),
            held.record_id.to_string(),
            duration::show(whole(self.now.since(held.held_at))),
            fate.map_or("?", Fate::word).to_owned(),
        ];
        if self.columns.is_wide() {
            let bytes = value.as_ref().map_or(0, |value| value.len());
            let keep = if held.latest { "latest" } else { "all" };
            cells.extend([held.pause_id.to_string(), bytes.to_string(), keep.to_owned(), held.source.to_string()]);
        }
        if self.columns.values {
            cells.push(value_cell(value.as_deref()));
        }
        cells
    }

    fn csv(&self) -> Vec<String> {
        let shown = self.shown();
        let mut cells = vec![
            shown.entry.to_string(),
            shown.kind.to_owned(),
            shown.record_id,
            shown.held_at,
            shown.pause_id,
            shown.keep.to_owned(),
            shown.fate.unwrap_or_default().to_owned(),
            shown.source.topic,
            shown.source.partition.to_string(),
            shown.source.offset.to_string(),
            shown.timestamp_ms.to_string(),
            shown.bytes.to_string(),
        ];
        cells.extend(shown.content.iter().flat_map(values::csv));
        cells
    }

    fn document(&self) -> Value {
        serde_json::to_value(self.shown()).unwrap_or_default()
    }

    fn name(&self) -> String {
        self.entry.held.number.to_string()
    }
}

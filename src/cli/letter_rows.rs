//! Letters as rows.

use serde_json::Value;

use super::columns::{Columns, Names};
use super::listing::{Row, to_the_second};
use super::values::{self, value_cell};
use crate::client::letters::Letter;
use crate::client::shown::ShownLetter;

const NARROW: [&str; 6] = ["ITEM", "SET ASIDE", "FLOW", "RECORD", "REASON", "DETAIL"];
const WIDE: [&str; 2] = ["SOURCE", "BYTES"];
const CSV: [&str; 11] = [
    "item",
    "set_aside_at",
    "flow_id",
    "record_id",
    "reason",
    "detail",
    "source_topic",
    "source_partition",
    "source_offset",
    "timestamp_ms",
    "bytes",
];

pub static NAMES: Names = Names { narrow: &NARROW, wide: &WIDE, csv: &CSV };

pub struct LetterRow<'a> {
    pub letter: &'a Letter,
    pub columns: Columns,
}

impl LetterRow<'_> {
    fn shown(&self) -> ShownLetter {
        ShownLetter::of(self.letter, self.columns.values)
    }
}

impl Row for LetterRow<'_> {
    fn cells(&self) -> Vec<String> {
        let Letter { set_aside_at, reason, detail, source, flow, record_id, value, .. } = self.letter;
        let some = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let none = || "-".to_owned();
        let mut cells = vec![
            self.name(),
            to_the_second(*set_aside_at).to_string(),
            flow.as_ref().map_or_else(none, ToString::to_string),
            record_id.as_ref().map_or_else(none, ToString::to_string),
            some(reason),
            some(detail),
        ];
        if self.columns.is_wide() {
            let bytes = value.as_ref().map_or(0, |value| value.len());
            cells.extend([source.as_ref().map_or_else(none, ToString::to_string), bytes.to_string()]);
        }
        if self.columns.values {
            cells.push(value_cell(value.as_deref()));
        }
        cells
    }

    fn csv(&self) -> Vec<String> {
        let shown = self.shown();
        let (topic, partition, offset) = match shown.source {
            Some(source) => (source.topic, source.partition.to_string(), source.offset.to_string()),
            None => Default::default(),
        };
        let mut cells = vec![
            shown.item,
            shown.set_aside_at,
            shown.flow_id.unwrap_or_default(),
            shown.record_id.unwrap_or_default(),
            shown.reason,
            shown.detail,
            topic,
            partition,
            offset,
            shown.timestamp_ms.map(|timestamp| timestamp.to_string()).unwrap_or_default(),
            shown.bytes.to_string(),
        ];
        cells.extend(shown.content.iter().flat_map(values::csv));
        cells
    }

    fn document(&self) -> Value {
        serde_json::to_value(self.shown()).unwrap_or_default()
    }

    fn name(&self) -> String {
        self.letter.item().to_string()
    }
}

//! Letters as rows.

use serde_json::Value;

use super::columns::{Columns, Names};
use super::listing::{Row, to_the_second};
use super::values::{self, value_cell};
use crate::client::letter_list::Listed;
use crate::client::letters::Letter;
use crate::client::redriven::Redrives;
use crate::client::shown::ShownLetter;

const NARROW: [&str; 7] = ["ITEM", "SET ASIDE", "FLOW", "RECORD", "REDRIVEN", "REASON", "DETAIL"];
const WIDE: [&str; 4] = ["SOURCE", "BYTES", "REDRIVEN AT", "REDRIVEN BY"];
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

/// `redriven_times` is empty where nobody knows whether it was.
const LATER_CSV: [&str; 4] = ["redriven_times", "redriven_exact", "redriven_at", "redriven_by"];

pub static NAMES: Names = Names { narrow: &NARROW, wide: &WIDE, csv: &CSV, later_csv: &LATER_CSV };

/// What stands in a table where nobody knows whether a letter was redriven.
pub const UNKNOWN: &str = "?";

/// Of a letter that may have been redriven more often.
pub const OR_MORE: &str = "+";

pub struct LetterRow<'a> {
    pub listed: &'a Listed,
    pub columns: Columns,
}

impl LetterRow<'_> {
    /// In a table: how often it was redriven.
    fn times(&self) -> String {
        match &self.listed.redrives {
            None => UNKNOWN.to_owned(),
            Some(Redrives { times: 0, .. }) => "-".to_owned(),
            Some(Redrives { times, is_exact: true, .. }) => times.to_string(),
            Some(Redrives { times, is_exact: false, .. }) => format!("{times}{OR_MORE}"),
        }
    }

    fn shown(&self) -> ShownLetter {
        ShownLetter::of(self.listed, self.columns.values)
    }
}

impl Row for LetterRow<'_> {
    fn cells(&self) -> Vec<String> {
        let Letter { set_aside_at, reason, detail, source, flow, record_id, value, .. } = &self.listed.letter;
        let some = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let none = || "-".to_owned();
        let mut cells = vec![
            self.name(),
            to_the_second(*set_aside_at).to_string(),
            flow.as_ref().map_or_else(none, ToString::to_string),
            record_id.as_ref().map_or_else(none, ToString::to_string),
            self.times(),
            some(reason),
            some(detail),
        ];
        if self.columns.is_wide() {
            let bytes = value.as_ref().map_or(0, |value| value.len());
            let last = self.listed.redrives.as_ref().and_then(|redrives| redrives.last.as_ref());
            cells.extend([
                source.as_ref().map_or_else(none, ToString::to_string),
                bytes.to_string(),
                last.map_or_else(none, |last| to_the_second(last.at).to_string()),
                last.map_or_else(none, |last| last.by.to_string()),
            ]);
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
        cells.extend(match shown.redriven {
            None => Default::default(),
            Some(redriven) => {
                let (at, by) = redriven.last.map(|last| (last.at, last.by)).unwrap_or_default();
                [redriven.times.to_string(), redriven.exact.to_string(), at, by]
            }
        });
        cells
    }

    fn document(&self) -> Value {
        serde_json::to_value(self.shown()).unwrap_or_default()
    }

    fn name(&self) -> String {
        self.listed.letter.item().to_string()
    }
}

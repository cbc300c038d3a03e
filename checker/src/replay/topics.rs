//! The records of a topic: their names, and their order.

use crate::Place;
use crate::record::Record;

/// Names the records of a topic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topics<'a> {
    pub prefix: &'a str,
}

impl Topics<'_> {
    pub fn place(self, topic: &str, record: &Record) -> Place {
        Place { topic: format!("{}.{topic}", self.prefix), partition: record.partition, offset: record.offset }
    }

    /// The offset in the enrollments that a record's `flowgate-source` names.
    pub fn source(self, record: &Record) -> Option<(i32, i64)> {
        let named = record.last_header("flowgate-source")?;
        let place = named.strip_prefix(self.prefix)?.strip_prefix(".enrollments/")?;
        let (partition, offset) = place.split_once('/')?;
        Some((partition.parse().ok()?, offset.parse().ok()?))
    }
}

pub(super) const RECORDS: &str = "records";
pub(super) const DISCARDED: &str = "discarded";

/// The records of a topic by partition and offset.
pub(super) fn sorted(records: &[Record]) -> Vec<&Record> {
    let mut sorted: Vec<&Record> = records.iter().collect();
    sorted.sort_by_key(|record| (record.partition, record.offset));
    sorted
}

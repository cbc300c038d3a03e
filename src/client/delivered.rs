//! The last event of a flow that was delivered, as the topic of records shows it.
//!
//! A partition has the events of many flows, so it is read backwards in steps that grow, and no further than a bound.

use super::no_topic;
use super::scan::{Bound, First, Scan};
use crate::broker::murmur2::partition_for;
use crate::broker::{Admin, Broker, Code, Record, Result};
use crate::flow::{FlowId, Kind};
use crate::schema::headers::{self, Released};
use crate::schema::{self, topics::Topics};
use crate::time::Timestamp;

/// What was found between `from` and `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub partition: i32,
    /// `None`: there is none from `from` on.
    pub last: Option<Delivered>,
    /// The first offset that was looked at.
    pub from: i64,
    /// Where the log begins and ends.
    pub low: i64,
    pub end: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    pub offset: i64,
    /// The event's own, as the upstream has it: nothing says when it was delivered.
    pub timestamp: Timestamp,
    pub kind: Kind,
    /// Released though the flow was paused.
    pub sample: bool,
}

/// # Errors
/// Of the broker; [`Code::UnknownTopic`] if there is no topic of records.
pub fn last_delivered<B: Broker>(broker: &B, topics: &Topics, flow: &FlowId, bound: Bound) -> Result<Look> {
    let count = broker.admin()?.partitions(&topics.records)?.ok_or_else(|| no_topic(&topics.records))?;
    let partition = partition_for(flow.as_str().as_bytes(), count);
    let mut scan = Scan::open(broker, &topics.records, Some(&[partition]), First::Newest, bound)?;
    let last = match scan.next(|record| of(record, flow)) {
        // Nothing was looked at, which is told as well.
        Err(error) if error.code == Code::TimedOut => None,
        found => found?.map(|found| found.what),
    };
    let (progress, end) = (scan.progress(), scan.ends().get(&partition).copied().unwrap_or_default());
    let before = |offsets: u64| end - i64::try_from(offsets).unwrap_or(end);
    Ok(Look { partition, last, from: before(progress.scanned), low: before(progress.total), end })
}

/// If it is the flow's.
fn of(record: &Record, flow: &FlowId) -> Option<Delivered> {
    let event = schema::event::read(record.value.as_deref()).ok().filter(|event| event.flow == *flow)?;
    let released = record.last_header(headers::RELEASE).and_then(|header| header.value.as_deref());
    let sample = released == Some(Released::Sample.word().as_bytes());
    Some(Delivered { offset: record.offset, timestamp: record.timestamp, kind: event.kind, sample })
}

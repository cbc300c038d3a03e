//! The last event of a flow that was delivered, as the topic of records shows it.
//!
//! A partition has the events of many flows, so it is read backwards in steps that grow, and no further than a bound.

use std::time::{Duration, Instant};

use super::{no_topic, read_on, rest};
use crate::broker::murmur2::partition_for;
use crate::broker::{Admin, Broker, Isolation, Reader, Record, Result};
use crate::flow::{FlowId, Kind};
use crate::schema::headers::{self, Released};
use crate::schema::{self, topics::Topics};
use crate::time::Timestamp;

/// How much is looked through.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Offsets, from the end backwards.
    pub records: i64,
    pub time: Duration,
}

/// The first step; each one is four times as long as the one before.
const STEP: i64 = 500;

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
    let deadline = Instant::now() + bound.time;
    let count = broker.admin()?.partitions(&topics.records)?.ok_or_else(|| no_topic(&topics.records))?;
    let partition = partition_for(flow.as_str().as_bytes(), count);
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let marks = reader.watermarks(&topics.records, partition)?;
    let mut look = Look { partition, last: None, from: marks.end, low: marks.low, end: marks.end };
    let (mut step, least) = (STEP, marks.low.max(marks.end.saturating_sub(bound.records)));
    while look.last.is_none() && look.from > least {
        let (from, to) = (least.max(look.from.saturating_sub(step)), look.from);
        step = step.saturating_mul(4);
        reader.assign(&topics.records, partition, from)?;
        let mut last = None;
        while reader.position(&topics.records, partition)?.unwrap_or_default() < to {
            if Instant::now() >= deadline {
                return Ok(look);
            }
            let records = read_on(&mut reader)?;
            if records.is_empty() {
                rest();
            }
            let found = records.iter().rev().find_map(|record| of(record, flow));
            last = found.or(last);
        }
        (look.last, look.from) = (last, from);
    }
    Ok(look)
}

/// If it is the flow's.
fn of(record: &Record, flow: &FlowId) -> Option<Delivered> {
    let event = schema::event::read(record.value.as_deref()).ok().filter(|event| event.flow == *flow)?;
    let released = record.last_header(headers::RELEASE).and_then(|header| header.value.as_deref());
    let sample = released == Some(Released::Sample.word().as_bytes());
    Some(Delivered { offset: record.offset, timestamp: record.timestamp, kind: event.kind, sample })
}

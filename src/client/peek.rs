//! Looks at single records of a topic.

use std::time::{Duration, Instant};

use super::rest;
use crate::broker::{Action, Code, Error, PollLimit, Polled, Reader, Record, Result};

const ONE: PollLimit = PollLimit { records: 1, bytes: 1, wait: Duration::from_millis(50) };

/// The first record at or behind an offset; `None`: there is none.
///
/// # Errors
/// Of the broker, but not those that pass; [`Code::TimedOut`]: nobody can say by the deadline.
pub fn peek(
    reader: &mut impl Reader,
    (topic, partition): (&str, i32),
    offset: i64,
    deadline: Instant,
) -> Result<Option<Record>> {
    let marks = reader.watermarks(topic, partition)?;
    first(reader, (topic, partition), (offset.max(marks.low), marks.end), deadline)
}

/// The first record from an offset on and before another; `None`: there is none.
///
/// # Errors
/// As [`peek`].
pub fn first(
    reader: &mut impl Reader,
    (topic, partition): (&str, i32),
    (from, end): (i64, i64),
    deadline: Instant,
) -> Result<Option<Record>> {
    if from >= end {
        return Ok(None);
    }
    reader.assign(topic, partition, from)?;
    let mut records = Vec::new();
    // Only markers of transactions may lie there.
    while records.is_empty() && reader.position(topic, partition)?.is_none_or(|position| position < end) {
        if Instant::now() >= deadline {
            reader.unassign(topic, partition)?;
            let detail = format!("`{topic}` could not be read at {partition}/{from} in time");
            return Err(Error::new(Action::Retry, Code::TimedOut, detail));
        }
        match reader.poll(ONE, &mut records) {
            // The log has lost its beginning since.
            Ok(Polled::OutOfRange { topic, partition, low }) => reader.assign(&topic, partition, low)?,
            Ok(_) => {}
            Err(error) if error.action == Action::Retry => {}
            Err(error) => return Err(error),
        }
        if records.is_empty() {
            rest();
        }
    }
    reader.unassign(topic, partition)?;
    Ok(records.into_iter().next())
}

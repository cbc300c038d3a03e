//! Looks at single records of a topic.

use std::time::Instant;

use super::rest;
use crate::broker::{Action, Code, Error, PollLimit, Polled, Reader, Record, Result};

const ONE: PollLimit = PollLimit { records: 1, bytes: 1, wait: std::time::Duration::from_millis(50) };

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
    let from = offset.max(marks.low);
    if from >= marks.end {
        return Ok(None);
    }
    reader.assign(topic, partition, from)?;
    let mut records = Vec::new();
    while records.is_empty() {
        match reader.poll(ONE, &mut records) {
            // The log has lost its beginning since.
            Ok(Polled::OutOfRange { topic, partition, low }) => reader.assign(&topic, partition, low)?,
            Ok(_) => {}
            Err(error) if error.action == Action::Retry => {}
            Err(error) => return Err(error),
        }
        if records.is_empty() {
            // Only markers of transactions may lie there.
            if reader.position(topic, partition)?.is_some_and(|position| position >= marks.end) {
                break;
            }
            if Instant::now() >= deadline {
                let detail = format!("`{topic}` could not be read at {partition}/{offset} in time");
                return Err(Error::new(Action::Retry, Code::TimedOut, detail));
            }
            rest();
        }
    }
    reader.unassign(topic, partition)?;
    Ok(records.into_iter().next())
}

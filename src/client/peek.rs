//! Looks at single records of a topic of one partition.

use std::time::{Duration, Instant};

use super::rest;
use crate::broker::{Action, PollLimit, Reader, Record, Result};

const ONE: PollLimit = PollLimit { records: 1, bytes: 1, wait: Duration::from_millis(50) };

/// The first record at or behind an offset; `None` if there is none, or none was read in time.
///
/// # Errors
/// Of the broker, but not those that pass.
pub fn peek(
    reader: &mut impl Reader,
    (topic, partition): (&str, i32),
    offset: i64,
    limit: Duration,
) -> Result<Option<Record>> {
    let deadline = Instant::now() + limit;
    let end = reader.watermarks(topic, partition)?.end;
    if offset >= end {
        return Ok(None);
    }
    reader.assign(topic, partition, offset)?;
    let mut records = Vec::new();
    while records.is_empty() && Instant::now() < deadline {
        match reader.poll(ONE, &mut records) {
            Err(error) if error.action != Action::Retry => return Err(error),
            _ => {}
        }
        if records.is_empty() {
            // Only markers of transactions may lie there.
            if reader.position(topic, partition)?.is_none_or(|position| position >= end) {
                break;
            }
            rest();
        }
    }
    reader.unassign(topic, partition)?;
    Ok(records.into_iter().next())
}

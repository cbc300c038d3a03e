//! Where an entry stands, found by its number without reading what lies before it.

use std::time::{Duration, Instant};

use crate::broker::{Broker, Isolation, Record, Result};
use crate::client::peek::peek;
use crate::client::scan::{Bound, First, Scan};
use crate::schema::entry;

/// A queue topic has one partition.
pub const ONLY: i32 = 0;

/// How long one look may take.
const LOOK: Duration = Duration::from_secs(5);

/// Within these offsets, where the first entry stands that has at least this number; the last offset if there is none. Entries
/// stand in the order of their numbers, whatever the cleaner has left of them: so half of what is left is ruled out with each
/// look.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if the time is over.
pub fn of<B: Broker>(
    broker: &B,
    topic: &str,
    (mut from, end): (i64, i64),
    number: u64,
    deadline: Instant,
) -> Result<i64> {
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let (mut to, mut place) = (end, end);
    while from < to {
        let middle = from + (to - from) / 2;
        let peeked = peek(&mut reader, (topic, ONLY), middle, deadline)?;
        let entry = match peeked.as_ref().and_then(entry_in) {
            Some(entry) => Some(entry),
            // A tombstone, or something that is no entry.
            None => next_entry(broker, topic, middle, deadline)?,
        };
        match entry {
            Some((offset, found)) if found < number => from = offset + 1,
            Some((offset, _)) => (to, place) = (middle, offset),
            None => to = middle,
        }
    }
    Ok(place)
}

/// The number of the first entry at or behind an offset.
///
/// # Errors
/// As [`of`].
pub fn number_at<B: Broker>(broker: &B, topic: &str, offset: i64, deadline: Instant) -> Result<Option<u64>> {
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let deadline = deadline.max(Instant::now() + LOOK);
    let peeked = peek(&mut reader, (topic, ONLY), offset, deadline)?;
    let entry = match peeked.as_ref().and_then(entry_in) {
        Some(entry) => Some(entry),
        None => next_entry(broker, topic, offset, deadline)?,
    };
    Ok(entry.map(|(_, number)| number))
}

/// Reads on from an offset to the first entry.
fn next_entry<B: Broker>(broker: &B, topic: &str, offset: i64, deadline: Instant) -> Result<Option<(i64, u64)>> {
    let bound = Bound { records: u64::MAX, time: left(deadline) };
    let mut scan = Scan::open(broker, topic, Some(&[ONLY]), First::Oldest, bound)?;
    scan.leave_out_before(offset);
    scan.next_of_all(entry_in)
}

/// Offset and number.
fn entry_in(record: &Record) -> Option<(i64, u64)> {
    Some((record.offset, entry::indexed(record)?.number))
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

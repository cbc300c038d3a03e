//! How a queue has grown: entries spread over its topic say when they were held, and how many there were by then.

use std::time::{Duration, Instant};

use super::peek::peek;
use crate::broker::{Broker, Code, Isolation, Reader, Result};
use crate::flow::Flow;
use crate::schema::entry;
use crate::time::Timestamp;

/// How long all looks into the topic may take together.
const LOOK: Duration = Duration::from_secs(8);

/// At this moment this was the newest entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    pub at: Timestamp,
    /// Its number.
    pub entry: u64,
    /// Entries that have not been passed by now, up to this one: how deep the queue was then, if nothing was passed since.
    pub depth: u64,
}

/// So many points at most, from the oldest entry that has not been passed to the newest; fewer if the brokers are slow.
///
/// # Errors
/// Of the broker.
pub fn sample<B: Broker>(broker: &B, flow: &Flow, points: u32) -> Result<Vec<Point>> {
    let Some(topic) = flow.queue.topic.as_deref().filter(|_| !flow.queue.is_passed()) else { return Ok(Vec::new()) };
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let marks = reader.watermarks(topic, 0)?;
    let from = flow.queue.watermark.offset.clamp(marks.low, marks.end);
    let (length, steps) = (marks.end - from, i64::from(points.max(2) - 1));
    let mut entries = entry::Reader::new(&flow.id);
    let (mut found, deadline): (Vec<Point>, _) = (Vec::new(), Instant::now() + LOOK);
    for step in 0..=steps {
        // The last offset is a marker's.
        let offset = (from + length * step / steps).min(marks.end - 2).max(from);
        let record = match peek(&mut reader, (topic, 0), offset, deadline) {
            Err(error) if error.code == Code::TimedOut => break,
            peeked => peeked?,
        };
        let Some(record) = record else { continue };
        let Some(held) = entries.read(&record).ok().flatten() else { continue };
        let is_new = found.last().is_none_or(|last| last.entry < held.number);
        if is_new && held.number > flow.queue.watermark.entry {
            let depth = held.number - flow.queue.watermark.entry;
            found.push(Point { at: held.held_at, entry: held.number, depth });
        }
    }
    Ok(found)
}

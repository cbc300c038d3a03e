//! The topics as the worker found them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::murmur2::partition_for;
use crate::flow::FlowId;
use crate::topics::bounds::TimestampBounds;

/// The partition of a topic that has one: control and queue topics.
pub const ONLY: i32 = 0;

/// What the gate must know of its topics: partition counts, and retention where it decides about timestamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// As many partitions have flows at home: those of the enrollments, but for what somebody added (`found`).
    pub enrollments: i32,
    /// Partitions that the enrollments were found to have. More than there are homes only where everything is forwarded: what comes
    /// to the others is sent home.
    pub found: i32,
    pub records: i32,
    pub discarded: i32,
    pub dead_letters: i32,
    pub audit: i32,
    /// `None`: records are kept for ever.
    pub records_retention: Option<Duration>,
    pub enrollments_retention: Option<Duration>,
    /// The largest record of the enrollments, in bytes.
    pub max_message_bytes: Option<i64>,
    /// The largest batch that goes into `flow.records` and into the queue topics that the gate makes, in bytes.
    pub batch_bytes: usize,
    /// How the brokers name a setting of the queue topics.
    pub timestamp_bounds: TimestampBounds,
}

impl Shape {
    /// The home partition of a flow: where its events, its state and its single writer are.
    pub fn home(&self, flow: &FlowId) -> i32 {
        partition_for(flow.as_str().as_bytes(), self.enrollments)
    }
}

/// Batches are not made smaller than this, in bytes: a topic that takes less is refused its records one by one.
pub const LEAST_BATCH: usize = 4 * 1024;

/// The largest batch to be made for a topic with these settings, in bytes. Brokers before Kafka 4 let a segment be smaller than a message
/// may be.
pub fn largest_batch(settings: &BTreeMap<String, String>) -> Option<usize> {
    let limits = ["max.message.bytes", "segment.bytes"].into_iter();
    limits.filter_map(|name| settings.get(name)?.parse().ok()).min().map(|bytes: usize| bytes.max(LEAST_BATCH))
}

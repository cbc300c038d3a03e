//! What a worker shows of itself: plain values, so that who looks at them never holds it up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::stats::Stats;
use crate::flow::{FlowId, Warning};
use crate::time::Timestamp;

/// A worker at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// When it was taken. `None`: by nobody who says so.
    pub taken_at: Option<Instant>,
    /// An assignment came, be it empty.
    pub joined: bool,
    pub partitions: Vec<PartitionShot>,
    /// Commands wait that come before every event.
    pub commands_wait: bool,
    pub live: u64,
    pub paused: Held,
    pub resuming: Held,
    /// When the oldest pause in force began.
    pub oldest_pause: Option<Timestamp>,
    /// The next deadline.
    pub next_timer: Option<Timestamp>,
    /// Flows whose pause ends by itself within the time of each of [`Warning::ALL`], and has lasted longer than that.
    pub expiring: [u64; Warning::ALL.len()],
    /// Flows that are paused for longer than [`Snapshot::OLD`].
    pub old_pauses: u64,
    /// Partitions in which a pause of every flow is in force, for the flows to come too.
    pub default_pauses: u64,
    /// Flows that resume, or are purged or sampled, of which nothing was passed for a minute though nothing keeps them from
    /// it: see `worker/session/watch.rs`.
    pub stalled_drains: u64,
    /// Flows that resume, for which as much is held meanwhile as they pass.
    pub losing_drains: u64,
    /// Partitions of the enrollments, whoever has them; 0 before that is known.
    pub all_partitions: i32,
    /// Flows that are recorded at most.
    pub most_flows: usize,
    /// Queue topics that are being read, and held events read of them that are not passed yet.
    pub queues_read: usize,
    pub read_ahead: usize,
    pub memory: Memory,
    /// Held events of blocked flows that somebody deleted: at most so many.
    pub lost: u64,
    /// Flows whose indexes are being rebuilt, and how many entries are still to be read for each, about.
    pub indexing: BTreeMap<FlowId, u64>,
    /// What cannot go on: the kind, and a sentence.
    pub blocked: Vec<(&'static str, String)>,
    pub stats: Stats,
}

/// Flows in a state, and what is held for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub flows: u64,
    pub events: u64,
}

/// Bytes that wait in memory, and how many may: see `worker/memory.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Held events that drains have read ahead.
    pub drains: Share,
    /// Indexes of replaced events.
    pub indexes: Share,
    /// Events polled and not taken by a turn yet.
    pub carried: Share,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub used: usize,
    pub most: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionShot {
    pub number: i32,
    /// `joining`, `introducing` or `active`.
    pub stage: &'static str,
    /// The offset of the next event.
    pub position: i64,
}

/// The kinds of what is [`Snapshot::blocked`].
pub const KINDS: [&str; 5] = ["queue_topic", Snapshot::OF_ONE_FLOW, "clock", "too_slow", "refused_record"];

impl Snapshot {
    /// The kind that blocks a flow, and nothing else.
    pub const OF_ONE_FLOW: &str = "held_events_deleted";

    /// A pause that is older than this may have been forgotten by whoever made it: of the 14 days that a pause may last by
    /// default, four are left to decide what is to become of it.
    pub const OLD: Duration = Duration::from_secs(10 * 24 * 60 * 60);
}

impl Memory {
    /// Each share, with its name.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, Share); 3] {
        [("drains", self.drains), ("indexes", self.indexes), ("carried", self.carried)]
    }

    /// What two workers have together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let sum = |one: Share, other: Share| Share { used: one.used + other.used, most: one.most + other.most };
        Self {
            drains: sum(self.drains, other.drains),
            indexes: sum(self.indexes, other.indexes),
            carried: sum(self.carried, other.carried),
        }
    }
}

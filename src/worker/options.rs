//! What a worker is told.

use std::time::Duration;

use crate::flow::Limits;
use crate::schema::topics::Topics;

#[derive(Clone, Debug)]
pub struct Options {
    pub topics: Topics,
    /// Names this instance among all of the prefix; two live ones of the same name fence each other.
    pub instance: String,
    /// The number of this worker in its instance.
    pub worker: usize,
    /// Different at every start of the process: with it a turn's name is never used twice, and the name in the
    /// offsets' metadata proves whose turn holds.
    pub incarnation: String,
    pub limits: Limits,
    pub session_timeout: Duration,
    pub max_poll_interval: Duration,
    /// At most `session_timeout`, so that a dead instance holds nobody back for longer.
    pub transaction_timeout: Duration,
    pub turn: Budget,
    /// Bytes for the exact maps of replaced entries, all flows of the worker together.
    pub index_bytes: usize,
    /// A queue topic is deleted once its flow has been live for this long.
    pub queue_ttl: Duration,
    /// Replicas of a queue topic; `None`: the broker's default.
    pub replication_factor: Option<i32>,
    /// Kafka's `segment.ms` and `max.compaction.lag.ms` of a queue topic: the cleaner leaves a newer segment alone.
    pub queue_segment: Duration,
    /// How long a poll waits when there is nothing to do.
    pub idle: Duration,
}

/// When a turn is full.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub records: usize,
    pub bytes: usize,
    pub time: Duration,
    /// Held entries passed in one turn, all draining flows together; an unlimited drain goes beyond it to outrun what
    /// arrives for its flow.
    pub backlog: usize,
    /// Queue topics written in one turn: each costs it about half a millisecond, new ones more.
    pub topics: usize,
    /// Commands taken in one turn; a turn with more of them waiting takes nothing else.
    pub commands: usize,
}

impl Default for Budget {
    /// 20,000 records or 50 ms: where measured throughput levels off (600,000 records/s).
    fn default() -> Self {
        Self {
            records: 20_000,
            bytes: 16 * 1024 * 1024,
            time: Duration::from_millis(50),
            backlog: 10_000,
            topics: 500,
            commands: 1_000,
        }
    }
}

impl Options {
    /// For a prefix, with everything else as it is by default.
    #[must_use]
    pub fn new(topics: Topics, instance: impl Into<String>, worker: usize, incarnation: impl Into<String>) -> Self {
        Self {
            topics,
            instance: instance.into(),
            worker,
            incarnation: incarnation.into(),
            limits: Limits::default(),
            session_timeout: Duration::from_secs(10),
            max_poll_interval: Duration::from_secs(300),
            transaction_timeout: Duration::from_secs(10),
            turn: Budget::default(),
            index_bytes: 64 * 1024 * 1024,
            queue_ttl: Duration::from_secs(7 * 24 * 60 * 60),
            replication_factor: None,
            queue_segment: Duration::from_secs(24 * 60 * 60),
            idle: Duration::from_millis(20),
        }
    }

    /// `<instance>-<worker>`: for people.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.instance, self.worker)
    }

    #[must_use]
    pub fn transactional_id(&self) -> String {
        self.topics.transactional_id(&self.instance, self.worker)
    }
}

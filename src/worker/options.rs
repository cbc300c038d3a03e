//! What a worker is told.

use std::time::Duration;

use super::memory::Shares;
use super::session::amount::Amount;
use crate::flow::Limits;
use crate::schema::topics::Topics;
use crate::schema::trace_parent::Sampling;

#[derive(Clone, Debug)]
pub struct Options {
    pub topics: Topics,
    /// Names this instance among all of the prefix; two live ones of the same name fence each other.
    pub instance: String,
    /// The group keeps the place of each worker under this name while it is away, for a session: a process that is started
    /// again under the name goes on at once. Not for a name that was made up, which nobody comes back under.
    pub keeps_place: bool,
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
    /// Flows that the worker records when their first event comes; further ones pass unrecorded, and can be paused all the
    /// same.
    pub max_known_flows: usize,
    /// Bytes for the indexes of replaced entries, all flows of the worker together.
    pub index_bytes: usize,
    /// A queue topic is deleted once its flow has been live for this long.
    pub queue_ttl: Duration,
    /// Replicas of a queue topic; `None`: the broker's default.
    pub replication_factor: Option<i32>,
    /// Kafka's `segment.ms` and `max.compaction.lag.ms` of a queue topic: the cleaner leaves a newer segment alone.
    pub queue_segment: Duration,
    /// Which traces are recorded: what happens to their events is noted.
    pub sampling: Sampling,
    /// How long a poll waits when there is nothing to do.
    pub idle: Duration,
}

/// When a turn is full.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Events taken in one turn.
    pub records: usize,
    /// Bytes of events taken in one turn, and of held entries that it passes.
    pub bytes: usize,
    /// How long a turn goes on while there is more to read; longer by [`Budget::A_TOPIC`] for each queue topic that it
    /// writes to.
    pub time: Duration,
    /// Events taken at once: they are decided and sent before more are polled. Of held entries twice as many.
    pub slice: usize,
    /// Held entries passed in one turn, all draining flows together; a drain goes beyond it to outrun what arrives for
    /// its flow.
    pub backlog: usize,
    /// Queue topics made for one turn; few where it answers commands. It writes to eight times as many at most.
    pub topics: usize,
    /// Commands taken in one turn; a turn with more of them waiting takes nothing else.
    pub commands: usize,
    /// Flows that commands for every flow look at in one turn; a partition that knows no more of them is done in one turn.
    pub every: usize,
    /// Queue topics of draining flows that are read at once; the others wait for their turn.
    pub queues: usize,
    /// Held entries read ahead of all drains together, and [`Shares::drains`] bytes of them.
    pub ahead: usize,
    /// A producer that has met so many topics that it writes to no more is replaced.
    pub idle_topics: usize,
}

impl Budget {
    /// What is found of named records and waits in memory, of one flow.
    #[must_use]
    pub(super) fn search(&self) -> Amount {
        let most = Amount { entries: 2_000, bytes: 4 * 1024 * 1024 };
        most.min(Amount { entries: self.backlog, bytes: self.bytes })
    }
}

impl Default for Budget {
    /// 100,000 records or 150 ms: each turn waits for its last acknowledgements, so a longer one does 1.3 to 1.7 times
    /// what one of 20,000 records or 50 ms does (measured: a bare copy loop, 200 bytes a record).
    fn default() -> Self {
        Self {
            records: 100_000,
            bytes: Shares::default().turn,
            time: Duration::from_millis(150),
            slice: 2_000,
            backlog: 100_000,
            topics: 500,
            commands: 1_000,
            every: 20_000,
            queues: 256,
            ahead: 40_000,
            idle_topics: 64,
        }
    }
}

impl Budget {
    /// What one more queue topic adds to a turn's time: librdkafka sends a request for each topic partition, and needs
    /// about half a millisecond for it (measured).
    pub const A_TOPIC: Duration = Duration::from_millis(1);
    /// How long a turn goes on at most, however many topics it writes to.
    pub const LONGEST: Duration = Duration::from_secs(2);

    /// How long a turn goes on that writes to so many queue topics.
    #[must_use]
    pub fn time_with(&self, topics: usize) -> Duration {
        let more = Self::A_TOPIC.saturating_mul(u32::try_from(topics).unwrap_or(u32::MAX));
        self.time.saturating_add(more).min(Self::LONGEST.max(self.time))
    }

    /// How long a turn goes on behind its first live event where all that follows is held events of drains: a fifth of its
    /// time, and what its queue topics add.
    #[must_use]
    pub fn beside_drains(&self, topics: usize) -> Duration {
        self.time_with(topics).saturating_sub(self.time * 4 / 5)
    }

    /// Bytes of events taken at once.
    #[must_use]
    pub fn slice_bytes(&self) -> usize {
        (self.bytes / 4).max(1)
    }

    /// Held entries passed at once.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.slice.saturating_mul(2).min(self.backlog)
    }

    /// Events that wait for a turn: so many, and [`Shares::carried`] bytes of them.
    #[must_use]
    pub fn carried(&self) -> usize {
        (self.records / 5).max(self.slice)
    }

    /// Queue topics written in one turn at most.
    #[must_use]
    pub fn touched(&self) -> usize {
        self.topics.saturating_mul(8)
    }
}

impl Options {
    /// For a prefix, with everything else as it is by default.
    #[must_use]
    pub fn new(topics: Topics, instance: impl Into<String>, worker: usize, incarnation: impl Into<String>) -> Self {
        Self {
            topics,
            instance: instance.into(),
            keeps_place: false,
            worker,
            incarnation: incarnation.into(),
            limits: Limits::default(),
            session_timeout: Duration::from_secs(10),
            max_poll_interval: Duration::from_secs(300),
            transaction_timeout: Duration::from_secs(10),
            turn: Budget::default(),
            max_known_flows: 1_000_000,
            index_bytes: Shares::default().indexes,
            queue_ttl: Duration::from_secs(7 * 24 * 60 * 60),
            replication_factor: None,
            queue_segment: Duration::from_secs(24 * 60 * 60),
            sampling: Sampling::default(),
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

//! What a worker knows: its partitions, their flows, and where it reads. Of the flows and their partitions it is what is
//! committed: `join.rs` reads it, and `publish.rs` changes it when a turn holds. Where readers are, and what waits, changes
//! with the calls that find it out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::age::Pace;
use super::join::Joining;
use super::known::Known;
use crate::broker::murmur2::partition_for;
use crate::broker::{Action, Error, Record};
use crate::flow::index::Index;
use crate::flow::{Flow, FlowId, Partition, Rate, Watermark};
use crate::mutant::{self, Mutant};
use crate::schema::entry::{self, Held};
use crate::schema::{Reason, Unknown};
use crate::time::Timestamp;

/// A map whose order of iteration depends on nothing but what was done with it: no random hasher.
pub(super) type Map<K, V> = HashMap<K, V, Fixed>;

/// Fast, and the same in every process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fixed;

impl BuildHasher for Fixed {
    type Hasher = foldhash::fast::FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        foldhash::fast::FixedState::with_seed(0x666c_6f77).build_hasher()
    }
}

/// What the gate must know of its topics: partition counts, and retention where it decides about timestamps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    pub enrollments: i32,
    pub records: i32,
    pub discarded: i32,
    pub dead_letters: i32,
    pub audit: i32,
    /// `None`: records are kept for ever.
    pub records_retention: Option<Duration>,
    pub enrollments_retention: Option<Duration>,
    /// The largest record of the enrollments, in bytes.
    pub max_message_bytes: Option<i64>,
}

impl Shape {
    /// The home partition of a flow: where its events, its state and its single writer are.
    pub(super) fn home(&self, flow: &FlowId) -> i32 {
        partition_for(flow.as_str().as_bytes(), self.enrollments)
    }
}

/// What a worker has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub turns: u64,
    pub aborts: u64,
    /// Producers made: one at the start, and one for each that had to be thrown away.
    pub producers: u64,
    pub delivered: u64,
    /// Events of flows that are not recorded, for too many are; they are among those delivered.
    pub unrecorded: u64,
    pub held: u64,
    pub turned_away: u64,
    pub released: u64,
    pub replaced: u64,
    pub removed: u64,
    pub rerouted: u64,
    pub dead_letters: u64,
    pub commands: u64,
    /// Dead letters by the word of their reason.
    pub dead_by_reason: BTreeMap<&'static str, u64>,
    /// Answered commands by the word of their verdict.
    pub answers: BTreeMap<&'static str, u64>,
    /// How late timers fired, until they are taken ([`super::Worker::take_lateness`]); the newest of them if nobody does.
    pub lateness: Vec<Duration>,
    /// How many milliseconds our clock is ahead of the broker's, as the last state record told; 0 within the time that
    /// the record took.
    pub clock_ahead: Option<i64>,
    /// Turns that were dropped because they had outlived their transaction's time.
    pub outdated: u64,
    /// Failed calls, by what was to be done about them.
    pub troubles: BTreeMap<&'static str, u64>,
    /// The last failed call, in the client's words.
    pub last_trouble: Option<String>,
}

impl Stats {
    /// How many measurements of lateness wait to be taken, at most.
    const LATENESS: usize = 10_000;

    pub(super) fn trouble(&mut self, error: &Error) {
        let action = match error.action {
            Action::Retry => "retry",
            Action::Abort => "abort",
            Action::Rebuild => "rebuild",
            Action::Stop => "stop",
        };
        *self.troubles.entry(action).or_default() += 1;
        self.last_trouble = Some(error.detail.clone());
        tracing::debug!(action, code = ?error.code, %error, "a call failed");
    }

    /// Adds what a turn that holds has done.
    pub(super) fn add(&mut self, turn: &Self) {
        self.turns += 1;
        self.delivered += turn.delivered;
        self.unrecorded += turn.unrecorded;
        self.held += turn.held;
        self.turned_away += turn.turned_away;
        self.released += turn.released;
        self.replaced += turn.replaced;
        self.removed += turn.removed;
        self.rerouted += turn.rerouted;
        self.dead_letters += turn.dead_letters;
        self.commands += turn.commands;
        for (reason, count) in &turn.dead_by_reason {
            *self.dead_by_reason.entry(reason).or_default() += count;
        }
        for (verdict, count) in &turn.answers {
            *self.answers.entry(verdict).or_default() += count;
        }
        self.lateness.extend(&turn.lateness);
        let surplus = self.lateness.len().saturating_sub(Self::LATENESS);
        self.lateness.drain(..surplus);
    }

    pub(super) fn dead_letter(&mut self, reason: Reason) {
        self.dead_letters += 1;
        *self.dead_by_reason.entry(reason.word()).or_default() += 1;
    }
}

#[derive(Default)]
pub(super) struct Table {
    pub shape: Shape,
    /// An assignment came, be it empty.
    pub joined: bool,
    /// When the group has given the worker its place, it is made to look at who has what.
    pub knocks: bool,
    pub owned: BTreeMap<i32, Owned>,
    /// Everything below it in the control topic was gathered since the reader was last put back.
    pub control_scan: i64,
    /// What is read for indexes that are behind.
    pub rebuilding: super::rebuild::Rebuilding,
    /// The queue topics being read, and whose they are.
    pub reading: Map<Arc<str>, (i32, FlowId)>,
    /// The flows whose queues are to be read next, in the order in which they asked.
    pub to_read: VecDeque<(i32, FlowId)>,
    /// Records that the broker refused, each to be treated in a turn of its own (`refused.rs`).
    pub refused: BTreeMap<Origin, super::refused::Refused>,
    /// The clock disagrees with the broker's: turns that touch deadlines wait until then.
    pub clock_alarm: Option<ClockAlarm>,
    /// How many milliseconds our clock is ahead of the broker's; 0 as long as that is less than what is allowed.
    pub clock_ahead: i64,
    /// Commands below it are known to be there, from before the reader was put back or because the topic was asked for its
    /// end: no timer and no event comes before they are gathered.
    pub control_floor: i64,
    /// Events that no turn has taken yet.
    pub carried: super::carried::Carried,
    /// Commands that came between the slices of a turn: the next one begins with them.
    pub commands_ahead: Vec<Record>,
    /// A change of assignment that came while a transaction was open.
    pub change: Option<super::assignment::Change>,
    /// When the member was last polled.
    pub member_polled: Timestamp,
    /// When the control topic was last asked.
    pub floor_asked: Option<Timestamp>,
    /// Queue topics that this worker has made: what is in them and not in a committed state was aborted.
    pub created: BTreeSet<String>,
    /// Queue topics that could not be written to, and how often in a row the cluster said that they do not exist.
    pub missing: BTreeMap<String, u32>,
    /// Unreadable commands whose dead letters were refused with their values.
    pub bare_commands: BTreeSet<i64>,
    /// The group has moved on: what is ours has to be asked before anything else, the clean stop too.
    pub stale: bool,
    /// `None`: not since a partition was taken over.
    pub looked_for_orphans: Option<super::orphans::Looked>,
    /// The turn before waited for the last entries of a drain: this one does not.
    pub waited: bool,
    pub pace: Pace,
    /// The draining flow that comes first in the next turn, where not all of them found room in the last one.
    pub next_to_drain: Option<(i32, FlowId)>,
}

/// The kinds of [`Table::obstacles`].
pub const KINDS: [&str; 5] = ["queue_topic", "held_events_deleted", "clock", "too_slow", "refused_record"];

impl Table {
    pub fn tracked(&mut self, partition: i32, flow: &FlowId) -> Option<&mut Tracked> {
        self.owned.get_mut(&partition)?.flows.get_mut(flow)
    }

    pub fn known_flows(&self) -> usize {
        self.owned.values().map(|owned| owned.flows.len()).sum()
    }

    /// What does not go on: its kind, and a sentence that says why.
    pub fn obstacles(&self, enrollments: &str) -> Vec<(&'static str, String)> {
        let [queue_topic, deleted, clock, slow, refused] = KINDS;
        let off = self.clock_alarm.map(|_| "the clock is off by more than a minute: nothing moves".to_owned());
        let waits = self.owned.iter().filter_map(|(partition, owned)| {
            owned.wait.as_ref().map(|wait| format!("the events of partition {partition} wait: {}", wait.reason))
        });
        let flows = self.owned.values().flat_map(|owned| owned.draining.iter().filter_map(|id| owned.flows.get(id)));
        let blocked = flows.filter_map(|tracked| {
            let blocked = tracked.backlog.as_ref()?.blocked.as_ref()?;
            Some(format!("flow `{}` is blocked: {}", tracked.flow.id, blocked.reason))
        });
        let of = |kind: &'static str| move |sentence: String| (kind, sentence);
        let own = off.into_iter().map(of(clock)).chain(self.pace.obstacle().map(of(slow)));
        let missing = self.missing_refused(enrollments).map(of(refused));
        own.chain(waits.map(of(queue_topic))).chain(blocked.map(of(deleted))).chain(missing).collect()
    }
}

/// The clock disagreed with the broker's, found at this time of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockAlarm {
    pub since: Timestamp,
}

impl ClockAlarm {
    pub const LENGTH: Duration = Duration::from_secs(5);
}

/// What is left of a wait; `None`: it is over, also when the clock was set back: a wait is never longer than `length`.
pub(super) fn left(since: Timestamp, length: Duration, now: Timestamp) -> Option<Duration> {
    if now < since {
        return None;
    }
    length.checked_sub(now.since(since)).filter(|left| !left.is_zero())
}

/// Where a record of a turn comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    Event {
        partition: i32,
        offset: i64,
    },
    Entry {
        partition: i32,
        flow: FlowId,
        number: u64,
    },
    /// The dead letter of a command that cannot be read, at this offset.
    Command {
        offset: i64,
    },
    /// State, audit: made by the gate.
    Own,
}

/// A partition that is this worker's.
pub(super) struct Owned {
    pub stage: Stage,
    /// Shared with the turns that act for the partition: most of them leave it as it is.
    pub record: Arc<Partition>,
    pub unknown: Unknown,
    pub flows: Known,
    /// Deadlines of paused flows.
    pub timers: BTreeSet<(Timestamp, FlowId)>,
    /// When an idle queue topic is to be retired.
    pub retirements: BTreeSet<(Timestamp, FlowId)>,
    /// Flows that are resuming.
    pub draining: BTreeSet<FlowId>,
    /// Flows whose indexes are behind, and want their queue topics to be read.
    pub rebuilding: BTreeSet<FlowId>,
    /// The offset of the next event: what the group's committed offset says, or will say with the first turn.
    pub position: i64,
    /// Commands below this offset were in the log when the partition was taken over: they come before everything else.
    pub control_end: i64,
    /// How far the control topic was read, in turns that hold: a reader that was put back is behind it.
    pub scanned: i64,
    /// Its record was written since it was taken over.
    pub introduced: bool,
    /// The member delivers from `position`; until then what it brings of the partition is not what comes next.
    pub fetching: bool,
    /// When its position was last compared with the member's.
    pub looked_at: Timestamp,
    /// Bytes of its flows' indexes.
    pub index_bytes: usize,
    /// Events wait: a queue topic could not be made.
    pub wait: Option<Wait>,
}

#[derive(Clone, Debug)]
pub(super) struct Wait {
    pub since: Timestamp,
    pub reason: String,
}

impl Wait {
    pub const LENGTH: Duration = Duration::from_secs(1);

    pub fn is_over(&self, now: Timestamp) -> bool {
        left(self.since, Self::LENGTH, now).is_none()
    }
}

pub(super) enum Stage {
    /// Being restored: takes part in nothing.
    Joining(Joining),
    /// Restored: takes part in commands; its record has to be written, and what waits in the control topic applied.
    Introducing,
    Active,
}

impl Owned {
    pub fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Active)
    }

    /// Whether commands apply to it in the next turn.
    pub fn takes_commands(&self) -> bool {
        matches!(self.stage, Stage::Introducing | Stage::Active)
    }
}

/// A flow and what this worker has built around it.
pub(super) struct Tracked {
    pub flow: Flow,
    pub unknown: Unknown,
    pub index: Index,
    /// Where the rebuilding of the index stands, while it is behind.
    pub rebuild: super::rebuild::Rebuild,
    pub backlog: Option<Backlog>,
}

impl Tracked {
    pub fn new(flow: Flow, unknown: Unknown, index: Index) -> Self {
        let rebuild = super::rebuild::Rebuild::of(&flow.queue);
        Self { flow, unknown, index, rebuild, backlog: None }
    }

    /// A flow as it was found in its state: nothing is known yet of what is held.
    pub fn restored(flow: Flow, unknown: Unknown) -> Self {
        let index = Index::behind(&flow.queue);
        Self::new(flow, unknown, index)
    }
}

/// What has been read of a draining flow's queue and not passed yet.
pub(super) struct Backlog {
    pub topic: Arc<str>,
    pub entries: entry::Reader,
    pub reading: Reading,
    /// Entries read since the reading began.
    pub read_since: usize,
    pub buffer: VecDeque<Waiting>,
    pub buffer_bytes: usize,
    /// What the turn under way passes of it: it stays until that holds, and there is room behind it already.
    pub passing: Amount,
    /// The number of the last entry read into the buffer, or passed before.
    pub read_to: u64,
    /// Where to go on reading.
    pub read_offset: i64,
    pub bucket: Bucket,
    /// Held events were deleted: nothing of it can be passed.
    pub blocked: Option<Blocked>,
    /// What was held for it in the turn before: an unlimited drain passes at least twice that.
    pub held_before: Amount,
    /// The entry up to which records of the topic were last deleted.
    pub deleted_entry: u64,
}

/// Whether the queue of a draining flow is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    No,
    /// It will be: others are being read, or it was asked for just now.
    Waits,
    On,
}

/// How much of something there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub entries: usize,
    pub bytes: usize,
}

impl Amount {
    pub fn times(self, factor: usize) -> Self {
        Self { entries: self.entries.saturating_mul(factor), bytes: self.bytes.saturating_mul(factor) }
    }

    pub fn min(self, other: Self) -> Self {
        Self { entries: self.entries.min(other.entries), bytes: self.bytes.min(other.bytes) }
    }

    /// What of `whole` is missing here.
    pub fn missing_of(self, whole: Self) -> Self {
        Self { entries: whole.entries.saturating_sub(self.entries), bytes: whole.bytes.saturating_sub(self.bytes) }
    }

    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// Whether it is as much as `most`, in entries or in bytes.
    pub fn reaches(self, most: Self) -> bool {
        self.entries >= most.entries || self.bytes >= most.bytes
    }

    pub fn and(self, other: Self) -> Self {
        Self { entries: self.entries.saturating_add(other.entries), bytes: self.bytes.saturating_add(other.bytes) }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Blocked {
    pub since: Timestamp,
    pub reason: String,
    /// Held events that may be gone: at most so many.
    pub lost: u64,
}

impl Blocked {
    /// When to look again: a broker that comes back may have what seemed to be gone.
    pub const LENGTH: Duration = Duration::from_secs(10);
}

/// An entry read back.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub held: Held,
    pub value: Option<Bytes>,
    pub timestamp: Timestamp,
    pub offset: i64,
    pub size: usize,
}

/// How many releases a rate allows: one when a drain begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bucket {
    pub tokens: f64,
    pub at: Timestamp,
}

impl Bucket {
    pub fn new(now: Timestamp) -> Self {
        Self { tokens: 1.0, at: now }
    }

    /// Of a drain that another owner began, when all that is known is when that one wrote the flow's state last: whatever it
    /// released, it had done so by then. Nothing is given away, however often owners follow one another.
    pub fn taken_over(written: Timestamp, now: Timestamp) -> Self {
        let tokens = if mutant::is(Mutant::BucketFullAtATakeOver) { f64::INFINITY } else { 0.0 };
        Self { tokens, at: written.min(now) }
    }

    /// Fills up for the time since; never holds more than a quarter of a second's worth, or one.
    pub fn refill(&mut self, rate: Rate, now: Timestamp) {
        let rate = f64::from(rate.get());
        let elapsed = now.since(self.at).as_secs_f64();
        self.tokens = (self.tokens + elapsed * rate).min((rate / 4.0).max(1.0));
        self.at = now;
    }

    /// Counts from now, if the clock was set back.
    pub fn follow(&mut self, now: Timestamp) {
        self.at = self.at.min(now);
    }

    /// When there will be a whole token again.
    pub fn next(&self, rate: Rate) -> Timestamp {
        let missing = (1.0 - self.tokens).max(0.0) / f64::from(rate.get());
        self.at.after(Duration::from_secs_f64(missing) + Duration::from_millis(1))
    }
}

impl Backlog {
    /// What has been read and is not passed by the turn under way.
    pub fn waiting(&self) -> Amount {
        self.passing.missing_of(Amount { entries: self.buffer.len(), bytes: self.buffer_bytes })
    }

    /// What an unlimited drain passes at least, so that it outruns what is held for it meanwhile.
    pub fn at_least(&self) -> Amount {
        match mutant::is(Mutant::DrainDoesNotOutrunItsFlow) {
            true => Amount::default(),
            false => self.held_before.times(2),
        }
    }

    /// What of that has not been read.
    pub fn lacks(&self) -> Amount {
        Amount { entries: self.buffer.len(), bytes: self.buffer_bytes }.missing_of(self.at_least())
    }

    /// Nothing was read.
    pub fn begin_again(&mut self, watermark: Watermark) {
        self.clear();
        self.read_to = watermark.entry;
        self.read_offset = watermark.offset;
    }

    pub fn clear(&mut self) {
        self.reading = Reading::No;
        self.buffer.clear();
        self.buffer_bytes = 0;
        self.passing = Amount::default();
    }
}

impl Owned {
    /// A partition just assigned: nothing is known of it yet.
    pub(super) fn joining() -> Self {
        use crate::flow::Partition;
        Self {
            stage: Stage::Joining(super::join::Joining::default()),
            record: Arc::new(Partition::new(0, 0, 0, 0, Timestamp(0))),
            unknown: Unknown::default(),
            flows: Known::default(),
            timers: std::collections::BTreeSet::new(),
            retirements: std::collections::BTreeSet::new(),
            draining: std::collections::BTreeSet::new(),
            rebuilding: std::collections::BTreeSet::new(),
            position: 0,
            control_end: 0,
            scanned: 0,
            introduced: false,
            fetching: false,
            looked_at: Timestamp(0),
            index_bytes: 0,
            wait: None,
        }
    }
}

impl Backlog {
    pub(super) fn new(flow: &Flow, topic: &str, now: Timestamp) -> Self {
        let watermark = flow.queue.watermark;
        Self {
            topic: topic.into(),
            entries: entry::Reader::new(&flow.id),
            reading: Reading::No,
            read_since: 0,
            buffer: std::collections::VecDeque::new(),
            buffer_bytes: 0,
            passing: Amount::default(),
            read_to: watermark.entry,
            read_offset: watermark.offset,
            bucket: super::table::Bucket::new(now),
            blocked: None,
            held_before: Amount::default(),
            deleted_entry: watermark.entry,
        }
    }
}

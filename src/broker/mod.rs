//! The broker port: everything the gate asks of Kafka, as a few small traits with two adapters.
//!
//! [`kafka`] talks to a cluster; [`memory`] is an in-process broker with the same semantics (transactions, fencing,
//! the last stable offset, group generations, compaction, retention), made for the simulator and for `flowgate demo`.
//! One conformance suite (`tests/conformance`) runs against both; where they differ, the memory broker is wrong.
//!
//! The words of the offsets, as everywhere in Kafka:
//! - *low watermark*: the offset of the first record still in the log (`DeleteRecords` and retention move it);
//! - *high watermark*: the offset the next record will get, whatever became of its transaction;
//! - *last stable offset* (LSO): the first offset of the oldest open transaction, else the high watermark. A
//!   `read_committed` reader sees nothing at or beyond it, and no record of an aborted transaction.
//! - Offsets have gaps: transaction markers take one each, aborted records and the cleaner leave others.
//!
//! Calls do not block for longer than the limit they are given (or the adapter's own request limit). A call that fails
//! says what to do about it ([`Action`]): errors are sorted once, here, and nowhere else.
//!
//! Architecture invariant: the port knows nothing of flows, and names no type of a Kafka client.

mod error;
pub mod kafka;
pub mod memory;
pub mod murmur2;
mod record;
mod topic;

pub use error::{Action, Code, Error, Result};
pub use record::{Header, Outgoing, Record, size, sizes};
pub use topic::Topic;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::time::Timestamp;

/// Makes clients of one cluster. Cheap to clone; clones reach the same cluster.
pub trait Broker: Clone {
    type Member: Member;
    type Reader: Reader;
    type Producer: Producer;
    type Publisher: Publisher;
    type Admin: Admin;

    /// Joins the consumer group `options.group` for one topic. Returns at once; the first assignment comes from
    /// [`Member::poll`].
    fn member(&self, options: &MemberOptions) -> Result<Self::Member>;

    /// A consumer without a group, reading what it is assigned.
    fn reader(&self, isolation: Isolation) -> Result<Self::Reader>;

    /// A transactional producer, initialised: on return every earlier producer of the same `transactional_id` is
    /// fenced and its open transaction aborted. Fails with [`Action::Retry`] while that abort is under way.
    fn producer(&self, options: &ProducerOptions) -> Result<Self::Producer>;

    /// An idempotent producer without transactions, for upstreams, operators and tools.
    fn publisher(&self) -> Result<Self::Publisher>;

    fn admin(&self) -> Result<Self::Admin>;
}

/// Which records a reader is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    ReadCommitted,
    ReadUncommitted,
}

#[derive(Clone, Debug)]
pub struct MemberOptions {
    pub group: String,
    /// Names the member to people (Kafka's `client.id`), and to [`Member::standing`]; not its identity in the group.
    pub client_id: String,
    /// Makes the member static: the group keeps the place of this name, with its partitions, until its session ends, also
    /// after [`Member::leave`]. Whoever joins under the name has that place at once, and nobody else's partitions move;
    /// whoever had it before is fenced ([`Code::InstanceFenced`]).
    pub instance_id: Option<String>,
    pub topic: String,
    /// A member not heard of for so long has left the group.
    pub session_timeout: Duration,
    /// A member that does not poll for so long has left the group.
    pub max_poll_interval: Duration,
}

/// What a batch holds at most where nothing else is said: librdkafka's default, and less than Kafka's for `max.message.bytes`. With a
/// quarter of it a broker takes a sixth more CPU time for what 100 flows deliver (measured).
pub const BATCH_BYTES: usize = 1_000_000;

#[derive(Clone, Debug)]
pub struct ProducerOptions {
    pub transactional_id: String,
    /// The broker aborts a transaction left open for longer, and fences its producer.
    pub transaction_timeout: Duration,
    pub compression: Compression,
    /// What a batch holds at most, in bytes before it is compressed; a larger record goes alone. For a topic a batch is one message:
    /// of one that is larger than its `max.message.bytes` no record is taken.
    pub batch_bytes: usize,
}

impl ProducerOptions {
    /// Nothing is compressed, and batches are of [`BATCH_BYTES`].
    #[must_use]
    pub fn new(transactional_id: impl Into<String>, transaction_timeout: Duration) -> Self {
        let transactional_id = transactional_id.into();
        Self { transactional_id, transaction_timeout, compression: Compression::None, batch_bytes: BATCH_BYTES }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    Zstd,
}

/// What a [`Member::poll`] or [`Reader::poll`] has brought.
#[derive(Debug)]
pub enum Polled {
    /// Zero or more records were appended to the buffer.
    Records,
    /// These partitions are this member's from now on: they are idle until [`Member::fetch_from`]. The list may be
    /// empty (a new generation that gives it nothing new). Call [`Member::acknowledge`] to go on.
    Assigned(Vec<i32>),
    /// These partitions are to be given up. Nobody else gets them before [`Member::acknowledge`] unless `lost`: then
    /// the group has already given them away. Finish or abort the open transaction first.
    Revoked { partitions: Vec<i32>, lost: bool },
    /// The position of this partition is not in its log: `low` is the first offset that is. Nothing more is read of it
    /// until it is given another position.
    OutOfRange { topic: Arc<str>, partition: i32, low: i64 },
}

/// How much one poll may bring.
#[derive(Clone, Copy, Debug)]
pub struct PollLimit {
    pub records: usize,
    /// Bytes of keys, values and headers. The record that reaches it is still delivered, and so may be some behind it that are
    /// larger than all before them: as many as the client has fetched at most.
    pub bytes: usize,
    /// How long to wait for the first record, not for more once there is one. The memory broker never waits.
    pub wait: Duration,
}

/// One member of a consumer group, reading one topic with `read_committed`.
///
/// Dropping a member without [`Member::leave`] is a crash: the group notices after the session timeout.
///
/// A static member that is fenced says so at every call that asks the cluster for something: [`Code::InstanceFenced`] with
/// [`Action::Rebuild`]. It is no proof of another process: the group may have taken an earlier join of this one, whose
/// answer was lost, for the newer one. Where the client has given its own identity up and only then was refused, it says
/// [`Code::StaleGeneration`] with [`Action::Rebuild`], which tells nothing of others.
pub trait Member {
    /// Reads the next records of the partitions in fetch, or reports a change of assignment. Of one partition records
    /// come in offset order. While a change waits for [`Member::acknowledge`] no records come.
    ///
    /// # Errors
    /// [`Action::Retry`]: a passing fault, poll again. Else as the action says.
    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled>;

    /// Takes note of the change of assignment that [`Member::poll`] reported.
    fn acknowledge(&mut self) -> Result<()>;

    /// Delivers the assigned partition from `offset` on (also backwards). What was read of it earlier and not yet
    /// delivered is dropped. Fails with [`Action::Retry`] if the partition cannot take a position yet.
    fn fetch_from(&mut self, partition: i32, offset: i64) -> Result<()>;

    /// Stops delivering the partition until the next [`Member::fetch_from`]; it stays assigned.
    fn pause(&mut self, partition: i32) -> Result<()>;

    /// The offset up to which an assigned partition has been read, over gaps too, as [`Reader::position`]; `None` while
    /// it is idle.
    fn position(&mut self, partition: i32) -> Result<Option<i64>>;

    /// The group's committed offsets of these partitions, `None` where there is none. Waits up to `limit` for offsets
    /// that a transaction still has pending: this is the barrier behind a previous owner. [`Action::Retry`] while
    /// they are not decided.
    fn committed(&mut self, partitions: &[i32], limit: Duration) -> Result<Vec<Option<Committed>>>;

    /// The identity that fences a zombie: the member id as of the last acknowledged change, in the newest generation that
    /// the group has given to this id. So it is asked for when offsets are sent, not before: what is to be given up is the
    /// member's until it acknowledges that. A transaction that sends offsets with it fails once the group has moved on
    /// without this member.
    /// [`Action::Retry`] before the first assignment.
    fn group(&self) -> Result<GroupMetadata>;

    /// Whether the group counts on this member now, as well as its client can know a moment after a hang. [`Action::Retry`]
    /// while nothing can be said. What the member has waiting for [`Member::poll`] stays where it is.
    fn standing(&mut self) -> Result<Standing>;

    /// Leaves the group in good order, giving up all partitions. The member reads nothing afterwards. The place of a static
    /// member stays its own until its session ends: Kafka's client has no call that gives it up.
    fn leave(self) -> Result<()>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It has acknowledged an assignment, and the group still counts on it. A crashed or frozen member belongs to the
    /// group until its session ends.
    pub belongs: bool,
    /// Another member with the same `client_id` is in the group: another process's, not one that this process dropped
    /// before.
    /// `None`: the client cannot tell.
    pub namesake: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    pub metadata: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    pub low: i64,
    /// The end as this client's isolation sees it: the LSO under `read_committed`, else the high watermark.
    pub end: i64,
}

impl Watermarks {
    /// Whether a reader can go on from this offset.
    #[must_use]
    pub fn reach(self, offset: i64) -> bool {
        (self.low..=self.end).contains(&offset)
    }
}

/// A consumer's identity in its group, opaque to the gate: made by [`Member::group`], given to
/// [`Transaction::send_offsets`].
#[derive(Clone)]
pub struct GroupMetadata(Arc<dyn std::any::Any + Send + Sync>);

impl GroupMetadata {
    pub(crate) fn new<T: Send + Sync + 'static>(inner: T) -> Self {
        Self(Arc::new(inner))
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl std::fmt::Debug for GroupMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupMetadata")
    }
}

/// A consumer without a group: reads exactly the partitions it was told to.
pub trait Reader {
    /// Starts (or restarts) reading a partition from `offset`, also backwards; other partitions go on as they are.
    fn assign(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()>;

    /// [`Reader::assign`] for many partitions at once: topic, partition, offset of each; the last one counts of a partition. After a failure some of them may
    /// be assigned.
    fn assign_all(&mut self, places: &[(Arc<str>, i32, i64)]) -> Result<()> {
        places.iter().try_for_each(|(topic, partition, offset)| self.assign(topic, *partition, *offset))
    }

    /// Stops reading a partition and drops what was read ahead of it.
    fn unassign(&mut self, topic: &str, partition: i32) -> Result<()>;

    /// [`Reader::unassign`] for many partitions at once; one that is named twice is stopped once. After a failure some of
    /// them may be read no more.
    fn unassign_all(&mut self, places: &[(Arc<str>, i32)]) -> Result<()> {
        places.iter().try_for_each(|(topic, partition)| self.unassign(topic, *partition))
    }

    /// As [`Member::poll`]; never answers `Assigned` or `Revoked`.
    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled>;

    /// The offset up to which this partition has been read: every record this reader may see below it was delivered.
    /// Passes over gaps, so it can reach an end behind which nothing visible lies. `None` if not assigned.
    fn position(&mut self, topic: &str, partition: i32) -> Result<Option<i64>>;

    fn watermarks(&mut self, topic: &str, partition: i32) -> Result<Watermarks>;

    /// The offset of the first record with this timestamp or a later one; `None` if there is none. Where a topic stamps its
    /// records, everything before it is older. An open transaction's records may be found too.
    fn offset_at(&mut self, topic: &str, partition: i32, time: Timestamp) -> Result<Option<i64>>;
}

/// A transactional producer with no transaction open.
pub trait Producer: Sized {
    type Transaction: Transaction<Producer = Self>;

    /// The handle of a topic; the same name gives the same handle.
    fn topic(&mut self, name: &str) -> Result<Topic>;

    /// Forgets a topic; its handle must not be used again.
    fn forget(&mut self, topic: Topic);

    /// Whether this producer knows a leader for every partition of these topics, asking the cluster once if it must.
    fn leaders_known(&mut self, topics: &[Topic]) -> Result<bool>;

    /// Asks the cluster whether this is the newest producer of its transactional id. `group` and `topic`: some that the
    /// gate may read; nothing of them changes. `None`: it is, but must not be used any more.
    ///
    /// # Errors
    /// [`Code::Fenced`]: a newer one was made. Else nothing is known: with the producer, ask again; without it, it is gone.
    fn prove(self, group: &str, topic: &str) -> std::result::Result<Option<Self>, (Option<Self>, Error)>;

    /// Opens a transaction. No call to the broker is made before the first record or offset.
    fn begin(self) -> std::result::Result<Self::Transaction, (Self, Error)>;
}

/// An open transaction. Dropping it leaves it open at the broker, as a crash would.
pub trait Transaction: Sized {
    type Producer;

    /// Hands one record to the client. `tag` comes back with its delivery ([`Delivered`]).
    /// [`Code::QueueFull`] with [`Action::Retry`]: flush, then send it again.
    fn send(&mut self, record: &Outgoing<'_>, tag: u64) -> Result<()>;

    /// Serves the deliveries that have arrived. What the client holds back for a larger batch stays where it is.
    fn poll(&mut self) -> Progress;

    /// Sends what the client holds back, and serves deliveries for up to `wait`, returning early when nothing is in flight
    /// any more.
    fn flush(&mut self, wait: Duration) -> Progress;

    /// Takes the deliveries since the last call, in no particular order. Of records whose tags have [`FAILURE_ONLY`] set
    /// only failures are reported.
    fn deliveries(&mut self) -> Vec<Delivered>;

    /// Adds the group's offsets to the transaction. A negative offset is refused with [`Code::InvalidArgument`]
    /// (librdkafka would skip it silently, and a transaction without offsets is not fenced).
    fn send_offsets(&mut self, offsets: &[Offset], group: &GroupMetadata) -> Result<()>;

    /// Ends the transaction. Call it with nothing in flight.
    fn commit(self) -> Commit<Self, Self::Producer>;

    /// Drops what is in flight and aborts the transaction.
    fn abort(self) -> Abort<Self, Self::Producer>;
}

/// Set in a tag: nobody asks whether the record was stored. A failure is reported all the same, with this tag.
pub const FAILURE_ONLY: u64 = 1 << 63;

/// A tag for records that nobody needs to tell apart.
pub const UNTRACKED: u64 = u64::MAX;

#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Records handed over and not yet acknowledged or failed.
    pub in_flight: usize,
    /// Records of this transaction that were refused so far; their reasons are among [`Transaction::deliveries`].
    pub failed: usize,
}

#[derive(Clone, Debug)]
pub struct Delivered {
    pub tag: u64,
    /// Offset and the broker's timestamp (the time of appending, if the topic stamps it), or why it was refused.
    pub outcome: Result<Stored>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    pub offset: i64,
    pub timestamp: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offset {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    pub metadata: String,
}

/// How a commit ended.
pub enum Commit<T, P> {
    /// It holds, and no copy of the request can be under way: the producer may go on.
    Done(P),
    /// It holds, but a resent request may still be under way (slow answer, transport error): the producer is gone,
    /// make a new one before the next transaction.
    DoneReplace,
    /// Call it again.
    Retry(T, Error),
    /// It does not hold and must be aborted.
    Abort(T, Error),
    /// Nobody knows, or the producer is fenced or fatally broken. It cannot be used again, by type: make a new one (that
    /// fences this one's request), read back the committed offsets, and see by their metadata whether it holds.
    Unknown(Error),
}

/// How an abort ended.
pub enum Abort<T, P> {
    Done(P),
    /// Aborted or not, the producer is gone: make a new one, which aborts whatever is open.
    Replace(Option<Error>),
    Retry(T, Error),
}

/// A producer without transactions.
pub trait Publisher {
    /// Hands one record over. `partition` `None`: by the Java client's default (murmur2 of the key).
    fn publish(&mut self, record: &Publication<'_>) -> Result<()>;

    /// Waits until everything handed over is stored; the receipts in the order of publishing since the last flush.
    fn flush(&mut self, limit: Duration) -> Result<Vec<Result<Receipt>>>;
}

#[derive(Clone, Debug)]
pub struct Publication<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    pub timestamp: Option<Timestamp>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Timestamp,
}

/// Requests that no transaction covers and nothing fences: each must be harmless when it comes late.
pub trait Admin {
    /// Creates topics in one request (chunked by the adapter). One answer a topic, in order:
    /// [`Code::TopicExists`] if it is there already.
    fn create_topics(&mut self, topics: &[NewTopic]) -> Result<Vec<Result<()>>>;

    fn delete_topics(&mut self, topics: &[String]) -> Result<Vec<Result<()>>>;

    /// Deletes the records of partition 0 of each topic up to (not including) an offset; the low watermark never moves
    /// backwards. One answer a topic.
    fn delete_records(&mut self, up_to: &[(String, i64)]) -> Result<Vec<Result<()>>>;

    /// [`Admin::delete_records`] without waiting for the answers: a deletion that fails is only logged. `false`, and nothing is
    /// asked for, while earlier ones are under way.
    fn start_deleting_records(&mut self, up_to: &[(String, i64)]) -> Result<bool> {
        self.delete_records(up_to)?.into_iter().collect::<Result<()>>()?;
        Ok(true)
    }

    /// How many partitions a topic has, `None` if there is no such topic.
    fn partitions(&mut self, topic: &str) -> Result<Option<i32>>;

    /// All topic names that start with `prefix`, sorted.
    fn topics(&mut self, prefix: &str) -> Result<Vec<String>>;

    /// The settings of a topic in force. [`Code::Denied`] if the broker does not show them to us.
    fn topic_config(&mut self, topic: &str) -> Result<BTreeMap<String, String>>;

    /// The settings of one broker in force, taken for those of all. [`Code::Denied`] as above.
    fn broker_config(&mut self) -> Result<BTreeMap<String, String>>;

    /// How many replicas a partition of the topic has (the one with the fewest), `None` if there is no such topic.
    fn replicas(&mut self, topic: &str) -> Result<Option<i32>>;

    /// How many brokers the cluster has that are up: no partition can have more replicas.
    fn brokers(&mut self) -> Result<usize>;

    /// The committed offsets of a group, seen from outside of it; what is pending in a transaction does not count.
    fn group_offsets(&mut self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<Option<Committed>>>;

    /// What we may do with a topic, which has to exist. [`Code::Denied`]: not even look at it, if there is one.
    /// `None`: the brokers do not tell.
    fn allowed(&mut self, topic: &str) -> Result<Option<BTreeSet<Operation>>>;

    /// Sets an offset of a group from outside. [`Code::Busy`] while the group has members: only they may, then.
    fn set_group_offset(&mut self, group: &str, offset: &Offset) -> Result<()>;
}

/// What a user of the cluster is allowed to do, in the words of Kafka's ACLs. Those that nobody here needs are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Read,
    Write,
    Create,
    Delete,
    Describe,
    DescribeConfigs,
}

impl Operation {
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Write, Self::Create, Self::Delete, Self::Describe, Self::DescribeConfigs];

    /// As `kafka-acls` takes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Create => "Create",
            Self::Delete => "Delete",
            Self::Describe => "Describe",
            Self::DescribeConfigs => "DescribeConfigs",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    pub partitions: i32,
    /// `None`: the broker's default.
    pub replication_factor: Option<i32>,
    /// Kafka's topic settings by name, such as `cleanup.policy`.
    pub config: BTreeMap<String, String>,
}

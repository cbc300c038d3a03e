//! One worker: a group member, a control reader, two queue readers and a transactional producer, moved one step at a time.
//!
//! A **turn** is one transaction: commands, then timers that are due, then a share of what is held for each draining flow,
//! then events; with it the changed states, the audit, and the offset of every partition it acted for. The story of a
//! turn is the order of the phases:
//!
//! ```text
//! start -> replace -> enter -> chores -> gather -> (decide) -> create -> leaders -> send -> acks -> offsets -> commit -> (publish) -> chores ...
//! then again and again, while there is more:                   send -> slice -> (decide) -> send
//! a turn that cannot hold:                                     send, slice, acks, offsets, commit -> abort -> chores
//! an end that is not known:                                    commit -> replace -> read back -> (publish) or chores
//! out of the group under a name that keeps its place:          ... -> start -> prove -> enter
//! ```
//!
//! - `gather.rs` polls for the first slice of a turn, `slices.rs` for the later ones, within the transaction; the assignment
//!   changes only between transactions (`assignment.rs`); `carried.rs` keeps what no turn has taken yet; `control.rs`
//!   reads the commands, `queues.rs` says which queues are read and how far ahead, `reading.rs` takes what is read back of
//!   them, `wake.rs` says how long a poll may wait;
//! - `memory.rs` says how much of what may wait in memory;
//! - `join.rs` takes a partition over, step by step, while the others go on; `known.rs` keeps its flows; `rebuild.rs` makes
//!   their indexes again in the background, and `indexes.rs` keeps all indexes within one budget;
//! - `decide.rs` turns what was gathered into a [`turn::Turn`], without any call: `commands.rs`, `timers.rs`, `backlog.rs`,
//!   `events.rs`, in this order; `refused.rs`: a turn for one record that the broker has refused;
//! - `queue_topics.rs`, `write.rs` and `commit.rs` make it hold: topics, records, offsets, commit; and find out whether it
//!   holds when the answer is lost;
//! - `replace.rs` makes the producer, if the transactional id is still ours; `place.rs` keeps the worker's place in the group
//!   under the instance's name, and finds out whose that is when the group gives it to another member;
//! - `orphans.rs` finds queue topics that were left behind;
//! - `publish.rs` lets what was staged become real; an abort drops it, and `chores.rs` rewinds; `age.rs` drops what took
//!   too long.
//!
//! Architecture invariant: what a turn stages is not visible to anything before its commit is known.
//! Architecture invariant: nothing here reads a clock, sleeps or is random. A [`Worker::step`] makes one call to the broker, or
//! a few where they belong together; only the first step makes more, for it makes the clients.

mod age;
mod assignment;
mod backlog;
mod carried;
mod chores;
mod commands;
mod commit;
mod control;
mod decide;
mod events;
mod gather;
mod indexes;
mod join;
mod known;
mod memory;
mod options;
mod orphans;
mod place;
mod publish;
mod queue_topics;
mod queues;
mod reading;
mod rebuild;
mod refused;
mod replace;
mod slices;
mod snapshot;
mod stop;
mod table;
mod timers;
mod turn;
mod wake;
mod write;

use std::collections::VecDeque;
use std::time::Duration;

use crate::broker::{Action, Broker, Compression, Error, Isolation, MemberOptions, Producer, Reader, Topic};
use crate::time::Timestamp;

pub use memory::Shares;
pub use options::{Budget, Options};
pub use snapshot::{Held, Memory, PartitionShot, Share, Snapshot};
pub use stop::Stop;
pub use table::{KINDS, Shape, Stats};

use chores::Chore;
use gather::Gather;
use table::Table;
use turn::Turn;

/// What a step has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Call [`Worker::step`] again.
    Progress,
    /// There was nothing to do; nothing happens by itself before this time, unless something arrives.
    Idle { until: Option<Timestamp> },
    /// The broker wants to be asked again later.
    Waiting(Duration),
    /// The worker has left the group after [`Worker::stop`]: the last step.
    Left,
}

/// How long to wait before a call is made again.
const BACKOFF: Duration = Duration::from_millis(50);

type Transaction<B> = <<B as Broker>::Producer as Producer>::Transaction;

/// Where a worker is, with what that place owns.
enum Phase<B: Broker> {
    /// Learn the shape of the topics.
    Start,
    /// Ask the producer whether the name is still ours.
    Prove(place::Next),
    /// Make the clients, and join the group.
    Enter,
    /// Make a producer, which fences the one before and ends its transaction; ask the group first, if need be.
    Replace(After),
    Chores,
    /// Poll for the first slice of a turn.
    Gather(Gather),
    /// Make the queue topics that the turn needs.
    Create(Box<Turn>),
    /// Wait until the producer knows who leads them.
    Leaders(Box<Turn>),
    Send(Box<Open<B>>, usize),
    /// Poll for the next slice of the turn under way.
    Slice(Box<Open<B>>, slices::Poll),
    Acks(Box<Open<B>>),
    Offsets(Box<Open<B>>),
    Commit(Box<Open<B>>),
    Abort(Transaction<B>),
    /// A commit's outcome is not known: see whose name the offsets carry.
    ReadBack(Box<Turn>),
    Leave,
    Left,
}

/// A turn under way: what it has decided so far, and the transaction that carries it.
struct Open<B: Broker> {
    turn: Box<Turn>,
    transaction: Transaction<B>,
    /// While it waits for acknowledgements, the member is polled for the next turn before it waits again.
    polls_ahead: bool,
}

/// What follows when there is a producer again.
enum After {
    /// Nothing was under way.
    Rewind,
    /// The worker is not in the group yet.
    Enter,
    /// This turn holds.
    Publish(Box<Turn>),
    /// This turn may hold.
    ReadBack(Box<Turn>),
    /// This turn wants a producer with its compression.
    Leaders(Box<Turn>),
}

struct Clients<B: Broker> {
    member: B::Member,
    /// Comes for a moment, so that the group looks at who has what.
    knocking: Option<B::Member>,
    control: B::Reader,
    queues: B::Reader,
    /// Reads queue topics too, for indexes that are behind.
    indexes: B::Reader,
    /// Reads `flow.state` as it is committed.
    stable: B::Reader,
    /// Knows where logs end, open transactions or not.
    latest: B::Reader,
    admin: B::Admin,
}

/// One worker of an instance. See the module for how it moves.
pub struct Worker<B: Broker> {
    broker: B,
    options: Options,
    phase: Phase<B>,
    clients: Option<Clients<B>>,
    producer: Option<B::Producer>,
    /// Handles of the producer in hand; gone with it.
    handles: std::collections::HashMap<String, Topic>,
    compression: Compression,
    table: Table,
    chores: VecDeque<Chore>,
    /// Chores that the member could not do yet: a gathering comes first, for it may bring the reason.
    deferred: VecDeque<Chore>,
    /// Turns begun, for their names.
    turns: u64,
    /// When the last transaction was begun.
    begun_at: Timestamp,
    /// It has taken its first step.
    started: bool,
    /// When nobody else can have had our transactional id.
    sure_at: Option<Timestamp>,
    /// Since when the group does not answer whether we belong to it.
    asking_since: Option<Timestamp>,
    /// Another process of our name in the group goes first.
    gives_way: bool,
    /// No producer is made yet, for another process may have the place in the group that was taken.
    trial: Option<place::Trial>,
    /// Learns the shape of the topics, and is one of the clients then.
    admin: Option<B::Admin>,
    stopping: bool,
    stats: Stats,
}

impl<B: Broker> Worker<B> {
    #[must_use]
    pub fn new(broker: B, options: Options) -> Self {
        Self {
            broker,
            options,
            phase: Phase::Start,
            clients: None,
            producer: None,
            handles: std::collections::HashMap::new(),
            compression: Compression::None,
            table: Table::default(),
            chores: VecDeque::new(),
            deferred: VecDeque::new(),
            turns: 0,
            begun_at: Timestamp::default(),
            started: false,
            sure_at: None,
            asking_since: None,
            gives_way: false,
            trial: None,
            admin: None,
            stopping: false,
            stats: Stats::default(),
        }
    }

    /// Makes the next call to the broker, or the few of one phase, and goes on from the answer.
    ///
    /// # Errors
    /// [`Stop`]: the process has to end; the worker must not be stepped again.
    pub fn step(&mut self, now: Timestamp) -> Result<Step, Stop> {
        self.keep_name(now);
        let phase = std::mem::replace(&mut self.phase, Phase::Left);
        let (phase, step) = match self.unless_too_old(phase, now) {
            Phase::Start => self.start(now)?,
            Phase::Prove(next) => self.prove(next, now)?,
            Phase::Enter => self.enter(now)?,
            Phase::Replace(after) => self.replace(after, now)?,
            Phase::Chores => self.chore(now)?,
            Phase::Gather(gather) => self.gather(gather, now)?,
            Phase::Create(turn) => self.create(turn, now)?,
            Phase::Leaders(turn) => self.leaders(turn, now)?,
            Phase::Send(open, next) => self.send(open, next, now)?,
            Phase::Slice(open, poll) => self.slice(open, poll, now)?,
            Phase::Acks(open) => self.acks(open, now)?,
            Phase::Offsets(open) => self.offsets(open, now)?,
            Phase::Commit(open) => self.commit(*open, now)?,
            Phase::Abort(transaction) => self.abort(transaction, now)?,
            Phase::ReadBack(turn) => self.read_back(turn, now)?,
            Phase::Leave => self.leave()?,
            Phase::Left => (Phase::Left, Step::Left),
        };
        self.phase = phase;
        Ok(step)
    }

    /// Asks the worker to finish: its next turn marks its partitions as cleanly left, then it leaves the group.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// The name of the step to come, for schedules and logs.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        match &self.phase {
            Phase::Start => "start",
            Phase::Prove(_) => "prove",
            Phase::Enter => "enter",
            Phase::Replace(_) => "replace",
            // What deletes has steps of its own: who freezes before them wakes up where it must not delete any more.
            Phase::Chores => match self.chores.front() {
                Some(Chore::DeleteRecords { .. }) => "delete records",
                Some(Chore::DeleteTopics { .. }) => "delete topics",
                _ => "chores",
            },
            Phase::Gather(_) => "gather",
            Phase::Create(_) => "create",
            Phase::Leaders(_) => "leaders",
            Phase::Send(..) => "send",
            Phase::Slice(..) => "slice",
            Phase::Acks(..) => "acks",
            Phase::Offsets(..) => "offsets",
            Phase::Commit(..) => "commit",
            Phase::Abort(_) => "abort",
            Phase::ReadBack(_) => "read back",
            Phase::Leave => "leave",
            Phase::Left => "left",
        }
    }

    /// What it has counted since it was made.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// What does not go on, and why: a sentence each.
    #[must_use]
    pub fn obstacles(&self) -> Vec<String> {
        self.table.obstacles(&self.options.topics.enrollments).into_iter().map(|(_, sentence)| sentence).collect()
    }

    /// Whether it has joined and restored every partition it was given.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.table.joined && self.table.owned.values().all(table::Owned::is_active)
    }

    fn start(&mut self, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if !std::mem::replace(&mut self.started, true) {
            self.sure_at = Some(now);
        }
        match self.learn_shape() {
            Ok(shape) => self.table.shape = shape?,
            Err(error) => return self.trouble(error, Phase::Start),
        }
        Ok(match self.producer.is_some() {
            true => (Phase::Prove(place::Next::Enter), Step::Progress),
            false => (Phase::Replace(After::Enter), Step::Progress),
        })
    }

    /// Joins the group. Whoever joins has made its producer before that, if it may make one.
    fn enter(&mut self, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if self.options.keeps_place && self.producer.is_some() && !self.is_sure(now) {
            return Ok((Phase::Prove(place::Next::Enter), Step::Progress));
        }
        match self.make_clients() {
            Ok(clients) => self.clients = Some(clients),
            Err(error) => return self.trouble(error, Phase::Enter),
        }
        self.is_about_to_join(now);
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }

    fn make_clients(&mut self) -> Result<Clients<B>, Error> {
        let options = &self.options;
        let instance_id = options.keeps_place.then(|| options.transactional_id());
        Ok(Clients {
            member: self.broker.member(&MemberOptions {
                group: options.topics.group.clone(),
                client_id: options.name(),
                instance_id,
                topic: options.topics.enrollments.clone(),
                session_timeout: options.session_timeout,
                max_poll_interval: options.max_poll_interval,
            })?,
            knocking: None,
            control: self.broker.reader(Isolation::ReadCommitted)?,
            queues: self.broker.reader(Isolation::ReadCommitted)?,
            indexes: self.broker.reader(Isolation::ReadCommitted)?,
            stable: self.broker.reader(Isolation::ReadCommitted)?,
            latest: self.broker.reader(Isolation::ReadUncommitted)?,
            admin: match self.admin.take() {
                Some(admin) => admin,
                None => self.broker.admin()?,
            },
        })
    }

    /// Reads what the gate must know of its topics. The inner error: they are not as they must be.
    fn learn_shape(&mut self) -> Result<Result<Shape, Stop>, Error> {
        let topics = &self.options.topics;
        let admin = match &mut self.admin {
            Some(admin) => admin,
            none => none.insert(self.broker.admin()?),
        };
        let mut counts = Vec::new();
        for topic in [
            &topics.enrollments,
            &topics.records,
            &topics.discarded,
            &topics.dead_letters,
            &topics.audit,
            &topics.state,
            &topics.control,
        ] {
            match crate::broker::Admin::partitions(admin, topic)? {
                Some(count) => counts.push(count),
                None => {
                    return Ok(Err(Stop::topics(format!(
                        "topic `{topic}` does not exist: run `flowgate topics create`"
                    ))));
                }
            }
        }
        let &[enrollments, records, discarded, dead_letters, audit, state, control] = counts.as_slice() else {
            return Ok(Err(Stop::broken("not every topic was counted")));
        };
        if state != enrollments {
            return Ok(Err(Stop::topics(format!(
                "`{}` has {state} partitions and `{}` {enrollments}: they must have the same number",
                &topics.state, topics.enrollments
            ))));
        }
        if control != 1 {
            return Ok(Err(Stop::topics(format!(
                "`{}` has {control} partitions: it must have one, for the one order of all commands",
                topics.control
            ))));
        }
        let of_records = crate::broker::Admin::topic_config(admin, &topics.records)?;
        let of_enrollments = crate::broker::Admin::topic_config(admin, &topics.enrollments)?;
        let number = |config: &std::collections::BTreeMap<String, String>, name: &str| {
            config.get(name).and_then(|text| text.parse::<i64>().ok())
        };
        let retention = |config| {
            let millis = number(config, "retention.ms").unwrap_or(-1);
            u64::try_from(millis).ok().map(Duration::from_millis)
        };
        Ok(Ok(Shape {
            enrollments,
            records,
            discarded,
            dead_letters,
            audit,
            records_retention: retention(&of_records),
            enrollments_retention: retention(&of_enrollments),
            max_message_bytes: number(&of_enrollments, "max.message.bytes"),
        }))
    }

    /// What to do about a failed call outside a transaction: again, from the start, or stop.
    fn trouble(&mut self, error: Error, again: Phase<B>) -> Result<(Phase<B>, Step), Stop> {
        self.stats.trouble(&error);
        self.note_fence(&error)?;
        match error.action {
            Action::Retry => Ok((again, Step::Waiting(BACKOFF))),
            Action::Abort | Action::Rebuild => {
                tracing::warn!(%error, "starting anew");
                self.start_anew();
                Ok((Phase::Start, Step::Waiting(BACKOFF)))
            }
            Action::Stop => Err(Stop::from(error)),
        }
    }

    /// Drops every client and everything remembered: the group gives the partitions out again, maybe to us. A producer is
    /// kept that can say whether our place in the group is still ours.
    fn start_anew(&mut self) {
        self.doubt_name();
        (self.clients, self.admin) = (None, None);
        if !self.options.keeps_place {
            self.producer = None;
        }
        if self.producer.is_none() {
            self.handles.clear();
        }
        self.chores.clear();
        self.deferred.clear();
        self.table = Table::default();
    }

    fn leave(&mut self) -> Result<(Phase<B>, Step), Stop> {
        // One that knocks goes without a word: it may have to wait for others before it can say one.
        if let Some(clients) = self.clients.take()
            && let Err(error) = crate::broker::Member::leave(clients.member)
        {
            // The session timeout does the same, later.
            tracing::warn!(%error, "leaving the group failed");
        }
        self.producer = None;
        Ok((Phase::Left, Step::Left))
    }
}

/// The partition of a topic that has one: control and queue topics.
const ONLY: i32 = 0;

/// Assigns a reader from an offset, as a chore does.
fn assign<R: Reader>(reader: &mut R, topic: &str, offset: i64) -> Result<(), Error> {
    reader.assign(topic, ONLY, offset)
}

/// The clients, which every phase but the first has.
fn in_hand<B: Broker>(clients: &mut Option<Clients<B>>) -> Result<&mut Clients<B>, Stop> {
    clients.as_mut().ok_or_else(|| Stop::broken("no clients"))
}

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
//! What a worker knows lies in two places, and what it decides in a third; none of them makes a call:
//!
//! - `facts/`: what is committed. Taking a partition over reads it, a turn that holds changes it, and nothing else does;
//! - `session/`: what this worker knows besides, and loses when it begins again: where its readers are, what was read and
//!   waits, and the turn under way, as far as it is decided (`decision.rs`) and as far as its transaction has come (`turn.rs`);
//! - `decide/`: from what was gathered to a decision, by the rules of [`crate::flow`].
//!
//! The phases (`phase.rs`) make the calls, by the clients of `clients.rs`. What goes wrong in one is a `Failed`
//! (`failed.rs`): a call failed, or the process has to end.
//!
//! - *beginning*: `start.rs` learns what the topics are like and joins the group; `replace.rs` makes the producer, if the
//!   transactional id is still ours; `place.rs` keeps the worker's place in the group under the instance's name, and finds
//!   out whose that is when the group gives it to another member;
//! - *between turns*: `chores.rs` makes the calls that are due; `assignment.rs` takes note of partitions that come and go;
//!   `orphans.rs` finds queue topics that were left behind;
//! - *gathering*: `gather.rs` polls for the first slice of a turn, with `join.rs`, which takes a partition over, stage by
//!   stage, `control.rs`, which reads the commands, `queues.rs` and `reading.rs`, which read what is held for drains, and
//!   `rebuild.rs`, which makes indexes again (`indexes.rs` keeps all of them within one budget). `wake.rs` says how long a
//!   poll may wait. `slices.rs` polls for the later slices, within the transaction;
//! - *making it hold*: `queue_topics.rs`, `write.rs` and `commit.rs`: topics, records, offsets, commit; and what became of it
//!   when the answer is lost. `refused.rs` takes note of records that the broker does not store; `age.rs` drops what took
//!   too long;
//! - *it holds*: `publish.rs` makes facts of what was decided. An abort drops it.
//!
//! `memory.rs` says how much of what may wait in memory; `look.rs` shows all of it to others (`snapshot.rs`, `stats.rs`).
//! `traced.rs` is what is noted of events that belong to traces.
//!
//! Architecture invariant: what a turn stages is not visible to anything before its commit is known.
//! Architecture invariant: nothing here reads a clock, sleeps or is random. A [`Worker::step`] makes one call to the broker, or
//! a few where they belong together; only the steps of the beginning make more: they look at every topic, and make the
//! clients.

mod age;
mod assignment;
mod chores;
mod clients;
mod commit;
mod control;
mod decide;
mod facts;
mod failed;
mod gather;
mod indexes;
mod join;
mod look;
mod memory;
mod options;
mod orphans;
mod phase;
mod place;
mod publish;
mod queue_topics;
mod queues;
mod reading;
mod rebuild;
mod refused;
mod replace;
mod searching;
mod session;
mod slices;
mod snapshot;
mod start;
mod stats;
mod stop;
mod traced;
mod wake;
mod writable;
mod write;

use std::collections::VecDeque;
use std::time::Duration;

use crate::broker::{Action, BATCH_BYTES, Broker, Compression, Error, Member};
use crate::time::Timestamp;

pub use memory::Shares;
pub use options::{Budget, Options};
pub use phase::Step;
pub use session::shape::Shape;
pub use snapshot::{Held, KINDS, Memory, PartitionShot, Share, Snapshot};
pub use stats::Stats;
pub use stop::Stop;
pub use traced::{Fate, Hold, TracedCommand, TracedEvent, TracedTurn};

use clients::Clients;
use phase::Phase;
use session::chore::Chore;
use session::owned::Owned;
use session::table::Table;
use session::trial::Trial;
use writable::Writable;

/// How long to wait before a call is made again.
const BACKOFF: Duration = Duration::from_millis(50);

/// One worker of an instance. See the module for how it moves.
pub struct Worker<B: Broker> {
    broker: B,
    options: Options,
    phase: Phase<B>,
    clients: Option<Clients<B>>,
    producer: Option<B::Producer>,
    /// What the producer in hand can write to; gone with it.
    writable: Writable,
    /// The compression of the producer in hand, and what its batches hold at most.
    made_with: (Compression, usize),
    /// What the batches of the next producer hold at most.
    batch_bytes: usize,
    table: Table,
    chores: VecDeque<Chore>,
    /// Chores that the member could not do yet: a gathering comes first, for it may bring the reason.
    deferred: VecDeque<Chore>,
    /// Turns begun, for their names.
    turns: u64,
    /// When it was last stepped.
    stepped_at: Timestamp,
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
    trial: Option<Trial>,
    /// The brokers refuse so short a session.
    knock_was_refused: bool,
    /// Learns the shape of the topics, and is one of the clients then.
    admin: Option<B::Admin>,
    stopping: bool,
    stats: Stats,
    /// What has held since somebody took it.
    traced: VecDeque<TracedTurn>,
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
            writable: Writable::default(),
            made_with: (Compression::None, BATCH_BYTES),
            batch_bytes: BATCH_BYTES,
            table: Table::default(),
            chores: VecDeque::new(),
            deferred: VecDeque::new(),
            turns: 0,
            stepped_at: Timestamp::default(),
            begun_at: Timestamp::default(),
            started: false,
            sure_at: None,
            asking_since: None,
            gives_way: false,
            trial: None,
            knock_was_refused: false,
            admin: None,
            stopping: false,
            stats: Stats::default(),
            traced: VecDeque::new(),
        }
    }

    /// Makes the next call to the broker, or the few of one phase, and goes on from the answer.
    ///
    /// # Errors
    /// [`Stop`]: the process has to end; the worker must not be stepped again.
    pub fn step(&mut self, now: Timestamp) -> Result<Step, Stop> {
        self.stepped_at = now;
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

    /// Begins anew, with new clients, unless a turn is under way. `false`: ask again behind the next step.
    pub fn begin_anew(&mut self) -> bool {
        let is_between_turns = matches!(self.phase, Phase::Chores | Phase::Gather(_));
        if is_between_turns {
            self.start_anew();
            self.phase = Phase::Start;
        }
        is_between_turns
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

    /// What turns that hold have done with events and commands of recorded traces, since the last call.
    pub fn take_traced(&mut self) -> impl Iterator<Item = TracedTurn> + '_ {
        self.traced.drain(..)
    }

    /// What does not go on, and why: a sentence each.
    #[must_use]
    pub fn obstacles(&self) -> Vec<String> {
        self.table.obstacles(&self.options.topics.enrollments).into_iter().map(|(_, sentence)| sentence).collect()
    }

    /// Whether it has joined and restored every partition it was given.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.table.joined && self.table.owned.values().all(Owned::is_active)
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
            self.writable.clear();
        }
        self.chores.clear();
        self.deferred.clear();
        self.table = Table::default();
    }

    fn leave(&mut self) -> Result<(Phase<B>, Step), Stop> {
        // One that knocks goes without a word: it may have to wait for others before it can say one.
        if let Some(clients) = self.clients.take()
            && let Err(error) = clients.member.leave()
        {
            // The session timeout does the same, later.
            tracing::warn!(%error, "leaving the group failed");
        }
        self.producer = None;
        Ok((Phase::Left, Step::Left))
    }
}

//! The in-process adapter: one broker in this process's memory with Kafka's semantics, for the simulator, the tests and
//! `flowgate demo`. Never offered as a store.
//!
//! - `log`: one partition, what its readers see; `clean`: what takes records out of it.
//! - `topic`: names and settings; `size`: what a record weighs.
//! - `transaction`: transactional ids, epochs, markers; `group`, `assign`: consumer groups.
//! - `member`, `reader`, `producer`, `publisher`: the clients.
//! - `fault`: what a driver can make go wrong; `stray`: requests that arrive late; `latency`: how slowly records are shown.
//!
//! Time is the driver's: nothing happens by itself but in [`Memory::advance_to`]. Nothing is random, and no call waits.
//!
//! It differs from Kafka where a driver needs to decide what Kafka leaves to chance: the cleaner and retention run when
//! told ([`Memory::compact`], [`Memory::retain`]), a client's records are at the broker as soon as they are sent, a
//! join takes no time, and a refused record does not take its batch with it.

mod assign;
mod clean;
mod fault;
mod group;
mod latency;
mod log;
mod member;
mod producer;
mod publisher;
mod reader;
mod size;
mod state;
mod stray;
mod topic;
mod transaction;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Action, Broker, Code, Committed, Error, Isolation, MemberOptions, ProducerOptions, Record, Result, Watermarks,
};
use crate::time::Timestamp;

pub use clean::Tombstones;
pub use fault::{Call, Fault, Hook, Operation};
pub use latency::{Latency, Serving};
pub use member::Member;
pub use producer::{Producer, Transaction};
pub use publisher::{Admin, Publisher};
pub use reader::Reader;
pub use stray::Arrived;

use fault::Faults;
use state::State;

/// A broker in memory. Clones are handles of the same broker.
#[derive(Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    faults: Mutex<Faults>,
    /// Whether there may be a fault: asked at every record, so it must not take a lock.
    faulty: AtomicBool,
}

/// The driver's side: time, chores that a cluster does by itself, and looking in from outside.
impl Memory {
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        let (faults, faulty) = Default::default();
        Self { shared: Arc::new(Shared { state: Mutex::new(State::new(start)), faults, faulty }) }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.lock().now
    }

    /// Moves the broker's clock forward (never back). Transactions time out and members are expelled on the way, each
    /// at its own time; so a driver that jumps far gives its members and transactions limits to match, or lets its
    /// workers poll in between.
    pub fn advance_to(&self, time: Timestamp) {
        self.lock().advance_to(time);
    }

    /// The process of this name hangs: its members send no heartbeats until [`Memory::thaw`]. Whoever calls this also
    /// stops stepping it.
    pub fn freeze(&self, client_id: &str) {
        self.lock().set_silent(true, |_, options| options.client_id == client_id);
    }

    /// The process of this name goes on. If its members' sessions ended meanwhile, their next poll says so.
    pub fn thaw(&self, client_id: &str) {
        self.lock().set_silent(false, |_, options| options.client_id == client_id);
    }

    /// The process of this name polls from now on though it is not stepped, until this is called with `false`: for drivers
    /// that let much time pass at once.
    pub fn set_polling(&self, client_id: &str, polling: bool) {
        self.lock().set_polling(polling, client_id);
    }

    /// How many members of a group were thrown out because they did not poll.
    #[must_use]
    pub fn thrown_out(&self, group: &str) -> u64 {
        self.lock().groups.get(group).map_or(0, |group| group.thrown_out)
    }

    /// Whether a group has no members: then its offsets may be set, and expire in time.
    #[must_use]
    pub fn is_deserted(&self, group: &str) -> bool {
        self.lock().groups.get(group).is_none_or(|group| group.members.is_empty())
    }

    /// Runs the cleaner on the records below `up_to`, as far as it may go: never to the last stable offset, nor to the
    /// newest record. Gives the number of records removed.
    ///
    /// # Errors
    /// [`super::Code::InvalidArgument`] if the topic is not compacted; [`super::Code::UnknownTopic`].
    pub fn compact(&self, topic: &str, partition: i32, up_to: i64, tombstones: Tombstones) -> Result<usize> {
        let mut state = self.lock();
        let logs = state.topics.named_mut(topic)?;
        if !logs.policy.compact {
            return Err(topic::invalid(format!("{topic} is not compacted")));
        }
        Ok(logs.log_mut(partition)?.compact(up_to, tombstones))
    }

    /// Runs time retention on every partition of a topic. Gives the number of records removed: none where
    /// `cleanup.policy` lacks `delete` or `retention.ms` is negative.
    pub fn retain(&self, topic: &str) -> Result<usize> {
        let mut state = self.lock();
        let (now, id) = (state.now, state.topics.find(topic)?);
        let logs = state.topics.named_mut(topic)?;
        if !logs.policy.delete || logs.policy.retention < 0 {
            return Ok(0);
        }
        let oldest = Timestamp(now.0.saturating_sub(logs.policy.retention));
        let removed = logs.logs.iter_mut().map(|log| log.retain_since(oldest)).sum();
        let partitions = logs.partitions();
        for partition in 0..partitions {
            state.touch(id, partition);
        }
        Ok(removed)
    }

    /// Changes a topic's setting, as an operator would.
    ///
    /// # Errors
    /// [`super::Code::InvalidArgument`] for an unknown setting or an impossible value; [`super::Code::UnknownTopic`].
    pub fn configure(&self, topic: &str, setting: &str, value: &str) -> Result<()> {
        self.lock().topics.configure(topic, (&setting.to_owned(), &value.to_owned()))
    }

    /// Changes a setting of the broker itself; it shows it and obeys none.
    pub fn configure_broker(&self, setting: &str, value: &str) {
        self.lock().settings.insert(setting.to_owned(), value.to_owned());
    }

    /// Drops a group's committed offsets, as they expire when the group has been empty for a week.
    pub fn forget_offsets(&self, group: &str) {
        if let Some(group) = self.lock().groups.get_mut(group) {
            group.forget_offsets();
        }
    }

    /// A group's committed offset, whatever is pending.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<Committed> {
        self.lock().groups.get(group)?.committed(&(topic.into(), partition)).cloned()
    }

    /// The records of a partition as a reader of this isolation would see them now.
    pub fn dump(&self, topic: &str, partition: i32, isolation: Isolation) -> Result<Vec<Record>> {
        let state = self.lock();
        let logs = state.topics.named(topic)?;
        let log = logs.log(partition)?;
        let end = log.end(isolation);
        let shown = log.entries.iter().take_while(|entry| entry.offset < end);
        let shown = shown.filter(|entry| isolation == Isolation::ReadUncommitted || !entry.aborted);
        Ok(shown.map(|entry| entry.record(&logs.name, partition)).collect())
    }

    /// How many records a partition holds, aborted ones included.
    pub fn record_count(&self, topic: &str, partition: i32) -> Result<usize> {
        Ok(self.lock().topics.named(topic)?.log(partition)?.entries.len())
    }

    pub fn watermarks(&self, topic: &str, partition: i32, isolation: Isolation) -> Result<Watermarks> {
        Ok(self.lock().topics.named(topic)?.log(partition)?.watermarks(isolation))
    }

    /// Has `hook` asked at every call from now on; `None` takes it away.
    pub fn set_fault_hook(&self, hook: Option<Hook>) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.hook = hook;
        self.shared.faulty.store(!faults.is_empty(), Ordering::SeqCst);
    }

    /// Has readers and members shown what is in the logs as slowly as `latency` says; `None`: as fast as they ask, which is
    /// how a broker begins.
    pub fn set_latency(&self, latency: Option<Latency>) {
        self.lock().pace.latency = latency;
    }

    /// Whether some poll has brought less than there was since this was last asked: whoever stops polling when nothing
    /// comes would miss it.
    #[must_use]
    pub fn take_withheld(&self) -> bool {
        std::mem::take(&mut self.lock().pace.withheld)
    }

    /// The next call of `operation` meets `fault`. Orders for one operation are served one a call; an order comes
    /// before the hook.
    pub fn fail_next(&self, operation: Operation, fault: Fault) {
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.ordered.push((operation, fault));
        self.shared.faulty.store(true, Ordering::SeqCst);
    }

    /// Lets every request arrive that is still under way: resent ends of transactions ([`Fault::Replace`],
    /// [`Fault::CommitUnknown`]) and postponed deletions ([`Fault::Postpone`]).
    pub fn deliver_strays(&self) -> Arrived {
        let mut state = self.lock();
        let strays = std::mem::take(&mut state.strays);
        let mut arrived = Arrived::default();
        strays.iter().for_each(|stray| state.deliver(stray, &mut arrived));
        arrived
    }

    /// Whether nothing is under way that can still change what is committed: no request that nobody waits for, and no
    /// marker that is still to be written. (A transaction that is open can only be ended by its producer.)
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let state = self.lock();
        state.strays.is_empty() && state.all_markers_are_written()
    }

    /// How many generations a group has had.
    #[must_use]
    pub fn generation(&self, group: &str) -> i32 {
        self.lock().groups.get(group).map_or(0, |group| group.generation)
    }

    /// Deletes the records of a partition below an offset, whatever the topic's policy, as retention does.
    ///
    /// # Errors
    /// [`super::Code::UnknownTopic`].
    pub fn delete_below(&self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut state = self.lock();
        let id = state.topics.find(topic)?;
        let log = state.topics.named_mut(topic)?.log_mut(partition)?;
        log.delete_below(offset.min(log.next));
        state.touch(id, partition);
        Ok(())
    }

    /// Writes the markers that [`Fault::MarkersLag`] held back, of one transactional id or of all.
    pub fn release_markers(&self, transactional_id: Option<&str>) {
        let mut state = self.lock();
        match transactional_id {
            Some(id) => state.write_markers(id),
            None => state.write_all_markers(),
        }
    }
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere left at most one call half done; tests that panic on purpose still read the rest.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, operation: Operation, subject: &str) -> Option<Fault> {
        if !self.shared.faulty.load(Ordering::SeqCst) {
            return None;
        }
        let mut faults = self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults.consult(&Call { operation, subject });
        self.shared.faulty.store(!faults.is_empty(), Ordering::SeqCst);
        drop(faults);
        if let Some(Fault::Late(time)) = fault {
            self.advance_to(self.now().after(time));
            return None;
        }
        fault
    }

    /// For calls that may also happen without an answer: `true` if this one does.
    fn check_answer(&self, operation: Operation, subject: &str) -> Result<bool> {
        match self.fault(operation, subject) {
            Some(Fault::Unanswered) => Ok(true),
            fault => meet(operation, fault).map(|()| false),
        }
    }

    /// For calls that can only fail as a whole.
    fn check(&self, operation: Operation, subject: &str) -> Result<()> {
        meet(operation, self.fault(operation, subject))
    }
}

/// What a call ends with that happened, but whose answer nobody got.
fn no_answer_if(unanswered: bool) -> Result<()> {
    match unanswered {
        true => Err(Error::new(Action::Retry, Code::TimedOut, "no answer came in time")),
        false => Ok(()),
    }
}

/// What a fault does to a call that can only fail as a whole.
fn meet(operation: Operation, fault: Option<Fault>) -> Result<()> {
    match fault {
        Some(Fault::Fail(error)) => Err(error),
        Some(fault) => Err(topic::invalid(format!("{fault:?} does not apply to {operation:?}"))),
        None => Ok(()),
    }
}

impl Broker for Memory {
    type Member = Member;
    type Reader = Reader;
    type Producer = Producer;
    type Publisher = Publisher;
    type Admin = Admin;

    fn member(&self, options: &MemberOptions) -> Result<Member> {
        Member::join(self, options)
    }

    fn reader(&self, isolation: Isolation) -> Result<Reader> {
        Ok(Reader::new(self, isolation))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Producer> {
        Producer::new(self, options)
    }

    fn publisher(&self) -> Result<Publisher> {
        Ok(Publisher::new(self))
    }

    fn admin(&self) -> Result<Admin> {
        Ok(Admin::new(self))
    }
}

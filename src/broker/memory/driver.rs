//! The driver's side: time, chores that a cluster does by itself, and looking in from outside.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::clean::Tombstones;
use super::fault::{Fault, Hook, Operation};
use super::handle::{Memory, Shared};
use super::latency::Latency;
use super::state::State;
use super::stray::Arrived;
use super::topic::invalid;
use crate::broker::{Committed, Isolation, Record, Result, Watermarks};
use crate::time::Timestamp;

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

    /// No transaction times out from now on: for drivers whose clock jumps while others have one open.
    pub fn keep_transactions(&self) {
        self.lock().coordinator.keeps_transactions = true;
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
    /// [`crate::broker::Code::InvalidArgument`] if the topic is not compacted; [`crate::broker::Code::UnknownTopic`].
    pub fn compact(&self, topic: &str, partition: i32, up_to: i64, tombstones: Tombstones) -> Result<usize> {
        let mut state = self.lock();
        let logs = state.topics.named_mut(topic)?;
        if !logs.policy.compact {
            return Err(invalid(format!("{topic} is not compacted")));
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
    /// [`crate::broker::Code::InvalidArgument`] for an unknown setting or an impossible value; [`crate::broker::Code::UnknownTopic`].
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
    /// [`crate::broker::Code::UnknownTopic`].
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

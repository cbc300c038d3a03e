//! What the threads of an instance tell, for HTTP to show.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use super::desk::Desk;
use super::feed::{Feed, News};
use super::lock::lock;
use super::reads::Reads;
use super::traces::Traces;
use crate::client::states::{Change, Kept, Progress};
use crate::clock::Clock;
use crate::flow::{FlowId, Partition};
use crate::metrics::Metrics;
use crate::time::Timestamp;
use crate::worker::Snapshot;

/// Flows that are looked at without letting anybody in between: what is new, and who else asks, waits for so many at most.
const PIECE: usize = 500;

pub struct Board {
    pub metrics: Metrics,
    /// The clock that the instance lives by.
    pub clock: Clock,
    /// Where commands are handed in.
    pub desk: Desk,
    /// What is new.
    pub feed: Arc<Feed>,
    /// Reads topics; there is none before the instance runs.
    reads: OnceLock<Box<dyn Reads>>,
    /// Takes what workers note of traces; nobody does where none are recorded.
    traces: OnceLock<Box<dyn Traces>>,
    workers: Vec<Mutex<Snapshot>>,
    /// Whether each worker is to begin anew.
    anew: Vec<AtomicBool>,
    /// Why the workers have not been started, or are leaving.
    hindrance: Mutex<Option<String>>,
    /// What the brokers do not allow, though events or commands need it.
    lacking: Mutex<Option<String>>,
    /// Why there is no token that the brokers would take.
    without_token: Mutex<Option<String>>,
    /// Every flow of the prefix, once all were read.
    flows: RwLock<Flows>,
    /// As [`Reached::as_of`], for whoever waits for it.
    as_of: watch::Sender<Timestamp>,
}

/// What the state topic says.
#[derive(Default)]
pub struct Flows {
    pub known: BTreeMap<FlowId, Kept>,
    pub partitions: BTreeMap<i32, Partition>,
    reached: Reached,
    /// The reading that is under way is complete.
    is_read: bool,
}

/// How far the state topic has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Everything has been read that was there when the reading began.
    pub complete: bool,
    pub progress: Progress,
    /// What was committed up to then is known: the time of the newest record that was read, or of when there was nothing
    /// more to read.
    pub as_of: Timestamp,
}

/// All flows, when a walk through them began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    pub known: usize,
    /// What was committed up to then was seen.
    pub as_of: Timestamp,
}

impl Flows {
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.reached.as_of
    }
}

impl Board {
    /// Of an instance that lives by the wall clock.
    #[must_use]
    pub fn new(metrics: Metrics, workers: usize) -> Self {
        Self::by(Clock::default(), metrics, workers)
    }

    #[must_use]
    pub fn by(clock: Clock, metrics: Metrics, workers: usize) -> Self {
        let anew = (0..workers).map(|_| AtomicBool::default()).collect();
        let workers = (0..workers).map(|_| Mutex::default()).collect();
        Self {
            metrics,
            clock,
            desk: Desk::default(),
            feed: Arc::default(),
            reads: OnceLock::new(),
            traces: OnceLock::new(),
            workers,
            anew,
            hindrance: Mutex::new(Some("starting".to_owned())),
            lacking: Mutex::default(),
            without_token: Mutex::default(),
            flows: RwLock::default(),
            as_of: watch::Sender::new(Timestamp(i64::MIN)),
        }
    }

    /// Says who takes what workers note of traces; the first one counts.
    pub fn trace_with(&self, traces: Box<dyn Traces>) {
        let _ = self.traces.set(traces);
    }

    pub(super) fn traces(&self) -> Option<&dyn Traces> {
        self.traces.get().map(Box::as_ref)
    }

    /// Says who reads topics; the first one counts.
    pub(super) fn read_with(&self, reads: Box<dyn Reads>) {
        let _ = self.reads.set(reads);
    }

    /// Who reads topics; `None` before the instance runs.
    #[must_use]
    pub fn reads(&self) -> Option<&dyn Reads> {
        self.reads.get().map(Box::as_ref)
    }

    /// Says why nothing can be done yet (any more); `None`: the workers are running.
    pub fn hinder(&self, why: Option<String>) {
        *lock(&self.hindrance) = why;
    }

    /// Says what the brokers do not allow, though events or commands need it.
    pub(super) fn lack_rights(&self, what: Option<String>) {
        *lock(&self.lacking) = what;
    }

    /// Says why there is no token that the brokers would take, while that is so.
    pub fn lack_token(&self, why: Option<String>) {
        *lock(&self.without_token) = why;
    }

    /// Asks a worker to begin anew, with new clients.
    pub(super) fn ask_to_begin_anew(&self, worker: usize) {
        if let Some(asked) = self.anew.get(worker) {
            asked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a worker is asked to; once it does, it is not any more.
    pub(super) fn begins_anew(&self, worker: usize, begin: impl FnOnce() -> bool) {
        if let Some(asked) = self.anew.get(worker).filter(|asked| asked.load(Ordering::Relaxed)) {
            asked.store(!begin(), Ordering::Relaxed);
        }
    }

    pub fn show(&self, worker: usize, snapshot: Snapshot) {
        if let Some(place) = self.workers.get(worker) {
            *lock(place) = snapshot;
        }
    }

    #[must_use]
    pub fn workers(&self) -> Vec<Snapshot> {
        self.workers.iter().map(|worker| lock(worker).clone()).collect()
    }

    /// How many held events are still to be read, about, before the index of a flow of this instance is ready; `None` if
    /// it is ready, or the flow is another instance's.
    #[must_use]
    pub fn indexing(&self, flow: &FlowId) -> Option<u64> {
        self.workers.iter().find_map(|worker| lock(worker).indexing.get(flow).copied())
    }

    /// What is missing before this instance does its part; empty: it is ready.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        if let Some(why) = lock(&self.hindrance).clone() {
            return vec![why];
        }
        let token = lock(&self.without_token).as_ref().map(|why| format!("no token for the brokers: {why}"));
        let mut missing: Vec<String> = token.into_iter().chain(lock(&self.lacking).clone()).collect();
        for (number, worker) in self.workers().into_iter().enumerate() {
            if !worker.joined {
                missing.push(format!("worker {number} has not joined the group"));
            }
            for partition in worker.partitions.iter().filter(|partition| partition.stage != "active") {
                missing.push(format!("worker {number}: partition {} is being restored", partition.number));
            }
        }
        missing
    }

    /// What Prometheus reads, as of now.
    #[must_use]
    pub fn scrape(&self) -> String {
        self.metrics.set(&self.workers(), self.clock.now());
        self.metrics.set_ready(self.missing().is_empty());
        self.metrics.text()
    }

    /// The state topic is read from its beginning: that is no news, until all of it was read.
    pub fn begin_again(&self) {
        self.flows.write().unwrap_or_else(PoisonError::into_inner).is_read = false;
    }

    /// Takes in what the state topic says. What was complete once stays so: whoever begins again only repeats it.
    pub fn learn(&self, changes: Vec<Change>, reached: Reached) {
        let is_known =
            |flows: &Flows| flows.is_read == reached.complete && flows.reached == flows.reached.then(reached);
        if changes.is_empty() && is_known(&self.read()) {
            return;
        }
        // What takes long is done before anybody is kept waiting, and after.
        let kept: Vec<Learned> = changes.into_iter().map(Learned::from).collect();
        let (mut news, mut replaced) = (Vec::new(), Vec::new());
        let mut flows = self.flows.write().unwrap_or_else(PoisonError::into_inner);
        for learned in kept {
            match learned {
                Learned::Flow(id, kept) => {
                    replaced.extend(flows.known.insert(id.clone(), kept));
                    news.push(News::Changed(id));
                }
                Learned::Gone(id) => {
                    replaced.extend(flows.known.remove(id.as_str()));
                    news.push(News::Gone(id));
                }
                Learned::Partition(number, record) => drop(flows.partitions.insert(number, *record)),
            }
        }
        let (was, is) = (flows.is_read, reached.complete);
        flows.is_read = is;
        flows.reached = flows.reached.then(reached);
        drop(flows);
        if reached.complete {
            self.as_of.send_if_modified(|as_of| std::mem::replace(as_of, reached.as_of) != reached.as_of);
        }
        drop(replaced);
        match (was, is) {
            // Whoever begins again reads everything again: that is no news.
            (true, true) => self.feed.add(news.into_iter()),
            (false, true) => self.feed.break_off(),
            (_, false) => {}
        }
    }

    /// Looks at all flows, for a moment: who looks at many of them keeps others waiting ([`Board::walk`]).
    ///
    /// # Errors
    /// How far the reading is, until all of them were read.
    pub fn flows<T>(&self, look: impl FnOnce(&Flows) -> T) -> Result<T, Progress> {
        let flows = self.read();
        if flows.reached.complete { Ok(look(&flows)) } else { Err(flows.reached.progress) }
    }

    /// Waits until everything is known that was committed up to then.
    pub async fn knows_of(&self, time: Timestamp) {
        // It only ends early if this board is gone, and whoever waits has it.
        let _ = self.as_of.subscribe().wait_for(|as_of| *as_of >= time).await;
    }

    /// Looks at one flow after the other, by id, until there is none left or it breaks. Others are let in between: what
    /// comes, goes or changes meanwhile is seen as it was or as it is, and no flow is seen twice.
    ///
    /// # Errors
    /// As [`Board::flows`].
    pub fn walk(
        &self,
        mut from: Bound<FlowId>,
        mut look: impl FnMut(&FlowId, &Kept) -> ControlFlow<()>,
    ) -> Result<Extent, Progress> {
        let extent = self.flows(|flows| Extent { known: flows.known.len(), as_of: flows.as_of() })?;
        while let ControlFlow::Continue(Some(next)) = self.piece(from, &mut look) {
            from = next;
        }
        Ok(extent)
    }

    /// Looks at the next flows, as many as may be looked at at once, and says where to go on; `None`: there are no more.
    fn piece(
        &self,
        from: Bound<FlowId>,
        look: &mut impl FnMut(&FlowId, &Kept) -> ControlFlow<()>,
    ) -> ControlFlow<(), Option<Bound<FlowId>>> {
        let flows = self.read();
        let mut last = None;
        for (id, kept) in flows.known.range((from, Bound::Unbounded)).take(PIECE) {
            look(id, kept)?;
            last = Some(id);
        }
        ControlFlow::Continue(last.map(|id| Bound::Excluded(id.clone())))
    }

    fn read(&self) -> RwLockReadGuard<'_, Flows> {
        self.flows.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reached {
    fn then(self, next: Self) -> Self {
        Self { complete: self.complete || next.complete, ..next }
    }
}

/// A change, as it is kept.
enum Learned {
    Flow(FlowId, Kept),
    Gone(String),
    Partition(i32, Box<Partition>),
}

impl From<Change> for Learned {
    fn from(change: Change) -> Self {
        match change {
            Change::Flow(known) => Self::Flow(known.flow.id.clone(), Kept::new(known)),
            Change::Gone(id) => Self::Gone(id),
            Change::Partition(number, record) => Self::Partition(number, record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::flows::live;

    fn board(flows: usize) -> Board {
        let board = Board::new(Metrics::new().unwrap(), 1);
        let changes = (0..flows).map(|number| Change::Flow(Box::new(live(&format!("{number:05}"))))).collect();
        board.learn(changes, Reached { complete: true, as_of: Timestamp(1), ..Reached::default() });
        board
    }

    fn seen(board: &Board, from: Bound<FlowId>) -> Vec<String> {
        let mut seen = Vec::new();
        let extent = board.walk(from, |id, _| {
            seen.push(id.to_string());
            ControlFlow::Continue(())
        });
        extent.unwrap();
        seen
    }

    #[test]
    fn a_walk_sees_every_flow_once_whatever_the_pieces() {
        for count in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7] {
            let board = board(count);
            let all: Vec<String> = (0..count).map(|number| format!("{number:05}")).collect();
            assert_eq!(seen(&board, Bound::Unbounded), all, "{count}");
            let behind = Bound::Excluded(FlowId::new("00000").unwrap());
            assert_eq!(seen(&board, behind), all.get(1..).unwrap_or_default(), "{count}");
        }
    }

    #[test]
    fn what_is_new_is_taken_in_between_two_pieces() {
        let board = board(PIECE + 1);
        let mut seen = 0;
        let mut look = |_: &FlowId, _: &Kept| {
            seen += 1;
            ControlFlow::Continue(())
        };
        let ControlFlow::Continue(Some(next)) = board.piece(Bound::Unbounded, &mut look) else { panic!("all at once") };
        let reached = Reached { complete: true, as_of: Timestamp(2), ..Reached::default() };
        board.learn(vec![Change::Flow(Box::new(live("99999"))), Change::Gone("00000".to_owned())], reached);
        let _ = board.piece(next, &mut look);
        assert_eq!(seen, PIECE + 2);
    }

    #[test]
    fn a_walk_that_breaks_looks_no_further_and_none_begins_before_all_was_read() {
        let mut seen = 0;
        let stop = |_: &FlowId, _: &Kept| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        board(10).walk(Bound::Unbounded, stop).unwrap();
        assert_eq!(seen, 3);
        let board = Board::new(Metrics::new().unwrap(), 1);
        let progress = Progress { read: 1, end: 2 };
        board.learn(Vec::new(), Reached { progress, ..Reached::default() });
        assert_eq!(board.walk(Bound::Unbounded, |_, _| ControlFlow::Continue(())), Err(progress));
    }
}

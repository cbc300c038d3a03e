//! What the threads of an instance tell, for HTTP to show.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::desk::Desk;
use super::feed::{Feed, News};
use super::lock::lock;
use super::reads::Reads;
use crate::client::states::{Change, Kept, Progress};
use crate::flow::{FlowId, Partition};
use crate::metrics::Metrics;
use crate::time::Timestamp;
use crate::worker::Snapshot;

pub struct Board {
    pub metrics: Metrics,
    /// Where commands are handed in.
    pub desk: Desk,
    /// What is new.
    pub feed: Arc<Feed>,
    /// Reads topics; there is none before the instance runs.
    reads: OnceLock<Box<dyn Reads>>,
    workers: Vec<Mutex<Snapshot>>,
    /// Why the workers have not been started, or are leaving.
    hindrance: Mutex<Option<String>>,
    /// Every flow of the prefix, once all were read.
    flows: RwLock<Flows>,
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

impl Flows {
    #[must_use]
    pub fn as_of(&self) -> Timestamp {
        self.reached.as_of
    }
}

impl Board {
    #[must_use]
    pub fn new(metrics: Metrics, workers: usize) -> Self {
        let workers = (0..workers).map(|_| Mutex::default()).collect();
        Self {
            metrics,
            desk: Desk::default(),
            feed: Arc::default(),
            reads: OnceLock::new(),
            workers,
            hindrance: Mutex::new(Some("starting".to_owned())),
            flows: RwLock::default(),
        }
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
        let mut missing = Vec::new();
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
    pub fn scrape(&self, now: Timestamp) -> String {
        self.metrics.set(&self.workers(), now);
        self.metrics.set_ready(self.missing().is_empty());
        self.metrics.text()
    }

    /// The state topic is read from its beginning: that is no news, until all of it was read.
    pub fn begin_again(&self) {
        self.flows.write().unwrap_or_else(PoisonError::into_inner).is_read = false;
    }

    /// Takes in what the state topic says. What was complete once stays so: whoever begins again only repeats it.
    pub fn learn(&self, changes: Vec<Change>, reached: Reached) {
        let mut flows = self.flows.write().unwrap_or_else(PoisonError::into_inner);
        // Whoever begins again reads everything again: that is no news.
        let mut news = Vec::new();
        for change in changes {
            match change {
                Change::Flow(known) => {
                    let id = known.flow.id.clone();
                    flows.known.insert(id.clone(), Kept::new(known));
                    news.push(News::Changed(id));
                }
                Change::Gone(id) => {
                    flows.known.remove(id.as_str());
                    news.push(News::Gone(id));
                }
                Change::Partition(number, record) => drop(flows.partitions.insert(number, *record)),
            }
        }
        let (was, is) = (flows.is_read, reached.complete);
        flows.is_read = is;
        flows.reached = Reached { complete: flows.reached.complete || is, ..reached };
        drop(flows);
        match (was, is) {
            (true, true) => self.feed.add(news.into_iter()),
            (false, true) => self.feed.break_off(),
            (_, false) => {}
        }
    }

    /// Looks at all flows.
    ///
    /// # Errors
    /// How far the reading is, until all of them were read.
    pub fn flows<T>(&self, look: impl FnOnce(&Flows) -> T) -> Result<T, Progress> {
        let flows = self.flows.read().unwrap_or_else(PoisonError::into_inner);
        if flows.reached.complete { Ok(look(&flows)) } else { Err(flows.reached.progress) }
    }
}

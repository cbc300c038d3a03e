//! A host with its clock, and the processes on it.

use std::time::Duration;

use flowgate::broker::memory::Memory;
use flowgate::time::Timestamp;
use flowgate::worker::Worker;

use crate::plan::MACHINES;

/// After so long a process not heard of has left the group.
pub const SESSION: Duration = Duration::from_secs(10);

/// Instances, one a machine, each with one worker.
pub(crate) const NAMES: [&str; MACHINES] = ["a", "b", "c"];
pub(crate) const WORKER: usize = 0;

/// After so long a process that does not poll has left the group.
pub(crate) const POLLS: Duration = Duration::from_secs(5 * 60);

/// Whoever lives takes its place in the group back in less.
pub(crate) const TAKEN_BACK: Duration = Duration::from_secs(12);

/// A host with its clock. Its instance name is its letter.
#[derive(Default)]
pub struct Machine {
    pub worker: Option<Worker<Memory>>,
    pub frozen: bool,
    /// Of its process' newest turn.
    pub(crate) times: Times,
    /// When its process last began to hang.
    pub(crate) hung: Option<Timestamp>,
    /// When its process had its first producer.
    pub(crate) settled: Option<Timestamp>,
    /// Processes that hung when another one was started in their place.
    pub(crate) zombies: Vec<Zombie>,
    /// Whether its process has ever had one of those beside it.
    pub(crate) rivals: bool,
    /// Since when its process is stepped without a long break, and when it was stepped last.
    pub(crate) awake: (Timestamp, Timestamp),
    /// The longest pause that its process allows.
    pub max_pause: Duration,
    /// How many milliseconds its clock differs from the broker's.
    pub ahead: i64,
}

/// A process that hung when another one was started in its place.
pub struct Zombie {
    pub(crate) worker: Worker<Memory>,
    /// Of its newest turn.
    pub(crate) times: Times,
    /// Since when it hangs.
    since: Timestamp,
    /// Once it is awake: it may have no producer while its successor runs, for it was out of the group.
    pub(crate) barred: Option<bool>,
    /// When it woke up.
    pub(crate) woken: Option<Timestamp>,
}

impl Zombie {
    pub(crate) fn new(worker: Worker<Memory>, since: Timestamp, times: Times) -> Self {
        Self { worker, times, since, barred: None, woken: None }
    }

    /// It goes on, unless it does so already.
    pub fn wake(&mut self, now: Timestamp) {
        // One that hung before its first step starts only now: nobody can tell it from the youngest.
        let has_begun = self.worker.stats().producers > 0 || self.worker.phase() != "start";
        self.woken.get_or_insert(now);
        self.barred.get_or_insert(has_begun && now.since(self.since) >= SESSION);
    }
}

impl Machine {
    /// Its process has had its producer for so long that no answer of the group's from before it is of use any more, and
    /// is a member without a break.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        let settled = self.settled.is_some_and(|settled| now.since(settled) >= SESSION / 2);
        settled && self.hung.is_none() && self.worker.as_ref().is_some_and(|worker| worker.phase() != "start")
    }

    /// It is settled, and has taken steps all the while that others may try whether it lives.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        let (since, last) = self.awake;
        self.is_settled(now) && now.since(since) >= TAKEN_BACK && now.since(last) < SESSION / 2
    }
}

/// When the newest turn of a process began to gather, when it was decided, and when it was first asked to be committed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    pub gathered: Timestamp,
    pub decided: Timestamp,
    pub committed: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    Moved,
    /// It had nothing to do.
    Nothing,
    /// The process is gone.
    Ended,
}

/// As the worker's options have it.
pub(crate) fn client_id(machine: usize) -> String {
    format!("{}-{WORKER}", NAMES[machine])
}

/// Whether an offset's metadata says that a turn of one of the workers committed it.
#[must_use]
pub fn is_a_turns_name(metadata: &str) -> bool {
    (0..MACHINES).any(|machine| metadata.starts_with(&format!("{}-", client_id(machine))))
}

//! Memory that nobody needs goes back to the system when a thread has nothing to do.
//!
//! The allocator keeps what was freed for a moment, for under load it is needed again at once. After that only somebody who
//! allocates would have it given back, and a gate at rest does not: it would keep the memory of its last full turns.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A thread gives memory back no more often: that takes some milliseconds.
const PAUSE: Duration = Duration::from_secs(5);

static GIVE_BACK: OnceLock<fn()> = OnceLock::new();

/// Says how memory is given back: only the program knows its allocator. The first one to say it is heard.
pub fn give_memory_back_by(give_back: fn()) {
    let _ = GIVE_BACK.set(give_back);
}

/// What one thread has not given back yet.
#[derive(Default)]
pub(super) struct Spare {
    has_worked: bool,
    given: Option<Instant>,
}

impl Spare {
    /// The thread has done something that may leave memory behind.
    pub fn worked(&mut self) {
        self.has_worked = true;
    }

    /// The thread has nothing to do.
    pub fn rest(&mut self) {
        if !self.has_worked || self.given.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        if let Some(give_back) = GIVE_BACK.get() {
            give_back();
        }
        (self.has_worked, self.given) = (false, Some(Instant::now()));
    }
}

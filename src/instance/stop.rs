//! How the threads of an instance are asked to end, and how they sleep until then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Asks every thread of an instance to end.
#[derive(Clone, Debug, Default)]
pub struct StopSign(Arc<AtomicBool>);

impl StopSign {
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Sleeps, but not through a stop.
pub(super) fn sleep(time: Duration, stop: &StopSign) {
    const SLICE: Duration = Duration::from_millis(100);
    let mut left = time;
    while !left.is_zero() && !stop.is_up() {
        thread::sleep(left.min(SLICE));
        left = left.saturating_sub(SLICE);
    }
}

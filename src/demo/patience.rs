//! Calls that a cluster may answer better in a moment.

use std::thread;
use std::time::{Duration, Instant};

use crate::broker::{Action, Result};

/// How long a call is made again.
const LIMIT: Duration = Duration::from_secs(10);

/// Between two tries.
const NAP: Duration = Duration::from_millis(20);

/// Makes the call again while that may help, up to 10 s: a topic just made is not known to every broker at once.
pub(super) fn patiently<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    loop {
        match call() {
            Err(error) if error.action == Action::Retry && began.elapsed() < LIMIT => thread::sleep(NAP),
            answer => return answer,
        }
    }
}

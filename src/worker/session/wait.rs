//! What waits for a while, and since when. A wait is over as well when the clock was set back behind its beginning.

use std::time::Duration;

use crate::time::Timestamp;

/// What is left of a wait; `None`: it is over, also when the clock was set back: a wait is never longer than `length`.
pub fn left(since: Timestamp, length: Duration, now: Timestamp) -> Option<Duration> {
    if now < since {
        return None;
    }
    length.checked_sub(now.since(since)).filter(|left| !left.is_zero())
}

#[derive(Clone, Debug)]
pub struct Wait {
    pub since: Timestamp,
    pub reason: String,
}

impl Wait {
    pub const LENGTH: Duration = Duration::from_secs(1);

    pub fn is_over(&self, now: Timestamp) -> bool {
        left(self.since, Self::LENGTH, now).is_none()
    }
}

#[derive(Clone, Debug)]
pub struct Blocked {
    pub since: Timestamp,
    pub reason: String,
    /// Held events that may be gone: at most so many.
    pub lost: u64,
}

impl Blocked {
    /// When to look again: a broker that comes back may have what seemed to be gone.
    pub const LENGTH: Duration = Duration::from_secs(10);
}

/// The clock disagreed with the broker's, found at this time of it.
#[derive(Clone, Copy, Debug)]
pub struct ClockAlarm {
    pub since: Timestamp,
}

impl ClockAlarm {
    pub const LENGTH: Duration = Duration::from_secs(5);
}

/// When orphans were last looked for, and for how long that is enough.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    pub at: Timestamp,
    pub lasts: Duration,
}

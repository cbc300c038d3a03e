//! What waits for a while, and since when. A wait is over as well when the clock was set back behind its beginning.

use std::time::Duration;

use crate::flow::Watermark;
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
    /// The queue topic, and what was found of it.
    pub found: String,
    /// Held events that are gone: at most so many, or exactly, once that is known.
    pub lost: u64,
    /// Where what is left begins: everything up to there is gone. `None`: that is not known yet.
    pub gone: Option<Watermark>,
    /// How often in a row the cluster said that the topic does not exist.
    pub missed: u32,
    /// What is left is being read from this offset on, for its first entry.
    pub reads_from: Option<i64>,
}

impl Blocked {
    /// How often in a row the cluster has to say that a queue topic does not exist before everything in it is believed to be
    /// gone: a broker that has just come back may not know. Between two times lies the patience for its leader, and more.
    pub const GONE: u32 = 4;

    /// A sentence that says why, and how many held events are gone.
    pub fn reason(&self) -> String {
        let Self { found, lost, gone, .. } = self;
        let most = if gone.is_some() { "" } else { "at most " };
        format!("held events of {found}; {most}{lost} are lost")
    }

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

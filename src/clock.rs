//! The time of day: the one place that reads the wall clock.

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;

/// The time now by the wall clock, in milliseconds.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_millis())
}

/// The clock that a gate lives by. It is the wall clock, unless somebody gives it another one: a demo has a calendar in which a day
/// passes in a second.
#[derive(Clone)]
pub struct Clock {
    read: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    pace: f64,
}

impl Clock {
    /// `pace`: how many seconds pass on it in one second.
    #[must_use]
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static, pace: f64) -> Self {
        Self { read: Arc::new(read), pace }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.read)()
    }

    /// How many seconds pass on it in one second.
    #[must_use]
    pub fn pace(&self) -> f64 {
        self.pace
    }
}

impl Default for Clock {
    /// The wall clock.
    fn default() -> Self {
        Self::new(now, 1.0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).field("pace", &self.pace).finish()
    }
}

//! The wall clock: the one place that reads it.

use crate::time::Timestamp;

/// The time now, in milliseconds.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_millis())
}

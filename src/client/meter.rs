//! How far a look through topics has come, told to whoever shows it from another thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One thing that is done from its beginning to its end: a topic that is read, or letters that are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// In a few words, such as the name of the topic.
    pub what: Arc<str>,
    /// Of `total`: offsets that were looked at, or letters.
    pub done: u64,
    /// What `done` will be at the end, as far as it is known.
    pub total: u64,
    pub began: Instant,
    /// How much was done when it began: what is known of its speed begins there.
    pub before: u64,
    /// When it ends at the latest, however much is left.
    pub until: Option<Instant>,
}

/// Holds the part that is under way. Clones are one meter; one that nobody reads costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Option<Part>>>);

impl Meter {
    /// Shows this in the place of what it showed.
    pub fn show(&self, part: &Part) {
        self.set(Some(part.clone()));
    }

    /// Shows nothing, until it is told again.
    pub fn clear(&self) {
        self.set(None);
    }

    #[must_use]
    pub fn part(&self) -> Option<Part> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, part: Option<Part>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = part;
    }
}

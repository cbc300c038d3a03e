//! What was written into a queue topic and is not there any more.

use super::log::Entry;

/// Of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Missing {
    /// What the cleaner has removed, a bit an entry.
    pub cleaned: u64,
    /// Somebody deleted everything up to this entry; 0: nothing.
    pub deleted: u64,
}

impl Missing {
    pub fn has(&self, entry: &Entry) -> bool {
        entry.is_in(self.cleaned) || entry.survivor.number <= self.deleted
    }

    /// Whether what comes after the watermark was deleted: who reads there finds that the log begins later.
    pub fn blocks(&self, watermark: u64) -> bool {
        self.deleted > watermark
    }
}

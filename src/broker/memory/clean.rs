//! What takes records out of a log: the cleaner, time retention, DeleteRecords. All three run when the driver says so.

use std::collections::HashMap;

use bytes::Bytes;

use super::log::Log;
use crate::time::Timestamp;

/// What the cleaner does with a tombstone that is itself the newest of its key: Kafka keeps it for
/// `delete.retention.ms` after the first pass and removes it in a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tombstones {
    Keep,
    Remove,
}

impl Log {
    /// Keeps the newest committed record of each key among those below `up_to`, and drops aborted ones. Never touches
    /// the newest record of the log (Kafka's active segment holds at least that) nor anything at or beyond the last
    /// stable offset. Gives the number of records removed.
    pub fn compact(&mut self, up_to: i64, tombstones: Tombstones) -> usize {
        let Some(newest) = self.entries.back().map(|entry| entry.offset) else { return 0 };
        let limit = up_to.min(self.stable()).min(newest);
        let count = self.index_of(limit);
        // Only looked into, never walked through: its order cannot show.
        let mut last: HashMap<Bytes, i64> = HashMap::new();
        for entry in self.entries.range(..count).filter(|entry| !entry.aborted) {
            if let Some(key) = &entry.key {
                last.insert(key.clone(), entry.offset);
            }
        }
        let before = self.entries.len();
        self.entries.retain(|entry| {
            if entry.offset >= limit {
                return true;
            }
            let newest_of_key = entry.key.as_ref().is_none_or(|key| last.get(key) == Some(&entry.offset));
            let stays = entry.value.is_some() || tombstones == Tombstones::Keep;
            !entry.aborted && newest_of_key && stays
        });
        before - self.entries.len()
    }

    /// Deletes the longest prefix whose records are all older than `oldest`, as the deletion of whole segments does at
    /// its most eager. Gives the number of records removed.
    pub fn retain_since(&mut self, oldest: Timestamp) -> usize {
        let before = self.entries.len();
        match self.entries.iter().position(|entry| entry.timestamp >= oldest) {
            Some(0) => {}
            Some(index) => self.delete_below(self.entries[index].offset),
            None if before > 0 => self.delete_below(self.next),
            None => {}
        }
        before - self.entries.len()
    }
}

//! Entries that were released by name, ahead of all that is held before them.

use std::collections::BTreeMap;

use super::{Kind, PerKind};

/// Entries beyond the watermark that have their fate already: whatever passes them does so silently. They are kept with the
/// flow, so that every owner knows them, whatever the cleaner has done to the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    entries: BTreeMap<u64, Kind>,
}

impl Taken {
    /// How many a flow has at most: they are written with its state.
    pub const MOST: usize = 10_000;

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[must_use]
    pub fn is_full(&self) -> bool {
        self.entries.len() >= Self::MOST
    }

    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.entries.contains_key(&number)
    }

    /// In their order.
    pub fn entries(&self) -> impl Iterator<Item = (u64, Kind)> {
        self.entries.iter().map(|(number, kind)| (*number, *kind))
    }

    pub fn add(&mut self, number: u64, kind: Kind) {
        self.entries.insert(number, kind);
    }

    /// How many of each kind.
    #[must_use]
    pub fn count(&self) -> PerKind {
        self.through(u64::MAX)
    }

    /// How many of each kind up to this entry.
    pub(super) fn through(&self, last: u64) -> PerKind {
        let mut count = PerKind::default();
        self.entries.range(..=last).for_each(|(_, kind)| count.add(*kind, 1));
        count
    }

    /// The watermark is there.
    pub(super) fn give_up_through(&mut self, last: u64) {
        while self.entries.first_key_value().is_some_and(|(number, _)| *number <= last) {
            self.entries.pop_first();
        }
    }
}

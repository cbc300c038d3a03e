//! Events that were polled and that no turn has taken yet. They lie before everything that the member brings next.
//!
//! Whatever the member brings comes here first, and a turn takes of it what it has room for. What stays: events that were polled
//! while the acknowledgements of a turn were awaited, and those whose partition a turn stopped at, for a queue topic that has to
//! be made first or for a record that was refused. The next turn begins with them. When a turn is aborted, or partitions come
//! and go, they are dropped, and read again with everything else.

use crate::broker::{PollLimit, Record, sizes};
use crate::worker::memory::Shares;
use crate::worker::options::Budget;

#[derive(Default)]
pub struct Carried {
    records: Vec<Record>,
    bytes: usize,
}

impl Carried {
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Nothing more is polled before a turn has taken what is here.
    pub fn is_full(&self, budget: Budget) -> bool {
        self.records.len() >= budget.carried() || self.bytes >= Shares::carried(budget.bytes)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Cuts a poll to what there is room for; a record more may come.
    pub fn room(&self, limit: PollLimit, budget: Budget) -> PollLimit {
        PollLimit {
            records: limit.records.min(budget.carried().saturating_sub(self.records.len())).max(1),
            bytes: limit.bytes.min(Shares::carried(budget.bytes).saturating_sub(self.bytes)).max(1),
            ..limit
        }
    }

    pub fn append(&mut self, records: &mut Vec<Record>) {
        self.bytes += sizes(records);
        self.records.append(records);
    }

    /// Puts events back that were taken, before those that were not.
    pub fn put_back(&mut self, mut records: Vec<Record>) {
        self.bytes += sizes(&records);
        records.append(&mut self.records);
        self.records = records;
    }

    /// Takes the first of them, so many at most.
    pub fn take(&mut self, most: usize) -> Vec<Record> {
        let rest = self.records.split_off(most.min(self.records.len()));
        self.bytes = sizes(&rest);
        std::mem::replace(&mut self.records, rest)
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn holds(&self, partition: i32) -> bool {
        self.records.iter().any(|record| record.partition == partition)
    }

    /// Drops the events of a partition, which is read from elsewhere.
    pub fn forget(&mut self, partition: i32) {
        self.records.retain(|record| record.partition != partition);
        self.bytes = sizes(&self.records);
    }
}

//! One partition: records in offset order with gaps, and the transactions that are open in it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::broker::{Header, Isolation, PollLimit, Record, Watermarks};
use crate::time::Timestamp;

/// A record at rest. Markers are not stored: each only takes an offset.
pub(super) struct Entry {
    pub offset: i64,
    pub timestamp: Timestamp,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Box<[Header]>,
    /// The number of its transaction, 0 outside of one.
    pub transaction: u64,
    pub aborted: bool,
}

impl Entry {
    fn size(&self) -> usize {
        let length = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|header| header.name.len() + length(&header.value)).sum();
        length(&self.key) + length(&self.value) + headers
    }

    pub fn record(&self, topic: &Arc<str>, partition: i32) -> Record {
        Record {
            topic: topic.clone(),
            partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.clone(),
            value: self.value.clone(),
            headers: self.headers.to_vec(),
        }
    }
}

/// What is left of a [`PollLimit`].
pub(super) struct Budget {
    records: usize,
    bytes: usize,
}

impl Budget {
    pub fn new(limit: PollLimit) -> Self {
        Self { records: limit.records, bytes: limit.bytes }
    }

    pub fn is_spent(&self) -> bool {
        self.records == 0 || self.bytes == 0
    }

    /// What is left of it, but no more than so many records.
    pub fn at_most(&self, records: usize) -> Self {
        Self { records: self.records.min(records), bytes: self.bytes }
    }

    /// Takes out what was read within a share of at most so many records, of which `left` is left.
    pub fn spend(&mut self, records: usize, left: &Self) {
        self.records -= self.records.min(records) - left.records;
        self.bytes = left.bytes;
    }

    fn take(&mut self, entry: &Entry) {
        self.records -= 1;
        self.bytes = self.bytes.saturating_sub(entry.size());
    }
}

/// How far one read came.
pub(super) enum Seen {
    /// Everything this isolation shows was read.
    End,
    /// The budget is spent and there is more.
    Full,
    /// Whether there is more is not known yet.
    Withheld,
    OutOfRange {
        low: i64,
    },
}

pub(super) struct Log {
    pub low: i64,
    /// The high watermark.
    pub next: i64,
    pub entries: VecDeque<Entry>,
    /// Open transactions (and decided ones whose marker is still to come) by their first offset here.
    open: BTreeMap<i64, u64>,
    /// Readers to be woken, by number.
    pub watchers: Vec<u64>,
    /// No change since some watcher last stood at the end: the next change has to wake all of them.
    pub quiet: bool,
}

impl Log {
    pub fn new() -> Self {
        Self { low: 0, next: 0, entries: VecDeque::new(), open: BTreeMap::new(), watchers: Vec::new(), quiet: true }
    }

    /// The last stable offset. Retention may have passed the first record of an open transaction.
    pub fn stable(&self) -> i64 {
        self.open.keys().next().map_or(self.next, |&first| first.max(self.low))
    }

    pub fn end(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadCommitted => self.stable(),
            Isolation::ReadUncommitted => self.next,
        }
    }

    /// The first record that is as late, among those that are not behind the end.
    pub fn offset_at(&self, time: Timestamp, isolation: Isolation) -> Option<i64> {
        let found = self.entries.iter().find(|entry| entry.timestamp >= time)?.offset;
        (found < self.end(isolation)).then_some(found)
    }

    pub fn watermarks(&self, isolation: Isolation) -> Watermarks {
        Watermarks { low: self.low, end: self.end(isolation) }
    }

    /// Appends `entry` at the high watermark and gives its offset.
    pub fn append(&mut self, mut entry: Entry) -> i64 {
        entry.offset = self.next;
        self.entries.push_back(entry);
        self.next += 1;
        self.next - 1
    }

    /// Notes that `transaction` begins here with the record at `first`.
    pub fn begin(&mut self, transaction: u64, first: i64) {
        self.open.insert(first, transaction);
    }

    /// Writes the marker of a transaction that began here at `first`.
    pub fn end_transaction(&mut self, transaction: u64, first: i64, committed: bool) {
        if !committed {
            let start = self.index_of(first);
            for entry in self.entries.range_mut(start..).filter(|entry| entry.transaction == transaction) {
                entry.aborted = true;
            }
        }
        self.open.remove(&first);
        self.next += 1;
    }

    /// The index of the first entry at or behind `offset`.
    pub fn index_of(&self, offset: i64) -> usize {
        self.entries.partition_point(|entry| entry.offset < offset)
    }

    /// Appends what `isolation` shows from `position` on to `records`, and moves `position`: behind the last record
    /// read, or to `end`, which it shows at most, once everything was seen, so that it passes over gaps.
    pub fn read(
        &self,
        (topic, partition): (&Arc<str>, i32),
        position: &mut i64,
        (isolation, end): (Isolation, i64),
        budget: &mut Budget,
        records: &mut Vec<Record>,
    ) -> Seen {
        if *position < self.low || *position > self.next {
            return Seen::OutOfRange { low: self.low };
        }
        if *position >= end {
            return Seen::End;
        }
        for entry in self.entries.range(self.index_of(*position)..) {
            if entry.offset >= end {
                break;
            }
            if entry.aborted && isolation == Isolation::ReadCommitted {
                continue;
            }
            if budget.is_spent() {
                return Seen::Full;
            }
            budget.take(entry);
            records.push(entry.record(topic, partition));
            *position = entry.offset + 1;
        }
        *position = end;
        Seen::End
    }

    /// Whether `isolation` shows a record there.
    pub fn shows_any(&self, offsets: Range<i64>, isolation: Isolation) -> bool {
        let mut there =
            self.entries.range(self.index_of(offsets.start)..).take_while(|entry| entry.offset < offsets.end);
        there.any(|entry| !entry.aborted || isolation == Isolation::ReadUncommitted)
    }

    /// Deletes everything below `offset`; the low watermark never moves backwards, nor beyond the high watermark.
    pub fn delete_below(&mut self, offset: i64) {
        let offset = offset.min(self.next);
        if offset > self.low {
            self.low = offset;
            self.entries.drain(..self.index_of(offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(transaction: u64) -> Entry {
        let headers = Box::default();
        Entry { offset: 0, timestamp: Timestamp(0), key: None, value: None, headers, transaction, aborted: false }
    }

    #[test]
    fn an_open_transaction_holds_the_stable_offset_and_an_abort_hides_its_own_records_only() {
        let mut log = Log::new();
        let first = log.append(entry(1));
        log.begin(1, first);
        log.append(entry(0));
        log.append(entry(1));
        assert_eq!((log.stable(), log.next), (0, 3));
        log.end_transaction(1, first, false);
        assert_eq!((log.stable(), log.next), (4, 4));
        let aborted: Vec<bool> = log.entries.iter().map(|entry| entry.aborted).collect();
        assert_eq!(aborted, [true, false, true]);
    }
}

//! What the transaction coordinator does: it makes producers, takes note of what a transaction touches, and ends it.

use std::sync::Arc;
use std::time::Duration;

use super::coordinator::{Coordinator, Markers, ProducerId, Slot, Touched};
use super::state::State;
use super::topic::TopicId;
use crate::broker::{Action, Code, Error, Result};
use crate::time::Timestamp;

fn fenced() -> Error {
    Error::new(
        Action::Rebuild,
        Code::Fenced,
        "a newer producer has this transactional id, or its transaction timed out",
    )
}

impl State {
    /// A new producer of this transactional id: the old one is fenced, its open transaction aborted.
    pub fn init_producer(&mut self, transactional_id: &str, timeout: Duration) -> Result<ProducerId> {
        let known = self.coordinator.ids.get(transactional_id).copied();
        let slot = known.unwrap_or(self.coordinator.slots.len());
        if known.is_none() {
            self.coordinator.ids.insert(transactional_id.to_owned(), slot);
            self.coordinator.slots.push(Slot { epoch: 0, timeout, open: None, lagging: None });
        }
        if self.coordinator.slots[slot].lagging.is_some() {
            let detail = "the last transaction of this transactional id is still being ended";
            return Err(Error::new(Action::Retry, Code::Busy, detail));
        }
        self.finish(slot, false, Markers::Written);
        let state = &mut self.coordinator.slots[slot];
        state.epoch += 1;
        state.timeout = timeout;
        Ok(ProducerId { slot, epoch: state.epoch })
    }

    pub fn check_producer(&self, producer: ProducerId) -> Result<()> {
        if self.coordinator.slots[producer.slot].epoch == producer.epoch { Ok(()) } else { Err(fenced()) }
    }

    /// Whether a transaction is open under the id of this producer, be it another producer's.
    pub fn has_open_transaction(&self, producer: ProducerId) -> bool {
        self.coordinator.slots[producer.slot].open.is_some()
    }

    /// The producer's open transaction, begun now if there is none.
    fn open(&mut self, producer: ProducerId) -> Result<&mut Touched> {
        self.check_producer(producer)?;
        // Kafka keeps a producer waiting for the markers of its last transaction before it lets it begin another.
        self.write_markers_of(producer.slot);
        let Coordinator { slots, deadlines, transactions, keeps_transactions, .. } = &mut self.coordinator;
        let Slot { open, timeout, .. } = &mut slots[producer.slot];
        Ok(open.get_or_insert_with(|| {
            *transactions += 1;
            let deadline = if *keeps_transactions { Timestamp(i64::MAX) } else { self.now.after(*timeout) };
            deadlines.insert((deadline, producer.slot));
            let (partitions, offsets) = Default::default();
            Touched { number: *transactions, deadline, partitions, offsets }
        }))
    }

    /// The number of the producer's transaction, begun now if there is none.
    pub fn transaction_number(&mut self, producer: ProducerId) -> Result<u64> {
        Ok(self.open(producer)?.number)
    }

    /// Notes that the producer's transaction has stored a record.
    pub fn note_record(&mut self, producer: ProducerId, partition: (TopicId, i32), offset: i64) -> Result<()> {
        let touched = self.open(producer)?;
        let number = touched.number;
        if let std::collections::btree_map::Entry::Vacant(first) = touched.partitions.entry(partition) {
            first.insert(offset);
            if let Some(topic) = self.topics.get_mut(partition.0) {
                topic.log_mut(partition.1)?.begin(number, offset);
            }
        }
        Ok(())
    }

    /// Notes that the producer's transaction has pending offsets for a partition.
    pub fn note_offset(
        &mut self,
        producer: ProducerId,
        group: Arc<str>,
        topic: Arc<str>,
        partition: i32,
    ) -> Result<()> {
        self.open(producer)?.offsets.insert((group, topic, partition));
        Ok(())
    }

    /// Ends the producer's transaction, if it has begun one.
    pub fn end_transaction(&mut self, producer: ProducerId, committed: bool, markers: Markers) -> Result<()> {
        self.check_producer(producer)?;
        self.finish(producer.slot, committed, markers);
        Ok(())
    }

    fn finish(&mut self, slot: usize, committed: bool, markers: Markers) {
        let Some(touched) = self.coordinator.slots[slot].open.take() else { return };
        self.coordinator.deadlines.remove(&(touched.deadline, slot));
        self.coordinator.slots[slot].lagging = Some((touched, committed));
        if markers == Markers::Written {
            self.write_markers_of(slot);
        }
    }

    /// Writes the markers of `transactional_id`'s last transaction that are still missing.
    pub fn write_markers(&mut self, transactional_id: &str) {
        if let Some(&slot) = self.coordinator.ids.get(transactional_id) {
            self.write_markers_of(slot);
        }
    }

    pub fn all_markers_are_written(&self) -> bool {
        self.coordinator.slots.iter().all(|slot| slot.lagging.is_none())
    }

    pub fn write_all_markers(&mut self) {
        for slot in 0..self.coordinator.slots.len() {
            self.write_markers_of(slot);
        }
    }

    fn write_markers_of(&mut self, slot: usize) {
        let Some((touched, committed)) = self.coordinator.slots[slot].lagging.take() else { return };
        for (&(topic, partition), &first) in &touched.partitions {
            // A deleted topic takes its part of the transaction with it.
            let log = self.topics.get_mut(topic).and_then(|topic| topic.log_mut(partition).ok());
            if let Some(log) = log {
                log.end_transaction(touched.number, first, committed);
                self.touch(topic, partition);
            }
        }
        for (group, topic, partition) in touched.offsets {
            if let Some(group) = self.groups.get_mut(&*group) {
                group.decide(touched.number, (topic, partition), committed);
            }
        }
    }

    pub fn next_transaction_deadline(&self) -> Option<Timestamp> {
        self.coordinator.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Aborts the transactions whose time is over and fences their producers.
    pub fn abort_overdue(&mut self) {
        while let Some(&(_, slot)) = self.coordinator.deadlines.first().filter(|(deadline, _)| *deadline <= self.now) {
            self.coordinator.slots[slot].epoch += 1;
            self.finish(slot, false, Markers::Written);
        }
    }
}

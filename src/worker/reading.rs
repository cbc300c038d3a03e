//! What is read back of queue topics for drains. What is missing there blocks its flow, and nothing else.

use std::iter;
use std::sync::Arc;

use super::Worker;
use super::facts::tracked::Tracked;
use super::session::ahead::Ahead;
use super::session::amount::Amount;
use super::session::backlog::{Reading, Waiting};
use super::session::table::Table;
use super::session::wait::{Blocked, left};
use crate::broker::{Broker, Record, Watermarks};
use crate::flow::{FlowId, Queue};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// Entries read back from queue topics, into the buffer, which is read `ahead` so far. They come in long rows of one topic.
    pub(super) fn take_entries(&mut self, records: Vec<Record>, ahead: &mut Ahead) {
        let mut records = records.into_iter().peekable();
        while let Some(topic) = records.peek().map(|first| Arc::clone(&first.topic)) {
            let mut row = iter::from_fn(|| records.next_if(|record| Arc::ptr_eq(&record.topic, &topic)));
            if let Some((partition, flow)) = self.table.reading.get(&topic).cloned() {
                self.take_row(&topic, partition, flow, &mut row, ahead);
            }
            // Nothing more is read of this queue: the rest comes again, if it is needed.
            row.for_each(drop);
        }
    }

    /// Entries of one queue, as many as are enough.
    fn take_row(
        &mut self,
        topic: &Arc<str>,
        mut partition: i32,
        mut flow: FlowId,
        row: &mut impl Iterator<Item = Record>,
        ahead: &mut Ahead,
    ) {
        if mutant::is(Mutant::EntryTakenByAnotherDrain)
            && let Some(other) = self.table.another_drain(partition, &flow)
        {
            (partition, flow) = other;
        }
        let Some(tracked) = self.table.tracked(partition, &flow) else { return };
        let is_enough = row.any(|record| tracked.take_entry(record, ahead));
        let has_any = tracked.backlog.as_ref().is_some_and(|backlog| !backlog.buffer.is_empty());
        let is_too_little = is_enough && ahead.is_too_little(tracked);
        if has_any {
            self.table.at_hand.insert((partition, flow.clone()));
        }
        if is_enough {
            self.stop_reading(Arc::clone(topic));
            if is_too_little {
                // Only others come first.
                self.table.ask_to_read(partition, &flow);
            }
        }
    }

    /// The log of a queue topic does not have the offset that was to be read.
    pub(super) fn block(&mut self, topic: &str, low: i64) {
        let Some((partition, flow)) = self.table.reading.remove(topic) else { return };
        tracing::warn!(topic, low, "the queue's log does not have what is to be read; looking again");
        self.look_at_queue_again(partition, &flow);
    }

    /// Held events were deleted behind the gate's back: this flow alone stops draining, and goes on holding. `found` is
    /// what there is of its log; `None`: the topic is gone.
    pub(super) fn block_flow(&mut self, partition: i32, flow: &FlowId, found: Option<Watermarks>, now: Timestamp) {
        let Some(tracked) = self.table.tracked(partition, flow) else { return };
        let at = tracked.flow().queue.watermark.offset;
        let held = tracked.flow().counts.held().total();
        let Some(backlog) = &mut tracked.backlog else { return };
        let topic = Arc::clone(&backlog.topic);
        let found = match found {
            Some(_) if at == Queue::NOWHERE => "the topic before it is gone".to_owned(),
            Some(Watermarks { low, end }) => {
                format!("its log goes from {low} to {end}, and the next one was to be read at {at}")
            }
            None => "the topic is gone".to_owned(),
        };
        let reason = format!("held events of `{topic}` were deleted: {found}; at most {held} are lost");
        tracing::error!(%flow, reason, "a flow is blocked");
        backlog.clear();
        backlog.blocked = Some(Blocked { since: now, reason, lost: held });
        self.stop_reading(topic);
    }

    /// Blocked flows are looked at again from time to time: perhaps the broker did not know its own topic for a while.
    /// And rates follow a clock that was set back: else they would wait until it is there again.
    pub(super) fn look_at_drains(&mut self, now: Timestamp) {
        let due = |tracked: &Tracked| {
            let blocked = tracked.backlog.as_ref().and_then(|backlog| backlog.blocked.as_ref());
            blocked.is_some_and(|blocked| left(blocked.since, Blocked::LENGTH, now).is_none())
        };
        let mut again = Vec::new();
        for (partition, owned) in &mut self.table.owned {
            owned.facts.each_drain_mut(|flow, tracked| {
                if let Some(backlog) = &mut tracked.backlog {
                    backlog.bucket.follow(now);
                }
                if !due(tracked) {
                    return;
                }
                let bucket = tracked.backlog.take().map(|backlog| backlog.bucket);
                if tracked.start_drain(now) {
                    again.push((*partition, flow.clone()));
                }
                if let (Some(backlog), Some(bucket)) = (&mut tracked.backlog, bucket) {
                    backlog.bucket = bucket;
                }
            });
        }
        for (partition, flow) in again {
            self.look_at_queue_again(partition, &flow);
        }
    }
}

impl Tracked {
    /// Whether this entry is the last one for now of its queue.
    fn take_entry(&mut self, record: Record, ahead: &mut Ahead) -> bool {
        let Some(backlog) = &mut self.backlog else { return false };
        let held = match backlog.entries.read(&record) {
            Ok(Some(held)) => held,
            Ok(None) => return false,
            Err(foreign) => {
                tracing::error!(%foreign, "somebody else wrote into a queue topic; passed over");
                return false;
            }
        };
        if held.number <= backlog.read_to {
            return false;
        }
        backlog.read_to = held.number;
        backlog.read_offset = record.offset + 1;
        let size = record.size();
        backlog.buffer_bytes += size;
        backlog.read_since += 1;
        ahead.waiting = ahead.waiting.and(Amount { entries: 1, bytes: size });
        backlog.buffer.push_back(Waiting {
            held,
            value: record.value,
            timestamp: record.timestamp,
            offset: record.offset,
            size,
        });
        let is_enough = ahead.is_enough(self);
        if is_enough && let Some(backlog) = &mut self.backlog {
            backlog.reading = Reading::No;
        }
        is_enough
    }
}

impl Table {
    /// For a mutant: another drain that has read as far as this one.
    fn another_drain(&self, partition: i32, flow: &FlowId) -> Option<(i32, FlowId)> {
        let read_to = |of: &(i32, FlowId)| {
            let backlog = self.owned.get(&of.0)?.facts.flow(&of.1)?.backlog.as_ref()?;
            (backlog.reading == Reading::On).then_some(backlog.read_to)
        };
        let own = (partition, flow.clone());
        let others = self.reading.values().filter(|other| **other != own);
        others.filter(|other| read_to(other).is_some() && read_to(other) == read_to(&own)).min().cloned()
    }
}

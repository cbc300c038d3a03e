//! What is read back of queue topics for drains. What is missing there blocks its flow, and nothing else.

use std::iter;
use std::sync::Arc;

use super::Worker;
use super::facts::tracked::Tracked;
use super::session::ahead::Ahead;
use super::session::amount::Amount;
use super::session::backlog::{Reading, Waiting};
use super::session::chore::Chore;
use super::session::legible::legible;
use super::session::table::Table;
use super::session::wait::{Blocked, left};
use super::stop::Stop;
use crate::broker::{Broker, Record, Watermarks};
use crate::flow::{FlowId, Queue, Watermark};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// Entries read back from queue topics, into the buffer, which is read `ahead` so far. They come in long rows of one topic.
    ///
    /// # Errors
    /// Of an entry that only a gate of another version can read.
    pub(super) fn take_entries(&mut self, records: Vec<Record>, ahead: &mut Ahead) -> Result<(), Stop> {
        let mut records = records.into_iter().peekable();
        while let Some(topic) = records.peek().map(|first| Arc::clone(&first.topic)) {
            let mut row = iter::from_fn(|| records.next_if(|record| Arc::ptr_eq(&record.topic, &topic)));
            if let Some((partition, flow)) = self.table.reading.get(&topic).cloned() {
                self.take_row(&topic, partition, flow, &mut row, ahead)?;
            }
            // Nothing more is read of this queue: the rest comes again, if it is needed.
            row.for_each(drop);
        }
        Ok(())
    }

    /// Entries of one queue, as many as are enough.
    fn take_row(
        &mut self,
        topic: &Arc<str>,
        mut partition: i32,
        mut flow: FlowId,
        row: &mut impl Iterator<Item = Record>,
        ahead: &mut Ahead,
    ) -> Result<(), Stop> {
        let Some(tracked) = self.table.tracked(partition, &flow) else { return Ok(()) };
        if tracked.search.is_some() {
            if tracked.search_row(row)? {
                self.stop_reading(Arc::clone(topic));
            }
            return Ok(());
        }
        if tracked.is_blocked() {
            return self.find_what_is_left(topic, partition, &flow, row);
        }
        if mutant::is(Mutant::EntryTakenByAnotherDrain)
            && let Some(other) = self.table.another_drain(partition, &flow)
        {
            (partition, flow) = other;
        }
        let Some(tracked) = self.table.tracked(partition, &flow) else { return Ok(()) };
        let mut is_enough = false;
        while !is_enough && let Some(record) = row.next() {
            is_enough = tracked.take_entry(record, ahead)?;
        }
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
        Ok(())
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
        let missed = match (found, tracked.backlog.as_ref().and_then(|backlog| backlog.blocked.as_ref())) {
            (Some(_), _) => 0,
            (None, None) => 1,
            (None, Some(blocked)) => blocked.missed + 1,
        };
        let gone = tracked.gone(found).filter(|_| found.is_some() || missed >= Blocked::GONE);
        let lost = gone.map_or(held, |gone| tracked.flow().loss(&gone).total());
        let Some(backlog) = &mut tracked.backlog else { return };
        let topic = Arc::clone(&backlog.topic);
        let found = match found {
            Some(_) if at == Queue::NOWHERE => "the topic before it is gone".to_owned(),
            Some(Watermarks { low, end }) => {
                format!("its log goes from {low} to {end}, and the next one was to be read at {at}")
            }
            None => "the topic is gone".to_owned(),
        };
        let found = format!("`{topic}` were deleted: {found}");
        let is_news = backlog.blocked.as_ref().is_none_or(|blocked| blocked.found != found);
        let blocked = Blocked { since: now, found, lost, gone, missed, reads_from: None };
        if is_news {
            tracing::error!(%flow, reason = blocked.reason(), "a flow is blocked");
        }
        backlog.clear();
        backlog.blocked = Some(blocked);
        self.stop_reading(topic);
    }

    /// The first entry that is left of a queue from which some were deleted.
    fn find_what_is_left(
        &mut self,
        topic: &Arc<str>,
        partition: i32,
        flow: &FlowId,
        row: &mut impl Iterator<Item = Record>,
    ) -> Result<(), Stop> {
        let Some(tracked) = self.table.tracked(partition, flow) else { return Ok(()) };
        let passed = tracked.flow().queue.watermark.entry;
        let Some(backlog) = &mut tracked.backlog else { return Ok(()) };
        let mut first = None;
        while first.is_none()
            && let Some(record) = row.next()
        {
            let held = legible(backlog.entries.read(&record))?.filter(|held| held.number > passed);
            first = held.map(|held| held.survivor(record.offset));
        }
        let Some(first) = first else { return Ok(()) };
        let gone = first.before();
        if gone.entry <= passed {
            // What was deleted are markers and tombstones: nothing is lost.
            tracked.go_on_from(gone.offset);
            self.stop_reading(Arc::clone(topic));
            self.table.ask_to_read(partition, flow);
            return Ok(());
        }
        let lost = tracked.flow().loss(&gone).total();
        let Some(backlog) = &mut tracked.backlog else { return Ok(()) };
        backlog.reading = Reading::No;
        if let Some(blocked) = &mut backlog.blocked {
            (blocked.gone, blocked.lost) = (Some(gone), lost);
            tracing::error!(%flow, reason = blocked.reason(), "a flow is blocked");
        }
        self.stop_reading(Arc::clone(topic));
        Ok(())
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
                // What is known of it stays: `accept_loss` may come just now.
                if let Some(blocked) = tracked.backlog.as_mut().and_then(|backlog| backlog.blocked.as_mut()) {
                    blocked.since = now;
                    again.push((*partition, flow.clone()));
                }
            });
        }
        for (partition, flow) in again {
            self.chores.push_back(Chore::LookAtQueue { partition, flow });
        }
    }
}

impl Tracked {
    /// Up to where its queue is gone, if that can be told from the log's watermarks alone.
    fn gone(&self, found: Option<Watermarks>) -> Option<Watermark> {
        let queue = &self.flow().queue;
        match found {
            Some(Watermarks { low, end }) => (low >= end).then(|| queue.end(end)),
            None if queue.watermark.offset == Queue::NOWHERE => Some(queue.end(0)),
            // Should it come back, what is behind it is found.
            None => Some(queue.end(queue.watermark.offset)),
        }
    }

    /// Whether this entry is the last one for now of its queue.
    fn take_entry(&mut self, record: Record, ahead: &mut Ahead) -> Result<bool, Stop> {
        let Some(backlog) = &mut self.backlog else { return Ok(false) };
        let Some(held) = legible(backlog.entries.read(&record))?.filter(|held| held.number > backlog.read_to) else {
            return Ok(false);
        };
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
        Ok(is_enough)
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

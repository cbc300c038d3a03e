//! What is read back of queue topics for drains. What is missing there blocks its flow, and nothing else.

use std::sync::Arc;

use super::Worker;
use super::chores::Chore;
use super::publish::start_drain;
use super::table::{Blocked, Tracked, Waiting, left};
use crate::broker::{Broker, Record, Watermarks};
use crate::flow::{FlowId, Queue};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// An entry read back from a queue topic, into the buffer.
    pub(super) fn take_entry(&mut self, record: Record) {
        let Some((partition, flow)) = self.table.reading.get(&record.topic).cloned() else { return };
        let Some(tracked) = self.table.tracked(partition, &flow) else { return };
        let Some(backlog) = &mut tracked.backlog else { return };
        let held = match backlog.entries.read(&record) {
            Ok(Some(held)) => held,
            Ok(None) => return,
            Err(foreign) => {
                tracing::error!(%foreign, "somebody else wrote into a queue topic; passed over");
                return;
            }
        };
        if held.number <= backlog.read_to {
            return;
        }
        backlog.read_to = held.number;
        backlog.read_offset = record.offset + 1;
        let size = record.size();
        backlog.buffer_bytes += size;
        backlog.buffer.push_back(Waiting {
            held,
            value: record.value,
            timestamp: record.timestamp,
            offset: record.offset,
            size,
        });
        if backlog.is_full() {
            backlog.on = false;
            self.table.reading.remove(&record.topic);
            self.chores.push_back(Chore::StopReading { topic: record.topic });
        }
    }

    /// The log of a queue topic does not have the offset that was to be read.
    pub(super) fn block(&mut self, topic: &str, low: i64) {
        let Some((partition, flow)) = self.table.reading.remove(topic) else { return };
        if let Some(backlog) = self.table.tracked(partition, &flow).and_then(|of| of.backlog.as_mut()) {
            backlog.on = false;
            tracing::warn!(topic, low, "the queue's log does not have what is to be read; looking again");
            self.chores.push_back(Chore::ReadQueue { partition, flow });
        }
    }

    /// Held events were deleted behind the gate's back: this flow alone stops draining, and goes on holding. `found` is
    /// what there is of its log; `None`: the topic is gone.
    pub(super) fn block_flow(&mut self, partition: i32, flow: &FlowId, found: Option<Watermarks>, now: Timestamp) {
        let Some(tracked) = self.table.tracked(partition, flow) else { return };
        let at = tracked.flow.queue.watermark.offset;
        let held = tracked.flow.counts.held().total();
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
        self.table.reading.remove(&topic);
        self.chores.push_back(Chore::StopReading { topic });
    }

    /// Blocked flows are looked at again from time to time: perhaps the broker did not know its own topic for a while.
    /// And rates follow a clock that was set back: else they would wait until it is there again.
    pub(super) fn look_at_drains(&mut self, now: Timestamp) {
        let due = |tracked: &Tracked| {
            let blocked = tracked.backlog.as_ref().and_then(|backlog| backlog.blocked.as_ref());
            blocked.is_some_and(|blocked| left(blocked.since, Blocked::LENGTH, now).is_none())
        };
        for (partition, owned) in &mut self.table.owned {
            for flow in &owned.draining {
                let Some(tracked) = owned.flows.get_mut(flow) else { continue };
                if let Some(backlog) = &mut tracked.backlog {
                    backlog.bucket.follow(now);
                }
                if !due(tracked) {
                    continue;
                }
                let bucket = tracked.backlog.take().map(|backlog| backlog.bucket);
                if start_drain(tracked, now) {
                    self.chores.push_back(Chore::ReadQueue { partition: *partition, flow: flow.clone() });
                }
                if let (Some(backlog), Some(bucket)) = (&mut tracked.backlog, bucket) {
                    backlog.bucket = bucket;
                }
            }
        }
    }
}

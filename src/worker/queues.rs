//! Which queues of draining flows are read, and how far ahead of their drains.
//!
//! All drains share one buffer: so many entries and bytes of all of them together wait in memory, however many flows resume
//! at once. A queue that is being read stays so until its drain ends: what has no room is not polled for, and waits in the
//! client. So many are read at once at most ([`Budget::queues`](super::Budget::queues)); the others wait for their turn, and one
//! that has filled the buffer once goes behind them. A drain with a rate has as much read as that uses in two seconds,
//! or less where many have one; until it needs more, others are read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Worker;
use super::clients::{in_hand, log_of};
use super::facts::tracked::Tracked;
use super::failed::Failed;
use super::session::backlog::Reading;
use super::session::chore::Chore;
use super::session::shape::ONLY;
use super::session::table::Table;
use crate::broker::{Broker, Code, Reader, Watermarks};
use crate::flow::{FlowId, Queue};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// The queues to be read next, if there is room for what they bring.
    pub(super) fn next_to_read(&mut self) -> Option<Chore> {
        if self.table.to_read.is_empty() {
            return None;
        }
        let budget = self.budget();
        let free = budget.queues.saturating_sub(self.table.reading.len());
        if free == 0 || self.table.ahead(budget).is_full() {
            return None;
        }
        let asked = free.min(self.table.to_read.len());
        Some(Chore::ReadQueues { flows: self.table.to_read.drain(..asked).collect() })
    }

    /// Reads these queues from where their drains are. Whether they are there shows when they are polled.
    pub(super) fn read_queues(&mut self, flows: &[(i32, FlowId)]) -> Result<(), Failed> {
        let (mut begun, mut places) = (Vec::new(), Vec::new());
        for (partition, flow) in flows {
            let of = self.table.tracked(*partition, flow).and_then(Tracked::reading);
            let Some((_, topic, offset)) = of.filter(|(reading, ..)| **reading == Reading::Waits) else { continue };
            if offset == Queue::NOWHERE {
                self.look_at_queue_again(*partition, flow);
                continue;
            }
            places.push((topic, ONLY, offset));
            begun.push((*partition, flow));
        }
        if places.is_empty() {
            return Ok(());
        }
        match in_hand(&mut self.clients)?.queues.assign_all(&places) {
            Ok(()) => {}
            Err(error) if error.code == Code::UnknownTopic => {
                // One of them is gone, and only looking at each tells which.
                for (partition, flow) in begun {
                    self.look_at_queue_again(partition, flow);
                }
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        for ((partition, flow), (topic, ..)) in begun.into_iter().zip(places) {
            let Some(tracked) = self.table.tracked(partition, flow) else { continue };
            if let Some(backlog) = &mut tracked.backlog {
                backlog.read_since = 0;
            }
            if let Some((reading, ..)) = tracked.reading() {
                *reading = Reading::On;
                self.table.reading.insert(topic, (partition, flow.clone()));
            }
        }
        Ok(())
    }

    /// Whether what is to be read next of a queue is there: it is read then, else its flow is blocked.
    pub(super) fn look_at_queue(&mut self, partition: i32, flow: &FlowId, now: Timestamp) -> Result<(), Failed> {
        let Some(tracked) = self.table.tracked(partition, flow) else { return Ok(()) };
        if tracked.search.is_some() {
            return self.look_at_search(partition, flow, now);
        }
        let watermark = tracked.flow().queue.watermark;
        let Some(backlog) = tracked.backlog.as_mut() else { return Ok(()) };
        if backlog.blocked.is_none() && backlog.reading != Reading::No {
            return Ok(());
        }
        let offset = if backlog.blocked.is_some() { watermark.offset } else { backlog.read_offset };
        let topic = Arc::clone(&backlog.topic);
        let marks = log_of(&mut in_hand(&mut self.clients)?.latest, &topic)?;
        if marks.is_some_and(|marks| marks.reach(offset)) {
            if let Some(backlog) = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut())
                && backlog.blocked.take().is_some()
            {
                tracing::info!(%flow, "what seemed to be deleted is there");
                backlog.begin_again(watermark);
                // What is read for its first entry is not what comes next.
                self.stop_reading(topic);
            }
            self.table.ask_to_read(partition, flow);
            return Ok(());
        }
        self.find_loss(partition, flow, marks, now)
    }

    /// Blocks a flow, and reads what is left of its queue for its first entry: everything before that is gone.
    fn find_loss(
        &mut self,
        partition: i32,
        flow: &FlowId,
        marks: Option<Watermarks>,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let Some(tracked) = self.table.tracked(partition, flow) else { return Ok(()) };
        let Some(backlog) = &tracked.backlog else { return Ok(()) };
        let topic = Arc::clone(&backlog.topic);
        let before = backlog.blocked.clone();
        if let (Some(marks), Some(blocked)) = (marks, &before) {
            if blocked.gone.is_some_and(|gone| marks.reach(gone.offset)) {
                // It is as it was.
                return Ok(());
            }
            let is_read = blocked.reads_from == Some(marks.low) && backlog.reading == Reading::On;
            if is_read && in_hand(&mut self.clients)?.queues.position(&topic, ONLY)?.is_some_and(|at| at >= marks.end) {
                // No entry is left: what lies there are markers.
                let marks = Watermarks { low: marks.end, ..marks };
                self.block_flow(partition, flow, Some(marks), now);
                return Ok(());
            }
            if is_read {
                return Ok(());
            }
        }
        self.block_flow(partition, flow, marks, now);
        let Some(marks) = marks.filter(|marks| marks.low < marks.end) else { return Ok(()) };
        in_hand(&mut self.clients)?.queues.assign(&topic, ONLY, marks.low)?;
        let Some(backlog) = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut()) else {
            return Ok(());
        };
        backlog.reading = Reading::On;
        if let Some(blocked) = &mut backlog.blocked {
            blocked.reads_from = Some(marks.low);
        }
        self.table.reading.insert(topic, (partition, flow.clone()));
        Ok(())
    }

    /// A queue that could not be read may be gone: the cluster is asked before it is read again.
    pub(super) fn look_at_queue_again(&mut self, partition: i32, flow: &FlowId) {
        let Some(tracked) = self.table.tracked(partition, flow) else { return };
        let topic = match (&mut tracked.search, &mut tracked.backlog) {
            (Some(search), _) => {
                search.reading = Reading::No;
                Arc::clone(&search.topic)
            }
            (None, Some(backlog)) => {
                backlog.reading = Reading::No;
                Arc::clone(&backlog.topic)
            }
            (None, None) => return,
        };
        self.table.reading.remove(&topic);
        self.chores.push_back(Chore::LookAtQueue { partition, flow: flow.clone() });
    }

    /// Nothing more is read of a topic, unless it is asked for again.
    pub(super) fn stop_reading(&mut self, topic: Arc<str>) {
        self.table.reading.remove(&topic);
        let stopping = self.chores.iter_mut().find_map(|chore| match chore {
            Chore::StopReading { topics } => Some(topics),
            _ => None,
        });
        match stopping {
            Some(topics) => drop(topics.insert(topic)),
            None => self.chores.push_back(Chore::StopReading { topics: BTreeSet::from([topic]) }),
        }
    }

    /// Records of a queue topic are given up: one request asks for all that are due.
    pub(super) fn give_records_up(&mut self, topic: &str, up_to: i64) {
        let due = self.chores.iter_mut().find_map(|chore| match chore {
            Chore::DeleteRecords { up_to } => Some(up_to),
            _ => None,
        });
        match due {
            Some(due) => {
                let at = due.entry(topic.to_owned()).or_default();
                *at = up_to.max(*at);
            }
            None => self.chores.push_back(Chore::DeleteRecords { up_to: BTreeMap::from([(topic.to_owned(), up_to)]) }),
        }
    }
}

impl Table {
    /// The queue of a draining flow is to be read on, when its turn comes. One whose index is not ready is asked for again
    /// when that is.
    pub(super) fn ask_to_read(&mut self, partition: i32, flow: &FlowId) {
        // A search needs no index.
        let tracked = self.tracked(partition, flow).filter(|tracked| tracked.may_be_read() || tracked.search.is_some());
        let Some((reading, ..)) = tracked.and_then(Tracked::reading) else { return };
        if *reading == Reading::No {
            *reading = Reading::Waits;
            self.to_read.push_back((partition, flow.clone()));
        }
    }
}

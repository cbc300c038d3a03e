//! Which queues of draining flows are read, and how far ahead of their drains.
//!
//! All drains share one buffer: so many entries and bytes of all of them together wait in memory, however many flows resume
//! at once. A queue that is being read stays so until its drain ends: what has no room is not polled for, and waits in the
//! client. So many are read at once at most ([`Budget::queues`](super::Budget::queues)); the others wait for their turn, and one
//! that has filled the buffer once goes behind them. A drain with a rate has as much read as that uses in two seconds; until
//! it needs more, others are read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Worker;
use super::clients::{in_hand, log_of};
use super::failed::Failed;
use super::session::backlog::Reading;
use super::session::chore::Chore;
use super::session::shape::ONLY;
use super::session::table::Table;
use crate::broker::{Broker, Code, Reader};
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
            let backlog = self.table.tracked(*partition, flow).and_then(|of| of.backlog.as_mut());
            let Some(backlog) = backlog.filter(|of| of.blocked.is_none() && of.reading == Reading::Waits) else {
                continue;
            };
            if backlog.read_offset == Queue::NOWHERE {
                self.look_at_queue_again(*partition, flow);
                continue;
            }
            places.push((Arc::clone(&backlog.topic), ONLY, backlog.read_offset));
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
            if let Some(backlog) = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut()) {
                backlog.reading = Reading::On;
                backlog.read_since = 0;
                self.table.reading.insert(topic, (partition, flow.clone()));
            }
        }
        Ok(())
    }

    /// Whether what is to be read next of a queue is there: it is read then, else its flow is blocked.
    pub(super) fn look_at_queue(&mut self, partition: i32, flow: &FlowId, now: Timestamp) -> Result<(), Failed> {
        let backlog = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut());
        let Some(backlog) = backlog.filter(|of| of.blocked.is_none() && of.reading == Reading::No) else {
            return Ok(());
        };
        let (topic, offset) = (Arc::clone(&backlog.topic), backlog.read_offset);
        match log_of(&mut in_hand(&mut self.clients)?.latest, &topic)? {
            Some(marks) if marks.reach(offset) => self.table.ask_to_read(partition, flow),
            gone => self.block_flow(partition, flow, gone, now),
        }
        Ok(())
    }

    /// A queue that could not be read may be gone: the cluster is asked before it is read again.
    pub(super) fn look_at_queue_again(&mut self, partition: i32, flow: &FlowId) {
        let Some(backlog) = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut()) else { return };
        backlog.reading = Reading::No;
        let topic = Arc::clone(&backlog.topic);
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
        let tracked = self.tracked(partition, flow).filter(|tracked| tracked.may_be_read());
        let Some(backlog) = tracked.and_then(|of| of.backlog.as_mut()) else { return };
        if backlog.reading == Reading::No && backlog.blocked.is_none() {
            backlog.reading = Reading::Waits;
            self.to_read.push_back((partition, flow.clone()));
        }
    }
}

//! Which queues of draining flows are read, and how far ahead of their drains.
//!
//! All drains share one buffer: so many entries and bytes of all of them together wait in memory, however many flows resume
//! at once. A queue that is being read stays so until its drain ends: what has no room is not polled for, and waits in the
//! client. A thousand at most are read at once; the others wait for their turn, and one that has filled the buffer once goes
//! behind them. A drain with a rate has as much read as that uses in two seconds; until it needs more, others are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chores::Chore;
use super::memory::Shares;
use super::options::Budget;
use super::table::{Amount, Reading, Table, Tracked};
use super::{ONLY, Stop, Worker, in_hand};
use crate::broker::{Broker, Code, Error, Reader, Watermarks};
use crate::flow::{Flow, FlowId, Queue, Rate};
use crate::time::Timestamp;

/// For how many seconds what is read ahead of a drain with a rate lasts.
const LASTS: usize = 2;

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
    pub(super) fn read_queues(&mut self, flows: &[(i32, FlowId)]) -> Result<Result<(), Error>, Stop> {
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
            return Ok(Ok(()));
        }
        match in_hand(&mut self.clients)?.queues.assign_all(&places) {
            Ok(()) => {}
            Err(error) if error.code == Code::UnknownTopic => {
                // One of them is gone, and only looking at each tells which.
                for (partition, flow) in begun {
                    self.look_at_queue_again(partition, flow);
                }
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        }
        for ((partition, flow), (topic, ..)) in begun.into_iter().zip(places) {
            if let Some(backlog) = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut()) {
                backlog.reading = Reading::On;
                backlog.read_since = 0;
                self.table.reading.insert(topic, (partition, flow.clone()));
            }
        }
        Ok(Ok(()))
    }

    /// Whether what is to be read next of a queue is there: it is read then, else its flow is blocked.
    pub(super) fn look_at_queue(
        &mut self,
        partition: i32,
        flow: &FlowId,
        now: Timestamp,
    ) -> Result<Result<(), Error>, Stop> {
        let backlog = self.table.tracked(partition, flow).and_then(|of| of.backlog.as_mut());
        let Some(backlog) = backlog.filter(|of| of.blocked.is_none() && of.reading == Reading::No) else {
            return Ok(Ok(()));
        };
        let (topic, offset) = (Arc::clone(&backlog.topic), backlog.read_offset);
        Ok(log_of(&mut in_hand(&mut self.clients)?.latest, &topic).map(|marks| match marks {
            Some(marks) if marks.reach(offset) => self.table.ask_to_read(partition, flow),
            gone => self.block_flow(partition, flow, gone, now),
        }))
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
            Some(topics) => topics.push(topic),
            None => self.chores.push_back(Chore::StopReading { topics: vec![topic] }),
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

    /// How far the drains are read ahead now.
    pub(super) fn ahead(&self, budget: Budget) -> Ahead {
        let mut ahead = Ahead {
            waiting: Amount::default(),
            most: Amount { entries: budget.ahead, bytes: Shares::drains(budget.bytes) },
            limited: 0,
            others_wait: !self.to_read.is_empty(),
        };
        for tracked in self.draining() {
            ahead.limited += usize::from(max_rate(&tracked.flow).is_some());
            if let Some(backlog) = &tracked.backlog {
                ahead.waiting = ahead.waiting.and(backlog.waiting());
            }
        }
        ahead
    }
}

/// How far all drains together are read ahead, and may be.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// What is read and not passed by the turn under way.
    pub waiting: Amount,
    pub most: Amount,
    /// Drains with a rate.
    limited: usize,
    /// Queues wait to be read.
    others_wait: bool,
}

impl Ahead {
    pub fn is_full(&self) -> bool {
        self.waiting.reaches(self.most)
    }

    /// What may still be read.
    pub fn room(&self) -> Amount {
        self.waiting.missing_of(self.most)
    }

    /// What may be read ahead of one drain with a rate. All of them together take half of the room, so that they hold no
    /// other drain back.
    fn most_of(&self, rate: Rate) -> Amount {
        let lasts = usize::try_from(rate.get()).unwrap_or(usize::MAX).saturating_mul(LASTS);
        let limited = self.limited.max(1) * 2;
        Amount { entries: lasts.min(self.most.entries / limited), bytes: self.most.bytes / limited }
    }

    /// Whether an entry just read is the last one for now of its queue.
    pub fn is_enough(&self, tracked: &Tracked) -> bool {
        let Some(backlog) = &tracked.backlog else { return true };
        match max_rate(&tracked.flow) {
            // It is made again, and this is read again behind it.
            _ if !tracked.may_be_read() => true,
            Some(rate) => backlog.waiting().reaches(self.most_of(rate)),
            // A drain that has to outrun its flow reads what that takes; what others have read beside it has to wait.
            None if !backlog.lacks().is_nothing() => false,
            None => {
                self.waiting.reaches(self.most.times(2)) || self.others_wait && backlog.read_since >= self.most.entries
            }
        }
    }

    /// Whether more is to be read for a drain whose queue is not being read.
    pub fn is_too_little(&self, tracked: &Tracked) -> bool {
        let Some(backlog) = tracked.backlog.as_ref().filter(|_| !tracked.flow.queue.is_passed()) else { return false };
        let waiting = backlog.waiting();
        max_rate(&tracked.flow).is_none_or(|rate| waiting.is_nothing() || !waiting.times(2).reaches(self.most_of(rate)))
    }
}

/// Where the log of a queue topic begins and ends; `None`: the topic is gone.
pub(super) fn log_of<R: Reader>(latest: &mut R, topic: &str) -> Result<Option<Watermarks>, Error> {
    match latest.watermarks(topic, ONLY) {
        Err(error) if error.code == Code::UnknownTopic => Ok(None),
        answer => answer.map(Some),
    }
}

fn max_rate(flow: &Flow) -> Option<Rate> {
    flow.drain().and_then(|drain| drain.max_rate)
}

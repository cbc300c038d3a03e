//! A reader's client side. Its partitions may be many and mostly idle: a poll looks only at those in which something
//! may be new.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::fault::Operation;
use super::handle::Memory;
use super::latency::Fetching;
use super::log::{Budget, Seen};
use super::topic::{TopicId, invalid};
use crate::broker::{self as port, Action, Code, Error, Isolation, PollLimit, Polled, Record, Result, Watermarks};
use crate::time::Timestamp;

pub struct Reader {
    memory: Memory,
    number: u64,
    isolation: Isolation,
    positions: BTreeMap<(TopicId, i32), Fetching>,
    /// Where the last poll stopped.
    turn: (TopicId, i32),
}

impl Reader {
    pub(super) fn new(memory: &Memory, isolation: Isolation) -> Self {
        let mut state = memory.lock();
        let number = state.next_client();
        state.ready.insert(number, Default::default());
        drop(state);
        Self { memory: memory.clone(), number, isolation, positions: BTreeMap::new(), turn: (0, 0) }
    }
}

impl port::Reader for Reader {
    fn assign(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.memory.check(Operation::Assign, topic)?;
        if offset < 0 {
            return Err(invalid(format!("offset {offset}")));
        }
        let mut state = self.memory.lock();
        let id = state.topics.find(topic)?;
        let fetching = state.pace.begin(offset);
        let log = state.topics.named_mut(topic)?.log_mut(partition)?;
        if self.positions.insert((id, partition), fetching).is_none() {
            log.watchers.push(self.number);
        }
        if let Some(ready) = state.ready.get_mut(&self.number) {
            ready.insert((id, partition));
        }
        Ok(())
    }

    fn unassign(&mut self, topic: &str, partition: i32) -> Result<()> {
        let mut state = self.memory.lock();
        // A topic that is gone took its watchers with it; its place here goes at the next poll.
        let Some(id) = state.topics.id(topic) else { return Ok(()) };
        if self.positions.remove(&(id, partition)).is_some() {
            state.topics.named_mut(topic)?.log_mut(partition)?.watchers.retain(|&reader| reader != self.number);
            if let Some(ready) = state.ready.get_mut(&self.number) {
                ready.remove(&(id, partition));
            }
        }
        Ok(())
    }

    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled> {
        self.memory.check(Operation::ReaderPoll, "")?;
        let mut state = self.memory.lock();
        let state = &mut *state;
        let Some(ready) = state.ready.get_mut(&self.number) else { return Ok(Polled::Records) };
        let behind = ready.range((Bound::Excluded(self.turn), Bound::Unbounded));
        let order: Vec<(TopicId, i32)> = behind.chain(ready.range(..=self.turn)).copied().collect();
        let (mut budget, waits) = (Budget::new(limit), !limit.wait.is_zero());
        let before = records.len();
        for place in order {
            let Some(fetching) = self.positions.get_mut(&place) else {
                ready.remove(&place);
                continue;
            };
            let Some(topic) = state.topics.get_mut(place.0) else {
                ready.remove(&place);
                self.positions.remove(&place);
                return Err(Error::new(Action::Retry, Code::UnknownTopic, "a topic that was being read is gone"));
            };
            let name = topic.name.clone();
            let log = topic.log_mut(place.1)?;
            state.pace.ask(log, fetching, self.isolation, waits);
            match state.pace.read(log, (&name, place.1), fetching, self.isolation, &mut budget, records) {
                Seen::End => {
                    ready.remove(&place);
                    log.quiet = true;
                }
                Seen::Withheld => {}
                Seen::Full => {
                    self.turn = place;
                    break;
                }
                // What was read already comes first; the next poll begins with this.
                Seen::OutOfRange { .. } if records.len() > before => {
                    self.turn = (place.0, place.1 - 1);
                    break;
                }
                Seen::OutOfRange { low } => {
                    ready.remove(&place);
                    self.positions.remove(&place);
                    log.watchers.retain(|&reader| reader != self.number);
                    return Ok(Polled::OutOfRange { topic: name, partition: place.1, low });
                }
            }
        }
        Ok(Polled::Records)
    }

    fn position(&mut self, topic: &str, partition: i32) -> Result<Option<i64>> {
        let state = self.memory.lock();
        Ok(state.topics.id(topic).and_then(|id| self.positions.get(&(id, partition))).map(|of| of.position))
    }

    fn watermarks(&mut self, topic: &str, partition: i32) -> Result<Watermarks> {
        self.memory.check(Operation::Watermarks, topic)?;
        let state = self.memory.lock();
        Ok(state.topics.named(topic)?.log(partition)?.watermarks(self.isolation))
    }

    fn offset_at(&mut self, topic: &str, partition: i32, time: Timestamp) -> Result<Option<i64>> {
        self.memory.check(Operation::OffsetAt, topic)?;
        let state = self.memory.lock();
        Ok(state.topics.named(topic)?.log(partition)?.offset_at(time, self.isolation))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.memory.lock();
        state.ready.remove(&self.number);
        for &(topic, partition) in self.positions.keys() {
            if let Some(log) = state.topics.get_mut(topic).and_then(|topic| topic.log_mut(partition).ok()) {
                log.watchers.retain(|&reader| reader != self.number);
            }
        }
    }
}

//! A transactional producer's client side. Records are at the broker as soon as they are sent: nothing is ever in
//! flight, and what the broker refuses is among the deliveries, as with a real client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::coordinator::{Markers, ProducerId};
use super::fault::{Fault, Operation};
use super::group::stale;
use super::handle::{Memory, no_answer_if};
use super::member::Identity;
use super::size;
use super::state::{Incoming, State};
use super::stray::Stray;
use super::topic::{TopicId, invalid};
use crate::broker::{
    self as port, Abort, Action, Code, Commit, Committed, Compression, Delivered, Error, FAILURE_ONLY, GroupMetadata,
    Offset, Outgoing, ProducerOptions, Progress, Result, Topic,
};
use crate::mutant::{self, Mutant};

pub struct Producer {
    memory: Memory,
    options: ProducerOptions,
    id: ProducerId,
    /// Owner of the handles it gives out.
    number: u64,
    topics: Vec<Option<Known>>,
    names: BTreeMap<Arc<str>, u32>,
}

/// A topic that a handle stands for.
struct Known {
    name: Arc<str>,
    /// As last seen: a topic made again under the same name has another.
    id: Option<TopicId>,
    /// A broker has said that it does not exist: the producer asks nobody again.
    missed: bool,
}

impl Known {
    fn resolve(&mut self, state: &State) -> Result<TopicId> {
        if let Some(id) = self.id.filter(|&id| state.topics.get(id).is_some()) {
            return Ok(id);
        }
        self.id = state.topics.id(&self.name);
        self.id.ok_or_else(|| {
            Error::new(Action::Abort, Code::UnknownTopic, format!("there is no topic {} (any more)", self.name))
        })
    }
}

impl Producer {
    pub(super) fn new(memory: &Memory, options: &ProducerOptions) -> Result<Self> {
        let unanswered = memory.check_answer(Operation::Initialise, &options.transactional_id)?;
        let mut state = memory.lock();
        let id = state.init_producer(&options.transactional_id, options.transaction_timeout)?;
        no_answer_if(unanswered)?;
        let number = state.next_client();
        drop(state);
        let (topics, names) = Default::default();
        Ok(Self { memory: memory.clone(), options: options.clone(), id, number, topics, names })
    }

    fn known(&mut self, topic: Topic) -> Result<&mut Known> {
        let own = topic.producer == self.number;
        let known = self.topics.get_mut(topic.index as usize).filter(|_| own).and_then(Option::as_mut);
        known.ok_or_else(|| invalid("the topic handle is another producer's, or was forgotten".to_owned()))
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        self.memory.fault(operation, &self.options.transactional_id)
    }

    /// A copy of the request that ends the transaction is still under way.
    fn stray_end(&self, committed: bool) {
        self.memory.lock().strays.push(Stray::EndTransaction { producer: self.id, committed });
    }
}

impl port::Producer for Producer {
    type Transaction = Transaction;

    fn topic(&mut self, name: &str) -> Result<Topic> {
        let index = match self.names.get(name) {
            Some(&index) => index,
            None => {
                let index = u32::try_from(self.topics.len()).map_err(|_| invalid("too many topics".to_owned()))?;
                let name: Arc<str> = name.into();
                self.topics.push(Some(Known { name: name.clone(), id: None, missed: false }));
                self.names.insert(name, index);
                index
            }
        };
        Ok(Topic { producer: self.number, index })
    }

    fn forget(&mut self, topic: Topic) {
        if topic.producer == self.number
            && let Some(known) = self.topics.get_mut(topic.index as usize).and_then(Option::take)
        {
            self.names.remove(&known.name);
        }
    }

    fn leaders_known(&mut self, topics: &[Topic]) -> Result<bool> {
        self.memory.check(Operation::LeadersKnown, &self.options.transactional_id)?;
        let memory = self.memory.clone();
        let state = memory.lock();
        let mut all = true;
        for &topic in topics {
            all &= self.known(topic)?.resolve(&state).is_ok();
        }
        Ok(all)
    }

    fn prove(self, _group: &str, _topic: &str) -> std::result::Result<Option<Self>, (Option<Self>, Error)> {
        let may_be_used = match self.fault(Operation::Prove) {
            Some(Fault::Fail(error)) if error.action == Action::Retry => return Err((Some(self), error)),
            Some(Fault::Fail(error)) => return Err((None, error)),
            fault => fault != Some(Fault::Replace),
        };
        let current = self.memory.lock().check_producer(self.id);
        current.map_err(|error| (None, error))?;
        Ok(may_be_used.then_some(self))
    }

    fn begin(self) -> std::result::Result<Transaction, (Self, Error)> {
        if let Err(error) = self.memory.check(Operation::Begin, &self.options.transactional_id) {
            return Err((self, error));
        }
        Ok(Transaction { producer: self, deliveries: Vec::new(), failed: 0, batches: Batches::default() })
    }
}

pub struct Transaction {
    producer: Producer,
    deliveries: Vec<Delivered>,
    failed: usize,
    batches: Batches,
}

/// How full the batch of each partition is, in bytes, where its topic may not take a full one.
#[derive(Default)]
struct Batches(BTreeMap<(TopicId, i32), usize>);

impl Batches {
    /// Adds a record of this size: what lies in front of it in its batch. A real broker refuses the whole batch; here it takes what comes
    /// before it is too large, which nobody ever sees.
    fn add(&mut self, place: (TopicId, i32), size: usize, options: &ProducerOptions) -> usize {
        let batch = self.0.entry(place).or_default();
        if *batch + size > options.batch_bytes {
            *batch = 0;
        }
        let behind = *batch;
        *batch += size;
        behind
    }
}

impl port::Transaction for Transaction {
    type Producer = Producer;

    fn send(&mut self, record: &Outgoing<'_>, tag: u64) -> Result<()> {
        let producer = &mut self.producer;
        if let Err(error) = producer.memory.check(Operation::Send, &producer.options.transactional_id) {
            if error.code == Code::UnknownTopic {
                producer.known(record.topic)?.missed = true;
            }
            return Err(error);
        }
        if producer.known(record.topic)?.missed {
            return Err(Error::new(Action::Abort, Code::UnknownTopic, "the producer knows of no such topic"));
        }
        let memory = producer.memory.clone();
        let mut state = memory.lock();
        state.check_producer(producer.id)?;
        let topic = producer.known(record.topic)?.resolve(&state);
        let (id, options) = (producer.id, &producer.options);
        let compression = options.compression;
        let outcome = topic.and_then(|topic| {
            let Outgoing { partition, timestamp, key, value, headers, .. } = *record;
            let takes_every_batch =
                state.topics.get(topic).is_none_or(|topic| topic.policy.max_message >= options.batch_bytes);
            let behind = match takes_every_batch || compression != Compression::None {
                true => 0,
                false => self.batches.add((topic, partition), size::plain(key, value, headers), options),
            };
            let incoming = Incoming { topic, partition, timestamp, key, value, headers, compression, behind };
            state.append(&incoming, Some(id))
        });
        drop(state);
        self.failed += usize::from(outcome.is_err());
        if tag & FAILURE_ONLY == 0 || outcome.is_err() {
            self.deliveries.push(Delivered { tag, outcome });
        }
        Ok(())
    }

    fn poll(&mut self) -> Progress {
        Progress { in_flight: 0, failed: self.failed }
    }

    fn flush(&mut self, _wait: Duration) -> Progress {
        self.poll()
    }

    fn deliveries(&mut self) -> Vec<Delivered> {
        std::mem::take(&mut self.deliveries)
    }

    fn send_offsets(&mut self, offsets: &[Offset], group: &GroupMetadata) -> Result<()> {
        let producer = &self.producer;
        let unanswered = producer.memory.check_answer(Operation::SendOffsets, &producer.options.transactional_id)?;
        if let Some(offset) = offsets.iter().find(|offset| offset.offset < 0) {
            return Err(invalid(format!("offset {} of {}/{}", offset.offset, offset.topic, offset.partition)));
        }
        let foreign = || invalid("the group metadata is another broker's".to_owned());
        let identity = group.get::<Identity>().ok_or_else(foreign)?;
        let mut state = producer.memory.lock();
        state.check_producer(producer.id)?;
        let known = state.groups.get(&*identity.group).ok_or_else(|| stale("there is no such group"))?;
        known.check(identity.member, identity.generation)?;
        let number = state.transaction_number(producer.id)?;
        for Offset { topic, partition, offset, metadata } in offsets {
            if let Some(group) = state.groups.get_mut(&*identity.group) {
                let committed = Committed { offset: *offset, metadata: metadata.clone() };
                group.add_pending(number, (topic.clone(), *partition), committed);
            }
            state.note_offset(producer.id, identity.group.clone(), topic.clone(), *partition)?;
        }
        no_answer_if(unanswered)
    }

    fn commit(self) -> Commit<Self, Producer> {
        let fault = self.producer.fault(Operation::Commit);
        match fault {
            Some(Fault::Fail(error)) if error.action == Action::Retry => return Commit::Retry(self, error),
            Some(Fault::Fail(error)) if error.action == Action::Abort => return Commit::Abort(self, error),
            Some(Fault::Fail(error)) => return Commit::Unknown(error),
            Some(Fault::CommitUnknown { happened: false }) => {
                self.producer.stray_end(true);
                return Commit::Unknown(unanswered());
            }
            _ => {}
        }
        if self.failed > 0 {
            let detail = format!("{} records failed delivery", self.failed);
            return Commit::Abort(self, Error::new(Action::Abort, Code::Other, detail));
        }
        let markers = if fault == Some(Fault::MarkersLag) { Markers::Lagging } else { Markers::Written };
        let ended = self.producer.memory.lock().end_transaction(self.producer.id, true, markers);
        match (ended, fault) {
            (Err(error), _) => Commit::Unknown(error),
            (Ok(()), Some(Fault::CommitUnknown { .. })) => {
                self.producer.stray_end(true);
                Commit::Unknown(unanswered())
            }
            (Ok(()), Some(Fault::Replace)) => {
                self.producer.stray_end(true);
                match mutant::is(Mutant::ProducerKeptAfterALateAnswer) {
                    true => Commit::Done(self.producer),
                    false => Commit::DoneReplace,
                }
            }
            (Ok(()), _) => Commit::Done(self.producer),
        }
    }

    fn abort(self) -> Abort<Self, Producer> {
        let fault = self.producer.fault(Operation::Abort);
        match fault {
            Some(Fault::Fail(error)) if error.action == Action::Retry => return Abort::Retry(self, error),
            Some(Fault::Fail(error)) => return Abort::Replace(Some(error)),
            _ => {}
        }
        let markers = if fault == Some(Fault::MarkersLag) { Markers::Lagging } else { Markers::Written };
        let ended = self.producer.memory.lock().end_transaction(self.producer.id, false, markers);
        match (ended, fault) {
            (Err(error), _) => Abort::Replace(Some(error)),
            (Ok(()), Some(Fault::Replace)) => {
                self.producer.stray_end(false);
                Abort::Replace(None)
            }
            (Ok(()), _) => Abort::Done(self.producer),
        }
    }
}

fn unanswered() -> Error {
    Error::new(Action::Rebuild, Code::TimedOut, "no answer to the commit")
}

//! A publisher's and an admin client's side.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fault::{Fault, Operation};
use super::handle::{Memory, meet, no_answer_if};
use super::state::{Incoming, State};
use super::stray::Stray;
use super::topic::invalid;
use crate::broker::murmur2::partition_for;
use crate::broker::{
    self as port, Action, Code, Committed, Compression, Error, NewTopic, Offset, Publication, Receipt, Result,
};

/// Stores records as they are published. A null key goes to partition 0, where a real client picks one at random.
pub struct Publisher {
    memory: Memory,
    receipts: Vec<Result<Receipt>>,
}

impl Publisher {
    pub(super) fn new(memory: &Memory) -> Self {
        Self { memory: memory.clone(), receipts: Vec::new() }
    }
}

impl port::Publisher for Publisher {
    fn publish(&mut self, record: &Publication<'_>) -> Result<()> {
        self.memory.check(Operation::Publish, record.topic)?;
        let mut state = self.memory.lock();
        let receipt = state.topics.find(record.topic).and_then(|topic| {
            let count = state.topics.named(record.topic)?.partitions();
            let partition = record.partition.unwrap_or_else(|| record.key.map_or(0, |key| partition_for(key, count)));
            let Publication { timestamp, key, value, headers, .. } = *record;
            let compression = Compression::None;
            let record = Incoming { topic, partition, timestamp, key, value, headers, compression, behind: 0 };
            let stored = state.append(&record, None)?;
            Ok(Receipt { partition, offset: stored.offset, timestamp: stored.timestamp })
        });
        drop(state);
        // The client has made its own tries: what is left is a refusal.
        self.receipts.push(receipt.map_err(|error| Error { action: Action::Abort, ..error }));
        Ok(())
    }

    fn flush(&mut self, _limit: Duration) -> Result<Vec<Result<Receipt>>> {
        Ok(std::mem::take(&mut self.receipts))
    }
}

pub struct Admin {
    memory: Memory,
}

impl Admin {
    pub(super) fn new(memory: &Memory) -> Self {
        Self { memory: memory.clone() }
    }
}

impl Admin {
    /// As [`Memory::check`]; what is postponed goes among the strays.
    fn check_deletion(&self, operation: Operation, topic: &str, stray: Stray) -> Result<()> {
        match self.memory.fault(operation, topic) {
            Some(Fault::Postpone) => {
                self.memory.lock().strays.push(stray);
                Err(Error::new(Action::Retry, Code::TimedOut, "no answer came in time"))
            }
            fault => meet(operation, fault),
        }
    }
}

impl State {
    pub(super) fn delete_topic(&mut self, name: &str) -> Result<()> {
        let id = self.topics.find(name).map_err(|error| Error { action: Action::Stop, ..error })?;
        // Readers learn it at their next poll.
        for partition in 0..self.topics.named(name)?.partitions() {
            self.touch(id, partition);
        }
        self.topics.delete(name)?;
        self.topic_changed(name);
        Ok(())
    }

    pub(super) fn delete_records(&mut self, name: &str, up_to: i64) -> Result<()> {
        let id = self.topics.find(name)?;
        let topic = self.topics.named_mut(name)?;
        if !topic.policy.delete {
            return Err(invalid(format!("policy violation: {name} is compacted only")));
        }
        let log = topic.log_mut(0)?;
        if up_to < 0 {
            return Err(invalid(format!("offset {up_to}")));
        }
        if up_to > log.next {
            let detail = format!("offset {up_to} is beyond the high watermark {} of {name}", log.next);
            return Err(Error::new(Action::Stop, Code::OutOfRange, detail));
        }
        log.delete_below(up_to);
        self.touch(id, 0);
        Ok(())
    }
}

impl port::Admin for Admin {
    fn create_topics(&mut self, topics: &[NewTopic]) -> Result<Vec<Result<()>>> {
        let create = |topic: &NewTopic| {
            let unanswered = self.memory.check_answer(Operation::CreateTopics, &topic.name)?;
            let mut state = self.memory.lock();
            state.topics.create(topic)?;
            state.topic_changed(&topic.name);
            no_answer_if(unanswered)
        };
        Ok(topics.iter().map(create).collect())
    }

    fn delete_topics(&mut self, topics: &[String]) -> Result<Vec<Result<()>>> {
        let delete = |name: &String| {
            self.check_deletion(Operation::DeleteTopics, name, Stray::DeleteTopic { topic: name.clone() })?;
            self.memory.lock().delete_topic(name)
        };
        Ok(topics.iter().map(delete).collect())
    }

    fn delete_records(&mut self, up_to: &[(String, i64)]) -> Result<Vec<Result<()>>> {
        let delete = |(name, offset): &(String, i64)| {
            let stray = Stray::DeleteRecords { topic: name.clone(), up_to: *offset };
            self.check_deletion(Operation::DeleteRecords, name, stray)?;
            self.memory.lock().delete_records(name, *offset)
        };
        Ok(up_to.iter().map(delete).collect())
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        self.memory.check(Operation::Partitions, topic)?;
        Ok(self.memory.lock().topics.named(topic).ok().map(super::topic::TopicLogs::partitions))
    }

    fn topics(&mut self, prefix: &str) -> Result<Vec<String>> {
        self.memory.check(Operation::ListTopics, prefix)?;
        Ok(self.memory.lock().topics.starting_with(prefix).map(str::to_owned).collect())
    }

    fn topic_config(&mut self, topic: &str) -> Result<BTreeMap<String, String>> {
        self.memory.check(Operation::TopicConfig, topic)?;
        Ok(self.memory.lock().topics.named(topic)?.settings.clone())
    }

    fn broker_config(&mut self) -> Result<BTreeMap<String, String>> {
        self.memory.check(Operation::BrokerConfig, "")?;
        Ok(self.memory.lock().settings.clone())
    }

    fn replicas(&mut self, topic: &str) -> Result<Option<i32>> {
        self.memory.check(Operation::Partitions, topic)?;
        Ok(self.memory.lock().topics.named(topic).ok().map(|topic| topic.replicas))
    }

    /// It is one broker, however many replicas it was told to keep.
    fn brokers(&mut self) -> Result<usize> {
        Ok(1)
    }

    fn group_offsets(&mut self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<Option<Committed>>> {
        self.memory.check(Operation::GroupOffsets, group)?;
        Ok(partitions.iter().map(|partition| self.memory.committed(group, topic, *partition)).collect())
    }

    /// It has no users: whoever reaches it may do everything.
    fn allowed(&mut self, topic: &str) -> Result<Option<BTreeSet<port::Operation>>> {
        self.memory.check(Operation::Partitions, topic)?;
        self.memory.lock().topics.named(topic)?;
        Ok(Some(port::Operation::ALL.into()))
    }

    fn set_group_offset(&mut self, group: &str, offset: &Offset) -> Result<()> {
        self.memory.check(Operation::GroupOffsets, group)?;
        if offset.offset < 0 {
            return Err(invalid(format!("offset {}", offset.offset)));
        }
        let mut state = self.memory.lock();
        state.topics.named(&offset.topic)?.log(offset.partition)?;
        let committed = Committed { offset: offset.offset, metadata: offset.metadata.clone() };
        state.groups.entry(group.to_owned()).or_default().set((offset.topic.clone(), offset.partition), committed)
    }
}

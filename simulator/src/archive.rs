//! What retention and the cleaner take, kept for the checker: it has to see every record there ever was.

use std::collections::BTreeMap;

use flowgate::broker::memory::Memory;
use flowgate::broker::{Admin, Broker, Isolation, Record};
use flowgate::demo::proof;
use flowgate::schema::topics::Topics;
use flowgate_checker::Log;

use crate::plan::PARTITIONS;

/// Committed records by topic and partition: what retention has taken, and every public state up to the last look.
#[derive(Default)]
pub struct Archive {
    taken: BTreeMap<(String, i32), Vec<Record>>,
}

impl Archive {
    /// Runs retention: on what the gate writes by the age of records, on the enrollments up to where they were read (the
    /// gate promises nothing about events that were deleted before it could read them).
    ///
    /// # Errors
    /// The broker's, as a sentence.
    pub fn retain(&mut self, memory: &Memory, topics: &Topics) -> Result<(), String> {
        let failed = |error: flowgate::broker::Error| error.to_string();
        for topic in [&topics.records, &topics.discarded, &topics.dead_letters, &topics.audit] {
            let before = self.look(memory, topic)?;
            memory.retain(topic).map_err(failed)?;
            self.take(memory, topic, before)?;
        }
        let before = self.look(memory, &topics.enrollments)?;
        for partition in 0..PARTITIONS {
            if let Some(committed) = memory.committed(&topics.group, &topics.enrollments, partition) {
                memory.delete_below(&topics.enrollments, partition, committed.offset).map_err(failed)?;
            }
        }
        self.take(memory, &topics.enrollments, before)
    }

    /// Takes note of every public state before the cleaner comes.
    ///
    /// # Errors
    /// The broker's, as a sentence.
    pub fn keep_states(&mut self, memory: &Memory, topics: &Topics) -> Result<(), String> {
        for partition in 0..PARTITIONS {
            let kept = self.taken.entry((topics.state.clone(), partition)).or_default();
            let next = kept.last().map_or(0, |record| record.offset + 1);
            let new = seen(memory, &topics.state, partition)?;
            kept.extend(new.into_iter().filter(|record| record.offset >= next));
        }
        Ok(())
    }

    fn look(&self, memory: &Memory, topic: &str) -> Result<Vec<Vec<Record>>, String> {
        (0..PARTITIONS).map(|partition| seen(memory, topic, partition)).collect()
    }

    fn take(&mut self, memory: &Memory, topic: &str, before: Vec<Vec<Record>>) -> Result<(), String> {
        for (partition, records) in (0..).zip(before) {
            let marks = memory.watermarks(topic, partition, Isolation::ReadCommitted);
            let low = marks.map_err(|error| error.to_string())?.low;
            let taken = records.into_iter().filter(|record| record.offset < low);
            self.taken.entry((topic.to_owned(), partition)).or_default().extend(taken);
        }
        Ok(())
    }

    /// Everything there ever was, as the checker wants it.
    ///
    /// # Errors
    /// The broker's, as a sentence.
    pub fn log(&self, memory: &Memory, topics: &Topics) -> Result<Log, String> {
        let failed = |error: flowgate::broker::Error| error.to_string();
        let mut admin = memory.admin().map_err(failed)?;
        let queues = admin.topics(&topics.queue_prefix()).map_err(failed)?;
        proof::gather(topics, PARTITIONS, &queues, |topic| {
            let mut all = Vec::new();
            for partition in 0..admin.partitions(topic).map_err(failed)?.unwrap_or_default() {
                let taken = self.taken.get(&(topic.to_owned(), partition)).map_or(&[][..], Vec::as_slice);
                let next = taken.last().map_or(0, |record| record.offset + 1);
                let left = seen(memory, topic, partition)?.into_iter().filter(|record| record.offset >= next);
                all.extend(taken.iter().cloned().chain(left).map(proof::plain));
            }
            Ok(all)
        })
    }
}

fn seen(memory: &Memory, topic: &str, partition: i32) -> Result<Vec<Record>, String> {
    memory.dump(topic, partition, Isolation::ReadCommitted).map_err(|error| error.to_string())
}

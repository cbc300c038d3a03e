//! Follows the state topic: every flow and partition record as committed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use super::{no_topic, read_on, rest};
use crate::broker::murmur2::partition_for;
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, Reader, Record, Result, Watermarks};
use crate::flow::{Flow, FlowId, Partition};
use crate::schema::{self, Document, topics::Topics};
use crate::time::Timestamp;

/// A flow as its state says.
#[derive(Clone, Debug)]
pub struct Known {
    pub flow: Flow,
    /// The document as it stands in the topic, with fields that only a newer gate knows.
    pub document: Bytes,
    pub partition: i32,
}

/// A flow as its state says, for those who keep all of them: most were never paused, and their states can be written anew.
pub enum Kept {
    /// Nothing is known but its first event.
    Fresh {
        seen_at: Timestamp,
        partition: i32,
    },
    Full(Box<Known>),
}

impl Kept {
    #[must_use]
    pub fn new(known: Box<Known>) -> Self {
        let (seen_at, partition) = (known.flow.updated_at, known.partition);
        let is_fresh = known.flow.is_new() && document_of(&known.flow) == known.document;
        if is_fresh { Self::Fresh { seen_at, partition } } else { Self::Full(known) }
    }

    #[must_use]
    pub fn state_word(&self) -> &'static str {
        match self {
            Self::Fresh { .. } => "live",
            Self::Full(known) => known.flow.state_word(),
        }
    }

    /// What is known beyond its first event.
    #[must_use]
    pub fn flow(&self) -> Option<&Flow> {
        match self {
            Self::Fresh { .. } => None,
            Self::Full(known) => Some(&known.flow),
        }
    }

    /// The flow; `id` is its.
    #[must_use]
    pub fn whole(&self, id: &FlowId) -> Cow<'_, Flow> {
        match self {
            Self::Fresh { seen_at, .. } => Cow::Owned(Flow::new(id.clone(), *seen_at)),
            Self::Full(known) => Cow::Borrowed(&known.flow),
        }
    }

    /// All of it; `id` is the flow's.
    #[must_use]
    pub fn known(&self, id: &FlowId) -> Cow<'_, Known> {
        match self {
            Self::Fresh { partition, .. } => {
                let flow = self.whole(id).into_owned();
                Cow::Owned(Known { document: document_of(&flow), flow, partition: *partition })
            }
            Self::Full(known) => Cow::Borrowed(known),
        }
    }
}

fn document_of(flow: &Flow) -> Bytes {
    schema::state::write(&mut Document::new(flow.clone())).into()
}

/// One record of the state topic, read.
pub enum Change {
    Flow(Box<Known>),
    /// The state of this flow was taken away.
    Gone(String),
    Partition(i32, Box<Partition>),
}

impl Known {
    /// The state as it stands in the topic, with what is held now and where its home is.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut document: Value = serde_json::from_slice(&self.document).unwrap_or_default();
        if let Some(fields) = document.as_object_mut() {
            let held = self.flow.counts.held();
            let held = json!({"enroll": held.enroll, "advance": held.advance, "total": held.total()});
            fields.insert("held".to_owned(), held);
            fields.insert("partition".to_owned(), self.partition.into());
        }
        document
    }
}

/// How far a reading is, in offsets of all partitions together; some of them may hold nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub read: i64,
    pub end: i64,
}

/// A reader of the state topic, and what it has read.
pub struct States<B: Broker> {
    reader: B::Reader,
    topic: Arc<str>,
    /// Where each partition began and ended when the reading began.
    marks: Vec<Watermarks>,
    reading: Vec<i32>,
    /// The broker's time of the newest record that was read.
    newest: Timestamp,
    pub flows: BTreeMap<FlowId, Known>,
    pub partitions: BTreeMap<i32, Partition>,
}

impl<B: Broker> States<B> {
    /// # Errors
    /// Of the broker; [`Code::UnknownTopic`] if there is no state topic.
    pub fn open(broker: &B, topics: &Topics) -> Result<Self> {
        Self::of(broker, topics, |_| true)
    }

    /// Only the partition that is the home of a flow.
    ///
    /// # Errors
    /// As [`States::open`].
    pub fn home_of(broker: &B, topics: &Topics, flow: &FlowId) -> Result<Self> {
        Self::homes_of(broker, topics, std::slice::from_ref(flow))
    }

    /// Only the partitions that are the homes of these flows.
    ///
    /// # Errors
    /// As [`States::open`].
    pub fn homes_of(broker: &B, topics: &Topics, flows: &[FlowId]) -> Result<Self> {
        let count = count(broker, topics)?;
        let homes: BTreeSet<i32> = flows.iter().map(|flow| partition_for(flow.as_str().as_bytes(), count)).collect();
        // Where everything is forwarded partitions may have been added, and homes are fewer than there are.
        Self::of(broker, topics, |partition| topics.forwards || homes.contains(&partition))
    }

    fn of(broker: &B, topics: &Topics, which: impl Fn(i32) -> bool) -> Result<Self> {
        let count = count(broker, topics)?;
        let mut reader = broker.reader(Isolation::ReadCommitted)?;
        let reading: Vec<i32> = (0..count).filter(|partition| which(*partition)).collect();
        // All are asked for before anything is read: behind a fetch that waits for records they would wait too.
        let marks = reading.iter().map(|partition| reader.watermarks(&topics.state, *partition));
        let marks = marks.collect::<Result<Vec<Watermarks>>>()?;
        let topic: Arc<str> = topics.state.as_str().into();
        let begins = reading.iter().zip(&marks).map(|(partition, marks)| (Arc::clone(&topic), *partition, marks.low));
        reader.assign_all(&begins.collect::<Vec<_>>())?;
        let newest = Timestamp::default();
        Ok(Self { reader, topic, marks, reading, newest, flows: BTreeMap::new(), partitions: BTreeMap::new() })
    }

    /// Reads on; `true` if something came.
    ///
    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn poll(&mut self) -> Result<bool> {
        let changes = self.read()?;
        let some = !changes.is_empty();
        changes.into_iter().for_each(|change| drop(self.take(change)));
        Ok(some)
    }

    /// [`States::poll`]: the ids of the flows whose states have changed or were taken away.
    ///
    /// # Errors
    /// As [`States::poll`].
    pub fn poll_changed(&mut self) -> Result<BTreeSet<String>> {
        let changes = self.read()?;
        Ok(changes.into_iter().filter_map(|change| self.take(change)).collect())
    }

    /// Keeps it; the id if it is about a flow.
    fn take(&mut self, change: Change) -> Option<String> {
        match change {
            Change::Flow(known) => {
                let id = known.flow.id.clone();
                self.flows.insert(id.clone(), *known);
                Some(id.to_string())
            }
            Change::Gone(id) => {
                self.flows.remove(id.as_str());
                Some(id)
            }
            Change::Partition(number, record) => {
                self.partitions.insert(number, *record);
                None
            }
        }
    }

    /// Reads on, for somebody who keeps the flows elsewhere.
    ///
    /// # Errors
    /// As [`States::poll`].
    pub fn read(&mut self) -> Result<Vec<Change>> {
        let records = read_on(&mut self.reader)?;
        if records.is_empty() {
            rest();
        }
        self.newest = records.iter().map(|record| record.timestamp).fold(self.newest, Timestamp::max);
        Ok(records.iter().filter_map(change).collect())
    }

    /// Reads until where the topic ended when this was opened.
    ///
    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if it takes longer than `limit`.
    pub fn catch_up(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.is_caught_up()? {
            if Instant::now() >= deadline {
                let detail = format!("`{}` could not be read to its end within {limit:?}", self.topic);
                return Err(Error::new(Action::Retry, Code::TimedOut, detail));
            }
            self.poll()?;
        }
        Ok(())
    }

    /// Whether everything was read that was there when this was opened.
    ///
    /// # Errors
    /// Of the broker.
    pub fn is_caught_up(&mut self) -> Result<bool> {
        for (partition, marks) in self.reading.iter().zip(&self.marks) {
            if self.reader.position(&self.topic, *partition)?.unwrap_or_default() < marks.end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether everything was read that is there now: asks the brokers, by a reader that reads nothing. This one's own would wait
    /// for the answer as long as its fetch waits for records, and so would what is new then: a broker answers one
    /// request of a connection after the other.
    ///
    /// # Errors
    /// Of the broker.
    pub fn is_at_end(&mut self, asker: &mut B::Reader) -> Result<bool> {
        for partition in &self.reading {
            let end = asker.watermarks(&self.topic, *partition)?.end;
            if self.reader.position(&self.topic, *partition)?.unwrap_or_default() < end {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How much was read of what was there when this was opened.
    ///
    /// # Errors
    /// Of the broker.
    pub fn progress(&mut self) -> Result<Progress> {
        let mut progress = Progress::default();
        for (partition, marks) in self.reading.iter().zip(&self.marks) {
            let position = self.reader.position(&self.topic, *partition)?.unwrap_or(marks.low);
            progress.read += position.clamp(marks.low, marks.end) - marks.low;
            progress.end += marks.end - marks.low;
        }
        Ok(progress)
    }

    /// The broker's time of the newest record that was read.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.newest
    }
}

/// What a record of the state topic says.
fn change(record: &Record) -> Option<Change> {
    let key = record.key.as_deref().unwrap_or_default();
    let Some(value) = &record.value else {
        return std::str::from_utf8(key).ok().map(|id| Change::Gone(id.to_owned()));
    };
    let read = if key.is_empty() {
        schema::partition::read(value).map(|document| Change::Partition(record.partition, Box::new(document.body)))
    } else {
        schema::state::read(value).map(|document| {
            let (flow, partition) = (document.body, record.partition);
            // Of its own: the record's memory would be kept whole with it.
            Change::Flow(Box::new(Known { flow, document: Bytes::copy_from_slice(value), partition }))
        })
    };
    match read {
        Ok(change) => Some(change),
        Err(error) => {
            let at = format!("{}/{}/{}", record.topic, record.partition, record.offset);
            tracing::warn!(at, %error, "a state cannot be read; passed over");
            None
        }
    }
}

fn count<B: Broker>(broker: &B, topics: &Topics) -> Result<i32> {
    broker.admin()?.partitions(&topics.state)?.ok_or_else(|| no_topic(&topics.state))
}

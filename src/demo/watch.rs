//! Follows the topics of a gate, as anybody who may read them could: counts, per flow, what came in and what became of
//! it, and brings the news.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::time::Duration;

use super::Failure;
use crate::broker::{Action, Admin, Broker, Isolation, PollLimit, Polled, Reader, Record};
use crate::flow::{AuditEvent, Flow, Kind, RecordId, State};
use crate::schema;
use crate::schema::headers::{self, Discarded};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// What has happened.
#[derive(Clone, Debug)]
pub enum News {
    Audit(Box<AuditEvent>),
    /// A withdraw went through a flow that is not live, and took out what was held of its record.
    TakenOut {
        flow: String,
        record: RecordId,
        at: Timestamp,
    },
}

/// What became of a flow's events so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Counted in the enrollments.
    pub input: u64,
    /// Delivered as they came; counted in the records.
    pub delivered: u64,
    /// As the flow's public state says.
    pub held: u64,
    /// Delivered out of the queue; counted in the records.
    pub released: u64,
    /// As the flow's public state says: what was replaced is in no topic.
    pub replaced: u64,
    /// Counted among the discarded, as [`Fates::turned_away`] is.
    pub removed: u64,
    pub turned_away: u64,
}

/// A flow as it is seen from outside.
#[derive(Default)]
pub struct Watched {
    fates: Fates,
    /// Its newest public state.
    pub state: Option<Flow>,
    /// Records of which something is held.
    held: HashSet<RecordId>,
    /// The queue topic that is read.
    queue: Option<String>,
}

impl Watched {
    #[must_use]
    pub fn fates(&self) -> Fates {
        let counts = self.state.as_ref().map(|flow| flow.counts).unwrap_or_default();
        Fates { held: counts.held().total(), replaced: counts.replaced.total(), ..self.fates }
    }
}

/// Failed polls that are made again at once.
const TROUBLES: u32 = 5;

/// Reads along.
pub struct Watch<B: Broker> {
    reader: B::Reader,
    topics: Topics,
    flows: BTreeMap<String, Watched>,
}

const LIMIT: PollLimit = PollLimit { records: 10_000, bytes: 16 * 1024 * 1024, wait: Duration::ZERO };

impl<B: Broker> Watch<B> {
    /// From the beginning of the topics.
    ///
    /// # Errors
    /// The broker's, if it cannot be reached or a topic is missing.
    pub fn new(broker: &B, topics: &Topics) -> Result<Self, Failure> {
        let mut reader = broker.reader(Isolation::ReadCommitted)?;
        let mut admin = broker.admin()?;
        for topic in [&topics.enrollments, &topics.records, &topics.discarded, &topics.state, &topics.audit] {
            for partition in 0..admin.partitions(topic)?.unwrap_or_default() {
                reader.assign(topic, partition, 0)?;
            }
        }
        Ok(Self { reader, topics: topics.clone(), flows: BTreeMap::new() })
    }

    /// All flows seen so far, by their names.
    #[must_use]
    pub fn flows(&self) -> &BTreeMap<String, Watched> {
        &self.flows
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if the gate has written something that it should not have, or the broker's.
    pub fn poll(&mut self) -> Result<Vec<News>, Failure> {
        let mut news = Vec::new();
        let mut troubles = 0;
        loop {
            let mut records = Vec::new();
            match self.reader.poll(LIMIT, &mut records) {
                Ok(Polled::OutOfRange { topic, partition, low }) => {
                    // The gate has emptied a queue that is passed: what comes next lies behind it.
                    self.reader.assign(&topic, partition, low)?;
                    continue;
                }
                Ok(Polled::Records | Polled::Assigned(_) | Polled::Revoked { .. }) => {}
                // A queue topic that has served is deleted, and is no longer read; anything else may pass.
                Err(error) if error.action == Action::Retry && troubles < TROUBLES => {
                    troubles += 1;
                    continue;
                }
                Err(error) if error.action == Action::Retry => return Ok(news),
                Err(error) => return Err(error.into()),
            }
            if records.is_empty() {
                return Ok(news);
            }
            for record in records {
                self.take(&record, &mut news)?;
            }
        }
    }

    fn take(&mut self, record: &Record, news: &mut Vec<News>) -> Result<(), Failure> {
        let topics = &self.topics;
        let topic = &*record.topic;
        if topic == topics.audit {
            let event = schema::audit::read(record.value.as_deref().unwrap_or_default());
            news.push(News::Audit(Box::new(event.map_err(|why| unreadable(record, why))?)));
        } else if topic == topics.state {
            self.take_state(record)?;
        } else if topic.starts_with(&topics.queue_prefix()) {
            self.take_entry(record, news)?;
        } else {
            self.count(record)?;
        }
        Ok(())
    }

    fn count(&mut self, record: &Record) -> Result<(), Failure> {
        let event = schema::event::read(record.value.as_deref());
        let event = event.map_err(|why| unreadable(record, why.detail))?;
        let fates = &mut self.flows.entry(event.flow.as_str().to_owned()).or_default().fates;
        let topic = &*record.topic;
        if topic == self.topics.enrollments {
            fates.input += 1;
        } else if topic == self.topics.records {
            match record.last_header(headers::RELEASE) {
                Some(_) => fates.released += 1,
                None => fates.delivered += 1,
            }
        } else {
            let reason = record.last_header(headers::REASON).and_then(|header| header.value.as_deref());
            match reason == Some(Discarded::TurnedAway.word().as_bytes()) {
                true => fates.turned_away += 1,
                false => fates.removed += 1,
            }
        }
        Ok(())
    }

    fn take_state(&mut self, record: &Record) -> Result<(), Failure> {
        if record.key.as_deref() == Some(schema::partition::KEY) {
            return Ok(());
        }
        let Some(value) = record.value.as_deref() else { return Ok(()) };
        let flow = schema::state::read(value).map_err(|why| unreadable(record, why))?.body;
        let watched = self.flows.entry(flow.id.as_str().to_owned()).or_default();
        if flow.queue.topic != watched.queue {
            if let Some(topic) = &flow.queue.topic {
                self.reader.assign(topic, 0, flow.queue.watermark.offset)?;
            }
            watched.queue.clone_from(&flow.queue.topic);
        }
        if matches!(flow.state, State::Live) {
            watched.held.clear();
        }
        watched.state = Some(flow);
        Ok(())
    }

    fn take_entry(&mut self, record: &Record, news: &mut Vec<News>) -> Result<(), Failure> {
        let Some(held) = schema::entry::read(record).map_err(|why| unreadable(record, why))? else { return Ok(()) };
        let of_topic = |watched: &Watched| watched.queue.as_deref() == Some(&*record.topic);
        let Some((flow, watched)) = self.flows.iter_mut().find(|(_, watched)| of_topic(watched)) else { return Ok(()) };
        match held.kind {
            Kind::Enroll | Kind::Advance => {
                watched.held.insert(held.record_id);
            }
            Kind::Withdraw => {
                if watched.held.remove(&held.record_id) {
                    news.push(News::TakenOut { flow: flow.clone(), record: held.record_id, at: held.held_at });
                }
            }
        }
        Ok(())
    }
}

fn unreadable(record: &Record, why: impl Display) -> Failure {
    Failure::Unreadable { topic: record.topic.to_string(), why: why.to_string() }
}

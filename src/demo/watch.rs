//! Follows the topics of a gate, as anybody who may read them could: counts, per flow, what came in and what became of
//! it, and brings the news.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Display;
use std::time::Duration;

use super::Failure;
use super::calendar::Calendar;
use super::patience::patiently;
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, PollLimit, Polled, Reader, Record};
use crate::client::audited::Audited;
use crate::flow::{AuditEvent, Counts, Flow, Happening, Kind, Pause, RecordId, State};
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
    /// Its newest public state; the times of its pause are the calendar's.
    pub state: Option<Flow>,
    /// When its last transition was that was heard of, by the gate's clock.
    changed_at: Timestamp,
    /// Records of which something is held.
    held: HashSet<RecordId>,
    /// The queue topic that is read.
    queue: Option<Queue>,
    /// The last entry read of it.
    last_entry: u64,
}

struct Queue {
    topic: String,
    entries: schema::entry::Reader,
}

impl Watched {
    #[must_use]
    pub fn fates(&self) -> Fates {
        let counts = self.counts();
        Fates { held: counts.held().total(), replaced: counts.replaced.total(), ..self.fates }
    }

    fn counts(&self) -> Counts {
        self.state.as_ref().map(|flow| flow.counts).unwrap_or_default()
    }

    /// Whether its state is as new as what was heard of it, and the topics hold as much as it says.
    fn agrees(&self) -> bool {
        let (counts, fates) = (self.counts(), self.fates);
        let Some(flow) = &self.state else { return self.changed_at == Timestamp::default() };
        let queue = &flow.queue;
        flow.updated_at >= self.changed_at
            && counts.released.total() == fates.released
            && counts.removed.total() == fates.removed
            && counts.turned_away.total() == fates.turned_away
            && (queue.is_passed() || self.last_entry >= queue.last_entry())
    }

    /// Whether it stays as it is without further events until after `now`.
    fn rests(&self, now: Timestamp) -> bool {
        match self.state.as_ref().map(|flow| &flow.state) {
            None | Some(State::Live) => true,
            Some(State::Paused(pause)) => pause.resumes_at > now,
            Some(State::Resuming { drain, .. }) => drain.max_rate.is_some(),
        }
    }
}

/// Failed polls that are made again at once.
const TROUBLES: u32 = 5;

/// Reads along.
pub struct Watch<B: Broker> {
    reader: B::Reader,
    topics: Topics,
    flows: BTreeMap<String, Watched>,
    /// Commands answered.
    answers: u64,
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
            let missing = || Error::new(Action::Retry, Code::UnknownTopic, format!("there is no topic `{topic}`"));
            for partition in 0..patiently(|| admin.partitions(topic)?.ok_or_else(missing))? {
                patiently(|| reader.assign(topic, partition, 0))?;
            }
        }
        Ok(Self { reader, topics: topics.clone(), flows: BTreeMap::new(), answers: 0 })
    }

    /// All flows seen so far, by their names.
    #[must_use]
    pub fn flows(&self) -> &BTreeMap<String, Watched> {
        &self.flows
    }

    /// Events that were delivered, held or turned away: each of them is one of these when it comes.
    #[must_use]
    pub fn placed(&self) -> u64 {
        let placed = |of: &Watched| of.fates.delivered + of.counts().queued.total() + of.fates.turned_away;
        self.flows.values().map(placed).sum()
    }

    /// Commands that were answered.
    #[must_use]
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Whether what was read of one topic is borne out by what was read of the others.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.flows.values().all(Watched::agrees)
    }

    /// Whether no pause is over by `now`, a time of the calendar, and no drain goes on but those at a rate.
    #[must_use]
    pub fn rests(&self, now: Timestamp) -> bool {
        self.flows.values().all(|watched| watched.rests(now))
    }

    /// When, in the calendar, the next pause is over.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let states = self.flows.values().filter_map(|watched| watched.state.as_ref());
        states.filter_map(Flow::deadline).min()
    }

    /// Reads what is new. `calendar`: how the times in it are to be read.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if the gate has written something that it should not have, or the broker's.
    pub fn poll(&mut self, calendar: &Calendar) -> Result<Vec<News>, Failure> {
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
                self.take(&record, calendar, &mut news)?;
            }
        }
    }

    fn take(&mut self, record: &Record, calendar: &Calendar, news: &mut Vec<News>) -> Result<(), Failure> {
        let topics = &self.topics;
        let topic = &*record.topic;
        if topic == topics.audit {
            let event = Audited::read(record.value.as_deref().unwrap_or_default());
            match event.map_err(|why| unreadable(record, why))? {
                Audited::Gate(event) => news.push(self.take_audit(event, calendar)),
                // It comes in again, and is counted there.
                Audited::Redriven(_) => {}
            }
        } else if topic == topics.state {
            self.take_state(record, calendar)?;
        } else if topic.starts_with(&topics.queue_prefix()) {
            self.take_entry(record, calendar, news)?;
        } else {
            self.count(record)?;
        }
        Ok(())
    }

    fn take_audit(&mut self, mut event: Box<AuditEvent>, calendar: &Calendar) -> News {
        match (&event.happening, &event.flow) {
            (Happening::Answer { repeated, .. }, _) => self.answers += u64::from(!repeated),
            (Happening::Transition { .. }, Some(flow)) => {
                let watched = self.flows.entry(flow.as_str().to_owned()).or_default();
                watched.changed_at = watched.changed_at.max(event.at);
            }
            (Happening::Transition { .. }, None) => {}
        }
        event.at = calendar.time(event.at);
        News::Audit(event)
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

    fn take_state(&mut self, record: &Record, calendar: &Calendar) -> Result<(), Failure> {
        if record.key.as_deref() == Some(schema::partition::KEY) {
            return Ok(());
        }
        let Some(value) = record.value.as_deref() else { return Ok(()) };
        let mut flow = schema::state::read(value).map_err(|why| unreadable(record, why))?.body;
        let watched = self.flows.entry(flow.id.as_str().to_owned()).or_default();
        if flow.queue.topic.as_ref() != watched.queue.as_ref().map(|queue| &queue.topic) {
            if let Some(topic) = &flow.queue.topic {
                self.reader.assign(topic, 0, flow.queue.watermark.offset)?;
            }
            let entries = schema::entry::Reader::new(&flow.id);
            watched.queue = flow.queue.topic.clone().map(|topic| Queue { topic, entries });
        }
        if let State::Paused(pause) | State::Resuming { pause, .. } = &mut flow.state {
            translate(pause, watched.state.as_ref().and_then(Flow::pause), calendar);
        }
        if matches!(flow.state, State::Live) {
            watched.held.clear();
        }
        watched.state = Some(flow);
        Ok(())
    }

    fn take_entry(&mut self, record: &Record, calendar: &Calendar, news: &mut Vec<News>) -> Result<(), Failure> {
        let of_topic = |watched: &Watched| watched.queue.as_ref().is_some_and(|queue| *queue.topic == *record.topic);
        let Some((flow, watched)) = self.flows.iter_mut().find(|(_, watched)| of_topic(watched)) else { return Ok(()) };
        let Some(queue) = &mut watched.queue else { return Ok(()) };
        let Some(held) = queue.entries.read(record).map_err(|why| unreadable(record, why))? else { return Ok(()) };
        watched.last_entry = watched.last_entry.max(held.number);
        match held.kind {
            Kind::Enroll | Kind::Advance => {
                watched.held.insert(held.record_id);
            }
            Kind::Withdraw => {
                if watched.held.remove(&held.record_id) {
                    let at = match calendar {
                        // Whatever was leapt over happened in its own time: the event says in which.
                        Calendar::Standing { now, .. } => said_at(record).unwrap_or(*now),
                        calendar => calendar.time(held.held_at),
                    };
                    news.push(News::TakenOut { flow: flow.clone(), record: held.record_id, at });
                }
            }
        }
        Ok(())
    }
}

/// Gives a pause the times of the calendar. One that was known keeps its beginning there.
fn translate(pause: &mut Pause, known: Option<&Pause>, calendar: &Calendar) {
    let length = calendar.length(pause.resumes_at.since(pause.paused_at));
    let known = known.filter(|known| known.id == pause.id).map(|known| known.paused_at);
    pause.paused_at = known.unwrap_or_else(|| calendar.time(pause.paused_at));
    pause.resumes_at = pause.paused_at.after(length);
}

/// When an event happened, as the upstream says in it.
fn said_at(record: &Record) -> Option<Timestamp> {
    let value: serde_json::Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
    let at = chrono::DateTime::parse_from_rfc3339(value.get("at")?.as_str()?).ok()?;
    Some(Timestamp(at.timestamp_millis()))
}

fn unreadable(record: &Record, why: impl Display) -> Failure {
    Failure::Unreadable { topic: record.topic.to_string(), why: why.to_string() }
}

//! What a group member and a groupless reader have in common: a client, the partitions it fetches, and polling.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaType;
use sys::rd_kafka_resp_err_t::*;

use super::REQUEST;
use super::errors::{self, RespErr, plain};
use super::event::{ErrorEvent, Event, NativeEvent};
use super::list::Partitions;
use super::native::{Client, done, millis};
use super::record;
use super::shared::Shared;
use crate::broker::{Action, Code, Error, PollLimit, Polled, Record, Result, Watermarks};

pub(super) struct Consumer {
    pub client: Client,
    /// By name.
    topics: HashMap<Box<[u8]>, Fetched, RandomState>,
    /// Positions that librdkafka gave up on, to be looked at with the next poll.
    astray: Vec<(Arc<str>, i32)>,
}

/// A topic of which something is fetched.
struct Fetched {
    name: Arc<str>,
    partitions: HashMap<i32, Fetch, RandomState>,
}

/// A partition being fetched.
struct Fetch {
    /// The offset of the next record to deliver. What comes below it was read before a seek.
    next: i64,
    paused: bool,
    /// librdkafka stopped fetching it over an error: a seek does not start it again.
    stopped: bool,
}

/// A change of assignment, for the member to record.
pub(super) enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

impl Consumer {
    pub fn new(config: ClientConfig, shared: Arc<Shared>) -> Result<Self> {
        let client = Client::new(RDKafkaType::RD_KAFKA_CONSUMER, config, shared)?;
        Ok(Self { client, topics: HashMap::default(), astray: Vec::new() })
    }

    /// Reads records until a limit, an error or a change of assignment (handed to `on_change`).
    pub fn poll(
        &mut self,
        limit: PollLimit,
        records: &mut Vec<Record>,
        mut on_change: impl FnMut(Change),
    ) -> Result<Polled> {
        let _entered = self.client.shared.enter("poll", limit.wait);
        self.client.shared.check()?;
        if let Some(polled) = self.find_the_astray()? {
            return Ok(polled);
        }
        let deadline = Instant::now() + limit.wait;
        let (mut count, mut bytes) = (0, 0);
        while count < limit.records && bytes < limit.bytes {
            // The wait is for the first record only.
            let wait = if count == 0 { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.client.poll(wait) {
                None => break,
                Some(Event::Record(event)) => {
                    if let Some(record) = self.accept(&event) {
                        count += 1;
                        bytes += record.size();
                        records.push(record);
                    }
                }
                Some(Event::Assign(partitions)) => {
                    on_change(Change::Assigned(partitions));
                    break;
                }
                Some(Event::Revoke(partitions)) => {
                    on_change(Change::Revoked(partitions));
                    break;
                }
                Some(Event::Error(error)) => {
                    self.heed(error, count)?;
                    if !self.astray.is_empty() {
                        break;
                    }
                }
                Some(Event::Deliveries(_) | Event::Answer(_)) => {}
            }
        }
        Ok(Polled::Records)
    }

    /// The record of an event, unless it was read before a seek or a pause.
    fn accept(&mut self, event: &NativeEvent) -> Option<Record> {
        // SAFETY: the event lives and owns the message, and that its topic.
        unsafe {
            let message = sys::rd_kafka_event_message_next(event.ptr());
            let fields = message.as_ref()?;
            let name = CStr::from_ptr(sys::rd_kafka_topic_name(fields.rkt)).to_bytes();
            let Fetched { name: topic, partitions } = self.topics.get_mut(name)?;
            let fetch = partitions.get_mut(&fields.partition)?;
            if fetch.paused || fields.offset < fetch.next {
                return None;
            }
            fetch.next = fields.offset + 1;
            Some(record::read(message, Arc::clone(topic)))
        }
    }

    /// An error that came up while polling. What only passes by is an error of the call if it has nothing else to say.
    fn heed(&mut self, error: ErrorEvent, read: usize) -> Result<()> {
        self.client.shared.check()?;
        if let Some((topic, partition, offset)) = &error.at
            && let Some(topic) = self.topics.get(topic.as_bytes())
        {
            let topic = Arc::clone(&topic.name);
            match (error.code, self.fetch(&topic, *partition)) {
                // Everything below was delivered or is not for us: gaps at the end are passed here.
                (RD_KAFKA_RESP_ERR__PARTITION_EOF, Some(fetch)) => {
                    if !fetch.paused {
                        fetch.next = fetch.next.max(*offset);
                    }
                    return Ok(());
                }
                (RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Some(fetch)) => {
                    fetch.stopped = true;
                    self.astray.push((topic, *partition));
                    return Ok(());
                }
                _ => {}
            }
        }
        match error.code {
            RD_KAFKA_RESP_ERR__PARTITION_EOF | RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET => Ok(()),
            // The rebalance that follows says the rest.
            RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED => Ok(()),
            RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT => Err(errors::invalid(
                "`session_timeout`: the brokers refuse it: make it no shorter than their `group.min.session.timeout.ms` and \
                 no longer than their `group.max.session.timeout.ms`",
            )),
            _ if error.fatal => Err(Error::new(Action::Rebuild, errors::code(error.code), error.reason)),
            _ if read > 0 => Ok(()),
            // Of the client as a whole: a login that was refused for good is told above, the rest passes.
            _ if error.at.is_none() && errors::code(error.code) == Code::Authentication => {
                Err(Error::new(Action::Retry, Code::Other, error.reason))
            }
            _ => Err(plain(error.code, &error.reason)),
        }
    }

    /// Finds out whether the position of a partition that librdkafka gave up is really outside of its log; starts it
    /// again if not, for the position may have been given after the failed fetch.
    fn find_the_astray(&mut self) -> Result<Option<Polled>> {
        while let Some((topic, partition)) = self.astray.last().cloned() {
            let next = self.fetch(&topic, partition).filter(|fetch| fetch.stopped).map(|fetch| fetch.next);
            if let Some(next) = next {
                let marks = self.watermarks(&topic, partition)?;
                if !marks.reach(next) {
                    self.astray.pop();
                    return Ok(Some(Polled::OutOfRange { topic, partition, low: marks.low }));
                }
                self.restart(&topic, partition, next)?;
            }
            self.astray.pop();
        }
        Ok(None)
    }

    fn fetch(&mut self, topic: &str, partition: i32) -> Option<&mut Fetch> {
        self.topics.get_mut(topic.as_bytes())?.partitions.get_mut(&partition)
    }

    pub fn is_fetched(&self, topic: &str, partition: i32) -> bool {
        self.topics.get(topic.as_bytes()).is_some_and(|topic| topic.partitions.contains_key(&partition))
    }

    /// Whether a partition is fetched at this moment, and a seek is enough to read it from elsewhere.
    pub fn is_running(&self, topic: &str, partition: i32) -> bool {
        let fetch = self.topics.get(topic.as_bytes()).and_then(|topic| topic.partitions.get(&partition));
        fetch.is_some_and(|fetch| !fetch.paused && !fetch.stopped)
    }

    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.topics.get(topic.as_bytes())?.partitions.get(&partition)?.next)
    }

    /// Fetches a partition from `offset` on, whether it was fetched before or not.
    pub fn start(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        no_negative(topic, partition, offset)?;
        self.client.shared.check()?;
        match self.fetch(topic, partition) {
            None => self.add(&[(topic, partition, offset)])?,
            Some(fetch) if fetch.stopped => self.restart(topic, partition, offset)?,
            Some(_) => {
                self.seek(topic, partition, offset)?;
                self.set_paused(topic, partition, false)?;
            }
        }
        Ok(())
    }

    /// [`Consumer::start`] for many: those that are not fetched yet are added in one call, for each call sorts everything that
    /// is fetched anew.
    pub fn start_all(&mut self, places: &[(Arc<str>, i32, i64)]) -> Result<()> {
        self.client.shared.check()?;
        let (fetched, new): (Vec<_>, Vec<_>) =
            places.iter().partition(|(topic, partition, _)| self.is_fetched(topic, *partition));
        for (topic, partition, offset) in fetched {
            self.start(topic, *partition, *offset)?;
        }
        // One that is named twice would be refused, and all others with it.
        let mut added: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for (topic, partition, offset) in new {
            no_negative(topic, *partition, *offset)?;
            added.insert((topic, *partition), *offset);
        }
        let added: Vec<_> = added.into_iter().map(|((topic, partition), offset)| (topic, partition, offset)).collect();
        self.add(&added)
    }

    fn add(&mut self, places: &[(&str, i32, i64)]) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = places.iter().map(|&(topic, partition, offset)| (topic, partition, Some(offset))).collect();
        self.incremental_assign(&list)?;
        for &(topic, partition, offset) in places {
            self.insert(topic, partition, offset);
        }
        Ok(())
    }

    pub fn insert(&mut self, topic: &str, partition: i32, offset: i64) {
        let fetch = Fetch { next: offset, paused: false, stopped: false };
        if let Some(topic) = self.topics.get_mut(topic.as_bytes()) {
            topic.partitions.insert(partition, fetch);
            return;
        }
        let mut fetched = Fetched { name: topic.into(), partitions: HashMap::default() };
        fetched.partitions.insert(partition, fetch);
        self.topics.insert(topic.as_bytes().into(), fetched);
    }

    fn restart(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.stop(&[(topic, partition)])?;
        self.add(&[(topic, partition, offset)])
    }

    /// Moves the position of a fetched partition; what was read of it before is dropped by librdkafka.
    fn seek(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        let mut list = Partitions::new();
        list.add(topic, partition, Some(offset))?;
        let _entered = self.client.shared.enter("seek", REQUEST);
        // SAFETY: client and list live during the call.
        unsafe { done(sys::rd_kafka_seek_partitions(self.client.ptr(), list.ptr(), millis(REQUEST))) }?;
        first_error(&list, "seek")?;
        if let Some(fetch) = self.fetch(topic, partition) {
            fetch.next = offset;
        }
        Ok(())
    }

    pub fn set_paused(&mut self, topic: &str, partition: i32, paused: bool) -> Result<()> {
        let Some(fetch) = self.fetch(topic, partition) else { return Ok(()) };
        if fetch.paused == paused {
            return Ok(());
        }
        let mut list = Partitions::new();
        list.add(topic, partition, None)?;
        let _entered = self.client.shared.enter("pause", REQUEST);
        // SAFETY: client and list live during the call.
        let err = unsafe {
            match paused {
                true => sys::rd_kafka_pause_partitions(self.client.ptr(), list.ptr()),
                false => sys::rd_kafka_resume_partitions(self.client.ptr(), list.ptr()),
            }
        };
        if err != RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(plain(err, "pause"));
        }
        first_error(&list, "pause")?;
        if let Some(fetch) = self.fetch(topic, partition) {
            fetch.paused = paused;
        }
        Ok(())
    }

    /// Stops fetching partitions; those that are not fetched are passed over. May be called with none, which librdkafka
    /// takes as the answer to a change of assignment.
    pub fn stop(&mut self, partitions: &[(&str, i32)]) -> Result<()> {
        let mut list = Partitions::new();
        // librdkafka ends the process over one that is named twice (`rd_kafka_assignment_subtract`).
        let partitions: BTreeSet<(&str, i32)> = partitions.iter().copied().collect();
        for &(topic, partition) in &partitions {
            if self.is_fetched(topic, partition) {
                list.add(topic, partition, None)?;
            }
        }
        let _entered = self.client.shared.enter("unassign", REQUEST);
        // SAFETY: client and list live during the call.
        unsafe { done(sys::rd_kafka_incremental_unassign(self.client.ptr(), list.ptr())) }?;
        for (topic, partition) in partitions {
            self.remove(topic, partition);
        }
        Ok(())
    }

    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(fetched) = self.topics.get_mut(topic.as_bytes()) {
            fetched.partitions.remove(&partition);
            if fetched.partitions.is_empty() {
                self.topics.remove(topic.as_bytes());
            }
        }
    }

    /// Adds partitions to what librdkafka fetches. Without any it only answers a change of assignment.
    pub fn incremental_assign(&mut self, partitions: &[(&str, i32, Option<i64>)]) -> Result<()> {
        let mut list = Partitions::new();
        for &(topic, partition, offset) in partitions {
            list.add(topic, partition, offset)?;
        }
        let _entered = self.client.shared.enter("assign", REQUEST);
        // SAFETY: client and list live during the call.
        unsafe { done(sys::rd_kafka_incremental_assign(self.client.ptr(), list.ptr())) }
    }

    pub fn watermarks(&mut self, topic: &str, partition: i32) -> Result<Watermarks> {
        self.client.shared.check()?;
        let (low, end) = self.client.watermarks(topic, partition, REQUEST)?;
        Ok(Watermarks { low, end })
    }
}

fn no_negative(topic: &str, partition: i32, offset: i64) -> Result<()> {
    match offset {
        ..0 => Err(errors::invalid(format!("{topic}/{partition}: a negative position: {offset}"))),
        0.. => Ok(()),
    }
}

/// The first error that a call left in its list.
pub(super) fn first_error(list: &Partitions, doing: &str) -> Result<()> {
    let failed = list.elements().iter().map(|at| at.err).find(|&err| err != RD_KAFKA_RESP_ERR_NO_ERROR);
    failed.map_or(Ok(()), |err| Err(busy_or(err, doing)))
}

/// A partition that is being started or stopped takes no position yet.
fn busy_or(err: RespErr, doing: &str) -> Error {
    match err {
        RD_KAFKA_RESP_ERR__STATE | RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS | RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => {
            Error::new(Action::Retry, Code::Busy, format!("{doing}: {}", errors::name(err)))
        }
        _ => plain(err, doing),
    }
}

//! What a group member and a groupless reader have in common: a client, the partitions it fetches, and polling.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaType;

use super::client::{Client, REQUEST};
use super::errors::{self, plain};
use super::fetches::Fetches;
use super::native::RespErr::*;
use super::native::{self, Event, Messages, Partitions, RespErr};
use super::shared::Shared;
use crate::broker::{Action, Code, Error, PollLimit, Polled, Record, Result, Watermarks};
use crate::time::Timestamp;

pub(super) struct Consumer {
    pub client: Client,
    pub fetches: Fetches,
    /// Topics of which something was ever fetched: librdkafka forgets none of them while the client lives.
    met: HashSet<Box<str>>,
    /// Of a reader, which polls many records at a time.
    messages: Option<Messages>,
}

/// How many messages are polled at a time at most.
const BATCH: usize = 512;

/// And no more than this when a poll has brought few: what is behind them may be far larger.
const FIRST_BATCH: usize = 16;

/// A change of assignment, for the member to record.
pub(super) enum Change {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
}

impl Consumer {
    /// For a member of a group.
    pub fn new(config: ClientConfig, shared: Arc<Shared>) -> Result<Self> {
        Ok(Self::of(Client::new(RDKafkaType::RD_KAFKA_CONSUMER, config, shared)?, None))
    }

    /// For a reader without a group, which polls many records at a time.
    pub fn in_batches(config: ClientConfig, shared: Arc<Shared>) -> Result<Self> {
        Ok(Self::of(Client::with_errors_apart(config, shared)?, Some(Messages::default())))
    }

    fn of(client: Client, messages: Option<Messages>) -> Self {
        Self { client, fetches: Fetches::default(), met: HashSet::new(), messages }
    }

    /// How many topics librdkafka knows, about, for it to look through at each answer of a broker.
    pub fn topics_met(&self) -> usize {
        self.met.len()
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
        let passing = self.heed_apart()?;
        let deadline = Instant::now() + if passing.is_none() { limit.wait } else { Duration::ZERO };
        let start = records.len();
        let (mut bytes, mut largest) = (0, 1);
        let mut ended = false;
        while !ended && records.len() - start < limit.records && bytes < limit.bytes {
            let before = records.len();
            let count = before - start;
            // The wait is for the first record only.
            let wait = if count == 0 { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
            match self.client.poll(wait) {
                None => break,
                Some(Event::Record(event)) => {
                    records.extend(event.next_message().and_then(|message| self.fetches.accept(&message)));
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
                    self.client.shared.check()?;
                    self.fetches.heed(&error, count)?;
                    ended = self.fetches.has_astray();
                }
                Some(Event::Deliveries(_) | Event::Answer(_) | Event::Log(_)) => {}
            }
            if records.len() > before && self.messages.is_some() {
                // Behind a record there are mostly more. As many as fit, should they be as large as those before.
                let first = records[before].size();
                largest = largest.max(first);
                let fit = limit.bytes.saturating_sub(bytes + first) / largest;
                let few = FIRST_BATCH.max(2 * count);
                let most = BATCH.min(few).min(fit).min(limit.records - count - 1);
                ended |= self.poll_batch(most, start, records)?;
            }
            for size in records[before..].iter().map(Record::size) {
                bytes += size;
                largest = largest.max(size);
            }
        }
        if records.len() == start {
            // What came during the wait did not end it.
            let later = self.heed_apart()?;
            return passing.or(later).map_or(Ok(Polled::Records), Err);
        }
        Ok(Polled::Records)
    }

    /// Takes note of the errors of the client as a whole, if they come apart: the first one of those that pass by.
    fn heed_apart(&mut self) -> Result<Option<Error>> {
        let mut passing = None;
        while let Some(error) = self.client.poll_apart() {
            self.client.shared.check()?;
            match self.fetches.heed(&error, 0) {
                Err(error) if error.action != Action::Retry => return Err(error),
                heeded => passing = passing.or(heeded.err()),
            }
        }
        Ok(passing)
    }

    /// Reads what has been fetched already, up to so many records, if this is a reader; those behind `start` are of the same poll.
    /// Whether there is nothing more, or something to be looked at. All that the batch holds is taken before any error of it is:
    /// librdkafka has gone on behind it.
    fn poll_batch(&mut self, most: usize, start: usize, records: &mut Vec<Record>) -> Result<bool> {
        let Self { client, fetches, messages, .. } = self;
        let Some(messages) = messages.as_mut().filter(|_| most > 0) else { return Ok(false) };
        let batch = client.native.poll_batch(most, messages);
        let is_less = batch.len() < most;
        let mut errors = Vec::new();
        for polled in batch.iter() {
            match polled {
                native::Polled::Record(message) => records.extend(fetches.accept(&message)),
                native::Polled::Error(error) => errors.push(error),
            }
        }
        for error in errors {
            client.note(&error);
            client.shared.check()?;
            fetches.heed(&error, records.len() - start)?;
        }
        Ok(is_less || fetches.has_astray())
    }

    /// Finds out whether the position of a partition that librdkafka gave up is really outside of its log; starts it
    /// again if not, for the position may have been given after the failed fetch.
    fn find_the_astray(&mut self) -> Result<Option<Polled>> {
        while let Some((topic, partition)) = self.fetches.last_astray() {
            let next = self.fetches.get(&topic, partition).filter(|fetch| fetch.stopped).map(|fetch| fetch.next);
            if let Some(next) = next {
                let marks = self.watermarks(&topic, partition)?;
                if !marks.reach(next) {
                    self.fetches.drop_astray();
                    return Ok(Some(Polled::OutOfRange { topic, partition, low: marks.low }));
                }
                self.restart(&topic, partition, next)?;
            }
            self.fetches.drop_astray();
        }
        Ok(None)
    }

    /// Fetches a partition from `offset` on, whether it was fetched before or not.
    pub fn start(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        no_negative(topic, partition, offset)?;
        self.client.shared.check()?;
        match self.fetches.get(topic, partition) {
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
    /// is fetched again.
    pub fn start_all(&mut self, places: &[(Arc<str>, i32, i64)]) -> Result<()> {
        self.client.shared.check()?;
        let (fetched, new): (Vec<_>, Vec<_>) =
            places.iter().partition(|(topic, partition, _)| self.fetches.get(topic, *partition).is_some());
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
        // librdkafka looks once a second whether it lacks the leader of a topic that was added, and at once for all that it
        // lacks when it is given a topic to write to. So one of those that are new to it is given to it like that, with all
        // others added already.
        let newest = places.iter().map(|(topic, ..)| *topic).rfind(|topic| !self.met.contains(*topic));
        let Some(newest) = newest else { return self.add_met(places) };
        let (last, first): (Vec<_>, Vec<_>) = places.iter().partition(|(topic, ..)| *topic == newest);
        self.add_met(&first)?;
        let _asks = self.client.topic(newest)?;
        self.add_met(&last)
    }

    /// As [`Consumer::add`], without haste for topics that librdkafka does not know yet.
    fn add_met(&mut self, places: &[(&str, i32, i64)]) -> Result<()> {
        if places.is_empty() {
            return Ok(());
        }
        let list: Vec<_> = places.iter().map(|&(topic, partition, offset)| (topic, partition, Some(offset))).collect();
        self.met.extend(places.iter().map(|(topic, ..)| Box::from(*topic)));
        self.incremental_assign(&list)?;
        for &(topic, partition, offset) in places {
            self.fetches.insert(topic, partition, offset);
        }
        Ok(())
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
        self.client.native.seek(&mut list, REQUEST).map_err(|failure| failure.plain())?;
        first_error(&list, "seek")?;
        if let Some(fetch) = self.fetches.get_mut(topic, partition) {
            fetch.next = offset;
        }
        Ok(())
    }

    pub fn set_paused(&mut self, topic: &str, partition: i32, paused: bool) -> Result<()> {
        let Some(fetch) = self.fetches.get(topic, partition) else { return Ok(()) };
        debug_assert!(self.messages.is_none() || !paused, "a reader does not pause: see `native/batch.rs`");
        if fetch.paused == paused {
            return Ok(());
        }
        let mut list = Partitions::new();
        list.add(topic, partition, None)?;
        let _entered = self.client.shared.enter("pause", REQUEST);
        let native = &self.client.native;
        let done = if paused { native.pause(&mut list) } else { native.resume(&mut list) };
        done.map_err(|err| plain(err, "pause"))?;
        first_error(&list, "pause")?;
        if let Some(fetch) = self.fetches.get_mut(topic, partition) {
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
            if self.fetches.get(topic, partition).is_some() {
                list.add(topic, partition, None)?;
            }
        }
        let _entered = self.client.shared.enter("unassign", REQUEST);
        self.client.native.incremental_unassign(&list).map_err(|failure| failure.plain())?;
        for (topic, partition) in partitions {
            self.fetches.remove(topic, partition);
        }
        Ok(())
    }

    /// Adds partitions to what librdkafka fetches. Without any it only answers a change of assignment.
    pub fn incremental_assign(&mut self, partitions: &[(&str, i32, Option<i64>)]) -> Result<()> {
        let mut list = Partitions::new();
        for &(topic, partition, offset) in partitions {
            list.add(topic, partition, offset)?;
        }
        let _entered = self.client.shared.enter("assign", REQUEST);
        self.client.native.incremental_assign(&list).map_err(|failure| failure.plain())
    }

    pub fn watermarks(&mut self, topic: &str, partition: i32) -> Result<Watermarks> {
        self.client.shared.check()?;
        let (low, end) = self.client.watermarks(topic, partition, REQUEST)?;
        Ok(Watermarks { low, end })
    }

    pub fn offset_at(&mut self, topic: &str, partition: i32, time: Timestamp) -> Result<Option<i64>> {
        self.client.shared.check()?;
        let mut list = Partitions::new();
        // librdkafka takes negative times for words of its own: the end, the beginning.
        list.add(topic, partition, Some(time.0.max(0)))?;
        let _entered = self.client.shared.enter("offsets_for_times", REQUEST);
        self.client.native.offsets_for_times(&mut list, REQUEST).map_err(|err| plain(err, "offsets_for_times"))?;
        first_error(&list, "offsets_for_times")?;
        Ok(list.iter().map(|at| at.offset()).find(|offset| *offset >= 0))
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
    let failed = list.iter().map(|at| at.error()).find(|&err| err != RD_KAFKA_RESP_ERR_NO_ERROR);
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

//! The transactional producer while no transaction is open, and what it shares with one that is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaType;
use sys::rd_kafka_resp_err_t::*;

use super::errors::{self, Failure, invalid};
use super::event::{Event, NativeEvent};
use super::mask::words;
use super::native::{Client, Of, TopicHandle, TopicMetadata, millis};
use super::record;
use super::shared::Shared;
use super::transaction::KafkaTransaction;
use super::{INIT, REQUEST};
use crate::broker::{Action, Code, Delivered, Error, FAILURE_ONLY, Producer, Progress, Result, Stored, Topic};

/// Tells producers apart: a handle of one must not be used with another.
static NEXT_PRODUCER: AtomicU64 = AtomicU64::new(0);

/// One topic in so many is few: they are asked for one by one. librdkafka finds the topics of an answer by looking through
/// all that it knows, so that an answer with 5,000 of 5,000 costs it some 100 ms.
const FEW: usize = 8;

/// How long one call flushes before deliveries are served again: they may be all that it waits for.
const FLUSH: Duration = Duration::from_millis(1);

pub struct KafkaProducer(pub(super) Box<Core>);

/// A producing client with its topics and the deliveries of what it sent.
pub(super) struct Core {
    id: u64,
    /// By index; `None` once forgotten. Declared before the client: handles go first.
    handles: Vec<Option<TopicHandle>>,
    by_name: HashMap<String, u32>,
    /// Topics all of whose partitions were seen with a leader.
    led: HashSet<u32>,
    pub client: Client,
    pub in_flight: usize,
    pub failed: usize,
    pub deliveries: Vec<Delivered>,
    pub transaction_timeout: Duration,
    /// A commit or abort that took longer may have been sent twice.
    pub resend_after: Duration,
}

impl Core {
    pub fn new(config: ClientConfig, shared: Arc<Shared>, transaction_timeout: Duration) -> Result<Self> {
        let backoff = config.get("retry.backoff.ms").and_then(|ms| ms.parse().ok()).unwrap_or(100);
        // librdkafka varies its backoff by 20 % both ways.
        let resend_after = Duration::from_millis(backoff) * 8 / 10;
        Ok(Self {
            id: NEXT_PRODUCER.fetch_add(1, Ordering::Relaxed),
            handles: Vec::new(),
            by_name: HashMap::new(),
            led: HashSet::new(),
            client: Client::new(RDKafkaType::RD_KAFKA_PRODUCER, config, shared)?,
            in_flight: 0,
            failed: 0,
            deliveries: Vec::new(),
            transaction_timeout,
            resend_after,
        })
    }

    pub fn topic(&mut self, name: &str) -> Result<Topic> {
        if let Some(&index) = self.by_name.get(name) {
            return Ok(Topic { producer: self.id, index });
        }
        let index = u32::try_from(self.handles.len()).map_err(|_| invalid("too many topics"))?;
        self.handles.push(Some(self.client.topic(name)?));
        self.by_name.insert(name.to_owned(), index);
        Ok(Topic { producer: self.id, index })
    }

    pub fn forget(&mut self, topic: Topic) {
        if topic.producer == self.id
            && let Some(handle) = self.handles.get_mut(topic.index as usize)
        {
            *handle = None;
            self.by_name.retain(|_, index| *index != topic.index);
            self.led.remove(&topic.index);
        }
    }

    /// The handle behind a topic of this producer.
    pub fn handle(&self, topic: Topic) -> Result<&TopicHandle> {
        let own = (topic.producer == self.id).then(|| self.handles.get(topic.index as usize)).flatten();
        own.and_then(Option::as_ref).ok_or_else(|| {
            Error::new(Action::Abort, Code::InvalidArgument, "this topic belongs to another producer or was forgotten")
        })
    }

    pub fn leaders_known(&mut self, topics: &[Topic]) -> Result<bool> {
        for &topic in topics {
            self.handle(topic)?;
        }
        let missing: Vec<Topic> = topics.iter().copied().filter(|topic| !self.led.contains(&topic.index)).collect();
        let Some((last, others)) = missing.split_last() else { return Ok(true) };
        // A topic that was made just now may be without a leader for a while: the one that was made last is asked for alone.
        if !self.learn_leaders(Some(*last))?.contains(&last.index) {
            return Ok(false);
        }
        if others.len() <= self.by_name.len() / FEW {
            for topic in others {
                if !self.learn_leaders(Some(*topic))?.contains(&topic.index) {
                    return Ok(false);
                }
            }
        } else {
            self.learn_leaders(None)?;
        }
        Ok(others.iter().all(|topic| self.led.contains(&topic.index)))
    }

    /// Asks who leads this topic, or all that the client knows; which are led. The answer tells the client itself too, which
    /// is the point of asking with this one.
    fn learn_leaders(&mut self, topic: Option<Topic>) -> Result<&HashSet<u32>> {
        let _entered = self.client.shared.enter("metadata", REQUEST);
        self.client.shared.check()?;
        let seen = match topic {
            Some(topic) => self.client.metadata(&Of::Topic(self.handle(topic)?), REQUEST, led)?,
            None => self.client.metadata(&Of::Known, REQUEST, led)?,
        };
        self.led.extend(seen.iter().filter_map(|name| self.by_name.get(name)));
        Ok(&self.led)
    }

    /// What broke this producer for good, if anything: other errors only say that it is broken.
    pub fn fatal(&self) -> Option<Error> {
        let mut reason = [0; 512];
        // SAFETY: client and buffer live during the call, which ends the text with a NUL.
        let (err, reason) = unsafe {
            let err = sys::rd_kafka_fatal_error(self.client.ptr(), reason.as_mut_ptr(), reason.len());
            (err, words(reason.as_ptr()))
        };
        (err != RD_KAFKA_RESP_ERR_NO_ERROR).then(|| Error::new(Action::Rebuild, errors::code(err), reason))
    }

    /// Handles what has arrived.
    pub fn serve(&mut self) {
        while let Some(event) = self.client.poll(Duration::ZERO) {
            if let Event::Deliveries(event) = event {
                self.take_deliveries(&event);
            }
        }
    }

    /// Sends what lingers, and handles what arrives until nothing is in flight or `wait` is over.
    pub fn flush(&mut self, wait: Duration) {
        let deadline = Instant::now() + wait;
        self.serve();
        while self.in_flight > 0 && Instant::now() < deadline {
            // Nothing lingers while this call lasts, and librdkafka's threads see that only if they wake up within it: so it
            // is made again and again. It would return early only if nothing were left to be served.
            // SAFETY: the client lives.
            unsafe { sys::rd_kafka_flush(self.client.ptr(), millis(FLUSH)) };
            self.serve();
        }
    }

    pub fn progress(&self) -> Progress {
        Progress { in_flight: self.in_flight, failed: self.failed }
    }

    fn take_deliveries(&mut self, event: &NativeEvent) {
        // SAFETY: the event lives and owns its messages.
        while let Some(message) = unsafe { sys::rd_kafka_event_message_next(event.ptr()).as_ref() } {
            self.in_flight = self.in_flight.saturating_sub(1);
            let tag = message._private.addr() as u64;
            let outcome = if message.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                if tag & FAILURE_ONLY != 0 {
                    continue;
                }
                // SAFETY: as above.
                Ok(Stored { offset: message.offset, timestamp: unsafe { record::timestamp(message) } })
            } else {
                self.failed += 1;
                Err(errors::refused(message.err))
            };
            self.deliveries.push(Delivered { tag, outcome });
        }
    }
}

/// The topics of metadata that can be written to now.
fn led(topics: &[TopicMetadata]) -> Vec<String> {
    let led =
        topics.iter().filter(|topic| topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && topic.partitions > 0 && topic.led);
    led.map(|topic| topic.name.clone()).collect()
}

impl KafkaProducer {
    /// Makes the client and fences every earlier producer of its id.
    pub(super) fn connect(config: ClientConfig, shared: Arc<Shared>, transaction_timeout: Duration) -> Result<Self> {
        let core = Core::new(config, shared, transaction_timeout)?;
        core.client.within("init_transactions", INIT, |limit| {
            // SAFETY: the client lives; the error is ours.
            match unsafe { Failure::take(sys::rd_kafka_init_transactions(core.client.ptr(), limit)) } {
                None => Ok(Some(())),
                // A time limit that is over, a coordinator that moves, a transaction being aborted: go on asking.
                Some(failure) if failure.retriable => Ok(None),
                Some(failure) if failure.code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT => Err(invalid(
                    "`transaction_timeout`: the brokers refuse it: make it no longer than their `transaction.max.timeout.ms`",
                )),
                Some(failure) => Err(failure.sort()),
            }
        })?;
        Ok(Self(Box::new(core)))
    }
}

impl Producer for KafkaProducer {
    type Transaction = KafkaTransaction;

    fn topic(&mut self, name: &str) -> Result<Topic> {
        self.0.topic(name)
    }

    fn forget(&mut self, topic: Topic) {
        self.0.forget(topic);
    }

    fn leaders_known(&mut self, topics: &[Topic]) -> Result<bool> {
        self.0.leaders_known(topics)
    }

    fn prove(self, group: &str, topic: &str) -> std::result::Result<Option<Self>, (Option<Self>, Error)> {
        KafkaTransaction::prove(self, group, topic)
    }

    fn begin(self) -> std::result::Result<KafkaTransaction, (Self, Error)> {
        KafkaTransaction::begin(self)
    }
}

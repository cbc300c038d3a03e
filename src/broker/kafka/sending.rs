//! What a transactional producer has, whether a transaction is open or not: its client, its topics, and the deliveries of
//! what it sent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaType;

use super::client::{Client, REQUEST};
use super::errors::{self, invalid};
use super::mask::words;
use super::native::RespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
use super::native::{Event, NativeEvent, Of, TopicHandle, TopicMetadata};
use super::shared::Shared;
use crate::broker::{Action, Code, Delivered, Error, FAILURE_ONLY, Progress, Result, Stored, Topic};

/// Tells producers apart: a handle of one must not be used with another.
static NEXT_PRODUCER: AtomicU64 = AtomicU64::new(0);

/// One topic in so many is few: they are asked for one by one. librdkafka finds the topics of an answer by looking through
/// all that it knows, so that an answer with 5,000 of 5,000 costs it some 100 ms.
const FEW: usize = 8;

/// How long one call flushes before deliveries are served again: they may be all that it waits for.
const FLUSH: Duration = Duration::from_millis(1);

/// A transactional producer with no transaction open.
pub struct KafkaProducer(pub(super) Box<Core>);

/// A producing client with its topics and the deliveries of what it sent.
pub(super) struct Core {
    id: u64,
    /// By index; `None` once forgotten. Declared before the client: a handle keeps the native client alive.
    handles: Vec<Option<TopicHandle>>,
    by_name: HashMap<String, u32>,
    /// Topics all of whose partitions were seen with a leader.
    led: HashSet<u32>,
    pub client: Client,
    pub sent: Sent,
    pub transaction_timeout: Duration,
    /// A commit or abort that took longer may have been sent twice.
    pub resend_after: Duration,
}

/// The records of one transaction that were handed over.
#[derive(Default)]
pub(super) struct Sent {
    pub in_flight: usize,
    pub failed: usize,
    pub deliveries: Vec<Delivered>,
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
            sent: Sent::default(),
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
            Some(topic) => self.client.metadata(&Of::Topic(self.handle(topic)?), REQUEST)?,
            None => self.client.metadata(&Of::Known, REQUEST)?,
        };
        let led = seen.iter().filter(|topic| can_be_written(topic));
        self.led.extend(led.filter_map(|topic| self.by_name.get(&topic.name)));
        Ok(&self.led)
    }

    /// What broke this producer for good, if anything: other errors only say that it is broken.
    pub fn fatal(&self) -> Option<Error> {
        let (err, reason) = self.client.native.fatal_error()?;
        Some(Error::new(Action::Rebuild, errors::code(err), words(&reason)))
    }

    /// Handles what has arrived.
    pub fn serve(&mut self) {
        while let Some(event) = self.client.poll(Duration::ZERO) {
            if let Event::Deliveries(event) = event {
                self.sent.take(&event);
            }
        }
    }

    /// Sends what lingers, and handles what arrives until nothing is in flight or `wait` is over.
    pub fn flush(&mut self, wait: Duration) {
        let deadline = Instant::now() + wait;
        self.serve();
        while self.sent.in_flight > 0 && Instant::now() < deadline {
            // Nothing lingers while this call lasts, and librdkafka's threads see that only if they wake up within it: so it
            // is made again and again. It would return early only if nothing were left to be served.
            self.client.native.flush(FLUSH);
            self.serve();
        }
    }

    pub fn progress(&self) -> Progress {
        Progress { in_flight: self.sent.in_flight, failed: self.sent.failed }
    }
}

impl Sent {
    fn take(&mut self, event: &NativeEvent<'_>) {
        while let Some(message) = event.next_message() {
            self.in_flight = self.in_flight.saturating_sub(1);
            let tag = message.tag();
            let outcome = if message.error() == RD_KAFKA_RESP_ERR_NO_ERROR {
                if tag & FAILURE_ONLY != 0 {
                    continue;
                }
                Ok(Stored { offset: message.offset(), timestamp: message.timestamp() })
            } else {
                self.failed += 1;
                Err(errors::refused(message.error()))
            };
            self.deliveries.push(Delivered { tag, outcome });
        }
    }
}

fn can_be_written(topic: &TopicMetadata) -> bool {
    topic.err == RD_KAFKA_RESP_ERR_NO_ERROR && topic.partitions > 0 && topic.led
}

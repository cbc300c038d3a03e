//! What a transactional producer has, whether a transaction is open or not: its client, its topics, and the deliveries of
//! what it sent.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaType;

use super::client::{Client, REQUEST};
use super::errors::{self, invalid};
use super::mask::words;
use super::native::RespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
use super::native::{Event, NativeEvent, Queue, TopicHandle, c_string};
use super::shared::Shared;
use crate::broker::{Action, Code, Delivered, Error, FAILURE_ONLY, Progress, Result, Stored, Topic};

/// Tells producers apart: a handle of one must not be used with another.
static NEXT_PRODUCER: AtomicU64 = AtomicU64::new(0);

/// How long one call flushes before deliveries are served again: they may be all that it waits for.
const FLUSH: Duration = Duration::from_millis(1);

/// A transactional producer with no transaction open.
pub struct KafkaProducer(pub(super) Box<Core>);

/// A producing client with its topics and the deliveries of what it sent.
pub(super) struct Core {
    id: u64,
    /// By index; `None` once forgotten. Declared before the client: a handle keeps the native client alive.
    topics: Vec<Option<NamedTopic>>,
    by_name: HashMap<String, u32>,
    pub client: Client,
    pub sent: Sent,
    pub transaction_timeout: Duration,
    /// A commit or abort that took longer may have been sent twice.
    pub resend_after: Duration,
}

/// A topic that was asked for.
struct NamedTopic {
    name: String,
    /// Made once the client knows who leads the topic. A handle that is made before has it ask, with each handle again, for all
    /// topics that it lacks.
    handle: Option<TopicHandle>,
    /// All of its partitions were seen with a leader.
    led: bool,
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
            topics: Vec::new(),
            by_name: HashMap::new(),
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
        let index = u32::try_from(self.topics.len()).map_err(|_| invalid("too many topics"))?;
        self.topics.push(Some(NamedTopic { name: name.to_owned(), handle: None, led: false }));
        self.by_name.insert(name.to_owned(), index);
        Ok(Topic { producer: self.id, index })
    }

    pub fn forget(&mut self, topic: Topic) {
        if topic.producer == self.id
            && let Some(named) = self.topics.get_mut(topic.index as usize).and_then(Option::take)
        {
            self.by_name.remove(&named.name);
        }
    }

    /// The handle behind a topic of this producer.
    pub fn handle(&mut self, topic: Topic) -> Result<&TopicHandle> {
        let NamedTopic { name, handle, .. } = named(self.id, &mut self.topics, topic)?;
        match handle {
            Some(handle) => Ok(handle),
            none => Ok(none.insert(self.client.topic(name)?)),
        }
    }

    pub fn leaders_known(&mut self, topics: &[Topic]) -> Result<bool> {
        let mut missing = Vec::new();
        for &topic in topics {
            if !named(self.id, &mut self.topics, topic)?.led {
                missing.push(topic);
            }
        }
        let Some((last, others)) = missing.split_last() else { return Ok(true) };
        // A topic that was made just now may be without a leader for a while: the one that was made last is asked for alone.
        Ok(self.learn_leaders(&[*last])? && self.learn_leaders(others)?)
    }

    /// Asks who leads these topics: whether each of them is led. The answer tells the client itself too, which is the point of
    /// asking with this one.
    fn learn_leaders(&mut self, topics: &[Topic]) -> Result<bool> {
        let mut names = BTreeSet::new();
        for &topic in topics {
            names.insert(c_string(&named(self.id, &mut self.topics, topic)?.name)?);
        }
        if names.is_empty() {
            return Ok(true);
        }
        self.client.shared.check()?;
        let names: Vec<CString> = names.into_iter().collect();
        let ask = |queue: &Queue<'_>, limit| queue.describe_topics(&names, limit);
        let led = self.client.request_within("describe_topics", REQUEST, ask)?.led_topics();
        let mut are_led = true;
        for &topic in topics {
            let named = named(self.id, &mut self.topics, topic)?;
            named.led = led.contains(&named.name);
            are_led &= named.led;
            if named.led {
                self.handle(topic)?;
            }
        }
        Ok(are_led)
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

/// A topic of the producer `id`, which has these.
fn named(id: u64, topics: &mut [Option<NamedTopic>], topic: Topic) -> Result<&mut NamedTopic> {
    let own = (topic.producer == id).then(|| topics.get_mut(topic.index as usize)).flatten();
    own.and_then(Option::as_mut).ok_or_else(|| {
        Error::new(Action::Abort, Code::InvalidArgument, "this topic belongs to another producer or was forgotten")
    })
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

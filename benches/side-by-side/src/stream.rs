//! Live events at a steady pace, and who reads them downstream.

use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use flowgate::schema::topics::Topics;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::site::Site;
use crate::watch::Watcher;
use crate::{Result, event, fill};

pub struct Source {
    producer: BaseProducer,
    topic: String,
    flows: Vec<String>,
}

impl Source {
    /// It is connected, so that its first events are as young as the others.
    pub fn new(brokers: &str, topics: &Topics, flows: Vec<String>) -> Result<Self> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("linger.ms", "1")
            .set("partitioner", "murmur2_random")
            .create()?;
        producer.client().fetch_metadata(Some(&topics.enrollments), Duration::from_secs(30))?;
        Ok(Self { producer, topic: topics.enrollments.clone(), flows })
    }

    /// Sends for as long as `goes_on` says so of the number of events, and says how many those were.
    pub fn send(&self, per_second: u32, goes_on: impl Fn(u32) -> bool) -> Result<u32> {
        let (began, mut value) = (Instant::now(), Vec::new());
        let mut number = 0;
        for flow in self.flows.iter().cycle() {
            if !goes_on(number) {
                break;
            }
            let due = Duration::from_secs(number.into()) / per_second;
            while began.elapsed() < due {
                thread::sleep(Duration::from_millis(1));
            }
            if number.is_multiple_of(20) {
                self.producer.poll(Duration::ZERO);
            }
            event::write(&mut value, flow, number);
            fill::send(&self.producer, &self.topic, flow.as_bytes(), &value)?;
            number += 1;
        }
        self.producer.flush(Duration::from_secs(30))?;
        Ok(number)
    }
}

/// When an event was sent and how old it is, in microseconds.
#[derive(Clone, Copy)]
pub struct Age {
    pub sent: u64,
    pub micros: u64,
}

impl Age {
    pub fn of(message: &BorrowedMessage<'_>) -> Result<Self> {
        let sent = message.payload().and_then(event::sent).ok_or("an event that nobody sent")?;
        Ok(Self { sent, micros: now().saturating_sub(sent) })
    }

    pub fn millis(self) -> f64 {
        self.micros as f64 / 1e3
    }
}

/// Microseconds since 1970.
pub fn now() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
}

/// Reads what is delivered from here on.
pub fn downstream(
    site: &Site,
    topics: &Topics,
    watcher: &Watcher,
    partitions: impl Fn(i32) -> bool,
) -> Result<BaseConsumer> {
    reader(site, &topics.records, watcher, partitions)
}

/// Reads what is committed to a topic from here on.
pub fn reader(site: &Site, topic: &str, watcher: &Watcher, partitions: impl Fn(i32) -> bool) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", "executor")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .create()?;
    let mut assigned = TopicPartitionList::new();
    for (partition, end) in (0..).zip(watcher.stable_ends(topic)?) {
        if partitions(partition) {
            assigned.add_partition_offset(topic, partition, Offset::Offset(end))?;
        }
    }
    consumer.assign(&assigned)?;
    Ok(consumer)
}

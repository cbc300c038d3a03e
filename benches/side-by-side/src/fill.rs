//! Writes the events of a round before its clock starts.

use std::time::Duration;

use flowgate::broker::{Broker as _, Publication, Publisher as _};
use flowgate::schema::topics::Topics;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::Result;
use crate::event;
use crate::site::Site;
use crate::watch::Watcher;

const LIMIT: Duration = Duration::from_secs(60);

/// Everything is written in transactions: nobody sees an event before its transaction is committed.
pub struct Upstream {
    producer: BaseProducer,
    topic: String,
    flows: Vec<String>,
    /// After so many events come the same records again.
    distinct: u32,
    /// Events of each flow that introduce it.
    introductions: u32,
    sent: u32,
}

impl Upstream {
    /// The flows have their events one after another; one that is named twice has twice as many.
    pub fn new(brokers: &str, topics: &Topics, flows: Vec<String>) -> Result<Self> {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", format!("upstream-{}", topics.prefix))
            .set("transaction.timeout.ms", "1800000")
            .set("linger.ms", "20")
            .set("batch.size", "1000000")
            // As the gate and the Java client place flows.
            .set("partitioner", "murmur2_random")
            .create()?;
        producer.init_transactions(LIMIT)?;
        producer.begin_transaction()?;
        Ok(Self { producer, topic: topics.enrollments.clone(), flows, distinct: u32::MAX, introductions: 1, sent: 0 })
    }

    /// Its events are about so many records, again and again. Each of them is of one flow, if there are as many of each.
    pub fn about(self, distinct: u32) -> Self {
        Self { distinct, ..self }
    }

    /// Each flow is introduced by so many events.
    pub fn introducing(self, introductions: u32) -> Self {
        Self { introductions, ..self }
    }

    pub fn flows(&self) -> &[String] {
        &self.flows
    }

    /// One event (or more) for each time that a flow is named, for all to see, so that whatever is made or looked up at a flow's first
    /// event is there before it counts. Says where the partitions end then, but for the end of the transaction.
    pub fn introduce(&mut self, watcher: &Watcher) -> Result<Vec<i64>> {
        let ends = self.write(u32::try_from(self.flows.len())? * self.introductions, watcher)?;
        self.commit_and_begin()?;
        Ok(ends)
    }

    /// Lets everybody see what was written, and goes on unseen.
    pub fn commit_and_begin(&mut self) -> Result<()> {
        self.commit()?;
        Ok(self.producer.begin_transaction()?)
    }

    /// Writes some events, of each flow in turn, and says where the partitions end then.
    pub fn write(&mut self, events: u32, watcher: &Watcher) -> Result<Vec<i64>> {
        let mut value = Vec::new();
        for _ in 0..events {
            let flow = &self.flows[self.sent as usize % self.flows.len()];
            event::write(&mut value, flow, self.sent % self.distinct);
            self.sent += 1;
            send(&self.producer, &self.topic, flow.as_bytes(), &value)?;
            if self.sent.is_multiple_of(1000) {
                self.producer.poll(Duration::ZERO);
            }
        }
        self.producer.flush(LIMIT)?;
        watcher.ends(&self.topic)
    }

    /// Lets everybody see what was written.
    pub fn commit(&mut self) -> Result<()> {
        Ok(self.producer.commit_transaction(LIMIT)?)
    }
}

/// One event that stands by itself, for all to see at once.
pub fn publish(site: &Site, topics: &Topics, flow: &str) -> Result<()> {
    let mut value = Vec::new();
    // No other event has this number.
    event::write(&mut value, flow, 999_999_999);
    let mut publisher = site.kafka.publisher()?;
    let (topic, key, value) = (&topics.enrollments, Some(flow.as_bytes()), Some(value.as_slice()));
    publisher.publish(&Publication { topic, partition: None, timestamp: None, key, value, headers: &[] })?;
    for receipt in publisher.flush(LIMIT)? {
        receipt?;
    }
    Ok(())
}

/// Hands a record over, and waits while there is no room for it.
pub fn send(producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) -> Result<()> {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    while let Err((error, same)) = producer.send(record) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            return Err(error.into());
        }
        producer.poll(Duration::from_millis(1));
        record = same;
    }
    Ok(())
}

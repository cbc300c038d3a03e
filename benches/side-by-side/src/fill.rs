//! Writes the events of a round before its clock starts.

use std::time::Duration;

use flowgate::schema::topics::Topics;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::Result;
use crate::event;
use crate::watch::Watcher;

const LIMIT: Duration = Duration::from_secs(60);

/// Everything is written in transactions: nobody sees an event before its transaction is committed.
pub struct Upstream {
    producer: BaseProducer,
    topic: String,
    flows: Vec<String>,
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
        Ok(Self { producer, topic: topics.enrollments.clone(), flows, sent: 0 })
    }

    /// One event for each time that a flow is named, for all to see, so that whatever is made or looked up at a flow's first
    /// event is there before it counts. Says where the partitions end then, but for the end of the transaction.
    pub fn introduce(&mut self, watcher: &Watcher) -> Result<Vec<i64>> {
        let ends = self.write(u32::try_from(self.flows.len())?, watcher)?;
        self.commit()?;
        self.producer.begin_transaction()?;
        Ok(ends)
    }

    /// Writes some events, of each flow in turn, and says where the partitions end then.
    pub fn write(&mut self, events: u32, watcher: &Watcher) -> Result<Vec<i64>> {
        let mut value = Vec::new();
        for at in 0..events {
            let flow = &self.flows[at as usize % self.flows.len()];
            event::write(&mut value, flow, self.sent);
            self.sent += 1;
            send(&self.producer, &self.topic, flow.as_bytes(), &value)?;
            if at % 1000 == 0 {
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

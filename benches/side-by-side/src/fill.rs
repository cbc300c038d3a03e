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
    pub fn new(brokers: &str, topics: &Topics, flows: u32) -> Result<Self> {
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
        let flows = (0..flows).map(event::flow).collect();
        Ok(Self { producer, topic: topics.enrollments.clone(), flows, sent: 0 })
    }

    /// Writes some events, of each flow in turn, and says where the partitions end then.
    pub fn write(&mut self, events: u32, watcher: &Watcher) -> Result<Vec<i64>> {
        let mut value = Vec::new();
        for at in 0..events {
            let flow = &self.flows[at as usize % self.flows.len()];
            event::write(&mut value, flow, self.sent);
            self.sent += 1;
            let mut record = BaseRecord::to(&self.topic).key(flow.as_str()).payload(value.as_slice());
            loop {
                match self.producer.send(record) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), same)) => {
                        self.producer.poll(Duration::from_millis(1));
                        record = same;
                    }
                    Err((error, _)) => return Err(error.into()),
                }
            }
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

    pub fn begin(&mut self) -> Result<()> {
        Ok(self.producer.begin_transaction()?)
    }
}

//! A consumer without a group: one client for any number of partitions.

use std::sync::Arc;

use rdkafka::ClientConfig;

use super::consumer::Consumer;
use super::shared::Shared;
use crate::broker::{PollLimit, Polled, Reader, Record, Result, Watermarks};
use crate::time::Timestamp;

pub struct KafkaReader {
    consumer: Consumer,
    config: ClientConfig,
    most_topics: usize,
}

impl KafkaReader {
    /// `most_topics`: see [`super::KafkaOptions::reader_topics`].
    pub(super) fn new(config: ClientConfig, shared: Arc<Shared>, most_topics: usize) -> Result<Self> {
        Ok(Self { consumer: Consumer::in_batches(config.clone(), shared)?, config, most_topics })
    }

    /// Goes on with a new client if this one has met too many topics. What was fetched ahead is fetched again.
    fn forget_topics(&mut self) -> Result<()> {
        let Self { consumer, config, most_topics } = self;
        if consumer.topics_met() < (*most_topics).max(2 * consumer.fetches.topics()) {
            return Ok(());
        }
        let places: Vec<_> = consumer.fetches.places().collect();
        let mut renewed = Consumer::in_batches(config.clone(), Arc::clone(&consumer.client.shared))?;
        renewed.start_all(&places)?;
        *consumer = renewed;
        Ok(())
    }
}

impl Reader for KafkaReader {
    fn assign(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.forget_topics()?;
        self.consumer.start(topic, partition, offset)
    }

    fn assign_all(&mut self, places: &[(Arc<str>, i32, i64)]) -> Result<()> {
        self.forget_topics()?;
        self.consumer.start_all(places)
    }

    fn unassign(&mut self, topic: &str, partition: i32) -> Result<()> {
        self.consumer.stop(&[(topic, partition)])
    }

    fn unassign_all(&mut self, places: &[(Arc<str>, i32)]) -> Result<()> {
        let places: Vec<_> = places.iter().map(|(topic, partition)| (&**topic, *partition)).collect();
        self.consumer.stop(&places)
    }

    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled> {
        self.consumer.poll(limit, records, |_| {})
    }

    fn position(&mut self, topic: &str, partition: i32) -> Result<Option<i64>> {
        Ok(self.consumer.fetches.position(topic, partition))
    }

    fn watermarks(&mut self, topic: &str, partition: i32) -> Result<Watermarks> {
        self.consumer.watermarks(topic, partition)
    }

    fn offset_at(&mut self, topic: &str, partition: i32, time: Timestamp) -> Result<Option<i64>> {
        self.consumer.offset_at(topic, partition, time)
    }
}

//! A consumer without a group: one client for any number of partitions.

use std::sync::Arc;

use super::consumer::Consumer;
use crate::broker::{PollLimit, Polled, Reader, Record, Result, Watermarks};

pub struct KafkaReader(pub(super) Consumer);

impl Reader for KafkaReader {
    fn assign(&mut self, topic: &str, partition: i32, offset: i64) -> Result<()> {
        self.0.start(topic, partition, offset)
    }

    fn assign_all(&mut self, places: &[(Arc<str>, i32, i64)]) -> Result<()> {
        self.0.start_all(places)
    }

    fn unassign(&mut self, topic: &str, partition: i32) -> Result<()> {
        self.0.stop(&[(topic, partition)])
    }

    fn unassign_all(&mut self, places: &[(Arc<str>, i32)]) -> Result<()> {
        let places: Vec<_> = places.iter().map(|(topic, partition)| (&**topic, *partition)).collect();
        self.0.stop(&places)
    }

    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled> {
        self.0.poll(limit, records, |_| {})
    }

    fn position(&mut self, topic: &str, partition: i32) -> Result<Option<i64>> {
        Ok(self.0.fetches.position(topic, partition))
    }

    fn watermarks(&mut self, topic: &str, partition: i32) -> Result<Watermarks> {
        self.0.watermarks(topic, partition)
    }
}

//! What upstreams and operators write.

use std::time::Duration;

use flowgate::broker::{Broker, Header, Publication, Publisher};
use flowgate::time::Timestamp;

use crate::plan::{Event, PARTITIONS};
use crate::world::World;

impl World {
    pub fn send(&self, event: &Event) -> Result<(), String> {
        let headers: Vec<Header> = event
            .headers
            .iter()
            .map(|(name, value)| Header { name: (*name).into(), value: value.map(Into::into) })
            .collect();
        self.publish(&Publication {
            topic: &self.topics.enrollments,
            partition: event.partition.or((!event.key).then(|| self.home(event.flow))),
            timestamp: event.timestamp.map(Timestamp),
            key: event.key.then_some(event.flow.as_bytes()),
            value: Some(&event.value),
            headers: &headers,
        })
    }

    pub fn home(&self, flow: &str) -> i32 {
        flowgate::broker::murmur2::partition_for(flow.as_bytes(), PARTITIONS)
    }

    pub fn control(&self, value: &[u8]) -> Result<(), String> {
        let topic = &self.topics.control;
        let (partition, key, value) = (Some(0), Some(b"operator".as_slice()), Some(value));
        self.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] })
    }

    fn publish(&self, publication: &Publication<'_>) -> Result<(), String> {
        let mut publisher = self.memory.publisher().map_err(|error| error.to_string())?;
        publisher.publish(publication).map_err(|error| error.to_string())?;
        // What the topic itself refuses (a timestamp, a size) never became an event.
        drop(publisher.flush(Duration::ZERO));
        Ok(())
    }

    /// Takes note of what is odd about an event.
    pub fn count_oddities(&mut self, event: &Event) {
        self.counted.odd_in_many_ways += u64::from(event.oddities() > 1);
        let home = event.partition.is_none_or(|partition| partition == self.home(event.flow));
        self.counted.strays_with_headers += u64::from(!home && !event.headers.is_empty());
    }
}

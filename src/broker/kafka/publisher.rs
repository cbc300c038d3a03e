//! A producer without transactions.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::client::{Client, REQUEST};
use super::errors::{self, plain};
use super::native::RespErr::*;
use super::native::{Event, Of, ProducerRecord, TopicHandle};
use super::record;
use crate::broker::murmur2::partition_for;
use crate::broker::{Action, Code, Error, Publication, Publisher, Receipt, Result};

pub struct KafkaPublisher {
    /// With the number of partitions once it was needed. Declared before the client: a handle keeps
    /// the native client alive.
    topics: HashMap<String, (TopicHandle, Option<i32>)>,
    client: Client,
    /// One a record since the last flush, in order; `None` while it is under way.
    receipts: Vec<Option<Result<Receipt>>>,
    open: usize,
}

impl KafkaPublisher {
    pub(super) fn new(client: Client) -> Self {
        Self { topics: HashMap::new(), client, receipts: Vec::new(), open: 0 }
    }

    fn serve(&mut self, wait: Duration) {
        let Some(Event::Deliveries(event)) = self.client.poll(wait) else { return };
        while let Some(message) = event.next_message() {
            let receipt = if message.error() == RD_KAFKA_RESP_ERR_NO_ERROR {
                let (partition, offset, timestamp) = (message.partition(), message.offset(), message.timestamp());
                Ok(Receipt { partition, offset, timestamp })
            } else {
                Err(errors::refused(message.error()))
            };
            if let Some(slot) = self.receipts.get_mut(message.tag() as usize) {
                *slot = Some(receipt);
                self.open = self.open.saturating_sub(1);
            }
        }
    }

    /// How many partitions a topic has; asked for once.
    fn partitions(&mut self, topic: &str) -> Result<i32> {
        let Some((handle, known)) = self.topics.get_mut(topic) else { return Err(errors::invalid("unknown handle")) };
        if let Some(count) = known {
            return Ok(*count);
        }
        let topics = self.client.metadata(&Of::Topic(handle), REQUEST)?;
        let (err, count) =
            topics.first().map_or((RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, 0), |topic| (topic.err, topic.partitions));
        match err {
            RD_KAFKA_RESP_ERR_NO_ERROR if count > 0 => {
                *known = Some(count);
                Ok(count)
            }
            RD_KAFKA_RESP_ERR_NO_ERROR => Err(plain(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, topic)),
            err => Err(plain(err, topic)),
        }
    }
}

impl Publisher for KafkaPublisher {
    fn publish(&mut self, record: &Publication<'_>) -> Result<()> {
        self.client.shared.check()?;
        if !self.topics.contains_key(record.topic) {
            self.topics.insert(record.topic.to_owned(), (self.client.topic(record.topic)?, None));
        }
        let partition = match record.partition {
            Some(partition) => partition,
            // Java spreads records without a key; all to one partition keeps their order, and nobody asks for more.
            None => partition_for(record.key.unwrap_or_default(), self.partitions(record.topic)?),
        };
        let Some((handle, _)) = self.topics.get(record.topic) else { return Err(errors::invalid("unknown handle")) };
        let sent = ProducerRecord {
            partition,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers,
            tag: self.receipts.len() as u64,
        };
        match record::send(handle, &sent) {
            Ok(()) => {
                self.receipts.push(None);
                self.open += 1;
                Ok(())
            }
            Err(error) => {
                // Room comes with deliveries, so serve them before the caller tries again.
                if error.code == Code::QueueFull {
                    self.serve(Duration::from_millis(10));
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self, limit: Duration) -> Result<Vec<Result<Receipt>>> {
        let shared = std::sync::Arc::clone(&self.client.shared);
        let _entered = shared.enter("flush", limit);
        let deadline = Instant::now() + limit;
        while self.open > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            self.serve(left);
            shared.check()?;
            if left.is_zero() && self.open > 0 {
                let detail = format!("flush: {} records are not yet stored", self.open);
                return Err(Error::new(Action::Retry, Code::TimedOut, detail));
            }
        }
        Ok(self.receipts.drain(..).flatten().collect())
    }
}

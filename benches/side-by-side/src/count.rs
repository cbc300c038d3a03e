//! Reads what is in topics, and counts it.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::Result;

/// Counts the committed records of all partitions, and shows each of them.
pub fn scan(brokers: &str, partitions: &[(String, i32)], mut show: impl FnMut(&BorrowedMessage<'_>)) -> Result<u64> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "count")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("fetch.queue.backoff.ms", "10")
        .set("check.crcs", "false")
        .create()?;
    let mut assigned = TopicPartitionList::new();
    for (topic, partition) in partitions {
        assigned.add_partition_offset(topic, *partition, Offset::Beginning)?;
    }
    consumer.assign(&assigned)?;
    let (mut records, mut ended, mut heard) = (0, 0, Instant::now());
    while ended < partitions.len() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                show(&message);
                records += 1;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(error.into()),
            None if heard.elapsed() > PATIENCE => {
                return Err(format!("{ended} of {} partitions could be counted", partitions.len()).into());
            }
            None => continue,
        }
        heard = Instant::now();
    }
    Ok(records)
}

//! The cluster that the settings name.

use std::time::Duration;

use super::failure::Failure;
use crate::broker::kafka::{Kafka, KafkaOptions};
use crate::config::Settings;

/// How long a tool waits for the first answer of a broker.
const CONNECT: Duration = Duration::from_secs(10);

pub fn connect(settings: &Settings) -> Result<Kafka, Failure> {
    let kafka = kafka(settings);
    kafka.connect(CONNECT)?;
    Ok(kafka)
}

pub fn kafka(settings: &Settings) -> Kafka {
    Kafka::new(KafkaOptions {
        client: settings.kafka.0.clone(),
        reader_group: settings.topics.group.clone(),
        fetched_bytes: settings.shares().fetched,
        ..KafkaOptions::new(settings.brokers.clone())
    })
}

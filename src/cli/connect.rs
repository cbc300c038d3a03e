//! The cluster that the settings name.

use std::time::Duration;

use super::failure::Failure;
use crate::broker::kafka::settings::{PASSWORD, USERNAME};
use crate::broker::kafka::{Kafka, KafkaOptions, oidc};
use crate::config::Settings;

/// How long a tool waits for the first answer of a broker.
const CONNECT: Duration = Duration::from_secs(10);

/// What can be replaced in clients that run.
pub const LOGIN: [&str; 2] = [USERNAME, PASSWORD];

pub fn connect(settings: &Settings) -> Result<Kafka, Failure> {
    let kafka = kafka(settings);
    kafka.connect(CONNECT)?;
    Ok(kafka)
}

pub fn kafka(settings: &Settings) -> Kafka {
    Kafka::new(options(settings))
}

/// For whoever looks at the files of the settings again and again: a login that stands in them may change, and tokens always do.
pub fn kafka_for_long(settings: &Settings) -> Kafka {
    let in_file = |name: &&str| settings.kafka_files.contains_key(*name);
    let login_may_change = LOGIN.iter().any(in_file) || oidc::is_used(&settings.kafka.0);
    Kafka::new(KafkaOptions { login_may_change, ..options(settings) })
}

fn options(settings: &Settings) -> KafkaOptions {
    KafkaOptions {
        client: settings.kafka.0.clone(),
        reader_group: settings.topics.group.clone(),
        fetched_bytes: settings.shares().fetched,
        ..KafkaOptions::new(settings.brokers.clone())
    }
}

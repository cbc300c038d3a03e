//! The conformance suite on real Kafka.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[macro_use]
mod conformance;
#[path = "kafka/adapter.rs"]
mod adapter;
#[path = "gate/corpus.rs"]
mod corpus;
#[path = "kafka/gate.rs"]
mod gate;
#[path = "support/say.rs"]
mod say;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/kafka.rs"]
mod server;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conformance::Harness;
use conformance::harness::FILLER;
use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::broker::{Broker, MemberOptions, Publication, Publisher};
use flowgate::time::Timestamp;

/// All cases share one broker.
struct OnKafka {
    kafka: Kafka,
}

fn start() -> OnKafka {
    OnKafka { kafka: Kafka::new(KafkaOptions::new(server::shared().brokers())) }
}

impl Harness for OnKafka {
    type Broker = Kafka;

    fn broker(&self) -> &Kafka {
        &self.kafka
    }

    fn fresh_name(&self, case: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{case}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn now(&self) -> Timestamp {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Timestamp(i64::try_from(now.as_millis()).unwrap())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }

    fn pass(&self, step: Duration) {
        std::thread::sleep(step);
    }

    fn member_options(&self, group: &str, topic: &str) -> MemberOptions {
        MemberOptions {
            group: group.to_owned(),
            client_id: self.fresh_name("client"),
            instance_id: None,
            topic: topic.to_owned(),
            session_timeout: Duration::from_secs(6),
            max_poll_interval: Duration::from_secs(600),
        }
    }

    fn short_transaction_timeout(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn cleaner_config(&self) -> BTreeMap<String, String> {
        // A segment is rolled by the first append after 100 ms; the cleaner leaves the active one alone.
        [("segment.ms", "100"), ("min.cleanable.dirty.ratio", "0.001"), ("min.compaction.lag.ms", "0")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    fn clean(&self, topic: &str) {
        let mut publisher = self.kafka.publisher().unwrap();
        let filler = Publication {
            topic,
            partition: Some(0),
            timestamp: None,
            key: Some(FILLER),
            value: Some(b"v"),
            headers: &[],
        };
        publisher.publish(&filler).unwrap();
        publisher.flush(Duration::from_secs(10)).unwrap();
    }

    fn retain(&self, _topic: &str) {
        // The broker checks every half second.
    }
}

conformance_suite!(super::start);

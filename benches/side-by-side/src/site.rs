//! The broker of a run, and topics of its own for each round.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::broker::{Admin as _, Broker as _, NewTopic};
use flowgate::schema::topics::Topics;
use flowgate::topics::{Layout, specification};

use crate::server::KafkaServer;
use crate::{Result, streams, usage};

pub const PARTITIONS: i32 = 6;

/// As `kafka-server-start.sh` has it.
const JVM: &str = "-server -Xms1g -Xmx1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
                   -XX:+ExplicitGCInvokesConcurrent";

/// Where the broker of the tests is in a hurry, or frugal, this one is as Kafka ships. Events wait in open transactions.
const PROPERTIES: &[(&str, &str)] = &[
    ("log.cleaner.dedupe.buffer.size", "134217728"),
    ("log.cleaner.backoff.ms", "15000"),
    ("log.retention.check.interval.ms", "300000"),
    ("log.initial.task.delay.ms", "30000"),
    ("transaction.max.timeout.ms", "1800000"),
];

/// Creating or deleting more topics in one request takes longer than the request may.
const CHUNK: usize = 200;

pub struct Site {
    server: KafkaServer,
    pub kafka: Kafka,
    pub brokers: String,
    rounds: u32,
}

impl Site {
    pub fn start() -> Result<Self> {
        let server = KafkaServer::start_with(JVM, PROPERTIES);
        let brokers = server.brokers();
        let kafka = Kafka::new(KafkaOptions::new(brokers.clone()));
        Ok(Self { server, kafka, brokers, rounds: 0 })
    }

    /// The process of the broker.
    pub fn broker(&self) -> u32 {
        self.server.pid()
    }

    /// Where the broker keeps its logs.
    pub fn data(&self) -> PathBuf {
        self.server.data()
    }

    /// A new prefix, with its topics.
    pub fn topics(&mut self) -> Result<Topics> {
        self.rounds += 1;
        let topics = Topics::new(&format!("round-{}", self.rounds))?;
        let wanted = specification(&topics, &Layout { partitions: PARTITIONS, replication_factor: None });
        self.create(&wanted)?;
        self.until_known(&wanted)?;
        Ok(topics)
    }

    /// The broker learns of topics a moment after they were made, and a gate that does not find its own ends.
    fn until_known(&self, topics: &[NewTopic]) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut admin = self.kafka.admin()?;
        for topic in topics {
            while admin.partitions(&topic.name)? != Some(topic.partitions) {
                if Instant::now() > deadline {
                    return Err(format!("the broker does not know {}", topic.name).into());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    pub fn create(&self, topics: &[NewTopic]) -> Result<()> {
        let mut admin = self.kafka.admin()?;
        for some in topics.chunks(CHUNK) {
            admin.create_topics(some)?.into_iter().collect::<flowgate::broker::Result<()>>()?;
        }
        Ok(())
    }

    /// All topics of a prefix, which gates make more of.
    pub fn delete(&self, topics: &Topics) -> Result<()> {
        let mut admin = self.kafka.admin()?;
        for prefix in [format!("{}.", topics.prefix), streams::made_topics(topics)] {
            for some in admin.topics(&prefix)?.chunks(CHUNK) {
                admin.delete_topics(some)?.into_iter().collect::<flowgate::broker::Result<()>>()?;
            }
        }
        Ok(())
    }

    /// Waits until the broker and the contestant have nothing to do: files of the round before are deleted late, and
    /// caches are filled.
    pub fn settle(&self, contestant: u32) -> Result<()> {
        const LOOK: Duration = Duration::from_millis(300);
        let deadline = Instant::now() + Duration::from_secs(20);
        let used =
            || Ok::<_, Box<dyn std::error::Error + Send + Sync>>(usage::cpu(self.broker())? + usage::cpu(contestant)?);
        let mut before = used()?;
        loop {
            std::thread::sleep(LOOK);
            let now = used()?;
            if now - before < LOOK / 10 || Instant::now() > deadline {
                return Ok(());
            }
            before = now;
        }
    }
}

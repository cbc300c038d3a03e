//! Who sends the events: steadily, on a thread of its own, whatever happens to the gate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use flowgate::broker::kafka::{Kafka, KafkaPublisher};
use flowgate::broker::{Action, Broker, Publication, Publisher};
use serde_json::json;

use crate::PATIENCE;

/// Where a client sends an event.
#[derive(Clone, Copy, Debug)]
pub enum Partitioner {
    /// As the Java client and the gate: murmur2 of the flow.
    Java,
    /// CRC-32 of the flow, the default of clients built on librdkafka.
    Crc32 { partitions: u32 },
}

/// One client.
pub struct Client {
    publisher: KafkaPublisher,
    topic: String,
    partitioner: Partitioner,
    /// The number of the last event.
    number: u64,
}

impl Client {
    /// Its events are numbered from behind `before` on.
    pub fn new(kafka: &Kafka, topic: &str, partitioner: Partitioner, before: u64) -> Self {
        Self { publisher: kafka.publisher().unwrap(), topic: topic.to_owned(), partitioner, number: before }
    }

    /// The next event of a flow: three enrolls of four, one of 400 records, and now and then one that leaves.
    pub fn next(&mut self, flow: &str) {
        self.number += 1;
        let number = self.number;
        let kind = match number % 40 {
            39 => "withdraw",
            rest if rest % 4 == 0 => "advance",
            _ => "enroll",
        };
        let record = format!("r{}", number.wrapping_mul(2_654_435_761) % 400);
        let value = json!({"flow_id": flow, "record_id": record, "kind": kind, "number": number}).to_string();
        self.send(flow, value.as_bytes());
    }

    pub fn send(&mut self, flow: &str, value: &[u8]) {
        let partition = match self.partitioner {
            Partitioner::Java => None,
            Partitioner::Crc32 { partitions } => Some((crc32(flow.as_bytes()) % partitions).cast_signed()),
        };
        let (key, value) = (Some(flow.as_bytes()), Some(value));
        let event = Publication { topic: &self.topic, partition, timestamp: None, key, value, headers: &[] };
        while let Err(error) = self.publisher.publish(&event) {
            assert_eq!(error.action, Action::Retry, "{error}");
        }
    }

    /// Waits until everything is stored.
    pub fn flush(&mut self) {
        let receipts = self.publisher.flush(PATIENCE).unwrap();
        assert!(receipts.iter().all(Result::is_ok), "an event was refused");
    }

    pub fn burst(&mut self, flow: &str, events: u32) {
        (0..events).for_each(|_| self.next(flow));
        self.flush();
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Sends until it is told to stop.
pub struct Upstream {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Upstream {
    /// `pace`: how long it waits after one event of each flow.
    pub fn start(mut client: Client, flows: &[&str], pace: Duration) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (asked, counted) = (Arc::clone(&stop), Arc::clone(&sent));
        let flows: Vec<String> = flows.iter().map(|flow| (*flow).to_owned()).collect();
        let thread = std::thread::spawn(move || {
            while !asked.load(Ordering::Relaxed) {
                flows.iter().for_each(|flow| client.next(flow));
                client.flush();
                counted.fetch_add(flows.len() as u64, Ordering::Relaxed);
                std::thread::sleep(pace);
            }
        });
        Self { stop, sent, thread }
    }

    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// How many events it has sent.
    pub fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.sent.load(Ordering::Relaxed)
    }
}

#[test]
fn crc32_is_the_one_of_the_clients() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

//! One or more production workers on the memory broker, stepped by hand, and what a test wants to say to them.

use std::time::Duration;

use flowgate::broker::memory::Memory;
use flowgate::broker::{Admin, Broker, Isolation, Publication, Publisher, Record};
use flowgate::flow::Flow;
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Step, Stop, Worker};
use serde_json::{Value, json};

pub const START: Timestamp = Timestamp(1_750_000_000_000);
pub const PARTITIONS: i32 = 3;

pub struct Rig {
    pub memory: Memory,
    pub topics: Topics,
    pub workers: Vec<Worker<Memory>>,
    pub adjust: fn(&mut Options),
    commands: u32,
    incarnations: u32,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(adjust: fn(&mut Options)) -> Self {
        let memory = Memory::new(START);
        let topics = Topics::new("flow").unwrap();
        let layout = Layout { partitions: PARTITIONS, replication_factor: None };
        let made = memory.admin().unwrap().create_topics(&specification(&topics, &layout)).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        let mut rig = Self { memory, topics, workers: Vec::new(), adjust, commands: 0, incarnations: 0 };
        rig.start("a");
        rig
    }

    pub fn start(&mut self, instance: &str) {
        self.incarnations += 1;
        let mut options = Options::new(self.topics.clone(), instance, 0, format!("i{}", self.incarnations));
        // The clock of these tests jumps by days: a worker that is stepped is alive all the while.
        options.session_timeout = Duration::from_secs(60 * 24 * 60 * 60);
        options.max_poll_interval = options.session_timeout;
        options.transaction_timeout = options.session_timeout;
        (self.adjust)(&mut options);
        self.workers.push(Worker::new(self.memory.clone(), options));
    }

    pub fn now(&self) -> Timestamp {
        self.memory.now()
    }

    pub fn pass(&mut self, time: Duration) {
        let to = self.now().after(time);
        self.memory.advance_to(to);
        self.settle();
    }

    /// Steps every worker until all of them have nothing to do, moving the clock for what they wait for.
    pub fn settle(&mut self) {
        self.try_settle().unwrap();
    }

    pub fn try_settle(&mut self) -> Result<(), Stop> {
        let mut quiet = 0;
        for _ in 0..2_000_000 {
            let mut all_idle = true;
            for worker in &mut self.workers {
                match worker.step(self.memory.now())? {
                    Step::Progress => all_idle = false,
                    Step::Waiting(time) => {
                        all_idle = false;
                        self.memory.advance_to(self.memory.now().after(time));
                    }
                    Step::Idle { until: Some(until) } if until <= self.memory.now().after(Duration::from_secs(1)) => {
                        all_idle = false;
                        self.memory.advance_to(until);
                    }
                    Step::Idle { .. } | Step::Left => {}
                }
            }
            // A gathering has several steps: idle is who stays so for a whole round of them.
            quiet = if all_idle { quiet + 1 } else { 0 };
            if self.workers.len() < 2 && all_idle || quiet > 20 {
                return Ok(());
            }
        }
        panic!(
            "the workers do not settle: {:?}",
            self.workers.iter().map(|w| (w.phase(), w.stats())).collect::<Vec<_>>()
        );
    }

    pub fn send(&self, flow: &str, record: &str, kind: &str) {
        self.send_value(flow, &json!({"flow_id": flow, "record_id": record, "kind": kind, "at": self.now().0}));
    }

    pub fn send_value(&self, key: &str, value: &Value) {
        self.publish(&self.topics.enrollments, None, Some(key.as_bytes()), Some(value.to_string().as_bytes()));
    }

    pub fn publish(&self, topic: &str, partition: Option<i32>, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut publisher = self.memory.publisher().unwrap();
        let publication = Publication { topic, partition, timestamp: None, key, value, headers: &[] };
        publisher.publish(&publication).unwrap();
        publisher
            .flush(Duration::ZERO)
            .unwrap()
            .into_iter()
            .for_each(|receipt| assert!(receipt.is_ok(), "{receipt:?}"));
    }

    /// Sends a command; the rest of its fields are given.
    pub fn command(&mut self, flow: &str, action: &str, rest: Value) -> String {
        self.commands += 1;
        let id = format!("c{}", self.commands);
        let mut command = json!({
            "command_id": id, "flow_id": flow, "action": action, "issued_by": "test", "issued_at": "2025-06-15T15:06:40Z",
        });
        command.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        self.publish(&self.topics.control, Some(0), Some(flow.as_bytes()), Some(command.to_string().as_bytes()));
        id
    }

    pub fn read(&self, topic: &str) -> Vec<Record> {
        let mut records = Vec::new();
        for partition in 0..PARTITIONS {
            records.extend(self.memory.dump(topic, partition, Isolation::ReadCommitted).unwrap_or_default());
        }
        records
    }

    /// The record ids delivered for a flow, in their order, `+` before those of advances, `-` before withdraws.
    pub fn delivered(&self, flow: &str) -> Vec<String> {
        ids(&self.read(&self.topics.records), flow)
    }

    pub fn discarded(&self, flow: &str) -> Vec<String> {
        ids(&self.read(&self.topics.discarded), flow)
    }

    pub fn flow(&self, id: &str) -> Flow {
        let states = self.read(&self.topics.state);
        let newest = states.iter().rev().find(|record| record.key.as_deref() == Some(id.as_bytes())).unwrap();
        flowgate::schema::state::read(newest.value.as_deref().unwrap()).unwrap().body
    }

    pub fn answers(&self) -> Vec<(String, String, String)> {
        let audit = self.read(&self.topics.audit).into_iter();
        let answers = audit.filter_map(|record| {
            let event: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (event["event"] == "answer")
                .then(|| (text(&event["command"]["command_id"]), text(&event["outcome"]), text(&event["detail"])))
        });
        answers.collect()
    }
}

fn ids(records: &[Record], flow: &str) -> Vec<String> {
    let of_flow = records.iter().filter_map(|record| {
        let event: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
        if event["flow_id"] != flow {
            return None;
        }
        let sign = match event["kind"].as_str() {
            Some("advance") => "+",
            Some("withdraw") => "-",
            _ => "",
        };
        Some(format!("{sign}{}", event["record_id"].as_str().unwrap_or_default()))
    });
    of_flow.collect()
}

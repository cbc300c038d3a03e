//! One or more production workers on the memory broker, stepped by hand, and what a test wants to say to them.
//!
//! A rig that goes out of scope has the independent checker look at all of its topics, and its list model play
//! them again: every scenario ends with both.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowgate::broker::memory::{Call, Memory, Operation, Tombstones};
use flowgate::broker::murmur2::partition_for;
use flowgate::broker::{Admin, Broker, Header, Isolation, Publication, Publisher, Record};
use flowgate::demo::proof;
use flowgate::flow::{Flow, State};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Step, Stop, Worker};
use flowgate_checker::{Log, Replay, Report};
use serde_json::{Value, json};

pub const START: Timestamp = Timestamp(1_750_000_000_000);
pub const PARTITIONS: i32 = 3;
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// After so long a crashed member is not counted on any more.
pub const SESSION: Duration = Duration::from_secs(10);

pub struct Rig {
    pub memory: Memory,
    pub topics: Topics,
    pub workers: Vec<Worker<Memory>>,
    pub adjust: fn(&mut Options),
    /// Added to the broker's time to make the workers'.
    pub clock: i64,
    /// Whether the topics are whole, so that the checker can say something about them.
    pub whole: bool,
    /// The newest entry of each flow that somebody deleted.
    pub deleted: BTreeMap<String, u64>,
    commands: u32,
    incarnations: u32,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(adjust: fn(&mut Options)) -> Self {
        let mut rig = Self::without_worker(adjust);
        rig.start("a");
        rig
    }

    pub fn without_worker(adjust: fn(&mut Options)) -> Self {
        let memory = Memory::new(START);
        let topics = Topics::new("flow").unwrap();
        let layout = Layout { partitions: PARTITIONS, replication_factor: None };
        let made = memory.admin().unwrap().create_topics(&specification(&topics, &layout)).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        let (clock, commands, incarnations) = Default::default();
        Self {
            memory,
            topics,
            workers: Vec::new(),
            adjust,
            clock,
            whole: true,
            deleted: BTreeMap::new(),
            commands,
            incarnations,
        }
    }

    pub fn start(&mut self, instance: &str) {
        self.incarnations += 1;
        let mut options = Options::new(self.topics.clone(), instance, 0, format!("i{}", self.incarnations));
        options.session_timeout = SESSION;
        options.transaction_timeout = SESSION;
        // The clock of these tests jumps by days: a worker that is stepped is alive all the while.
        options.max_poll_interval = DAY * 600;
        (self.adjust)(&mut options);
        self.workers.push(Worker::new(self.memory.clone(), options));
    }

    /// Every process dies where it is; a new one comes, and the group has noticed.
    pub fn crash(&mut self, instance: &str) {
        self.workers.clear();
        self.start(instance);
        self.wait(SESSION + Duration::from_secs(1));
    }

    /// A crash, and the new process goes on until it has nothing to do.
    pub fn restart(&mut self, instance: &str) {
        self.crash(instance);
        self.settle();
    }

    /// Every worker stops cleanly.
    pub fn stop(&mut self) {
        for worker in &mut self.workers {
            worker.stop();
        }
        for _ in 0..10_000 {
            let now = self.worker_time();
            self.workers.retain_mut(|worker| worker.step(now).unwrap() != Step::Left);
            if self.workers.is_empty() {
                return;
            }
        }
        panic!("the workers do not stop: {:?}", self.workers.iter().map(Worker::phase).collect::<Vec<_>>());
    }

    pub fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn worker_time(&self) -> Timestamp {
        Timestamp(self.memory.now().0 + self.clock)
    }

    pub fn wait(&self, time: Duration) {
        self.memory.advance_to(self.now().after(time));
    }

    /// Lets time pass in one jump.
    pub fn pass(&mut self, time: Duration) {
        self.wait(time);
        self.settle();
    }

    /// Lets time pass a quarter of a second at a time.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now().after(time);
        while self.now() < until {
            self.pass(Duration::from_millis(250));
        }
    }

    pub fn run_until_live(&mut self, flow: &str) {
        for _ in 0..4_000 {
            if matches!(self.flow(flow).state, State::Live) {
                return;
            }
            self.pass(Duration::from_millis(250));
        }
        panic!("flow {flow} does not get live: {:?}", self.flow(flow));
    }

    /// Steps every worker until all of them have nothing to do, moving the clock for what they wait for.
    pub fn settle(&mut self) {
        self.try_settle().unwrap();
    }

    pub fn try_settle(&mut self) -> Result<(), Stop> {
        let mut quiet = 0;
        for _ in 0..20_000 {
            let before = self.progress();
            for index in 0..self.workers.len() {
                let mut steps = 0;
                while !self.step(index)? {
                    steps += 1;
                    assert!(steps < 500_000, "worker {index} does not come to rest: {}", self.told());
                }
            }
            // Twice: what one of them did last may concern the others.
            quiet = if self.progress() == before { quiet + 1 } else { 0 };
            if quiet == 2 {
                return Ok(());
            }
        }
        panic!("the workers do not settle: {}", self.told());
    }

    /// Where every worker is.
    fn told(&self) -> String {
        let of = |worker: &Worker<Memory>| {
            format!("\n{} ready: {} {:?} {:?}", worker.phase(), worker.is_ready(), worker.obstacles(), worker.stats())
        };
        self.workers.iter().map(of).collect()
    }

    fn progress(&self) -> Vec<(u64, u64, bool)> {
        self.workers.iter().map(|of| (of.stats().turns, of.stats().aborts, of.is_ready())).collect()
    }

    /// Counts every record that is sent from now on.
    pub fn count_sends(&self) -> Arc<AtomicU64> {
        let sent = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent);
        self.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
            counted.fetch_add(u64::from(call.operation == Operation::Send), Ordering::Relaxed);
            None
        })));
        sent
    }

    /// One step of one worker; whether it had nothing to do.
    pub fn step(&mut self, index: usize) -> Result<bool, Stop> {
        let now = self.worker_time();
        match self.workers[index].step(now)? {
            Step::Progress => return Ok(false),
            Step::Waiting(time) => self.wait(time),
            Step::Idle { until: Some(until) } if until <= now.after(Duration::from_millis(100)) => {
                self.wait(until.since(now));
            }
            // Whoever runs a worker polls again, and a slow broker answers then.
            Step::Idle { .. } if self.memory.take_withheld() => self.wait(Duration::from_millis(1)),
            Step::Idle { .. } | Step::Left => return Ok(true),
        }
        Ok(false)
    }

    /// Steps a worker until it is about to begin this phase; `false` if it had nothing to do before that.
    pub fn step_to(&mut self, index: usize, phase: &str) -> bool {
        for _ in 0..100_000 {
            if self.workers[index].phase() == phase {
                return true;
            }
            if self.step(index).unwrap() {
                return false;
            }
        }
        panic!("the worker does not come to {phase}");
    }

    pub fn home(&self, flow: &str) -> i32 {
        partition_for(flow.as_bytes(), PARTITIONS)
    }

    pub fn send(&self, flow: &str, record: &str, kind: &str) {
        self.send_value(flow, &json!({"flow_id": flow, "record_id": record, "kind": kind, "at": self.now().0}));
    }

    /// Enrolls records of a flow, the words of `records`; `+` before an advance, `-` before a withdraw.
    pub fn send_all(&self, flow: &str, records: &str) {
        for word in records.split_whitespace() {
            match (word.strip_prefix('+'), word.strip_prefix('-')) {
                (Some(record), _) => self.send(flow, record, "advance"),
                (_, Some(record)) => self.send(flow, record, "withdraw"),
                _ => self.send(flow, word, "enroll"),
            }
        }
    }

    pub fn send_value(&self, key: &str, value: &Value) {
        let value = value.to_string();
        self.publish(&publication(&self.topics.enrollments, None, Some(key.as_bytes()), Some(value.as_bytes())));
    }

    pub fn publish(&self, publication: &Publication<'_>) {
        let mut publisher = self.memory.publisher().unwrap();
        publisher.publish(publication).unwrap();
        for receipt in publisher.flush(Duration::ZERO).unwrap() {
            receipt.unwrap();
        }
    }

    /// Sends a command; the rest of its fields are given.
    pub fn command(&mut self, flow: &str, action: &str, rest: Value) -> String {
        self.commands += 1;
        let id = format!("c{}", self.commands);
        self.command_again(&id, flow, action, rest);
        id
    }

    /// Sends a command of this id.
    pub fn command_again(&self, id: &str, flow: &str, action: &str, rest: Value) {
        let mut command = json!({
            "command_id": id, "flow_id": flow, "action": action, "issued_by": "test", "issued_at": "2025-06-15T15:06:40Z",
        });
        command.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        self.control(command.to_string().as_bytes());
    }

    pub fn control(&self, value: &[u8]) {
        self.publish(&publication(&self.topics.control, Some(0), Some(b"key"), Some(value)));
    }

    /// Sends a command when everything sent before has its place, and lets it take effect; gives the answer,
    /// `<outcome>: <detail>`.
    pub fn order(&mut self, flow: &str, action: &str, rest: Value) -> String {
        self.settle();
        let id = self.command(flow, action, rest);
        self.settle();
        self.answer(&id)
    }

    /// How many commands were sent.
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// Notes what somebody is about to delete of a flow's queue topic: what lies below this offset, or all of it.
    pub fn somebody_deletes(&mut self, flow: &str, below: Option<i64>) {
        let entries = self.memory.dump(&self.queue(flow), 0, Isolation::ReadCommitted).unwrap();
        let gone = entries.iter().filter(|record| below.is_none_or(|below| record.offset < below));
        let newest = gone.filter_map(|record| Some(flowgate::schema::entry::indexed(record)?.number)).max();
        let known = self.deleted.entry(flow.to_owned()).or_default();
        *known = newest.unwrap_or_default().max(*known);
    }

    pub fn answer(&self, id: &str) -> String {
        let answers = self.answers();
        let Some((_, outcome, detail)) = answers.iter().rev().find(|(of, ..)| of == id) else {
            panic!("no answer to {id}: {}", self.told())
        };
        format!("{outcome}: {detail}")
    }

    pub fn read(&self, topic: &str) -> Vec<Record> {
        let mut records = Vec::new();
        for partition in 0..PARTITIONS {
            records.extend(self.memory.dump(topic, partition, Isolation::ReadCommitted).unwrap_or_default());
        }
        records
    }

    /// The record ids delivered for a flow, in their order, `+` before those of advances, `-` before withdraws.
    pub fn delivered(&self, flow: &str) -> String {
        ids(&self.read(&self.topics.records), flow)
    }

    pub fn discarded(&self, flow: &str) -> String {
        ids(&self.read(&self.topics.discarded), flow)
    }

    pub fn dead_letters(&self) -> Vec<Record> {
        self.read(&self.topics.dead_letters)
    }

    pub fn flow(&self, id: &str) -> Flow {
        self.known(id).unwrap()
    }

    pub fn known(&self, id: &str) -> Option<Flow> {
        let states = self.read(&self.topics.state);
        let newest = states.iter().rev().find(|record| record.key.as_deref() == Some(id.as_bytes()))?;
        Some(flowgate::schema::state::read(newest.value.as_deref().unwrap()).unwrap().body)
    }

    pub fn state(&self, id: &str) -> &'static str {
        self.flow(id).state_word()
    }

    /// Up to where a partition has applied the commands, as its record says.
    pub fn control_position(&self, partition: i32) -> i64 {
        let states = self.memory.dump(&self.topics.state, partition, Isolation::ReadCommitted).unwrap();
        let newest = states.iter().rev().find(|record| record.key.as_deref() == Some(b"")).unwrap();
        flowgate::schema::partition::read(newest.value.as_deref().unwrap()).unwrap().body.control
    }

    pub fn queue(&self, flow: &str) -> String {
        self.flow(flow).queue.topic.unwrap()
    }

    pub fn queue_topics(&self) -> Vec<String> {
        self.memory.admin().unwrap().topics(&self.topics.queue_prefix()).unwrap()
    }

    /// Runs the cleaner wherever it may run.
    pub fn clean(&self) {
        for topic in self.queue_topics() {
            self.memory.compact(&topic, 0, i64::MAX, Tombstones::Remove).unwrap();
        }
        for partition in 0..PARTITIONS {
            self.memory.compact(&self.topics.state, partition, i64::MAX, Tombstones::Keep).unwrap();
        }
    }

    /// Every answer in the audit: command id, outcome, detail.
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

    /// Everything in the topics, as the checker wants it.
    fn log(&self) -> Log {
        let read = |topic: &str| Ok::<_, Infallible>(self.read(topic).into_iter().map(proof::plain).collect());
        let log = proof::gather(&self.topics, PARTITIONS, &self.queue_topics(), read).unwrap();
        Log { deleted: self.deleted.clone(), ..log }
    }

    /// Has both oracles look at every topic: the checker, and the list that plays everything again.
    #[track_caller]
    pub fn check(&self) -> (Report, Replay) {
        let log = self.log();
        let (report, replay) = (flowgate_checker::check(&log), flowgate_checker::replay(&log));
        let anomalies: Vec<String> = report.anomalies.iter().map(ToString::to_string).collect();
        assert!(report.is_green(), "{anomalies:#?} {:?}", report.flows);
        let differences: Vec<String> = replay.differences.iter().map(ToString::to_string).collect();
        assert!(differences.is_empty(), "{differences:#?}");
        (report, replay)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if self.whole && !std::thread::panicking() {
            self.check();
        }
    }
}

pub fn publication<'a>(
    topic: &'a str,
    partition: Option<i32>,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
) -> Publication<'a> {
    Publication { topic, partition, timestamp: None, key, value, headers: &[] }
}

/// The last header of this name, as text.
pub fn header(record: &Record, name: &str) -> Option<String> {
    let Header { value, .. } = record.last_header(name)?;
    Some(String::from_utf8(value.as_ref()?.to_vec()).unwrap())
}

fn ids(records: &[Record], flow: &str) -> String {
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
    of_flow.collect::<Vec<_>>().join(" ")
}

/// The transitions of a flow in the audit.
pub fn transitions(rig: &Rig, flow: &str) -> Vec<Value> {
    let audit = rig.read(&rig.topics.audit).into_iter();
    let events = audit.filter_map(|record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
    events.filter(|event| event["event"] == "transition" && event["flow_id"] == flow).collect()
}

/// Their words.
pub fn words(rig: &Rig, flow: &str) -> String {
    let words = transitions(rig, flow).into_iter().map(|event| event["transition"].as_str().unwrap().to_owned());
    words.collect::<Vec<_>>().join(" ")
}

//! The production worker on real Kafka: a pause under load, one worker or two, and what the checker says of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use flowgate::broker::kafka::{Kafka, KafkaOptions};
use flowgate::broker::{Action, Admin, Broker, Publication, Publisher};
use flowgate::demo::proof;
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Step, Stop, Worker};
use serde_json::{Value, json};

use crate::say::say;
use crate::{corpus, server};

const PATIENCE: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 4;

struct Cluster {
    kafka: Kafka,
    topics: Topics,
    commands: u32,
}

/// A worker on a thread of its own, as an instance runs it.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), Stop>>,
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(now.as_millis()).unwrap())
}

impl Cluster {
    fn new(name: &str) -> Self {
        Self::on(server::shared(), name)
    }

    fn on(server: &server::KafkaServer, name: &str) -> Self {
        let kafka = Kafka::new(KafkaOptions::new(server.brokers()));
        let topics = Topics::new(name).unwrap();
        let layout = Layout { partitions: PARTITIONS, replication_factor: Some(1) };
        let made = kafka.admin().unwrap().create_topics(&specification(&topics, &layout)).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        Self { kafka, topics, commands: 0 }
    }

    fn start(&self, instance: &str) -> Running {
        static INCARNATIONS: AtomicU32 = AtomicU32::new(0);
        let incarnation = INCARNATIONS.fetch_add(1, Ordering::Relaxed).to_string();
        let mut options = Options::new(self.topics.clone(), instance, 0, incarnation);
        options.session_timeout = Duration::from_secs(6);
        options.transaction_timeout = Duration::from_secs(6);
        let (kafka, stop) = (self.kafka.clone(), Arc::new(AtomicBool::new(false)));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut worker = Worker::new(kafka, options);
            loop {
                if asked.load(Ordering::Relaxed) {
                    worker.stop();
                }
                match worker.step(now())? {
                    Step::Progress | Step::Idle { .. } => {}
                    Step::Waiting(time) => std::thread::sleep(time),
                    Step::Left => return Ok(()),
                }
            }
        });
        Running { stop, thread }
    }

    fn send(&self, events: &[(&str, String, &str)]) {
        let mut publisher = self.kafka.publisher().unwrap();
        for (flow, record, kind) in events {
            let value = json!({"flow_id": flow, "record_id": record, "kind": kind}).to_string();
            let publication = Publication {
                topic: &self.topics.enrollments,
                partition: None,
                timestamp: None,
                key: Some(flow.as_bytes()),
                value: Some(value.as_bytes()),
                headers: &[],
            };
            publish(&mut publisher, &publication);
        }
        publisher.flush(PATIENCE).unwrap().into_iter().for_each(|receipt| assert!(receipt.is_ok(), "{receipt:?}"));
    }

    fn command(&mut self, flow: &str, action: &str) {
        self.commands += 1;
        let command = json!({
            "command_id": format!("c{}", self.commands), "flow_id": flow, "action": action, "issued_by": "test",
            "issued_at": "2026-01-01T00:00:00Z",
        })
        .to_string();
        let mut publisher = self.kafka.publisher().unwrap();
        let publication = Publication {
            topic: &self.topics.control,
            partition: Some(0),
            timestamp: None,
            key: Some(flow.as_bytes()),
            value: Some(command.as_bytes()),
            headers: &[],
        };
        publish(&mut publisher, &publication);
        publisher.flush(PATIENCE).unwrap();
        let answers = self.commands;
        self.eventually(&format!("{answers} answers"), |log| answered(log) >= answers as usize);
    }

    /// Waits until what is in the topics satisfies the condition, and nothing in them is wrong at any moment.
    fn eventually(&self, what: &str, holds: impl Fn(&flowgate_checker::Log) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.read_all();
            if holds(&log) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{what}: {} records, {} audit events",
                log.records.len(),
                log.audit.len()
            );
        }
    }

    /// Everything in the topics; a broker that was just killed is asked again.
    fn read_all(&self) -> flowgate_checker::Log {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match proof::log(&self.kafka, &self.topics) {
                Ok(log) => return log,
                Err(error) => assert!(error.action == Action::Retry && Instant::now() < deadline, "{error:?}"),
            }
        }
    }

    fn check(&self) -> flowgate_checker::Report {
        let report = flowgate_checker::check(&self.read_all());
        assert!(report.is_green(), "{:#?}", report.anomalies);
        report
    }
}

/// A topic just made is not known to every client at once.
fn publish(publisher: &mut <Kafka as Broker>::Publisher, publication: &Publication<'_>) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = publisher.publish(publication) {
        assert!(error.action == Action::Retry && Instant::now() < deadline, "{error}");
        std::thread::yield_now();
    }
}

impl Running {
    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

fn answered(log: &flowgate_checker::Log) -> usize {
    let events = log.audit.iter().filter_map(|record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
    events.filter(|event| event["event"] == "answer").count()
}

fn events(flow: &str, records: std::ops::Range<u32>) -> Vec<(&str, String, &'static str)> {
    records
        .map(|record| (flow, format!("r{}", record % 50), if record % 3 == 0 { "advance" } else { "enroll" }))
        .collect()
}

/// Goal: the promise on real Kafka, undisturbed. Method: three flows, one of them paused and resumed in the middle.
#[test]
fn a_pause_is_total_and_its_resume_complete() {
    let mut cluster = Cluster::new("gate-one");
    let gate = cluster.start("a");
    for flow in ["welcome", "post-purchase", "win-back"] {
        cluster.send(&events(flow, 0..100));
    }
    cluster.eventually("all delivered", |log| log.records.len() == 300);
    cluster.command("welcome", "pause");
    for flow in ["welcome", "post-purchase"] {
        cluster.send(&events(flow, 100..400));
    }
    cluster.eventually("the other flow delivered", |log| log.records.len() == 600);
    cluster.command("welcome", "resume");
    cluster.eventually("live again", |log| went_live(log) == 1);
    cluster.send(&events("welcome", 400..500));
    cluster.eventually("the last delivered", |log| log.records.len() >= 700);
    gate.stop();
    let report = cluster.check();
    let sums = &report.flows["welcome"];
    assert_eq!((sums.queued.total(), sums.held.total()), (300, 0));
    assert!(sums.replaced.total() > 0 && sums.released.total() > 0, "{sums:?}");
}

fn went_live(log: &flowgate_checker::Log) -> usize {
    let events = log.audit.iter().filter_map(|record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok());
    events.filter(|event| event["transition"] == "live").count()
}

/// Goal: two gates share the partitions; one joins and one leaves under load, with a flow paused all the while.
#[test]
fn gates_that_come_and_go_lose_and_double_nothing() {
    let mut cluster = Cluster::new("gate-two");
    let first = cluster.start("a");
    cluster.command("welcome", "pause");
    let flows: Vec<String> = (0..12).map(|flow| format!("flow-{flow}")).collect();
    let burst = |cluster: &Cluster, range: std::ops::Range<u32>| {
        for flow in &flows {
            cluster.send(&events(flow, range.clone()));
        }
        cluster.send(&events("welcome", range));
    };
    burst(&cluster, 0..100);
    let second = cluster.start("b");
    burst(&cluster, 100..200);
    cluster.eventually("delivered through the join", |log| log.records.len() == 12 * 200);
    burst(&cluster, 200..300);
    first.stop();
    burst(&cluster, 300..400);
    cluster.eventually("delivered through the leave", |log| log.records.len() == 12 * 400);
    cluster.command("welcome", "resume");
    cluster.eventually("live again", |log| went_live(log) == 1);
    second.stop();
    let report = cluster.check();
    assert_eq!(report.flows["welcome"].queued.total(), 400);
}

/// Goal: the broker's death costs time, nothing else. Method: kill -9 and restart under load, with one flow held and one
/// that drains.
#[test]
fn a_broker_that_dies_three_times_loses_and_doubles_nothing() {
    const DEATHS: u32 = 3;
    let server = server::KafkaServer::start(server::KafkaServer::QUICK_RESTART);
    let mut cluster = Cluster::on(&server, "gate-broker");
    let gate = cluster.start("a");
    cluster.command("held", "pause");
    for death in 0..DEATHS {
        cluster.command("drained", "pause");
        let range = death * 2_000..(death + 1) * 2_000;
        for flow in ["held", "drained", "live"] {
            cluster.send(&events(flow, range.clone()));
        }
        cluster.eventually("live delivered", |log| log.records.len() >= 2_000);
        cluster.command("drained", "resume");
        server.kill();
        server.restart();
        cluster.eventually("drained", |log| went_live(log) == death as usize + 1);
    }
    cluster.command("held", "resume");
    cluster.eventually("all live", |log| went_live(log) == DEATHS as usize + 1);
    gate.stop();
    let report = cluster.check();
    assert_eq!(report.flows["held"].queued.total(), 6_000);
    say(&format!(
        "fault: kill -9 and restart of the broker: {DEATHS} times; {} events compared, 0 anomalies",
        report.events
    ));
}

/// Goal: every input of the corpus comes to its end on real Kafka too.
#[test]
fn the_corpus_on_real_kafka() {
    let kafka = Kafka::new(KafkaOptions::new(server::shared().brokers()));
    let topics = Topics::new("gate-corpus").unwrap();
    let layout = Layout { partitions: PARTITIONS, replication_factor: Some(1) };
    let mut specification = specification(&topics, &layout);
    for (name, value) in [("message.timestamp.after.max.ms", "9223372036854775807"), ("retention.ms", "-1")] {
        // The odd timestamps have to survive here until they are read.
        specification[0].config.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(specification[0].name, topics.enrollments);
    let made = kafka.admin().unwrap().create_topics(&specification).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let cluster = Cluster { kafka, topics, commands: 0 };
    cluster.eventually("the topics are known", |log| log.enrollments.is_empty());
    let gate = cluster.start("a");
    let ran = corpus::run_corpus(&cluster.kafka, &cluster.topics, now(), || {
        cluster
            .eventually("every input has its end", |log| log.records.len() + log.dead_letters.len() >= corpus::INPUTS);
    });
    say(&format!("corpus: {ran} inputs on real Kafka"));
    gate.stop();
}

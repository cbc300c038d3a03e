//! The parts of the gate that every event goes through, each alone: `cargo bench -p flowgate-parts`. What they are worth
//! together, on Kafka, is measured by `benches/side-by-side`.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use flowgate::broker::memory::Memory;
use flowgate::broker::{Admin as _, Broker as _, Isolation, Publication, Publisher as _, Record};
use flowgate::flow::arrive::{Entry, Fate};
use flowgate::flow::command::apply;
use flowgate::flow::index::{Index, Indexed};
use flowgate::flow::{
    Action, Command, CommandId, Expect, Flow, FlowId, Issue, Kind, Limits, Moment, Partition, PauseOrder, RecordId,
    Target,
};
use flowgate::schema;
use flowgate::schema::entry::{Mark, Reader};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Step, Worker};
use serde_json::json;

const NOW: Timestamp = Timestamp(1_750_000_000_000);
const PARTITIONS: i32 = 6;
const FLOWS: u32 = 100;

criterion_group!(parts, decide, entries, index, turns);
criterion_main!(parts);

/// 200 bytes of JSON.
fn value(flow: &str, number: u32) -> Vec<u8> {
    let head = format!(
        r#"{{"flow_id":"{flow}","record_id":"contact-{number:09}","kind":"enroll","list":"newsletter","note":""#
    );
    let filler = "x".repeat(198 - head.len());
    [head.as_bytes(), filler.as_bytes(), br#""}"#].concat()
}

fn record(flow: &str, number: u32) -> Record {
    Record {
        topic: "flow.enrollments".into(),
        partition: 3,
        offset: number.into(),
        timestamp: NOW,
        key: Some(Bytes::copy_from_slice(flow.as_bytes())),
        value: Some(value(flow, number).into()),
        headers: Vec::new(),
    }
}

fn paused(id: &FlowId) -> Flow {
    let command = Command {
        id: CommandId::new("c1").unwrap(),
        target: Target::Flow(id.clone()),
        action: Action::Pause(PauseOrder::default()),
        issued_by: "bench".to_owned(),
        issued_at: None,
        reason: None,
        expect: Expect::default(),
    };
    let issue = Issue { command: &command, offset: 0, recorded_at: NOW };
    let mut flow = None;
    let moment = Moment { now: NOW, limits: &Limits::default(), gone: None };
    apply(&mut flow, id, &mut Partition::new(PARTITIONS, PARTITIONS, 0, 0, NOW), &issue, &moment);
    flow.unwrap()
}

/// An event is read, and its flow says where it goes.
fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse and decide");
    group.throughput(Throughput::Elements(1));
    let id = FlowId::new("welcome").unwrap();
    let value = value("welcome", 1);
    for (name, mut flow) in [("live", Flow::new(id.clone(), NOW)), ("paused", paused(&id))] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let event = schema::event::read(Some(black_box(&value))).unwrap();
                flow.arrive(&event)
            });
        });
    }
    group.finish();
}

fn entries(c: &mut Criterion) {
    let mut group = c.benchmark_group("entry");
    group.throughput(Throughput::Elements(1));
    let id = FlowId::new("welcome").unwrap();
    let record = record("welcome", 1);
    let event = schema::event::read(record.value.as_deref()).unwrap();
    let Fate::Hold(entry) = paused(&id).arrive(&event) else { unreachable!("the flow is paused") };
    let pause_id = entry.pause.to_string();
    let Entry { number, enrolls, advances, latest, .. } = entry;
    let mark = Mark { number, enrolls, advances, latest, held_at: NOW, pause_id: &pause_id };
    group.bench_function("written", |b| b.iter(|| schema::entry::write(black_box(&event), black_box(&record), &mark)));
    let entry = schema::entry::write(&event, &record, &mark);
    let held = Record { key: Some(entry.key.into()), headers: entry.headers, ..record };
    let mut reader = Reader::new(&id);
    assert!(reader.read(&held).unwrap().is_some());
    group.bench_function("read", |b| b.iter(|| reader.read(black_box(&held)).unwrap()));
    group.finish();
}

/// A million records, of which one in ten came twice.
fn index(c: &mut Criterion) {
    const ENTRIES: u32 = 1_000_000;
    let mut group = c.benchmark_group("index");
    group.sample_size(10).throughput(Throughput::Elements(ENTRIES.into()));
    let records: Vec<RecordId> = (0..ENTRIES)
        .map(|number| RecordId::new(&format!("contact-{:09}", number % (ENTRIES / 10 * 9))).unwrap())
        .collect();
    let entries = || {
        (1..).zip(&records).map(|(number, record)| Indexed {
            number,
            kind: Kind::Enroll,
            record: record.as_str(),
            latest: true,
        })
    };
    let filled = || {
        let (mut index, mut room) = (Index::new(1), usize::MAX);
        entries().for_each(|entry| index.hold(entry, &mut room).unwrap());
        index
    };
    group.bench_function("feed", |b| b.iter(filled));
    let index = filled();
    let replaced = || entries().filter(|entry| index.replaced(*entry)).count();
    // The Bloom filter may take a few for repeated, but for replaced only those that are.
    assert_eq!(replaced(), ENTRIES as usize / 10);
    group.bench_function("look-up", |b| b.iter(replaced));
    group.finish();
}

/// The production worker on the memory broker: 20,000 events of 100 flows. What the broker does is in it.
fn turns(c: &mut Criterion) {
    const EVENTS: u32 = 20_000;
    let mut group = c.benchmark_group("turn");
    group.sample_size(10).throughput(Throughput::Elements(EVENTS.into()));
    let live = || ready(EVENTS, &[]);
    let hold = || ready(EVENTS, &["pause"]);
    let drain = || {
        let stage = work(hold());
        stage.command("resume");
        stage
    };
    // Each of them does what it is named for.
    let counts = [work(live()), work(hold()), work(drain())].map(|stage| stage.delivered());
    assert_eq!(counts, [EVENTS + FLOWS, FLOWS, EVENTS + FLOWS]);
    group.bench_function("live", |b| b.iter_batched(live, work, BatchSize::PerIteration));
    group.bench_function("hold", |b| b.iter_batched(hold, work, BatchSize::PerIteration));
    group.bench_function("drain", |b| b.iter_batched(drain, work, BatchSize::PerIteration));
    group.finish();
}

/// A worker with its broker and what waits there.
struct Stage {
    memory: Memory,
    topics: Topics,
    worker: Worker<Memory>,
}

/// The worker is at rest, the flows are known, have had these commands, and have events to come.
fn ready(events: u32, commands: &[&str]) -> Stage {
    let (memory, topics) = (Memory::new(NOW), Topics::new("flow").unwrap());
    let layout = Layout { partitions: PARTITIONS, replication_factor: None };
    let made = memory.admin().unwrap().create_topics(&specification(&topics, &layout)).unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let worker = Worker::new(memory.clone(), Options::new(topics.clone(), "a", 0, "i1"));
    let mut stage = Stage { memory, topics, worker };
    stage.send(0..FLOWS);
    stage = work(stage);
    for action in commands {
        stage.command(action);
        stage = work(stage);
    }
    stage.send(0..events);
    stage
}

/// Until there is nothing left to do.
fn work(mut stage: Stage) -> Stage {
    loop {
        match stage.worker.step(stage.memory.now()).unwrap() {
            Step::Progress => {}
            Step::Waiting(time) => stage.memory.advance_to(stage.memory.now().after(time)),
            Step::Idle { .. } if stage.memory.take_withheld() => {}
            Step::Idle { .. } | Step::Left => return stage,
        }
    }
}

impl Stage {
    fn publish(&self, topic: &str, partition: Option<i32>, key: &str, value: &[u8]) {
        let mut publisher = self.memory.publisher().unwrap();
        let (key, value) = (Some(key.as_bytes()), Some(value));
        publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] }).unwrap();
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    }

    fn send(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let flow = format!("flow-{:05}", number % FLOWS);
            self.publish(&self.topics.enrollments, None, &flow, &value(&flow, number));
        }
    }

    fn delivered(&self) -> u32 {
        let dump = |partition| self.memory.dump(&self.topics.records, partition, Isolation::ReadCommitted).unwrap();
        (0..PARTITIONS).map(|partition| dump(partition).len() as u32).sum()
    }

    /// For each flow.
    fn command(&self, action: &str) {
        for number in 0..FLOWS {
            let flow = format!("flow-{number:05}");
            let command = json!({
                "command_id": format!("{action}-{number}"), "flow_id": flow, "action": action, "issued_by": "bench",
            });
            self.publish(&self.topics.control, Some(0), &flow, command.to_string().as_bytes());
        }
    }
}

//! A toy gate: does what docs/contract.md says in the plainest way, one step at a time, and writes the topics as it goes. It
//! is told when to drain and how far, so that a test decides every timing.
#![allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

pub mod all;
pub mod breaking;
mod drain;
pub mod errands;
pub mod errands_schedule;
pub mod everything_schedule;
mod finish;
mod loss;
mod named;
pub mod scenes;
pub mod schedule;
pub mod telling;

use std::collections::{BTreeMap, BTreeSet};

use drain::{add, discard};
use flowgate_checker::{Header, Log, Record, Report, Sums, check, home};
use serde_json::{Value, json};

pub const PARTITIONS: i32 = 6;
const RECORDS_PARTITIONS: i32 = 4;

#[derive(Default)]
pub struct Gate {
    pub log: Log,
    /// Where the checker takes two readings for right, do as the real gate does: a withdraw is an entry also where nothing but
    /// withdraws are left, and an age limit given to a running drain is measured at that order, not at the first one.
    pub gates_reading: bool,
    pub clock_ms: i64,
    /// The cleaner takes what is replaced, as soon as it may.
    pub cleaner_comes: bool,
    flows: BTreeMap<String, Flow>,
    /// By partition.
    defaults: BTreeMap<i32, all::Default>,
    enrolled: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Live,
    Paused,
    Resuming,
}

#[derive(Default)]
struct Flow {
    state: State,
    entries: Vec<Entry>,
    /// Entries passed.
    watermark: usize,
    pause_id: String,
    /// `*` paused it.
    by_all: bool,
    discard_new: bool,
    all: bool,
    discard_at_expiry: bool,
    line: usize,
    line_reason: &'static str,
    max_age_ms: Option<i64>,
    as_of: i64,
    cause: &'static str,
    errands: errands::Errands,
    /// Entries beyond the watermark that samples of named records have released.
    taken: BTreeSet<usize>,
    /// Nothing is known of it any more, but what it had been through.
    forgotten: Option<Sums>,
    sums: Sums,
}

#[derive(Clone)]
struct Entry {
    source: Record,
    kind: String,
    record: String,
    all: bool,
    held_at: i64,
    pause_id: String,
}

/// A time as documents have it.
pub fn at(millis: i64) -> String {
    let seconds = millis / 1000 - 1_704_067_200;
    let (day, hour, minute) = (seconds / 86_400 + 1, seconds / 3600 % 24, seconds / 60 % 60);
    assert!(day <= 31, "the toy's calendar ends in January");
    format!("2024-01-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", seconds % 60, millis % 1000)
}

pub fn header(name: &str, value: impl ToString) -> Header {
    (name.as_bytes().to_vec(), Some(value.to_string().into_bytes()))
}

fn append(topic: &mut Vec<Record>, partition: i32, mut record: Record) -> i64 {
    let last = topic.iter().rev().find(|known| known.partition == partition).map(|known| known.offset);
    // Transaction markers leave gaps.
    record.offset = last.map_or(0, |last| last + 1 + i64::from(last % 3 == 0));
    record.partition = partition;
    topic.push(record);
    topic[topic.len() - 1].offset
}

impl Gate {
    pub fn new() -> Self {
        let mut gate = Self { clock_ms: 1_704_067_200_000, ..Self::default() };
        gate.log.enrollment_partitions = PARTITIONS;
        gate.log.prefix = "flow".to_owned();
        gate
    }

    pub fn state(&self, flow: &str) -> State {
        self.flows.get(flow).map_or(State::Live, |flow| flow.state)
    }

    pub fn sums(&self) -> BTreeMap<String, Sums> {
        let mut all = BTreeMap::new();
        for (name, flow) in &self.flows {
            let mut sums = flow.sums;
            for (at, entry) in flow.entries.iter().enumerate().skip(flow.watermark) {
                if !flow.taken.contains(&at) {
                    add(&mut sums.held, &entry.kind);
                }
            }
            all.insert(name.clone(), sums);
        }
        all
    }

    /// Has these topics checked, which keep the contract.
    #[track_caller]
    pub fn kept(&self, log: &Log, seed: u64) -> Report {
        let report = check(log);
        let with_states = !log.state.is_empty();
        assert!(report.anomalies.is_empty(), "seed {seed}, states {with_states}: {}", report.anomalies[0]);
        if with_states {
            assert_eq!(report.flows, self.sums(), "seed {seed}");
        }
        report
    }

    /// A record as upstream makes it; each has its own bytes.
    pub fn incoming(&mut self, flow: &str, record: &str, kind: &str) -> Record {
        self.enrolled += 1;
        self.clock_ms += 1000;
        let value = json!({"flow_id": flow, "record_id": record, "kind": kind, "n": self.enrolled, "version": 1});
        Record {
            timestamp_ms: self.clock_ms - 3,
            key: (self.enrolled % 5 != 0).then(|| flow.as_bytes().to_vec()),
            value: Some(value.to_string().into_bytes()),
            headers: vec![header("traceparent", self.enrolled), header("flowgate-release", "not the gate's")],
            ..Record::default()
        }
    }

    pub fn event(&mut self, flow: &str, record: &str, kind: &str) -> i64 {
        let incoming = self.incoming(flow, record, kind);
        self.arrive(flow, record, kind, incoming)
    }

    pub fn enroll(&mut self, flow: &str, record: &str) -> i64 {
        self.event(flow, record, "enroll")
    }

    pub fn arrive(&mut self, name: &str, record: &str, kind: &str, incoming: Record) -> i64 {
        let partition = home(name, PARTITIONS);
        let offset = append(&mut self.log.enrollments, partition, incoming);
        let source = self.log.enrollments[self.log.enrollments.len() - 1].clone();
        let clock_ms = self.clock_ms;
        self.make_known(name, true, offset);
        let flow = self.flows.entry(name.to_owned()).or_default();
        flow.sums.input += 1;
        if flow.state == State::Live || kind == "withdraw" {
            flow.sums.delivered_live += 1;
            flow.sums.withdraws += u64::from(kind == "withdraw");
            append(&mut self.log.records, home(name, RECORDS_PARTITIONS), source.clone());
        } else if flow.state == State::Paused && flow.discard_new && kind == "enroll" {
            flow.sums.turned_away.enroll += 1;
            discard(&mut self.log, &source, "turned_away");
            return offset;
        }
        let taken = |at: &usize| flow.taken.contains(at) || flow.entries[*at].kind == "withdraw";
        let held = (flow.watermark..flow.entries.len()).any(|at| self.gates_reading || !taken(&at));
        if flow.state != State::Live && (kind != "withdraw" || held) {
            add(&mut flow.sums.queued, kind);
            flow.entries.push(Entry {
                source,
                kind: kind.to_owned(),
                record: record.to_owned(),
                all: flow.all || flow.state == State::Resuming,
                held_at: clock_ms,
                pause_id: flow.pause_id.clone(),
            });
        }
        offset
    }

    /// An event that arrives at a partition that is not its flow's home, and is sent on.
    pub fn stray(&mut self, flow: &str, record: &str, kind: &str) {
        let incoming = self.incoming(flow, record, kind);
        let wrong = (home(flow, PARTITIONS) + 1) % PARTITIONS;
        append(&mut self.log.enrollments, wrong, incoming.clone());
        self.arrive(flow, record, kind, incoming);
        self.flows.get_mut(flow).unwrap().sums.rerouted += 1;
    }

    /// Something that is no event.
    pub fn broken(&mut self, partition: i32, value: Option<&str>, flow: Option<&str>) {
        let record = Record { value: value.map(|text| text.as_bytes().to_vec()), ..Record::default() };
        let offset = append(&mut self.log.enrollments, partition, record.clone());
        self.dead_letter(record, "enrollments", partition, offset);
        if let Some(flow) = flow {
            let sums = &mut self.flows.entry(flow.to_owned()).or_default().sums;
            sums.input += 1;
            sums.dead += 1;
        }
    }

    fn dead_letter(&mut self, mut record: Record, topic: &str, partition: i32, offset: i64) {
        record.headers.push(header("flowgate-reason", "broken"));
        record.headers.push(header("flowgate-source", format!("flow.{topic}/{partition}/{offset}")));
        append(&mut self.log.dead_letters, 0, record);
    }

    fn command(&mut self, flow: &str, action: &str, options: Value) -> (i64, Value) {
        self.clock_ms += 1000;
        let mut command = json!({"version": 1, "command_id": format!("c{}", self.log.control.len()), "flow_id": flow,
            "action": action, "issued_by": "a test"});
        command.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let value = Some(command.to_string().into_bytes());
        let record = Record { timestamp_ms: self.clock_ms, value, ..Record::default() };
        let offset = append(&mut self.log.control, 0, record);
        (offset, command)
    }

    fn next_input(&self, flow: &str) -> i64 {
        self.next_input_of(home(flow, PARTITIONS))
    }

    fn next_input_of(&self, home: i32) -> i64 {
        let last = self.log.enrollments.iter().rev().find(|record| record.partition == home);
        last.map_or(0, |record| record.offset + 1)
    }

    fn audit(&mut self, name: &str, input: i64, more: Value) {
        let flow = self.flows.get(name);
        let entries = flow.map_or((0, 0), |flow| (flow.entries.len(), flow.watermark));
        self.tell((home(name, PARTITIONS), Some(name)), input, entries, more);
    }

    fn tell(
        &mut self,
        (partition, flow): (i32, Option<&str>),
        input: i64,
        (entry, watermark): (usize, usize),
        more: Value,
    ) {
        let control = self.log.control.last().map_or(0, |record| record.offset);
        let mut document = json!({"version": 1, "flow_id": flow, "partition": partition, "at": at(self.clock_ms),
            "position": {"input": input, "control": control, "entry": entry, "watermark": watermark}});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let value = Some(document.to_string().into_bytes());
        append(&mut self.log.audit, 0, Record { timestamp_ms: self.clock_ms, value, ..Record::default() });
    }

    fn transition(&mut self, name: &str, word: &str, command: Option<i64>, input: i64) {
        let pause = self.flows.get(name).map(|flow| flow.pause_id.clone()).filter(|id| !id.is_empty());
        let more = json!({"event": "transition", "transition": word, "pause_id": pause, "command_offset": command});
        self.audit(name, input, more);
    }

    pub fn answer(&mut self, name: &str, offset: i64, command: Value, outcome: &str) {
        self.answer_in_words(name, offset, command, outcome, "");
    }

    fn answer_in_words(&mut self, name: &str, offset: i64, command: Value, outcome: &str, detail: &str) {
        let more = json!({"event": "answer", "command": command, "command_offset": offset, "outcome": outcome,
            "detail": detail, "repeated": false});
        self.audit(name, self.next_input(name), more);
    }

    pub fn pause(&mut self, name: &str, options: Value) {
        let (offset, command) = self.command(name, "pause", options.clone());
        let input = self.next_input(name);
        self.meet(name, input);
        if self.refuses(name, offset, &command) {
            return;
        }
        self.make_known(name, false, input);
        let flow = self.flows.entry(name.to_owned()).or_default();
        let word = match flow.state {
            State::Live => "paused",
            State::Paused => "updated",
            State::Resuming => "repaused",
        };
        if word != "updated" {
            flow.pause_id = format!("p{offset}");
            (flow.discard_new, flow.all, flow.discard_at_expiry) = (false, false, false);
            flow.line = 0;
        }
        (flow.state, flow.by_all) = (State::Paused, false);
        flow.take_options(&options);
        self.transition(name, word, Some(offset), input);
        self.answer(name, offset, command, "applied");
    }

    pub fn resume(&mut self, name: &str, options: Value) {
        let (offset, command) = self.command(name, "resume", options.clone());
        let input = self.next_input(name);
        self.meet(name, input);
        if self.refuses(name, offset, &command) {
            return;
        }
        if self.state(name) == State::Live {
            return self.answer(name, offset, command, "unchanged");
        }
        self.begin_drain(name, offset, &options);
        self.answer(name, offset, command, "applied");
    }

    /// Resumes a flow that is paused, or gives it other orders.
    fn begin_drain(&mut self, name: &str, offset: i64, options: &Value) {
        let (input, clock_ms) = (self.next_input(name), self.clock_ms);
        if self.state(name) == State::Paused {
            self.end_sample(name, Some(offset), input);
        }
        let flow = self.flows.get_mut(name).unwrap();
        let word = if flow.state == State::Paused { "resumed" } else { "redirected" };
        if word == "resumed" {
            (flow.line, flow.max_age_ms, flow.cause, flow.as_of) = (0, None, "resume", clock_ms);
        }
        flow.state = State::Resuming;
        match options.get("release").and_then(Value::as_str) {
            Some("none") => (flow.line, flow.line_reason) = (flow.entries.len(), "release_none"),
            Some(_) => flow.line = 0,
            None => {}
        }
        if let Some(age) = options.get("max_age_seconds").and_then(Value::as_i64) {
            flow.max_age_ms = Some(age * 1000);
            if self.gates_reading {
                flow.as_of = clock_ms;
            }
        }
        self.transition(name, word, Some(offset), input);
    }

    /// The longest pause was configured lower: the deadline moves, and nothing else.
    pub fn cap(&mut self, name: &str) {
        self.clock_ms += 1000;
        let input = self.next_input(name);
        self.transition(name, "updated", None, input);
    }

    pub fn expire(&mut self, name: &str) {
        self.clock_ms += 1000;
        let (input, clock_ms) = (self.next_input(name), self.clock_ms);
        self.end_sample(name, None, input);
        let flow = self.flows.get_mut(name).unwrap();
        flow.state = State::Resuming;
        (flow.line, flow.line_reason) = (if flow.discard_at_expiry { flow.entries.len() } else { 0 }, "expired");
        (flow.max_age_ms, flow.cause, flow.as_of) = (None, "timer", clock_ms);
        self.transition(name, "expired", None, input);
    }
}

impl Flow {
    /// Takes what a pause says; what it does not say stays.
    fn take_options(&mut self, options: &Value) {
        let option = |name: &str, yes: &str, now: bool| options.get(name).map_or(now, |given| given == yes);
        self.discard_new = option("new_records", "discard", self.discard_new);
        self.all = option("keep", "all", self.all);
        self.discard_at_expiry = option("on_expiry", "discard", self.discard_at_expiry);
    }
}

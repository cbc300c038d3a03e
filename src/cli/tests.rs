//! The commands on the memory broker, with a gate on its threads beside them where one is needed.

mod acls;
mod audit;
mod capacity;
mod choosing;
mod contexts;
mod delivered;
mod every;
pub mod flows;
mod letters;
mod many;
mod metrics;
mod positions;
mod queue;
pub mod redrive;
mod redriven;
mod rereading;
mod resuming;
mod scanning;
mod schemas;
mod strangers;
mod strimzi;
mod topics;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::broker::memory::{Fault, Memory, Operation};
use crate::broker::{Action, Broker, Code, Error, Isolation, Publication, Publisher};
use crate::clock;
use crate::config::Sources;
use crate::instance::{Board, StopSign};
use crate::metrics::Metrics;
use crate::time::Timestamp;

/// A memory broker by the wall clock, shifted by so many milliseconds.
pub(crate) struct Place {
    pub memory: Memory,
    pub settings: Settings,
    shift: Arc<AtomicI64>,
    ticks: StopSign,
}

impl Place {
    pub fn new() -> Self {
        let memory = Memory::new(clock::now());
        memory.configure_broker("offsets.retention.minutes", "30240");
        let settings = Settings::load(&Sources::new().with_flag("instance", Some("here".into()))).unwrap();
        let (shift, ticks) = (Arc::new(AtomicI64::new(0)), StopSign::default());
        let (broker, by, end) = (memory.clone(), Arc::clone(&shift), ticks.clone());
        std::thread::spawn(move || {
            while !end.is_up() {
                broker.advance_to(Timestamp(clock::now().0 + by.load(Ordering::SeqCst)));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let place = Self { memory, settings, shift, ticks };
        place.run(&["topics", "create", "--partitions", "3"]).0.unwrap();
        place
    }

    pub fn run(&self, args: &[&str]) -> (Result<(), Failure>, String) {
        let mut out = Vec::new();
        let outcome = self.run_on(&Screen::default(), args, &mut out);
        (outcome, String::from_utf8(out).unwrap())
    }

    pub fn run_on(&self, screen: &Screen, args: &[&str], out: &mut dyn Write) -> Result<(), Failure> {
        let cli = Cli::try_parse_from(["flowgate"].iter().chain(args)).unwrap_or_else(|error| panic!("{error}"));
        cli.command.on(&self.memory, &self.settings, screen, out)
    }

    #[track_caller]
    pub fn good(&self, args: &[&str]) -> String {
        let (outcome, out) = self.run(args);
        outcome.unwrap_or_else(|failure| panic!("{args:?}: {failure}\n{out}"));
        out
    }

    /// What is printed, and what is told beside it.
    #[track_caller]
    pub fn both(&self, args: &[&str]) -> (String, String) {
        let (screen, mut out) = (Screen::default(), Vec::new());
        self.run_on(&screen, args, &mut out).unwrap_or_else(|failure| panic!("{args:?}: {failure}"));
        (String::from_utf8(out).unwrap(), screen.noted())
    }

    /// Waits until the broker's clock has gone on: what comes to it in one millisecond has no order of time.
    pub fn a_moment_later(&self) {
        let now = self.memory.now();
        eventually("later", || self.memory.now() > now);
    }

    pub fn send(&self, partition: Option<i32>, value: &str) {
        let key = serde_json::from_str::<Value>(value).ok().and_then(|v| v["flow_id"].as_str().map(str::to_owned));
        let mut publisher = self.memory.publisher().unwrap();
        let (topic, key) = (self.settings.topics.enrollments.as_str(), key.unwrap_or_default());
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] }).unwrap();
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    }

    pub fn event(&self, flow: &str, record: &str) {
        self.send(None, &json!({"flow_id": flow, "record_id": record}).to_string());
    }

    /// Takes the state of a flow away, as a gate does that forgets it.
    pub fn forget(&self, flow: &str) {
        let mut publisher = self.memory.publisher().unwrap();
        let (topic, key) = (self.settings.topics.state.as_str(), Some(flow.as_bytes()));
        publisher
            .publish(&Publication { topic, partition: None, timestamp: None, key, value: None, headers: &[] })
            .unwrap();
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    }

    pub fn count(&self, topic: &str) -> usize {
        let read = |partition| self.memory.dump(topic, partition, Isolation::ReadCommitted).map_or(0, |all| all.len());
        (0..3).map(read).sum()
    }

    pub fn gate(&self) -> Gate {
        let gate = self.starting();
        eventually("ready", || gate.board.missing().is_empty() && gate.board.flows(|_| ()).is_ok());
        gate
    }

    /// A gate that nobody has waited for.
    pub fn starting(&self) -> Gate {
        let board = Arc::new(Board::new(Metrics::new().unwrap(), self.settings.workers));
        let stop = StopSign::default();
        let (memory, settings) = (self.memory.clone(), self.settings.clone());
        let (on, until) = (Arc::clone(&board), stop.clone());
        let thread = std::thread::spawn(move || run::gate(&memory, &settings, &on, &until));
        Gate { board, stop, thread: Some(thread) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.ticks.raise();
    }
}

pub(crate) struct Gate {
    pub board: Arc<Board>,
    stop: StopSign,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

impl Gate {
    pub fn stop(mut self) -> Result<(), Failure> {
        self.stop.raise();
        self.thread.take().unwrap().join().unwrap()
    }

    /// The value of a series.
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.board.scrape();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    /// Waits until a series has this value.
    #[track_caller]
    pub fn is(&self, series: &str, value: f64) {
        eventually(series, || self.metric(&format!("flowgate_{series}")) == value);
    }

    /// Waits until a series is above this value.
    #[track_caller]
    pub fn beyond(&self, series: &str, value: f64) {
        eventually(series, || self.metric(&format!("flowgate_{series}")) > value);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop.raise();
    }
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_definitions_agree_with_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn topics_are_created_once_and_checked() {
    let place = Place::new();
    let again = place.good(&["topics", "create", "--partitions", "3"]);
    assert!(again.starts_with("flow.enrollments: is there"), "{again}");
    assert!(place.good(&["topics", "check"]).contains("every setting is as the promises need it"));
    place.memory.configure("flow.records", "retention.ms", "1000").unwrap();
    let (outcome, out) = place.run(&["topics", "check"]);
    assert_eq!(outcome.unwrap_err().code, exit::TOPICS);
    assert!(out.contains("flow.records: retention.ms is 1000 (1s), wanted: at least 1814400000 (21d), or -1"), "{out}");
    assert!(out.contains("  breaks P1 one fate: "), "{out}");
    assert!(out.contains("--entity-name flow.records --add-config retention.ms=1814400000"), "{out}");
    let (_, out) = place.run(&["topics", "check", "-o", "json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(found["differences"][0]["setting"], "retention.ms");
    assert_eq!(found["differences"][0]["weight"], "breaks");
}

#[test]
fn the_gate_refuses_topics_that_break_a_promise() {
    let place = Place::new();
    place.memory.configure("flow.state", "cleanup.policy", "delete").unwrap();
    let board = Arc::new(Board::new(Metrics::new().unwrap(), 1));
    let refused = run::gate(&place.memory, &place.settings, &board, &StopSign::default()).unwrap_err();
    assert_eq!(refused.code, exit::TOPICS);
    assert_eq!(
        refused.what,
        "`cleanup.policy` of `flow.state` is delete, not compact: that breaks P3 a pause is total"
    );
}

#[test]
fn a_flow_is_paused_looked_at_and_resumed() {
    let place = Place::new();
    let gate = place.gate();
    place.event("welcome", "r0");
    eventually("delivered", || place.count("flow.records") == 1);
    let told =
        place.good(&["pause", "welcome", "other", "--yes", "--for", "3d", "--reason", "typo in step 2", "--by", "ops"]);
    assert!(told.contains("welcome  applied  "), "{told}");
    for record in ["r1", "r2", "r1"] {
        place.event("welcome", record);
    }
    eventually("held", || place.good(&["flow", "welcome"]).contains("held         3 (3 enroll, 0 advance)"));
    assert_eq!(place.count("flow.records"), 1);

    let flow = place.good(&["flow", "welcome"]);
    for line in ["state        paused", "reason       typo in step 2", "(in 2d23h) by itself", ") by ops"] {
        assert!(flow.contains(line), "{line}: {flow}");
    }
    let list = place.good(&["flows", "--state", "paused", "--min-held", "1"]);
    assert!(list.starts_with("FLOW     STATE   HELD"), "{list}");
    assert!(list.contains("welcome  paused  3") && !list.contains("other"), "{list}");
    let wide = place.good(&["flows", "-o", "wide"]);
    assert!(wide.contains("TURNED AWAY") && wide.contains("typo in step 2"), "{wide}");
    let all: Value = serde_json::from_str(&place.good(&["flows", "-o", "json"])).unwrap();
    assert_eq!((all[1]["flow_id"].as_str(), all[1]["held"]["total"].as_u64()), (Some("welcome"), Some(3)));
    assert!(place.good(&["flow", "welcome", "-o", "yaml"]).contains("\nflow_id: \"welcome\"\n"));

    let done = place.good(&["resume", "welcome", "--wait"]);
    assert!(done.contains("welcome is live: 2 released, 1 replaced, 0 removed\n"), "{done}");
    assert_eq!(place.count("flow.records"), 3, "r1 is delivered once, in its newest place");
    assert!(place.good(&["resume", "welcome"]).contains("unchanged"));
    gate.stop().unwrap();
}

#[test]
fn a_paused_flow_is_sampled_purged_and_a_misspelt_one_forgotten() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    for record in ["r1", "r2", "r3", "r4"] {
        place.event("welcome", record);
    }
    eventually("held", || place.good(&["flow", "welcome"]).contains("held         4 (4 enroll, 0 advance)"));
    let told = place.good(&["release", "welcome", "--count", "1"]);
    assert!(told.contains("welcome: 1 released (1 enroll, 0 advance)"), "{told}");
    assert_eq!(place.count("flow.records"), 1);

    // Nobody can be asked here.
    let refused = place.run(&["purge", "welcome"]).0.unwrap_err();
    assert_eq!(refused.code, exit::CONFIGURATION);
    assert!(refused.what.starts_with("This discards what `welcome` holds now, 3 events at most (up to entry 4), to"));
    assert_eq!(place.count("flow.discarded"), 0);
    let told = place.good(&["purge", "welcome", "--through", "2", "--yes", "-o", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told[0]["done"], json!({"enroll": 1, "advance": 0}), "{told}");
    let told = place.good(&["purge", "welcome", "--yes", "--reason", "wrong coupon"]);
    assert!(
        told.contains("welcome: 2 discarded (2 enroll, 0 advance); they are in `flow.discarded`: `flowgate redrive"),
        "{told}"
    );
    let told = place.good(&["purge", "welcome", "--yes"]);
    assert!(told.contains("unchanged  nothing is held"), "{told}");
    assert!(place.good(&["flow", "welcome"]).contains("state        paused"));

    place.event("wellcome", "r1");
    eventually("seen", || place.run(&["flow", "wellcome"]).0.is_ok());
    place.good(&["forget", "wellcome"]);
    assert!(place.run(&["flow", "wellcome"]).0.is_err());
    let (outcome, out) = place.run(&["forget", "welcome"]);
    assert_eq!(outcome.unwrap_err().code, exit::REJECTED, "{out}");
    gate.stop().unwrap();
}

#[test]
fn a_command_that_is_rejected_is_exit_7_and_one_without_an_answer_exit_8() {
    let place = Place::new();
    let gate = place.gate();
    let (outcome, out) = place.run(&["pause", "welcome", "--for", "15d"]);
    let failure = outcome.unwrap_err();
    assert_eq!(failure.code, exit::REJECTED, "{failure}");
    assert!(failure.what.starts_with("rejected: "), "{failure}");
    assert!(out.contains("rejected"), "{out}");
    gate.stop().unwrap();

    let (outcome, out) = place.run(&["pause", "welcome", "--timeout", "100ms"]);
    let failure = outcome.unwrap_err();
    assert_eq!(failure.code, exit::NO_ANSWER);
    assert!(failure.hint.unwrap().contains("the command stays in the topic (offset 1)"));
    assert!(out.contains("no answer"), "{out}");
    assert!(place.good(&["pause", "welcome", "--timeout", "0s"]).contains("sent"), "nobody waits, nobody fails");

    // It really does stay: the next gate applies it before it touches an event.
    place.event("welcome", "r1");
    let gate = place.gate();
    eventually("paused", || place.run(&["flow", "welcome"]).1.contains("state        paused"));
    assert_eq!(place.count("flow.records"), 0);
    gate.stop().unwrap();
}

#[test]
fn the_same_command_id_is_answered_the_same() {
    let place = Place::new();
    let gate = place.gate();
    let first = place.good(&["pause", "welcome", "--command-id", "c1", "-o", "json"]);
    let again = place.good(&["pause", "welcome", "--command-id", "c1", "-o", "json"]);
    let detail = |text: &str| serde_json::from_str::<Value>(text).unwrap()[0]["detail"].clone();
    assert_eq!(detail(&first), detail(&again));
    assert_eq!(place.run(&["pause", "a", "b", "--command-id", "c1"]).0.unwrap_err().code, exit::CONFIGURATION);
    gate.stop().unwrap();
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_sent() {
    for args in [
        &["pause"][..],
        &["pause", "a", "--select", "match=b"],
        &["resume", "--select", "match"],
        &["pause", "*"],
        &["pause", "a", "--for", "3d", "--until", "2026-01-01T00:00:00Z"],
        &["pause", "a", "--for", "3"],
        &["pause", "a", "--until", "tomorrow"],
        &["pause", "a", "--keep", "some"],
        &["pause", "a", "--expiry-rate", "0"],
        &["resume", "a", "--rate", "0"],
        &["flows", "--state", "gone"],
        &["positions", "restore", "--partition", "0"],
    ] {
        let error = Cli::try_parse_from(["flowgate"].iter().chain(args)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{args:?}");
    }
}

#[test]
fn settings_are_shown_without_secrets_and_checked() {
    let sources = Sources::new().with_environment([("FLOWGATE_KAFKA__SASL_PASSWORD".into(), "hunter2".into())]);
    let mut out = Vec::new();
    config::run(&config::Command::Show { output: Default::default() }, &sources, &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    assert!(shown.contains("kafka.sasl.password") && shown.contains("********") && !shown.contains("hunter2"));
    assert!(shown.contains("instance") && shown.contains("host name and port"), "{shown}");

    let wrong = sources.with_flag("workers", Some("0".into())).with_flag("http", Some("x".into()));
    let failure = config::run(&config::Command::Check, &wrong, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.code, exit::CONFIGURATION);
    assert!(failure.what.starts_with("2 settings are wrong"), "{failure}");

    let unknown = Sources::new().with_flag("kafka.no.such.setting", Some("1".into()));
    let failure = config::run(&config::Command::Check, &unknown, &mut Vec::new()).unwrap_err();
    assert_eq!(failure.code, exit::CONFIGURATION);
    assert!(failure.to_string().contains("no.such.setting"), "{failure}");
}

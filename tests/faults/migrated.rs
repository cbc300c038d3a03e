//! Flows move to another prefix with more partitions, as docs/migrating.md says; and partitions that somebody has added.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use flowgate::flow::Pause;
use flowgate_checker::{Record, Report};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::company::{Company, Gate, happened, is_live, is_paused};
use crate::process::{self, eventually};
use crate::upstream::{Partitioner, Upstream};

/// Its commands are run as they stand there.
const DOCUMENT: &str = include_str!("../../docs/migrating.md");

/// The commands of one of its steps.
fn commands(step: &str) -> Vec<String> {
    let from = DOCUMENT.find(&format!("\n## {step}. ")).unwrap_or_else(|| panic!("no step {step}"));
    let rest = &DOCUMENT[from + 4..];
    let section = rest.split("\n## ").next().unwrap();
    let blocks: Vec<String> =
        section.split("```sh\n").skip(1).map(|at| at.split("```").next().unwrap().to_owned()).collect();
    assert!(!blocks.is_empty(), "step {step} has no commands");
    blocks
}

/// Two prefixes on the shared broker, and a shell in which the names of the document are theirs.
struct Move {
    brokers: String,
    from: &'static str,
    to: &'static str,
    directory: TempDir,
}

impl Move {
    fn new(brokers: &str, from: &'static str, to: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // On a machine that is busy with other tests an answer may take longer than the document's reader would wait.
        let script = "#!/bin/sh\nname=$1; shift\ncase $name in pause|resume) set -- --timeout 120s \"$@\" ;; esac\n";
        let program = directory.path().join("flowgate");
        fs::write(&program, format!("{script}exec {} \"$name\" \"$@\"\n", process::PROGRAM)).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        Self { brokers: brokers.to_owned(), from, to, directory }
    }

    /// Runs the commands of a step; what the last block of them says.
    fn step(&self, step: &str) -> String {
        commands(step).iter().fold(String::new(), |_, block| self.shell(block))
    }

    /// Runs the last block of a step again, which only looks.
    fn look(&self, step: &str) -> String {
        self.shell(commands(step).last().unwrap())
    }

    /// Runs commands of the document; they have to go well.
    #[track_caller]
    fn shell(&self, block: &str) -> String {
        // The longer name first.
        let block = block.replace("flow2", self.to).replace("--prefix flow ", &format!("--prefix {} ", self.from));
        let block = block.replace("--prefix flow\n", &format!("--prefix {}\n", self.from));
        let path = format!("{}:{}", self.directory.path().display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FLOWGATE_")) {
            shell.env_remove(name);
        }
        shell.args(["-euc", &block]).env("PATH", path).env("FLOWGATE_BROKERS", &self.brokers);
        let output = shell.current_dir(self.directory.path()).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(output.status.success(), "{block}: {}\n{out}{err}", output.status);
        out
    }
}

/// Goal: nothing is lost or doubled, the order of each flow is kept, and so are deadlines, when flows move to a prefix with more
/// partitions by the commands of docs/migrating.md. Method: under load, with flows that are paused in every way and
/// hold events, step by step. The checker judges both prefixes, the first with what it delivered in both places.
#[test]
fn to_more_partitions_under_load() {
    let old = Company::new("moving", 3);
    let way = Move::new(&crate::server::shared().brokers(), "moving", "moved");
    let flows = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "every", "latest", "turned", "- odd 'id'"];
    let mut gates = ["a", "b"].map(|name| Some(old.gate(name, &[]).restored()));
    let upstream = Upstream::start(old.client(Partitioner::Java), &flows, Duration::from_millis(15));
    eventually("load", || upstream.sent() > 500);
    old.command(
        "every",
        "pause",
        &json!({"keep": "all", "for_seconds": 86_400, "expiry_rate": 10, "reason": "a 'review'"}),
    );
    old.command("latest", "pause", &json!({"for_seconds": 3_600}));
    old.command("turned", "pause", &json!({"new_records": "discard", "on_expiry": "discard"}));
    old.command("- odd 'id'", "pause", &json!({"keep": "all"}));
    let paused = ["every", "latest", "turned", "- odd 'id'"];
    for flow in paused {
        old.until("holds", flow, |of| is_paused(of) && of.counts.held().total() > 20);
    }
    let pauses = paused.map(|flow| old.flow(flow).unwrap().pause().unwrap().clone());

    way.step("1");
    let new = Company::new("moved", 6);
    let new_gates = ["a", "b"].map(|name| new.gate(name, &[]).restored());
    way.step("3");
    for (flow, pause) in paused.into_iter().zip(&pauses) {
        new.until("is paused as it was", flow, |of| of.pause().is_some_and(|new| is_alike(new, pause)));
    }
    for (which, name) in ["a", "b"].into_iter().enumerate() {
        gates[which].take().unwrap().stop();
        gates[which] = Some(old.gate(name, &["forward_to=moved"]).restored());
    }
    // Executors read on to where it ends, and it does.
    let delivered = |company: &Company| company.log().records.len();
    let ended = delivered(&old);
    let sent = upstream.sent();
    eventually("more load", || upstream.sent() > sent + 1_000);
    new.until_log("the new prefix delivers", |log| log.records.len() > 500);
    assert_eq!(delivered(&old), ended);
    assert!(paused.iter().all(|flow| new.flow(flow).unwrap().counts.held().total() == 0));

    way.step("6");
    for flow in paused {
        old.until("live", flow, is_live);
    }
    let left = way.look("6");
    assert!(!flows.iter().any(|flow| left.contains(flow)), "{left}");
    // One that was left behind must not send some events the one way and some the other.
    gates[1].take().unwrap().stop();
    let (code, log) = old.gate("b", &[]).end();
    assert_eq!(code, Some(3), "{log}");
    let names = ["moves to the prefix `moved`", "set `forward_to = moved`", "docs/migrating.md"];
    assert!(names.iter().all(|words| log.contains(words)), "{log}");
    gates[1] = Some(old.gate("b", &["forward_to=moved"]).restored());
    upstream.stop();
    eventually("everything is read", || {
        let positions = way.look("7");
        let lag = |line: &str| line.split_whitespace().nth(7).map(str::to_owned);
        positions.lines().skip(1).all(|line| lag(line).as_deref() == Some("0"))
    });
    let forwarded = new.log_at_rest().enrollments;
    let upstream = Upstream::start(new.client(Partitioner::Java), &flows, Duration::from_millis(15));
    eventually("load", || upstream.sent() > 500);
    gates.into_iter().flatten().for_each(|gate| drop(gate.stop()));
    upstream.stop();
    for flow in paused {
        new.until("holds", flow, |of| is_paused(of) && of.counts.held().total() > 20);
        let before = &pauses[paused.iter().position(|other| *other == flow).unwrap()];
        assert_eq!(new.flow(flow).unwrap().pause().unwrap().resumes_at, before.resumes_at);
        new.command(flow, "resume", &json!({}));
        new.until("live", flow, is_live);
    }
    new.until_all_is_read();
    new_gates.into_iter().for_each(|gate| drop(gate.stop()));

    let report = check_moved(&old, 3, forwarded);
    happened("flows of the old prefix go to another one", 1, 1, &report);
    let report = new.check();
    for flow in ["every", "latest", "- odd 'id'"] {
        assert!(report.flows[flow].released.total() > 20, "{flow}: {:?}", report.flows[flow]);
    }
    happened("flows come from another prefix", 1, 1, &report);
}

/// Whether the pause is the same but for its id and when it began.
fn is_alike(new: &Pause, old: &Pause) -> bool {
    let of = |pause: &Pause| (pause.resumes_at, pause.new_records, pause.keep, pause.on_expiry, pause.expiry_rate);
    of(new) == of(old) && (old.reason.is_none() || new.reason == old.reason)
}

/// Has the checker look at a prefix of which what was delivered went on to another one. `homes`: the partitions at the first
/// start; `forwarded`: what stands in the enrollments of the other prefix.
#[track_caller]
fn check_moved(old: &Company, homes: i32, forwarded: Vec<Record>) -> Report {
    let mut log = old.log();
    log.enrollment_partitions = homes;
    // Partitions that were added answer commands for every flow too, and have no flow. To the checker there are none of them.
    log.state.retain(|record| record.partition < homes);
    log.audit.retain(|record| {
        let told: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        told["partition"].as_i64() < Some(i64::from(homes))
    });
    // To the checker one flow has one partition, in which what was forwarded comes last.
    log.records.extend(forwarded.into_iter().map(|record| {
        let partition = flowgate_checker::home(std::str::from_utf8(record.key.as_deref().unwrap()).unwrap(), homes);
        let offset = 1_000_000_000 + record.offset * 100 + i64::from(record.partition);
        Record { partition, offset, ..record }
    }));
    log.records.sort_by_key(|record| (record.partition, record.offset));
    let report = flowgate_checker::check(&log);
    let mut anomalies: Vec<String> = report.anomalies.iter().take(20).map(ToString::to_string).collect();
    anomalies.extend(flowgate_checker::replay(&log).differences.iter().take(20).map(ToString::to_string));
    assert!(report.is_green() && anomalies.is_empty(), "{anomalies:#?}\n{:#?}{}", report.flows, old.logs());
    report
}

/// So many partitions a topic has afterwards.
fn add_partitions(brokers: &str, topic: &str, count: usize) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    let request = [NewPartitions::new(topic, count)];
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let made = runtime.block_on(admin.create_partitions(&request, &AdminOptions::new()));
    assert!(made.unwrap().iter().all(Result::is_ok));
}

/// Gates hear of new partitions soon.
const CURIOUS: &str = "kafka.topic.metadata.refresh.interval.ms=500";

/// Goal: whatever topic somebody adds partitions to, the gate says so and what to do, loses nothing, and the way out is that of
/// docs/migrating.md. Method: with a flow that holds events; what comes afterwards goes to the added partitions too.
#[test]
fn partitions_that_somebody_has_added() {
    let grown: [(&'static str, &'static str, &str); 4] = [
        ("grown-records", "grown-records-2", "records"),
        ("grown-control", "grown-control-2", "control"),
        ("grown-state", "grown-state-2", "state"),
        ("grown-input", "grown-input-2", "enrollments"),
    ];
    for (from, to, topic) in grown {
        let brokers = crate::server::shared().brokers();
        let old = Company::new(from, 3);
        let way = Move::new(&brokers, from, to);
        let flows: Vec<String> = (0..9).map(|flow| format!("f{flow}")).collect();
        let flows: Vec<&str> = flows.iter().map(String::as_str).chain(["held"]).collect();
        let gate = old.gate("a", &[CURIOUS]).restored();
        old.order(&["pause", "held", "--keep", "all"]);
        let mut client = old.client(Partitioner::Java);
        flows.iter().for_each(|flow| client.burst(flow, 40));
        old.until_all_is_read();

        add_partitions(&brokers, &format!("{from}.{topic}"), 5);
        // This client knows of them.
        let mut client = old.client(Partitioner::Java);
        flows.iter().for_each(|flow| client.burst(flow, 40));
        if topic == "enrollments" {
            refused(gate, topic);
        } else {
            old.until_log("it goes on", |log| log.records.len() > 9 * 60);
            gate.stop();
        }
        let gate = old.gate("a", &[CURIOUS]);
        refused(gate, if topic == "enrollments" { "state" } else { topic });
        // What belongs together gets the same number.
        match topic {
            "state" => add_partitions(&brokers, &old.topics.enrollments, 5),
            "enrollments" => add_partitions(&brokers, &old.topics.state, 5),
            _ => {}
        }
        let mut client = old.client(Partitioner::Java);
        flows.iter().for_each(|flow| client.burst(flow, 40));

        way.step("1");
        let new = Company::new(to, 6);
        let new_gate = new.gate("a", &[]).restored();
        way.step("3");
        new.until("is paused", "held", is_paused);
        let gate = old.gate("a", &[&*format!("forward_to={to}")]).restored();
        way.step("6");
        new.until("holds all of it", "held", |of| of.counts.held().total() >= 110);
        eventually("the old prefix holds nothing", || !way.look("6").lines().any(|line| line.starts_with("held")));
        new.order(&["resume", "held", "--wait"]);
        // Those that were delivered before lie in the old prefix, where executors read them first.
        let of_old = old.log().records.len();
        new.until_log("all is delivered", |log| of_old + log.records.len() >= flows.len() * 120 - 10);
        gate.stop();
        new.until_all_is_read();
        new_gate.stop();
        check_moved(&old, 3, new.log_at_rest().enrollments);
        let report = new.check();
        assert!(report.flows["held"].released.total() > 100, "{:?}", report.flows["held"]);
        happened(&format!("somebody adds partitions to {topic}"), 1, 1, &report);
    }
}

/// Goal: a gate that forwards goes on when partitions are added, to its own topics and to those that it forwards to: what comes is sent
/// to the homes that there were. Method: under way, then by one that starts.
#[test]
fn partitions_that_are_added_while_it_forwards() {
    let brokers = crate::server::shared().brokers();
    let old = Company::new("forwards", 3);
    let way = Move::new(&brokers, "forwards", "forwarded");
    way.step("1");
    let new = Company::new("forwarded", 6);
    let new_gate = new.gate("a", &[CURIOUS]).restored();
    let forwarding = &[CURIOUS, "forward_to=forwarded"];
    let gate = old.gate("a", forwarding).restored();
    let flows: Vec<String> = (0..9).map(|flow| format!("f{flow}")).collect();
    let mut client = old.client(Partitioner::Java);
    flows.iter().for_each(|flow| client.burst(flow, 20));
    new.until_log("forwarded", |log| log.records.len() >= 9 * 15);
    for topic in [&old.topics.state, &old.topics.enrollments] {
        add_partitions(&brokers, topic, 5);
    }
    let mut client = old.client(Partitioner::Java);
    flows.iter().for_each(|flow| client.burst(flow, 20));
    eventually("it begins anew", || gate.log().contains("starting anew"));
    new.until_log("forwarded too", |log| log.enrollments.len() >= 9 * 40);

    new_gate.stop();
    add_partitions(&brokers, &new.topics.enrollments, 8);
    gate.stop();
    let gate = old.gate("a", forwarding).restored();
    flows.iter().for_each(|flow| client.burst(flow, 20));
    let all_are_forwarded = |log: &flowgate_checker::Log| log.enrollments.len() >= 9 * 60;
    new.until_log("forwarded to the homes", all_are_forwarded);
    gate.stop();
    let log = new.log();
    assert!(log.enrollments.iter().all(|record| record.partition < 6), "what was added has no homes");
    check_moved(&old, 3, log.enrollments);
}

/// It ends by itself, and says what to do.
#[track_caller]
fn refused(gate: Gate, topic: &str) {
    let (code, log) = gate.end();
    assert_eq!(code, Some(3), "{log}");
    let said = [&*format!(".{topic}`"), "othing is lost", "docs/migrating.md"];
    assert!(said.iter().all(|words| log.contains(words)), "{log}");
}

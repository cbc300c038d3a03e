//! A real Prometheus with the rules of `deploy/prometheus` scrapes real gates while things go wrong.

use std::fs;
use std::time::Duration;

use flowgate::broker::{Admin, Broker, Publication};
use flowgate::clock;
use serde_json::Value;

use crate::company::{Company, Gate, is_live, is_resuming};
use crate::process::eventually;
use crate::prometheus::{JOB, Prometheus};
use crate::say::say;
use crate::upstream::{Partitioner, Upstream};

const PARTITIONS: u32 = 4;

/// What the test knows about, and has told by alerts.
struct Watched {
    company: Company,
    prometheus: Prometheus,
    seen: Vec<&'static str>,
}

impl Watched {
    /// Waits until an alert fires with these labels.
    #[track_caller]
    fn fires(&mut self, alert: &'static str, labels: &str) {
        self.prometheus.sees(alert, labels);
        self.seen.push(alert);
    }

    #[track_caller]
    fn ends(&self, alert: &str) {
        eventually(&format!("{alert} ends"), || !self.prometheus.fires(alert, ""));
    }

    /// Waits until an expression has a value.
    #[track_caller]
    fn is(&self, expression: &str, value: f64) {
        let is = || self.prometheus.query(expression).first().is_some_and(|(_, is)| *is == value);
        eventually(&format!("{expression} is {value}"), is);
    }
}

/// Goal: whatever goes wrong with gates is seen by the alerts that are for it, and none fires while all is well; the
/// dashboard shows something in every panel. Method: one fault after the other, and Prometheus' own word for each.
#[test]
fn by_a_real_prometheus() {
    let company = Company::new("watched", PARTITIONS);
    let prometheus = Prometheus::watching(&company);
    let mut watched = Watched { company, prometheus, seen: Vec::new() };
    a_pause_that_nobody_remembers(&mut watched);
    a_gate_without_a_right(&mut watched);
    let gates = [watched.company.gate("a", &[]).restored(), watched.company.gate("b", &[]).restored()];
    all_is_well(&watched);
    let lonely = a_gate_without_brokers(&mut watched);
    files(&mut watched);
    pauses(&mut watched);
    let losing = a_drain_that_loses(&watched);
    held_events_deleted(&mut watched);
    bad_events(&mut watched);
    watched.fires("FlowgateDrainLosing", "");
    watched.fires("FlowgateBrokersSilent", r#"instance="c""#);
    watched.company.forget("c");
    drop(lonely);
    watched.ends("FlowgateNotReady");
    every_panel_shows_something(&watched);
    losing.stop();
    killed(&mut watched, gates);
    watched.seen.sort_unstable();
    watched.seen.dedup();
    say(&format!("alerts that a real Prometheus saw: {}", watched.seen.join(", ")));
}

/// It began eleven days ago, as its state says.
fn a_pause_that_nobody_remembers(watched: &mut Watched) {
    let company = &watched.company;
    let gate = company.gate("a", &[]).restored();
    company.order(&["pause", "forgotten"]);
    gate.stop();
    let states = company.log().state;
    let state = states.iter().rfind(|state| state.key.as_deref() == Some(b"forgotten")).unwrap();
    let mut document: Value = serde_json::from_slice(state.value.as_deref().unwrap()).unwrap();
    let day = Duration::from_secs(24 * 3600);
    document["pause"]["paused_at"] = clock::now().before(11 * day).to_string().into();
    document["pause"]["resumes_at"] = clock::now().after(2 * day).to_string().into();
    let (key, value) = (state.key.as_deref(), document.to_string());
    let (topic, partition) = (&company.topics.state, Some(state.partition));
    let value = Some(value.as_bytes());
    company.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] });
    let gate = company.gate("a", &[]).restored();
    watched.fires("FlowgatePauseOld", "");
    watched.company.order(&["resume", "forgotten", "--wait"]);
    watched.ends("FlowgatePauseOld");
    gate.stop();
}

/// Its queue topics cannot be made: the events of a partition wait, and the oldest of them is old. It may record few flows.
fn a_gate_without_a_right(watched: &mut Watched) {
    let gate = watched.company.gate("a", &["queue.replication_factor=3", "max_known_flows=4"]).restored();
    watched.is("sum(flowgate_ready)", 1.0);
    let mut client = watched.company.client(Partitioner::Java);
    (0..12).for_each(|flow| client.burst(&format!("many-{flow}"), 1));
    watched.fires("FlowgateTooManyFlows", r#"instance="a""#);
    watched.company.order(&["pause", "denied"]);
    let event = br#"{"flow_id": "denied", "record_id": "r1"}"#;
    let old = Some(clock::now().before(Duration::from_secs(20 * 60)));
    let (topic, key) = (&watched.company.topics.enrollments, Some(&b"denied"[..]));
    let (partition, value) = (None, Some(&event[..]));
    watched.company.publish(&Publication { topic, partition, timestamp: old, key, value, headers: &[] });
    watched.fires("FlowgateBlocked", r#"instance="a", reason="queue_topic""#);
    watched.fires("FlowgateLag", r#"instance="a""#);
    watched.fires("FlowgateLagHigh", r#"instance="a""#);
    gate.stop();
}

/// Nothing fires, but what counts over some minutes.
fn all_is_well(watched: &Watched) {
    watched.is("sum(flowgate_ready)", 2.0);
    watched.is("sum(flowgate_partitions{stage=\"active\"})", f64::from(PARTITIONS));
    watched.company.order(&["resume", "denied", "--wait"]);
    for alert in ["FlowgateBlocked", "FlowgateLag", "FlowgateLagHigh", "FlowgateDown", "FlowgateNotReady"] {
        watched.ends(alert);
    }
    eventually("no other alert fires", || watched.prometheus.firing() == ["FlowgateTooManyFlows"]);
}

/// One event a second goes, and five come.
fn a_drain_that_loses(watched: &Watched) -> Upstream {
    let company = &watched.company;
    company.order(&["pause", "losing", "--keep", "all"]);
    company.client(Partitioner::Java).burst("losing", 300);
    company.until_all_is_read();
    company.order(&["resume", "losing", "--rate", "1"]);
    company.until("resuming", "losing", is_resuming);
    Upstream::start(company.client(Partitioner::Java), &["losing"], Duration::from_millis(200))
}

fn pauses(watched: &mut Watched) {
    // In five seconds this one ends within a day, and it is longer than one.
    watched.company.order(&["pause", "expiring", "--for", "86405s"]);
    watched.company.client(Partitioner::Java).burst("expiring", 50);
    watched.is("sum(flowgate_flows{state=\"paused\"})", 1.0);
    eventually("held", || watched.prometheus.query("sum(flowgate_held_events) > 40").len() == 1);
    watched.fires("FlowgatePauseExpires", r#"severity="ticket""#);
    watched.company.order(&["resume", "expiring", "--wait"]);
    watched.ends("FlowgatePauseExpires");
    watched.company.order(&["pause", "--all", "--for", "1h", "--yes"]);
    watched.fires("FlowgateEveryFlowPaused", "");
    watched.is("sum(flowgate_default_pauses)", f64::from(PARTITIONS));
    watched.company.order(&["resume", "--all", "--yes"]);
    watched.ends("FlowgateEveryFlowPaused");
}

fn held_events_deleted(watched: &mut Watched) {
    let company = &watched.company;
    company.order(&["pause", "deleted"]);
    company.client(Partitioner::Java).burst("deleted", 100);
    company.until_all_is_read();
    let queue = company.flow("deleted").unwrap().queue.topic.unwrap();
    company.kafka.admin().unwrap().delete_records(&[(queue, 50)]).unwrap().remove(0).unwrap();
    company.command("deleted", "resume", &serde_json::json!({}));
    watched.fires("FlowgateHeldEventsDeleted", r#"reason="held_events_deleted""#);
    let lost = watched.prometheus.query("sum(flowgate_lost_events)")[0].1;
    assert!((40.0..=100.0).contains(&lost), "{lost}");
    watched.company.command("deleted", "accept_loss", &serde_json::json!({"at_most": 100}));
    watched.company.until("live again", "deleted", is_live);
    watched.ends("FlowgateHeldEventsDeleted");
}

fn bad_events(watched: &mut Watched) {
    let mut client = watched.company.client(Partitioner::Java);
    (0..30).for_each(|_| client.send("welcome", b"no JSON"));
    client.flush();
    watched.fires("FlowgateDeadLetters", r#"reason="not_json""#);
}

/// It never gets ready, and the others go on. After a minute without an answer that is told too.
fn a_gate_without_brokers(watched: &mut Watched) -> Gate {
    let lonely = watched.company.gate("c", &["brokers=127.0.0.1:1"]);
    watched.fires("FlowgateNotReady", r#"instance="c""#);
    lonely
}

/// A certificate that ends within days; tokens that are refused, since the file was changed.
fn files(watched: &mut Watched) {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    let hash = "0123456789abcdef".repeat(4);
    fs::write(&tokens, format!("nina:admin:{hash}\n")).unwrap();
    let [certificate, key] = ["server.crt", "server.key"].map(|file| crate::server::shared().certificate(file));
    let gate = watched.company.gate(
        "t",
        &[
            &format!("http_tls_certificate={}", certificate.display()),
            &format!("http_tls_key={}", key.display()),
            &format!("http_tokens_file={}", tokens.display()),
        ],
    );
    watched.fires("FlowgateCertificateEnds", r#"instance="t""#);
    fs::write(&tokens, "nina:boss:none\n").unwrap();
    watched.fires("FlowgateFileRefused", r#"instance="t""#);
    fs::write(&tokens, format!("nina:admin:{hash}\n")).unwrap();
    watched.ends("FlowgateFileRefused");
    gate.stop();
    watched.company.forget("t");
}

/// One gate dies again and again, then all of them, and a pause ends meanwhile; then they come back.
fn killed(watched: &mut Watched, [a, mut b]: [Gate; 2]) {
    for restarts in 1..=4 {
        b.kill();
        watched.fires("FlowgateDown", r#"instance="b""#);
        b = watched.company.gate("b", &[]).restored();
        watched.is("sum(up)", 2.0);
        // One that is killed before it was asked was never there.
        let seen = format!("changes(process_start_time_seconds{{instance=\"b\"}}[30m]) >= bool {restarts}");
        watched.is(&seen, 1.0);
        watched.ends("FlowgateDown");
    }
    watched.fires("FlowgateRestarts", r#"instance="b""#);
    watched.is("sum(flowgate_partitions{stage=\"active\"})", f64::from(PARTITIONS));
    watched.company.order(&["pause", "late", "--for", "3s"]);
    [a, b].into_iter().for_each(Gate::kill);
    watched.fires("FlowgateAllDown", "");
    watched.fires("FlowgatePartitionUnowned", r#"severity="page""#);
    watched.is("job:flowgate_partitions_unowned:count", f64::from(PARTITIONS));
    let over = clock::now().after(Duration::from_secs(15));
    eventually("its end is more than ten seconds ago", || clock::now() > over);
    let (a, b) = (watched.company.gate("a", &[]).restored(), watched.company.gate("b", &[]).restored());
    watched.fires("FlowgateTimerLate", "");
    for alert in ["FlowgateDown", "FlowgateAllDown", "FlowgatePartitionUnowned"] {
        watched.ends(alert);
    }
    watched.company.order(&["resume", "losing", "--rate", "1000000", "--wait"]);
    watched.ends("FlowgateDrainLosing");
    for gate in [a, b] {
        gate.stop();
    }
}

/// Asks what each panel of the dashboard asks.
fn every_panel_shows_something(watched: &Watched) {
    let dashboard: Value = serde_json::from_str(include_str!("../../deploy/grafana/flowgate.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries: Vec<(String, String)> = panels
        .iter()
        .flat_map(|panel| {
            let targets = panel["targets"].as_array().cloned().unwrap_or_default();
            let title = panel["title"].as_str().unwrap().to_owned();
            targets.into_iter().map(move |target| (title.clone(), target["expr"].as_str().unwrap().to_owned()))
        })
        .collect();
    assert!(queries.len() > 40, "{queries:?}");
    for (title, query) in &queries {
        let query = query.replace("$job", JOB).replace("$instance", "(a|b)").replace("$__rate_interval", "30s");
        assert!(!query.contains('$'), "{title}: {query}");
        eventually(&format!("`{title}` shows something: {query}"), || !watched.prometheus.query(&query).is_empty());
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["definition"].as_str() else { continue };
        let selector = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(", ")).unwrap().0;
        let selector = selector.replace("$job", JOB);
        assert!(!watched.prometheus.query(&selector).is_empty(), "{query}");
    }
    say(&format!("{} queries of the dashboard have data", queries.len()));
}

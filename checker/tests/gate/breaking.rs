//! A log to break, and what is found then.

use flowgate_checker::{Fault, Log, Place, check};
use serde_json::{Value, json};

use super::Gate;

/// Live, a pause with replaced entries and a withdraw, a drain, live again; discarded and dead ones beside it.
pub fn log() -> Log {
    let mut gate = Gate::new();
    for record in ["a", "b", "c"] {
        gate.enroll("welcome", record);
    }
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "d");
    gate.enroll("welcome", "e");
    gate.enroll("welcome", "d");
    gate.event("welcome", "f", "advance");
    gate.event("welcome", "x", "withdraw");
    gate.enroll("welcome", "g");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    gate.enroll("welcome", "h");
    gate.enroll("welcome", "i");
    gate.broken(0, Some("{"), None);
    gate.stray("win-back", "a", "enroll");
    gate.pause("win-back", json!({"new_records": "discard"}));
    gate.enroll("win-back", "b");
    gate.event("win-back", "c", "advance");
    let log = gate.finish();
    assert_eq!(check(&log).anomalies, []);
    log
}

/// What is found, as (flow, fault), and whether the sums still close.
pub fn found(log: &Log) -> (Vec<(Option<String>, Fault)>, bool) {
    let report = check(log);
    for anomaly in &report.anomalies {
        println!("{anomaly}");
    }
    assert!(!report.is_green());
    let closes = report.flows.values().all(flowgate_checker::Sums::closes);
    (report.anomalies.into_iter().map(|anomaly| (anomaly.flow, anomaly.fault)).collect(), closes)
}

/// The only fault, of the flow `welcome`.
pub fn only(log: &Log) -> (Fault, bool) {
    let (mut faults, closes) = found(log);
    assert_eq!(faults.len(), 1);
    let (flow, fault) = faults.remove(0);
    assert_eq!(flow.as_deref(), Some("welcome"));
    (fault, closes)
}

/// The index in a topic of the nth record that carries `"record_id":RECORD` of the flow `welcome`.
pub fn nth(topic: &[flowgate_checker::Record], record: &str, nth: usize) -> usize {
    let fits = |value: &Value| value["flow_id"] == "welcome" && value["record_id"] == record;
    let parse = |value: &Option<Vec<u8>>| serde_json::from_slice::<Value>(value.as_deref().unwrap_or(b"0")).ok();
    let mut all = topic.iter().enumerate().filter(|(_, known)| parse(&known.value).is_some_and(|value| fits(&value)));
    all.nth(nth).unwrap().0
}

pub fn event(log: &Log, record: &str, at: usize) -> Place {
    let record = &log.enrollments[nth(&log.enrollments, record, at)];
    Place { topic: "flow.enrollments".to_owned(), partition: record.partition, offset: record.offset }
}

/// Moves a delivered record to where another one is; those between move up.
pub fn move_to(log: &mut Log, from: usize, to: usize) {
    let partition = log.records[from].partition;
    let places: Vec<usize> = (0..log.records.len()).filter(|at| log.records[*at].partition == partition).collect();
    let offsets: Vec<i64> = places.iter().map(|at| log.records[*at].offset).collect();
    let record = log.records.remove(from);
    log.records.insert(to, record);
    for (at, offset) in places.into_iter().zip(offsets) {
        log.records[at].offset = offset;
    }
}

pub fn state(log: &mut Log, change: impl Fn(&mut Value)) {
    let record = log.state.iter_mut().find(|record| record.key.as_deref() == Some(b"welcome")).unwrap();
    let mut value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
    change(&mut value);
    record.value = Some(value.to_string().into_bytes());
}

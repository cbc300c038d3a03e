//! Logs that both oracles are shown, and how to change what they tell.

use flowgate_checker::{Log, Sums, check, home, replay};
use serde_json::Value;

use super::Gate;
use super::breaking::nth;

pub fn green(gate: &Gate) -> (Log, Sums) {
    let log = gate.finish();
    let report = check(&log);
    assert_eq!(report.anomalies, []);
    assert_eq!(report.flows, gate.sums());
    assert_eq!(replay(&log).differences, []);
    (log, report.flows["welcome"])
}

pub fn new_gate() -> Gate {
    let mut gate = Gate::new();
    gate.gates_reading = true;
    gate
}

/// What is wrong once the log is broken: the oracles say so, each with these words (none: it cannot tell).
#[track_caller]
pub fn broken(log: &Log, check_says: &str, list_says: &str, how: impl FnOnce(&mut Log)) {
    let mut log = log.clone();
    how(&mut log);
    let anomalies: Vec<String> = check(&log).anomalies.iter().map(ToString::to_string).collect();
    let said = anomalies.iter().any(|anomaly| anomaly.contains(check_says));
    assert_eq!(said, !check_says.is_empty(), "{check_says:?}: {anomalies:#?}");
    let differences: Vec<String> = replay(&log).differences.iter().map(ToString::to_string).collect();
    let said = differences.iter().any(|difference| difference.contains(list_says));
    assert_eq!(said, !list_says.is_empty(), "{list_says:?}: {differences:#?}");
}

/// Changes every document of a topic that this is true of.
pub fn change(topic: &mut [flowgate_checker::Record], fits: impl Fn(&Value) -> bool, change: impl Fn(&mut Value)) {
    for record in topic {
        let mut value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        if fits(&value) {
            change(&mut value);
            record.value = Some(value.to_string().into_bytes());
        }
    }
}

/// Changes the commands of an action, and what their answers say of them.
pub fn order(log: &mut Log, action: &'static str, option: &'static str, value: &Value) {
    change(&mut log.control, |command| command["action"] == action, |command| command[option] = value.clone());
    let of_action = |answer: &Value| answer["command"]["action"] == action;
    change(&mut log.audit, of_action, |answer| answer["command"][option] = value.clone());
}

pub fn is(word: &'static str) -> impl Fn(&Value) -> bool {
    move |value| value["transition"] == word
}

pub fn tell(log: &mut Log, word: &'static str, how: impl Fn(&mut Value)) {
    change(&mut log.audit, is(word), how);
}

pub fn conceal(log: &mut Log, fits: impl Fn(&Value) -> bool) {
    log.audit.retain(|record| !fits(&serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()));
}

/// Delivers what was discarded, last of all.
pub fn deliver_discarded(log: &mut Log, record: &str, cause: &str) {
    let mut record = log.discarded.remove(nth(&log.discarded, record, 0));
    let own = record.headers.len() - 3;
    record.headers.truncate(own);
    for (name, value) in [("release", cause), ("pause-id", "p0"), ("held-ms", "5")] {
        record.headers.push(super::header(&format!("flowgate-{name}"), value));
    }
    (record.partition, record.offset) = (home("welcome", 4), 1000);
    log.records.push(record);
}

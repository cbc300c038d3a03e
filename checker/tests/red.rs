//! Goal: each way to break a promise is seen, and called by its name. Method: a log that is green is broken in one place.
#![allow(clippy::unwrap_used)]

mod gate;

use flowgate_checker::{Fault, Log, Place, check};
use gate::Gate;
use serde_json::{Value, json};

/// Live, a pause with replaced entries and a withdraw, a drain, live again; discarded and dead ones beside it.
fn log() -> Log {
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
fn found(log: &Log) -> (Vec<(Option<String>, Fault)>, bool) {
    let report = check(log);
    for anomaly in &report.anomalies {
        println!("{anomaly}");
    }
    assert!(!report.is_green());
    let closes = report.flows.values().all(flowgate_checker::Sums::closes);
    (report.anomalies.into_iter().map(|anomaly| (anomaly.flow, anomaly.fault)).collect(), closes)
}

/// The only fault, of the flow `welcome`.
fn only(log: &Log) -> (Fault, bool) {
    let (mut faults, closes) = found(log);
    assert_eq!(faults.len(), 1);
    let (flow, fault) = faults.remove(0);
    assert_eq!(flow.as_deref(), Some("welcome"));
    (fault, closes)
}

/// The index in a topic of the nth record that carries `"record_id":RECORD` of the flow `welcome`.
fn nth(topic: &[flowgate_checker::Record], record: &str, nth: usize) -> usize {
    let fits = |value: &Value| value["flow_id"] == "welcome" && value["record_id"] == record;
    let parse = |value: &Option<Vec<u8>>| serde_json::from_slice::<Value>(value.as_deref().unwrap_or(b"0")).ok();
    let mut all = topic.iter().enumerate().filter(|(_, known)| parse(&known.value).is_some_and(|value| fits(&value)));
    all.nth(nth).unwrap().0
}

fn event(log: &Log, record: &str, at: usize) -> Place {
    let record = &log.enrollments[nth(&log.enrollments, record, at)];
    Place { topic: "flow.enrollments".to_owned(), partition: record.partition, offset: record.offset }
}

/// Moves a delivered record to where another one is; those between move up.
fn move_to(log: &mut Log, from: usize, to: usize) {
    let partition = log.records[from].partition;
    let places: Vec<usize> = (0..log.records.len()).filter(|at| log.records[*at].partition == partition).collect();
    let offsets: Vec<i64> = places.iter().map(|at| log.records[*at].offset).collect();
    let record = log.records.remove(from);
    log.records.insert(to, record);
    for (at, offset) in places.into_iter().zip(offsets) {
        log.records[at].offset = offset;
    }
}

#[test]
fn a_loss() {
    let mut log = log();
    let at = nth(&log.records, "b", 0);
    log.records.remove(at);
    let (fault, closes) = only(&log);
    assert_eq!(fault, Fault::Lost { event: event(&log, "b", 0), expected: "delivered" });
    assert!(!closes);
}

#[test]
fn a_double() {
    let mut log = log();
    let mut copy = log.records[nth(&log.records, "b", 0)].clone();
    copy.offset = 1000;
    log.records.push(copy);
    let (fault, closes) = only(&log);
    assert!(matches!(fault, Fault::Doubled { event: at, .. } if at == event(&log, "b", 0)));
    assert!(!closes);
}

#[test]
fn a_double_of_a_released_one() {
    let mut log = log();
    let mut copy = log.records[nth(&log.records, "e", 0)].clone();
    copy.offset = 1000;
    log.records.push(copy);
    let (faults, closes) = found(&log);
    assert!(matches!(&faults[0].1, Fault::Doubled { event: at, .. } if *at == event(&log, "e", 0)));
    assert!(!closes);
}

#[test]
fn a_swap() {
    for (one, other) in [("a", "b"), ("e", "f"), ("h", "i")] {
        let mut log = log();
        let (first, second) = (nth(&log.records, one, 0), nth(&log.records, other, 0));
        move_to(&mut log, first, second);
        let (fault, closes) = only(&log);
        assert!(matches!(fault, Fault::OutOfOrder { .. }));
        assert!(closes);
    }
}

#[test]
fn a_delivery_inside_a_pause_as_it_came() {
    let mut log = log();
    let at = nth(&log.records, "e", 0);
    let headers = log.records[at].headers.len() - 3;
    log.records[at].headers.truncate(headers);
    let before = nth(&log.records, "x", 0);
    move_to(&mut log, at, before);
    let (fault, _) = only(&log);
    assert!(matches!(fault, Fault::DeliveredInPause { event: at, .. } if at == event(&log, "e", 0)));
}

#[test]
fn a_delivery_inside_a_pause_ahead_of_its_resume() {
    let mut log = log();
    let (at, before) = (nth(&log.records, "e", 0), nth(&log.records, "x", 0));
    move_to(&mut log, at, before);
    let (fault, closes) = only(&log);
    assert!(matches!(fault, Fault::DeliveredInPause { event: at, .. } if at == event(&log, "e", 0)));
    assert!(closes);
}

#[test]
fn a_delivery_inside_a_pause_that_nobody_ended() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    let mut log = gate.finish();
    let copy = log.enrollments[0].clone();
    log.records.push(copy);
    let (faults, _) = found(&log);
    assert!(matches!(faults[0].1, Fault::DeliveredInPause { .. }));
}

#[test]
fn replaced_by_nothing() {
    for has_state in [true, false] {
        let mut log = log();
        let at = nth(&log.records, "e", 0);
        log.records.remove(at);
        if has_state {
            // The gate believes that it replaced it.
            state(&mut log, |state| {
                state["counts"]["replaced"]["enroll"] = json!(2);
                state["counts"]["released"]["enroll"] = json!(2);
            });
        } else {
            log.state.clear();
        }
        let (faults, closes) = found(&log);
        assert_eq!(faults[0].1, Fault::ReplacedByNothing { event: event(&log, "e", 0) });
        assert!(!closes);
    }
}

#[test]
fn a_released_one_lost() {
    let mut log = log();
    let at = nth(&log.records, "e", 0);
    log.records.remove(at);
    let (faults, closes) = found(&log);
    assert_eq!(faults[0].1, Fault::Lost { event: event(&log, "e", 0), expected: "released" });
    assert!(!closes);
}

#[test]
fn a_replaced_one_delivered() {
    let mut log = log();
    let mut copy = log.records[nth(&log.records, "d", 0)].clone();
    copy.value = log.enrollments[nth(&log.enrollments, "d", 0)].value.clone();
    copy.key = log.enrollments[nth(&log.enrollments, "d", 0)].key.clone();
    let source = &log.enrollments[nth(&log.enrollments, "d", 0)];
    copy.headers.splice(..source.headers.len(), source.headers.clone());
    (copy.timestamp_ms, copy.offset) = (source.timestamp_ms, 1000);
    log.records.push(copy);
    let (faults, _) = found(&log);
    let by = event(&log, "d", 1);
    assert!(matches!(&faults[0].1, Fault::ReplacedDelivered { by: found, .. } if *found == by));
}

fn drained_past_a_withdraw() -> Log {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c"] {
        gate.enroll("welcome", record);
    }
    gate.resume("welcome", json!({}));
    gate.drain("welcome", 2);
    gate.event("welcome", "a", "withdraw");
    gate.drain_all("welcome");
    let log = gate.finish();
    assert_eq!(check(&log).anomalies, []);
    log
}

#[test]
fn a_withdrawn_one_delivered_in_a_drain() {
    let mut log = drained_past_a_withdraw();
    let (released, withdraw) = (nth(&log.records, "a", 0), nth(&log.records, "a", 1));
    move_to(&mut log, released, withdraw);
    let (fault, _) = only(&log);
    assert!(matches!(fault, Fault::WithdrawnDelivered { .. }));
}

#[test]
fn a_withdraw_that_came_too_late_replaces_nothing() {
    let mut log = drained_past_a_withdraw();
    let released = nth(&log.records, "a", 0);
    log.records.remove(released);
    let (faults, closes) = found(&log);
    assert!(matches!(faults[0].1, Fault::Lost { .. }));
    assert!(!closes);
}

#[test]
fn a_withdraw_that_waits_behind_the_queue() {
    let mut log = log();
    let (withdraw, last) = (nth(&log.records, "x", 0), nth(&log.records, "h", 0));
    move_to(&mut log, withdraw, last);
    assert!(!found(&log).0.is_empty());
}

#[test]
fn a_changed_header() {
    for record in ["a", "e"] {
        let mut log = log();
        let at = nth(&log.records, record, 0);
        log.records[at].headers[0].1 = Some(b"another".to_vec());
        let (fault, _) = only(&log);
        assert!(matches!(fault, Fault::Altered { what: "its key or its headers", .. }));
    }
}

#[test]
fn a_changed_value_key_time_and_release_header() {
    let changes: [(fn(&mut flowgate_checker::Record), &str); 4] = [
        (|record| record.value.as_mut().unwrap().push(b' '), "its value"),
        (|record| record.key = Some(b"another".to_vec()), "its key or its headers"),
        (|record| record.timestamp_ms += 1, "its timestamp"),
        (
            |record| {
                let at = record.headers.len() - 3;
                record.headers[at].1 = Some(b"timer".to_vec());
            },
            "flowgate-release names the wrong cause",
        ),
    ];
    for (change, expected) in changes {
        let mut log = log();
        let at = nth(&log.records, "e", 0);
        change(&mut log.records[at]);
        let (fault, closes) = only(&log);
        assert!(matches!(fault, Fault::Altered { what, .. } if what == expected), "{expected}");
        assert!(closes);
    }
}

#[test]
fn a_wrong_partition() {
    let mut log = log();
    let at = nth(&log.records, "b", 0);
    log.records[at].partition = (log.records[at].partition + 1) % 4;
    let (fault, _) = only(&log);
    assert!(matches!(fault, Fault::WrongPartition { .. }));
}

#[test]
fn a_missing_dead_letter() {
    let mut log = log();
    log.dead_letters.clear();
    let (faults, _) = found(&log);
    assert!(matches!(&faults[..], [(None, Fault::DeadLetterMissing { why: "not a JSON object", .. })]));
}

#[test]
fn a_dead_letter_twice_and_one_of_a_good_event() {
    let mut log = log();
    let mut copy = log.dead_letters[0].clone();
    copy.offset = 77;
    log.dead_letters.push(copy);
    assert!(matches!(&found(&log).0[..], [(None, Fault::Doubled { .. })]));
    let source = event(&log, "a", 0);
    let mut letter = log.enrollments[nth(&log.enrollments, "a", 0)].clone();
    let place = source.to_string();
    letter.headers.extend([gate::header("flowgate-reason", "why not"), gate::header("flowgate-source", place)]);
    log.dead_letters[1] = letter;
    assert!(matches!(only(&log).0, Fault::DeadLetterUnfounded { .. }));
}

#[test]
fn an_event_that_was_not_sent_on_and_one_sent_twice() {
    let stray = |log: &Log| {
        let home = flowgate_checker::home("win-back", gate::PARTITIONS);
        log.enrollments.iter().position(|record| record.partition == home).unwrap()
    };
    let mut lost = log();
    let at = stray(&lost);
    let twin = lost.enrollments.remove(at);
    let at = lost.records.iter().position(|record| record.value == twin.value).unwrap();
    lost.records.remove(at);
    let (faults, _) = found(&lost);
    assert!(matches!(&faults[..], [(Some(_), Fault::NotRerouted { .. })]));

    let mut twice = log();
    let mut twin = twice.enrollments[stray(&twice)].clone();
    twin.offset = 500;
    twice.enrollments.push(twin);
    assert!(found(&twice).0.iter().any(|(_, fault)| matches!(fault, Fault::ReroutedTwice { .. })));
}

fn state(log: &mut Log, change: impl Fn(&mut Value)) {
    let record = log.state.iter_mut().find(|record| record.key.as_deref() == Some(b"welcome")).unwrap();
    let mut value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
    change(&mut value);
    record.value = Some(value.to_string().into_bytes());
}

#[test]
fn a_wrong_counter() {
    let mut log = log();
    state(&mut log, |state| state["counts"]["released"]["enroll"] = json!(4));
    let (fault, closes) = only(&log);
    assert_eq!(fault, Fault::Counter { counter: "released.enroll", gate: 4, found: 3 });
    assert!(closes);
    state(&mut log, |state| {
        state["counts"]["released"]["enroll"] = json!(3);
        state["queue"]["watermark"]["entry"] = json!(1);
    });
    assert!(matches!(only(&log).0, Fault::Counter { counter: "queue.watermark.entry", gate: 1, .. }));
}

#[test]
fn an_admitted_loss_is_a_term_of_its_own() {
    let mut log = log();
    let at = nth(&log.records, "e", 0);
    log.records.remove(at);
    state(&mut log, |state| {
        state["counts"]["lost"]["enroll"] = json!(1);
        state["counts"]["released"]["enroll"] = json!(2);
    });
    let report = check(&log);
    assert_eq!((report.anomalies, report.flows["welcome"].lost.enroll), (vec![], 1));
    assert!(report.flows["welcome"].closes());
}

#[test]
fn a_turned_away_one_delivered_lost_and_discarded_for_nothing() {
    let mut lost = log();
    lost.discarded.clear();
    assert!(matches!(found(&lost).0[0].1, Fault::Lost { .. }));
    let mut delivered = log();
    let mut copy = delivered.discarded[0].clone();
    copy.headers.truncate(2);
    (copy.partition, copy.offset) = (flowgate_checker::home("win-back", 4), 1000);
    delivered.records.push(copy);
    assert!(matches!(found(&delivered).0[0].1, Fault::DiscardedDelivered { .. }));
    let mut wrongly = log();
    let at = nth(&wrongly.records, "e", 0);
    let mut released = wrongly.records.remove(at);
    let source = event(&wrongly, "e", 0).to_string();
    released.headers.truncate(2);
    released.headers.extend([gate::header("flowgate-reason", "x"), gate::header("flowgate-source", source)]);
    released.offset = 1000;
    wrongly.discarded.push(released);
    assert!(matches!(found(&wrongly).0[0].1, Fault::WronglyDiscarded { .. }));
}

#[test]
fn a_held_one_gone_from_its_queue() {
    let mut log = log();
    for queue in log.queues.values_mut() {
        queue.clear();
    }
    assert!(matches!(&found(&log).0[..], [(Some(_), Fault::HeldMissing { .. })]));
}

#[test]
fn a_command_without_an_answer_and_a_transition_without_a_command() {
    let mut silent = log();
    let answer = |record: &flowgate_checker::Record| {
        String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).contains("\"answer\"")
    };
    let at = silent.audit.iter().position(answer).unwrap();
    silent.audit.remove(at);
    let (faults, _) = found(&silent);
    assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::Command { .. })));
    let mut made_up = log();
    made_up.control.remove(0);
    let at = made_up.audit.iter().position(answer).unwrap();
    made_up.audit.remove(at);
    assert!(found(&made_up).0.iter().any(|(_, fault)| matches!(fault, Fault::Audit { .. })));
}

#[test]
fn an_audit_that_does_not_fit() {
    let change = |word: &str, field: &str, number: u64| {
        let mut log = log();
        let fits = |value: &Value| value["transition"] == word && value["flow_id"] == "welcome";
        for record in &mut log.audit {
            let mut value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            if fits(&value) {
                value["position"][field] = json!(number);
                record.value = Some(value.to_string().into_bytes());
            }
        }
        found(&log).0
    };
    assert!(change("resumed", "entry", 4).iter().any(|(_, fault)| matches!(fault, Fault::Audit { .. })));
    assert!(change("live", "watermark", 3).iter().any(|(_, fault)| matches!(fault, Fault::Audit { .. })));
    // A resume that is said to lie earlier: what came behind it in the pause is not where it should be.
    assert!(!change("resumed", "input", 6).is_empty());
}

#[test]
fn sentences_name_flow_and_place() {
    let mut log = log();
    let at = nth(&log.records, "b", 0);
    log.records.remove(at);
    let sentence = check(&log).anomalies[0].to_string();
    assert!(sentence.starts_with("flow welcome: flow.enrollments/1/"), "{sentence}");
    assert!(sentence.ends_with("is lost: it should be delivered"), "{sentence}");
}

//! Goal: what is wrong beside the delivered records is seen: rejected ones, twins, counters, commands, the audit. Method: a
//! log that is green is broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{Fault, Log, check};
use gate::breaking::{event, found, log, nth, only, state};
use serde_json::{Value, json};

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
fn a_loss_that_nobody_accepted() {
    let mut log = log();
    let at = nth(&log.records, "e", 0);
    log.records.remove(at);
    log.deleted.insert("welcome".to_owned(), 6);
    state(&mut log, |state| {
        state["counts"]["lost"]["enroll"] = json!(1);
        state["counts"]["released"]["enroll"] = json!(2);
    });
    let (faults, closes) = found(&log);
    assert!(matches!(faults[0].1, Fault::Lost { .. }));
    let counter = Fault::Counter { counter: "lost.enroll", gate: 1, found: 0 };
    assert!(faults.iter().any(|(_, fault)| *fault == counter) && !closes);
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
fn a_discarded_one_that_says_why_or_when_wrongly() {
    for (back, expected) in [(3, "flowgate-reason names another reason"), (1, "flowgate-timestamp is not the event's")]
    {
        let mut log = log();
        let headers = &mut log.discarded[0].headers;
        let at = headers.len() - back;
        headers[at].1 = Some(b"another".to_vec());
        let (faults, closes) = found(&log);
        assert!(matches!(&faults[..], [(Some(_), Fault::Altered { what, .. })] if *what == expected), "{faults:?}");
        assert!(closes);
    }
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

/// Configuration can lower a deadline, and nothing else: what a command has to cause names it, and no live flow is
/// updated.
#[test]
fn a_transition_that_nobody_ordered() {
    for word in ["paused", "resumed"] {
        let mut log = log();
        for record in &mut log.audit {
            let mut value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            if value["transition"] == word && value["flow_id"] == "welcome" {
                value["command_offset"] = Value::Null;
                record.value = Some(value.to_string().into_bytes());
            }
        }
        let unnamed = |fault: &Fault| matches!(fault, Fault::Audit { why, .. } if why.contains("names no command"));
        assert!(found(&log).0.iter().any(|(_, fault)| unnamed(fault)), "{word}");
    }
    let mut gate = gate::Gate::new();
    gate.enroll("welcome", "a");
    gate.cap("welcome");
    let (faults, _) = found(&gate.finish());
    assert!(matches!(&faults[..], [(Some(_), Fault::Audit { .. })]), "{faults:?}");
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

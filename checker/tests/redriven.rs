//! Goal: a letter that was put back is seen to be the event that the audit names. Method: a log with one, broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use flowgate_checker::{Fault, Log, Record, check, home};
use serde_json::{Value, json};

const PARTITIONS: i32 = 4;

fn header(name: &str, value: &str) -> (Vec<u8>, Option<Vec<u8>>) {
    (name.into(), Some(value.into()))
}

/// A letter of a discarded event, which is an event again.
fn log() -> Log {
    let at = home("welcome", PARTITIONS);
    let value = Some(br#"{"flow_id": "welcome", "record_id": "r"}"#.to_vec());
    let event = Record { partition: at, key: Some(b"welcome".to_vec()), value, ..Record::default() };
    let own = vec![header("traceparent", "00")];
    let gates = ["reason", "detail", "source", "timestamp"].map(|name| header(&format!("flowgate-{name}"), "x"));
    let letter = Record { partition: 1, offset: 7, headers: [own.clone(), gates.to_vec()].concat(), ..event.clone() };
    let redriven = header("flowgate-redrive", "flow.discarded/1/7");
    let again = Record { offset: 40, headers: [own, vec![redriven]].concat(), ..event };
    let document = json!({
        "version": 1, "event": "redriven", "flow_id": "welcome", "partition": at, "at": "2026-01-01T00:00:00Z",
        "source": "flow.discarded/1/7", "to": format!("flow.enrollments/{at}/40"), "by": "ops",
    });
    let told = Record { value: Some(document.to_string().into_bytes()), ..Record::default() };
    Log {
        enrollments: vec![again],
        discarded: vec![letter],
        audit: vec![told],
        enrollment_partitions: PARTITIONS,
        prefix: "flow".to_owned(),
        ..Log::default()
    }
}

/// What is said of the audit: everything else here is about a gate that never was.
fn said(log: &Log) -> Vec<String> {
    let audit = |fault: Fault| match fault {
        Fault::Audit { why, .. } => Some(why),
        _ => None,
    };
    check(log).anomalies.into_iter().filter_map(|anomaly| audit(anomaly.fault)).collect()
}

fn change(log: &mut Log, change: impl FnOnce(&mut Value)) {
    let mut document = serde_json::from_slice(log.audit[0].value.as_deref().unwrap()).unwrap();
    change(&mut document);
    log.audit[0].value = Some(document.to_string().into_bytes());
}

#[test]
fn a_letter_that_is_its_event() {
    assert_eq!(said(&log()), Vec::<String>::new());
    let mut taken_by_retention = log();
    taken_by_retention.discarded.clear();
    assert_eq!(said(&taken_by_retention), Vec::<String>::new());
    let mut edited = log();
    edited.discarded[0].value = Some(b"{}".to_vec());
    change(&mut edited, |document| document["edit"] = json!({"before": null, "after": {}}));
    assert_eq!(said(&edited), Vec::<String>::new());
}

#[test]
fn what_is_wrong_with_one_is_said() {
    type Break = fn(&mut Log);
    let broken: [(Break, &str); 8] = [
        (|log| log.enrollments.clear(), "there is no event at"),
        (|log| drop(log.enrollments[0].headers.pop()), "does not say that it was"),
        (|log| log.enrollments[0].headers.remove(0).0.clear(), "is not the letter"),
        (|log| log.enrollments[0].key = None, "is not the letter"),
        (|log| log.discarded[0].value = None, "is not the letter"),
        (|log| log.audit.push(log.audit[0].clone()), "is told of twice"),
        (|log| change(log, |document| document["flow_id"] = json!("other-flow")), "is not at the home of its flow"),
        (
            |log| change(log, |document| drop(document.as_object_mut().unwrap().remove("source"))),
            "without flow, source",
        ),
    ];
    assert_ne!(home("other-flow", PARTITIONS), home("welcome", PARTITIONS));
    for (break_it, why) in broken {
        let mut log = log();
        break_it(&mut log);
        let said = said(&log);
        assert!(said.len() == 1 && said[0].contains(why), "{why}: {said:?}");
    }
}

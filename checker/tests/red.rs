//! Goal: each way to break a promise is seen, and called by its name. Method: a log that is green is broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{Fault, Log, check};
use gate::Gate;
use gate::breaking::{event, found, log, move_to, nth, only, state};
use gate::scenes::order_max_age;
use serde_json::json;

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
    gate.half_drained();
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
    type Change = fn(&mut flowgate_checker::Record);
    let changes: [(Change, &str); 5] = [
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
        (
            |record| {
                let at = record.headers.len() - 2;
                record.headers[at].1 = Some(b"another".to_vec());
            },
            "flowgate-pause-id does not name the pause that held it",
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
fn a_withdraw_among_live_events_out_of_its_place() {
    let mut gate = Gate::new();
    gate.enroll("welcome", "a");
    gate.event("welcome", "x", "withdraw");
    gate.enroll("welcome", "b");
    let log = gate.finish();
    for other in ["a", "b"] {
        let mut log = log.clone();
        let (withdraw, to) = (nth(&log.records, "x", 0), nth(&log.records, other, 0));
        move_to(&mut log, withdraw, to);
        let (fault, closes) = only(&log);
        assert!(matches!(fault, Fault::OutOfOrder { event: at, .. } if at == event(&log, "x", 0)), "{other}");
        assert!(closes);
    }
}

#[test]
fn removed_for_its_age_although_it_was_young() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.clock_ms += 3_600_000;
    gate.resume("welcome", json!({"max_age_seconds": 60}));
    gate.drain_all("welcome");
    let mut log = gate.finish();
    // The order was for a day, and what is held for an hour is not that old.
    let order =
        |value: &[u8]| String::from_utf8_lossy(value).replace(r#""max_age_seconds":60"#, r#""max_age_seconds":86400"#);
    for record in &mut log.control {
        record.value = record.value.as_deref().map(|value| order(value).into_bytes());
    }
    let (fault, _) = only(&log);
    assert!(matches!(fault, Fault::WronglyDiscarded { .. }));
}

#[test]
fn released_although_it_was_too_old() {
    let mut log = Gate::new().released_after_an_hour();
    order_max_age(&mut log);
    let (fault, _) = only(&log);
    assert!(matches!(fault, Fault::DiscardedDelivered { .. }));
}

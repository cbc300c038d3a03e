//! Goal: what keeps docs/contract.md is green, and its sums are right. Method: a toy gate plays each case out; its own counts
//! are the expected sums.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{PerKind, Report, check};
use gate::Gate;
use serde_json::json;

fn green(gate: &Gate) -> Report {
    let report = check(&gate.finish());
    for anomaly in &report.anomalies {
        println!("{anomaly}");
    }
    assert_eq!(report.anomalies, []);
    assert_eq!(report.flows, gate.sums());
    assert!(report.is_green());
    report
}

fn per_kind(enroll: u64, advance: u64) -> PerKind {
    PerKind { enroll, advance }
}

#[test]
fn live() {
    let mut gate = Gate::new();
    for record in ["a", "b", "a"] {
        gate.enroll("welcome", record);
        gate.event("win-back", record, "withdraw");
    }
    assert_eq!(green(&gate).events, 6);
}

#[test]
fn pause_queue_resume() {
    let mut gate = Gate::new();
    gate.enroll("welcome", "a");
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "a", "c"] {
        gate.enroll("welcome", record);
        gate.event("welcome", record, "advance");
    }
    gate.resume("welcome", json!({}));
    gate.drain("welcome", 3);
    gate.enroll("welcome", "b");
    gate.enroll("welcome", "b");
    gate.drain_all("welcome");
    gate.enroll("welcome", "b");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.input, sums.delivered_live), (12, 2));
    assert_eq!((sums.queued, sums.replaced, sums.released), (per_kind(6, 4), per_kind(1, 1), per_kind(5, 3)));
}

/// Nobody ordered it: the configuration did. The options of the pause stay.
#[test]
fn a_deadline_that_configuration_lowered() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({"keep": "all", "on_expiry": "discard"}));
    gate.enroll("welcome", "a");
    gate.cap("welcome");
    gate.enroll("welcome", "a");
    gate.expire("welcome");
    gate.drain_all("welcome");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.queued, sums.removed), (per_kind(2, 0), per_kind(2, 0)));
}

#[test]
fn keep_all() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({"keep": "all"}));
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "a");
    gate.pause("welcome", json!({"keep": "latest"}));
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "a");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    assert_eq!(green(&gate).flows["welcome"].replaced, per_kind(1, 0));
}

#[test]
fn turned_away() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({"new_records": "discard"}));
    gate.enroll("welcome", "a");
    gate.event("welcome", "b", "advance");
    gate.pause("welcome", json!({"keep": "all"}));
    gate.enroll("welcome", "c");
    gate.resume("welcome", json!({}));
    gate.enroll("welcome", "d");
    gate.drain_all("welcome");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.turned_away, sums.released), (per_kind(2, 0), per_kind(1, 1)));
}

#[test]
fn release_none_and_its_line_lifted() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "d"] {
        gate.enroll("welcome", record);
    }
    gate.resume("welcome", json!({"release": "none"}));
    gate.enroll("welcome", "e");
    gate.drain("welcome", 2);
    gate.resume("welcome", json!({"release": "all"}));
    gate.drain("welcome", 1);
    gate.resume("welcome", json!({"release": "none", "max_rate": 5}));
    gate.drain_all("welcome");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.removed, sums.released), (per_kind(4, 0), per_kind(1, 0)));
}

#[test]
fn timer_with_discard() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({"on_expiry": "discard", "for_seconds": 5}));
    gate.enroll("welcome", "a");
    gate.expire("welcome");
    gate.enroll("welcome", "b");
    gate.drain_all("welcome");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.removed, sums.released), (per_kind(1, 0), per_kind(1, 0)));
}

#[test]
fn timer_then_redirected() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "b");
    gate.expire("welcome");
    gate.drain("welcome", 1);
    gate.resume("welcome", json!({"max_rate": 3}));
    gate.drain_all("welcome");
    green(&gate);
}

#[test]
fn too_old() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.clock_ms += 3 * 86_400_000;
    gate.enroll("welcome", "b");
    gate.resume("welcome", json!({"max_age_seconds": 86_400}));
    gate.drain_all("welcome");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.removed, sums.released), (per_kind(1, 0), per_kind(1, 0)));
}

#[test]
fn repaused_in_a_drain() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c"] {
        gate.enroll("welcome", record);
    }
    gate.resume("welcome", json!({"release": "none"}));
    gate.drain("welcome", 1);
    gate.enroll("welcome", "d");
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "b");
    gate.enroll("welcome", "d");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.removed, sums.replaced, sums.released), (per_kind(1, 0), per_kind(1, 0), per_kind(4, 0)));
}

#[test]
fn withdraws_of_held_records() {
    let mut gate = Gate::new();
    gate.pause("win-back", json!({"keep": "all"}));
    gate.event("win-back", "z", "withdraw");
    for record in ["a", "b", "c", "d"] {
        gate.enroll("win-back", record);
    }
    gate.event("win-back", "b", "withdraw");
    gate.enroll("win-back", "b");
    gate.resume("win-back", json!({}));
    gate.drain("win-back", 1);
    gate.event("win-back", "c", "withdraw");
    gate.event("win-back", "a", "withdraw");
    gate.drain("win-back", 2);
    gate.event("win-back", "e", "withdraw");
    gate.drain_all("win-back");
    let sums = green(&gate).flows["win-back"];
    assert_eq!((sums.replaced, sums.released, sums.withdraws), (per_kind(2, 0), per_kind(3, 0), 5));
}

#[test]
fn a_withdraw_that_finds_only_withdraws_held() {
    let mut gate = Gate::new();
    gate.pause("win-back", json!({}));
    gate.enroll("win-back", "a");
    gate.event("win-back", "b", "withdraw");
    gate.resume("win-back", json!({}));
    gate.drain("win-back", 1);
    gate.event("win-back", "c", "withdraw");
    gate.pause("win-back", json!({}));
    gate.event("win-back", "d", "withdraw");
    gate.enroll("win-back", "d");
    gate.resume("win-back", json!({}));
    gate.drain_all("win-back");
    green(&gate);
}

#[test]
fn rerouted_and_dead() {
    let mut gate = Gate::new();
    gate.stray("welcome", "a", "enroll");
    gate.pause("welcome", json!({}));
    gate.stray("welcome", "b", "advance");
    gate.broken(2, None, None);
    gate.broken(3, Some("not json"), None);
    gate.broken(5, Some(r#"{"flow_id":"welcome","record_id":""}"#), Some("welcome"));
    gate.broken(1, Some(r#"{"flow_id":"welcome","kind":"leave","record_id":"x"}"#), Some("welcome"));
    let report = green(&gate);
    let sums = report.flows["welcome"];
    assert_eq!((report.flowless_dead, sums.dead, sums.rerouted), (2, 2, 2));
}

#[test]
fn held_at_the_end() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "a");
    gate.event("welcome", "b", "advance");
    assert_eq!(green(&gate).flows["welcome"].held, per_kind(2, 1));
    gate.resume("welcome", json!({}));
    gate.drain("welcome", 2);
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.held, sums.replaced, sums.released), (per_kind(0, 1), per_kind(1, 0), per_kind(1, 0)));
}

#[test]
fn without_states_and_queues_it_is_the_same() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.event("welcome", "b", "advance");
    gate.resume("welcome", json!({}));
    gate.drain("welcome", 1);
    let report = check(&gate.log);
    assert_eq!(report.anomalies, []);
    assert_eq!(report.flows, gate.sums());
}

#[test]
fn commands_are_counted() {
    let mut gate = Gate::new();
    gate.resume("welcome", json!({}));
    gate.pause("welcome", json!({}));
    let commands = green(&gate).commands;
    assert_eq!((commands.read, commands.applied, commands.unchanged), (2, 1, 1));
}

#[test]
fn a_replaced_timestamp_is_named() {
    let mut gate = Gate::new();
    gate.enroll("welcome", "a");
    let mut log = gate.finish();
    let original = log.records[0].timestamp_ms;
    log.records[0].timestamp_ms += 1_000_000;
    assert_eq!(check(&log).anomalies.len(), 1);
    log.records[0].headers.push(gate::header("flowgate-timestamp", original));
    assert_eq!(check(&log).anomalies, []);
}

#[test]
fn events_that_are_equal_byte_for_byte() {
    let mut gate = Gate::new();
    gate.equal_events();
    let sums = green(&gate).flows["welcome"];
    assert_eq!((sums.delivered_live, sums.released, sums.replaced), (2, per_kind(3, 0), per_kind(1, 0)));
}

#[test]
fn a_redirected_timer_may_name_either_cause() {
    let mut gate = Gate::new();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.expire("welcome");
    gate.resume("welcome", json!({"max_rate": 3}));
    gate.drain_all("welcome");
    let mut log = gate.finish();
    let at = log.records[0].headers.len() - 3;
    log.records[0].headers[at] = gate::header("flowgate-release", "resume");
    assert_eq!(check(&log).anomalies, []);
}

//! Goal: losses that are accepted as docs/contract.md says are green, and each way to break it is red. Method: the toy gate plays each
//! case out; then one place of the log is broken.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{Log, PerKind};
use gate::Gate;
use gate::breaking::nth;
use gate::telling::{broken, change, conceal, deliver_discarded, green, is, new_gate, order, tell};
use serde_json::{Value, json};

fn words(log: &Log) -> Vec<String> {
    let read = |record: &flowgate_checker::Record| {
        let told: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        told["transition"].as_str().map(str::to_owned)
    };
    log.audit.iter().filter_map(read).collect()
}

/// Held a, b, c, a withdraw, d, b again, e, a comes again; one is released before b, c, the withdraw, d are deleted.
fn lost() -> Gate {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["z", "b"] {
        gate.enroll("welcome", record);
    }
    gate.event("welcome", "c", "advance");
    gate.event("welcome", "x", "withdraw");
    for record in ["d", "b", "e", "f"] {
        gate.enroll("welcome", record);
    }
    gate.resume("welcome", json!({}));
    gate.drain("welcome", 1);
    gate.delete("welcome", 5);
    gate.drain_all("welcome");
    gate.accept_loss("welcome", json!({"at_most": 2}));
    gate.accept_loss("welcome", json!({"at_most": 3}));
    gate.accept_loss("welcome", json!({"at_most": 3}));
    gate.drain_all("welcome");
    gate
}

#[test]
fn a_loss_counts_what_was_deleted() {
    let (log, sums) = green(&lost());
    assert_eq!(sums.lost, PerKind { enroll: 2, advance: 1 });
    assert_eq!((sums.replaced.total(), sums.released.enroll), (0, 4));
    let says = |field: &'static str, value: Value| {
        move |log: &mut Log| tell(log, "loss_accepted", |told| told[field] = value.clone())
    };
    let count = json!({"enroll": 3, "advance": 1});
    broken(
        &log,
        "the gate counts 3 for loss_accepted.enroll, the topics say 2",
        "the list has lost",
        says("count", count),
    );
    let count = json!({"enroll": 2, "advance": 0});
    broken(
        &log,
        "the gate counts 0 for loss_accepted.advance, the topics say 1",
        "the list has lost",
        says("count", count),
    );
    broken(&log, "does not say how many entries are lost", "the list has lost", says("count", Value::Null));
    broken(&log, "names command Some(\"c9\")", "", says("command_id", json!("c9")));
    broken(
        &log,
        "does not say where the loss begins",
        "accepts a loss where nothing was deleted",
        says("first_entry", Value::Null),
    );
    broken(
        &log,
        "accepts a loss of nothing",
        "accepts a loss where nothing was deleted",
        says("first_entry", json!(6)),
    );
    broken(&log, "names another pause", "", says("pause_id", json!("p9")));
    broken(&log, "names no command as its cause", "but changed nothing", says("command_offset", Value::Null));
    broken(&log, "\"resume\" cannot cause \"loss_accepted\"", "but changed nothing", says("command_offset", json!(2)));
    broken(&log, "the gate counts 1 for lost.enroll, the topics say 2", "", |log| {
        gate::breaking::state(log, |state| state["counts"]["lost"]["enroll"] = json!(1));
    });
    broken(&log, "is lost: it should be released", "but changed nothing", |log| conceal(log, is("loss_accepted")));
}

#[test]
fn a_loss_that_begins_or_ends_elsewhere() {
    let (log, _) = green(&lost());
    let from = |first: u64| move |log: &mut Log| tell(log, "loss_accepted", |told| told["first_entry"] = json!(first));
    broken(&log, "although its loss was accepted", "and the order allows", from(1));
    broken(&log, "is lost: it should be released", "the list has lost", from(4));
    broken(&log, "has the impossible watermark", "which is there", |log| {
        tell(log, "loss_accepted", |told| told["position"]["watermark"] = json!(9));
    });
    let farther = |log: &mut Log| {
        tell(log, "loss_accepted", |told| {
            (told["position"]["watermark"], told["count"]["enroll"]) = (json!(6), json!(3));
        });
    };
    broken(
        &log,
        "accepts the loss of entry 6, which nobody deleted and nothing had replaced",
        "which is there",
        farther,
    );
    let nearer = |log: &mut Log| tell(log, "loss_accepted", |told| told["position"]["watermark"] = json!(4));
    broken(&log, "is lost: it should be released", "the list has lost", nearer);
}

#[test]
fn a_loss_that_was_not_allowed() {
    let (log, _) = green(&lost());
    let most = |most: Value| move |log: &mut Log| order(log, "accept_loss", "at_most", &most);
    broken(&log, "accepts the loss of 3 entries, and 2 were allowed at most", "and the order allows", most(json!(2)));
    for none in [json!(0), Value::Null, json!("3")] {
        broken(&log, "its command does not say of how much", "and the order allows", most(none));
    }
    broken(&log, "took effect without being answered as applied", "", |log| {
        let that = |told: &Value| told["command"]["at_most"] == 3;
        change(&mut log.audit, that, |told| told["outcome"] = json!("rejected"));
    });
}

#[test]
fn a_loss_of_what_nobody_deleted() {
    let (log, _) = green(&lost());
    broken(&log, "accepts a loss where nobody deleted anything", "accepts a loss where nothing was deleted", |log| {
        log.deleted.clear()
    });
    broken(&log, "accepts a loss where nobody deleted anything", "accepts a loss where nothing was deleted", |log| {
        *log.deleted.get_mut("welcome").unwrap() = 1
    });
    // Of b, c, d, which were deleted, only b was replaced.
    let fewer = "accepts the loss of entry 3, which nobody deleted and nothing had replaced";
    broken(&log, fewer, "which is there", |log| *log.deleted.get_mut("welcome").unwrap() = 2);
    let mut gate = new_gate();
    gate.cleaner_comes = true;
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "b", "c"] {
        gate.enroll("welcome", record);
    }
    gate.resume("welcome", json!({}));
    gate.delete("welcome", 1);
    gate.drain_all("welcome");
    gate.enroll("welcome", "c");
    gate.accept_loss("welcome", json!({"at_most": 3}));
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.lost.enroll, sums.replaced.enroll), (3, 0));
    let kept = |log: &mut Log| {
        change(&mut log.control, |command| command["action"] == "pause", |command| command["keep"] = json!("all"));
    };
    broken(&log, "accepts the loss of entry 2, which nobody deleted and nothing had replaced", "which is there", kept);
}

#[test]
fn what_is_lost_is_not_delivered_and_not_discarded() {
    let (log, _) = green(&lost());
    let delivered = |log: &mut Log| {
        let source = log.enrollments[nth(&log.enrollments, "d", 0)].clone();
        let mut record = log.records[nth(&log.records, "e", 0)].clone();
        let added = record.headers.split_off(record.headers.len() - 3);
        (record.key, record.value, record.timestamp_ms) = (source.key, source.value, source.timestamp_ms);
        record.headers = source.headers.into_iter().chain(added).collect();
        record.offset = 1000;
        log.records.push(record);
    };
    broken(&log, "although its loss was accepted", "but the list", delivered);
    let discarded = |log: &mut Log| {
        let mut record = log.enrollments[nth(&log.enrollments, "d", 0)].clone();
        let source = format!("flow.enrollments/{}/{}", record.partition, record.offset);
        record.headers.push(gate::header("flowgate-reason", "purge"));
        record.headers.push(gate::header("flowgate-source", source));
        log.discarded.push(record);
    };
    broken(&log, "although no order said so", "but the list", discarded);
}

#[test]
fn a_line_within_what_is_lost() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "d"] {
        gate.enroll("welcome", record);
    }
    gate.purge("welcome", json!({"through_entry": 2}));
    gate.pass("welcome", 1);
    gate.delete("welcome", 3);
    gate.pass_all("welcome");
    gate.accept_loss("welcome", json!({"at_most": 9}));
    gate.resume("welcome", json!({"release": "none"}));
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.lost.enroll, sums.removed.enroll), (2, 2));
    assert_eq!(words(&log)[1..4], ["purging", "loss_accepted", "purged"]);
    let open = |log: &mut Log| conceal(log, is("purged"));
    broken(
        &log,
        "comes before the end of a purge that has reached its line",
        "went live before the end of a purge",
        open,
    );
    let delivered = |log: &mut Log| deliver_discarded(log, "a", "sample");
    broken(&log, "although it was to be discarded", "but the list", delivered);
}

#[test]
fn a_loss_in_a_sample_and_at_the_end_of_a_drain() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c"] {
        gate.enroll("welcome", record);
    }
    gate.accept_loss("welcome", json!({"at_most": 9}));
    gate.release("welcome", json!({"count": 5}));
    gate.pass("welcome", 1);
    gate.delete("welcome", 3);
    gate.pass_all("welcome");
    gate.accept_loss("welcome", json!({"at_most": 2}));
    gate.enroll("welcome", "d");
    gate.delete("welcome", 4);
    gate.resume("welcome", json!({}));
    gate.accept_loss("welcome", json!({"at_most": 2}));
    let (log, sums) = green(&gate);
    assert_eq!((sums.lost.enroll, sums.released.enroll), (3, 1));
    let expected = ["sampling", "loss_accepted", "sampled", "resumed", "loss_accepted", "live"];
    assert_eq!(words(&log)[1..], expected);
    let idle = |log: &mut Log| {
        conceal(log, is("sampling"));
        conceal(log, is("sampled"));
    };
    broken(&log, "accepts a loss while nothing is passed", "accepts a loss where nothing is read", idle);
    let live = |log: &mut Log| {
        conceal(log, is("resumed"));
        conceal(log, is("paused"));
    };
    broken(&log, "\"loss_accepted\" cannot follow while live", "but changed nothing", live);
}

#[test]
fn what_was_deleted_and_is_still_held() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "b");
    gate.delete("welcome", 1);
    let (log, sums) = green(&gate);
    assert_eq!(sums.held.enroll, 2);
    broken(&log, "is held, but is in no queue topic", "", |log| log.deleted.clear());
}

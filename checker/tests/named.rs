//! Goal: samples of named records that keep docs/contract.md are green, and each way to break it is red. Method: the toy gate plays
//! each case out; then one place of the log is broken.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{Log, PerKind};
use gate::Gate;
use gate::breaking::{move_to, nth, state};
use gate::telling::{broken, conceal, green, is, new_gate, order, tell};
use serde_json::{Value, json};

fn enrolls(enroll: u64) -> PerKind {
    PerKind { enroll, advance: 0 }
}

/// Held a, b (entry 2), 7, c, an advance of b, c again (6); a withdraw of x; b, 7 and c are let through, and c comes once more.
fn sampled() -> Gate {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "7", "c"] {
        gate.enroll("welcome", record);
    }
    gate.event("welcome", "b", "advance");
    gate.enroll("welcome", "c");
    gate.event("welcome", "x", "withdraw");
    gate.release("welcome", json!({"record_ids": ["b", 7, "c", "none"]}));
    gate.search("welcome", 4);
    gate.release("welcome", json!({"record_ids": ["a"], "while": "another is under way"}));
    gate.enroll("welcome", "d");
    gate.search_all("welcome");
    gate.event("welcome", "y", "withdraw");
    gate.enroll("welcome", "b");
    gate
}

/// The same, until everything is drained.
fn drained() -> Gate {
    let mut gate = sampled();
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    gate
}

/// The released record of a name, and a number of the same name.
fn released(log: &Log, record: &str, number: usize) -> usize {
    nth(&log.records, record, number)
}

#[test]
fn named_records_are_let_through() {
    let (log, sums) = green(&sampled());
    assert_eq!((sums.released, sums.held), (PerKind { enroll: 3, advance: 1 }, enrolls(4)));
    let taken = |log: &Log| {
        let told: Value = serde_json::from_slice(log.state[0].value.as_ref().unwrap()).unwrap();
        told["queue"]["taken"].clone()
    };
    let entries = json!([[2, "enroll"], [3, "enroll"], [5, "advance"], [6, "enroll"]]);
    assert_eq!(taken(&log), json!({"enroll": 3, "advance": 1, "entries": entries}));
    let (log, sums) = green(&drained());
    // b was taken before it came again: it is not replaced.
    assert_eq!((sums.released, sums.replaced), (PerKind { enroll: 6, advance: 1 }, enrolls(1)));
    assert_eq!(taken(&log), Value::Null);
}

#[test]
fn one_that_is_not_let_through_or_twice() {
    let (log, _) = green(&drained());
    for (record, number) in [("b", 0), ("7", 0), ("c", 0)] {
        broken(&log, "is lost: it should be released by a sample of its record", "but the list", |log| {
            log.records.remove(released(log, record, number));
        });
    }
    let again = |log: &mut Log| {
        let mut copy = log.records[released(log, "7", 0)].clone();
        copy.offset = 1000;
        log.records.push(copy);
    };
    broken(&log, "has more than one fate", "but the list", again);
    let by_the_drain = |log: &mut Log| {
        let at = released(log, "7", 0);
        let headers = &mut log.records[at].headers;
        let cause = headers.len() - 3;
        headers[cause] = gate::header("flowgate-release", "resume");
    };
    broken(&log, "is lost: it should be released by a sample of its record", "", by_the_drain);
    let another_pause = |log: &mut Log| {
        let at = released(log, "7", 0);
        let headers = &mut log.records[at].headers;
        let pause = headers.len() - 2;
        headers[pause] = gate::header("flowgate-pause-id", "p9");
    };
    broken(&log, "flowgate-pause-id does not name the pause that held it", "", another_pause);
    let as_it_came = |log: &mut Log| {
        let at = released(log, "7", 0);
        let own = log.records[at].headers.len() - 3;
        log.records[at].headers.truncate(own);
    };
    broken(&log, "although the flow was paused", "", as_it_came);
    let discarded = |log: &mut Log| {
        let at = nth(&log.enrollments, "7", 0);
        let mut record = log.enrollments[at].clone();
        let source = format!("flow.enrollments/{}/{}", record.partition, record.offset);
        record.headers.push(gate::header("flowgate-reason", "purge"));
        record.headers.push(gate::header("flowgate-source", source));
        log.discarded.push(record);
    };
    broken(&log, "although no order said so", "but the list", discarded);
    broken(&log, "has more than one fate", "but the list", discarded);
}

#[test]
fn what_is_let_through_out_of_its_place() {
    let (log, _) = green(&drained());
    let moved = |record: &'static str, to: &'static str, nth: usize| {
        move |log: &mut Log| {
            let (from, to) = (released(log, record, 0), released(log, to, nth));
            move_to(log, from, to);
        }
    };
    broken(&log, "is out of order with", "but the list", moved("b", "7", 0));
    // Ahead of a withdraw that came before the sample, behind one that came behind it, and in the drain.
    broken(&log, "is out of order with", "but the list", moved("b", "x", 0));
    broken(&log, "is out of order with", "but the list", moved("c", "y", 0));
    broken(&log, "is out of order with", "but the list", moved("c", "a", 0));
}

#[test]
fn what_a_sample_does_not_name() {
    let (log, _) = green(&drained());
    let others = |ids: Value| move |log: &mut Log| order(log, "release", "record_ids", &ids);
    broken(&log, "flow was paused", "the list has Passed", others(json!(["b", "c"])));
    broken(
        &log,
        "is lost: it should be released by a sample of its record",
        "but the list",
        others(json!(["a", "b", 7, "c"])),
    );
    for none in [json!([]), Value::Null, json!([{}]), json!([1.5]), json!("b"), json!(vec!["b"; 101])] {
        broken(&log, "a count that is none, and of no records", "nothing that the list knows", others(none));
    }
    broken(&log, "flow was paused", "nothing that the list knows", |log| order(log, "release", "count", &json!(2)));
    // What was held after the command stays.
    let mut gate = new_gate();
    gate.pause("welcome", json!({"keep": "all"}));
    gate.enroll("welcome", "a");
    gate.release("welcome", json!({"record_ids": ["a"]}));
    gate.enroll("welcome", "a");
    gate.search_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.released, sums.held), (enrolls(1), enrolls(1)));
    let late = |log: &mut Log| {
        let source = log.enrollments[1].clone();
        let mut copy = log.records[0].clone();
        let added = copy.headers.split_off(copy.headers.len() - 3);
        (copy.key, copy.value, copy.timestamp_ms) = (source.key, source.value, source.timestamp_ms);
        copy.headers = source.headers.into_iter().chain(added).collect();
        copy.offset = 9;
        log.records.push(copy);
    };
    broken(&log, "although the flow was paused and had not released it", "but the list", late);
    let more = |log: &mut Log| {
        late(log);
        tell(log, "sampled", |told| told["count"]["enroll"] = json!(2));
    };
    broken(&log, "although the flow was paused and had not released it", "the list has Passed", more);
}

#[test]
fn what_a_sample_and_the_state_say_of_it() {
    let (log, _) = green(&sampled());
    for (field, says, why) in [
        ("enroll", 2, "although the flow was paused"),
        ("enroll", 4, "the gate counts 4 for sampled.enroll, the topics say 3"),
        ("advance", 0, "for sampled.advance, the topics say 1"),
    ] {
        broken(&log, why, "the list", |log| tell(log, "sampled", |told| told["count"][field] = json!(says)));
    }
    broken(&log, "does not say how many", "the list has Passed", |log| {
        tell(log, "sampled", |told| told["count"] = Value::Null)
    });
    broken(&log, "names command Some(\"c9\")", "", |log| tell(log, "sampled", |told| told["command_id"] = json!("c9")));
    let says = |path: &'static str, value: Value| {
        move |log: &mut Log| state(log, |state| *state.pointer_mut(path).unwrap() = value.clone())
    };
    broken(&log, "its queue.taken has []", "", says("/queue/taken", Value::Null));
    broken(
        &log,
        "the gate counts 2 for queue.taken.enroll, the topics say 3",
        "",
        says("/queue/taken/enroll", json!(2)),
    );
    broken(
        &log,
        "the gate counts 0 for queue.taken.advance, the topics say 1",
        "",
        says("/queue/taken/advance", json!(0)),
    );
    broken(&log, "its queue.taken has [(4", "", says("/queue/taken/entries/0/0", json!(4)));
    broken(&log, "its queue.taken has", "", says("/queue/taken/entries/2/1", json!("enroll")));
    let fewer = "the gate counts 2 for released.enroll, the topics say 3";
    broken(&log, fewer, "", says("/counts/released/enroll", json!(2)));
    broken(&log, "ends a pause whose sample has not ended", "ends a pause whose sample has not ended", |log| {
        *log = green(&drained()).0;
        conceal(log, is("sampled"));
    });
    broken(&log, "begins a sample before the end of another", "begins a sample of nothing, or a second one", |log| {
        let at = log
            .audit
            .iter()
            .position(|told| String::from_utf8_lossy(told.value.as_ref().unwrap()).contains("sampling"));
        let mut copy = log.audit[at.unwrap()].clone();
        copy.offset += 1;
        log.audit.iter_mut().filter(|told| told.offset >= copy.offset).for_each(|told| told.offset += 10);
        log.audit.push(copy);
    });
}

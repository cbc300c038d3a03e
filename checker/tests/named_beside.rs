//! Goal: what ends a sample of named records, or comes in between, leaves each entry one fate. Method: the toy gate plays each case
//! out; then one place of the log is broken.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::{Log, PerKind};
use gate::Gate;
use gate::breaking::{move_to, nth};
use gate::telling::{broken, change, conceal, green, is, new_gate, tell};
use serde_json::{Value, json};

fn enrolls(enroll: u64) -> PerKind {
    PerKind { enroll, advance: 0 }
}

/// The released record of a name, and a number of the same name.
fn released(log: &Log, record: &str, number: usize) -> usize {
    nth(&log.records, record, number)
}

/// a to f are held, of which all are to be let through; a withdraw of c comes, and something ends the sample behind d.
fn cut_off(by: &str) -> Gate {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "d", "e", "f"] {
        gate.enroll("welcome", record);
    }
    gate.release("welcome", json!({"record_ids": ["a", "b", "c", "d", "e", "f"]}));
    gate.search("welcome", 2);
    gate.event("welcome", "c", "withdraw");
    gate.search("welcome", 2);
    match by {
        "purge" => gate.purge("welcome", json!({})),
        "resume" => gate.resume("welcome", json!({})),
        "release: none" => {
            gate.pause("welcome", json!({"keep": "latest"}));
            gate.resume("welcome", json!({"release": "none"}));
        }
        _ => gate.expire("welcome"),
    }
    gate.pass_all("welcome");
    gate.enroll("welcome", "e");
    gate
}

#[test]
fn a_sample_that_something_ends() {
    for by in ["purge", "resume", "release: none", "timer"] {
        let mut gate = cut_off(by);
        if gate.state("welcome") == gate::State::Resuming {
            gate.drain_all("welcome");
        }
        let (log, sums) = green(&gate);
        let expected = if by == "resume" || by == "timer" { 6 } else { 3 };
        assert_eq!(sums.released.enroll, if by == "release: none" { 4 } else { expected }, "{by}");
        // What it had come to by then is no longer a first part of what it had to release.
        broken(&log, "is lost: it should be released by a sample of its record", "but the list", |log| {
            log.records.remove(released(log, "b", 0));
        });
        let by_itself = |log: &mut Log| {
            tell(log, "sampled", |told| {
                (told["command_offset"], told["position"]["watermark"]) = (Value::Null, json!(0));
            });
            conceal(log, |told| ["resumed", "purging", "expired"].iter().any(|word| is(word)(told)));
        };
        broken(
            &log,
            "is lost: it should be released by a sample of its record",
            "nothing that the list knows",
            by_itself,
        );
    }
    let (log, _) = green(&cut_off("resume"));
    let another = |log: &mut Log| {
        conceal(log, is("resumed"));
    };
    broken(&log, "ends a sample that is not done, without an end of its pause or a purge", "", another);
}

#[test]
fn what_comes_before_its_entry_is_released_wins() {
    let (log, _) = green(&cut_off("purge"));
    let withdrawn = |log: &mut Log| {
        let source = log.enrollments[nth(&log.enrollments, "c", 0)].clone();
        let mut copy = log.records[released(log, "d", 0)].clone();
        let added = copy.headers.split_off(copy.headers.len() - 3);
        (copy.key, copy.value, copy.timestamp_ms) = (source.key, source.value, source.timestamp_ms);
        copy.headers = source.headers.into_iter().chain(added).collect();
        let to = released(log, "d", 0);
        copy.offset = 1000;
        log.records.push(copy);
        let from = log.records.len() - 1;
        move_to(log, from, to);
        tell(log, "sampled", |told| told["count"]["enroll"] = json!(4));
    };
    broken(&log, "had withdrawn its record", "but the list", withdrawn);
    // Whether a newer event came before or not nobody tells: one fate it has.
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b"] {
        gate.enroll("welcome", record);
    }
    gate.release("welcome", json!({"record_ids": ["a", "b"]}));
    gate.search("welcome", 1);
    gate.enroll("welcome", "a");
    gate.enroll("welcome", "b");
    gate.search_all("welcome");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.released.enroll, sums.replaced.enroll), (3, 1));
    broken(&log, "is lost", "but the list", |log| drop(log.records.remove(released(log, "a", 1))));
    // One that was replaced before is none of the sample's.
    let before = |log: &mut Log| {
        tell(log, "sampling", |told| (told["position"]["entry"], told["position"]["input"]) = (json!(3), json!(5)));
    };
    broken(&log, "had replaced it", "but the list", before);
}

#[test]
fn what_lies_under_the_line_of_a_purge_is_purged() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({"keep": "all"}));
    for record in ["a", "b", "a", "b"] {
        gate.enroll("welcome", record);
    }
    gate.purge("welcome", json!({"through_entry": 2}));
    gate.release("welcome", json!({"record_ids": ["a", "b"]}));
    gate.search("welcome", 1);
    gate.pass("welcome", 9);
    gate.search_all("welcome");
    gate.purge("welcome", json!({}));
    gate.pass_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.removed.enroll, sums.released.enroll), (2, 2));
    broken(&log, "the gate counts 2 for purged.enroll, the topics say 0", "the list has Passed", |log| {
        change(
            &mut log.audit,
            |told| is("purged")(told) && told["position"]["watermark"] == 4,
            |told| {
                told["count"]["enroll"] = json!(2);
            },
        );
    });
    broken(&log, "although it was to be discarded", "but the list", |log| {
        gate::telling::deliver_discarded(log, "a", "sample");
    });
}

#[test]
fn samples_of_both_kinds_and_losses_pass_what_is_taken() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "d", "e", "f"] {
        gate.enroll("welcome", record);
    }
    gate.release("welcome", json!({"record_ids": ["b", "e"]}));
    gate.search_all("welcome");
    gate.release("welcome", json!({"count": 2}));
    gate.pass_all("welcome");
    gate.release("welcome", json!({"record_ids": ["e", "d"]}));
    gate.search_all("welcome");
    gate.delete("welcome", 5);
    gate.resume("welcome", json!({}));
    gate.accept_loss("welcome", json!({"at_most": 1}));
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.released.enroll, sums.lost.enroll), (6, 0));
    let counted = |log: &mut Log| tell(log, "loss_accepted", |told| told["count"]["enroll"] = json!(2));
    broken(&log, "for loss_accepted.enroll, the topics say 0", "the list has lost", counted);
    // b does not count.
    let of_two =
        |told: &Value| is("sampled")(told) && told["count"]["enroll"] == 2 && told["position"]["watermark"] == 3;
    broken(&log, "for sampled.enroll, the topics say 2", "the list has Passed", |log| {
        change(&mut log.audit, of_two, |told| told["count"]["enroll"] = json!(3));
    });
}

#[test]
fn a_sample_that_is_under_way() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c"] {
        gate.enroll("welcome", record);
    }
    gate.release("welcome", json!({"record_ids": ["a", "b", "c"]}));
    gate.search("welcome", 2);
    let (log, sums) = green(&gate);
    assert_eq!((sums.released, sums.held), (enrolls(2), enrolls(1)));
    broken(&log, "is lost: it should be released by a sample of its record", "but the list", |log| {
        drop(log.records.remove(0))
    });
    // It ends before anything that was deleted.
    gate.delete("welcome", 3);
    gate.search_all("welcome");
    gate.accept_loss("welcome", json!({"at_most": 1}));
    gate.search_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.released, sums.lost), (enrolls(2), enrolls(1)));
    broken(&log, "accepts a loss while nothing is passed", "accepts a loss where nothing is read", |log| {
        conceal(log, is("sampling"));
        conceal(log, is("sampled"));
    });
}

#[test]
fn ten_thousand_taken_entries_and_no_more() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({"keep": "all"}));
    for _ in 0..10_002 {
        gate.enroll("welcome", "a");
    }
    gate.release("welcome", json!({"record_ids": ["a"]}));
    gate.search_all("welcome");
    gate.release("welcome", json!({"record_ids": ["a"]}));
    let (log, sums) = green(&gate);
    assert_eq!((sums.released, sums.held), (enrolls(10_000), enrolls(2)));
    broken(&log, "is lost: it should be released by a sample of its record", "but the list", |log| {
        drop(log.records.remove(7))
    });
    let more = |log: &mut Log| {
        let source = log.enrollments[10_000].clone();
        let mut copy = log.records[9_999].clone();
        let added = copy.headers.split_off(copy.headers.len() - 3);
        (copy.key, copy.value, copy.timestamp_ms) = (source.key, source.value, source.timestamp_ms);
        copy.headers = source.headers.into_iter().chain(added).collect();
        copy.offset += 1;
        log.records.push(copy);
        tell(log, "sampled", |told| told["count"]["enroll"] = json!(10_001));
    };
    broken(&log, "leaves 10001 entries taken", "the list has Passed", more);
}

//! Goal: what keeps the contract (docs/contract.md) of purges and samples is green for both oracles, and each way to break it is red. Method: the
//! toy gate plays each case out; then one place of the log is broken.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use flowgate_checker::Log;
use gate::Gate;
use gate::breaking::nth;
use gate::telling::{broken, conceal, deliver_discarded, green, is, new_gate, order, tell};
use serde_json::{Value, json};

/// Held a, b, c, d; the older a is replaced; a purge up to entry 3 and one of all that is held then.
fn purged() -> Gate {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "a", "c", "d"] {
        gate.enroll("welcome", record);
    }
    gate.purge("welcome", json!({"through_entry": 3}));
    gate.enroll("welcome", "e");
    gate.pass_all("welcome");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    gate
}

#[test]
fn a_purge_discards_what_lies_up_to_its_line() {
    let (log, sums) = green(&purged());
    assert_eq!((sums.removed.enroll, sums.replaced.enroll, sums.released.enroll), (2, 1, 3));

    let delivered = |log: &mut Log| deliver_discarded(log, "b", "resume");
    broken(&log, "although it was to be discarded", "but the list", delivered);
    broken(&log, "in the discarded topic", "but the discarded topic", |log| drop(log.discarded.pop()));
    let another = |log: &mut Log| {
        let headers = &mut log.discarded[0].headers;
        let at = headers.len() - 3;
        headers[at] = gate::header("flowgate-reason", "release_none");
    };
    broken(&log, "flowgate-reason names another reason", "", another);
    // What the gate purged lies beyond the line that was ordered.
    let nearer = |log: &mut Log| order(log, "purge", "through_entry", &json!(2));
    broken(&log, "lies beyond the purge's line", "passed more than was ordered", nearer);
    let farther = |log: &mut Log| order(log, "purge", "through_entry", &json!(4));
    broken(&log, "ends a purge before its line", "ends a purge before its line", farther);
    let nothing = |log: &mut Log| order(log, "purge", "through_entry", &json!(0));
    broken(&log, "begins a purge of nothing", "begins a purge of nothing", nothing);
}

#[test]
fn the_end_of_a_purge_says_what_it_did() {
    let (log, _) = green(&purged());
    // The replaced one is not counted.
    let more = |log: &mut Log| tell(log, "purged", |told| told["count"]["enroll"] = json!(3));
    broken(&log, "the gate counts 3 for purged.enroll, the topics say 2", "counts", more);
    let none = |log: &mut Log| tell(log, "purged", |told| told["count"] = Value::Null);
    broken(&log, "does not say how many", "counts", none);
    let id = |log: &mut Log| tell(log, "purged", |told| told["command_id"] = json!("another"));
    broken(&log, "names command", "", id);
    broken(&log, "before the end of a purge", "went live before the end of a purge", |log| conceal(log, is("purged")));
    broken(&log, "were passed while paused", "but nothing was released", |log| {
        conceal(log, is("purging"));
        conceal(log, is("purged"));
    });
    broken(&log, "names another pause", "", |log| tell(log, "purging", |told| told["pause_id"] = json!("p7")));
}

#[test]
fn nothing_lifts_a_purge() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b"] {
        gate.enroll("welcome", record);
    }
    gate.purge("welcome", json!({}));
    gate.pass("welcome", 1);
    gate.resume("welcome", json!({"release": "all"}));
    gate.enroll("welcome", "c");
    gate.pause("welcome", json!({}));
    gate.expire("welcome");
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.removed.enroll, sums.released.enroll), (2, 1));
    let lifted = |log: &mut Log| {
        // Ahead of what came behind the purge.
        deliver_discarded(log, "b", "timer");
        let last = log.records.len() - 1;
        let offset = log.records[0].offset;
        (log.records[last].offset, log.records[0].offset) = (offset, offset + 1);
    };
    broken(&log, "although it was to be discarded", "but the list", lifted);
}

#[test]
fn a_purge_takes_over_what_another_one_left() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({"on_expiry": "discard"}));
    for record in ["a", "b", "c", "d"] {
        gate.enroll("welcome", record);
    }
    gate.purge("welcome", json!({"through_entry": 2}));
    gate.pass("welcome", 1);
    gate.purge("welcome", json!({"through_entry": 2}));
    gate.purge("welcome", json!({"through_entry": 3}));
    gate.expire("welcome");
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!(sums.removed.enroll, 4);
    let reason = |record: &flowgate_checker::Record| record.headers[record.headers.len() - 3].1.clone().unwrap();
    let reasons: Vec<_> = log.discarded.iter().map(|record| String::from_utf8(reason(record)).unwrap()).collect();
    assert_eq!(reasons, ["purge", "purge", "purge", "expired"]);
    let silent = |log: &mut Log| conceal(log, |told| is("purged")(told) && !told["command_offset"].is_null());
    broken(&log, "before the end of what was under way", "before the end of what was under way", silent);
}

/// Held a, b, c, d, of which b comes again; a sample of two, and a withdraw in the pause.
fn sampled() -> Gate {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "d", "b"] {
        gate.enroll("welcome", record);
    }
    gate.release("welcome", json!({"count": 2}));
    gate.release("welcome", json!({"count": 1, "pause": "is refused while the first is under way"}));
    gate.pass_all("welcome");
    gate.event("welcome", "x", "withdraw");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    gate
}

#[test]
fn a_sample_releases_so_many_and_no_more() {
    let (log, sums) = green(&sampled());
    assert_eq!((sums.replaced.enroll, sums.released.enroll), (1, 4));

    let fewer = |log: &mut Log| order(log, "release", "count", &json!(1));
    broken(&log, "releases 2 entries of a sample of 1", "passed more than was ordered", fewer);
    let more = |log: &mut Log| order(log, "release", "count", &json!(3));
    broken(&log, "ends a sample that is not done", "", more);
    let count = |log: &mut Log| tell(log, "sampled", |told| told["count"]["enroll"] = json!(3));
    broken(&log, "the gate counts 3 for sampled.enroll, the topics say 2", "counts", count);
    let concealed = |log: &mut Log| {
        conceal(log, is("sampling"));
        conceal(log, is("sampled"));
    };
    broken(&log, "were passed while paused", "but nothing was released", concealed);
    broken(&log, "whose sample has not ended", "whose sample has not ended", |log| conceal(log, is("sampled")));
    let twice = |log: &mut Log| {
        let at =
            log.audit.iter().position(|told| String::from_utf8_lossy(told.value.as_ref().unwrap()).contains("sampled"));
        let mut copy = log.audit[at.unwrap()].clone();
        copy.offset += 1;
        log.audit.iter_mut().filter(|told| told.offset >= copy.offset).for_each(|told| told.offset += 10);
        log.audit.push(copy);
    };
    broken(&log, "cannot follow while paused", "nothing that the list knows", |log| {
        twice(log);
        tell(log, "sampled", |told| told["transition"] = json!("live"));
    });
    broken(&log, "ends a sample that did not begin", "nothing that the list knows", twice);
}

#[test]
fn a_sample_after_its_end() {
    let (log, _) = green(&sampled());
    let named = |log: &mut Log| {
        let at = nth(&log.records, "d", 0);
        let headers = &mut log.records[at].headers;
        let cause = headers.len() - 3;
        headers[cause] = gate::header("flowgate-release", "sample");
    };
    broken(&log, "flowgate-release names the wrong cause", "", named);
    // Ahead of a withdraw that came behind the sample's end.
    let early = |log: &mut Log| {
        let (at, before) = (nth(&log.records, "d", 0), nth(&log.records, "x", 0));
        gate::breaking::move_to(log, at, before);
    };
    broken(&log, "although the flow was paused", "but the list", early);
    let lost = |log: &mut Log| drop(log.records.remove(nth(&log.records, "a", 0)));
    broken(&log, "is lost", "but the list", lost);
}

#[test]
fn a_sample_ends_with_its_pause_and_before_a_purge() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    for record in ["a", "b", "c", "d", "e", "f"] {
        gate.enroll("welcome", record);
    }
    gate.release("welcome", json!({"count": 5}));
    gate.pass("welcome", 2);
    gate.purge("welcome", json!({"through_entry": 3}));
    gate.release("welcome", json!({"count": 4}));
    gate.pass("welcome", 2);
    gate.pause("welcome", json!({"keep": "all"}));
    gate.expire("welcome");
    gate.drain_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!((sums.removed.enroll, sums.released.enroll), (1, 5));
    let last = |log: &mut Log| conceal(log, |told| is("sampled")(told) && told["position"]["watermark"] == 4);
    broken(&log, "whose sample has not ended", "whose sample has not ended", last);
    let first = |log: &mut Log| conceal(log, |told| is("sampled")(told) && told["position"]["watermark"] == 2);
    broken(&log, "before the end of what was under way", "before the end of what was under way", first);
}

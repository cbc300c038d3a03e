//! Goal: what keeps the contract of purges, samples, expectations and forgotten flows is green for both oracles, and each
//! way to break it is red. Method: the toy gate plays each case out; then one place of the log is broken.
#![allow(clippy::unwrap_used)]

mod gate;

use std::collections::BTreeMap;

use flowgate_checker::{Log, Sums, check, home, replay};
use gate::Gate;
use gate::breaking::nth;
use gate::errands_schedule::play_errands;
use gate::schedule::{Dice, break_it};
use serde_json::{Value, json};

const SEEDS: std::ops::Range<u64> = 0..1500;

#[test]
fn schedules_that_keep_the_contract() {
    let mut words: BTreeMap<String, u32> = BTreeMap::new();
    for seed in SEEDS {
        let gate = play_errands(seed);
        for told in &gate.log.audit {
            let told: Value = serde_json::from_slice(told.value.as_ref().unwrap()).unwrap();
            let word = told["transition"].as_str().or(told["outcome"].as_str()).unwrap();
            *words.entry(word.to_owned()).or_default() += 1;
        }
        for log in [gate.finish(), gate.log.clone()] {
            let report = check(&log);
            let with_states = !log.state.is_empty();
            assert!(report.anomalies.is_empty(), "seed {seed}, states {with_states}: {}", report.anomalies[0]);
            if with_states {
                assert_eq!(report.flows, gate.sums(), "seed {seed}");
            }
            let difference = replay(&log).differences.into_iter().next();
            assert!(difference.is_none(), "seed {seed}, states {with_states}: {}", difference.unwrap());
        }
    }
    println!("{words:?}");
    for word in ["purging", "purged", "sampling", "sampled", "expiring", "forgotten", "rejected", "unchanged"] {
        assert!(words[word] > 500, "{word}: {words:?}");
    }
}

#[test]
fn schedules_with_one_fault() {
    let mut seen = BTreeMap::new();
    for seed in SEEDS {
        let mut log = play_errands(seed).finish();
        let Some(how) = break_it(&mut Dice(seed * 2 + 1), &mut log) else { continue };
        assert!(!check(&log).is_green(), "seed {seed}: {how} went unseen");
        let by_the_list = !replay(&log).differences.is_empty();
        let (list, all) = seen.entry(how).or_insert((0, 0));
        *list += u32::from(by_the_list);
        *all += 1;
    }
    println!("seen by the list, of: {seen:?}");
    let mostly = |(how, (list, all)): (&&str, &(u32, u32))| *how == "header" || list * 20 > all * 18;
    assert!(seen.len() == 5 && seen.iter().all(mostly), "{seen:?}");
}

fn green(gate: &Gate) -> (Log, Sums) {
    let log = gate.finish();
    let report = check(&log);
    assert_eq!(report.anomalies, []);
    assert_eq!(report.flows, gate.sums());
    assert_eq!(replay(&log).differences, []);
    (log, report.flows["welcome"])
}

fn new_gate() -> Gate {
    let mut gate = Gate::new();
    gate.gates_reading = true;
    gate
}

/// What is wrong once the log is broken: both oracles say so, each with these words (the list with none: it cannot tell).
#[track_caller]
fn broken(log: &Log, check_says: &str, list_says: &str, how: impl FnOnce(&mut Log)) {
    let mut log = log.clone();
    how(&mut log);
    let anomalies: Vec<String> = check(&log).anomalies.iter().map(ToString::to_string).collect();
    assert!(anomalies.iter().any(|anomaly| anomaly.contains(check_says)), "{check_says:?}: {anomalies:#?}");
    let differences: Vec<String> = replay(&log).differences.iter().map(ToString::to_string).collect();
    let said = differences.iter().any(|difference| difference.contains(list_says));
    assert_eq!(said, !list_says.is_empty(), "{list_says:?}: {differences:#?}");
}

/// Changes every document of a topic that this is true of.
fn change(topic: &mut [flowgate_checker::Record], fits: impl Fn(&Value) -> bool, change: impl Fn(&mut Value)) {
    for record in topic {
        let mut value: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
        if fits(&value) {
            change(&mut value);
            record.value = Some(value.to_string().into_bytes());
        }
    }
}

/// Changes the commands of an action, and what their answers say of them.
fn order(log: &mut Log, action: &'static str, option: &'static str, value: &Value) {
    change(&mut log.control, |command| command["action"] == action, |command| command[option] = value.clone());
    let of_action = |answer: &Value| answer["command"]["action"] == action;
    change(&mut log.audit, of_action, |answer| answer["command"][option] = value.clone());
}

fn is(word: &'static str) -> impl Fn(&Value) -> bool {
    move |value| value["transition"] == word
}

fn tell(log: &mut Log, word: &'static str, how: impl Fn(&mut Value)) {
    change(&mut log.audit, is(word), how);
}

fn conceal(log: &mut Log, fits: impl Fn(&Value) -> bool) {
    log.audit.retain(|record| !fits(&serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()));
}

/// Delivers what was discarded, last of all.
fn deliver_discarded(log: &mut Log, record: &str, cause: &str) {
    let mut record = log.discarded.remove(nth(&log.discarded, record, 0));
    let own = record.headers.len() - 3;
    record.headers.truncate(own);
    for (name, value) in [("release", cause), ("pause-id", "p0"), ("held-ms", "5")] {
        record.headers.push(gate::header(&format!("flowgate-{name}"), value));
    }
    (record.partition, record.offset) = (home("welcome", 4), 1000);
    log.records.push(record);
}

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

/// Something is done that was not expected, and what was expected is refused.
#[test]
fn what_a_command_expects() {
    let mut gate = new_gate();
    gate.enroll("welcome", "z");
    gate.pause("welcome", json!({"expect": {"pause_id": null, "next_entry": 1}}));
    gate.enroll("welcome", "a");
    gate.purge("welcome", json!({"expect": {"next_entry": 1}}));
    gate.purge("welcome", json!({"expect": {"pause_id": "p0", "next_entry": 2}}));
    gate.pass_all("welcome");
    let (log, sums) = green(&gate);
    assert_eq!(sums.removed.enroll, 1);
    for other in [json!({"pause_id": null}), json!({"next_entry": 1}), json!({"entry": 2}), json!({"next_entry": "2"})]
    {
        let expect = |log: &mut Log| {
            let that = |command: &Value| command["expect"]["pause_id"] == "p0";
            change(&mut log.control, that, |command| command["expect"] = other.clone());
        };
        broken(&log, "although the flow is not what its command expects", "is not what the list has", expect);
    }
    let fits = |log: &mut Log| {
        let that = |command: &Value| command["expect"] == json!({"next_entry": 1});
        change(&mut log.control, that, |command| command["expect"] = json!({"next_entry": 2}));
    };
    broken(&log, "and it is what the command expects", "is what the list has", fits);
    let nothing = |log: &mut Log| {
        change(&mut log.control, |_| true, |command| drop(command.as_object_mut().unwrap().remove("expect")));
    };
    broken(&log, "and it is what the command expects", "", nothing);
    let elsewhere = |log: &mut Log| {
        let that = |told: &Value| told["event"] == "answer" && told["command"]["action"] == "purge";
        change(&mut log.audit, that, |told| told["position"]["entry"] = json!(0));
    };
    broken(&log, "but the events before it make 1", "", elsewhere);
}

#[test]
fn a_flow_that_is_forgotten_begins_again() {
    let mut gate = new_gate();
    gate.enroll("welcome", "a");
    gate.forget("welcome", json!({}));
    gate.forget("welcome", json!({}));
    let (log, _) = green(&gate);
    broken(&log, "says \"live\", the transitions lead to \"forgotten\"", "", |log| {
        log.state[0].value = Some(br#"{"flow_id": "welcome", "state": "live", "queue": {}}"#.to_vec());
    });
    broken(
        &log,
        "says \"forgotten\", the transitions lead to \"live\"",
        "is answered as applied, but changed nothing",
        |log| {
            conceal(log, is("forgotten"));
        },
    );

    gate.pause("welcome", json!({"new_records": "discard"}));
    gate.enroll("welcome", "b");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    gate.forget("welcome", json!({}));
    gate.pause("welcome", json!({"new_records": "discard"}));
    gate.enroll("welcome", "c");
    gate.enroll("welcome", "d");
    let (log, sums) = green(&gate);
    assert_eq!(sums.turned_away.enroll, 3);
    broken(&log, "the gate counts 3 for turned_away.enroll, the topics say 2", "", |log| {
        gate::breaking::state(log, |state| state["counts"]["turned_away"]["enroll"] = json!(3));
    });
    broken(&log, "forgotten and not seen again", "forgotten and not seen again", |log| {
        conceal(log, |told| is("seen")(told) && told["position"]["input"] != 0);
    });
}

#[test]
fn a_flow_that_is_forgotten_though_it_had_a_queue() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    gate.enroll("welcome", "a");
    gate.resume("welcome", json!({}));
    gate.drain_all("welcome");
    let (log, _) = green(&gate);
    gate.forget_what_had_a_queue("welcome");
    let forgotten = gate.finish();
    broken(&log, "forgets a flow that had a queue", "forgets a flow that had a queue", |log| *log = forgotten);
}

#[test]
fn a_warning_out_of_its_place() {
    let mut gate = new_gate();
    gate.pause("welcome", json!({}));
    gate.warn("welcome", 3_600);
    let (log, _) = green(&gate);
    let long = |log: &mut Log| tell(log, "expiring", |told| told["within_seconds"] = json!(7_200));
    broken(&log, "neither a day nor an hour", "", long);
    let commanded = |log: &mut Log| tell(log, "expiring", |told| told["command_offset"] = json!(0));
    broken(&log, "cannot cause \"expiring\"", "the list makes it updated", commanded);
    let after = |log: &mut Log| conceal(log, is("paused"));
    broken(&log, "cannot follow while live", "nothing that the list knows", after);
}

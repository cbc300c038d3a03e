//! Goal: what commands expect, flows that are forgotten, warnings and answers are judged by both oracles. Method: the toy gate
//! plays each case out; then one place of the log is broken; then seeded schedules, whole and broken.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

mod gate;

use std::collections::BTreeMap;

use flowgate_checker::{Log, check, replay};
use gate::errands_schedule::play_errands;
use gate::schedule::{Dice, break_it};
use gate::telling::{broken, change, conceal, green, is, new_gate, tell};
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
            gate.kept(&log, seed);
            let with_states = !log.state.is_empty();
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
    broken(&log, "and it is what the command expects", "is expected is what the list has", fits);
    let nothing = |log: &mut Log| {
        change(&mut log.control, |_| true, |command| drop(command.as_object_mut().unwrap().remove("expect")));
    };
    broken(&log, "and it is what the command expects", "says that the flow changed", nothing);
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

#[test]
fn an_answer_that_is_not_what_the_command_comes_to() {
    let mut gate = new_gate();
    gate.enroll("welcome", "z");
    gate.purge("welcome", json!({}));
    gate.pause("welcome", json!({}));
    gate.purge("welcome", json!({}));
    gate.release("welcome", json!({"count": 1}));
    gate.forget("welcome", json!({}));
    let (log, _) = green(&gate);
    for (action, outcome, right) in [
        ("purge", "unchanged", "the list makes it rejected"),
        ("purge", "rejected", "the list makes it unchanged"),
        ("release", "rejected", "the list makes it unchanged"),
        ("forget", "unchanged", "the list makes it rejected"),
        ("forget", "applied", "changed nothing"),
    ] {
        let of_action = |told: &Value| told["command"]["action"] == action;
        broken(&log, "", right, |log| change(&mut log.audit, of_action, |told| told["outcome"] = json!(outcome)));
    }
}

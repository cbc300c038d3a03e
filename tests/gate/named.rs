//! Samples of named records: let through wherever they stand, passed silently later.

use std::time::Duration;

use flowgate::broker::memory::Tombstones;
use flowgate::broker::{Admin, Broker};
use serde_json::{Value, json};

use super::rig::{DAY, Rig, header, transitions, words};

/// A flow with these records held.
fn held(records: &str) -> Rig {
    holding(Rig::new(), records, json!({}))
}

fn holding(mut rig: Rig, records: &str, pause: Value) -> Rig {
    rig.order("welcome", "pause", pause);
    rig.send_all("welcome", records);
    rig.settle();
    rig
}

fn release(rig: &mut Rig, records: &[&str]) -> String {
    rig.order("welcome", "release", json!({"record_ids": records}))
}

fn sampled(rig: &Rig) -> Vec<Value> {
    let ended = transitions(rig, "welcome").into_iter().filter(|event| event["transition"] == "sampled");
    ended.map(|event| event["count"].clone()).collect()
}

fn held_and_released(rig: &Rig) -> (u64, u64) {
    let counts = rig.flow("welcome").counts;
    (counts.held().total(), counts.released.total())
}

fn resume(rig: &mut Rig) {
    rig.order("welcome", "resume", json!({}));
    rig.run_until_live("welcome");
}

/// Goal: the newest enroll and the newest advance of each named record are released, in order, and once.
#[test]
fn named_records_are_let_through() {
    for restarts in [false, true] {
        let mut rig = held("a b +b c b d");
        let answer = release(&mut rig, &["b", "d", "nobody"]);
        assert_eq!(answer, "applied: looking for 3 records among 6 events held; the flow stays paused");
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("paused", "+b b d"));
        assert_eq!(header(&rig.read(&rig.topics.records)[0], "flowgate-release").unwrap(), "sample");
        assert_eq!(sampled(&rig), [json!({"enroll": 2, "advance": 1})]);
        // The first `b` is held, and replaced.
        assert_eq!(held_and_released(&rig), (3, 3));
        if restarts {
            rig.restart("b");
        }
        rig.send_all("welcome", "e");
        resume(&mut rig);
        assert_eq!(rig.delivered("welcome"), "+b b d a c e");
        let counts = rig.flow("welcome").counts;
        assert_eq!((counts.released.total(), counts.replaced.total()), (6, 1));
        assert!(rig.flow("welcome").queue.taken.is_empty());
        assert_eq!(words(&rig, "welcome"), "seen paused sampling sampled resumed live");
    }
}

/// Goal: the cleaner may take what was released by name, and the counts stay as they are.
#[test]
fn a_taken_entry_in_a_gap_counts_once() {
    let mut rig = held("a b c");
    release(&mut rig, &["b"]);
    rig.send_all("welcome", "b d");
    rig.settle();
    rig.memory.compact(&rig.queue("welcome"), 0, i64::MAX, Tombstones::Remove).unwrap();
    rig.restart("b");
    resume(&mut rig);
    assert_eq!(rig.delivered("welcome"), "b a c b d");
    let counts = rig.flow("welcome").counts;
    assert_eq!((counts.released.total(), counts.replaced.total()), (5, 0));
}

/// Goal: a withdraw and a newer event that came before win; what came after the order stays.
#[test]
fn what_is_newer_wins() {
    let mut rig = held("a b c");
    rig.send_all("welcome", "-a b");
    rig.settle();
    release(&mut rig, &["a", "b"]);
    assert_eq!((rig.delivered("welcome").as_str(), sampled(&rig).len()), ("-a b", 1));
    // It is held anew, and goes with the others.
    rig.send_all("welcome", "b");
    resume(&mut rig);
    assert_eq!(rig.delivered("welcome"), "-a b c b");

    let mut rig = holding(Rig::new(), "a b a", json!({"keep": "all"}));
    release(&mut rig, &["a"]);
    assert_eq!(rig.delivered("welcome"), "a a");
    resume(&mut rig);
    assert_eq!(rig.delivered("welcome"), "a a b");
}

/// Goal: at whatever step its owner dies, the next one goes on with the search, and nothing is released twice.
#[test]
fn whoever_takes_over_goes_on() {
    let mut finished = false;
    for steps in 0.. {
        let mut rig = held("a b c b +d e");
        rig.command("welcome", "release", json!({"record_ids": ["b", "d", "a"]}));
        for _ in 0..steps {
            finished |= rig.step(0).unwrap();
        }
        rig.send_all("welcome", "e f");
        rig.restart("b");
        assert_eq!((rig.delivered("welcome").as_str(), sampled(&rig).len()), ("a b +d", 1), "after {steps} steps");
        resume(&mut rig);
        assert_eq!(rig.delivered("welcome"), "a b +d c e f");
        if finished {
            break;
        }
    }
}

/// Goal: a resume, a new pause, the deadline and a purge end the search, at whatever step they come; what was released until then
/// is not released again, and not purged.
#[test]
fn whatever_ends_the_pause_ends_the_search() {
    for end in ["resume", "expire", "purge", "pause"] {
        let mut done = false;
        for steps in (0..).step_by(3) {
            let mut rig = held("a b c d");
            rig.command("welcome", "release", json!({"record_ids": ["b", "d"]}));
            for _ in 0..steps {
                done |= rig.step(0).unwrap();
            }
            match end {
                "expire" => rig.pass(14 * DAY),
                _ => drop(rig.command("welcome", end, json!({}))),
            }
            rig.settle();
            let (mut delivered, discarded) = (rig.delivered("welcome"), rig.discarded("welcome"));
            assert_eq!(sampled(&rig).len(), 1, "{end} after {steps}");
            match end {
                "purge" => delivered = format!("{delivered} {discarded}"),
                "pause" => {
                    assert_eq!(delivered, "b d");
                    resume(&mut rig);
                    delivered = rig.delivered("welcome");
                }
                _ => rig.run_until_live("welcome"),
            }
            let mut words: Vec<&str> = delivered.split_whitespace().collect();
            words.sort_unstable();
            assert_eq!(words, ["a", "b", "c", "d"], "{end} after {steps}");
            if done {
                break;
            }
        }
    }
}

/// Goal: it waits for a purge that is under way, and takes what lies behind its line.
#[test]
fn it_comes_behind_a_purge() {
    let mut rig = held("a b c b d");
    rig.command("welcome", "purge", json!({"through_entry": 3}));
    rig.command("welcome", "release", json!({"record_ids": ["a", "b"]}));
    rig.settle();
    assert_eq!((rig.discarded("welcome").as_str(), rig.delivered("welcome").as_str()), ("a c", "b"));
    assert_eq!(words(&rig, "welcome"), "seen paused purging sampling purged sampled");
    resume(&mut rig);
    assert_eq!(rig.delivered("welcome"), "b d");
}

/// Goal: a second sample waits for the end of the first, and one by count passes what was taken.
#[test]
fn samples_one_after_another() {
    let mut rig = held("a b c d");
    release(&mut rig, &["b"]);
    release(&mut rig, &["b"]);
    assert_eq!(sampled(&rig), [json!({"enroll": 1, "advance": 0}), json!({"enroll": 0, "advance": 0})]);
    rig.order("welcome", "release", json!({"count": 2}));
    assert_eq!((rig.delivered("welcome").as_str(), held_and_released(&rig)), ("b a c", (1, 3)));
    assert_eq!(release(&mut rig, &["d"]), "applied: looking for 1 record among 1 events held; the flow stays paused");
    assert_eq!(release(&mut rig, &["d"]), "applied: looking for 1 record among 0 events held; the flow stays paused");
    resume(&mut rig);
    assert_eq!(rig.delivered("welcome"), "b a c d");
}

/// Goal: more than there is room for is released in several rounds, in order, and the sample ends once.
#[test]
fn more_than_there_is_room_for_takes_several_rounds() {
    let mut rig = holding(Rig::new(), "", json!({"keep": "all"}));
    for _ in 0..4_500 {
        rig.send_all("welcome", "a b");
        rig.wait(Duration::from_millis(1));
    }
    rig.settle();
    release(&mut rig, &["a"]);
    assert_eq!(sampled(&rig), [json!({"enroll": 4_500, "advance": 0})]);
    assert_eq!(held_and_released(&rig), (4_500, 4_500));
    resume(&mut rig);
    assert_eq!(held_and_released(&rig), (0, 9_000));
}

/// Goal: what somebody deleted cannot be found, and the rest is.
#[test]
fn what_was_deleted_cannot_be_found() {
    let mut rig = held("a b c");
    let queue = rig.queue("welcome");
    rig.somebody_deletes("welcome", Some(1));
    rig.memory.admin().unwrap().delete_records(&[(queue, 1)]).unwrap().remove(0).unwrap();
    release(&mut rig, &["a", "b"]);
    rig.run_for(Duration::from_secs(30));
    assert_eq!((rig.delivered("welcome").as_str(), sampled(&rig).len()), ("b", 1));
    rig.order("welcome", "resume", json!({}));
    rig.order("welcome", "accept_loss", json!({"at_most": 1}));
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "b c");
}

/// Goal: what one sample has found is not released for another one that takes its place within a turn.
#[test]
fn a_sample_in_the_place_of_another_looks_for_its_own() {
    for steps in 0..40 {
        let mut rig = held("a b c");
        rig.command("welcome", "release", json!({"record_ids": ["b"]}));
        for _ in 0..steps {
            rig.step(0).unwrap();
        }
        rig.command("welcome", "resume", json!({}));
        rig.command("welcome", "pause", json!({}));
        rig.command("welcome", "release", json!({"record_ids": ["c"]}));
        rig.settle();
        let delivered = rig.delivered("welcome");
        assert!(delivered.ends_with('c'), "{steps}: {delivered}");
    }
}

//! Somebody deleted held events, and an operator accepts that: the flow goes on behind what is gone.

use flowgate::broker::memory::Tombstones;
use flowgate::broker::{Admin, Broker};
use serde_json::json;

use super::rig::{Rig, words};

/// A flow with these records held, of which the first `deleted` are gone, or the topic.
fn deleted(records: &str, deleted: Option<i64>) -> Rig {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", records);
    rig.settle();
    delete(&mut rig, deleted);
    rig
}

fn delete(rig: &mut Rig, deleted: Option<i64>) {
    let queue = rig.queue("welcome");
    rig.somebody_deletes("welcome", deleted);
    let mut admin = rig.memory.admin().unwrap();
    match deleted {
        Some(below) => admin.delete_records(&[(queue, below)]).unwrap().remove(0).unwrap(),
        None => admin.delete_topics(&[queue]).unwrap().remove(0).unwrap(),
    }
}

fn held_and_lost(rig: &Rig) -> (u64, u64) {
    let counts = rig.flow("welcome").counts;
    (counts.held().total(), counts.lost.total())
}

/// Goal: how many are gone is said exactly, more than was accepted is not lost, and the drain goes on behind it.
#[test]
fn a_drain_goes_on_behind_what_is_gone() {
    for restarts in [false, true] {
        let mut rig = deleted("a b c d", Some(2));
        rig.order("welcome", "resume", json!({}));
        if restarts {
            rig.restart("b");
        }
        let obstacle = rig.workers[0].obstacles().remove(0);
        assert!(obstacle.ends_with("and the next one was to be read at 0; 2 are lost"), "{obstacle}");
        let more = rig.order("welcome", "accept_loss", json!({"at_most": 1}));
        assert_eq!(more, "rejected: 2 held events are gone, more than the 1 of `at_most`");
        rig.send_all("welcome", "e");
        let answer = rig.order("welcome", "accept_loss", json!({"at_most": 2}));
        assert_eq!(answer, "applied: 2 held events are lost, entries 1 to 2; 3 are held");
        rig.run_until_live("welcome");
        assert_eq!((rig.delivered("welcome").as_str(), held_and_lost(&rig)), ("c d e", (0, 2)));
        assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
        assert_eq!(words(&rig, "welcome"), "seen paused resumed loss_accepted live");
    }
}

/// Goal: where nothing is left, or the topic is gone, everything held until then is lost, and what comes after is not.
#[test]
fn everything_may_be_gone() {
    for (how, later) in [(Some(3), ""), (None, ""), (Some(3), "d e"), (None, "d e")] {
        let mut rig = deleted("a b c", how);
        rig.order("welcome", "resume", json!({"max_rate": 1}));
        if how.is_none() {
            // A broker that has just come back may not know its topics: one answer is not believed.
            let early = rig.order("welcome", "accept_loss", json!({"at_most": 3}));
            assert!(early.starts_with("rejected: the flow is not blocked"), "{early}");
            rig.run_for(std::time::Duration::from_secs(60));
        }
        let answer = rig.order("welcome", "accept_loss", json!({"at_most": 3}));
        assert!(answer.starts_with("applied: 3 held events are lost, entries 1 to 3"), "{answer}");
        rig.send_all("welcome", later);
        rig.run_until_live("welcome");
        rig.run_for(std::time::Duration::from_secs(60));
        assert_eq!((rig.delivered("welcome").as_str(), held_and_lost(&rig)), (later, (0, 3)), "{how:?}");
        // The next pause holds again.
        rig.order("welcome", "pause", json!({}));
        rig.send_all("welcome", "f");
        rig.run_for(std::time::Duration::from_secs(60));
        assert_eq!(held_and_lost(&rig), (1, 3));
        rig.order("welcome", "resume", json!({}));
        rig.run_until_live("welcome");
        assert!(rig.delivered("welcome").ends_with('f'));
    }
}

/// Goal: a purge and a sample that are blocked come to their ends, and so does the drain of a flow whose index is behind.
#[test]
fn what_is_under_way_ends_behind_it() {
    let mut rig = deleted("a b c d", Some(2));
    rig.order("welcome", "purge", json!({"through_entry": 3}));
    rig.order("welcome", "accept_loss", json!({"at_most": 9}));
    rig.settle();
    assert_eq!((rig.discarded("welcome").as_str(), held_and_lost(&rig)), ("c", (1, 2)));
    assert_eq!(words(&rig, "welcome"), "seen paused purging loss_accepted purged");

    let mut rig = deleted("a b c d", Some(1));
    rig.order("welcome", "release", json!({"count": 1}));
    rig.order("welcome", "accept_loss", json!({"at_most": 9}));
    assert_eq!((rig.delivered("welcome").as_str(), held_and_lost(&rig)), ("b", (2, 1)));

    let mut rig = deleted("a b a c b", Some(1));
    rig.crash("b");
    rig.command("welcome", "resume", json!({}));
    rig.settle();
    let answer = rig.order("welcome", "accept_loss", json!({"at_most": 1}));
    assert!(answer.starts_with("applied: 1 held events are lost"), "{answer}");
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a c b");
}

/// Goal: what the cleaner took before the first entry that is left is lost with the rest: nobody can tell.
#[test]
fn what_was_cleaned_beside_it_is_lost_too() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "x a b a b c");
    rig.settle();
    let queue = rig.queue("welcome");
    rig.memory.compact(&queue, 0, i64::MAX, Tombstones::Remove).unwrap();
    delete(&mut rig, Some(1));
    rig.order("welcome", "resume", json!({}));
    let answer = rig.order("welcome", "accept_loss", json!({"at_most": 3}));
    assert_eq!(answer, "applied: 3 held events are lost, entries 1 to 3; 3 are held");
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a b c");
}

/// Goal: what is not blocked loses nothing, and what only seemed to be gone comes back by itself.
#[test]
fn nothing_is_lost_of_a_flow_that_is_not_blocked() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a b");
    let not_blocked = "rejected: the flow is not blocked: nothing is missing of what was to be read of its queue";
    assert_eq!(rig.order("welcome", "accept_loss", json!({"at_most": 9})), not_blocked);
    rig.order("welcome", "resume", json!({"max_rate": 0.001}));
    assert_eq!(rig.order("welcome", "accept_loss", json!({"at_most": 9})), not_blocked);
    assert!(rig.order("welcome", "accept_loss", json!({})).starts_with("rejected: at_most is missing"));
    rig.order("welcome", "resume", json!({"max_rate": 1000}));
    rig.run_until_live("welcome");
}

/// Goal: more that is deleted after the loss was found is not accepted unseen.
#[test]
fn what_is_deleted_meanwhile_wants_to_be_accepted_too() {
    let mut rig = deleted("a b c d", Some(1));
    rig.order("welcome", "resume", json!({}));
    delete(&mut rig, Some(3));
    rig.order("welcome", "accept_loss", json!({"at_most": 1}));
    rig.run_for(std::time::Duration::from_secs(30));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("resuming", ""));
    let answer = rig.order("welcome", "accept_loss", json!({"at_most": 2}));
    assert!(answer.starts_with("applied: 2 held events are lost") || answer.starts_with("rejected: 3"), "{answer}");
    rig.order("welcome", "accept_loss", json!({"at_most": 3}));
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "d");
}

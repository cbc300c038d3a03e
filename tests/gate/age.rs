//! Turns that outlive their transaction's time: what they decided is dropped, and decided again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::rig::{DAY, Rig, header};

/// The phases of a turn that nothing was committed of.
const PHASES: [&str; 5] = ["leaders", "send", "acks", "offsets", "commit"];

const HOUR: i64 = 60 * 60 * 1000;

/// Goal: a turn that hung for weeks does not write records that retention takes at once. Method: it hangs before each of its
/// phases; the event's timestamp is then too old for `flow.records`, which the turn, when it was decided, could not know.
#[test]
fn a_turn_that_hung_does_not_write_old_timestamps() {
    for phase in PHASES {
        let mut rig = Rig::new();
        rig.send_all("welcome", "a");
        rig.settle();
        rig.send_all("welcome", "b");
        assert!(rig.step_to(0, phase));
        rig.wait(DAY * 25);
        rig.settle();
        assert_eq!(rig.delivered("welcome"), "a b", "{phase}");
        let records = rig.read(&rig.topics.records);
        let b = records.last().unwrap();
        assert!(rig.now().since(b.timestamp) < DAY, "{phase}: written with {}", b.timestamp);
        assert!(header(b, "flowgate-timestamp").is_some(), "{phase}");
    }
}

/// Goal: how long an event was held is counted from when it was held, not from when a turn that hung wanted to hold it.
#[test]
fn a_turn_that_hung_does_not_make_events_old() {
    for phase in PHASES {
        let mut rig = Rig::new();
        rig.order("welcome", "pause", json!({}));
        rig.send_all("welcome", "a");
        rig.settle();
        rig.send_all("welcome", "b");
        assert!(rig.step_to(0, phase));
        rig.wait(DAY * 2);
        rig.settle();
        rig.order("welcome", "resume", json!({"max_age_seconds": 3600}));
        assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("b", "a"), "{phase}");
    }
}

/// Goal: the same where the queue topic has to be made first.
#[test]
fn a_turn_that_hung_before_it_made_a_topic() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a");
    assert!(rig.step_to(0, "create"));
    rig.wait(DAY * 2);
    rig.settle();
    rig.order("welcome", "resume", json!({"max_age_seconds": 3600}));
    assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("a", ""));
}

/// Goal: what waited while a gathering hung comes before what that gathering would have decided. Method: it hangs after each
/// of its steps, while a resume is recorded and then the deadline passes.
#[test]
fn a_gathering_that_hung_asks_for_commands_again() {
    for steps in 0..12 {
        let mut rig = Rig::new();
        rig.order("welcome", "pause", json!({"for_seconds": 50, "on_expiry": "discard"}));
        rig.send_all("welcome", "a");
        rig.settle();
        rig.send_all("welcome", "b");
        for _ in 0..steps {
            rig.step(0).unwrap();
        }
        rig.command("welcome", "resume", json!({}));
        rig.wait(DAY);
        rig.settle();
        assert_eq!(
            (rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()),
            ("a b", ""),
            "{steps} steps"
        );
    }
}

/// Goal: a clock that is set forward or back in the middle of a turn holds nobody up for longer than a turn.
#[test]
fn a_clock_that_is_set_in_the_middle_of_a_turn() {
    for phase in PHASES {
        for ahead in [HOUR, -HOUR] {
            let mut rig = Rig::new();
            rig.order("welcome", "pause", json!({}));
            rig.send_all("welcome cart", "a");
            rig.send_all("welcome", "a");
            assert!(rig.step_to(0, phase));
            rig.clock = ahead;
            rig.settle();
            assert_eq!(rig.workers[0].stats().outdated, 1, "{phase} {ahead}");
            assert_eq!(rig.flow("welcome").counts.held().total(), 1, "{phase} {ahead}");
            assert_eq!(rig.delivered("welcome cart"), "a", "{phase} {ahead}");
            rig.clock = 0;
            rig.run_for(Duration::from_secs(10));
            rig.order("welcome", "resume", json!({}));
            assert_eq!(rig.delivered("welcome"), "a");
        }
    }
}

/// Goal: a cluster too slow for full turns is shown as that, and turns get smaller until they are in time. Method: each record
/// takes a second to be acknowledged, and a transaction has ten.
#[test]
fn a_slow_cluster_makes_turns_smaller() {
    let mut rig = Rig::with(|options| options.turn.records = 64);
    rig.send_all("welcome", "first");
    rig.settle();
    for record in 0..70 {
        rig.send("welcome", &format!("r{record}"), "enroll");
    }
    let sent = rig.count_sends();
    let mut shown = false;
    while rig.workers[0].stats().delivered == 1 {
        rig.step(0).unwrap();
        if rig.workers[0].phase() == "acks" {
            rig.wait(Duration::from_secs(sent.swap(0, Ordering::Relaxed)));
        }
        shown |= rig.workers[0].obstacles().iter().any(|sentence| sentence.contains("too slow"));
    }
    assert!(shown);
    assert_eq!(rig.workers[0].stats().outdated, 3, "64, 32, 16: the fourth is in time");
    assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
    rig.memory.set_fault_hook(None);
    rig.settle();
    // In time again, turns are as large as they were.
    let turns = rig.workers[0].stats().turns;
    for record in 0..640 {
        rig.send("welcome", &format!("s{record}"), "enroll");
    }
    rig.settle();
    assert!(rig.workers[0].stats().turns - turns < 20);
    assert_eq!(rig.delivered("welcome").split(' ').count(), 711);
}

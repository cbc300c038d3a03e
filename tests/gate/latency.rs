//! A broker that shows what is in its logs slowly, as Kafka does: nothing at first, then a few records at a time.

use std::time::Duration;

use flowgate::broker::memory::{Latency, Serving};
use serde_json::json;

use super::rig::{DAY, Rig, SESSION};

/// So many polls bring nothing, then each brings so many records.
fn slow(empty_polls: usize, records: usize) -> Option<Latency> {
    Some(Box::new(move |serving| match serving {
        Serving::Begin => empty_polls,
        Serving::New => 0,
        Serving::Poll => records,
    }))
}

/// Goal: whoever takes over applies every command that waits before any timer. Method: a pause for 5 s that discards what
/// it holds; all gates go down; a resume is recorded at 3 s, a gate comes at 33 s and sees the resume late.
#[test]
fn a_command_that_waited_comes_before_the_timers() {
    for (empty_polls, records) in [(0, 1), (1, 1), (7, 3), (40, 1)] {
        let mut rig = Rig::new();
        rig.memory.set_latency(slow(empty_polls, records));
        rig.order("welcome", "pause", json!({"for_seconds": 5, "on_expiry": "discard"}));
        rig.send_all("welcome", "a b c");
        rig.settle();
        rig.workers.clear();
        rig.wait(Duration::from_secs(3));
        for _ in 0..4 {
            rig.command("nobody", "resume", json!({}));
        }
        rig.command("welcome", "resume", json!({}));
        rig.wait(Duration::from_secs(30));
        rig.start("b");
        rig.settle();
        assert_eq!(rig.discarded("welcome"), "", "{empty_polls} empty polls");
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b c"));
    }
}

/// Goal: a timer that is due at a take-over fires all the same, and the drain, which reads slowly too, comes to its end.
#[test]
fn a_timer_that_is_due_at_a_take_over_fires() {
    let mut rig = Rig::new();
    rig.memory.set_latency(slow(5, 2));
    rig.order("welcome", "pause", json!({"for_seconds": 5}));
    rig.send_all("welcome", "a b c d e f g");
    rig.settle();
    rig.workers.clear();
    rig.wait(DAY);
    rig.start("b");
    rig.settle();
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b c d e f g"));
}

/// Goal: a worker that waits for a slow broker spends no more steps than the broker takes polls: it comes to rest, whatever
/// it was doing. Method: a broker that answers at the thousandth poll.
#[test]
fn waiting_for_a_slow_broker_ends() {
    let mut rig = Rig::new();
    rig.memory.set_latency(slow(1_000, 1));
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a b c");
    rig.settle();
    rig.crash("b");
    rig.send_all("welcome", "d");
    rig.order("welcome", "resume", json!({}));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b c d"));
}

/// Goal: what an aborted turn had read of the control topic comes again before any event, though the first polls bring
/// nothing. Method: the member that takes part in the turn is not of the group any more when it sends its offsets.
#[test]
fn commands_of_an_aborted_turn_come_again_before_events() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.memory.set_latency(slow(3, 1));
    rig.command("welcome", "pause", json!({}));
    assert!(rig.step_to(0, "offsets"));
    rig.memory.freeze("a-0");
    rig.wait(SESSION + Duration::from_secs(1));
    rig.memory.thaw("a-0");
    rig.send_all("welcome", "b");
    rig.settle();
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("paused", "a"));
}

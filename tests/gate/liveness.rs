//! Commands that are read slowly, and turns that a slow cluster cannot hold: nobody waits for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Latency, Operation, Serving};
use flowgate::broker::{Action, Code, Error};
use serde_json::json;

use super::rig::Rig;

/// A broker that brings nothing of any partition that is given a position from now on.
fn silence() -> Option<Latency> {
    Some(Box::new(|serving| match serving {
        Serving::Begin => usize::MAX,
        Serving::New | Serving::Poll => 1,
    }))
}

/// A worker whose turn was aborted, and whose control reader, put back, brings nothing of the commands that it knows of.
fn behind() -> Rig {
    let mut rig = Rig::new();
    // It moves the position of one partition only: the reader goes back to the others'.
    rig.order("welcome", "pause", json!({}));
    rig.send_all("cart", "a");
    rig.memory.fail_next(Operation::Send, Fault::Fail(Error::new(Action::Abort, Code::Other, "a test")));
    assert!(rig.step_to(0, "abort"));
    rig.memory.set_latency(silence());
    for _ in 0..5_000 {
        rig.step(0).unwrap();
    }
    assert_eq!(rig.delivered("cart"), "", "commands come first");
    rig
}

/// Goal: a worker that waits for commands that are known to be there can be stopped, and its successor goes on.
#[test]
fn who_waits_for_commands_can_be_stopped() {
    let mut rig = behind();
    rig.workers[0].stop();
    assert!(rig.step_to(0, "leave"));
    rig.stop();
    rig.memory.set_latency(None);
    rig.start("b");
    rig.settle();
    assert_eq!(rig.delivered("cart"), "a");
}

/// Goal: the group is heard of meanwhile. Method: another worker comes.
#[test]
fn who_waits_for_commands_hears_of_the_group() {
    let mut rig = behind();
    // Only what is given a position from now on is answered.
    let answered = |serving| if matches!(serving, Serving::Begin) { 0 } else { 9 };
    rig.memory.set_latency(Some(Box::new(answered)));
    rig.start("b");
    for _ in 0..2_000 {
        rig.step(0).unwrap();
        rig.step(1).unwrap();
        if rig.workers[1].is_ready() {
            break;
        }
    }
    assert!(rig.workers[1].is_ready());
    rig.settle();
    assert_eq!(rig.delivered("cart"), "a");
}

/// Goal: a worker gets past commands that concern others, however long that takes it, although events wait. Method: each of
/// its steps takes 300 ms, so that the member is polled, and brings an event, every few turns.
#[test]
fn commands_for_others_are_passed_although_events_wait() {
    let mut rig = Rig::with(|options| options.turn.commands = 2);
    rig.settle();
    rig.start("b");
    rig.settle();
    // Whose partition is whose shows in who delivers.
    let others = ["welcome", "cart", "b", "f", "x", "y"].into_iter().find(|flow| {
        let before = rig.workers[1].stats().delivered;
        rig.send_all(flow, "first");
        rig.settle();
        rig.workers[1].stats().delivered > before
    });
    let others = others.unwrap();
    let own = ["welcome", "cart", "b", "f", "x", "y"].into_iter().find(|flow| {
        let before = rig.workers[0].stats().delivered;
        rig.send_all(flow, "second");
        rig.settle();
        rig.workers[0].stats().delivered > before
    });
    let own = own.unwrap();
    for _ in 0..60 {
        rig.command(others, "resume", json!({}));
    }
    rig.send_all(own, "last");
    let before = rig.now();
    while !rig.delivered(own).ends_with("last") {
        rig.step(0).unwrap();
        rig.wait(Duration::from_millis(300));
        let now = rig.now();
        rig.workers[1].step(now).unwrap();
        assert!(rig.now().since(before) < Duration::from_secs(45), "it does not get past them");
    }
    rig.settle();
}

/// Goal: deadlines that are due together, more than a slow cluster takes in one transaction, fire in several. Method: each
/// record takes a second to be acknowledged, and a transaction has ten.
#[test]
fn deadlines_that_are_due_together_fire_in_smaller_turns() {
    let mut rig = Rig::new();
    for flow in 0..30 {
        rig.command(&format!("flow-{flow}"), "pause", json!({"for_seconds": 50}));
    }
    rig.settle();
    rig.wait(Duration::from_secs(60));
    let sent = rig.count_sends();
    for _ in 0..5_000 {
        rig.step(0).unwrap();
        if rig.workers[0].phase() == "acks" {
            rig.wait(Duration::from_secs(sent.swap(0, Ordering::Relaxed)));
        }
    }
    assert!((0..30).all(|flow| rig.state(&format!("flow-{flow}")) == "live"), "{:?}", rig.workers[0].obstacles());
    rig.memory.set_fault_hook(None);
}

/// Goal: events go on while nobody says where the control topic ends, though a timer waits for that. Method: the question takes
/// longer to fail than a transaction may last.
#[test]
fn events_go_on_while_the_end_of_the_commands_is_not_told() {
    let mut rig = Rig::with(|options| options.transaction_timeout = Duration::from_secs(4));
    rig.order("welcome", "pause", json!({"for_seconds": 50}));
    rig.wait(Duration::from_secs(60));
    rig.send_all("cart", "a");
    let asked = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&asked);
    let fail = move |call: &Call<'_>| {
        let is_end = call.operation == Operation::Watermarks && call.subject == "flow.control";
        noted.fetch_or(is_end, Ordering::Relaxed);
        is_end.then(|| Fault::Fail(Error::new(Action::Retry, Code::TimedOut, "a test")))
    };
    rig.memory.set_fault_hook(Some(Box::new(fail)));
    for _ in 0..500 {
        rig.step(0).unwrap();
        if asked.swap(false, Ordering::Relaxed) {
            rig.wait(Duration::from_secs(5));
        }
    }
    assert_eq!((rig.delivered("cart").as_str(), rig.state("welcome")), ("a", "paused"));
    rig.memory.set_fault_hook(None);
    rig.settle();
    assert_eq!(rig.state("welcome"), "live");
}

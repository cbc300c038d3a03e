//! A process hangs, another one is started in its place, under its name or another, and then the first one wakes up.

use std::time::Duration;

use flowgate::broker::memory::{Fault, Memory, Operation};
use flowgate::broker::{Action, Code, Error};
use flowgate::worker::{Step, Stop, Worker};
use serde_json::json;

use super::rig::{Rig, SESSION};

const LATER: Duration = Duration::from_secs(1);

/// Where a worker hangs: what it meets before, the phase that it is about to begin, and steps that it takes there.
pub type Place = (Option<(Operation, Fault)>, &'static str, u32);

/// Every phase that a worker with a producer can hang before; "replace" in three ways, and between the group's answer
/// and the producer.
pub fn places() -> Vec<Place> {
    let stale = || Fault::Fail(Error::new(Action::Abort, Code::StaleGeneration, "a test"));
    let phases = ["chores", "gather", "create", "leaders", "send", "acks", "offsets", "commit"];
    let mut places: Vec<Place> = phases.into_iter().map(|phase| (None, phase, 0)).collect();
    places.extend([
        (Some((Operation::SendOffsets, stale())), "abort", 0),
        (Some((Operation::Commit, Fault::Replace)), "replace", 0),
        (Some((Operation::Commit, Fault::Replace)), "replace", 1),
        (Some((Operation::Commit, Fault::CommitUnknown { happened: true })), "replace", 0),
        (Some((Operation::Commit, Fault::CommitUnknown { happened: false })), "replace", 0),
        (Some((Operation::Commit, Fault::CommitUnknown { happened: false })), "read back", 0),
        (None, "delete records", 0),
    ]);
    places
}

/// A worker that hangs at this place in a turn that holds events, or behind it.
fn hanging(place: &Place) -> (Rig, Worker<Memory>) {
    hanging_in(Rig::new(), place)
}

pub fn hanging_in(mut rig: Rig, (fault, phase, steps): &Place) -> (Rig, Worker<Memory>) {
    // What it knew of its name when it started is old.
    rig.settle();
    rig.pass(SESSION);
    rig.order("welcome", "pause", json!({}));
    if *phase == "delete records" {
        rig.order("drained", "pause", json!({}));
        rig.send_all("drained", "x");
        rig.settle();
        rig.command("drained", "resume", json!({}));
    }
    rig.send_all("welcome", "a b");
    if let Some((operation, fault)) = fault {
        rig.memory.fail_next(*operation, fault.clone());
    }
    assert!(rig.step_to(0, phase), "{phase}");
    for _ in 0..*steps {
        rig.step(0).unwrap();
        assert_eq!(rig.workers[0].phase(), *phase);
    }
    rig.memory.freeze("a-0");
    let zombie = rig.workers.remove(0);
    (rig, zombie)
}

/// Steps the zombie until it ends or has nothing to do; how it ended.
fn wake(rig: &Rig, zombie: &mut Worker<Memory>, most: u32) -> Option<Stop> {
    for _ in 0..most {
        match zombie.step(rig.now()) {
            Ok(Step::Waiting(time)) => rig.wait(time),
            Ok(Step::Idle { .. } | Step::Progress) => {}
            Ok(Step::Left) => panic!("nobody told it to leave"),
            Err(stop) => return Some(stop),
        }
    }
    None
}

/// Goal: whoever was started in place of a hanging process goes on when that one wakes up, in whatever phase it hung: its
/// producer is not fenced, and its timers fire in time.
/// Method: freeze one beyond session and transaction in each phase, start another one of its name, thaw it, step it.
#[test]
fn a_zombie_leaves_its_successor_alone() {
    for place in places() {
        let (mut rig, mut zombie) = hanging(&place);
        rig.start("a");
        rig.wait(SESSION + LATER);
        rig.settle();
        assert!(rig.workers[0].is_ready(), "{place:?}");
        rig.command("cart", "pause", json!({"for_seconds": 60}));
        rig.settle();
        let paused_at = rig.now();
        rig.memory.thaw("a-0");
        // It ends where it finds that it was fenced or is out of the group; else it waits for partitions.
        let made = zombie.stats().producers;
        let stop = wake(&rig, &mut zombie, 400);
        assert_eq!(zombie.stats().producers, made, "{place:?}: it has made a producer");
        if let Some(stop) = &stop {
            assert!(matches!(stop, Stop::FencedByEqual(_)) && stop.exit_code() == 4, "{place:?}: {stop:?}");
        }
        drop(zombie);
        rig.wait(SESSION + LATER);
        rig.settle();
        rig.memory.advance_to(paused_at.after(Duration::from_secs(60)));
        rig.settle();
        assert_eq!(rig.state("cart"), "live", "{place:?}: the timer of the successor");
        assert_eq!(rig.workers[0].stats().producers, 1, "{place:?}: the successor was fenced");
        rig.order("welcome", "resume", json!({}));
        assert_eq!(rig.delivered("welcome"), "a b", "{place:?}");
    }
}

/// Goal: a zombie that was thrown out, and whose successor is only just starting, does not fence it either: it makes no
/// producer before the group has taken it in, and then it finds the other one there and ends.
#[test]
fn a_zombie_that_wakes_before_its_successor_has_joined_ends_later() {
    for place in places() {
        let (mut rig, mut zombie) = hanging(&place);
        rig.wait(SESSION + LATER);
        rig.memory.thaw("a-0");
        let made = zombie.stats().producers;
        // It has learnt that it is out of the group, or is about to.
        let mut stop = wake(&rig, &mut zombie, 3);
        rig.start("a");
        for _ in 0..2_000 {
            stop = stop.or_else(|| wake(&rig, &mut zombie, 1));
            rig.step(0).unwrap();
            if stop.is_some() {
                break;
            }
        }
        assert!(matches!(stop, Some(Stop::FencedByEqual(_))), "{place:?}: {stop:?}");
        assert_eq!(zombie.stats().producers, made, "{place:?}: it has made a producer");
        drop(zombie);
        rig.wait(SESSION + LATER);
        rig.settle();
        assert_eq!(rig.workers[0].stats().producers, 1, "{place:?}: the successor was fenced");
        rig.order("welcome", "resume", json!({}));
        assert_eq!(rig.delivered("welcome"), "a b", "{place:?}");
    }
}

/// Goal: where nobody has taken its name over, a process that hung goes on by itself, alone or beside another one that
/// has its partitions.
#[test]
fn a_zombie_without_a_namesake_goes_on() {
    for place in places() {
        for other in [None, Some("b")] {
            let (mut rig, zombie) = hanging(&place);
            other.into_iter().for_each(|name| rig.start(name));
            rig.wait(SESSION + LATER);
            rig.settle();
            rig.memory.thaw("a-0");
            rig.workers.push(zombie);
            rig.settle();
            rig.pass(SESSION + LATER);
            assert!(rig.workers.iter().all(Worker::is_ready), "{place:?} {other:?}");
            rig.order("welcome", "resume", json!({}));
            assert_eq!(rig.delivered("welcome"), "a b", "{place:?} {other:?}");
            for flow in ["b", "f", "cart"] {
                rig.send_all(flow, "x");
                rig.settle();
                assert_eq!(rig.delivered(flow), "x", "{place:?} {other:?}");
            }
        }
    }
}

//! Instances whose workers keep their places in the group while they are away: who is started again under the name goes on
//! at once, and of two processes under one name the older one ends.

use std::time::Duration;

use flowgate::broker::memory::{Fault, Memory, Operation};
use flowgate::broker::{Action, Code, Error};
use flowgate::mutant::{self, Mutant};
use flowgate::worker::{Step, Stop, Worker};
use serde_json::json;

use super::rig::{Rig, SESSION};
use super::zombies::{Place, places};

const LATER: Duration = Duration::from_secs(1);

fn rig() -> Rig {
    Rig::with(|options| options.keeps_place = true)
}

/// Steps both in turn until the first one ends; how it ended. The other one hears of it a heartbeat later each time. The
/// error: that one has ended.
fn until_it_ends(rig: &mut Rig, first: &mut Worker<Memory>, heartbeat: Duration) -> Result<Option<Stop>, Stop> {
    for _ in 0..2_000 {
        let heard = rig.now().after(heartbeat);
        for _ in 0..2_000 {
            match first.step(rig.now()) {
                Ok(Step::Waiting(time)) => rig.wait(time),
                Ok(Step::Idle { .. } | Step::Progress) => {}
                Ok(Step::Left) => panic!("nobody told it to leave"),
                Err(stop) => return Ok(Some(stop)),
            }
            if rig.now() >= heard {
                break;
            }
        }
        let mut steps = 0;
        while !rig.step(0)? && steps < 2_000 {
            steps += 1;
        }
        rig.wait(Duration::from_millis(5));
    }
    Ok(None)
}

/// One process hears of the other at once, or as late as Kafka's client does.
const HEARTBEATS: [Duration; 2] = [Duration::ZERO, Duration::from_secs(3)];

/// Goal: a killed process that is started again under its name has its partitions back without waiting for a session to
/// end, and nobody else's move. Method: beside another gate, with an event for each flow that only the killed one can take.
#[test]
fn a_killed_process_is_back_at_once() {
    let mut rig = rig();
    rig.start("b");
    rig.settle();
    rig.pass(LATER);
    for round in 0..5 {
        let before = rig.workers[1].stats().clone();
        drop(rig.workers.remove(0));
        for flow in ["welcome", "b", "f", "cart"] {
            rig.send(flow, &format!("r{round}"), "enroll");
        }
        let killed = rig.now();
        rig.start("a");
        rig.workers.rotate_right(1);
        rig.settle();
        for flow in ["welcome", "b", "f", "cart"] {
            assert!(rig.delivered(flow).ends_with(&format!("r{round}")), "{flow} in round {round}");
        }
        let took = rig.now().since(killed);
        assert!(took < SESSION / 2, "that was a session's end: {took:?}");
        assert_eq!(rig.workers[1].stats().producers, before.producers);
    }
}

/// Goal: a clean stop is not missed before its session ends (that is the price), and a start under the name ends the wait.
#[test]
fn a_clean_stop_keeps_the_place_too() {
    let mut rig = rig();
    rig.settle();
    rig.start("b");
    rig.settle();
    let mut leaving = rig.workers.remove(0);
    leaving.stop();
    while leaving.step(rig.now()).unwrap() != Step::Left {}
    rig.send_all("welcome", "a");
    for flow in ["b", "f", "cart"] {
        rig.send_all(flow, "x");
    }
    let stopped = rig.now();
    rig.settle();
    let waits = ["welcome", "b", "f", "cart"].iter().any(|flow| rig.delivered(flow).is_empty());
    assert!(waits, "nobody waited for the one that left");
    rig.start("a");
    rig.settle();
    for flow in ["welcome", "b", "f", "cart"] {
        assert!(!rig.delivered(flow).is_empty(), "{flow}");
    }
    assert!(rig.now().since(stopped) < SESSION / 2);
}

/// A process that hung for so long at this place wakes up beside its successor: the rig with that one, and how the other
/// ended. `Err`: the successor was fenced, or the other one has made a producer.
fn wakes_beside_its_successor(
    place: &Place,
    hangs: Duration,
    heartbeat: Duration,
) -> Result<(Rig, Option<Stop>), String> {
    let (mut rig, mut zombie) = super::zombies::hanging_in(rig(), place);
    rig.start("a");
    rig.wait(hangs);
    rig.settle();
    assert!(rig.workers[0].is_ready(), "{place:?} {hangs:?}");
    rig.memory.thaw("a-0");
    let made = zombie.stats().producers;
    let stop = until_it_ends(&mut rig, &mut zombie, heartbeat).map_err(|stop| format!("the successor ends: {stop}"))?;
    let now = (zombie.stats().producers, rig.workers[0].stats().producers);
    if now != (made, 1) {
        return Err(format!("producers made: {now:?}"));
    }
    Ok((rig, stop))
}

/// Goal: a process that hangs, for half a session or past it, ends when it finds another one in its place, in whatever
/// phase it hung; that one's producer is not fenced, and all is delivered once.
#[test]
fn a_zombie_ends_and_its_successor_goes_on() {
    for hangs in [SESSION / 2 + LATER, SESSION + LATER] {
        for (place, heartbeat) in places().into_iter().flat_map(|place| HEARTBEATS.map(|after| (place.clone(), after)))
        {
            let (mut rig, stop) = wakes_beside_its_successor(&place, hangs, heartbeat).unwrap();
            assert!(matches!(stop, Some(Stop::FencedByEqual(_))), "{place:?} {hangs:?} {heartbeat:?}: {stop:?}");
            rig.settle();
            rig.order("welcome", "resume", json!({}));
            assert_eq!(rig.delivered("welcome"), "a b", "{place:?} {hangs:?} {heartbeat:?}");
        }
    }
}

/// Goal: the test above sees who makes a producer without a trial.
#[test]
fn a_zombie_that_is_not_on_trial_is_seen() {
    mutant::choose(Some(Mutant::NoTrialWithoutAProducer));
    let woken = |place: &Place| wakes_beside_its_successor(place, SESSION + LATER, HEARTBEATS[1]);
    let outcomes: Vec<_> = places().iter().map(woken).collect();
    mutant::choose(None);
    assert!(outcomes.iter().any(Result::is_err));
}

/// Goal: where nobody was started in its place, a process that hung goes on by itself.
#[test]
fn a_zombie_without_a_successor_goes_on() {
    for place in places() {
        let (mut rig, zombie) = super::zombies::hanging_in(rig(), &place);
        rig.wait(SESSION + LATER);
        rig.memory.thaw("a-0");
        rig.workers.push(zombie);
        rig.settle();
        rig.pass(SESSION + LATER);
        rig.order("welcome", "resume", json!({}));
        assert_eq!(rig.delivered("welcome"), "a b", "{place:?}");
    }
}

/// Goal: of two live processes of one name the older one ends, also when there is nothing to do for either, and the newer
/// one goes on with the producer that it has.
#[test]
fn the_older_of_two_twins_ends() {
    for busy in [false, true] {
        for steps in [0, 1, 2, 3, 5, 8, 20] {
            let mut rig = rig();
            rig.settle();
            let mut older = rig.workers.remove(0);
            rig.start("a");
            for _ in 0..steps {
                rig.step(0).unwrap();
            }
            if busy {
                rig.send_all("welcome", "a");
            }
            let stop = until_it_ends(&mut rig, &mut older, HEARTBEATS[1]).unwrap();
            assert!(matches!(stop, Some(Stop::FencedByEqual(_))), "{busy} {steps}: {stop:?}");
            drop(older);
            rig.send_all("welcome", "b");
            rig.settle();
            let expected = if busy { "a b" } else { "b" };
            assert_eq!(rig.delivered("welcome"), expected, "{busy} {steps}");
            assert_eq!(rig.workers[0].stats().producers, 1, "{busy} {steps}: the newer one was fenced");
        }
    }
}

fn fence(rig: &Rig) {
    let error = Error::new(Action::Rebuild, Code::InstanceFenced, "a test");
    rig.memory.fail_next(Operation::Poll, Fault::Fail(error));
}

/// Goal: the only process of its name that is fenced by mistake takes its place back at once, as often as that happens, and
/// keeps its producer.
#[test]
fn a_fence_by_mistake_ends_nobody() {
    let mut rig = rig();
    rig.settle();
    for round in 0..5 {
        rig.send("welcome", &format!("r{round}"), "enroll");
        fence(&rig);
        let fenced = rig.now();
        rig.settle();
        assert!(rig.delivered("welcome").ends_with(&format!("r{round}")));
        assert!(rig.now().since(fenced) < SESSION / 2, "round {round}");
    }
    assert_eq!(rig.workers[0].stats().producers, 1);
}

/// Goal: without a producer to ask one such mistake is got over, in time; the second one within the trial is believed.
#[test]
fn without_a_producer_the_second_fence_is_believed() {
    for fences in [1, 2] {
        let mut rig = rig();
        rig.settle();
        rig.send_all("welcome", "a");
        // Its producer goes with an answer that is lost, at a moment at which its name is in doubt.
        let unknown = Fault::CommitUnknown { happened: true };
        rig.memory.fail_next(Operation::Commit, unknown);
        assert!(rig.step_to(0, "replace"));
        rig.wait(SESSION / 2 + LATER);
        let error = || Error::new(Action::Rebuild, Code::InstanceFenced, "a test");
        for _ in 0..fences {
            rig.memory.fail_next(Operation::Standing, Fault::Fail(error()));
        }
        rig.send_all("welcome", "b");
        match (fences, rig.try_settle()) {
            (1, Ok(())) => assert_eq!(rig.delivered("welcome"), "a b"),
            (2, Err(Stop::FencedByEqual(_))) => {
                rig.workers.clear();
                rig.restart("b");
            }
            (_, other) => panic!("{fences}: {other:?}"),
        }
    }
}

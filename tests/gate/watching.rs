//! What a worker tells of its flows so that whoever watches it is woken: what a sum of all flows would hide.

use std::time::Duration;

use flowgate::broker::memory::{Fault, Operation, Serving};
use flowgate::broker::{Action, Admin, Broker, Code, Error};
use flowgate::worker::Snapshot;
use serde_json::json;

use super::rig::{DAY, Rig};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Lets so many seconds pass, and has the worker look at its drains in each; how it looks then.
fn watch(rig: &mut Rig, seconds: u32) -> Snapshot {
    for _ in 0..seconds {
        rig.wait(SECOND);
        // Where nothing is brought it never comes to rest.
        for _ in 0..200 {
            if rig.step(0).unwrap() {
                break;
            }
        }
        rig.workers[0].watch_drains(true);
    }
    rig.workers[0].snapshot()
}

fn held(rig: &mut Rig, flow: &str, records: u32) {
    rig.order(flow, "pause", json!({}));
    rig.send_all(flow, &(0..records).map(|number| format!("r{number}")).collect::<Vec<_>>().join(" "));
    rig.settle();
}

/// Goal: a drain to which the broker brings nothing, without an error, is counted after a minute; one whose held events somebody
/// deleted is not, for that is told by itself; and neither is once it goes on.
#[test]
fn a_drain_that_passes_nothing_though_it_may_is_counted() {
    let mut rig = Rig::new();
    held(&mut rig, "welcome", 3);
    held(&mut rig, "deleted", 3);
    let queue = rig.queue("deleted");
    rig.somebody_deletes("deleted", Some(2));
    rig.memory.admin().unwrap().delete_records(&[(queue, 2)]).unwrap().remove(0).unwrap();
    rig.order("deleted", "resume", json!({}));
    rig.memory.set_latency(Some(Box::new(|serving| if serving == Serving::Begin { usize::MAX } else { 1 })));
    rig.command("welcome", "resume", json!({}));
    let early = watch(&mut rig, 50);
    assert_eq!((early.resuming.flows, early.stalled_drains), (2, 0), "{:?}", early.blocked);
    let late = watch(&mut rig, 20);
    assert_eq!((late.resuming.flows, late.stalled_drains), (2, 1));
    rig.memory.set_latency(None);
    rig.settle();
    assert_eq!((rig.state("welcome"), watch(&mut rig, 1).stalled_drains), ("live", 0));
    rig.order("deleted", "accept_loss", json!({"at_most": 2}));
    rig.run_until_live("deleted");
}

/// Goal: what keeps a whole worker from passing anything is told as such, and makes no drain stalled.
#[test]
fn a_drain_is_not_stalled_while_no_broker_answers() {
    let mut rig = Rig::new();
    held(&mut rig, "welcome", 3);
    rig.memory.set_latency(Some(Box::new(|serving| if serving == Serving::Begin { usize::MAX } else { 1 })));
    rig.command("welcome", "resume", json!({}));
    for _ in 0..100 {
        rig.wait(SECOND);
        for _ in 0..50 {
            rig.step(0).unwrap();
        }
        rig.workers[0].watch_drains(false);
    }
    assert_eq!(rig.workers[0].snapshot().stalled_drains, 0);
    rig.memory.set_latency(None);
    rig.settle();
}

/// Goal: a drain with a rate for which as much arrives as it passes is counted after a minute, and no more when less arrives.
#[test]
fn a_drain_that_loses_against_what_arrives_is_counted() {
    let mut rig = Rig::new();
    held(&mut rig, "welcome", 30);
    rig.order("welcome", "resume", json!({"max_rate": 2}));
    let arrive = |rig: &mut Rig, seconds: u32, a_second: usize, losing: &mut Vec<u64>| {
        for _ in 0..seconds {
            let now = rig.now().0;
            let records = (0..a_second).map(|number| format!("n{now}-{number}")).collect::<Vec<_>>().join(" ");
            rig.send_all("welcome", &records);
            losing.push(watch(rig, 1).losing_drains);
        }
    };
    let mut losing = Vec::new();
    arrive(&mut rig, 150, 3, &mut losing);
    assert_eq!((losing[40], losing[149]), (0, 1), "{losing:?}");
    arrive(&mut rig, 130, 0, &mut losing);
    assert_eq!(losing.last(), Some(&0), "{losing:?}");
    assert_eq!(rig.workers[0].snapshot().stalled_drains, 0);
    rig.order("welcome", "resume", json!({"max_rate": 1000}));
    rig.run_until_live("welcome");
}

/// Goal: pauses are counted that are about to end by themselves, and those of which nobody may think any more.
#[test]
fn pauses_that_are_about_to_end_and_old_ones_are_counted() {
    let mut rig = Rig::new();
    let began = rig.now();
    rig.order("fourteen-days", "pause", json!({}));
    for (flow, length) in [("25-hours", 25 * HOUR), ("2-hours", 2 * HOUR), ("half-an-hour", HOUR / 2)] {
        rig.order(flow, "pause", json!({"for_seconds": length.as_secs()}));
    }
    // After so long: within a day, within an hour, and old ones.
    for (time, expected) in [
        (Duration::ZERO, ([0, 0], 0)),
        (HOUR - SECOND * 10, ([0, 0], 0)),
        (HOUR + SECOND, ([1, 1], 0)),
        (24 * HOUR + SECOND, ([1, 1], 0)),
        (26 * HOUR, ([0, 0], 0)),
        (10 * DAY - SECOND, ([0, 0], 0)),
        (10 * DAY + SECOND, ([0, 0], 1)),
        (13 * DAY + SECOND, ([1, 0], 1)),
        (14 * DAY - HOUR + SECOND, ([1, 1], 1)),
        (14 * DAY + SECOND, ([0, 0], 0)),
    ] {
        let wait = began.after(time).since(rig.now());
        rig.pass(wait);
        let shot = rig.workers[0].snapshot();
        assert_eq!((shot.expiring, shot.old_pauses), expected, "after {time:?}");
    }
}

/// Goal: it is seen in how many partitions new flows are paused, until that pause ends, by whatever.
#[test]
fn a_pause_of_every_flow_is_counted_by_partition() {
    let mut rig = Rig::new();
    rig.settle();
    let count = |rig: &Rig| rig.workers[0].snapshot().default_pauses;
    assert_eq!(count(&rig), 0);
    rig.order("*", "pause", json!({}));
    assert_eq!(count(&rig), 3);
    rig.order("*", "resume", json!({}));
    assert_eq!(count(&rig), 0);
    rig.order("*", "pause", json!({"for_seconds": 60}));
    assert_eq!(count(&rig), 3);
    rig.pass(Duration::from_secs(61));
    assert_eq!(count(&rig), 0, "its time is over");
    let shot = rig.workers[0].snapshot();
    assert_eq!((shot.all_partitions, shot.most_flows), (3, 1_000_000));
}

/// Goal: turns that come near the time of their transaction are counted, and those beyond it; and calls that were fenced.
#[test]
fn slow_turns_and_fences_are_counted() {
    let mut rig = Rig::new();
    rig.settle();
    let counted = |rig: &Rig| {
        let stats = rig.workers[0].stats();
        (stats.slow, stats.outdated, stats.fenced)
    };
    assert_eq!(counted(&rig), (0, 0, 0));
    // The brokers end a transaction that is too old by fencing its producer.
    for (late, expected) in [(4, (0, 0, 0)), (6, (1, 0, 0)), (11, (1, 1, 1))] {
        rig.send_all("welcome", "r1");
        assert!(rig.step_to(0, "offsets"));
        rig.wait(Duration::from_secs(late));
        rig.settle();
        assert_eq!(counted(&rig), expected, "{late} s");
    }
    let fenced = Error::new(Action::Rebuild, Code::InstanceFenced, "another has the place");
    rig.memory.fail_next(Operation::Poll, Fault::Fail(fenced));
    rig.settle();
    assert_eq!(counted(&rig), (1, 1, 2));
}

//! The index of a flow with held events is made again after a take-over: in the background, from its queue topic, while
//! everything else goes on. What comes out is what would have come out without the take-over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flowgate::broker::memory::{Call, Operation, Serving};
use flowgate::broker::{Admin, Broker};
use serde_json::json;

use super::rig::{Rig, SESSION};

/// So many held events that one poll does not bring all of them: each second one is replaced by a later one.
const MANY: u32 = 5_000;

/// How many entries are still to be read for the index of a flow; `None`: it is ready.
fn remaining(rig: &Rig, flow: &str) -> Option<u64> {
    let shots = rig.workers.iter().map(flowgate::worker::Worker::snapshot);
    shots.flat_map(|shot| shot.indexing).find(|(id, _)| id.as_str() == flow).map(|(_, remaining)| remaining)
}

/// Steps the worker until this is so.
#[track_caller]
fn step_until(rig: &mut Rig, what: &str, mut is_so: impl FnMut(&Rig) -> bool) {
    for _ in 0..200_000 {
        if is_so(rig) {
            return;
        }
        rig.step(0).unwrap();
    }
    panic!("never: {what}");
}

/// A paused flow for which `records` are held, and a new worker that has taken it over and sees one entry a poll.
fn taken_over(records: &str) -> Rig {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", records);
    rig.settle();
    rig.crash("b");
    rig.memory.set_latency(Some(Box::new(|serving| match serving {
        Serving::Begin | Serving::New => 0,
        Serving::Poll => 1,
    })));
    step_until(&mut rig, "taken over", |rig| rig.workers[0].is_ready());
    // Other partitions may have been taken over later: one poll has been made, perhaps.
    let left = remaining(&rig, "welcome").unwrap();
    assert!(left + 1 >= records.split_whitespace().count() as u64, "{left}");
    rig
}

/// Steps until so many entries are still to be read.
#[track_caller]
fn read_up_to(rig: &mut Rig, left: u64) {
    step_until(rig, "read so far", |rig| remaining(rig, "welcome") == Some(left));
}

/// Counts the topics that are begun to be read, queue topics alone.
fn count_queues_read(rig: &Rig) -> Arc<AtomicU64> {
    let begun = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&begun);
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        let is_queue = call.operation == Operation::Assign && call.subject.contains(".queue.");
        counted.fetch_add(u64::from(is_queue), Ordering::Relaxed);
        None
    })));
    begun
}

/// Goal: the index is ready long before the resume, which reads the topic once, for the drain.
#[test]
fn an_index_is_made_while_the_flow_is_paused() {
    let mut rig = taken_over("a b a +a c b");
    read_up_to(&mut rig, 3);
    assert_eq!(rig.state("welcome"), "paused");
    rig.settle();
    assert_eq!(remaining(&rig, "welcome"), None);
    let begun = count_queues_read(&rig);
    rig.order("welcome", "resume", json!({}));
    assert_eq!((rig.delivered("welcome").as_str(), begun.load(Ordering::Relaxed)), ("a +a c b", 1));
}

/// Goal: a resume right after the take-over, or while the index is made, waits for it: nothing is passed before.
#[test]
fn a_resume_waits_for_the_index() {
    for left in [5, 3, 1] {
        let mut rig = taken_over("a b a +a c b");
        read_up_to(&mut rig, left);
        rig.command("welcome", "resume", json!({}));
        step_until(&mut rig, "resuming", |rig| rig.state("welcome") != "paused");
        while remaining(&rig, "welcome").is_some() {
            assert_eq!(rig.delivered("welcome"), "");
            rig.step(0).unwrap();
        }
        rig.settle();
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a +a c b"));
    }
}

/// Goal: what is held while the index is made replaces what was held before, and is replaced by what comes later.
#[test]
fn what_is_held_meanwhile_comes_into_the_index() {
    for left in 1..=3 {
        let mut rig = taken_over("a b c d");
        read_up_to(&mut rig, left);
        rig.send_all("welcome", "b e a");
        step_until(&mut rig, "held", |rig| rig.flow("welcome").counts.held().total() >= 7);
        assert!(remaining(&rig, "welcome").is_some(), "{left}: it was still behind");
        rig.settle();
        assert_eq!(remaining(&rig, "welcome"), None);
        rig.send_all("welcome", "e f");
        rig.order("welcome", "resume", json!({}));
        assert_eq!(rig.delivered("welcome"), "c d b a e f");
    }
}

/// Goal: so do withdraws, while it is paused and while it resumes.
#[test]
fn withdraws_meanwhile_take_out_what_is_held() {
    for resumes_first in [false, true] {
        let mut rig = taken_over("a b c d");
        read_up_to(&mut rig, 3);
        if resumes_first {
            rig.command("welcome", "resume", json!({}));
            step_until(&mut rig, "resuming", |rig| rig.state("welcome") != "paused");
        }
        rig.send_all("welcome", "-b -d");
        step_until(&mut rig, "withdrawn", |rig| rig.flow("welcome").withdrawn == 2);
        assert!(remaining(&rig, "welcome").is_some(), "it was still behind");
        rig.settle();
        if !resumes_first {
            rig.order("welcome", "resume", json!({}));
        }
        assert_eq!(rig.delivered("welcome"), "-b -d a c");
    }
}

/// Goal: under a pause that comes while a resuming flow waits for its index, new events replace what is left, as always.
#[test]
fn a_pause_while_the_index_is_made() {
    let mut rig = taken_over("a b a c");
    rig.command("welcome", "resume", json!({}));
    step_until(&mut rig, "resuming", |rig| rig.state("welcome") == "resuming");
    rig.send_all("welcome", "c");
    step_until(&mut rig, "held", |rig| rig.flow("welcome").counts.held().total() == 5);
    rig.command("welcome", "pause", json!({}));
    step_until(&mut rig, "paused", |rig| rig.state("welcome") == "paused");
    assert!(remaining(&rig, "welcome").is_some(), "it was still behind");
    rig.send_all("welcome", "b d");
    rig.settle();
    assert_eq!((remaining(&rig, "welcome"), rig.delivered("welcome").as_str()), (None, ""));
    rig.order("welcome", "resume", json!({}));
    // The event that came while it was resuming is replaced by nothing and replaces nothing.
    assert_eq!(rig.delivered("welcome"), "a c c b d");
}

/// Goal: a flow that resumes waits for its own index alone: one that is being made for a paused flow stands back, and goes on
/// afterwards from where it was.
#[test]
fn a_resuming_flow_comes_first() {
    let mut rig = Rig::new();
    rig.order("large", "pause", json!({}));
    rig.order("welcome", "pause", json!({}));
    for number in 0..MANY {
        rig.send("large", &format!("r{}", number % (MANY / 2)), "enroll");
    }
    for number in 0..1_000 {
        rig.send("welcome", &format!("r{}", number % 500), "enroll");
    }
    rig.settle();
    rig.crash("b");
    rig.memory.set_latency(Some(Box::new(|serving| match serving {
        Serving::Begin | Serving::New => 0,
        Serving::Poll => 50,
    })));
    step_until(&mut rig, "begun", |rig| remaining(rig, "large").is_some_and(|left| left < 4_900));
    let begun = count_queues_read(&rig);
    rig.command("welcome", "resume", json!({}));
    step_until(&mut rig, "live", |rig| rig.state("welcome") == "live");
    let left = remaining(&rig, "large").unwrap();
    assert!((4_500..4_900).contains(&left), "{left} are left");
    assert_eq!(rig.flow("welcome").counts.replaced.total(), 500);
    rig.settle();
    // The drain, and the index that stood back.
    assert_eq!((remaining(&rig, "large"), begun.load(Ordering::Relaxed)), (None, 2));
    rig.memory.set_latency(None);
    rig.order("large", "resume", json!({}));
    assert_eq!(rig.flow("large").counts.replaced.total(), u64::from(MANY / 2));
}

/// Goal: live events do not wait for an index that is being made.
#[test]
fn live_events_go_on_meanwhile() {
    let records: String = (0..400).map(|number| format!("r{number} ")).collect();
    let mut rig = taken_over(&records);
    for round in 1..=20 {
        rig.send_all("live", &format!("l{round}"));
        step_until(&mut rig, "delivered", |rig| rig.delivered("live").split_whitespace().count() == round);
    }
    assert!(remaining(&rig, "welcome").is_some_and(|left| left > 200), "{:?} are left", remaining(&rig, "welcome"));
    rig.settle();
}

/// Goal: an index that outgrows the budget is put off while its flow is paused, once and for all, and is made at the
/// resume, with whatever budget: in slices of the key space if it must.
#[test]
fn an_index_without_room_is_made_at_the_resume() {
    for taken_over in [false, true] {
        let mut rig = Rig::with(|options| options.index_bytes = 1_000);
        rig.order("welcome", "pause", json!({}));
        for number in 0..300 {
            rig.send("welcome", &format!("r{}", number % 100), "enroll");
        }
        rig.settle();
        if taken_over {
            rig.restart("b");
        }
        let begun = count_queues_read(&rig);
        for round in 0..20 {
            rig.send_all("welcome", &format!("s{round}"));
            rig.pass(Duration::from_secs(60));
        }
        assert_eq!((remaining(&rig, "welcome"), begun.load(Ordering::Relaxed)), (None, 0));
        rig.command("welcome", "resume", json!({"max_rate": 1_000}));
        let mut most = 0;
        step_until(&mut rig, "live", |rig| {
            most = most.max(remaining(rig, "welcome").unwrap_or_default());
            rig.state("welcome") == "live"
        });
        assert!(begun.load(Ordering::Relaxed) > 4 && most > 320, "{begun:?} passes, {most} entries at most");
        let expected: Vec<String> = (0..100).map(|n| format!("r{n}")).chain((0..20).map(|n| format!("s{n}"))).collect();
        assert_eq!(rig.delivered("welcome"), expected.join(" "));
    }
}

/// Goal: several flows that have no room beside each other come to their ends all the same.
#[test]
fn flows_without_room_resume_together() {
    let mut rig = Rig::with(|options| options.index_bytes = 1_500);
    let flows = ["one", "two", "three", "four"];
    for flow in flows {
        rig.order(flow, "pause", json!({}));
        for number in 0..200 {
            rig.send(flow, &format!("r{}", number % 90), "advance");
        }
    }
    rig.settle();
    rig.restart("b");
    for flow in flows {
        rig.command(flow, "resume", json!({"max_rate": 20}));
    }
    step_until(&mut rig, "resuming", |rig| flows.iter().all(|flow| rig.state(flow) == "resuming"));
    for flow in flows {
        rig.send_all(flow, "-r80 -r89");
    }
    rig.settle();
    for flow in flows {
        rig.run_until_live(flow);
        assert_eq!(rig.flow(flow).counts.replaced.total(), 112);
        assert_eq!(rig.flow(flow).counts.queued.total(), 200);
    }
}

/// Goal: what somebody deleted blocks its flow when that resumes, and nothing before: the index of a paused flow is tried
/// again, and nobody else's waits for it.
#[test]
fn a_topic_that_is_gone_holds_up_no_other_index() {
    for deleted in [false, true] {
        let mut rig = Rig::new();
        rig.whole = false;
        for flow in ["lost", "welcome"] {
            rig.order(flow, "pause", json!({}));
            rig.send_all(flow, "a b a");
        }
        rig.settle();
        let queue = rig.queue("lost");
        rig.crash("b");
        let mut admin = rig.memory.admin().unwrap();
        match deleted {
            true => admin.delete_topics(&[queue]).unwrap().remove(0).unwrap(),
            false => admin.delete_records(&[(queue, 2)]).unwrap().remove(0).unwrap(),
        }
        rig.settle();
        rig.pass(Duration::from_secs(30));
        assert_eq!((remaining(&rig, "welcome"), remaining(&rig, "lost")), (None, Some(3)));
        assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
        rig.order("welcome", "resume", json!({}));
        assert_eq!(rig.delivered("welcome"), "b a");
        rig.order("lost", "resume", json!({}));
        let obstacles = rig.workers[0].obstacles();
        assert!(
            obstacles.len() == 1
                && obstacles[0].contains(if deleted { "; at most 3 are lost" } else { "; 2 are lost" }),
            "{obstacles:?}"
        );
        assert_eq!(rig.delivered("lost"), "");
    }
}

/// Goal: a topic that goes while it is read blocks its flow, and the others' indexes are made.
#[test]
fn a_topic_that_goes_while_it_is_read() {
    let mut rig = taken_over("a b a c");
    rig.whole = false;
    read_up_to(&mut rig, 2);
    let queue = rig.queue("welcome");
    rig.memory.admin().unwrap().delete_topics(&[queue]).unwrap().remove(0).unwrap();
    rig.order("other", "pause", json!({}));
    rig.send_all("other", "x y x");
    rig.order("other", "resume", json!({}));
    assert_eq!((rig.delivered("other").as_str(), remaining(&rig, "welcome")), ("y x", Some(2)));
    rig.order("welcome", "resume", json!({}));
    assert!(rig.workers[0].obstacles()[0].contains("the topic is gone"), "{:?}", rig.workers[0].obstacles());
}

/// Goal: a partition that goes to another member takes its index with it: that one makes its own, from the beginning.
#[test]
fn a_partition_that_goes_while_its_index_is_made() {
    let mut rig = taken_over("a b a +a c b");
    rig.whole = true;
    read_up_to(&mut rig, 4);
    rig.start("c");
    rig.settle();
    rig.workers.remove(0);
    rig.wait(SESSION * 2);
    rig.settle();
    assert_eq!(remaining(&rig, "welcome"), None);
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "a +a c b");
}

/// Goal: an entry that the cleaner takes while the index is made is passed by no drain. Method: it is there when the flow
/// resumes, and gone before the index is read for.
#[test]
fn the_cleaner_comes_while_the_index_is_made() {
    for keeps_budget in [true, false] {
        let mut rig = Rig::new();
        rig.order("welcome", "pause", json!({}));
        rig.send_all("welcome", "a b a c b a");
        rig.settle();
        if !keeps_budget {
            rig.adjust = |options| options.index_bytes = 0;
        }
        rig.crash("b");
        rig.memory.set_latency(Some(Box::new(|serving| match serving {
            Serving::Begin | Serving::New => 0,
            Serving::Poll => 1,
        })));
        step_until(&mut rig, "taken over", |rig| rig.workers[0].is_ready());
        rig.command("welcome", "resume", json!({}));
        step_until(&mut rig, "resuming", |rig| rig.state("welcome") == "resuming");
        rig.clean();
        rig.settle();
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "c b a"));
    }
}

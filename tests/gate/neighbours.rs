//! No flow hurts its neighbours: what is blocked, slow, or cannot be made keeps nobody else waiting.

use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation, Tombstones};
use flowgate::broker::{Action, Admin, Broker, Code, Error};
use flowgate::mutant::{self, Mutant};
use serde_json::json;

use super::rig::{Rig, SESSION};

/// Flow ids of this partition.
fn at_home(rig: &Rig, partition: i32, how_many: usize) -> Vec<String> {
    (0..).map(|number| format!("flow-{number}")).filter(|flow| rig.home(flow) == partition).take(how_many).collect()
}

/// Goal: held events deleted by somebody block their own flow alone, visibly; it goes on holding; its neighbours in the
/// same partition live, pause and drain. After a restart too.
#[test]
fn deleted_entries_block_one_flow() {
    let mut rig = Rig::new();
    rig.whole = false;
    let flows = at_home(&rig, 1, 3);
    let [lost, live, other] = [&flows[0], &flows[1], &flows[2]];
    rig.order(lost, "pause", json!({}));
    rig.order(other, "pause", json!({}));
    rig.send_all(lost, "a b c");
    rig.send_all(other, "x y");
    rig.settle();
    let queue = rig.queue(lost);
    rig.memory.admin().unwrap().delete_records(&[(queue, 2)]).unwrap().remove(0).unwrap();
    rig.order(lost, "resume", json!({}));
    for _ in 0..2 {
        assert_eq!((rig.state(lost), rig.delivered(lost).as_str()), ("resuming", ""));
        let obstacles = rig.workers[0].obstacles();
        assert!(obstacles.len() == 1 && obstacles[0].contains(" are lost"), "{obstacles:?}");
        rig.send_all(lost, "d");
        rig.send_all(live, "l");
        rig.settle();
        assert!(rig.delivered(live).ends_with('l'));
        rig.restart("b");
    }
    assert_eq!(rig.flow(lost).counts.held().total(), 5);
    rig.order(other, "resume", json!({}));
    assert_eq!((rig.state(other), rig.delivered(other).as_str()), ("live", "x y"));
    rig.order(lost, "pause", json!({}));
    assert_eq!(rig.state(lost), "paused");
}

/// Goal: the whole topic deleted, before or while it is read, is told as well and hurts no live neighbour.
#[test]
fn a_deleted_queue_topic_blocks_one_flow() {
    for reading in [false, true] {
        let mut rig = Rig::new();
        rig.whole = false;
        let flows = at_home(&rig, 1, 2);
        let [lost, live] = [&flows[0], &flows[1]];
        rig.order(lost, "pause", json!({}));
        rig.send_all(lost, "a b c d e f");
        rig.settle();
        let queue = rig.queue(lost);
        if reading {
            rig.order(lost, "resume", json!({"max_rate": 1}));
        }
        rig.memory.admin().unwrap().delete_topics(&[queue]).unwrap().remove(0).unwrap();
        if !reading {
            rig.order(lost, "resume", json!({}));
        }
        rig.send_all(live, "l");
        rig.run_for(Duration::from_secs(20));
        assert_eq!(rig.delivered(live), "l");
        if !reading {
            assert!(rig.workers[0].obstacles()[0].contains("the topic is gone"), "{:?}", rig.workers[0].obstacles());
        }
    }
}

/// Goal: a queue topic that somebody deleted while its flow was live and nothing was in it is missed by nobody: what is
/// held next makes another one, of the next number. Method: as its maker knows it, and as another gate does.
#[test]
fn a_deleted_idle_queue_topic_is_replaced() {
    for another in [false, true] {
        let mut rig = Rig::new();
        let flows = at_home(&rig, 1, 2);
        let [idle, live] = [&flows[0], &flows[1]];
        rig.order(idle, "pause", json!({}));
        rig.send_all(idle, "a b -a");
        rig.order(idle, "resume", json!({}));
        assert_eq!(rig.state(idle), "live");
        let queue = rig.queue(idle);
        rig.memory.admin().unwrap().delete_topics(std::slice::from_ref(&queue)).unwrap().remove(0).unwrap();
        if another {
            rig.restart("b");
        }
        rig.order(idle, "pause", json!({}));
        rig.send_all(idle, "c -c d");
        rig.send_all(live, "l");
        rig.run_for(Duration::from_secs(20));
        assert_eq!(rig.delivered(live), "l");
        assert_ne!(rig.queue(idle), queue);
        assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
        rig.order(idle, "resume", json!({}));
        rig.run_until_live(idle);
        assert_eq!(rig.delivered(idle), "-a b -c d");
    }
}

/// A broker that has just come back says once that the first topic of a turn does not exist, and the producer believes it.
/// What is delivered of a flow after many more steps; `held`: the topic is its queue topic.
fn after_a_topic_was_missed(held: bool) -> (String, u64) {
    let mut rig = Rig::new();
    rig.whole = false;
    rig.send_all("welcome", "a");
    if held {
        rig.order("welcome", "pause", json!({}));
        rig.send_all("welcome", "b");
    }
    rig.settle();
    let before = rig.workers[0].stats().producers;
    let missed = Error::new(Action::Abort, Code::UnknownTopic, "no such topic");
    rig.memory.fail_next(Operation::Send, Fault::Fail(missed));
    rig.send_all("welcome", "c");
    if held {
        rig.run_for(Duration::from_secs(20));
        rig.order("welcome", "resume", json!({}));
    }
    for _ in 0..5_000 {
        rig.step(0).unwrap();
    }
    (rig.delivered("welcome"), rig.workers[0].stats().producers - before)
}

/// Goal: a producer that takes a topic for missing is replaced, for it would not ask again: a topic of the gate itself, and one
/// of a queue.
#[test]
fn a_producer_that_misses_a_topic_is_replaced() {
    assert_eq!(after_a_topic_was_missed(false), ("a c".to_owned(), 1));
    assert_eq!(after_a_topic_was_missed(true), ("a b c".to_owned(), 1));
    mutant::choose(Some(Mutant::ProducerKeptThatMissesATopic));
    let kept = after_a_topic_was_missed(false);
    mutant::choose(None);
    assert_eq!(kept, ("a".to_owned(), 0), "the test sees who keeps it");
}

/// Goal: a flow whose queue topic somebody deleted with events in it goes on holding, in another topic, and hurts no
/// neighbour; its drain is blocked however much comes into the new topic, and after a take-over too.
#[test]
fn a_flow_without_its_queue_topic_goes_on_holding() {
    for resumed in [false, true] {
        let mut rig = Rig::new();
        rig.whole = false;
        let flows = at_home(&rig, 1, 2);
        let [lost, live] = [&flows[0], &flows[1]];
        rig.order(lost, "pause", json!({}));
        rig.send_all(lost, "a b c");
        rig.settle();
        let queue = rig.queue(lost);
        rig.memory.admin().unwrap().delete_topics(std::slice::from_ref(&queue)).unwrap().remove(0).unwrap();
        if resumed {
            rig.order(lost, "resume", json!({}));
        }
        rig.send_all(lost, "d e f g h");
        rig.send_all(live, "l");
        rig.run_for(Duration::from_secs(60));
        assert_eq!(rig.delivered(live), "l");
        assert_ne!(rig.queue(lost), queue);
        assert_eq!(rig.flow(lost).counts.held().total(), 8);
        if !resumed {
            assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
            rig.order(lost, "resume", json!({}));
        }
        for _ in 0..2 {
            rig.send_all(lost, "i");
            rig.run_for(Duration::from_secs(30));
            assert_eq!((rig.state(lost), rig.delivered(lost).as_str()), ("resuming", ""));
            let obstacles = rig.workers[0].obstacles();
            assert!(obstacles.len() == 1 && obstacles[0].contains(" are lost"), "{obstacles:?}");
            rig.restart("b");
        }
    }
}

fn refuse(operation: Operation, subject: &'static str) -> Option<flowgate::broker::memory::Hook> {
    Some(Box::new(move |call: &Call<'_>| {
        (call.operation == operation && call.subject.contains(subject))
            .then(|| Fault::Fail(Error::new(Action::Stop, Code::Denied, "not authorised")))
    }))
}

/// Goal: where a queue topic cannot be created the events of its partition wait, visibly, and nothing else does: commands
/// and timers of that partition go on, all of the other partitions do; and it recovers by itself.
#[test]
fn a_queue_topic_that_cannot_be_made() {
    let mut rig = Rig::new();
    let flows = at_home(&rig, 1, 2);
    let elsewhere = at_home(&rig, 2, 1).remove(0);
    let [denied, live] = [&flows[0], &flows[1]];
    rig.send_all(live, "k");
    rig.order(denied, "pause", json!({"for_seconds": 5}));
    rig.memory.set_fault_hook(refuse(Operation::CreateTopics, "queue"));
    rig.send_all(denied, "a");
    rig.send_all(live, "l");
    for round in 0..12 {
        rig.send_all(&elsewhere, &format!("e{round}"));
        for _ in 0..300 {
            rig.step(0).unwrap();
        }
        rig.wait(Duration::from_millis(100));
    }
    assert!(rig.delivered(&elsewhere).ends_with("e10 e11"), "{}", rig.delivered(&elsewhere));
    assert_eq!(rig.delivered(live), "k");
    assert!(rig.workers[0].obstacles()[0].contains("cannot be made"), "{:?}", rig.workers[0].obstacles());
    rig.command(live, "pause", json!({}));
    for _ in 0..300 {
        rig.step(0).unwrap();
    }
    assert_eq!(rig.state(live), "paused", "commands go on");
    rig.memory.set_fault_hook(None);
    rig.wait(Duration::from_secs(2));
    rig.settle();
    rig.order(live, "resume", json!({}));
    rig.pass(Duration::from_secs(10));
    assert_eq!((rig.delivered(denied).as_str(), rig.delivered(live).as_str()), ("a", "k l"));
}

/// Goal: a queue whose broker does not answer keeps only its own flow from draining.
#[test]
fn a_queue_that_cannot_be_reached() {
    let mut rig = Rig::new();
    let flows = at_home(&rig, 1, 3);
    let [slow, live, drained] = [&flows[0], &flows[1], &flows[2]];
    for (flow, events) in [(slow, "a b"), (drained, "c d")] {
        rig.order(flow, "pause", json!({}));
        rig.send_all(flow, events);
    }
    rig.settle();
    let unreachable = rig.queue(slow);
    let away = Error::new(Action::Retry, Code::TimedOut, "no leader");
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        let is_of_queue = matches!(call.operation, Operation::Watermarks | Operation::Assign);
        (is_of_queue && call.subject == unreachable).then(|| Fault::Fail(away.clone()))
    })));
    for flow in [slow, drained] {
        rig.command(flow, "resume", json!({}));
    }
    for round in 0..5 {
        rig.send_all(live, &format!("l{round}"));
        for _ in 0..200 {
            rig.step(0).unwrap();
        }
    }
    assert_eq!((rig.delivered(live).as_str(), rig.state(slow)), ("l0 l1 l2 l3 l4", "resuming"));
    assert_eq!((rig.delivered(drained).as_str(), rig.state(drained)), ("c d", "live"));
    rig.memory.set_fault_hook(None);
    rig.settle();
    assert_eq!(rig.delivered(slow), "a b");
}

/// Goal: a live flow keeps its pace beside a drain limited to one record a second.
#[test]
fn a_slow_drain_slows_nobody() {
    let mut rig = Rig::new();
    let flows = at_home(&rig, 1, 2);
    let [slow, live] = [&flows[0], &flows[1]];
    rig.order(slow, "pause", json!({}));
    rig.send_all(slow, &(0..30).map(|n| format!("s{n} ")).collect::<String>());
    rig.order(slow, "resume", json!({"max_rate": 1}));
    let from = rig.now();
    for round in 0..200 {
        rig.send_all(live, &format!("l{round}"));
        rig.settle();
    }
    assert_eq!(rig.delivered(live).split(' ').count(), 200);
    assert!(rig.now().since(from) < Duration::from_secs(5));
    assert!(rig.delivered(slow).split(' ').count() < 8);
}

/// Goal: a live event does not wait until the drain beside it has filled the turn. Method: a millisecond passes with each step; how much
/// a turn passes that has the drain alone, and one that a live event comes into.
#[test]
fn a_drain_ends_its_turn_early_for_a_live_event() {
    let mut rig = Rig::with(|options| options.turn.slice = 5);
    let flows = at_home(&rig, 1, 2);
    let [big, live] = [flows[0].clone(), flows[1].clone()];
    rig.send_all(&live, "first");
    rig.order(&big, "pause", json!({}));
    let held: Vec<String> = (0..3_000).map(|number| format!("r{number}")).collect();
    rig.send_all(&big, &held.join(" "));
    rig.settle();
    rig.command(&big, "resume", json!({}));
    let turn = |rig: &mut Rig| {
        let before = rig.workers[0].stats().clone();
        while rig.workers[0].stats().turns == before.turns {
            rig.step(0).unwrap();
            rig.wait(Duration::from_millis(1));
        }
        let after = rig.workers[0].stats();
        (after.released - before.released, after.delivered - before.delivered)
    };
    while turn(&mut rig).0 == 0 {}
    let (alone, _) = turn(&mut rig);
    rig.send_all(&live, "second");
    let beside = loop {
        let (released, delivered) = turn(&mut rig);
        assert!(released > 0, "the drain is over");
        if delivered > 0 {
            break released;
        }
    };
    assert!(alone > 100 && beside < alone / 2, "{alone} alone, {beside} beside a live event");
    rig.settle();
    assert_eq!(rig.delivered(&big), held.join(" "));
}

/// Goal: with an index budget of 64 KiB a drain after a take-over delivers the newest of each of many repeated records,
/// a million entries, in slices; the cleaner may have been there; live neighbours go on meanwhile.
#[test]
fn a_million_repeated_records_with_a_small_index() {
    const ENTRIES: u32 = 1_000_000;
    const RECORDS: u32 = 5_000;
    let mut rig = Rig::with(|options| {
        options.index_bytes = 64 * 1024;
        options.turn.records = 50_000;
        options.turn.backlog = 50_000;
    });
    // The checker takes a million events too, but its time is better spent elsewhere.
    rig.whole = false;
    let flows = at_home(&rig, 1, 2);
    let [big, live] = [flows[0].clone(), flows[1].clone()];
    rig.order(&big, "pause", json!({}));
    let mut newest = vec![0; RECORDS as usize];
    let mut seed = 7_u32;
    for number in 0..ENTRIES {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let record = (seed >> 8) % RECORDS;
        newest[record as usize] = number;
        let value = format!("{{\"flow_id\":\"{big}\",\"record_id\":{record},\"n\":{number}}}");
        rig.publish(&super::rig::publication(&rig.topics.enrollments, Some(1), None, Some(value.as_bytes())));
        if number % 100_000 == 0 {
            rig.settle();
        }
    }
    rig.settle();
    let held = rig.flow(&big).counts.held().total();
    assert_eq!(held, u64::from(ENTRIES));
    // The cleaner comes to the older part of it.
    let removed = rig.memory.compact(&rig.queue(&big), 0, 950_000, Tombstones::Keep).unwrap();
    assert!(removed > 900_000);
    rig.workers.clear();
    rig.start("b");
    rig.wait(SESSION * 2);
    rig.settle();
    rig.command(&big, "resume", json!({}));
    let mut round = 0;
    while rig.state(&big) != "live" {
        round += 1;
        rig.send_all(&live, &format!("l{round}"));
        for _ in 0..20 {
            rig.step(0).unwrap();
        }
        assert!(round < 5_000, "{:?}", rig.workers[0].stats());
    }
    rig.settle();
    assert!(round > 5 && rig.delivered(&live).split(' ').count() == round);
    let mut expected: Vec<u32> = newest.clone();
    expected.sort_unstable();
    let records = rig.memory.dump(&rig.topics.records, 1, flowgate::broker::Isolation::ReadCommitted).unwrap();
    let delivered: Vec<u32> = records
        .iter()
        .filter_map(|record| serde_json::from_slice::<serde_json::Value>(record.value.as_deref()?).ok()?["n"].as_u64())
        .map(|number| u32::try_from(number).unwrap())
        .collect();
    assert!(delivered == expected, "{} delivered, {} expected", delivered.len(), expected.len());
    let counts = rig.flow(&big).counts;
    assert_eq!((counts.released.total(), counts.replaced.total()), (u64::from(RECORDS), u64::from(ENTRIES - RECORDS)));
}

/// Goal: an index that outgrows its budget while it holds, and while it drains, changes nothing of what comes out.
#[test]
fn a_dropped_index_changes_nothing() {
    for index_bytes in [0, 2_000, 1 << 20] {
        let mut rig = Rig::with(|options| options.turn.backlog = 7);
        rig.workers.clear();
        rig.adjust = if index_bytes == 0 {
            |options| options.index_bytes = 0
        } else if index_bytes == 2_000 {
            |options| options.index_bytes = 2_000
        } else {
            |options| options.index_bytes = 1 << 20
        };
        rig.start("a");
        rig.wait(SESSION * 2);
        rig.settle();
        for flow in ["one", "two"] {
            rig.order(flow, "pause", json!({}));
            for number in 0..120 {
                rig.send(flow, &format!("r{}", number * 7 % 40), if number % 3 == 0 { "advance" } else { "enroll" });
                if number % 10 == 0 {
                    rig.settle();
                }
            }
            rig.send_all(flow, "-r7 -r8");
            rig.order(flow, "resume", json!({"max_rate": 40}));
            for number in 9..30 {
                rig.send(flow, &format!("r{number}"), "withdraw");
            }
            rig.settle();
        }
        rig.run_until_live("one");
        rig.run_until_live("two");
    }
}

/// Goal: a pass over a queue that is broken off and begun again replaces nothing by itself.
#[test]
fn a_pass_that_is_broken_off() {
    let mut rig = Rig::with(|options| options.turn.records = 5);
    rig.order("welcome", "pause", json!({}));
    for number in 0..60 {
        rig.send("welcome", &format!("r{}", if number < 50 { number } else { number - 10 }), "enroll");
    }
    rig.settle();
    rig.crash("b");
    let gone = Error::new(Action::Retry, Code::UnknownTopic, "a topic that was being read is gone");
    let mut calls = 0;
    rig.settle();
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        calls += u32::from(call.operation == Operation::ReaderPoll);
        let due = call.operation == Operation::ReaderPoll && calls % 6 == 0 && calls < 140;
        due.then(|| Fault::Fail(gone.clone()))
    })));
    rig.order("welcome", "resume", json!({}));
    rig.run_until_live("welcome");
    rig.memory.set_fault_hook(None);
    assert_eq!(rig.delivered("welcome").split(' ').count(), 50);
}

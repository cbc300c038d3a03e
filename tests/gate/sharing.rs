//! Several workers: who has a partition, who thinks so, and what the group remembers.

use std::time::Duration;

use flowgate::broker::memory::{Call, Fault, Operation};
use flowgate::broker::{Action, Admin, Broker, Code, Error};
use flowgate::worker::Stop;
use serde_json::json;

use super::rig::{DAY, PARTITIONS, Rig, SESSION};

/// One for each partition, and one more.
const FLOWS: [&str; 4] = ["welcome", "b", "f", "cart"];

fn cover(rig: &Rig) {
    let homes: std::collections::BTreeSet<i32> = FLOWS.iter().map(|flow| rig.home(flow)).collect();
    assert_eq!(homes.len(), PARTITIONS as usize, "{homes:?}");
}

/// Goal: one joins and one leaves, five times, one step of each at a time, while events, pauses and drains go on: each
/// sum exact, order kept, nothing doubled (the checker), and everything delivered in the end.
#[test]
fn workers_join_and_leave_under_load() {
    for crash in [false, true] {
        let mut rig = Rig::with(|options| {
            options.turn.records = 6;
            options.turn.backlog = 4;
        });
        cover(&rig);
        let (mut sent, mut second) = (0, false);
        for round in 0..10 {
            for burst in 0..40 {
                for flow in FLOWS {
                    sent += 1;
                    rig.send(flow, &format!("r{}", sent % 37), if sent % 5 == 0 { "advance" } else { "enroll" });
                }
                let flow = FLOWS[(round + burst) % 4];
                match burst % 20 {
                    3 => {
                        drop(rig.command(flow, "pause", json!({"keep": if round % 2 == 0 { "all" } else { "latest" }})))
                    }
                    11 => drop(rig.command(flow, "resume", json!({"max_rate": 500}))),
                    17 => drop(rig.command(FLOWS[burst % 4], "resume", json!({}))),
                    _ => {}
                }
                // Interleaved unevenly, and the clock goes on.
                for step in 0..60 {
                    let index = if second && (step * 7 + burst) % 3 != 0 { 1 } else { 0 };
                    rig.step(index.min(rig.workers.len() - 1)).unwrap();
                }
                rig.wait(Duration::from_millis(20));
                if burst % 7 == 0 {
                    rig.clean();
                }
            }
            if second {
                let mut leaving = rig.workers.remove(round % 2);
                if !crash {
                    leaving.stop();
                    while leaving.step(rig.now()).unwrap() != flowgate::worker::Step::Left {}
                }
            } else {
                rig.start(if round % 4 == 0 { "b" } else { "c" });
            }
            second = !second;
        }
        rig.wait(SESSION * 2);
        rig.settle();
        for flow in FLOWS {
            rig.order(flow, "resume", json!({"release": "all"}));
            rig.run_until_live(flow);
        }
        assert!(rig.workers[0].stats().turns > 50);
    }
}

/// Goal: a process that hangs beyond its session in any phase, and goes on afterwards, makes nothing visible and deletes
/// nothing; the one that took over does everything once.
#[test]
fn a_thawed_zombie_does_nothing() {
    for phase in ["chores", "gather", "create", "leaders", "send", "acks", "offsets", "commit"] {
        for stage in ["holding", "draining"] {
            let mut rig = Rig::new();
            rig.order("welcome", "pause", json!({}));
            if stage == "draining" {
                rig.send_all("welcome", "a b c");
                rig.settle();
                rig.command("welcome", "resume", json!({}));
                // The turn that resumes.
                rig.step_to(0, "commit");
                rig.step(0).unwrap();
            } else {
                rig.send_all("welcome", "a b c");
            }
            if !rig.step_to(0, phase) {
                assert_eq!((phase, stage), ("create", "draining"), "every other phase is come to");
                continue;
            }
            rig.memory.freeze("a-0");
            let zombie = rig.workers.remove(0);
            rig.start("b");
            rig.wait(SESSION + Duration::from_secs(1));
            rig.settle();
            assert!(rig.workers[0].is_ready(), "{phase} {stage}");
            if stage == "draining" {
                assert_eq!((rig.delivered("welcome").as_str(), rig.state("welcome")), ("a b c", "live"));
            }
            rig.send_all("welcome", "d");
            rig.settle();
            let before: Vec<_> = [&rig.topics.records, &rig.topics.state, &rig.topics.audit, &rig.topics.discarded]
                .map(|topic| rig.read(topic))
                .into();
            let queue = rig.queue("welcome");
            let held = rig.read(&queue);
            rig.memory.thaw("a-0");
            rig.workers.insert(0, zombie);
            // As far as it gets until it has joined again, and nothing is moved back to it meanwhile.
            for _ in 0..200 {
                rig.step(0).unwrap();
                if rig.workers[0].phase() == "chores" && rig.workers[0].stats().turns == 0 {
                    break;
                }
                let after: Vec<_> = [&rig.topics.records, &rig.topics.state, &rig.topics.audit, &rig.topics.discarded]
                    .map(|topic| rig.read(topic))
                    .into();
                if rig.workers[0].is_ready() && rig.workers[0].phase() == "gather" {
                    break;
                }
                assert_eq!(after, before, "{phase} {stage}");
                assert_eq!(rig.read(&queue), held, "{phase} {stage}");
            }
            rig.settle();
            rig.order("welcome", "resume", json!({}));
            assert_eq!(rig.delivered("welcome"), "a b c d", "{phase} {stage}");
        }
    }
}

/// Goal: two processes under one name: the older one stops with a sentence when it notices.
#[test]
fn an_equal_fences() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.send_all("welcome", "b");
    assert!(rig.step_to(0, "acks"));
    let old = rig.workers.remove(0);
    rig.start("a");
    rig.step_to(0, "gather");
    rig.workers.insert(0, old);
    let mut stop = None;
    for _ in 0..50 {
        if let Err(error) = rig.step(0) {
            stop = Some(error);
            break;
        }
    }
    assert!(matches!(stop, Some(Stop::FencedByEqual(_))), "{stop:?}");
    assert_eq!(stop.unwrap().exit_code(), 4);
    rig.workers.remove(0);
    rig.wait(SESSION * 2);
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a b");
}

/// Goal: a partition that comes while another is being restored, which waits for somebody's transaction to end: both know
/// all of their flows afterwards, at whatever moment the transaction ends.
#[test]
fn partitions_that_join_together_lose_no_flow() {
    use flowgate::broker::{Outgoing, Producer, ProducerOptions, Transaction};
    for steps in (0..400).step_by(3) {
        let mut rig = Rig::new();
        cover(&rig);
        rig.settle();
        // Somebody's open transaction in the state of the last partition: nothing behind it can be read yet.
        let options = ProducerOptions::new("somebody", Duration::from_secs(3_600));
        let mut producer = rig.memory.producer(&options).unwrap();
        let topic = producer.topic(&rig.topics.state).unwrap();
        let Ok(mut transaction) = producer.begin() else { panic!("no transaction") };
        let record =
            Outgoing { topic, partition: 2, timestamp: None, key: Some(b"x"), value: Some(b"{}"), headers: &[] };
        transaction.send(&record, 0).unwrap();
        for flow in FLOWS {
            rig.command(flow, "pause", json!({}));
            rig.settle();
            rig.send_all(flow, "a");
        }
        rig.settle();
        // Two take over; then one of them dies, and its partitions come to one that is still restoring the last one.
        rig.crash("b");
        rig.start("c");
        for _ in 0..400 {
            rig.step(0).unwrap();
            rig.step(1).unwrap();
        }
        let waiting = usize::from(rig.workers[0].is_ready());
        rig.workers.remove(1 - waiting);
        rig.wait(SESSION + Duration::from_secs(1));
        for _ in 0..steps {
            rig.step(0).unwrap();
        }
        assert!(!rig.workers[0].is_ready());
        let _ = transaction.abort();
        rig.settle();
        for flow in FLOWS {
            rig.send_all(flow, "b");
            rig.settle();
            assert_eq!(rig.delivered(flow), "", "{flow} is paused; {steps} steps");
            rig.order(flow, "resume", json!({}));
            assert_eq!(rig.delivered(flow), "a b", "{flow}; {steps} steps");
        }
    }
}

/// Goal: after a clean stop the group's offsets may expire: the next start goes on from the records.
#[test]
fn offsets_may_expire_after_a_clean_stop() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.stop();
    rig.memory.forget_offsets(&rig.topics.group);
    rig.send_all("welcome", "b");
    rig.start("a");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a b");
    // The mark is gone with the first turn: from here on it is a crash again.
    rig.workers.clear();
    rig.memory.forget_offsets(&rig.topics.group);
    rig.start("a");
    rig.wait(SESSION * 2);
    let stop = patient(&mut rig);
    assert!(matches!(stop, Stop::PositionsLost(_)), "{stop}");
    assert_eq!(stop.exit_code(), 9);
    assert!(stop.to_string().contains("flowgate positions"), "{stop}");
}

fn patient(rig: &mut Rig) -> Stop {
    for _ in 0..100 {
        if let Err(stop) = rig.try_settle() {
            return stop;
        }
        rig.wait(Duration::from_secs(1));
    }
    panic!("it goes on");
}

/// Goal: a position that retention has passed, or one without a record, stops the gate too.
#[test]
fn positions_outside_of_the_log_stop_the_gate() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.workers.clear();
    rig.whole = false;
    rig.send_all("welcome", "b c");
    rig.memory.advance_to(rig.now().after(DAY * 8));
    rig.send_all("welcome", "d");
    rig.memory.retain(&rig.topics.enrollments).unwrap();
    rig.start("a");
    rig.wait(SESSION * 2);
    let stop = patient(&mut rig);
    assert!(matches!(&stop, Stop::PositionsLost(why) if why.contains("is not in its log")), "{stop}");
}

/// Goal: other numbers of partitions than those it began with stop the gate, before it touches anything: at the start,
/// and when they change under it.
#[test]
fn changed_partition_counts_stop_the_gate() {
    let make = |rig: &Rig, name: &str, partitions: i32| {
        let mut admin = rig.memory.admin().unwrap();
        let config = admin.topic_config(name).unwrap();
        admin.delete_topics(&[name.to_owned()]).unwrap().remove(0).unwrap();
        let topic = flowgate::broker::NewTopic { name: name.to_owned(), partitions, replication_factor: None, config };
        admin.create_topics(&[topic]).unwrap().remove(0).unwrap();
    };
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.stop();
    rig.whole = false;
    make(&rig, &rig.topics.records.clone(), 5);
    rig.start("a");
    rig.wait(SESSION * 2);
    let stop = patient(&mut rig);
    assert!(matches!(&stop, Stop::Topics(why) if why.contains("has 5 partitions and had 3")), "{stop}");
    assert_eq!(stop.exit_code(), 3);

    let mut rig = Rig::new();
    rig.whole = false;
    rig.settle();
    make(&rig, &rig.topics.enrollments.clone(), 4);
    let stop = patient(&mut rig);
    assert!(matches!(&stop, Stop::Topics(why) if why.contains("now has more")), "{stop}");
}

/// Goal: a missing topic is named at the start.
#[test]
fn a_missing_topic_stops_the_gate() {
    let mut rig = Rig::without_worker(|_| {});
    rig.whole = false;
    let audit = rig.topics.audit.clone();
    rig.memory.admin().unwrap().delete_topics(&[audit]).unwrap().remove(0).unwrap();
    rig.start("a");
    let stop = patient(&mut rig);
    assert!(matches!(&stop, Stop::Topics(why) if why.contains("`flow.audit` does not exist")), "{stop}");
}

/// Goal: a wrong password is told at once.
#[test]
fn refused_authentication_stops_the_gate() {
    let mut rig = Rig::new();
    let refused = Error::new(Action::Stop, Code::Authentication, "SASL authentication failed");
    rig.memory.fail_next(Operation::Join, Fault::Fail(refused));
    let stop = rig.try_settle().unwrap_err();
    assert_eq!(stop.exit_code(), 6);
}

/// Goal: while the clock is off by more than a minute no deadline is set or fired; nothing is lost, and when it is right
/// again everything goes on at once, however far it was off, into either direction.
#[test]
fn a_wrong_clock_sets_no_deadline() {
    for off in [-3_600_000, -61_000, 61_000, 3_600_000] {
        let mut rig = Rig::new();
        rig.send_all("welcome", "a");
        rig.settle();
        rig.clock = off;
        rig.command("welcome", "pause", json!({}));
        rig.send_all("welcome", "b");
        let mut told = false;
        for _ in 0..3_000 {
            rig.step(0).unwrap();
            let tells = rig.workers[0].obstacles().iter().any(|why| why.contains("clock"));
            assert!(tells || !told, "it stands while it is tried again");
            told = tells;
        }
        assert!(told);
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a"), "{off}");
        assert!(rig.workers[0].stats().aborts > 1);
        rig.clock = 0;
        let from = rig.now();
        rig.wait(Duration::from_secs(6));
        rig.settle();
        assert!(rig.now().since(from) < Duration::from_secs(20), "at once");
        assert_eq!(rig.workers[0].obstacles(), Vec::<String>::new());
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("paused", "a"), "{off}");
        let deadline = rig.flow("welcome").deadline().unwrap();
        rig.send_all("welcome", "c");
        rig.settle();
        // The timer neither.
        rig.memory.advance_to(deadline.before(Duration::from_secs(120)));
        rig.clock = off;
        for _ in 0..500 {
            rig.step(0).unwrap();
        }
        assert_eq!(rig.state("welcome"), "paused", "{off}");
        rig.clock = 0;
        rig.memory.advance_to(deadline.after(Duration::from_secs(1)));
        rig.wait(Duration::from_secs(6));
        rig.settle();
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b c"), "{off}");
    }
}

/// Goal: a clean stop is one turn, also when its first try aborts.
#[test]
fn a_stop_that_aborts_is_tried_again() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    let mut left = 2;
    rig.memory.set_fault_hook(Some(Box::new(move |call: &Call<'_>| {
        let due = call.operation == Operation::Commit && left > 0;
        left -= i32::from(due);
        due.then(|| Fault::Fail(Error::new(Action::Abort, Code::Other, "a test")))
    })));
    rig.stop();
    rig.memory.set_fault_hook(None);
    rig.memory.forget_offsets(&rig.topics.group);
    rig.start("b");
    rig.send_all("welcome", "b");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "a b");
}

/// Goal: two that are told to stop at once both do, in good order: the second one's group moves on while it stops.
#[test]
fn two_stop_at_once() {
    let mut rig = Rig::new();
    cover(&rig);
    rig.start("b");
    for flow in FLOWS {
        rig.send_all(flow, "a");
    }
    rig.settle();
    // One of them hangs in its last turn while the other one leaves.
    rig.workers[0].stop();
    assert!(rig.step_to(0, "offsets"));
    let hanging = rig.workers.remove(0);
    rig.stop();
    rig.workers.push(hanging);
    rig.stop();
    rig.memory.forget_offsets(&rig.topics.group);
    rig.start("c");
    for flow in FLOWS {
        rig.send_all(flow, "b");
    }
    rig.settle();
    for flow in FLOWS {
        assert_eq!(rig.delivered(flow), "a b", "{flow}");
    }
}

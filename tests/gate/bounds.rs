//! Commands that wait: a turn takes a bounded number of them, all of them come before any timer and any event, and who does
//! not need them again does not read them again.

use std::time::Duration;

use flowgate::broker::memory::{Fault, Operation};
use flowgate::broker::{Action, Code, Error};
use flowgate::flow::State;
use serde_json::json;

use super::rig::{PARTITIONS, Rig, SESSION};

/// What a turn takes at most.
const MOST: u64 = 1_000;

/// Steps the worker until it has nothing to do; the most commands that one turn has answered.
fn most_commands_of_a_turn(rig: &mut Rig) -> u64 {
    let (mut most, mut before) = (0, rig.workers[0].stats().commands);
    while !rig.step(0).unwrap() {
        let now = rig.workers[0].stats().commands;
        most = most.max(now - before);
        before = now;
    }
    most
}

fn noise(rig: &mut Rig, count: u32) {
    for number in 0..count {
        rig.command(["welcome", "b", "cart"][number as usize % 3], "resume", json!({}));
    }
}

/// Goal: however many commands wait for a gate that was down, a turn takes a bounded number of them.
#[test]
fn twenty_thousand_commands_take_many_turns() {
    let mut rig = Rig::new();
    rig.settle();
    rig.stop();
    noise(&mut rig, 20_000);
    rig.start("b");
    let most = most_commands_of_a_turn(&mut rig);
    assert!((MOST / 4..=MOST).contains(&most), "{most} in one turn");
    assert_eq!(rig.answers().len(), 20_000);
    assert!(rig.workers[0].is_ready());
}

/// Goal: a timer does not expire before a command that was recorded earlier, be it behind thousands of others. Method: the
/// gate is down, hangs, or meets a failing commit at each turn while the deadline passes; what is held would be discarded.
#[test]
fn a_timer_waits_for_every_command_recorded_before_it() {
    for way in ["down", "hangs", "aborts"] {
        let mut rig = Rig::new();
        rig.order("welcome", "pause", json!({"for_seconds": 5, "on_expiry": "discard"}));
        rig.send_all("welcome", "a b c");
        rig.settle();
        if way == "down" {
            rig.stop();
        }
        rig.wait(Duration::from_secs(3));
        noise(&mut rig, 1);
        for number in 0..3_500 {
            rig.command(["b", "cart"][number % 2], "resume", json!({}));
        }
        rig.command("cart", "pause", json!({}));
        rig.send_all("cart", "held");
        rig.wait(Duration::from_secs(30));
        if way == "down" {
            rig.start("b");
        }
        if way == "aborts" {
            for after in 0..4 {
                let error = Error::new(Action::Abort, Code::Other, "refused");
                rig.memory.fail_next(Operation::Commit, Fault::Fail(error));
                let turns = rig.workers[0].stats().turns;
                while rig.workers[0].stats().turns == turns {
                    rig.step(0).unwrap();
                }
                assert_eq!(rig.workers[0].stats().aborts, after + 1);
            }
        }
        assert!(most_commands_of_a_turn(&mut rig) <= MOST, "{way}");
        assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("a b c", ""), "{way}");
        assert_eq!((rig.state("cart"), rig.delivered("cart").as_str()), ("paused", ""), "{way}");
    }
}

/// Goal: events go on although commands keep coming, more of them than a turn takes.
#[test]
fn endless_commands_do_not_stop_the_events() {
    let mut rig = Rig::new();
    rig.settle();
    rig.send_all("cart", "a");
    for _ in 0..20 {
        noise(&mut rig, MOST as u32 + 200);
        let turns = rig.workers[0].stats().turns;
        while rig.workers[0].stats().turns == turns {
            rig.step(0).unwrap();
        }
    }
    assert_eq!(rig.delivered("cart"), "a");
    rig.settle();
}

/// Goal: the control position of a partition that no command concerns moves within a minute; so neither an abort nor a new
/// owner reads everything again.
#[test]
fn an_idle_partition_does_not_keep_commands() {
    let mut rig = Rig::new();
    rig.settle();
    let home = rig.home("welcome");
    for _ in 0..300 {
        rig.command("welcome", "resume", json!({}));
    }
    rig.settle();
    let idle: Vec<i32> = (0..PARTITIONS).filter(|partition| *partition != home).collect();
    assert!(idle.iter().all(|partition| rig.control_position(*partition) == 0), "once a minute, and not before");
    rig.pass(Duration::from_secs(61));
    for partition in 0..PARTITIONS {
        assert_eq!(rig.control_position(partition), 300, "partition {partition}");
    }
    // Nothing new: nothing is written.
    let turns = rig.workers[0].stats().turns;
    rig.pass(Duration::from_secs(61));
    assert_eq!(rig.workers[0].stats().turns, turns);
    // The position is right: what comes next is applied, and after a crash too.
    let flows: Vec<&str> = ["b", "cart", "f", "again"].into_iter().filter(|flow| rig.home(flow) != home).collect();
    assert!(rig.order(flows[0], "pause", json!({})).starts_with("applied"));
    rig.wait(SESSION);
    rig.restart("b");
    assert!(matches!(rig.flow(flows[0]).state, State::Paused(_)));
    assert!(rig.order(flows[0], "resume", json!({})).starts_with("applied"));
}

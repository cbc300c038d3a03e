//! Flows that go on being written to while they drain: full turns of them, by records and by bytes, and many at once.

use flowgate::mutant::{self, Mutant};
use flowgate::worker::Options;
use serde_json::json;

use super::rig::Rig;

/// A flow of which `held` events are held is resumed, and `arriving` more come before every turn, each with so many bytes of
/// padding. How many turns it takes until the flow is live; `None`: more than `limit`.
fn turns_until_live(adjust: fn(&mut Options), (held, arriving): (u32, u32), padding: usize, limit: u32) -> Option<u32> {
    let mut rig = Rig::with(adjust);
    rig.order("welcome", "pause", json!({}));
    let mut next = 0;
    let mut arrive = |rig: &Rig, count: u32| {
        for _ in 0..count {
            let value = json!({"flow_id": "welcome", "record_id": format!("r{next}"), "padding": "x".repeat(padding)});
            rig.send_value("welcome", &value);
            next += 1;
        }
    };
    arrive(&rig, held);
    rig.settle();
    rig.command("welcome", "resume", json!({}));
    let mut turns = 0;
    while rig.workers[0].snapshot().resuming.flows == 0 {
        rig.step(0).unwrap();
    }
    while rig.workers[0].snapshot().resuming.flows > 0 {
        arrive(&rig, arriving);
        let before = rig.workers[0].stats().turns;
        while rig.workers[0].stats().turns == before {
            rig.step(0).unwrap();
        }
        turns += 1;
        if turns > limit {
            // What is left is of no interest to the checker.
            rig.whole = false;
            return None;
        }
    }
    rig.settle();
    let delivered = rig.delivered("welcome");
    let numbers: Vec<u32> = delivered.split(' ').map(|id| id[1..].parse().unwrap()).collect();
    assert_eq!(numbers, (0..next).collect::<Vec<_>>(), "in the order of arrival");
    Some(turns)
}

fn few_records(options: &mut Options) {
    options.turn.records = 20;
    options.turn.backlog = 5;
}

fn few_bytes(options: &mut Options) {
    options.turn.bytes = 20_000;
}

/// Goal: a drain ends while each turn is filled by records of its flow, however many entries a turn passes otherwise. Method:
/// a turn passes twice what the turn before held, so a backlog of 25 turns is gone after 25 turns and a few.
#[test]
fn a_drain_outruns_turns_full_of_records() {
    let turns = turns_until_live(few_records, (500, 20), 0, 40);
    assert!(turns.is_some(), "the drain does not end");
}

/// Goal: the same where bytes end each turn.
#[test]
fn a_drain_outruns_turns_full_of_bytes() {
    let turns = turns_until_live(few_bytes, (500, 25), 1_000, 40);
    assert!(turns.is_some(), "the drain does not end");
}

/// Goal: the same with turns as large as they are by default, and records of 900 KB.
#[test]
fn a_drain_outruns_turns_full_of_large_records() {
    let turns = turns_until_live(|_| {}, (90, 19), 900_000, 12);
    assert!(turns.is_some(), "the drain does not end");
}

/// Goal: these tests see a drain whose budget does not grow with what is held.
#[test]
fn a_drain_that_does_not_grow_is_seen() {
    mutant::choose(Some(Mutant::DrainDoesNotOutrunItsFlow));
    let turns = [turns_until_live(few_records, (500, 20), 0, 200), turns_until_live(few_bytes, (500, 25), 1_000, 200)];
    mutant::choose(None);
    assert_eq!(turns, [None, None]);
}

/// Goal: however many flows drain at once, in however many partitions, a turn stays small: by bytes, and by entries. And
/// each of them comes to its end.
#[test]
fn many_drains_share_a_turn() {
    for (padding, most) in [(10_000, 4), (0, 40)] {
        let mut rig = Rig::with(|options| {
            options.turn.bytes = 30_000;
            options.turn.backlog = 30;
        });
        let flows: Vec<String> = (0..30).map(|number| format!("flow-{number}")).collect();
        for flow in &flows {
            rig.command(flow, "pause", json!({}));
        }
        rig.settle();
        for record in 0..4 {
            for flow in &flows {
                let value = json!({"flow_id": flow, "record_id": format!("{record}"), "padding": "x".repeat(padding)});
                rig.send_value(flow, &value);
            }
        }
        rig.settle();
        for flow in &flows {
            rig.command(flow, "resume", json!({}));
        }
        let mut released = rig.workers[0].stats().released;
        while rig.workers[0].stats().released < 120 {
            rig.step(0).unwrap();
            let now = rig.workers[0].stats().released;
            assert!(now - released <= most, "{} released in one turn", now - released);
            released = now;
        }
        rig.settle();
        for flow in &flows {
            assert_eq!((rig.state(flow), rig.delivered(flow).as_str()), ("live", "0 1 2 3"));
        }
    }
}

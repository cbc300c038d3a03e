//! Flows that go on being written to while they drain: full turns of them, by records and by bytes, and many at once.

use std::time::Duration;

use flowgate::broker::memory::Serving;
use flowgate::mutant::{self, Mutant};
use flowgate::worker::Options;
use serde_json::{Value, json};

use super::rig::Rig;

/// How long each turn takes.
const TURN: Duration = Duration::from_millis(10);

/// A flow that is resumed while events of it arrive.
struct Hot {
    options: fn(&mut Options),
    resume: Value,
    held: u32,
    /// Before every turn.
    arriving: u32,
    /// Bytes in each event.
    padding: usize,
    /// Polls that bring nothing of what has just been committed, unless they wait.
    empty_polls: usize,
}

impl Default for Hot {
    fn default() -> Self {
        Self { options: |_| {}, resume: json!({}), held: 500, arriving: 20, padding: 0, empty_polls: 0 }
    }
}

impl Hot {
    /// How many turns it takes until the flow is live; `None`: more than `limit`.
    fn turns_until_live(&self, limit: u32) -> Option<u32> {
        let mut rig = Rig::with(self.options);
        rig.order("welcome", "pause", json!({}));
        let mut next = 0;
        let mut arrive = |rig: &Rig, count: u32| {
            for _ in 0..count {
                let padding = "x".repeat(self.padding);
                rig.send_value(
                    "welcome",
                    &json!({"flow_id": "welcome", "record_id": format!("r{next}"), "padding": padding}),
                );
                next += 1;
            }
        };
        arrive(&rig, self.held);
        rig.settle();
        let empty_polls = self.empty_polls;
        rig.memory.set_latency(Some(Box::new(move |serving| match serving {
            Serving::Begin => 0,
            Serving::New => empty_polls,
            Serving::Poll => usize::MAX,
        })));
        rig.command("welcome", "resume", self.resume.clone());
        let mut turns = 0;
        while rig.workers[0].snapshot().resuming.flows == 0 {
            rig.step(0).unwrap();
        }
        while rig.workers[0].snapshot().resuming.flows > 0 {
            arrive(&rig, self.arriving);
            let before = rig.workers[0].stats().turns;
            while rig.workers[0].stats().turns == before {
                rig.step(0).unwrap();
            }
            rig.wait(TURN);
            turns += 1;
            if turns > limit {
                // What is left is of no interest to the checker.
                rig.whole = false;
                return None;
            }
        }
        rig.memory.set_latency(None);
        rig.settle();
        let delivered = rig.delivered("welcome");
        let numbers: Vec<u32> = delivered.split(' ').map(|id| id[1..].parse().unwrap()).collect();
        assert_eq!(numbers, (0..next).collect::<Vec<_>>(), "in the order of arrival");
        Some(turns)
    }
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
    let turns = Hot { options: few_records, ..Hot::default() }.turns_until_live(40);
    assert!(turns.is_some(), "the drain does not end");
}

/// Goal: the same with a rate above that of what arrives: 20 in 10 ms. A rate below it is kept to, and never ends.
#[test]
fn a_drain_with_a_rate_outruns_what_arrives_more_slowly() {
    let with = |rate: u32| Hot { options: few_records, resume: json!({"max_rate": rate}), ..Hot::default() };
    assert!(with(4_000).turns_until_live(60).is_some(), "the drain does not end");
    assert_eq!(with(1_900).turns_until_live(600), None);
}

/// Goal: so does one of many, of which each may read ahead less than arrives in a turn. Method: less room for one.
#[test]
fn a_drain_with_a_rate_reads_what_it_takes_to_outrun_its_flow() {
    let options = |options: &mut Options| {
        few_records(options);
        options.turn.ahead = 20;
    };
    let hot = Hot { options, resume: json!({"max_rate": 20_000}), held: 100, ..Hot::default() };
    assert!(hot.turns_until_live(60).is_some(), "the drain does not end");
}

/// Goal: what a turn has held can be read only a moment behind it, and events arrive in each turn: the drain waits for that, with a
/// rate as without one, and ends. Method: without waiting, no turn would ever have all that is held.
#[test]
fn a_drain_waits_for_what_the_turn_before_has_held() {
    for resume in [json!({}), json!({"max_rate": 20_000})] {
        let hot = Hot {
            options: few_records,
            resume: resume.clone(),
            held: 50,
            arriving: 5,
            empty_polls: 3,
            ..Hot::default()
        };
        assert!(hot.turns_until_live(60).is_some(), "resumed with {resume}: the drain does not end");
    }
}

/// Goal: the same where bytes end each turn.
#[test]
fn a_drain_outruns_turns_full_of_bytes() {
    let turns = Hot { options: few_bytes, arriving: 25, padding: 1_000, ..Hot::default() }.turns_until_live(40);
    assert!(turns.is_some(), "the drain does not end");
}

/// Goal: the same with turns as large as they are by default, and records of 900 KB.
#[test]
fn a_drain_outruns_turns_full_of_large_records() {
    let turns = Hot { held: 90, arriving: 19, padding: 900_000, ..Hot::default() }.turns_until_live(12);
    assert!(turns.is_some(), "the drain does not end");
}

/// Goal: these tests see a drain whose budget does not grow with what is held.
#[test]
fn a_drain_that_does_not_grow_is_seen() {
    mutant::choose(Some(Mutant::DrainDoesNotOutrunItsFlow));
    let records = Hot { options: few_records, ..Hot::default() };
    let bytes = Hot { options: few_bytes, arriving: 25, padding: 1_000, ..Hot::default() };
    let turns = [records, bytes].map(|hot| hot.turns_until_live(200));
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

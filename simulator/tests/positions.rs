//! Goal: an offset that lies before what a partition's record says is never gone on from. Method: offsets set back by hand, to
//! where going on from them does no harm that anything else would see: over the marker of a transaction.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::time::Duration;

use flowgate::broker::{Admin, Broker, Offset};
use flowgate::mutant::{self, Mutant};
use flowgate_simulator::generate;
use flowgate_simulator::plan::{Event, Op};
use flowgate_simulator::trace::Trace;
use flowgate_simulator::world::World;
use serde_json::json;

/// The home of the flow `f` among three partitions, and another one.
const HOME: i32 = 0;
const ELSEWHERE: i32 = 1;

/// A gate sends an event on to its home and delivers it there, stops, and somebody sets the offset back behind that event
/// alone; then it starts again.
fn set_back() -> Result<(), String> {
    let mut plan = generate::plan(0);
    (plan.shape.records_bytes, plan.shape.turn_records) = (None, 40);
    let mut world = World::new(&plan, Trace::default())?;
    let value = json!({"flow_id": "f", "record_id": "1"}).to_string().into_bytes();
    let event = Event { flow: "f", value, partition: Some(ELSEWHERE), key: true, timestamp: None, headers: &[] };
    let step = || Op::Step { machine: 0, steps: 200 };
    for op in [Op::Start { machine: 0 }, step(), Op::Send(event), step(), Op::Wait(61_000), step()] {
        world.apply(&op)?;
    }
    for op in [Op::Stop { machine: 0 }, step()] {
        world.apply(&op)?;
    }
    let (group, topic) = (world.topics.group.clone(), world.topics.enrollments.clone());
    let offset = || world.memory.committed(&group, &topic, HOME).unwrap().offset;
    assert_eq!(offset(), 2, "an event, and the marker of the turn that sent it on");
    let back = Offset { topic: topic.as_str().into(), partition: HOME, offset: 1, metadata: String::new() };
    world.memory.admin().unwrap().set_group_offset(&group, &back).unwrap();
    world.wait(Duration::from_secs(60));
    for op in [Op::Start { machine: 0 }, step(), Op::Wait(6_000), step(), Op::Wait(6_000), step()] {
        world.apply(&op)?;
    }
    world.settle_for_good()?;
    let mut log = world.archive.log(&world.memory, &world.topics)?;
    log.never_too_large = None;
    let others = flowgate_checker::check(&log).anomalies;
    assert_eq!(others, [], "nothing else sees it");
    Ok(())
}

#[test]
fn a_gate_ends_when_offsets_were_set_back() {
    let why = set_back().unwrap_err();
    assert!(why.starts_with("a worker stops: the input positions are lost"), "{why}");
}

#[test]
fn one_that_goes_on_is_seen() {
    mutant::choose(Some(Mutant::PositionBehindTheRecordAccepted));
    let why = set_back().unwrap_err();
    mutant::choose(None);
    assert!(why.contains("committed offset 1 of partition 0, whose record says that 2 was reached"), "{why}");
}

//! What is noted of events that belong to traces: only what holds, and nothing of what is no trace.

use flowgate::broker::memory::{Fault, Operation};
use flowgate::broker::{Action, Code, Error, Header, Publication};
use flowgate::schema::trace_parent::Sampling;
use flowgate::worker::{Fate, TracedCommand, TracedEvent, TracedTurn};
use serde_json::json;

use crate::rig::Rig;

fn traced() -> Rig {
    Rig::with(|options| options.sampling = Sampling::share(1.0))
}

/// `trace`: its last two digits.
fn parent(trace: u8) -> String {
    format!("00-4bf92f3577b34da6a3ce929d0e0e47{trace:02x}-00f067aa0ba902b7-01")
}

/// An event with these values of the header.
fn send(rig: &Rig, flow: &str, record: &str, parents: &[&str]) {
    let value = json!({"flow_id": flow, "record_id": record}).to_string();
    let headers: Vec<Header> = parents.iter().map(|parent| Header::new("traceparent", (*parent).to_owned())).collect();
    rig.publish(&Publication {
        topic: &rig.topics.enrollments,
        partition: Some(rig.home(flow)),
        timestamp: None,
        key: Some(flow.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &headers,
    });
}

fn noted(rig: &mut Rig) -> Vec<TracedTurn> {
    rig.workers[0].take_traced().collect()
}

fn events(turns: &[TracedTurn]) -> Vec<(u8, Fate, Option<u64>)> {
    let event =
        |event: &TracedEvent| (event.parent.trace_id[15], event.fate, event.hold.as_ref().map(|hold| hold.entry));
    turns.iter().flat_map(|turn| &turn.events).map(event).collect()
}

/// Goal: each way of an event is noted once, with where it comes from, and commands with what was said to them.
#[test]
fn live_held_replaced_and_released_events_are_noted() {
    let mut rig = traced();
    send(&rig, "welcome", "1", &[&parent(1)]);
    send(&rig, "welcome", "2", &[]);
    rig.settle();
    let turns = noted(&mut rig);
    assert_eq!(events(&turns), [(1, Fate::Delivered, None)]);
    let [turn] = &turns[..] else { panic!("{turns:?}") };
    assert_eq!((turn.events[0].flow.as_ref().unwrap().as_str(), turn.events[0].offset), ("welcome", 0));
    assert!(turn.delivered == 2 && turn.commands.is_empty() && turn.began <= turn.ended);

    rig.order("welcome", "pause", json!({}));
    rig.settle();
    let turns = noted(&mut rig);
    let commands: Vec<&TracedCommand> = turns.iter().flat_map(|turn| &turn.commands).collect();
    let [command] = commands[..] else { panic!("{turns:?}") };
    assert_eq!((command.id.as_str(), command.action.as_str(), command.verdict), ("c1", "pause", "applied"));
    assert_eq!(command.parent, None);

    // One that leads nowhere, one that its sender does not want recorded, two that make the last one count.
    for parents in [&["00-0-0-01"][..], &[&parent(9).replace("b7-01", "b7-00")], &[&parent(9), "none"]] {
        send(&rig, "welcome", "3", parents);
    }
    send(&rig, "welcome", "4", &[&parent(2)]);
    send(&rig, "welcome", "4", &[&parent(8), &parent(3)]);
    rig.settle();
    assert_eq!(events(&noted(&mut rig)), [(2, Fate::Held, Some(4)), (3, Fate::Held, Some(5))]);
    let held_at = rig.now();
    rig.wait(std::time::Duration::from_secs(3600));
    rig.order("welcome", "resume", json!({}));
    rig.settle();
    let turns = noted(&mut rig);
    assert_eq!(events(&turns), [(2, Fate::Replaced, Some(4)), (3, Fate::Released, Some(5))]);
    let released = turns.iter().flat_map(|turn| &turn.events).next_back().unwrap();
    let hold = released.hold.as_ref().unwrap();
    assert!(hold.since <= held_at && rig.now().since(hold.since).as_secs() >= 3600);
    // The header goes on as it came, with all its kind.
    let parents: Vec<Vec<String>> = rig
        .read(&rig.topics.records)
        .iter()
        .map(|record| {
            let own = record.headers.iter().filter(|header| header.name == "traceparent");
            own.map(|header| String::from_utf8(header.value.clone().unwrap().to_vec()).unwrap()).collect()
        })
        .collect();
    assert_eq!(parents, [vec![parent(1)], vec![], vec![parent(9), "none".to_owned()], vec![parent(8), parent(3)]]);
}

/// Goal: what a turn noted that did not hold is never told, and what is made again once. Method: each call of it fails once, and the
/// process dies before each.
#[test]
fn an_aborted_turn_tells_nothing() {
    for call in [Operation::Send, Operation::SendOffsets, Operation::Commit] {
        let mut rig = traced();
        rig.settle();
        noted(&mut rig);
        send(&rig, "welcome", "1", &[&parent(1)]);
        rig.memory.fail_next(call, Fault::Fail(Error::new(Action::Abort, Code::Other, "a test")));
        rig.settle();
        assert_eq!(events(&noted(&mut rig)), [(1, Fate::Delivered, None)], "{call:?}");
    }
    for phase in ["send", "acks", "offsets", "commit"] {
        let mut rig = traced();
        rig.settle();
        noted(&mut rig);
        send(&rig, "welcome", "1", &[&parent(1)]);
        assert!(rig.step_to(0, phase), "{phase}");
        rig.crash("a");
        rig.settle();
        assert_eq!(events(&noted(&mut rig)), [(1, Fate::Delivered, None)], "{phase}");
    }
}

/// Goal: a gate that traces nothing notes nothing, and one turn notes no more than it may.
#[test]
fn nothing_is_noted_where_nothing_is_traced_and_a_turn_notes_a_thousand() {
    let mut rig = Rig::new();
    send(&rig, "welcome", "1", &[&parent(1)]);
    rig.order("welcome", "pause", json!({}));
    rig.settle();
    assert!(noted(&mut rig).is_empty());
    let mut rig = traced();
    (0..1_500).for_each(|record| send(&rig, "welcome", &record.to_string(), &[&parent(1)]));
    rig.settle();
    let turns = noted(&mut rig);
    let (events, missed) = (turns.iter().map(|turn| turn.events.len()), turns.iter().map(|turn| turn.missed));
    assert!(turns.iter().all(|turn| turn.events.len() <= 1_000));
    assert_eq!(events.sum::<usize>() as u64 + missed.sum::<u64>(), 1_500);
}

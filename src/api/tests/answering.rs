//! The answers to commands, asked for later than the states remember them.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::broker::memory::{Call, Operation};
use crate::broker::murmur2::partition_for;
use crate::broker::{Abort, Admin, Broker, Publication, Publisher, Transaction};
use crate::cli::tests::Gate;
use crate::cli::tests::redrive::left_open;
use crate::client::control::store;
use crate::flow::{Action, AuditEvent, Command, CommandId, Expect, Happening, Outcome, Position, ResumeOrder, Target};
use crate::schema::audit;

fn resume(target: &Target, id: &str) -> Command {
    Command {
        id: CommandId::new(id).unwrap(),
        target: target.clone(),
        action: Action::Resume(ResumeOrder::default()),
        issued_by: "ops".to_owned(),
        issued_at: None,
        reason: None,
        expect: Expect::default(),
    }
}

/// So many commands that a state remembers none of them in the end but the last ones; all are answered.
fn many(place: &Place, gate: &Gate, target: &Target, count: usize) {
    let all: Vec<Command> = (0..count).map(|number| resume(target, &format!("c{number}"))).collect();
    store(&mut place.memory.publisher().unwrap(), &place.settings.topics, &all, None).unwrap();
    let last = all.last().unwrap().id.clone();
    eventually("the first is not remembered any more, and the last is", || {
        gate.board.flows(|flows| {
            let (first, last) = (CommandId::new("c0").unwrap(), &last);
            match target {
                Target::Flow(flow) => {
                    let state = flows.known.get(flow).and_then(|kept| kept.flow().cloned());
                    state.is_some_and(|state| state.answered(&first).is_none() && state.answered(last).is_some())
                }
                Target::Every => flows
                    .partitions
                    .values()
                    .all(|record| record.answered("*", &first).is_none() && record.answered("*", last).is_some()),
            }
        }) == Ok(true)
    });
}

fn flow(id: &str) -> Target {
    Target::Flow(FlowId::new(id).unwrap())
}

/// A flow whose audit stands in partition 0, of which the beginning can be deleted.
fn homed() -> String {
    ('a'..='z').map(String::from).find(|id| partition_for(id.as_bytes(), 3) == 0).unwrap()
}

#[test]
fn what_a_flow_no_longer_remembers_is_found_in_the_audit() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "a"]);
    many(&place, &gate, &flow("a"), 70);
    let found = get(&gate.board, "/api/v1/commands/c0?flow=a");
    assert_eq!(found.status, StatusCode::OK, "{}", found.text);
    let found = found.json();
    assert_eq!((&found["offset"], &found["outcome"]), (&json!(1), &json!("applied")), "{found}");
    assert_eq!((&found["command_id"], &found["flow_id"]), (&json!("c0"), &json!("a")), "{found}");
    assert_eq!(get(&gate.board, "/api/v1/commands/c1?flow=a").json()["outcome"], "unchanged");
    for (id, flow) in [("c70", "a"), ("c0", "b"), ("c0", "*")] {
        let unknown = problem(&get(&gate.board, &format!("/api/v1/commands/{id}?flow={flow}")), 404, "unknown-command");
        assert!(unknown["detail"].as_str().unwrap().contains("it may be on its way"), "{unknown}");
    }
    gate.stop().unwrap();
}

#[test]
fn what_partitions_no_longer_remember_of_every_flow_is_found_in_the_audit() {
    let place = Place::new();
    let gate = place.gate();
    many(&place, &gate, &Target::Every, 1_030);
    let found = get(&gate.board, "/api/v1/commands/c0?flow=*");
    assert_eq!(found.status, StatusCode::OK, "{}", found.text);
    let found = found.json();
    assert_eq!((&found["flow_id"], &found["outcome"], &found["offset"]), (&json!("*"), &json!("unchanged"), &json!(0)));
    let by: Vec<_> =
        found["partitions"].as_array().unwrap().iter().map(|by| by["partition"].as_i64().unwrap()).collect();
    assert_eq!(by, [0, 1, 2]);
    gate.stop().unwrap();
}

/// What a partition answers to a command for every flow, as a gate writes it.
fn answers(place: &Place, id: &str, partition: i32) {
    let command = resume(&Target::Every, id);
    let outcome = Outcome::unchanged(format!("nothing in {partition}"));
    let happening = Happening::Answer { command, offset: 17, outcome, repeated: false };
    let event = AuditEvent { flow: None, partition, at: Timestamp(0), position: Position::default(), happening };
    let (value, to) = (audit::write(&event), Some(partition_for(b"", 3)));
    let (topic, value) = (place.settings.topics.audit.as_str(), Some(value.as_slice()));
    let mut publisher = place.memory.publisher().unwrap();
    publisher.publish(&Publication { topic, partition: to, timestamp: None, key: None, value, headers: &[] }).unwrap();
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

#[test]
fn a_command_for_every_flow_is_answered_when_all_partitions_have() {
    let place = Place::new();
    let gate = place.gate();
    answers(&place, "c", 0);
    answers(&place, "c", 2);
    let some = get(&gate.board, "/api/v1/commands/c?flow=*");
    assert_eq!(some.status, StatusCode::ACCEPTED, "{}", some.text);
    let some = some.json();
    assert_eq!((&some["outcome"], &some["detail"]), (&Value::Null, &json!("silent so far: partition 1")));
    assert_eq!(some["partitions"][1], json!({"partition": 2, "outcome": "unchanged", "detail": "nothing in 2"}));
    answers(&place, "c", 1);
    let all = get(&gate.board, "/api/v1/commands/c?flow=*");
    assert_eq!((all.status, &all.json()["outcome"]), (StatusCode::OK, &json!("unchanged")));
    gate.stop().unwrap();
}

/// Goal: whoever asks is not told that there is no answer where the audit could not be looked at as a whole.
#[test]
fn an_audit_that_does_not_reach_back_is_told() {
    let place = Place::new();
    let gate = place.gate();
    let id = homed();
    place.good(&["pause", &id, "--command-id", "paused"]);
    let path = format!("/api/v1/commands/other?flow={id}");
    problem(&get(&gate.board, &path), 404, "unknown-command");
    let transaction = left_open(&place, ("some-gate", Duration::from_secs(60)), "flow.audit", 0..3, b"{}");
    let hidden = get(&gate.board, &path);
    assert_eq!(
        (&problem(&hidden, 503, "answer-not-known")["why"], &hidden.headers["retry-after"]),
        (&json!("open-transaction"), &"1".parse().unwrap())
    );
    assert!(matches!(transaction.abort(), Abort::Done(_)));
    place.memory.admin().unwrap().delete_records(&[("flow.audit".to_owned(), 1)]).unwrap().remove(0).unwrap();
    let cut = problem(&get(&gate.board, &path), 503, "answer-not-known");
    assert_eq!((&cut["why"], &cut["answer"]), (&json!("deleted"), &Value::Null), "{cut}");
    let back_to = cut["back_to"].as_str().unwrap();
    assert!(cut["detail"].as_str().unwrap().contains(&format!("before {back_to} was deleted")), "{cut}");
    // What the state remembers needs no audit.
    assert_eq!(get(&gate.board, &format!("/api/v1/commands/paused?flow={id}")).status, StatusCode::OK);
    gate.stop().unwrap();
}

/// Goal: it is bounded like whatever else reads topics. Method: the first two of a caller are held up where they read.
#[test]
fn nobody_has_more_than_two_under_way() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "a"]);
    let (began, begun) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let ends = Mutex::new(ends);
    let topic = place.settings.topics.audit.clone();
    let hold = move |call: &Call<'_>| {
        let of_room = std::thread::current().name() == Some("http-work");
        if of_room && call.operation == Operation::Partitions && call.subject == topic {
            let _ = began.send(());
            let _ = ends.lock().map(|ends| ends.recv());
        }
        None
    };
    let board = Arc::clone(&gate.board);
    let router = crate::api::paths(&board, &setup(), Limits::default());
    let ask = |id: &str| {
        let request = Request::builder().uri(format!("/api/v1/commands/{id}?flow=a")).body(Body::empty()).unwrap();
        router.clone().oneshot(request)
    };
    place.memory.set_fault_hook(Some(Box::new(hold)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let third = runtime.block_on(async {
        let _first = tokio::spawn(ask("x"));
        let _second = tokio::spawn(ask("y"));
        let waits = tokio::task::spawn_blocking(move || begun.recv().unwrap());
        waits.await.unwrap();
        tokio::time::timeout(Duration::from_secs(30), ask("z")).await.expect("it is let in, and held up too").unwrap()
    });
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(end);
    place.memory.set_fault_hook(None);
    gate.stop().unwrap();
}

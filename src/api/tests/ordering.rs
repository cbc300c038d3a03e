//! Commands over HTTP, with a gate that answers them.

use serde_json::json;

use super::*;
use crate::broker::memory::{Fault, Operation};
use crate::broker::{Action, Code, Error};
use crate::cli::tests::Gate;
use crate::client::states::Change;

/// The address of a flow's commands.
fn commands(flow: &str) -> String {
    format!("/api/v1/flows/{flow}/commands")
}

fn order(gate: &Gate, flow: &str, body: Value) -> Answer {
    post(&gate.board, &setup(), &commands(flow), &body, &[])
}

fn held(gate: &Gate, flow: &str, count: u64) {
    let path = format!("/api/v1/flows/{flow}");
    eventually("held", || get(&gate.board, &path).json()["held"]["total"] == count);
}

#[test]
fn a_command_is_answered_and_applied_once_however_often_it_is_sent() {
    let place = Place::new();
    let gate = place.gate();
    let pause = json!({"action": "pause", "for_seconds": 3600, "reason": "wrong coupon"});
    let key = [("idempotency-key", "once")];
    let path = commands("a%2Fb%0A");
    let first = post(&gate.board, &setup(), &path, &pause, &key);
    let answered = first.json();
    assert_eq!(
        (first.status, &answered["outcome"], &answered["repeated"]),
        (StatusCode::OK, &"applied".into(), &false.into())
    );
    assert_eq!((&answered["command_id"], &answered["flow_id"]), (&"once".into(), &"a/b\n".into()));
    let again = post(&gate.board, &setup(), &path, &pause, &key).json();
    assert_eq!((&again["outcome"], &again["repeated"]), (&"applied".into(), &true.into()));
    assert_eq!(again["detail"], answered["detail"]);
    eventually("paused", || get(&gate.board, "/api/v1/flows/a%2Fb%0A").json()["state"] == "paused");
    let flow = get(&gate.board, "/api/v1/flows/a%2Fb%0A").json();
    assert_eq!((&flow["pause"]["by"], &flow["pause"]["reason"]), (&"http".into(), &"wrong coupon".into()));
    let kept = get(&gate.board, "/api/v1/commands/once?flow=a%2Fb%0A").json();
    assert_eq!((&kept["outcome"], &kept["detail"]), (&"applied".into(), &answered["detail"]));
    // Without a key each is one of its own.
    let unchanged = order(&gate, "never", json!({"action": "resume"})).json();
    assert_eq!(unchanged["outcome"], "unchanged");
    eventually("remembered", || {
        let id = unchanged["command_id"].as_str().unwrap();
        get(&gate.board, &format!("/api/v1/commands/{id}?flow=never")).json()["outcome"] == "unchanged"
    });
    problem(&get(&gate.board, "/api/v1/commands/other?flow=never"), 404, "unknown-command");
    gate.stop().unwrap();
}

#[test]
fn what_the_gate_refuses_is_a_conflict_with_its_answer() {
    let place = Place::new();
    let gate = place.gate();
    let rejected = problem(&order(&gate, "a", json!({"action": "release", "count": 1})), 409, "rejected");
    assert_eq!((&rejected["answer"]["outcome"], &rejected["answer"]["flow_id"]), (&"rejected".into(), &"a".into()));
    gate.stop().unwrap();
}

/// Goal: who orders what was shown to them gets a fresh preview, if it is no longer so.
#[test]
fn a_purge_needs_a_preview_that_is_still_true() {
    let place = Place::new();
    let gate = place.gate();
    order(&gate, "a", json!({"action": "pause"}));
    place.event("a", "r1");
    held(&gate, "a", 1);
    problem(&order(&gate, "a", json!({"action": "purge"})), 428, "preview-required");
    let show = json!({"action": "purge", "flows": ["a"]});
    let preview = post(&gate.board, &setup(), "/api/v1/previews", &show, &[]).json();
    assert!(
        preview["sentence"].as_str().unwrap().starts_with("This discards what `a` holds now, 1 events at most"),
        "{preview}"
    );
    order(&gate, "a", json!({"action": "resume"}));
    order(&gate, "a", json!({"action": "pause"}));
    let late = order(&gate, "a", json!({"action": "purge", "expect": preview["expect"]}));
    let changed = problem(&late, 409, "changed-meanwhile");
    let fresh = &changed["preview"]["expect"];
    assert_ne!(*fresh, preview["expect"], "{changed}");
    let purged = order(&gate, "a", json!({"action": "purge", "expect": fresh}));
    assert_eq!(purged.status, StatusCode::OK, "{}", purged.text);
    gate.stop().unwrap();
}

#[test]
fn several_flows_are_ordered_at_once_and_each_is_answered() {
    let place = Place::new();
    let gate = place.gate();
    let many = json!({"commands": [
        {"flow_id": "a", "action": "pause"},
        {"flow_id": "b", "action": "release", "count": 1},
        {"flow_id": "\u{202e}c", "action": "resume", "reason": "over"},
    ]});
    let answer = post(&gate.board, &setup(), "/api/v1/commands", &many, &[("idempotency-key", "all")]);
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answers = answer.json()["answers"].clone();
    let outcomes: Vec<&str> = answers.as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["applied", "rejected", "unchanged"]);
    assert!(answers.as_array().unwrap().iter().all(|one| one["command_id"] == "all"));
    // Nothing of it is sent if one is wrong.
    for (commands, field) in [
        (json!([{"flow_id": "x", "action": "pause"}, {"flow_id": "x", "action": "pause"}]), "commands[1].flow_id"),
        (
            json!([{"flow_id": "x", "action": "pause"}, {"flow_id": "y", "action": "pause", "count": 1}]),
            "commands[1].count",
        ),
        (json!([{"action": "pause"}]), "commands[0].flow_id"),
        (json!([{"flow_id": "*", "action": "purge", "expect": "t"}]), "commands[0].action"),
        (json!([]), "commands"),
    ] {
        let body = json!({"commands": commands});
        let wrong = problem(&post(&gate.board, &setup(), "/api/v1/commands", &body, &[]), 422, "wrong-field");
        assert_eq!(wrong["field"], field, "{wrong}");
    }
    gate.stop().unwrap();
    assert!(place.good(&["flows", "-o", "name"]).contains('a') && !place.good(&["flows", "-o", "name"]).contains('x'));
}

#[test]
fn every_flow_is_paused_with_the_token_of_a_preview() {
    let place = Place::new();
    let gate = place.gate();
    place.event("a", "r1");
    eventually("known", || get(&gate.board, "/api/v1/flows/a").status == StatusCode::OK);
    let ask = |body: Value| {
        post(&gate.board, &setup(), "/api/v1/commands", &json!({"commands": [body]}), &[("idempotency-key", "every")])
    };
    problem(&ask(json!({"flow_id": "*", "action": "pause"})), 428, "preview-required");
    problem(&ask(json!({"flow_id": "*", "action": "pause", "expect": {"pause_id": null}})), 422, "wrong-field");
    let show = json!({"action": "pause", "all": true});
    let preview = post(&gate.board, &setup(), "/api/v1/previews", &show, &[]).json();
    assert_eq!(preview["sentence"], "This pauses every flow: 1 is known, which holds 0 events now.");
    let token = &preview["expect"];
    problem(&ask(json!({"flow_id": "*", "action": "resume", "expect": token})), 428, "preview-required");
    let other = json!({"flow_id": "*", "action": "pause", "new_records": "discard", "expect": token});
    problem(&ask(other), 428, "preview-required");
    let answer = ask(json!({"flow_id": "*", "action": "pause", "expect": token}));
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let answer = answer.json()["answers"][0].clone();
    assert_eq!((&answer["outcome"], answer["partitions"].as_array().unwrap().len()), (&"applied".into(), 3));
    eventually("remembered by all partitions", || {
        let kept = get(&gate.board, "/api/v1/commands/every?flow=*");
        kept.status == StatusCode::OK && kept.json()["partitions"].as_array().unwrap().len() == 3
    });
    gate.stop().unwrap();
}

#[test]
fn who_does_not_wait_is_told_where_the_answer_will_be() {
    let place = Place::new();
    let gate = place.gate();
    let path = format!("{}?wait=0s", commands("a%20b"));
    let sent = post(&gate.board, &setup(), &path, &json!({"action": "pause"}), &[("idempotency-key", "c/1")]);
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.text);
    assert!(sent.json()["outcome"].is_null());
    let location = sent.headers["location"].to_str().unwrap();
    assert_eq!(location, "/api/v1/commands/c%2F1?flow=a%20b");
    eventually("answered", || get(&gate.board, location).status == StatusCode::OK);
    assert_eq!(get(&gate.board, location).json()["outcome"], "applied");
    gate.stop().unwrap();
}

#[test]
fn what_cannot_be_taken_is_told_with_the_reason() {
    let board = new_board();
    let send = |body: &str, kind: &str| {
        let request = Request::builder().method("POST").uri(commands("a")).header("host", "localhost");
        let request = request.header("content-type", kind).body(body.to_owned().into()).unwrap();
        answer(&board, &setup(), request)
    };
    problem(&send("{}", "text/plain"), 415, "not-json");
    problem(&send("{}", "application/x-www-form-urlencoded"), 415, "not-json");
    problem(&send("pause", "application/json"), 400, "not-json");
    let wrong =
        problem(&send(r#"{"action":"resume","max_rate":0}"#, "application/json; charset=utf-8"), 422, "wrong-field");
    assert_eq!(wrong["field"], "max_rate");
    let long = format!(r#"{{"action":"pause","reason":"{}"}}"#, "x".repeat(65 * 1024));
    problem(&send(&long, "application/json"), 413, "body-too-large");
    // Nobody stores anything here.
    let refused = send(r#"{"action":"pause"}"#, "application/json");
    problem(&refused, 503, "not-ready");
    assert_eq!(refused.headers["retry-after"], "1");
    for (query, parameter) in [("wait=x", "wait"), ("wait=1h", "wait"), ("wat=1s", "wat"), ("wait=1s&wait=1s", "wait")]
    {
        let path = format!("{}?{query}", commands("a"));
        let wrong = problem(&post(&board, &setup(), &path, &json!({"action": "pause"}), &[]), 400, "bad-parameter");
        assert_eq!(wrong["parameter"], parameter);
    }
    let key = [("idempotency-key", "")];
    problem(&post(&board, &setup(), &commands("a"), &json!({"action": "pause"}), &key), 400, "bad-parameter");
    board.learn(Vec::<Change>::new(), READ);
    problem(&get(&board, "/api/v1/commands/x"), 400, "bad-parameter");
}

/// Goal: a command that may not have been stored is told as such, with what makes it safe to send again; and the next one
/// is not refused for it.
#[test]
fn a_broker_that_fails_is_told_and_the_command_can_be_sent_again() {
    let place = Place::new();
    let gate = place.gate();
    let refused = Error::new(Action::Retry, Code::Other, "the broker is away");
    place.memory.fail_next(Operation::Publish, Fault::Fail(refused));
    let pause = json!({"action": "pause"});
    let failed = problem(&order(&gate, "a", pause.clone()), 503, "not-stored");
    let detail = failed["detail"].as_str().unwrap();
    let id = failed["command_id"].as_str().unwrap();
    assert!(detail.contains("the broker is away") && detail.contains(&format!("`Idempotency-Key: {id}`")), "{detail}");
    let again = post(&gate.board, &setup(), &commands("a"), &pause, &[("idempotency-key", id)]);
    assert_eq!((again.status, &again.json()["repeated"]), (StatusCode::OK, &false.into()), "{}", again.text);
    let board = Arc::clone(&gate.board);
    gate.stop().unwrap();
    eventually("nobody stores anything any more", || {
        post(&board, &setup(), &commands("a"), &pause, &[]).status == StatusCode::SERVICE_UNAVAILABLE
    });
}

//! Ids in paths, whatever they are.

use serde_json::json;

use super::*;
use crate::api::url::encode;

/// Among them are all that clients do not send as they stand, and some that are written like others percent-encoded.
const IDS: [&str; 7] = [".", "..", "a/b", "%2e", "%2E%2e", "new\nline", "\u{202e}rtl\u{5d0}"];

/// What a client sends that normalises paths, as browsers, curl and most libraries do: `.` and `..` are directories to them, also
/// percent-encoded.
fn sent(url: &str) -> String {
    let (path, query) = url.split_once('?').map_or((url, String::new()), |(path, query)| (path, format!("?{query}")));
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').skip(1) {
        match part.to_lowercase().replace("%2e", ".").as_str() {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

#[test]
fn a_flow_of_any_name_is_asked_for_and_ordered() {
    assert_eq!(sent("/api/v1/flows/%2e%2E/audit"), "/api/v1/audit");
    let place = Place::new();
    let gate = place.gate();
    let board = &gate.board;
    for (number, id) in IDS.iter().enumerate() {
        let url = |rest: &str| {
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            sent(&format!("/api/v1/flows/*{path}?flow={}&{query}", encode(id)))
        };
        let key = format!("of {number}");
        let pause = json!({"action": "pause", "reason": id});
        let paused = post(board, &setup(), &url("/commands?wait=15s"), &pause, &[("idempotency-key", &key)]);
        assert_eq!((paused.status, &paused.json()["flow_id"]), (StatusCode::OK, &json!(id)), "{}", paused.text);
        place.event(id, "r1");
        eventually("held", || get(board, &url("")).json()["held"]["total"] == 1);
        let flow = get(board, &url("")).json();
        assert_eq!((&flow["flow_id"], &flow["pause"]["reason"]), (&json!(id), &json!(id)));
        assert_eq!(get(board, &url("/queue")).json()["events"][0]["record_id"], "r1", "{id}");
        assert_eq!(get(board, &url("/depth?points=2")).json()["points"][0]["depth"], 1, "{id}");
        let audit = get(board, &url("/audit?limit=1")).json();
        assert_eq!((&audit["events"][0]["flow_id"], &audit["events"][0]["event"]), (&json!(id), &json!("answer")));
        // A page goes on under the same address.
        let next = audit["next"].as_str().unwrap();
        let rest = get(board, &url(&format!("/audit?limit=1&after={next}"))).json();
        assert_eq!((&rest["events"][0]["flow_id"], &rest["events"][0]["event"]), (&json!(id), &json!("transition")));
    }
    assert_eq!(get(board, "/api/v1/flows").json()["known"], IDS.len());
    gate.stop().unwrap();
}

#[test]
fn the_answer_to_a_command_of_any_name_is_where_it_is_said_to_be() {
    let place = Place::new();
    let gate = place.gate();
    for id in [".", "..", "*", "a/b", "%2e"] {
        let path = "/api/v1/flows/*/commands?wait=0s&flow=..";
        let given = post(&gate.board, &setup(), path, &json!({"action": "pause"}), &[("idempotency-key", id)]);
        let location = sent(given.headers["location"].to_str().unwrap());
        eventually("answered", || get(&gate.board, &location).status == StatusCode::OK);
        let answer = get(&gate.board, &location).json();
        assert_eq!((&answer["command_id"], &answer["flow_id"]), (&json!(id), &json!("..")));
    }
    gate.stop().unwrap();
}

#[test]
fn whoever_names_no_flow_or_two_is_told_so() {
    let board = new_board();
    board.learn(Vec::new(), READ);
    for (path, parameter, fix) in [
        ("/api/v1/flows/*", "flow", "add `flow=` and the id"),
        ("/api/v1/flows/%2A/queue", "flow", "add `flow=` and the id"),
        ("/api/v1/flows/*?flow=", "flow", "the flow id in `flow` "),
        ("/api/v1/flows/*?flow=*", "flow", "the flow id in `flow` "),
        ("/api/v1/flows/a?flow=b", "flow", "write `*` in the place of the id"),
        ("/api/v1/flows/a/depth?flow=a", "flow", "leave `flow` out"),
        ("/api/v1/flows/a?points=2", "points", "use flow"),
        ("/api/v1/commands/c?id=d&flow=a", "id", "write `*` in its place"),
        ("/api/v1/flows/*?flow=caf%E9", "flow", "is no UTF-8"),
    ] {
        let found = problem(&get(&board, path), 400, "bad-parameter");
        assert_eq!(found["parameter"], parameter, "{path}");
        assert!(found["detail"].as_str().unwrap().contains(fix), "{path}: {found}");
    }
    let found = post(&board, &setup(), "/api/v1/flows/*/commands", &json!({"action": "pause"}), &[]);
    let found = problem(&found, 400, "bad-parameter");
    assert!(found["detail"].as_str().unwrap().contains("every flow at once is ordered by `POST /api/v1/commands`"));
    problem(&get(&board, "/api/v1/flows/*?flow=.."), 404, "unknown-flow");
}

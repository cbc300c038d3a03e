//! What flows hold, what was not delivered and what has happened, over HTTP.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::broker::memory::Operation;
use crate::broker::{Admin, Broker, Isolation};
use crate::cli::tests::{Gate, flows};
use crate::client::states::Change;
use crate::config::{Hash, Role, Token};

/// Paused, with so many events held, each with a country.
fn holding(events: usize) -> (Place, Gate) {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "a/b"]);
    for number in 0..events {
        let country = if number % 2 == 0 { "DE" } else { "FR" };
        place.send(
            None,
            &json!({"flow_id": "a/b", "record_id": format!("r{number}"), "customer": {"country": country}}).to_string(),
        );
    }
    eventually("held", || get(&gate.board, "/api/v1/flows/a%2Fb").json()["held"]["total"] == events);
    (place, gate)
}

const QUEUE: &str = "/api/v1/flows/a%2Fb/queue";

fn entries(page: &Value) -> Vec<u64> {
    page["events"].as_array().unwrap().iter().map(|event| event["entry"].as_u64().unwrap()).collect()
}

/// Every page, each from where the one before ended.
fn pages(gate: &Gate, path: &str, list: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = get(&gate.board, &format!("{path}{next}"));
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let page = page.json();
        all.extend(page[list].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&after={cursor}"),
            None => return all,
        }
    }
    panic!("it does not come to an end");
}

#[test]
fn held_events_are_shown_page_by_page_with_their_fate() {
    let (place, gate) = holding(5);
    place.send(None, r#"{"flow_id": "a/b", "record_id": "r1", "customer": {"country": "IT"}}"#);
    eventually("held", || get(&gate.board, "/api/v1/flows/a%2Fb").json()["held"]["total"] == 6);
    let page = get(&gate.board, QUEUE).json();
    assert_eq!((entries(&page), &page["held"], &page["next"]), (vec![1, 2, 3, 4, 5, 6], &json!(6), &Value::Null));
    let fates: Vec<_> = page["events"].as_array().unwrap().iter().map(|event| event["fate"].clone()).collect();
    assert_eq!(fates, ["released", "replaced", "released", "released", "released", "released"]);
    assert!(page["events"][0].get("value").is_none(), "{page}");
    let all = pages(&gate, &format!("{QUEUE}?limit=2&from=newest"), "events");
    let numbers: Vec<_> = all.iter().map(|event| event["entry"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [6, 5, 4, 3, 2, 1]);

    let found = get(&gate.board, &format!("{QUEUE}?where=/customer/country%3DFR&values=true")).json();
    assert_eq!(entries(&found), [2, 4]);
    let value: Value = serde_json::from_str(found["events"][1]["value"]["data"].as_str().unwrap()).unwrap();
    assert_eq!((&value["record_id"], &found["events"][1]["value"]["encoding"]), (&json!("r3"), &json!("utf-8")));
    assert_eq!(entries(&get(&gate.board, &format!("{QUEUE}?record=r1")).json()), [2, 6]);

    let depth = get(&gate.board, "/api/v1/flows/a%2Fb/depth?points=4").json();
    let depths: Vec<_> =
        depth["points"].as_array().unwrap().iter().map(|point| point["depth"].as_u64().unwrap()).collect();
    assert!(depths.first() == Some(&1) && depths.last() == Some(&6) && depths.is_sorted(), "{depth}");
    gate.stop().unwrap();
}

/// Goal: whoever looks at a queue is told that somebody has deleted what the flow holds.
#[test]
fn what_somebody_deleted_of_a_queue_is_told() {
    let (place, gate) = holding(3);
    let document = get(&gate.board, "/api/v1/openapi.json").json();
    let look = || {
        let page = get(&gate.board, QUEUE).json();
        super::document::judge(&document, "Queue", &page);
        (entries(&page), page["missing"].clone(), page["held"].clone())
    };
    assert_eq!(look(), (vec![1, 2, 3], Value::Null, json!(3)));
    let (topic, mut admin) = ("flow.queue.a_2fb.1".to_owned(), place.memory.admin().unwrap());
    let second = place.memory.dump(&topic, 0, Isolation::ReadCommitted).unwrap()[1].offset;
    admin.delete_records(&[(topic.clone(), second)]).unwrap().remove(0).unwrap();
    assert_eq!(look(), (vec![2, 3], json!("records"), json!(3)));
    admin.delete_topics(&[topic]).unwrap().remove(0).unwrap();
    assert_eq!(look(), (vec![], json!("topic"), json!(3)));
    let mut page = get(&gate.board, QUEUE).json();
    page["missing"] = json!(7);
    assert!(std::panic::catch_unwind(|| super::document::judge(&document, "Queue", &page)).is_err(), "it is described");
    gate.stop().unwrap();
}

/// Goal: what the gate itself has deleted, for nobody needs it any more, is not told as missing. Method: the flow's state comes
/// late, while its queue is looked at, whose topic is gone.
#[test]
fn what_the_flow_has_passed_meanwhile_is_not_missing() {
    let (place, gate) = holding(1);
    let board = Arc::clone(&gate.board);
    gate.stop().unwrap();
    let learn = |known, as_of| {
        board.learn(vec![Change::Flow(Box::new(known))], Reached { as_of, ..READ });
    };
    let (now, late) = (crate::clock::now(), crate::clock::now().after(Duration::from_secs(3600)));
    learn(flows::paused("x", 1, now, now), now);
    let path = "/api/v1/flows/x/queue";
    // Nobody says any more how far the states go.
    assert_eq!(get(&board, path).json()["missing"], Value::Null);
    let on = Arc::clone(&board);
    place.memory.set_fault_hook(Some(Box::new(move |call| {
        if call.operation == Operation::Watermarks {
            on.learn(vec![Change::Flow(Box::new(flows::live("x")))], Reached { as_of: late, ..READ });
        }
        None
    })));
    let page = get(&board, path).json();
    assert_eq!((&page["missing"], &page["held"]), (&Value::Null, &json!(0)), "{page}");
    place.memory.set_fault_hook(None);
    learn(flows::paused("x", 1, now, now), late);
    assert_eq!(get(&board, path).json()["missing"], "topic");
}

#[test]
fn what_is_asked_wrongly_is_told_by_name() {
    let (_place, gate) = holding(3);
    for (query, parameter) in [
        ("limit=1001", "limit"),
        ("where=country", "where"),
        ("from=middle", "from"),
        ("record=", "record"),
        ("values=yes", "values"),
        ("after=00", "after"),
        ("sort=id", "sort"),
    ] {
        let found = problem(&get(&gate.board, &format!("{QUEUE}?{query}")), 400, "bad-parameter");
        assert_eq!(found["parameter"], parameter, "{query}");
    }
    let next = get(&gate.board, &format!("{QUEUE}?limit=1")).json()["next"].as_str().unwrap().to_owned();
    problem(&get(&gate.board, &format!("{QUEUE}?limit=2&after={next}&from=newest")), 400, "bad-parameter");
    assert_eq!(entries(&get(&gate.board, &format!("{QUEUE}?limit=2&after={next}")).json()), [2, 3]);
    problem(&get(&gate.board, "/api/v1/flows/nobody/queue"), 404, "unknown-flow");
    problem(&get(&gate.board, "/api/v1/letters/lost"), 404, "unknown-letters");
    for (path, parameter) in [
        ("/api/v1/letters/dead?reason=purge", "reason"),
        ("/api/v1/letters/dead?redriven=maybe", "redriven"),
        ("/api/v1/audit?event=happened", "event"),
        ("/api/v1/audit?since=yesterday", "since"),
        ("/api/v1/flows/a/audit?flow=b", "flow"),
    ] {
        assert_eq!(problem(&get(&gate.board, path), 400, "bad-parameter")["parameter"], parameter, "{path}");
    }
    gate.stop().unwrap();
    // A board of a gate that was never there.
    problem(&get(&new_board(), "/api/v1/audit"), 503, "not-ready");
}

#[test]
fn the_audit_tells_of_one_flow_or_of_all() {
    let (place, gate) = holding(1);
    place.good(&["pause", "other", "--by", "ops"]);
    let words = |path: &str| -> Vec<String> {
        let word = |event: &Value| event["transition"].as_str().unwrap_or(event["event"].as_str().unwrap()).to_owned();
        pages(&gate, path, "events").iter().map(word).collect()
    };
    assert_eq!(words("/api/v1/flows/a%2Fb/audit?limit=1&from=oldest"), ["seen", "paused", "answer"]);
    assert_eq!(words("/api/v1/flows/other/audit?limit=2"), ["answer", "paused", "seen"]);
    assert_eq!(words("/api/v1/audit?since=1h").len(), 6);
    assert_eq!(words("/api/v1/audit?by=ops"), ["answer"]);
    assert_eq!(words("/api/v1/audit?event=paused&flow=other"), ["paused"]);
    gate.stop().unwrap();
}

fn with_tokens() -> Setup {
    let token = |name: &str, role| Token { name: name.to_owned(), role, hash: Hash::of(name) };
    let tokens = vec![token("watcher", Role::Viewer), token("worker", Role::Operator), token("chief", Role::Admin)];
    Setup { tokens, ..setup() }
}

fn ask_as(gate: &Gate, name: &str, path: &str) -> Answer {
    let request = Request::builder().uri(path).header("host", "localhost:8714");
    let request = request.header("authorization", format!("Bearer {name}"));
    answer(&gate.board, &with_tokens(), request.body(Body::empty()).unwrap())
}

#[test]
fn viewers_see_no_values() {
    let (_place, gate) = holding(1);
    assert_eq!(entries(&ask_as(&gate, "watcher", QUEUE).json()), [1]);
    for query in ["values=true", "where=/customer/country%3DDE"] {
        let refused = problem(&ask_as(&gate, "watcher", &format!("{QUEUE}?{query}")), 403, "role-too-low");
        assert_eq!(refused["needs"], "operator", "{query}");
        assert_eq!(entries(&ask_as(&gate, "worker", &format!("{QUEUE}?{query}")).json()), [1]);
    }
    problem(&ask_as(&gate, "watcher", "/api/v1/letters/dead?values=true"), 403, "role-too-low");
    let body = json!({"kind": "discarded", "reason": "purge"});
    let bearer = [("authorization", "Bearer worker")];
    let refused = post(&gate.board, &with_tokens(), "/api/v1/redrives", &body, &bearer);
    assert_eq!(problem(&refused, 403, "role-too-low")["needs"], "admin");
    let read_only = Setup { is_read_only: true, ..setup() };
    problem(&post(&gate.board, &read_only, "/api/v1/redrives", &body, &[]), 403, "read-only");
    gate.stop().unwrap();
}

#[test]
fn letters_are_shown_and_put_back() {
    let (place, gate) = holding(4);
    place.good(&["purge", "a/b", "--yes", "--command-id", "p"]);
    place.send(Some(0), "no json");
    eventually("a dead letter", || place.count("flow.dead-letters") == 1);
    let dead = get(&gate.board, "/api/v1/letters/dead?values=true").json();
    let letter = &dead["letters"][0];
    assert_eq!(
        (&letter["reason"], &letter["value"]["data"], &letter["flow_id"]),
        (&json!("not_json"), &json!("no json"), &Value::Null)
    );
    let discarded = pages(&gate, "/api/v1/letters/discarded?flow=a%2Fb&command=p&limit=3", "letters");
    assert_eq!(discarded.len(), 4);
    assert!(discarded.iter().all(|letter| letter["reason"] == "purge" && letter.get("value").is_none()));
    let never = json!({"times": 0, "exact": true, "last": null});
    assert!(discarded.iter().all(|letter| letter["redriven"] == never), "{discarded:?}");

    let redrive = |body: &Value| post(&gate.board, &setup(), "/api/v1/redrives", body, &[]);
    let ask = json!({"kind": "discarded", "command": "p", "because": "oops"});
    let preview = redrive(&ask).json();
    assert_eq!(
        (&preview["done"], &preview["letters"], &preview["flows"]),
        (&json!(false), &json!(4), &json!({"a/b": 4}))
    );
    let with = |expect: &Value| {
        let mut body = ask.clone();
        body["expect"] = expect.clone();
        body
    };
    problem(&redrive(&with(&json!("00"))), 428, "preview-required");
    let mut other = with(&preview["expect"]);
    other["because"] = json!("another reason");
    problem(&redrive(&other), 428, "preview-required");
    let done = redrive(&with(&preview["expect"])).json();
    assert_eq!((&done["done"], &done["letters"], &done["stopped"]), (&json!(true), &json!(4), &json!(0)));
    eventually("held again", || get(&gate.board, "/api/v1/flows/a%2Fb").json()["held"]["total"] == 4);
    let told = ask_as(&gate, "watcher", "/api/v1/letters/discarded").json();
    let redriven: Vec<&Value> = told["letters"].as_array().unwrap().iter().map(|letter| &letter["redriven"]).collect();
    assert_eq!(redriven.len(), 4);
    assert!(redriven.iter().all(|redriven| redriven["times"] == 1 && redriven["exact"] == true), "{told}");
    let audit = get(&gate.board, "/api/v1/audit?event=redriven&limit=1").json();
    assert_eq!(redriven[0]["last"]["by"], audit["events"][0]["by"]);
    for (only, count) in [("true", 4), ("false", 0)] {
        let found = pages(&gate, &format!("/api/v1/letters/discarded?limit=3&redriven={only}"), "letters");
        assert_eq!(found.len(), count, "{only}");
    }
    // The same once more finds all of them done.
    let again = redrive(&with(&preview["expect"])).json();
    assert_eq!((&again["letters"], &again["stopped"]), (&json!(0), &json!(4)));
    assert_eq!(again["obstacles"][0]["obstacle"], "redriven_before");
    assert_eq!(redrive(&ask).json().get("expect"), None);

    for (body, field) in [
        (json!({"kind": "lost", "reason": "purge"}), "kind"),
        (json!({"kind": "dead"}), "items"),
        (json!({"kind": "dead", "items": ["3"]}), "items[0]"),
        (json!({"kind": "dead", "items": ["0/0"], "reason": "not_json"}), "items"),
        (json!({"kind": "dead", "items": ["0/0", "0/1"], "edit": "{}"}), "edit"),
        (json!({"kind": "dead", "flow_id": ""}), "flow_id"),
        (json!({"kind": "dead", "flow": "a"}), "flow"),
    ] {
        assert_eq!(problem(&redrive(&body), 422, "wrong-field")["field"], field, "{body}");
    }
    let mended =
        json!({"kind": "dead", "items": [letter["item"]], "edit": r#"{"flow_id": "other", "record_id": "r"}"#});
    let expect = redrive(&mended).json()["expect"].clone();
    let mut mended = mended;
    mended["expect"] = expect;
    assert_eq!(redrive(&mended).json()["flows"], json!({"other": 1}));
    // Both values stand in the audit, for whoever may see values.
    for (name, keys) in [("watcher", 0), ("worker", 2)] {
        let told = ask_as(&gate, name, "/api/v1/flows/other/audit?event=redriven").json();
        assert_eq!(told["events"][0]["edit"].as_object().unwrap().len(), keys, "{name}: {told}");
    }
    eventually("delivered", || place.count("flow.records") == 1);
    gate.stop().unwrap();
}

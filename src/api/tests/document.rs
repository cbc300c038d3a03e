//! The OpenAPI document tells the truth about the paths.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn document() -> Value {
    get(&new_board(), "/api/v1/openapi.json").json()
}

/// Each operation, with its path and method.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| {
        let operations = item.as_object().unwrap().clone();
        operations.into_iter().map(|(method, operation)| (path.clone(), method, operation)).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

/// Everything that is referred to by `$ref` from the document's own root.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn it_is_whole() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{document}");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for scheme in ["bearer", "cookie"] {
        assert!(document["components"]["securitySchemes"][scheme].is_object(), "{document}");
    }
}

#[test]
fn every_answer_of_every_path_is_described() {
    let document = document();
    let operations = operations(&document);
    assert!(operations.len() >= 14);
    let ids: BTreeSet<&str> =
        operations.iter().map(|(.., operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "clients are made with these names: {ids:?}");
    for (path, method, operation) in operations {
        let at = format!("{method} {path}");
        assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{at}: no summary");
        for name in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let parameters = operation["parameters"].as_array().unwrap_or_else(|| panic!("{at}: {name}"));
            assert!(parameters.iter().any(|found| found["name"] == name && found["in"] == "path"), "{at}: {name}");
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let status: u16 = status.parse().unwrap();
            assert!(answer["description"].is_string(), "{at}: {status}");
            let content = answer["content"].as_object();
            if status >= 400 {
                let schema = &content.unwrap()["application/problem+json"]["schema"];
                assert_eq!(schema["$ref"], "#/components/schemas/Problem", "{at}: {status}");
            } else if status != 204 {
                assert!(content.is_some_and(|content| !content.is_empty()), "{at}: {status}");
            }
        }
        if path.starts_with("/api/v1") {
            assert!(operation["responses"]["401"].is_object() && operation["responses"]["503"].is_object(), "{at}");
        }
    }
}

#[track_caller]
pub fn judge(document: &Value, schema: &str, value: &Value) {
    let name = format!("#/components/schemas/{schema}");
    assert!(document.pointer(&name[1..]).is_some(), "{schema}");
    let schema = json!({"$ref": name, "components": document["components"]});
    let validator = jsonschema::options().should_validate_formats(true).offline().build(&schema).unwrap();
    let judged = validator.validate(value).map_err(|error| error.to_string());
    judged.unwrap_or_else(|error| panic!("{name}: {error}: {value:#}"));
}

/// Goal: what is answered is what the document says. Method: an answer of each kind, judged by its schema; and one that lacks
/// something.
#[test]
fn answers_are_as_the_document_says() {
    let place = Place::new();
    let gate = place.gate();
    let (board, document) = (&gate.board, document());
    let send = |path: &str, body: Value| post(board, &setup(), path, &body, &[]).json();
    judge(&document, "Answer", &send("/api/v1/flows/a/commands?wait=0s", json!({"action": "pause"})));
    judge(&document, "Answer", &send("/api/v1/flows/b/commands", json!({"action": "resume"})));
    place.event("a", "r1");
    eventually("held", || get(board, "/api/v1/flows/a").json()["held"]["total"] == 1);
    let mut flow = get(board, "/api/v1/flows/a").json();
    judge(&document, "Flow", &flow);
    judge(&document, "Flows", &get(board, "/api/v1/flows?limit=1").json());
    judge(&document, "WhoAmI", &get(board, "/api/v1/whoami").json());
    place.good(&["pause", "c"]);
    place.event("c", "r1");
    eventually("held", || get(board, "/api/v1/flows/c").json()["held"]["total"] == 1);
    place.good(&["purge", "c", "--yes"]);
    let letters = || get(board, "/api/v1/letters/discarded").json();
    judge(&document, "Letters", &letters());
    judge(&document, "Letters", &get(board, "/api/v1/letters/discarded?values=true").json());
    place.good(&["redrive", "discarded", "--flow", "c", "--yes"]);
    let mut redriven = letters();
    assert!(redriven["letters"][0]["redriven"]["last"].is_object(), "{redriven}");
    judge(&document, "Letters", &redriven);
    redriven["letters"][0]["redriven"] = Value::Null;
    judge(&document, "Letters", &redriven);
    let purge = json!({"action": "purge", "flows": ["a", "never"]});
    judge(&document, "Preview", &send("/api/v1/previews", purge));
    let every = send("/api/v1/previews", json!({"action": "resume", "all": true}));
    judge(&document, "Preview", &every);
    let every = json!({"commands": [{"flow_id": "*", "action": "resume", "expect": every["expect"]}]});
    judge(&document, "Commands", &every);
    judge(&document, "Answers", &send("/api/v1/commands", every));
    let refused = send("/api/v1/flows/b/commands", json!({"action": "release", "count": 1}));
    judge(&document, "Problem", &refused);
    judge(&document, "Answer", &refused["answer"]);
    gate.stop().unwrap();
    flow["held"].as_object_mut().unwrap().remove("total");
    assert!(std::panic::catch_unwind(|| judge(&document, "Flow", &flow)).is_err());
}

/// Goal: the fields of a command are those that `schemas/command.json` has, but for what the request says otherwise.
#[test]
fn the_fields_of_a_command_are_those_of_its_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/command.json")).unwrap();
    let names = |value: &Value| value["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut wanted = names(&schema);
    schema["oneOf"].as_array().unwrap().iter().for_each(|action| wanted.extend(names(action)));
    wanted.retain(|name| !["command_id", "flow_id", "issued_by", "issued_at"].contains(&name.as_str()));
    wanted.sort();
    wanted.dedup();
    let mut described = names(&document()["components"]["schemas"]["Command"]);
    described.sort();
    assert_eq!(described, wanted);
}

/// Goal: what the document says of parameters is what is read. Method: an unknown one is refused with the names of the others.
#[test]
fn the_parameters_are_those_that_are_taken() {
    let board = new_board();
    board.learn(Vec::new(), READ);
    for (path, method, operation) in operations(&document()) {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let of_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        let mut described: Vec<&str> = of_query.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        if method != "get" || described.is_empty() {
            continue;
        }
        let refused = problem(&get(&board, &format!("{}?nonsense=1", path.replace("{id}", "x"))), 400, "bad-parameter");
        let names = refused["detail"].as_str().unwrap().rsplit_once("use ").unwrap().1;
        let mut taken: Vec<&str> = names.split(", ").collect();
        described.sort_unstable();
        taken.sort_unstable();
        assert_eq!(described, taken, "{path}");
    }
}

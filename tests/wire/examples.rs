//! `schemas/examples/<kind>/<folder>/*.json`. What a bad one has to be refused for stands before the `--` in its name:
//! the field (`value` is the whole), for events the reason and the field.

use std::collections::BTreeSet;
use std::fs;

use flowgate::flow::Action;
use flowgate::schema::{Malformed, Reason, audit, command, event, partition, redriven, state};
use serde_json::Value;

use super::{schemas, validator};

struct Example {
    /// For people: folder and file.
    path: String,
    /// The file's name, up to the `--`.
    fault: String,
    bytes: Vec<u8>,
}

fn examples(kind: &str, folder: &str) -> Vec<Example> {
    let directory = schemas().join("examples").join(kind).join(folder);
    let mut examples: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let fault = name.strip_suffix(".json").unwrap().split("--").next().unwrap().to_owned();
            Example { path: format!("{kind}/{folder}/{name}"), fault, bytes: fs::read(path).unwrap() }
        })
        .collect();
    examples.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!examples.is_empty(), "{kind}/{folder} has no examples");
    examples
}

/// Judges all examples of a kind by the schema, and by the code: `read` gives what it refuses an example for.
fn judge(kind: &str, read: impl Fn(&[u8]) -> Result<(), String>) {
    let validator = validator(kind);
    for Example { path, bytes, .. } in examples(kind, "good") {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        validator.validate(&value).unwrap_or_else(|error| panic!("{path}: the schema refuses it: {error}"));
        read(&bytes).unwrap_or_else(|fault| panic!("{path}: the code refuses it for {fault}"));
    }
    for Example { path, fault, bytes } in examples(kind, "bad") {
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(!validator.is_valid(&value), "{path}: the schema accepts it");
        assert_eq!(read(&bytes), Err(fault), "{path}");
    }
    for Example { path, fault, bytes } in examples(kind, "bad-beyond-schema") {
        if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
            assert!(validator.is_valid(&value), "{path}: the schema can say it: move it to bad/");
        }
        assert_eq!(read(&bytes), Err(fault), "{path}");
    }
}

fn event_fault(bytes: &[u8]) -> Result<(), String> {
    let unreadable = match event::read(Some(bytes)) {
        Ok(_) => return Ok(()),
        Err(unreadable) => unreadable,
    };
    let field = unreadable.field.map(|field| format!(".{field}")).unwrap_or_default();
    Err(format!("{}{field}", unreadable.reason.word()))
}

#[test]
fn events() {
    judge("event", event_fault);
}

#[test]
fn every_reason_an_event_can_have_has_an_example() {
    let bad = ["bad", "bad-beyond-schema"].into_iter().flat_map(|folder| examples("event", folder));
    let shown: BTreeSet<String> = bad.map(|example| example.fault.split('.').next().unwrap().to_owned()).collect();
    // A null value is no file, and the last two are Kafka's refusals, not faults of the document.
    let elsewhere = [Reason::NullValue, Reason::TooLarge, Reason::Refused];
    let all = Reason::ALL.into_iter().filter(|reason| !elsewhere.contains(reason));
    assert_eq!(shown, all.map(|reason| reason.word().to_owned()).collect());
    assert_eq!(event::read(None).unwrap_err().reason, Reason::NullValue);
}

#[test]
fn commands() {
    judge("command", |bytes| match command::read(Some(bytes)) {
        Ok(command) => match command.action {
            Action::Invalid { why, .. } => Err(why.split(' ').next().unwrap().to_owned()),
            _ => Ok(()),
        },
        Err(unreadable) => Err(unreadable.field.unwrap_or("value").to_owned()),
    });
}

fn malformed(malformed: Malformed) -> String {
    match malformed {
        Malformed::Newer { .. } => "version".to_owned(),
        Malformed::NoObject { .. } => "value".to_owned(),
        Malformed::Field { name, .. } => name,
    }
}

#[test]
fn flow_states() {
    judge("flow-state", |bytes| state::read(bytes).map(drop).map_err(malformed));
}

#[test]
fn partition_records() {
    judge("partition-record", |bytes| partition::read(bytes).map(drop).map_err(malformed));
}

#[test]
fn audit_events() {
    judge("audit-event", |bytes| audit::read(bytes).map(drop).map_err(malformed));
}

#[test]
fn redriven_letters() {
    judge("redriven", |bytes| redriven::read(bytes).map(drop).map_err(malformed));
}

#[test]
fn a_newer_document_is_told_from_a_broken_one() {
    let newer = Malformed::Newer { version: 2, reads: 1 };
    let read = |kind: &str, name: &str| fs::read(schemas().join("examples").join(kind).join(name)).unwrap();
    assert_eq!(state::read(&read("flow-state", "bad/version--newer.json")), Err(newer.clone()));
    let newer_record = Err(Malformed::Newer { version: 3, reads: 2 });
    assert_eq!(partition::read(&read("partition-record", "bad/version--newer.json")), newer_record);
    assert_eq!(state::read(br#"{"version":2,"whatever":1}"#), Err(newer), "whatever else it holds");
}

/// Everything in the good examples of states is rewritten as it stands, the fields of a newer gate among it.
#[test]
fn good_states_are_rewritten_unchanged() {
    for Example { path, bytes, .. } in examples("flow-state", "good") {
        let written = state::write(&mut state::read(&bytes).unwrap());
        assert_eq!(json(&written), json(&bytes), "{path}");
    }
    for Example { path, bytes, .. } in examples("partition-record", "good") {
        let written = partition::write(&mut partition::read(&bytes).unwrap());
        assert_eq!(json(&written), json(&bytes), "{path}");
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

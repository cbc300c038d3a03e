//! `asyncapi.yaml` says of topics, headers and reasons what the code does.

use std::collections::BTreeSet;
use std::fs;

use flowgate::flow::{Event, FlowId, Kind, RecordId};
use flowgate::schema::headers::{self, Discarded, Released};
use flowgate::schema::topics::Topics;
use flowgate::schema::{Reason, entry};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

use super::{KINDS, schemas};

fn document() -> Value {
    let text = fs::read_to_string(schemas().join("asyncapi.yaml")).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    assert_eq!(documents.len(), 1);
    json(&documents[0])
}

fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(flag)) => (*flag).into(),
        Yaml::Value(Scalar::Integer(number)) => (*number).into(),
        Yaml::Value(Scalar::String(text)) => text.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(json).collect(),
        Yaml::Mapping(fields) => {
            let field = |(name, value): (&Yaml<'_>, &Yaml<'_>)| (name.as_str().unwrap().to_owned(), json(value));
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        other => panic!("no part of JSON: {other:?}"),
    }
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").map(|target| target.as_str().unwrap()));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    let mut files = BTreeSet::new();
    for target in found {
        match target.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{target}"),
            None => {
                assert!(schemas().join(target).is_file(), "{target}");
                files.insert(target.to_owned());
            }
        }
    }
    assert_eq!(files, KINDS.iter().map(|kind| format!("./{kind}.json")).collect(), "every schema has its message");
}

#[test]
fn the_channels_are_the_topics() {
    let document = document();
    let addresses: BTreeSet<String> = document["channels"]
        .as_object()
        .unwrap()
        .values()
        .map(|channel| channel["address"].as_str().unwrap().replace("{prefix}", "flow"))
        .map(|address| address.replace("{flow}", "a").replace("{n}", "1"))
        .collect();
    let topics = Topics::new("flow").unwrap();
    let queue = topics.queue(&FlowId::new("a").unwrap(), 1);
    let Topics { enrollments, control, records, state, audit, discarded, dead_letters, .. } = topics;
    let expected = [enrollments, control, records, state, audit, discarded, dead_letters, queue];
    assert_eq!(addresses, expected.into());
}

#[test]
fn the_headers_are_those_of_the_code() {
    let document = document();
    let messages = &document["components"]["messages"];
    let names = |message: &str, key: &str| -> Vec<String> {
        match &messages[message]["headers"][key] {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            Value::Object(fields) => fields.keys().cloned().collect(),
            other => panic!("{message}: {other}"),
        }
    };
    let all =
        ["event", "live", "released", "held", "discarded", "deadLetter"].map(|message| names(message, "properties"));
    let all: BTreeSet<String> = all.into_iter().flatten().collect();
    assert_eq!(all, headers::ALL.map(str::to_owned).into());

    let words = |message: &str, header: &str| messages[message]["headers"]["properties"][header]["enum"].clone();
    assert_eq!(words("released", headers::RELEASE), Value::from(Released::ALL.map(Released::word).to_vec()));
    assert_eq!(words("discarded", headers::REASON), Value::from(Discarded::ALL.map(Discarded::word).to_vec()));
    assert_eq!(words("deadLetter", headers::REASON), Value::from(Reason::ALL.map(Reason::word).to_vec()));

    // What the code writes are the required ones, in this order.
    let record = record();
    let written = |headers: Vec<flowgate::broker::Header>| -> Vec<String> {
        headers.into_iter().map(|header| String::from_utf8(header.name.to_vec()).unwrap()).collect()
    };
    let mark =
        entry::Mark { number: 1, enrolls: 1, advances: 0, latest: true, held_at: record.timestamp, pause_id: "p" };
    let (flow, record_id) = (FlowId::new("a").unwrap(), RecordId::new("r").unwrap());
    let event = Event { flow, record: record_id, kind: Kind::Enroll };
    let keyed = flowgate::broker::Record { key: Some("a".into()), ..record.clone() };
    assert_eq!(written(entry::write(&event, &keyed, &mark).headers), names("held", "required"));
    let held = entry::write(&event, &record, &mark).headers;
    assert_eq!(written(held.clone()), [names("held", "required"), vec![headers::KEY.to_owned()]].concat());
    let pattern = messages["held"]["headers"]["properties"][headers::ENTRY]["pattern"].as_str().unwrap();
    let schema = jsonschema::validator_for(&serde_json::json!({"type": "string", "pattern": pattern})).unwrap();
    let packed = std::str::from_utf8(held[0].value.as_deref().unwrap()).unwrap();
    assert!(schema.is_valid(&packed.into()) && schema.is_valid(&format!("{packed} more").into()), "{packed}");
    assert!(!schema.is_valid(&packed.replace("1 1 0", "1 1").into()));
    let released = headers::Releases::default().headers(&[], Released::Timer, "p", std::time::Duration::ZERO);
    assert_eq!(written(released), names("released", "required"));
    assert_eq!(written(headers::dead_letter(&record, Reason::NotJson, "")), names("deadLetter", "required"));
    let source = headers::Source::of(&record);
    let discarded = headers::discarded(&[], Discarded::Purge, "", &source, record.timestamp);
    assert_eq!(written(discarded), names("discarded", "required"));
}

fn record() -> flowgate::broker::Record {
    flowgate::broker::Record {
        topic: "flow.enrollments".into(),
        partition: 0,
        offset: 0,
        timestamp: flowgate::time::Timestamp(0),
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

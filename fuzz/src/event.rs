//! An event is understood, or a dead letter with a reason that names the field.

use bytes::Bytes;
use flowgate::broker::Record;
use flowgate::flow::Event;
use flowgate::schema::{Unreadable, event, headers};
use flowgate::time::Timestamp;
use serde_json::{Value, json};

use super::{End, sentence};

pub fn check(bytes: &[u8]) -> End {
    match event::read(Some(bytes)) {
        Ok(event) => {
            understood(bytes, &event);
            End::Understood
        }
        Err(unreadable) => {
            dead(bytes, &unreadable);
            End::Refused
        }
    }
}

fn understood(bytes: &[u8], event: &Event) {
    let (flow, record) = (event.flow.as_str(), event.record.as_str());
    let plain = json!({"version": 1, "flow_id": flow, "record_id": record, "kind": event.kind.word()});
    assert_eq!(event::read(Some(plain.to_string().as_bytes())).as_ref(), Ok(event), "its own words");
    // Another parser, where it can read this at all (not deep nests, nor huge numbers, nor halves of characters),
    // understands the same.
    let Ok(other) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(other["flow_id"], flow);
    assert_eq!(other["kind"].as_str().unwrap_or("enroll"), event.kind.word());
    match &other["record_id"] {
        Value::String(text) => assert_eq!(text, record),
        Value::Number(number) => {
            // Beyond 64 bits it has only nearly the number.
            let exact = number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
            assert!(exact.is_none_or(|exact| exact.to_string() == record), "{number} is not {record}");
        }
        other => panic!("{other} was taken for a record id"),
    }
}

fn dead(bytes: &[u8], unreadable: &Unreadable) {
    let Unreadable { reason, field, detail, flow } = unreadable;
    sentence::check(detail, field.unwrap_or("value"));
    // What a dead letter counts for is the flow that the value names.
    if let (Some(flow), Ok(other)) = (flow, serde_json::from_slice::<Value>(bytes)) {
        assert_eq!(other["flow_id"], flow.as_str());
    }
    let value = Some(Bytes::copy_from_slice(bytes));
    let (topic, timestamp) = ("flow.enrollments".into(), Timestamp(7));
    let record = Record { topic, partition: 3, offset: 41, timestamp, key: None, value, headers: Vec::new() };
    let letter = Record { headers: headers::dead_letter(&record, *reason, detail), ..record };
    assert_eq!(letter.last_header(headers::REASON).unwrap().value.as_deref(), Some(reason.word().as_bytes()));
    assert_eq!(letter.last_header(headers::SOURCE).unwrap().value.as_deref(), Some(&b"flow.enrollments/3/41"[..]));
}

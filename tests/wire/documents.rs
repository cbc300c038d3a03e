//! What the code writes.

use flowgate::flow::{Flow, FlowId, State};
use flowgate::schema::{Document, audit, command, partition, redriven, state};
use flowgate::time::Timestamp;
use jsonschema::Validator;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::{generate, validator};

/// Runs a property with the validator of a kind made once.
fn check<T: std::fmt::Debug>(kind: &str, values: impl Strategy<Value = T>, property: impl Fn(&Validator, &T)) {
    let validator = validator(kind);
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let run = runner.run(&values, |value| {
        property(&validator, &value);
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
}

fn valid(validator: &Validator, written: &[u8]) -> Value {
    let value = serde_json::from_slice(written).unwrap();
    validator.validate(&value).unwrap_or_else(|error| panic!("{error} at {}: {value}", error.instance_path()));
    value
}

/// A field of somebody else in every object (but not in those of lists: they are not rewritten in place).
fn with_foreign_fields(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let mut map: Map<_, _> = map.into_iter().map(|(name, value)| (name, with_foreign_fields(value))).collect();
    map.insert("x-foreign".to_owned(), json!({"of": ["somebody", {"else": null}]}));
    Value::Object(map)
}

#[test]
fn states_are_valid_and_read_back_with_foreign_fields_in_them() {
    check("flow-state", generate::flow(), |validator, flow| {
        let value = valid(validator, &state::write(&mut Document::new(flow.clone())));
        assert_eq!(state::read(value.to_string().as_bytes()).unwrap(), read_back(flow));
        let foreign = with_foreign_fields(value);
        let mut document = state::read(foreign.to_string().as_bytes()).unwrap();
        assert_eq!(&document.body, flow);
        assert_eq!(valid(validator, &state::write(&mut document)), foreign);
    });
}

/// A document that was read knows the pause that it was read with.
fn read_back(flow: &Flow) -> Document<Flow> {
    let mut document = Document::new(flow.clone());
    state::write(&mut document);
    document
}

#[test]
fn partition_records_are_valid_and_read_back_with_foreign_fields_in_them() {
    check("partition-record", generate::partition(), |validator, body| {
        let value = valid(validator, &partition::write(&mut Document::new(body.clone())));
        let foreign = with_foreign_fields(value);
        let mut document = partition::read(foreign.to_string().as_bytes()).unwrap();
        assert_eq!(&document.body, body);
        assert_eq!(valid(validator, &partition::write(&mut document)), foreign);
    });
}

#[test]
fn audit_events_are_valid_and_read_back() {
    check("audit-event", generate::audit_event(), |validator, event| {
        let written = audit::write(event);
        valid(validator, &written);
        assert_eq!(audit::read(&written).as_ref(), Ok(event));
    });
}

#[test]
fn redriven_letters_are_valid_and_read_back() {
    check("redriven", generate::redriven(), |validator, event| {
        let written = redriven::write(event);
        valid(validator, &written);
        assert_eq!(redriven::read(&written).as_ref(), Ok(event));
    });
}

#[test]
fn commands_are_valid_and_read_back() {
    check("command", generate::command(), |validator, command| {
        let written = command::write(command);
        let value: Value = serde_json::from_slice(&written).unwrap();
        let orders_nothing = matches!(command.action, flowgate::flow::Action::Invalid { .. });
        assert_eq!(validator.is_valid(&value), !orders_nothing, "{value}");
        assert_eq!(command::read(Some(&written)).as_ref(), Ok(command));
    });
}

/// Digit for digit, for a number that this gate does not know may be anything: an id beyond 64 bits, a sum of money.
#[test]
fn foreign_numbers_are_kept() {
    const NUMBERS: &str = r#"{"y":[123456789012345678901234567890,0.1000000000000000055511151231257827,1E400,-0,1.0,-9223372036854775809]}"#;
    let flow = Flow::new(FlowId::new("a").unwrap(), Timestamp(0));
    let partition = flowgate::flow::Partition::new(6, 6, 0, 0, Timestamp(0));
    let with_numbers = |document: Vec<u8>| {
        let text = String::from_utf8(document).unwrap();
        format!("{},\"x\":{NUMBERS}}}", text.strip_suffix('}').unwrap()).into_bytes()
    };
    let state = with_numbers(state::write(&mut Document::new(flow)));
    let partition = with_numbers(partition::write(&mut Document::new(partition)));
    let (mut state, mut partition) = (state::read(&state).unwrap(), partition::read(&partition).unwrap());
    for written in [state::write(&mut state), partition::write(&mut partition)] {
        let written = String::from_utf8(written).unwrap();
        assert!(written.contains(&NUMBERS.replace("E400", "e+400")), "{written}");
    }
}

/// What is unknown in a pause belongs to it: the next one does not inherit it, whether or not the gate was restarted
/// in between.
#[test]
fn foreign_fields_of_a_pause_end_with_it() {
    let flow = |state: State| Flow { state, ..Flow::new(FlowId::new("a").unwrap(), Timestamp(0)) };
    check("flow-state", (generate::flow(), generate::flow()), |_, (one, other)| {
        let (Some(first), Some(second)) = (one.pause(), other.pause()) else { return };
        let [first, second] = [(first, "1"), (second, "2")].map(|(pause, id)| {
            let mut pause = pause.clone();
            pause.id = id.to_owned();
            flow(State::Paused(pause))
        });
        let fresh = |flow: &Flow| with_foreign(&state::write(&mut Document::new(flow.clone())));
        let mut document = state::read(&fresh(&first)).unwrap();
        assert_eq!(json_of(&state::write(&mut document))["pause"]["x"], 1);

        // Another pause, with and without being live in between.
        let mut straight = document.clone();
        straight.body = second.clone();
        let mut around = document;
        around.body.state = State::Live;
        let live = json_of(&state::write(&mut around));
        assert_eq!((&live["pause"], &live["x"]), (&Value::Null, &json!(1)));
        around.body.state = second.state.clone();
        let [straight, around] = [&mut straight, &mut around].map(|document| json_of(&state::write(document)));
        assert_eq!(straight["pause"].get("x"), None);
        assert_eq!(straight["x"], 1, "what was beside the pause stays");
        assert_eq!(straight, around);
    });
}

fn with_foreign(document: &[u8]) -> Vec<u8> {
    let mut value = json_of(document);
    value["x"] = json!(1);
    value["pause"]["x"] = json!(1);
    value.to_string().into_bytes()
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

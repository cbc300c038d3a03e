//! What `flow` says of the last event delivered.

use std::time::Duration;

use serde_json::Value;

use super::flows::hold;
use super::schemas::printed;
use super::{Place, eventually};
use crate::broker::memory::{Fault, Operation};
use crate::broker::{Action, Broker, Code, Error, Publication, Publisher};
use crate::client::delivered::last_delivered;
use crate::client::scan::Bound;
use crate::flow::{FlowId, Kind};

fn line(place: &Place) -> String {
    let told = place.good(&["flow", "welcome"]);
    told.lines().find_map(|line| line.strip_prefix("delivered    ")).unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn a_paused_flow_says_what_was_delivered_last() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    assert_eq!(line(&place), "nothing yet");
    let document = printed(&place, &["flow", "welcome"], "cli/flow", "cli/flow");
    assert_eq!(document["last_delivered"]["event"], Value::Null);
    place.good(&["resume", "welcome", "--wait"]);
    assert!(!place.good(&["flow", "welcome"]).contains("delivered    "), "a live flow delivers all the time");

    for (number, record) in ["r1", "r2"].into_iter().enumerate() {
        place.event("welcome", record);
        eventually("delivered", || place.count("flow.records") == number + 1);
    }
    place.event("other", "r1");
    eventually("delivered", || place.count("flow.records") == 3);
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 2);
    let told = line(&place);
    assert!(told.starts_with("the last event; its own time: 20") && told.ends_with("; nothing since"), "{told}");
    let document = printed(&place, &["flow", "welcome"], "cli/flow", "cli/flow");
    let event = &document["last_delivered"]["event"];
    assert_eq!((event["kind"].as_str(), event["sample"].as_bool()), (Some("enroll"), Some(false)));
    let offset = event["offset"].as_i64().unwrap();

    place.good(&["release", "welcome", "--count", "1"]);
    let told = line(&place);
    assert!(told.starts_with("a sample, released while paused; its own time: 20"), "{told}");
    place.send(None, r#"{"flow_id": "welcome", "record_id": "r9", "kind": "withdraw"}"#);
    eventually("withdrawn", || line(&place).starts_with("a withdraw, which no pause holds; its own time: 20"));
    let document = printed(&place, &["flow", "welcome"], "cli/flow", "cli/flow");
    assert!(document["last_delivered"]["event"]["offset"].as_i64().unwrap() > offset + 1);

    // A look that fails is no reason not to show the flow.
    let denied = Error::new(Action::Stop, Code::Denied, "flow.records: not allowed".to_owned());
    place.memory.set_fault_hook(Some(Box::new(move |call| {
        let records = call.operation == Operation::Watermarks && call.subject.starts_with("flow.records");
        records.then(|| Fault::Fail(denied.clone()))
    })));
    assert!(line(&place).starts_with("cannot be looked up: "), "{}", line(&place));
    place.memory.set_fault_hook(None);
    gate.stop().unwrap();
}

/// Goal: the look goes back as far as it may and no further, and finds the newest one. Method: a partition with one event of
/// the flow, and another, before so many of other flows that they lie in the first step, in later ones, and beyond the bound.
#[test]
fn the_look_goes_back_step_by_step_to_its_bound() {
    let place = Place::new();
    let topics = &place.settings.topics;
    let flow = FlowId::new("welcome").unwrap();
    let mut publisher = place.memory.publisher().unwrap();
    let mut write = |id: &str, count: usize| {
        for _ in 0..count {
            let value = format!(r#"{{"flow_id": "{id}", "record_id": "r", "kind": "advance"}}"#);
            let (topic, key) = (topics.records.as_str(), Some(b"welcome".as_slice()));
            let value = Some(value.as_bytes());
            publisher
                .publish(&Publication { topic, partition: None, timestamp: None, key, value, headers: &[] })
                .unwrap();
        }
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    };
    let bound = Bound { records: 5_000, time: Duration::from_secs(30) };
    let look = || last_delivered(&place.memory, topics, &flow, bound).unwrap();
    write("welcome", 2);
    for (others, end) in [(0, 2), (498, 500), (1, 501), (2_000, 2_501), (2_499, 5_000), (1, 5_001)] {
        write("other", others);
        let look = look();
        let last = look.last.unwrap();
        assert_eq!((last.offset, last.kind, look.end), (1, Kind::Advance, end));
    }
    write("other", 1);
    let look = look();
    assert_eq!((look.last, look.from, look.low, look.end), (None, 2, 0, 5_002));
    let impatient = Bound { time: Duration::ZERO, ..bound };
    let look = last_delivered(&place.memory, topics, &flow, impatient).unwrap();
    assert_eq!((look.last, look.from), (None, 5_002), "nothing was looked at");
}

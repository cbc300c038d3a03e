//! More flows than anybody looks at one by one.

use std::time::Instant;

use super::Place;
use crate::broker::{Broker, Publication, Publisher};
use crate::clock;
use crate::flow::{Flow, FlowId};
use crate::schema::{Document, state};

/// So many flows that were seen once.
fn known(place: &Place, count: usize) {
    let mut publisher = place.memory.publisher().unwrap();
    for number in 0..count {
        let id = format!("flow-{number:06}");
        let value = state::write(&mut Document::new(Flow::new(FlowId::new(&id).unwrap(), clock::now())));
        let (topic, key) = (place.settings.topics.state.as_str(), Some(id.as_bytes()));
        let value = Some(&value[..]);
        publisher.publish(&Publication { topic, partition: None, timestamp: None, key, value, headers: &[] }).unwrap();
    }
    assert!(publisher.flush(std::time::Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

/// Prints how long the list takes; what is judged are the lines, for how long anything takes depends on the machine.
#[test]
#[ignore = "a measurement: `cargo test --release --lib many -- --ignored --nocapture`"]
fn a_hundred_thousand_flows_are_listed() {
    const FLOWS: usize = 100_000;
    let place = Place::new();
    known(&place, FLOWS);
    for (arguments, lines) in [
        (&["flows"][..], FLOWS + 1),
        (&["flows", "-o", "wide"], FLOWS + 1),
        (&["flows", "--match", "flow-000001"], 2),
        (&["flows", "-o", "json"], FLOWS),
        (&["flows", "-o", "yaml"], FLOWS),
    ] {
        let began = Instant::now();
        let told = place.good(arguments);
        println!("{}: {:?}, {} bytes", arguments.join(" "), began.elapsed(), told.len());
        assert!(told.lines().count() >= lines, "{}", arguments.join(" "));
    }
}

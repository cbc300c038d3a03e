//! Events, odd ones among them, and often odd in several ways at once.

use serde_json::{Value, json};

use super::Generator;
use crate::plan::{Event, Headers, LARGE, NOISE, PARTITIONS};

/// The flow of [`NOISE`], which no command names: what is refused only when it is released is counted as removed and lies
/// in the dead letters, and the checker knows no such fate.
const BULK: &str = "bulk";

/// What upstreams send along: their own, and names of the gate's.
const HEADERS: [Headers; 8] = [
    &[("traceparent", Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))],
    &[("flowgate-release", Some("upstream's own"))],
    &[("flowgate-timestamp", Some("7")), ("flowgate-source", Some("flow.enrollments/0/0"))],
    &[("flowgate-reason", Some("release_none")), ("flowgate-reason", None), ("", Some(""))],
    &[("flowgate-entry", Some("1 1 0 0 pause-0 flow.enrollments/0/0")), ("flowgate-key", None)],
    &[("flowgate-key", Some("another")), ("flowgate-entry", Some("9"))],
    &[("flowgate-release", Some("timer")), ("flowgate-pause-id", Some("pause-0")), ("flowgate-held-ms", Some("5"))],
    &[("a", Some("1")), ("a", Some("2")), ("flowgate-redrive", Some("flow.discarded/0/1"))],
];

impl Generator {
    /// Text that no compression makes much shorter.
    fn noise(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b'!' + self.dice.below(90) as u8)).collect()
    }

    pub(super) fn event(&mut self) -> Event {
        self.number += 1;
        let flow = self.dice.of(&self.flows.clone());
        let kind = self.dice.of(&["enroll", "enroll", "enroll", "advance", "advance", "withdraw"]);
        let record = self.dice.below(12).to_string();
        let mut value = json!({"flow_id": flow, "record_id": record, "kind": kind, "n": self.number});
        let mut event = Event { flow, value: Vec::new(), partition: None, key: true, timestamp: None, headers: &[] };
        if self.odd_events && self.dice.one_in(2) {
            for _ in 0..self.dice.of(&[1, 1, 1, 2, 4]) {
                self.make_odd(&mut event, &mut value);
            }
        }
        event.value = value.to_string().into_bytes();
        if self.odd_events && self.dice.one_in(60) {
            event.value = vec![0xff, b'{', 0];
        }
        event
    }

    fn make_odd(&mut self, event: &mut Event, value: &mut Value) {
        match self.dice.below(14) {
            0 | 1 => event.partition = Some(self.dice.below(PARTITIONS as u64) as i32),
            2 => event.key = false,
            3 => event.timestamp = Some(self.dice.of(&[7, 1_000_000_000_000, 1_999_999_999_999])),
            4 | 5 => event.headers = self.dice.of(&HEADERS),
            6 | 7 if event.flow != BULK => value["padding"] = Value::from("x".repeat(LARGE)),
            8 => {
                event.flow = BULK;
                value["flow_id"] = Value::from(BULK);
                value["padding"] = Value::from(self.noise(NOISE));
            }
            9 => value["record_id"] = Value::Null,
            10 => value["flow_id"] = Value::from("*"),
            11 => value["kind"] = Value::from("evaporate"),
            12 => value["record_id"] = Value::from(self.dice.below(9)),
            _ => {}
        }
    }
}

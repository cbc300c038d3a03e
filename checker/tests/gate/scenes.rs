//! What both oracles are shown.

use flowgate_checker::Log;
use serde_json::json;

use super::Gate;

impl Gate {
    /// Three events of `welcome` are held, and two of them released.
    pub fn half_drained(&mut self) {
        self.pause("welcome", json!({}));
        for record in ["a", "b", "c"] {
            self.enroll("welcome", record);
        }
        self.resume("welcome", json!({}));
        self.drain("welcome", 2);
    }

    /// An event of `welcome` was held for an hour and released; [`order_max_age`] makes that wrong.
    pub fn released_after_an_hour(mut self) -> Log {
        self.pause("welcome", json!({}));
        self.enroll("welcome", "a");
        self.pause("welcome", json!({}));
        self.clock_ms += 3_600_000;
        self.resume("welcome", json!({}));
        self.drain_all("welcome");
        self.finish()
    }

    /// Events that are equal byte for byte, in every state: two live, three released, one replaced.
    pub fn equal_events(&mut self) {
        let same = self.incoming("welcome", "a", "enroll");
        let arrive = |gate: &mut Self| gate.arrive("welcome", "a", "enroll", same.clone());
        arrive(self);
        self.pause("welcome", json!({}));
        arrive(self);
        arrive(self);
        self.enroll("welcome", "b");
        self.resume("welcome", json!({}));
        arrive(self);
        self.drain_all("welcome");
        arrive(self);
    }
}

/// Has the resume of [`Gate::released_after_an_hour`] order an age of a minute at most.
pub fn order_max_age(log: &mut Log) {
    for record in log.control.iter_mut().filter(|record| record.offset == 3) {
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap()).replace('{', r#"{"max_age_seconds":60,"#);
        record.value = Some(value.into_bytes());
    }
}

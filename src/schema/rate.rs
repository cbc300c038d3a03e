//! Rates in JSON: an integer where they are whole, else a number with at most three decimals.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::flow::Rate;

pub(super) struct PerSecond(pub(super) Rate);

impl PerSecond {
    /// What a gate has written, and in no other way.
    pub(super) fn read(value: &Value) -> Option<Rate> {
        let Value::Number(number) = value else { return None };
        let text = number.to_string();
        text.parse().ok().filter(|rate: &Rate| rate.to_string() == text)
    }
}

impl Serialize for PerSecond {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.whole() {
            Some(whole) => serializer.serialize_u64(whole),
            None => serializer.serialize_f64(self.0.per_second()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every number of thousandths is the nearest one to what it is written as.
    #[test]
    fn a_rate_is_read_as_it_was_written() {
        let largest = u64::from(u32::MAX) * 1_000;
        let some = (1..3_000).chain((0..40).map(|bit| (1 << bit) + 1)).chain(largest - 2_000..=largest);
        for thousandths in some {
            let rate = Rate::of_thousandths(thousandths).unwrap();
            let json = serde_json::to_string(&PerSecond(rate)).unwrap();
            assert_eq!(json, rate.to_string());
            assert_eq!(PerSecond::read(&serde_json::from_str(&json).unwrap()), Some(rate), "{json}");
        }
    }
}

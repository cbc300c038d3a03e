//! What a command orders, as far as the list is concerned.

use serde_json::Value;

/// A command that can change the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Pause(PauseOrder),
    Resume(ResumeOrder),
}

/// What is absent is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PauseOrder {
    /// `new_records: discard`
    pub turn_away: Option<bool>,
    /// `keep: all`
    pub keep_all: Option<bool>,
    /// `on_expiry: discard`
    pub discard_at_expiry: Option<bool>,
}

/// What is absent is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResumeOrder {
    /// `release: none`
    pub discard: Option<bool>,
    pub max_age_ms: Option<i64>,
    /// `max_rate`, which the list does not know.
    pub has_rate: bool,
}

impl ResumeOrder {
    pub(super) fn says_anything(&self) -> bool {
        self.discard.is_some() || self.max_age_ms.is_some() || self.has_rate
    }
}

impl Order {
    /// Reads a command's document; `None`: it orders nothing that the list knows.
    pub(super) fn read(command: &Value) -> Option<Self> {
        let is = |field: &str, word: &str| command.get(field).and_then(Value::as_str).map(|given| given == word);
        match command.get("action").and_then(Value::as_str)? {
            "pause" => Some(Self::Pause(PauseOrder {
                turn_away: is("new_records", "discard"),
                keep_all: is("keep", "all"),
                discard_at_expiry: is("on_expiry", "discard"),
            })),
            "resume" => Some(Self::Resume(ResumeOrder {
                discard: is("release", "none"),
                max_age_ms: command.get("max_age_seconds").and_then(Value::as_i64).map(|age| age.saturating_mul(1000)),
                has_rate: command.get("max_rate").is_some_and(Value::is_number),
            })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_is_given_and_nothing_else() {
        let pause = json!({"action": "pause", "new_records": "discard", "keep": "latest"});
        let expected = PauseOrder { turn_away: Some(true), keep_all: Some(false), discard_at_expiry: None };
        assert_eq!(Order::read(&pause), Some(Order::Pause(expected)));
        let resume = json!({"action": "resume", "release": "none", "max_age_seconds": 7});
        let expected = ResumeOrder { discard: Some(true), max_age_ms: Some(7000), has_rate: false };
        assert_eq!(Order::read(&resume), Some(Order::Resume(expected)));
        assert_eq!(Order::read(&json!({"action": "resume"})), Some(Order::Resume(ResumeOrder::default())));
        assert_eq!(Order::read(&json!({"action": "purge"})), None);
        assert_eq!(Order::read(&json!({})), None);
    }
}

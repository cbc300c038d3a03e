//! Whether a command that says what it expects of a flow was answered rightly.

use serde_json::Value;

use super::List;
use crate::replay::audit::Happening;

impl List<'_> {
    pub(super) fn answer(&mut self, answer: &Happening, expect: &Value) {
        if self.script.broken_off {
            return;
        }
        let pause = if self.command == answer.offset { &self.pauses.1 } else { &self.pauses.0 };
        let next = self.entries + 1;
        let fits = expect.as_object().is_some_and(|members| {
            members.iter().all(|(name, expected)| match name.as_str() {
                "pause_id" if expected.is_string() => expected.as_str() == pause.as_deref(),
                "pause_id" => expected.is_null() && pause.is_none(),
                "next_entry" => expected.as_u64() == Some(next),
                _ => false,
            })
        });
        let why = match (fits, answer.word.as_str(), answer.changed) {
            (true, _, true) => format!("says that the flow changed, and {expect} is what the list has"),
            (false, word, _) if word != "rejected" => format!("is {word}, and {expect} is not what the list has"),
            _ => return,
        };
        self.contradiction(answer, why);
    }
}

//! Whether a command was answered rightly, as far as the list knows.

use serde_json::Value;

use super::{List, State};
use crate::replay::audit::Happening;
use crate::replay::errands::Errand;

impl List<'_> {
    pub(super) fn answer(&mut self, answer: &Happening, expect: Option<&Value>, errand: Option<&Errand>) {
        if self.script.broken_off {
            return;
        }
        let fits = expect.is_none_or(|expect| self.is_what_is_expected(answer, expect));
        let why = match (fits, answer.word.as_str(), answer.changed) {
            (true, _, true) => Some("says that the flow changed, and what is expected is what the list has"),
            (false, word, _) if word != "rejected" => {
                Some("is not rejected, and what is expected is not what the list has")
            }
            _ => None,
        };
        if let Some(why) = why {
            self.contradiction(answer, why.to_owned());
        } else if let (true, Some(errand)) = (fits, errand)
            && answer.word != "applied"
        {
            let right = self.outcome(errand, answer.position.watermark);
            if answer.word != right {
                self.contradiction(answer, format!("is {}, and the list makes it {right}", answer.word));
            }
        }
    }

    fn is_what_is_expected(&self, answer: &Happening, expect: &Value) -> bool {
        let pause = if self.command == answer.offset { &self.pauses.1 } else { &self.pauses.0 };
        let next = self.entries + 1;
        expect.as_object().is_some_and(|members| {
            members.iter().all(|(name, expected)| match name.as_str() {
                "pause_id" if expected.is_string() => expected.as_str() == pause.as_deref(),
                "pause_id" => expected.is_null() && pause.is_none(),
                "next_entry" => expected.as_u64() == Some(next),
                _ => false,
            })
        })
    }

    /// The outcome of an order that has changed nothing.
    fn outcome(&self, errand: &Errand, watermark: u64) -> &'static str {
        match (errand, self.state) {
            (Errand::Purge(through), State::Paused) => {
                let line = self.purge.map_or(watermark, |purge| purge.line.max(watermark));
                if (*through).min(self.entries) <= line { "unchanged" } else { "applied" }
            }
            (Errand::ReleaseNamed(_), State::Paused)
                if self.sample.is_none() && watermark < self.entries && self.has_taken_all_it_may() =>
            {
                "rejected"
            }
            (Errand::Release(_) | Errand::ReleaseNamed(_), State::Paused) if self.sample.is_none() => {
                if watermark == self.entries { "unchanged" } else { "applied" }
            }
            (Errand::Forget, State::Live) if !self.known => "unchanged",
            // A queue topic that nothing was ever held in is not in the list.
            (Errand::Forget, State::Live) if self.entries == 0 && !self.paused_once => "applied",
            (
                Errand::Purge(_)
                | Errand::Release(_)
                | Errand::ReleaseNamed(_)
                | Errand::AcceptLoss(_)
                | Errand::Forget,
                _,
            ) => "rejected",
        }
    }
}

//! Where a flow has to stand for a command to be applied: what its sender had seen.

use super::{Flow, Outcome, PauseId};
use crate::mutant::{self, Mutant};

/// An absent part is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// The pause in force, or the one whose backlog is being passed; the inner `None`: the flow is live, or unknown.
    pub pause: Option<Option<PauseId>>,
    /// The number that the next held event gets.
    pub next_entry: Option<u64>,
}

impl Expect {
    /// How the answer begins where the flow stands elsewhere.
    pub const CHANGED: &str = "changed meanwhile";

    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The answer, if the flow stands elsewhere.
    pub(super) fn differs(&self, flow: &Flow, is_known: bool) -> Option<Outcome> {
        let pause = flow.pause().map(|pause| &pause.id);
        let next_entry = flow.queue.next_entry;
        let fits = self.pause.as_ref().is_none_or(|expected| expected.as_ref() == pause)
            && self.next_entry.is_none_or(|expected| expected == next_entry);
        if fits || mutant::is(Mutant::ExpectIgnored) {
            return None;
        }
        let pause = pause.map_or_else(|| "null".to_owned(), |pause| format!("`{pause}`"));
        let state = if is_known { flow.state_word() } else { "unknown" };
        Some(Outcome::rejected(format!(
            "{}: the flow is {state}, with `pause_id` {pause} and `next_entry` {next_entry}; look again, and order \
             anew",
            Self::CHANGED
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::super::tests::*;
    use super::*;

    fn answer(desk: &mut Desk, id: &str, expect: Expect) -> String {
        desk.order_expecting(id, resume(), expect).outcome.to_string()
    }

    fn pause_is(id: Option<&str>) -> Expect {
        Expect { pause: Some(id.map(str::to_owned)), next_entry: None }
    }

    fn next_is(next_entry: u64) -> Expect {
        Expect { pause: None, next_entry: Some(next_entry) }
    }

    #[test]
    fn a_flow_that_stands_elsewhere_is_left_alone() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        let before = desk.flow().state.clone();
        let elsewhere = "rejected: changed meanwhile: the flow is paused, with `pause_id` `pause-100` and `next_entry` 2; \
                         look again, and order anew";
        for (n, expect) in [pause_is(None), pause_is(Some("pause-1")), next_is(1)].into_iter().enumerate() {
            assert_eq!(answer(&mut desk, &n.to_string(), expect), elsewhere);
        }
        assert_eq!(desk.flow().state, before);
        let both = Expect { next_entry: Some(2), ..pause_is(Some("pause-100")) };
        assert_eq!(answer(&mut desk, "fits", both), "applied: resuming: 1 held");
        // While it drains the pause that ended is the one to be named.
        assert_eq!(answer(&mut desk, "drain", pause_is(Some("pause-100"))), "unchanged: the flow is resuming already");
    }

    #[test]
    fn an_unknown_flow_has_no_pause_and_its_next_entry_is_the_first() {
        let mut desk = Desk::unknown();
        let expect = Expect { next_entry: Some(1), ..pause_is(None) };
        assert_eq!(answer(&mut desk, "fits", expect), "unchanged: no flow `welcome` is known: nothing to resume");
        let elsewhere = answer(&mut desk, "differs", next_is(2));
        assert!(
            elsewhere.starts_with("rejected: changed meanwhile: the flow is unknown, with `pause_id` null"),
            "{elsewhere}"
        );
    }

    #[test]
    fn a_repeated_command_is_answered_before_it_is_looked_at() {
        let mut desk = Desk::paused();
        let first = answer(&mut desk, "c", pause_is(Some("pause-100")));
        desk.flow().settle(T0);
        assert_eq!(answer(&mut desk, "c", pause_is(Some("pause-100"))), first);
        assert!(desk.flow().commands.iter().all(|known| known.outcome.verdict == Verdict::Applied));
    }
}

//! `resume`, in each state.

use super::{Cause, Drain, Flow, Issue, LineReason, Outcome, Release, ResumeOrder, State, Transition};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl Flow {
    /// Live: nothing to do. Paused: starts the drain. Resuming: changes the orders that are given.
    pub(super) fn order_resume(
        &mut self,
        order: &ResumeOrder,
        issue: &Issue<'_>,
        now: Timestamp,
    ) -> (Outcome, Vec<Transition>) {
        match &mut self.state {
            State::Live => (Outcome::unchanged("the flow is live: nothing to resume"), vec![]),
            State::Paused(pause) => {
                let drain = Drain {
                    command: Some(issue.command.id.clone()),
                    cause: Cause::Resume,
                    release: order.release.unwrap_or_default(),
                    max_rate: order.max_rate,
                    max_age: order.max_age,
                    as_of: now,
                    through_entry: None,
                };
                self.state = State::Resuming { pause: pause.clone(), drain };
                self.obey(order.release.unwrap_or_default(), issue);
                let resumed = Transition::Resumed(Cause::Resume);
                let transitions = self.end_sample().into_iter().chain([resumed]).collect();
                (Outcome::applied(self.resuming_text()), transitions)
            }
            State::Resuming { drain, .. } => {
                if *order == ResumeOrder::default() {
                    return (Outcome::unchanged("the flow is resuming already"), vec![]);
                }
                drain.command = Some(issue.command.id.clone());
                let kept = drain.max_rate.filter(|_| !mutant::is(Mutant::RedirectForgetsTheRate));
                drain.max_rate = order.max_rate.or(kept);
                if let Some(max_age) = order.max_age {
                    drain.max_age = Some(max_age);
                    drain.as_of = now;
                }
                if let Some(release) = order.release {
                    drain.release = release;
                    self.obey(release, issue);
                }
                (Outcome::applied(self.resuming_text()), vec![Transition::Redirected])
            }
        }
    }

    fn obey(&mut self, release: Release, issue: &Issue<'_>) {
        match release {
            Release::All => self.lift_line(),
            Release::None => self.draw_line(LineReason::ReleaseNone, Some(issue.command.id.clone())),
        }
    }

    fn resuming_text(&self) -> String {
        let held = self.counts.held().total();
        // Told from the line, not from the orders: what came after it was drawn is delivered.
        let purged = self.queue.purge_through.as_ref().map(|line| line.entry);
        let discarded = self.queue.discard_through.as_ref().map(|line| line.entry);
        let fate = match purged.max(discarded) {
            Some(line) if line >= self.queue.last_entry() => " are discarded".to_owned(),
            Some(line) if line > self.queue.watermark.entry => {
                format!(", of which those up to entry {line} are discarded")
            }
            Some(_) | None => String::new(),
        };
        let rate = match self.drain().and_then(|drain| drain.max_rate) {
            Some(rate) => format!(", at {rate} records/s at most"),
            None => String::new(),
        };
        format!("resuming: {held} held{fate}{rate}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain::{Passing, Removal};
    use super::super::tests::*;
    use super::super::{Action, Kind, Line};
    use super::*;

    const DISCARDED: Passing = Passing::Remove(Removal::ReleaseNone);

    fn rated(per_second: u32) -> Action {
        Action::Resume(ResumeOrder { max_rate: rate(per_second), ..ResumeOrder::default() })
    }

    #[test]
    fn a_drain_has_the_orders_of_its_command() {
        let mut desk = Desk::paused();
        desk.now = T0.after(HOUR);
        let order = ResumeOrder { release: None, max_rate: rate(5), max_age: Some(DAY) };
        desk.order("resume", Action::Resume(order));
        let expected = Drain {
            command: Some(command("resume", resume()).id),
            cause: Cause::Resume,
            release: Release::All,
            max_rate: rate(5),
            max_age: Some(DAY),
            as_of: T0.after(HOUR),
            through_entry: None,
        };
        assert_eq!(desk.flow().drain(), Some(&expected));
    }

    #[test]
    fn a_second_resume_changes_what_it_names_and_keeps_the_rest() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        let order = ResumeOrder { release: None, max_rate: rate(5), max_age: Some(DAY) };
        desk.order("first", Action::Resume(order));
        let first = desk.flow().drain().unwrap().clone();
        desk.now = T0.after(HOUR);
        desk.order("rate", rated(9));
        let second = Drain { command: Some(command("rate", pause()).id), max_rate: rate(9), ..first };
        assert_eq!(desk.flow().drain(), Some(&second), "an age that is not given again is judged as of the first time");
        desk.order("all", resume_releasing(Release::All));
        assert_eq!(desk.flow().drain().unwrap().max_rate, rate(9));
        let max_age = Some(HOUR);
        desk.order("age", Action::Resume(ResumeOrder { max_age, ..ResumeOrder::default() }));
        let drain = desk.flow().drain().unwrap();
        assert_eq!((drain.max_age, drain.as_of, drain.max_rate), (max_age, T0.after(HOUR), rate(9)));
    }

    #[test]
    fn release_none_discards_what_is_held_now_and_delivers_what_comes_after() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.arrive(Kind::Advance, "a");
        desk.order("none", resume_releasing(Release::None));
        let command = Some(command("none", resume()).id);
        let line = Line { entry: 2, reason: LineReason::ReleaseNone, command };
        assert_eq!(desk.flow().queue.discard_through, Some(line));
        desk.enroll("b");
        // Only a new order for `none` moves the line.
        assert_eq!(
            desk.order("rate", rated(5)).outcome.detail,
            "resuming: 3 held, of which those up to entry 2 are discarded, at 5 records/s at most"
        );
        assert_eq!(desk.drain(9, &[]), [DISCARDED, DISCARDED, Passing::Release]);
        assert_eq!(desk.order("rate too", rated(6)).outcome.detail, "resuming: 0 held, at 6 records/s at most");
        assert_eq!(desk.flow().counts.removed.total(), 2);
        assert_eq!(desk.flow().settle(T0), [Transition::WentLive]);
        // The line is gone with the drain: the next one releases.
        desk.order("pause", pause());
        desk.enroll("c");
        desk.order("resume", resume());
        assert_eq!(desk.drain(9, &[]), [Passing::Release]);
    }

    #[test]
    fn release_none_once_more_draws_the_line_further() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.order("none", resume_releasing(Release::None));
        desk.enroll("b");
        desk.order("none too", resume_releasing(Release::None));
        desk.enroll("c");
        assert_eq!(desk.drain(9, &[]), [DISCARDED, DISCARDED, Passing::Release]);
    }

    #[test]
    fn release_all_lifts_the_line_for_what_is_left() {
        let mut desk = Desk::paused();
        for id in ["a", "b", "c"] {
            desk.enroll(id);
        }
        desk.order("none", resume_releasing(Release::None));
        assert_eq!(desk.drain(1, &[]), [DISCARDED]);
        desk.order("all", resume_releasing(Release::All));
        assert_eq!(desk.drain(1, &[]), [Passing::Release]);
        desk.order("none again", resume_releasing(Release::None));
        assert_eq!(desk.drain(9, &[]), [DISCARDED]);
    }

    #[test]
    fn an_empty_queue_is_resumed_at_once() {
        for action in [resume(), resume_releasing(Release::None), rated(1)] {
            let mut desk = Desk::paused();
            desk.order("resume", action);
            assert_eq!(desk.flow().settle(T0.after(HOUR)), [Transition::WentLive]);
            let flow = desk.flow();
            assert_eq!((&flow.state, flow.updated_at), (&State::Live, T0.after(HOUR)));
        }
    }
}

//! `purge`, in each state: what is held is removed, and the flow stays paused.

use super::{Done, Flow, Issue, Outcome, Purge, PurgeOrder, State, Transition};
use crate::mutant::{self, Mutant};

impl Flow {
    /// Live, resuming: rejected. Paused: draws the line, below which entries are removed from now on.
    pub(super) fn order_purge(&mut self, order: PurgeOrder, issue: &Issue<'_>) -> (Outcome, Vec<Transition>) {
        match self.state {
            State::Live => {
                (Outcome::rejected("the flow is live: nothing is held that could be purged; pause it first"), vec![])
            }
            State::Resuming { .. } => {
                let fix = "pause it first, or order `resume` with `release: none`";
                (Outcome::rejected(format!("the flow is resuming: {fix}")), vec![])
            }
            State::Paused(_) => self.purge(order, issue),
        }
    }

    fn purge(&mut self, order: PurgeOrder, issue: &Issue<'_>) -> (Outcome, Vec<Transition>) {
        let last = self.queue.last_entry();
        let through = order.through_entry.filter(|_| !mutant::is(Mutant::PurgePastThroughEntry));
        let entry = through.map_or(last, |through| through.get().min(last));
        if self.queue.is_passed() {
            return (Outcome::unchanged("nothing is held"), vec![]);
        }
        if entry <= self.queue.watermark.entry {
            return (Outcome::unchanged(format!("nothing is held up to entry {entry}")), vec![]);
        }
        if let Some(Purge { entry: line, .. }) = &self.queue.purge_through
            && entry <= *line
        {
            return (Outcome::unchanged(format!("what is held up to entry {line} is being purged already")), vec![]);
        }
        // What the purge and the sample before it have left is this one's.
        let mut transitions: Vec<_> = self.end_purge().into_iter().chain(self.end_sample()).collect();
        let entry = if mutant::is(Mutant::PurgeWithoutItsEnd) { u64::MAX } else { entry };
        let command = issue.command.id.clone();
        self.queue.purge_through = Some(Purge { entry, command, removed: super::PerKind::default() });
        transitions.push(Transition::Purging);
        let held = self.counts.held().total();
        let what = match entry < last {
            true => format!("what is held up to entry {entry}, of {held} events held"),
            false => format!("what is held, {held} events at most"),
        };
        (Outcome::applied(format!("purging {what}; the flow stays paused")), transitions)
    }

    /// Whether a purge has not come to its line.
    pub(super) fn is_purging(&self) -> bool {
        self.queue.purge_through.is_some()
    }

    /// The purge under way ends here, wherever it has come.
    pub(super) fn end_purge(&mut self) -> Option<Transition> {
        let Purge { command, removed, .. } = self.queue.purge_through.take()?;
        Some(Transition::Purged(Done { command, count: removed }))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::super::drain::{Passing, Removal};
    use super::super::tests::*;
    use super::super::{Action, Cause, Kind, PerKind, Release};
    use super::*;

    const PURGED: Passing = Passing::Remove(Removal::Purged);

    fn through(entry: u64) -> Action {
        Action::Purge(PurgeOrder { through_entry: NonZeroU64::new(entry) })
    }

    fn done(desk: &mut Desk) -> Vec<Transition> {
        desk.flow().settle(T0)
    }

    fn purged(command_id: &str, enroll: u64) -> Transition {
        let count = PerKind { enroll, advance: 0 };
        Transition::Purged(Done { command: command(command_id, purge()).id, count })
    }

    /// Paused, with `n` enrolls held.
    fn holding(n: usize) -> Desk {
        let mut desk = Desk::paused();
        (0..n).for_each(|n| drop(desk.enroll(&n.to_string())));
        desk
    }

    #[test]
    fn what_is_held_is_removed_and_what_comes_after_is_held() {
        let mut desk = holding(2);
        assert_eq!(desk.order("p", purge()).transitions, [Transition::Purging]);
        desk.enroll("later");
        assert_eq!(desk.drain(9, &[]), [PURGED, PURGED, Passing::Stays]);
        assert_eq!(done(&mut desk), [purged("p", 2)]);
        let flow = desk.flow();
        assert_eq!((flow.state_word(), flow.counts.held().total(), flow.passes()), ("paused", 1, false));
    }

    #[test]
    fn replaced_goes_before_purged() {
        let mut desk = holding(3);
        desk.order("p", purge());
        assert_eq!(desk.drain(9, &[2]), [PURGED, Passing::Replaced, PURGED]);
        assert_eq!(done(&mut desk), [purged("p", 2)]);
    }

    /// The cleaner may take the entry at the line: then the next one shows that it is passed.
    #[test]
    fn a_line_in_a_gap_is_passed_when_the_next_survivor_is_seen() {
        let mut desk = holding(4);
        desk.order("p", through(2));
        desk.queue.retain(|survivor| ![2, 3].contains(&survivor.number));
        assert_eq!(desk.drain(1, &[]), [PURGED]);
        assert_eq!(done(&mut desk), []);
        assert_eq!(desk.drain(9, &[]), [Passing::Stays]);
        assert_eq!(done(&mut desk), [purged("p", 1)]);
        let flow = desk.flow();
        assert_eq!((flow.queue.watermark.entry, flow.counts.replaced.total(), flow.counts.held().total()), (3, 2, 1));
        desk.order("resume", resume());
        assert_eq!(desk.drain(9, &[]), [Passing::Release]);
    }

    #[test]
    fn nothing_lifts_its_line() {
        let mut desk = holding(3);
        desk.order("p", through(2));
        assert_eq!(desk.drain(1, &[]), [PURGED]);
        desk.order("resume", resume_releasing(Release::All));
        desk.order("again", pause());
        desk.order("none", resume_releasing(Release::None));
        desk.order("and again", pause());
        desk.order("resume at last", resume());
        assert_eq!(desk.drain(1, &[]), [PURGED]);
        assert_eq!(done(&mut desk), [purged("p", 2)]);
        assert_eq!(desk.drain(9, &[]), [Passing::Release]);
        assert_eq!(done(&mut desk), [Transition::WentLive]);
    }

    #[test]
    fn the_line_of_release_none_lies_beside_it() {
        let mut desk = holding(3);
        desk.order("p", through(1));
        let answer = desk.order("none", resume_releasing(Release::None)).outcome.to_string();
        assert_eq!(answer, "applied: resuming: 3 held are discarded");
        let none = Passing::Remove(Removal::ReleaseNone);
        assert_eq!(desk.drain(9, &[]), [PURGED, none, none]);
        assert_eq!(done(&mut desk), [purged("p", 1), Transition::WentLive]);
    }

    #[test]
    fn the_timer_goes_on_with_it() {
        let mut desk = holding(2);
        desk.order("p", purge());
        assert_eq!(desk.flow().fire(T0.after(14 * DAY)), [Transition::Resumed(Cause::Timer)]);
        assert_eq!(desk.drain(9, &[]), [PURGED, PURGED]);
        assert_eq!(done(&mut desk), [purged("p", 2), Transition::WentLive]);
    }

    #[test]
    fn a_second_purge_takes_over_what_the_first_has_left() {
        let mut desk = holding(2);
        desk.order("one", purge());
        assert_eq!(desk.drain(1, &[]), [PURGED]);
        desk.enroll("later");
        assert_eq!(desk.order("two", purge()).transitions, [purged("one", 1), Transition::Purging]);
        assert_eq!(desk.drain(9, &[]), [PURGED, PURGED]);
        assert_eq!(done(&mut desk), [purged("two", 2)]);
    }

    #[test]
    fn where_there_is_nothing_to_purge_nothing_changes() {
        let unchanged = |desk: &mut Desk, id: &str, action: Action, why: &str| {
            let applied = desk.order(id, action);
            assert_eq!((applied.outcome.to_string(), applied.transitions), (format!("unchanged: {why}"), vec![]));
        };
        unchanged(&mut Desk::paused(), "p", purge(), "nothing is held");
        let mut desk = holding(2);
        desk.order("first", through(1));
        unchanged(&mut desk, "p", through(1), "what is held up to entry 1 is being purged already");
        assert_eq!(desk.drain(1, &[]), [PURGED]);
        assert_eq!(done(&mut desk), [purged("first", 1)]);
        unchanged(&mut desk, "q", through(1), "nothing is held up to entry 1");
        let answer = desk.order("r", through(9)).outcome.to_string();
        assert_eq!(answer, "applied: purging what is held, 1 events at most; the flow stays paused");
    }

    #[test]
    fn a_withdraw_under_the_line_is_passed_and_counts_nowhere() {
        let mut desk = holding(1);
        desk.arrive(Kind::Withdraw, "0");
        desk.order("p", purge());
        assert_eq!(desk.drain(9, &[1]), [Passing::Replaced, Passing::Withdrawal]);
        assert_eq!(done(&mut desk), [purged("p", 0)]);
    }
}

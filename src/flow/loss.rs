//! `accept_loss`, in each state: somebody deleted what is held, and the flow goes on behind that.

use super::command::Moment;
use super::{AcceptLossOrder, Done, Flow, Issue, Loss, Outcome, PerKind, State, Tally, Transition, Watermark};
use crate::mutant::{self, Mutant};

impl Flow {
    /// Live: rejected. Paused, resuming: what is gone is counted as lost, if it is no more than the order accepts.
    pub(super) fn order_accept_loss(
        &mut self,
        order: AcceptLossOrder,
        issue: &Issue<'_>,
        moment: &Moment<'_>,
    ) -> (Outcome, Vec<Transition>) {
        let rejected = |why: String| (Outcome::rejected(why), vec![]);
        if matches!(self.state, State::Live) {
            return rejected("the flow is live: nothing is held that could be lost".to_owned());
        }
        let Some(gone) = moment.gone.filter(|gone| gone.entry > self.queue.watermark.entry) else {
            return rejected(
                "the flow is not blocked: nothing is missing of what was to be read of its queue".to_owned(),
            );
        };
        let count = self.loss(&gone);
        let most = u64::from(order.at_most.get());
        if count.total() > most && !mutant::is(Mutant::AtMostIgnored) {
            return rejected(format!("{} held events are gone, more than the {most} of `at_most`", count.total()));
        }
        let first_entry = self.queue.watermark.entry + 1;
        self.counts.add_each(Tally::Lost, count);
        self.move_watermark(gone);
        let through = gone.entry;
        let detail = format!(
            "{} held events are lost, entries {first_entry} to {through}; {} are held",
            count.total(),
            self.counts.held().total()
        );
        let done = Done { command: issue.command.id.clone(), count };
        let accepted = Transition::LossAccepted(Loss { done, first_entry });
        // What comes to its end by it ends before the next command.
        (Outcome::applied(detail), [accepted].into_iter().chain(self.settle(moment.now)).collect())
    }

    /// What is lost if everything up to there is gone. What a sample had taken was released.
    #[must_use]
    pub fn loss(&self, gone: &Watermark) -> PerKind {
        let taken = self.queue.taken.through(gone.entry);
        gone.beyond(&self.queue.watermark).minus(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain::Passing;
    use super::super::tests::*;
    use super::super::{Cause, Kind};
    use super::*;

    /// Enroll 0 to 2, advance 3; three of them are gone; the drain has begun.
    fn blocked() -> Desk {
        let mut desk = Desk::paused();
        (0..3).for_each(|n| drop(desk.enroll(&n.to_string())));
        desk.arrive(Kind::Advance, "3");
        desk.order("r", resume());
        desk.gone = Some(Watermark { entry: 3, enrolls: 3, advances: 0, offset: 8 });
        desk
    }

    fn lost(first_entry: u64, enroll: u64, advance: u64) -> Transition {
        let done = Done { command: command("a", purge()).id, count: PerKind { enroll, advance } };
        Transition::LossAccepted(Loss { done, first_entry })
    }

    #[test]
    fn the_drain_goes_on_behind_what_is_gone() {
        let mut desk = blocked();
        let applied = desk.order("a", accept_loss(3));
        assert_eq!(applied.transitions, [lost(1, 3, 0)]);
        assert_eq!(applied.outcome.to_string(), "applied: 3 held events are lost, entries 1 to 3; 1 are held");
        assert_eq!(desk.drain(9, &[]), [Passing::Release]);
        assert_eq!(desk.flow().settle(T0), [Transition::WentLive]);
        assert_eq!(desk.flow().counts.lost, PerKind { enroll: 3, advance: 0 });
    }

    #[test]
    fn more_than_was_accepted_stays_as_it_is() {
        let mut desk = blocked();
        let before = (desk.flow().counts, desk.flow().queue.clone());
        let answer = desk.order("a", accept_loss(2)).outcome.to_string();
        assert_eq!(answer, "rejected: 3 held events are gone, more than the 2 of `at_most`");
        assert_eq!((desk.flow().counts, desk.flow().queue.clone()), before);
    }

    #[test]
    fn what_is_not_known_to_be_gone_is_not_lost() {
        let not_blocked = "rejected: the flow is not blocked: nothing is missing of what was to be read of its queue";
        let mut desk = blocked();
        desk.gone = None;
        assert_eq!(desk.order("a", accept_loss(9)).outcome.to_string(), not_blocked);
        // It was passed since it was looked at.
        let mut desk = blocked();
        desk.drain(3, &[]);
        assert_eq!(desk.order("a", accept_loss(9)).outcome.to_string(), not_blocked);
        let live = Desk::live().order("a", accept_loss(9)).outcome.to_string();
        assert_eq!(live, "rejected: the flow is live: nothing is held that could be lost");
    }

    #[test]
    fn only_what_was_not_passed_is_lost() {
        let mut desk = blocked();
        desk.drain(1, &[]);
        assert_eq!(desk.order("a", accept_loss(9)).transitions, [lost(2, 2, 0)]);
    }

    #[test]
    fn a_purge_and_a_sample_end_behind_it() {
        let mut desk = blocked();
        desk.order("again", pause());
        desk.order("p", purge());
        desk.arrive(Kind::Enroll, "later");
        desk.order("s", sample(1));
        desk.gone = Some(Watermark { entry: 5, enrolls: 4, advances: 1, offset: 12 });
        let ended = desk.order("a", accept_loss(9)).transitions;
        assert_eq!((&ended[0], ended.len()), (&lost(1, 4, 1), 3), "{ended:?}");
        assert_eq!((desk.flow().state_word(), desk.flow().passes()), ("paused", false));
    }

    #[test]
    fn the_timer_comes_first() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.gone = Some(Watermark { entry: 1, enrolls: 1, advances: 0, offset: 3 });
        desk.now = T0.after(14 * DAY);
        let transitions = desk.order("a", accept_loss(1)).transitions;
        assert_eq!(transitions, [Transition::Resumed(Cause::Timer), lost(1, 1, 0), Transition::WentLive]);
    }

    #[test]
    fn what_was_released_by_name_is_not_lost() {
        let mut desk = Desk::paused();
        (0..3).for_each(|n| drop(desk.enroll(&n.to_string())));
        desk.order("s", named(&["1"]));
        assert!(desk.flow().take(2, Kind::Enroll));
        assert_eq!(desk.flow().end_search(T0).len(), 1);
        desk.order("r", resume());
        desk.gone = Some(Watermark { entry: 3, enrolls: 3, advances: 0, offset: 8 });
        assert_eq!(desk.order("a", accept_loss(2)).transitions, [lost(1, 2, 0), Transition::WentLive]);
        assert!(desk.flow().queue.taken.is_empty());
    }
}

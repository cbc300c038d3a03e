//! `release`, in each state: some of what is held is delivered, and the flow stays paused.

use super::{Done, Flow, Issue, Outcome, PerKind, ReleaseOrder, Sample, State, Transition};
use crate::mutant::{self, Mutant};

impl Flow {
    /// Live, resuming: rejected. Paused: so many are released from the head of the queue, as a drain would.
    pub(super) fn order_release(&mut self, order: &ReleaseOrder, issue: &Issue<'_>) -> (Outcome, Vec<Transition>) {
        let rejected = |why: &str| (Outcome::rejected(why), vec![]);
        match self.state {
            State::Live => return rejected("the flow is live: nothing is held that could be released"),
            State::Resuming { .. } => return rejected("the flow is resuming: everything held is being released"),
            State::Paused(_) => {}
        }
        if let Some(sample) = &self.sample {
            let (other, left) = (&sample.command, sample.left);
            return rejected(&format!(
                "the sample of command `{other}` is under way, with {left} to be released; order this one when the audit \
                 says `sampled`"
            ));
        }
        let count = match order {
            ReleaseOrder::Count(count) => u64::from(count.get()),
            ReleaseOrder::Records(_) => return rejected("not supported yet: `record_ids`; send `count`"),
        };
        if self.queue.is_passed() {
            return (Outcome::unchanged("nothing is held"), vec![]);
        }
        let command = issue.command.id.clone();
        self.sample = Some(Sample { command, left: count, released: PerKind::default() });
        let held = self.counts.held().total();
        let detail = format!("releasing {count} of {held} events held; the flow stays paused");
        (Outcome::applied(detail), vec![Transition::Sampling])
    }

    /// Whether a sample has not released all that it is to.
    pub(super) fn is_sampling(&self) -> bool {
        self.sample.as_ref().is_some_and(|sample| sample.left > 0 || mutant::is(Mutant::SampleWithoutItsEnd))
    }

    /// The sample under way ends here, however much it has released.
    pub(super) fn end_sample(&mut self) -> Option<Transition> {
        let Sample { command, released, left } = self.sample.take()?;
        let silently = left > 0 && mutant::is(Mutant::SampleEndedSilently);
        (!silently).then_some(Transition::Sampled(Done { command, count: released }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::drain::{Passing, Removal};
    use super::super::tests::*;
    use super::super::{Cause, Kind};
    use super::*;

    /// Paused, with so many enrolls held.
    fn holding(n: usize) -> Desk {
        let mut desk = Desk::paused();
        (0..n).for_each(|n| drop(desk.enroll(&n.to_string())));
        desk
    }

    fn sampled(enroll: u64) -> Transition {
        let count = PerKind { enroll, advance: 0 };
        Transition::Sampled(Done { command: command("s", sample(1)).id, count })
    }

    #[test]
    fn so_many_are_released_and_the_rest_stays() {
        let mut desk = holding(4);
        assert_eq!(desk.order("s", sample(2)).transitions, [Transition::Sampling]);
        // What is replaced does not count.
        let stays = Passing::Stays;
        assert_eq!(desk.drain(9, &[1]), [Passing::Replaced, Passing::Release, Passing::Release, stays]);
        assert_eq!(desk.flow().settle(T0), [sampled(2)]);
        let flow = desk.flow();
        assert_eq!((flow.state_word(), flow.counts.held().total(), flow.passes()), ("paused", 1, false));
        assert_eq!(desk.drain(9, &[]), [stays]);
    }

    #[test]
    fn it_ends_when_nothing_is_left() {
        let mut desk = holding(1);
        desk.order("s", sample(5));
        assert_eq!(desk.drain(9, &[]), [Passing::Release]);
        assert_eq!(desk.flow().settle(T0), [sampled(1)]);
        desk.enroll("later");
        assert_eq!(desk.drain(9, &[]), [Passing::Stays]);
    }

    #[test]
    fn whatever_ends_the_pause_ends_it() {
        let mut desk = holding(3);
        desk.order("s", sample(2));
        desk.drain(1, &[]);
        assert_eq!(desk.order("r", resume()).transitions, [sampled(1), Transition::Resumed(Cause::Resume)]);
        assert_eq!(desk.flow().sample, None);
        let mut desk = holding(3);
        desk.order("s", sample(2));
        let fired = desk.flow().fire(T0.after(14 * DAY));
        assert_eq!(fired, [sampled(0), Transition::Resumed(Cause::Timer)]);
    }

    #[test]
    fn an_update_of_the_pause_leaves_it() {
        let mut desk = holding(3);
        desk.order("s", sample(1));
        assert_eq!(desk.order("u", pause()).transitions, [Transition::Updated]);
        assert_eq!(desk.drain(9, &[]), [Passing::Release, Passing::Stays, Passing::Stays]);
    }

    #[test]
    fn a_second_one_waits_for_its_end() {
        let mut desk = holding(3);
        desk.order("s", sample(2));
        let answer = desk.order("t", sample(1)).outcome.to_string();
        let why = "rejected: the sample of command `s` is under way, with 2 to be released; order this one when the \
                   audit says `sampled`";
        assert_eq!(answer, why);
    }

    #[test]
    fn a_purge_goes_before_it_and_ends_it() {
        let removed = Passing::Remove(Removal::Purged);
        let mut desk = holding(3);
        desk.order("s", sample(2));
        assert_eq!(desk.order("p", purge()).transitions, [sampled(0), Transition::Purging]);
        assert_eq!(desk.drain(1, &[]), [removed]);
        // Ordered while a purge is under way it takes what comes after its line.
        let mut desk = holding(2);
        desk.order("p", purge());
        desk.enroll("later");
        desk.order("s", sample(5));
        assert_eq!(desk.drain(9, &[]), [removed, removed, Passing::Release]);
        let ended = desk.flow().settle(T0);
        assert_eq!(ended.len(), 2);
        assert_eq!(ended[1], sampled(1));
    }

    #[test]
    fn what_could_not_be_stored_downstream_is_released_from_what_follows() {
        let mut desk = holding(3);
        desk.order("s", sample(1));
        assert_eq!(desk.drain(1, &[]), [Passing::Release]);
        desk.flow().release_failed(Kind::Enroll);
        assert_eq!(desk.flow().settle(T0), []);
        assert_eq!(desk.drain(1, &[]), [Passing::Release]);
        assert_eq!(desk.flow().settle(T0), [sampled(1)]);
    }
}

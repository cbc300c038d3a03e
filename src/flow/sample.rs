//! `release`, in each state: some of what is held is delivered, and the flow stays paused.

use super::{Done, Flow, Issue, Kind, Outcome, PerKind, ReleaseOrder, Sample, State, Taken, Tally, Transition, Wanted};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl Flow {
    /// Live, resuming: rejected. Paused: so many are released from the head of the queue, as a drain would, or what is held of
    /// some records, wherever it stands.
    pub(super) fn order_release(&mut self, order: &ReleaseOrder, issue: &Issue<'_>) -> (Outcome, Vec<Transition>) {
        let rejected = |why: &str| (Outcome::rejected(why), vec![]);
        match self.state {
            State::Live => return rejected("the flow is live: nothing is held that could be released"),
            State::Resuming { .. } => return rejected("the flow is resuming: everything held is being released"),
            State::Paused(_) => {}
        }
        if let Some(sample) = &self.sample {
            let (other, wanted) = (&sample.command, &sample.wanted);
            let left = match wanted {
                Wanted::Count { left } => format!("{left} to be released"),
                Wanted::Records { ids, .. } => format!("{} records to be looked for", ids.len()),
            };
            return rejected(&format!(
                "the sample of command `{other}` is under way, with {left}; order this one when the audit says `sampled`"
            ));
        }
        if matches!(order, ReleaseOrder::Records(_)) && self.queue.taken.is_full() {
            let most = Taken::MOST;
            return rejected(&format!("{most} entries were released by name and wait to be passed: resume, or purge"));
        }
        if self.queue.is_passed() {
            return (Outcome::unchanged("nothing is held"), vec![]);
        }
        let held = self.counts.held().total();
        let (wanted, what) = match order {
            ReleaseOrder::Count(count) => {
                (Wanted::Count { left: u64::from(count.get()) }, format!("releasing {count} of {held} events held"))
            }
            ReleaseOrder::Records(ids) => {
                let records = match ids.len() {
                    1 => "1 record".to_owned(),
                    several => format!("{several} records"),
                };
                let wanted = Wanted::Records { ids: ids.clone(), through_entry: self.queue.last_entry() };
                (wanted, format!("looking for {records} among {held} events held"))
            }
        };
        self.sample = Some(Sample { command: issue.command.id.clone(), wanted, released: PerKind::default() });
        (Outcome::applied(format!("{what}; the flow stays paused")), vec![Transition::Sampling])
    }

    /// Whether a sample passes entries: it has not released so many as it is to.
    pub(super) fn is_sampling(&self) -> bool {
        let Some(Sample { wanted: Wanted::Count { left }, .. }) = &self.sample else { return false };
        *left > 0 || mutant::is(Mutant::SampleWithoutItsEnd)
    }

    /// Whether a sample can release no more. One of named records is at its end when these have been looked for
    /// ([`Flow::end_search`]).
    pub(super) fn has_released_all(&self) -> bool {
        match &self.sample {
            Some(Sample { wanted: Wanted::Count { .. }, .. }) => !self.is_sampling() || self.queue.is_passed(),
            Some(Sample { wanted: Wanted::Records { through_entry, .. }, .. }) => {
                self.queue.watermark.entry >= *through_entry
            }
            None => false,
        }
    }

    /// Whether records are to be looked for in its queue. Not while it is purged: what is under that line is not released, and what
    /// lies behind it is looked for then.
    #[must_use]
    pub fn searches(&self) -> bool {
        matches!(self.sample, Some(Sample { wanted: Wanted::Records { .. }, .. })) && !self.is_purging()
    }

    /// Whether an entry of a record that a sample looks for is to be released: it has no fate yet and gets none by what is
    /// under way. `false`: it stays as it is. The caller knows whether something newer has replaced it.
    #[must_use]
    pub fn wants(&self, number: u64) -> bool {
        let Some(Sample { wanted: Wanted::Records { through_entry, .. }, .. }) = &self.sample else { return false };
        let purged = self.queue.purge_through.as_ref().map_or(0, |purge| purge.entry);
        let from = self.queue.watermark.entry.max(purged);
        number > from && number <= *through_entry && !self.queue.taken.contains(number) && !self.queue.taken.is_full()
    }

    /// Releases an entry by name, if it is wanted ([`Flow::wants`]): it counts as released from now on, and whatever passes it later
    /// passes it silently.
    pub fn take(&mut self, number: u64, kind: Kind) -> bool {
        let takes = self.wants(number) && kind != Kind::Withdraw;
        if let Some(sample) = self.sample.as_mut().filter(|_| takes) {
            sample.released.add(kind, 1);
            self.counts.add(Tally::Released, kind, 1);
            if !mutant::is(Mutant::TakenEntryForgotten) {
                self.queue.taken.add(number, kind);
            }
        }
        takes
    }

    /// The records of a sample have been looked for, and what was found of them is released.
    pub fn end_search(&mut self, now: Timestamp) -> Vec<Transition> {
        self.updated_at = now;
        self.end_sample().into_iter().collect()
    }

    /// The sample under way ends here, however much it has released.
    pub(super) fn end_sample(&mut self) -> Option<Transition> {
        let is_over = self.has_released_all();
        let Sample { command, released, .. } = self.sample.take()?;
        let silently = !is_over && mutant::is(Mutant::SampleEndedSilently);
        (!silently).then_some(Transition::Sampled(Done { command, count: released }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain::{Passing, Removal};
    use super::super::tests::*;
    use std::num::NonZeroU64;

    use super::super::{Action, Cause, Kind, PurgeOrder, Verdict};
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
    fn named_records_are_released_wherever_they_stand_and_passed_silently_later() {
        let mut desk = holding(4);
        let applied = desk.order("s", named(&["2"]));
        let answer = "applied: looking for 1 record among 4 events held; the flow stays paused";
        assert_eq!((applied.outcome.to_string().as_str(), applied.transitions), (answer, vec![Transition::Sampling]));
        let flow = desk.flow();
        assert!(!flow.passes(), "what stands before it stays");
        assert!(flow.take(3, Kind::Enroll));
        assert!(!flow.take(3, Kind::Enroll), "once");
        assert_eq!(flow.end_search(T0), [sampled(1)]);
        assert_eq!((flow.counts.released.enroll, flow.counts.held().enroll), (1, 3));
        desk.order("r", resume());
        let released = Passing::Release;
        assert_eq!(desk.drain(9, &[3]), [released, released, Passing::Taken, released]);
        assert_eq!((desk.flow().counts.released.enroll, desk.flow().counts.replaced.enroll), (4, 0));
        assert!(desk.flow().queue.taken.is_empty());
    }

    #[test]
    fn a_taken_entry_in_a_gap_is_not_counted_as_replaced() {
        let mut desk = holding(4);
        desk.order("s", named(&["1"]));
        assert!(desk.flow().take(2, Kind::Enroll));
        desk.flow().end_search(T0);
        desk.queue.retain(|survivor| ![2, 3].contains(&survivor.number));
        desk.order("r", resume());
        desk.drain(9, &[]);
        let counts = desk.flow().counts;
        assert_eq!((counts.released.enroll, counts.replaced.enroll), (3, 1));
    }

    #[test]
    fn what_a_purge_is_about_to_remove_and_what_came_after_the_order_is_not_released_by_name() {
        let mut desk = holding(3);
        desk.order("p", Action::Purge(PurgeOrder { through_entry: NonZeroU64::new(1) }));
        desk.order("s", named(&["0", "1", "3"]));
        desk.enroll("3");
        let flow = desk.flow();
        assert_eq!([1, 2, 3, 4].map(|number| flow.wants(number)), [false, true, true, false]);
        // A purge ends it, and does not remove what it has taken.
        assert!(flow.take(2, Kind::Enroll));
        assert_eq!(desk.order("q", purge()).transitions[1], sampled(1));
        let removed = Passing::Remove(Removal::Purged);
        assert_eq!(desk.drain(9, &[]), [removed, Passing::Taken, removed, removed]);
    }

    #[test]
    fn whatever_ends_the_pause_ends_the_search() {
        for end in [resume(), purge()] {
            let mut desk = holding(2);
            desk.order("s", named(&["1"]));
            assert_eq!(desk.order("e", end).transitions[0], sampled(0));
            assert!(!desk.flow().take(2, Kind::Enroll));
        }
        let mut desk = holding(2);
        desk.order("s", named(&["1"]));
        assert_eq!(desk.order("t", sample(1)).outcome.verdict, Verdict::Rejected);
        assert_eq!(desk.order("u", pause()).transitions, [Transition::Updated]);
        assert_eq!(desk.flow().settle(T0), []);
        assert_eq!(desk.flow().fire(T0.after(14 * DAY))[0], sampled(0));
    }

    #[test]
    fn a_flow_has_so_many_taken_entries_at_most() {
        let mut desk = holding(2);
        for number in 10..10 + u64::try_from(Taken::MOST).unwrap() {
            desk.flow().queue.taken.add(number, Kind::Withdraw);
        }
        let why = "rejected: 10000 entries were released by name and wait to be passed: resume, or purge";
        assert_eq!(desk.order("s", named(&["1"])).outcome.to_string(), why);
        assert_eq!(desk.order("t", sample(1)).outcome.verdict, Verdict::Applied);
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

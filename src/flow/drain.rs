//! Held entries are passed, one after another, and get their fate.
//!
//! The cleaner may have removed entries, always replaced ones: every survivor's header says how many enrolls and
//! advances lie before it, so the gap before it is counted exactly.

use super::{
    CommandId, Drain, Flow, Kind, Line, LineReason, PerKind, Purge, Queue, State, Tally, Transition, Wanted, Watermark,
};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// A queue entry that is still in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    pub number: u64,
    /// Enrolls among the entries up to and with this one.
    pub enrolls: u64,
    /// Advances among the entries up to and with this one.
    pub advances: u64,
    pub kind: Kind,
    pub held_at: Timestamp,
    /// Its offset in the queue topic.
    pub offset: i64,
}

impl Survivor {
    /// Where everything before it has been passed, and nothing else.
    #[must_use]
    pub fn before(&self) -> Watermark {
        let own = |kind: Kind| u64::from(self.kind == kind);
        Watermark {
            entry: self.number - 1,
            enrolls: self.enrolls.saturating_sub(own(Kind::Enroll)),
            advances: self.advances.saturating_sub(own(Kind::Advance)),
            offset: self.offset,
        }
    }
}

/// The fate of a held entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    Release,
    /// A newer event or a withdraw took its place.
    Replaced,
    Remove(Removal),
    /// A withdraw: delivered when it came, here only for what it takes out.
    Withdrawal,
    /// Released by name before: nothing is done, and nothing may be delivered.
    Taken,
    /// Passed before: nothing is done, and nothing may be delivered.
    Stale,
    /// It stays in the queue: the flow is paused, and what it passes all the same ends before this one.
    Stays,
}

/// Why a held entry goes to the discarded topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    ReleaseNone,
    Expired,
    MaxAge,
    Purged,
}

impl Flow {
    /// Whether entries are passed: the flow resumes, or a purge or a sample of what it holds is under way.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self.state {
            State::Resuming { .. } => true,
            State::Paused(_) => self.is_purging() || self.is_sampling(),
            State::Live => false,
        }
    }

    /// The last entry that may be passed as it stands now.
    fn passes_through(&self) -> u64 {
        match self.state {
            State::Resuming { .. } => u64::MAX,
            State::Paused(_) if self.is_sampling() => u64::MAX,
            State::Paused(_) | State::Live => self.queue.purge_through.as_ref().map_or(0, |purge| purge.entry),
        }
    }

    /// Passes the next survivor and counts its fate and the gap before it. `replaced`: the index has something newer.
    /// A replaced entry is never removed, a removed one never released.
    pub fn pass(&mut self, survivor: &Survivor, replaced: bool) -> Passing {
        if survivor.number <= self.queue.watermark.entry {
            return Passing::Stale;
        }
        // A survivor that was read ahead when the drain was stopped must not slip out of a paused flow.
        if !self.passes() {
            return Passing::Stays;
        }
        self.pass_gap(survivor);
        if survivor.number > self.passes_through() {
            return Passing::Stays;
        }
        let passing = self.fate(survivor, replaced);
        self.tally(passing, survivor.kind);
        let entry = match () {
            () if mutant::is(Mutant::WatermarkOneTooFar) => survivor.number + 1,
            () if mutant::is(Mutant::WatermarkOneTooNear) => survivor.number.saturating_sub(1),
            () => survivor.number,
        };
        let offset = self.goes_on_from(survivor.offset + 1);
        self.move_watermark(Watermark { entry, enrolls: survivor.enrolls, advances: survivor.advances, offset });
        passing
    }

    /// Everything up to there has its fate.
    pub(super) fn move_watermark(&mut self, to: Watermark) {
        self.queue.watermark = to;
        self.queue.taken.give_up_through(to.entry);
    }

    /// Counts what the cleaner took before this survivor, all of it replaced.
    fn pass_gap(&mut self, survivor: &Survivor) {
        let before = survivor.before();
        let before = Watermark { offset: self.goes_on_from(before.offset), ..before };
        let taken = match mutant::is(Mutant::TakenCountedAsReplacedInAGap) {
            true => PerKind::default(),
            false => self.queue.taken.through(before.entry),
        };
        self.counts.add_each(Tally::Replaced, before.beyond(&self.queue.watermark).minus(taken));
        self.move_watermark(before);
    }

    /// Where the next entry is looked for. What was read of a topic that is gone says nothing about the next one.
    fn goes_on_from(&self, offset: i64) -> i64 {
        match self.queue.watermark.offset {
            Queue::NOWHERE => Queue::NOWHERE,
            _ => offset,
        }
    }

    fn tally(&mut self, passing: Passing, kind: Kind) {
        let tally = match passing {
            Passing::Release => Tally::Released,
            Passing::Replaced => Tally::Replaced,
            Passing::Remove(_) => Tally::Removed,
            Passing::Withdrawal | Passing::Taken | Passing::Stale | Passing::Stays => return,
        };
        self.counts.add(tally, kind, 1);
        match (passing, &mut self.sample, &mut self.queue.purge_through) {
            (Passing::Release, Some(sample), _) => {
                if let Wanted::Count { left } = &mut sample.wanted {
                    *left = left.saturating_sub(1);
                }
                sample.released.add(kind, 1);
            }
            (Passing::Remove(Removal::Purged), _, Some(purge)) => purge.removed.add(kind, 1),
            _ => {}
        }
    }

    /// The command for which entries are removed; `None`: the timer.
    #[must_use]
    pub fn ordered(&self, removal: Removal) -> Option<&CommandId> {
        match removal {
            Removal::ReleaseNone | Removal::Expired => self.queue.discard_through.as_ref()?.command.as_ref(),
            Removal::MaxAge => self.drain()?.command.as_ref(),
            Removal::Purged => self.queue.purge_through.as_ref().map(|purge| &purge.command),
        }
    }

    /// What becomes of an entry when it is passed as things stand.
    #[must_use]
    pub fn fate(&self, survivor: &Survivor, replaced: bool) -> Passing {
        if survivor.kind == Kind::Withdraw {
            return Passing::Withdrawal;
        }
        if self.queue.taken.contains(survivor.number) {
            return Passing::Taken;
        }
        if replaced && !(mutant::is(Mutant::RemovedBeforeReplaced) && self.queue.discard_through.is_some()) {
            return Passing::Replaced;
        }
        if let Some(Purge { entry, .. }) = &self.queue.purge_through
            && survivor.number <= *entry
        {
            return Passing::Remove(Removal::Purged);
        }
        if let Some(Line { entry, reason, .. }) = &self.queue.discard_through
            && survivor.number <= *entry
        {
            return Passing::Remove(match reason {
                LineReason::ReleaseNone => Removal::ReleaseNone,
                LineReason::Expired => Removal::Expired,
            });
        }
        if let Some(Drain { max_age: Some(max_age), as_of, .. }) = self.drain()
            && as_of.since(survivor.held_at) > *max_age
        {
            return Passing::Remove(Removal::MaxAge);
        }
        Passing::Release
    }

    /// The entry just released could not be stored downstream: it is removed instead.
    pub fn release_failed(&mut self, kind: Kind) {
        if kind == Kind::Withdraw {
            return;
        }
        self.counts.released.take_back(kind);
        self.counts.add(Tally::Removed, kind, 1);
        if let Some(sample) = &mut self.sample {
            if let Wanted::Count { left } = &mut sample.wanted {
                *left += 1;
            }
            sample.released.take_back(kind);
        }
    }

    /// Ends what has come to its end: a purge, a sample by count, the drain.
    pub fn settle(&mut self, now: Timestamp) -> Vec<Transition> {
        let mut ended = Vec::new();
        let watermark = self.queue.watermark.entry;
        if self.queue.purge_through.as_ref().is_some_and(|purge| purge.entry <= watermark) {
            ended.extend(self.end_purge());
        }
        if self.sample.is_some() && self.has_released_all() {
            ended.extend(self.end_sample());
        }
        ended.extend(self.finish());
        if !ended.is_empty() {
            self.updated_at = now;
        }
        ended
    }

    /// Ends the drain if every entry has been passed: the flow is live, and the next event goes straight through. An
    /// empty queue's drain ends without anything to read.
    fn finish(&mut self) -> Option<Transition> {
        match &self.state {
            State::Resuming { .. } if mutant::is(Mutant::EmptyDrainNeverEnds) && self.queue.next_entry == 1 => None,
            State::Resuming { .. }
                if self.queue.is_passed()
                    || mutant::is(Mutant::LiveOneTurnEarly)
                        && self.queue.watermark.entry + 1 >= self.queue.last_entry() =>
            {
                self.state = State::Live;
                self.queue.discard_through = None;
                Some(Transition::WentLive)
            }
            State::Resuming { .. } | State::Live | State::Paused(_) => None,
        }
    }

    /// The queue topic has been emptied and given up: the next held event makes a new one, of the next number. Entry
    /// numbers go on. `false`, and nothing done, unless the flow is live with everything passed.
    pub fn retire_queue(&mut self, now: Timestamp) -> bool {
        let retires = matches!(self.state, State::Live) && self.queue.is_passed() && self.queue.topic.is_some();
        if retires {
            self.queue.topic = None;
            self.queue.watermark.offset = 0;
            if mutant::is(Mutant::EntryNumbersStartAnewWithTheNextTopic) {
                (self.queue.next_entry, self.queue.enrolls, self.queue.advances) = (1, 0, 0);
                self.queue.watermark = super::Watermark::default();
            }
            self.updated_at = now;
        }
        retires
    }

    /// The queue topic is gone, and nobody of ours deleted it: the next held event makes a new one, of the next number.
    /// What had not been passed is lost with it: the drain will not find where to go on.
    pub fn forsake_queue(&mut self) {
        self.queue.topic = None;
        self.queue.watermark.offset = if self.queue.is_passed() { 0 } else { Queue::NOWHERE };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::*;
    use super::super::{Action, Release, ResumeOrder};
    use super::*;

    /// Six entries: enroll a, advance a, enroll b, enroll a, withdraw b, advance c; the drain has begun.
    fn desk() -> Desk {
        let mut desk = Desk::paused();
        for (kind, id) in [
            (Kind::Enroll, "a"),
            (Kind::Advance, "a"),
            (Kind::Enroll, "b"),
            (Kind::Enroll, "a"),
            (Kind::Withdraw, "b"),
            (Kind::Advance, "c"),
        ] {
            desk.arrive(kind, id);
        }
        desk.order("resume", resume());
        desk
    }

    const REPLACED: [u64; 2] = [1, 3];

    #[test]
    fn each_entry_gets_its_fate() {
        use Passing::{Release, Replaced, Withdrawal};
        let mut desk = desk();
        assert_eq!(desk.drain(9, &REPLACED), [Replaced, Release, Replaced, Release, Withdrawal, Release]);
        let counts = desk.flow().counts;
        assert_eq!((counts.released.enroll, counts.released.advance), (1, 2));
        assert_eq!((counts.replaced.enroll, counts.replaced.advance), (2, 0));
    }

    /// Small enough to try them all: whichever of the replaced ones the cleaner took, and however far each pass goes,
    /// the counts are the same at the end, and what is held is exact in between.
    #[test]
    fn the_cleaner_changes_no_count() {
        for cleaned in [&[][..], &[1], &[3], &[1, 3]] {
            for pass in 1..=6 {
                let mut desk = desk();
                desk.queue.retain(|survivor| !cleaned.contains(&survivor.number));
                for _ in 0..6 {
                    assert!(!desk.drain(pass, &REPLACED).contains(&Passing::Stale), "read twice");
                }
                let flow = desk.flow();
                assert!(flow.queue.is_passed());
                assert_eq!((flow.counts.released.total(), flow.counts.replaced.total()), (3, 2), "{cleaned:?}");
                let watermark = Watermark { entry: 6, enrolls: 3, advances: 2, offset: 13 };
                assert_eq!(flow.queue.watermark, watermark);
            }
        }
    }

    #[test]
    fn what_was_cleaned_is_replaced_even_below_a_line() {
        let mut desk = desk();
        desk.order("none", Action::Resume(ResumeOrder { release: Some(Release::None), ..ResumeOrder::default() }));
        desk.queue.retain(|survivor| survivor.number != 1);
        desk.drain(9, &REPLACED);
        let counts = desk.flow().counts;
        assert_eq!((counts.replaced.total(), counts.removed.total(), counts.released.total()), (2, 3, 0));
    }

    #[test]
    fn replaced_goes_before_removed() {
        let mut desk = desk();
        desk.order("none", Action::Resume(ResumeOrder { release: Some(Release::None), ..ResumeOrder::default() }));
        let removed = Passing::Remove(Removal::ReleaseNone);
        assert_eq!(desk.drain(4, &REPLACED), [Passing::Replaced, removed, Passing::Replaced, removed]);
    }

    #[test]
    fn an_entry_passed_before_is_stale() {
        let mut desk = desk();
        desk.drain(2, &[]);
        let before = desk.flow.clone();
        for number in [0, 1] {
            let survivor = desk.queue[number];
            assert_eq!(desk.flow().pass(&survivor, false), Passing::Stale);
        }
        assert_eq!(desk.flow, before);
    }

    /// P3: what a reader had fetched ahead when the drain was stopped stays.
    #[test]
    fn nothing_is_passed_unless_the_flow_drains() {
        let mut desk = desk();
        desk.drain(1, &[]);
        desk.order("pause", pause());
        let before = desk.flow.clone();
        let ahead = desk.queue[1];
        assert_eq!(desk.flow().pass(&ahead, false), Passing::Stays);
        assert_eq!(desk.flow, before);
        desk.order("again", resume());
        assert_eq!(desk.flow().pass(&ahead, false), Passing::Release);
    }

    #[test]
    fn max_age_is_judged_as_of_the_order() {
        let old = |held_ago: Duration, max_age: Duration| {
            let mut desk = Desk::paused();
            desk.enroll("a");
            desk.now = T0.after(held_ago);
            desk.order("resume", Action::Resume(ResumeOrder { max_age: Some(max_age), ..ResumeOrder::default() }));
            desk.enroll("b");
            // However slow the drain is.
            desk.now = T0.after(10 * DAY);
            desk.drain(9, &[])
        };
        let removed = Passing::Remove(Removal::MaxAge);
        assert_eq!(old(DAY, DAY), [Passing::Release, Passing::Release]);
        assert_eq!(old(DAY + MS, DAY), [removed, Passing::Release]);
        assert_eq!(old(MS, Duration::ZERO), [removed, Passing::Release]);
    }

    #[test]
    fn it_ends_with_the_last_entry_and_not_before() {
        let mut desk = desk();
        for _ in 0..5 {
            desk.drain(1, &[]);
            assert_eq!(desk.flow().settle(T0), []);
        }
        desk.drain(1, &[]);
        // What came meanwhile goes behind the backlog, and is waited for.
        desk.enroll("late");
        assert_eq!(desk.flow().settle(T0), []);
        desk.drain(1, &[]);
        assert_eq!(desk.flow().settle(T0), [Transition::WentLive]);
        assert_eq!(desk.flow().settle(T0), []);
        assert_eq!(desk.enroll("after"), crate::flow::arrive::Fate::Deliver);
    }

    /// The newest entry may be a withdraw: nothing is held any more, and yet it has to be passed.
    #[test]
    fn a_withdraw_at_the_end_is_passed_too() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.arrive(Kind::Withdraw, "a");
        desk.order("resume", resume());
        assert_eq!(desk.drain(1, &[1]), [Passing::Replaced]);
        assert_eq!((desk.flow().counts.held().total(), desk.flow().settle(T0)), (0, vec![]));
        // One more withdraw is an entry as long as one is left, be it only a withdraw.
        assert!(matches!(desk.arrive(Kind::Withdraw, "a"), crate::flow::arrive::Fate::Withdraw(_)));
        assert_eq!(desk.drain(2, &[]), [Passing::Withdrawal, Passing::Withdrawal]);
        assert_eq!(desk.arrive(Kind::Withdraw, "a"), crate::flow::arrive::Fate::Deliver);
        assert_eq!(desk.flow().settle(T0), [Transition::WentLive]);
    }

    #[test]
    fn a_paused_or_live_flow_does_not_finish() {
        assert_eq!(Desk::paused().flow().settle(T0), []);
        assert_eq!(Desk::live().flow().settle(T0), []);
    }

    #[test]
    fn a_queue_is_retired_once_the_flow_is_live_and_its_numbers_go_on() {
        let mut desk = desk();
        let topic = Some("flow.queue.welcome.1".to_owned());
        desk.flow().queue.number = 1;
        desk.flow().queue.topic.clone_from(&topic);
        assert!(!desk.flow().retire_queue(T0), "resuming");
        desk.order("pause", pause());
        assert!(!desk.flow().retire_queue(T0), "paused");
        desk.order("again", resume());
        desk.drain(9, &[]);
        assert!(!desk.flow().retire_queue(T0), "passed, but not live");
        desk.flow().settle(T0);
        assert_eq!(desk.flow().queue.topic, topic);
        assert!(desk.flow().retire_queue(T0.after(HOUR)));
        let queue = desk.flow().queue.clone();
        assert_eq!((queue.topic, queue.number, queue.next_entry, queue.watermark.offset), (None, 1, 7, 0));
        assert_eq!((queue.watermark.entry, queue.watermark.enrolls, queue.watermark.advances), (6, 3, 2));
        assert!(!desk.flow().retire_queue(T0), "retired");
        // Offsets begin anew in the next topic, numbers do not.
        desk.order("third", pause());
        desk.queue.clear();
        desk.enroll("z");
        assert_eq!((desk.queue[0].number, desk.queue[0].enrolls), (7, 4));
        desk.queue[0].offset = 0;
        desk.order("last", resume());
        assert_eq!(desk.drain(1, &[]), [Passing::Release]);
    }
}

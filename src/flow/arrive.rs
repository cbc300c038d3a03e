//! An event comes in.

use super::{Event, Flow, Keep, Kind, NewRecords, PauseId, State};

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Downstream, untouched.
    Deliver,
    /// Into the queue.
    Hold(Entry),
    /// Refused by the pause: to the discarded topic.
    TurnAway { pause: PauseId },
    /// A withdraw while something is held: downstream at once, and into the queue, where it takes out every earlier
    /// entry of its record.
    Withdraw(Entry),
}

/// A new entry of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3, ... over all entries of the flow.
    pub number: u64,
    /// Enrolls among the entries up to and with this one.
    pub enrolls: u64,
    /// Advances among the entries up to and with this one.
    pub advances: u64,
    /// Superseded by a later entry of its record and kind that is `latest` too.
    pub latest: bool,
    pub pause: PauseId,
}

impl Flow {
    /// Decides where `event` goes, and counts it. Only a live flow is unchanged by it.
    pub fn arrive(&mut self, event: &Event) -> Fate {
        let (pause, latest) = match &self.state {
            State::Live => return Fate::Deliver,
            State::Paused(pause) => (pause.id.clone(), pause.keep == Keep::Latest),
            // Never `latest`: what a drain delivers is settled when it starts, and does not depend on its speed.
            State::Resuming { pause, .. } => (pause.id.clone(), false),
        };
        self.withdrawn += u64::from(event.kind == Kind::Withdraw);
        match (event.kind, self.would_hold(event.kind)) {
            (Kind::Enroll | Kind::Advance, true) => {
                self.counts.queued.add(event.kind, 1);
                Fate::Hold(self.next_entry(event.kind, latest, pause))
            }
            (Kind::Enroll | Kind::Advance, false) => {
                self.counts.turned_away.add(event.kind, 1);
                Fate::TurnAway { pause }
            }
            (Kind::Withdraw, true) => Fate::Withdraw(self.next_entry(event.kind, latest, pause)),
            (Kind::Withdraw, false) => Fate::Deliver,
        }
    }

    /// Whether an event of this kind would become an entry of the queue now.
    #[must_use]
    pub fn would_hold(&self, kind: Kind) -> bool {
        match (&self.state, kind) {
            (State::Live, _) => false,
            (State::Paused(pause), Kind::Enroll) => pause.new_records == NewRecords::Queue,
            (State::Paused(_), Kind::Advance) | (State::Resuming { .. }, Kind::Enroll | Kind::Advance) => true,
            // If everything is passed there is nothing that it could take out. With only withdraws left it is an entry all the
            // same: so whoever reads the topics knows it to be one without knowing how far a drain was just then.
            (State::Paused(_) | State::Resuming { .. }, Kind::Withdraw) => !self.queue.is_passed(),
        }
    }

    fn next_entry(&mut self, kind: Kind, latest: bool, pause: PauseId) -> Entry {
        let queue = &mut self.queue;
        let number = queue.next_entry;
        queue.next_entry += 1;
        match kind {
            Kind::Enroll => queue.enrolls += 1,
            Kind::Advance => queue.advances += 1,
            Kind::Withdraw => {}
        }
        Entry { number, enrolls: queue.enrolls, advances: queue.advances, latest, pause }
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain::Passing;
    use super::super::tests::*;
    use super::super::{Action, NewRecords, PauseOrder, Transition};
    use super::*;

    fn entry(fate: Fate) -> Entry {
        match fate {
            Fate::Hold(entry) | Fate::Withdraw(entry) => entry,
            Fate::Deliver | Fate::TurnAway { .. } => panic!("{fate:?} is no entry"),
        }
    }

    #[test]
    fn entries_say_what_lies_before_them() {
        let mut desk = Desk::paused();
        let said = [
            (Kind::Enroll, [1, 1, 0]),
            (Kind::Advance, [2, 1, 1]),
            (Kind::Withdraw, [3, 1, 1]),
            (Kind::Enroll, [4, 2, 1]),
        ];
        for (kind, expected) in said {
            let entry = entry(desk.arrive(kind, "r"));
            assert_eq!([entry.number, entry.enrolls, entry.advances], expected);
        }
    }

    #[test]
    fn an_update_of_keep_holds_from_then_on() {
        let mut desk = Desk::paused();
        assert!(entry(desk.enroll("a")).latest);
        desk.order("all", Action::Pause(PauseOrder { keep: Some(Keep::All), ..PauseOrder::default() }));
        assert!(!entry(desk.enroll("a")).latest);
        desk.order("latest", Action::Pause(PauseOrder { keep: Some(Keep::Latest), ..PauseOrder::default() }));
        assert!(entry(desk.enroll("a")).latest);
    }

    #[test]
    fn who_is_turned_away_is_told_by_which_pause_and_leaves_no_entry() {
        let discard = PauseOrder { new_records: Some(NewRecords::Discard), ..PauseOrder::default() };
        let mut desk = Desk::paused_with(discard);
        assert_eq!(desk.enroll("a"), Fate::TurnAway { pause: "pause-100".to_owned() });
        desk.order("resume", resume());
        assert_eq!(desk.flow().settle(T0), [Transition::WentLive], "nothing to wait for");
        assert_eq!(desk.enroll("a"), Fate::Deliver);
    }

    /// What is left of the first pause and what came during the drain keep their places before the second pause's.
    #[test]
    fn entries_of_three_times_stand_in_the_order_of_arrival() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.order("resume", resume());
        let during = entry(desk.enroll("b"));
        desk.order("again", pause());
        let second = entry(desk.enroll("c"));
        assert_eq!((during.number, during.pause.as_str(), during.latest), (2, "pause-100", false));
        assert_eq!((second.number, second.pause.as_str(), second.latest), (3, "pause-102", true));
        desk.order("resume again", resume());
        assert_eq!(desk.drain(9, &[]), [Passing::Release; 3]);
    }

    #[test]
    fn a_withdraw_counts_in_no_sum() {
        let mut desk = Desk::paused();
        desk.arrive(Kind::Withdraw, "r");
        desk.enroll("a");
        let before = desk.flow().counts;
        desk.arrive(Kind::Withdraw, "r");
        assert_eq!(desk.flow().counts, before);
        assert_eq!(desk.flow().withdrawn, 2);
        desk.order("resume", resume());
        assert_eq!(desk.drain(9, &[]), [Passing::Release, Passing::Withdrawal]);
        // Everything is passed: nothing is held that it could take out.
        assert_eq!(desk.arrive(Kind::Withdraw, "a"), Fate::Deliver);
    }
}

//! The deadline of a pause passes, or comes near.

use super::{Cause, Drain, Flow, Issue, Line, LineReason, OnExpiry, Release, State, Transition, Warning};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl Flow {
    /// Does now what was due `by` then: ends the pause, or gives a warning. A flow that is due for a warning does not end for a
    /// deadline that has come since. Calling it again changes nothing.
    pub fn strike(&mut self, by: Timestamp, now: Timestamp) -> Vec<Transition> {
        let is_over = self.deadline().is_some_and(|deadline| deadline <= by) || mutant::is(Mutant::TimerFiresEarly);
        if is_over { self.fire(now) } else { self.warn(by).into_iter().collect() }
    }

    /// Says that the deadline is near, once for each warning. Of two that are due the later one is said: the earlier would be
    /// untrue.
    fn warn(&mut self, now: Timestamp) -> Option<Transition> {
        let State::Paused(pause) = &mut self.state else { return None };
        let warning = Warning::reached(pause.resumes_at, now)?;
        if pause.warned >= Some(warning) || pause.resumes_at <= now {
            return None;
        }
        if !mutant::is(Mutant::WarningNotRemembered) {
            pause.warned = Some(warning);
        }
        self.updated_at = now;
        Some(Transition::Expiring(warning))
    }

    /// The deadline comes before a command that the broker took after it, if the gate's clock agrees: the flow resumes first.
    pub(super) fn fire_before(&mut self, issue: &Issue<'_>, now: Timestamp) -> Vec<Transition> {
        match self.deadline() {
            Some(deadline) if deadline <= issue.recorded_at => self.fire(now),
            _ => vec![],
        }
    }

    /// Starts the drain that the deadline orders, if the flow is paused and its deadline is not after `now`. Calling it
    /// again changes nothing: a paused flow resumes once.
    pub fn fire(&mut self, now: Timestamp) -> Vec<Transition> {
        let State::Paused(pause) = &self.state else { return vec![] };
        if pause.resumes_at > now && !mutant::is(Mutant::TimerFiresEarly) {
            return vec![];
        }
        let pause = pause.clone();
        let sampled = self.end_sample();
        let release = match pause.on_expiry {
            OnExpiry::Resume => Release::All,
            OnExpiry::Discard => {
                self.draw_line(LineReason::Expired, None);
                Release::None
            }
        };
        let drain = Drain {
            command: None,
            cause: Cause::Timer,
            release,
            max_rate: pause.expiry_rate,
            max_age: None,
            as_of: now,
            through_entry: None,
        };
        self.state = State::Resuming { pause, drain };
        self.updated_at = now;
        sampled.into_iter().chain([Transition::Resumed(Cause::Timer)]).collect()
    }

    /// Everything held now is to be removed when it is passed.
    pub(super) fn draw_line(&mut self, reason: LineReason, command: Option<super::CommandId>) {
        let entry = match mutant::is(Mutant::ReleaseNoneWithoutItsEnd) {
            true => u64::MAX,
            false => self.queue.last_entry(),
        };
        self.queue.discard_through = Some(Line { entry, reason, command });
    }

    /// What is held is to be delivered after all.
    pub(super) fn lift_line(&mut self) {
        if mutant::is(Mutant::PurgeLiftedWithItsPause) {
            self.queue.purge_through = None;
        }
        self.queue.discard_through = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::drain::{Passing, Removal};
    use super::super::tests::*;
    use super::super::{Action, PauseOrder, State, Verdict};
    use super::*;

    const EXPIRED: Transition = Transition::Resumed(Cause::Timer);

    #[test]
    fn it_fires_at_the_deadline_and_not_a_millisecond_before() {
        let mut desk = Desk::paused();
        let deadline = T0.after(14 * DAY);
        assert_eq!(desk.flow().deadline(), Some(deadline));
        let before = desk.flow.clone();
        assert_eq!(desk.flow().fire(deadline.before(MS)), []);
        assert_eq!(desk.flow, before);
        assert_eq!(desk.flow().fire(deadline), [EXPIRED]);
        assert_eq!(desk.flow().deadline(), None);
    }

    #[test]
    fn it_fires_once() {
        let mut desk = Desk::paused();
        let late = T0.after(30 * DAY);
        assert_eq!(desk.flow().fire(late), [EXPIRED]);
        let resuming = desk.flow.clone();
        assert_eq!(desk.flow().fire(late.after(DAY)), []);
        assert_eq!(desk.flow, resuming);
        assert_eq!(desk.flow().settle(late), [Transition::WentLive]);
        assert_eq!(desk.flow().fire(late.after(DAY)), []);
        assert_eq!(desk.flow().state, State::Live);
    }

    #[test]
    fn its_drain_goes_at_the_rate_of_the_pause() {
        let mut desk = Desk::paused_with(PauseOrder { expiry_rate: rate(7), ..PauseOrder::default() });
        desk.flow().fire(T0.after(15 * DAY));
        let expected = Drain {
            command: None,
            cause: Cause::Timer,
            release: Release::All,
            max_rate: rate(7),
            max_age: None,
            as_of: T0.after(15 * DAY),
            through_entry: None,
        };
        assert_eq!(desk.flow().drain(), Some(&expected));
    }

    #[test]
    fn a_deadline_that_discards_removes_what_was_held_and_delivers_what_came_after() {
        let mut desk = Desk::paused_with(PauseOrder { on_expiry: Some(OnExpiry::Discard), ..PauseOrder::default() });
        desk.enroll("a");
        desk.flow().fire(T0.after(14 * DAY));
        assert_eq!(desk.flow().drain().unwrap().release, Release::None);
        desk.enroll("b");
        desk.now = T0.after(14 * DAY);
        let slower = Action::Resume(super::super::ResumeOrder { max_rate: rate(2), ..Default::default() });
        assert_eq!(
            desk.order("slower", slower).outcome.detail,
            "resuming: 2 held, of which those up to entry 1 are discarded, at 2 records/s at most"
        );
        assert_eq!(desk.drain(9, &[]), [Passing::Remove(Removal::Expired), Passing::Release]);
        assert_eq!(desk.flow().settle(T0), [Transition::WentLive]);
        assert_eq!(desk.flow().queue.discard_through, None);
    }

    /// Both the time at which the broker took the command and the gate's clock decide which comes first.
    #[test]
    fn the_timer_comes_before_a_command_recorded_at_the_deadline_or_later() {
        let deadline = T0.after(14 * DAY);
        let cases = [
            // recorded, now, transitions
            (deadline.before(MS), deadline.after(DAY), vec![Transition::Resumed(Cause::Resume)]),
            (deadline, deadline.after(DAY), vec![EXPIRED]),
            (deadline.after(MS), deadline, vec![EXPIRED]),
            (deadline.after(MS), deadline.before(MS), vec![Transition::Resumed(Cause::Resume)]),
        ];
        for (recorded, now, transitions) in cases {
            let mut desk = Desk::paused();
            desk.now = now;
            assert_eq!(desk.order_recorded("c", resume(), recorded).transitions, transitions, "{recorded} {now}");
        }
    }

    /// After an outage of all gates: the flow resumes, then the pause that came after the deadline is a new one.
    #[test]
    fn a_pause_recorded_after_the_deadline_pauses_anew() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.now = T0.after(20 * DAY);
        let applied = desk.order_recorded("c", pause(), T0.after(15 * DAY));
        assert_eq!(applied.transitions, [EXPIRED, Transition::Repaused]);
        assert_eq!(desk.flow().deadline(), Some(T0.after(34 * DAY)));
        assert_eq!(desk.flow().counts.held().total(), 1);
    }

    /// A command that waited while all gates were down, but was there in time.
    #[test]
    fn a_pause_recorded_before_the_deadline_updates() {
        let mut desk = Desk::live();
        desk.order("short", pause_for(DAY));
        desk.now = T0.after(2 * DAY);
        let applied = desk.order_recorded("longer", pause_for(DAY), T0.after(HOUR));
        assert_eq!(applied.transitions, [Transition::Updated]);
        assert_eq!(desk.flow().deadline(), Some(T0.after(3 * DAY)), "from when it takes effect");
    }

    #[test]
    fn a_repeated_or_refused_command_does_not_keep_the_timer_from_firing() {
        for action in [pause(), purge()] {
            let mut desk = Desk::paused();
            desk.order("c", action.clone());
            desk.now = T0.after(14 * DAY);
            let again = desk.order("c", action.clone());
            assert_eq!((again.transitions, again.repeated), (vec![EXPIRED], true));
            let mut desk = Desk::paused();
            desk.now = T0.after(14 * DAY);
            let refused = desk.order("d", sample(1));
            assert_eq!((refused.transitions, refused.outcome.verdict), (vec![EXPIRED], Verdict::Rejected));
        }
    }

    const DAY_LEFT: Transition = Transition::Expiring(Warning::Day);
    const HOUR_LEFT: Transition = Transition::Expiring(Warning::Hour);

    #[test]
    fn it_says_once_each_that_the_deadline_is_near() {
        let mut desk = Desk::paused();
        let deadline = T0.after(14 * DAY);
        for (moment, says) in
            [(deadline.before(DAY), DAY_LEFT), (deadline.before(HOUR), HOUR_LEFT), (deadline, EXPIRED)]
        {
            assert_eq!(desk.flow().next_moment(), Some(moment));
            assert_eq!(desk.flow().strike(moment.before(MS), moment.before(MS)), []);
            assert_eq!(desk.flow().strike(moment, moment), [says]);
            assert_eq!(desk.flow().strike(moment, moment), []);
        }
        assert_eq!(desk.flow().next_moment(), None);
    }

    #[test]
    fn who_comes_late_says_only_what_is_still_true() {
        let deadline = T0.after(14 * DAY);
        let mut desk = Desk::paused();
        assert_eq!(desk.flow().strike(deadline.before(MS), deadline.before(MS)), [HOUR_LEFT]);
        let mut desk = Desk::paused();
        assert_eq!(desk.flow().strike(deadline.after(MS), deadline.after(MS)), [EXPIRED]);
    }

    #[test]
    fn a_shorter_pause_has_no_such_warning() {
        for (length, first) in [(DAY, DAY - HOUR), (DAY + MS, MS), (HOUR, HOUR), (2 * HOUR, HOUR)] {
            let mut desk = Desk::live();
            desk.order("p", pause_for(length));
            assert_eq!(desk.flow().next_moment(), Some(T0.after(first)), "{length:?}");
        }
    }

    #[test]
    fn a_deadline_that_is_moved_is_warned_of_again() {
        let mut desk = Desk::live();
        desk.order("p", pause_for(2 * DAY));
        desk.now = T0.after(DAY);
        assert_eq!(desk.flow().strike(T0.after(DAY), T0.after(DAY)), [DAY_LEFT]);
        desk.order("options", Action::Pause(PauseOrder { expiry_rate: rate(7), ..PauseOrder::default() }));
        assert_eq!(desk.flow().strike(T0.after(DAY), T0.after(DAY)), [], "the same deadline");
        desk.order("later", pause_for(2 * DAY));
        assert_eq!(desk.flow().next_moment(), Some(T0.after(2 * DAY)));
        // Nearer than a day: only the hour is left to be said.
        desk.order("nearer", pause_for(3 * HOUR));
        assert_eq!(desk.flow().next_moment(), Some(T0.after(DAY + 2 * HOUR)));
    }
}

//! The deadline of a pause passes.

use super::{Cause, Drain, Flow, Line, LineReason, OnExpiry, Release, State, Transition};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl Flow {
    /// Starts the drain that the deadline orders, if the flow is paused and its deadline is not after `now`. Calling it
    /// again changes nothing: a paused flow resumes once.
    pub fn fire(&mut self, now: Timestamp) -> Option<Transition> {
        let State::Paused(pause) = &self.state else { return None };
        if pause.resumes_at > now && !mutant::is(Mutant::TimerFiresEarly) {
            return None;
        }
        let pause = pause.clone();
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
        Some(Transition::Resumed(Cause::Timer))
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
        match self.queue.discard_through.as_ref().map(|line| line.reason) {
            None | Some(LineReason::ReleaseNone | LineReason::Expired) => self.queue.discard_through = None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

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
        assert_eq!(desk.flow().fire(deadline.before(MS)), None);
        assert_eq!(desk.flow, before);
        assert_eq!(desk.flow().fire(deadline), Some(EXPIRED));
        assert_eq!(desk.flow().deadline(), None);
    }

    #[test]
    fn it_fires_once() {
        let mut desk = Desk::paused();
        let late = T0.after(30 * DAY);
        assert_eq!(desk.flow().fire(late), Some(EXPIRED));
        let resuming = desk.flow.clone();
        assert_eq!(desk.flow().fire(late.after(DAY)), None);
        assert_eq!(desk.flow, resuming);
        assert_eq!(desk.flow().finish(late), Some(Transition::WentLive));
        assert_eq!(desk.flow().fire(late.after(DAY)), None);
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
        assert_eq!(desk.flow().finish(T0), Some(Transition::WentLive));
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
        for action in [pause(), Action::Purge] {
            let mut desk = Desk::paused();
            desk.order("c", action.clone());
            desk.now = T0.after(14 * DAY);
            let again = desk.order("c", action.clone());
            assert_eq!((again.transitions, again.repeated), (vec![EXPIRED], true));
            let mut desk = Desk::paused();
            desk.now = T0.after(14 * DAY);
            let refused = desk.order("d", Action::Release);
            assert_eq!((refused.transitions, refused.outcome.verdict), (vec![EXPIRED], Verdict::Rejected));
        }
    }
}

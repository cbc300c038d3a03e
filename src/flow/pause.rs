//! `pause`, in each state.

use super::{Flow, Issue, Limits, Outcome, Pause, PauseEnd, PauseOrder, State, Transition, Warning};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl Flow {
    /// Live: pauses. Paused: updates, keeping the first paused-at and so the cap. Resuming: stops the drain for a new
    /// pause; what is left keeps its order and age.
    pub(super) fn order_pause(
        &mut self,
        order: &PauseOrder,
        issue: &Issue<'_>,
        now: Timestamp,
        limits: &Limits,
    ) -> (Outcome, Option<Transition>) {
        match &mut self.state {
            State::Live => match new_pause(order, issue, now, limits) {
                Ok(pause) => {
                    let outcome = Outcome::applied(format!("paused until {}", pause.resumes_at));
                    self.begin(pause);
                    (outcome, Some(Transition::Paused))
                }
                Err(rejected) => (rejected, None),
            },
            State::Paused(pause) => {
                if let Err(rejected) = pause.update(order, issue, now, limits) {
                    return (rejected, None);
                }
                // Whoever names it means it: `*` does not end it any more.
                pause.by_all = false;
                let until = pause.resumes_at;
                (Outcome::applied(format!("pause updated, until {until}")), Some(Transition::Updated))
            }
            State::Resuming { .. } => match new_pause(order, issue, now, limits) {
                Ok(pause) => {
                    let outcome = Outcome::applied(format!("drain stopped, paused until {}", pause.resumes_at));
                    self.lift_line();
                    self.begin(pause);
                    (outcome, Some(Transition::Repaused))
                }
                Err(rejected) => (rejected, None),
            },
        }
    }

    /// Brings the deadline of a pause in force under the cap, which configuration may have lowered since it was set. To
    /// be called for every flow that is restored, before its timers. `None`: nothing changed.
    pub fn cap_deadline(&mut self, limits: &Limits, now: Timestamp) -> Option<Transition> {
        let State::Paused(pause) = &mut self.state else { return None };
        let cap = pause.paused_at.after(limits.max_pause);
        if pause.resumes_at <= cap {
            return None;
        }
        pause.move_deadline(cap, now);
        self.updated_at = now;
        Some(Transition::Updated)
    }

    pub(super) fn begin(&mut self, pause: Pause) {
        let keeps = mutant::is(Mutant::AtPauseOfTheFirstPauseKept) && matches!(self.state, State::Resuming { .. });
        if !keeps {
            self.at_pause = self.counts;
        }
        if mutant::is(Mutant::WithdrawnForgottenAtAPause) {
            self.withdrawn = 0;
        }
        self.state = State::Paused(pause);
    }
}

impl Pause {
    /// The id of a pause that begins with this command.
    pub(super) fn id(issue: &Issue<'_>) -> super::PauseId {
        // The control topic has one partition: its offsets name a pause once and for all.
        format!("pause-{}", issue.offset)
    }

    /// Changes what the order names. Its id, when it began and its longest end stay.
    pub(super) fn update(
        &mut self,
        order: &PauseOrder,
        issue: &Issue<'_>,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), Outcome> {
        if mutant::is(Mutant::CapResetByAnUpdate) {
            self.paused_at = now;
        }
        let cap = self.paused_at.after(limits.max_pause);
        let deadline = match order.end {
            // Configuration may have lowered the limit since.
            None => self.resumes_at.min(cap),
            Some(end) => deadline(end, now, cap, limits)?,
        };
        self.move_deadline(deadline, now);
        self.new_records = order.new_records.unwrap_or(self.new_records);
        self.keep = order.keep.unwrap_or(self.keep);
        self.on_expiry = order.on_expiry.unwrap_or(self.on_expiry);
        let kept = self.expiry_rate.filter(|_| !mutant::is(Mutant::UpdateForgetsTheExpiryRate));
        self.expiry_rate = order.expiry_rate.or(kept);
        self.by.clone_from(&issue.command.issued_by);
        if issue.command.reason.is_some() {
            self.reason.clone_from(&issue.command.reason);
        }
        Ok(())
    }

    /// Warnings come again before the new deadline, but for those whose moments lie behind already.
    pub(super) fn move_deadline(&mut self, deadline: Timestamp, now: Timestamp) {
        if deadline != self.resumes_at {
            self.resumes_at = deadline;
            self.warned = Warning::reached(deadline, now);
        }
    }
}

pub(super) fn new_pause(
    order: &PauseOrder,
    issue: &Issue<'_>,
    now: Timestamp,
    limits: &Limits,
) -> Result<Pause, Outcome> {
    let cap = now.after(limits.max_pause);
    let resumes_at = match order.end {
        None => cap,
        Some(end) => deadline(end, now, cap, limits)?,
    };
    Ok(Pause {
        id: Pause::id(issue),
        by_all: false,
        paused_at: now,
        resumes_at,
        new_records: order.new_records.unwrap_or_default(),
        keep: order.keep.unwrap_or_default(),
        on_expiry: order.on_expiry.unwrap_or_default(),
        expiry_rate: order.expiry_rate,
        by: issue.command.issued_by.clone(),
        reason: issue.command.reason.clone(),
        warned: Warning::reached(resumes_at, now),
    })
}

/// The deadline that `end` asks for, if it lies ahead and not beyond `cap`.
fn deadline(end: PauseEnd, now: Timestamp, cap: Timestamp, limits: &Limits) -> Result<Timestamp, Outcome> {
    let (field, asked) = match end {
        PauseEnd::Until(until) => ("until", until),
        PauseEnd::For(duration) => ("for_seconds", now.after(duration)),
    };
    if asked <= now {
        return Err(Outcome::rejected(format!(
            "expired: `{field}` asks for {asked}, which passed before the command took effect at {now}; give a later time"
        )));
    }
    if asked > cap {
        return Err(Outcome::rejected(format!(
            "`{field}` asks for {asked}, but a pause lasts {} at most: the latest possible time is {cap}",
            spell(limits.max_pause)
        )));
    }
    Ok(asked)
}

/// A duration as people say it: whole days if it is, else seconds.
fn spell(duration: std::time::Duration) -> String {
    const DAY: u64 = 24 * 60 * 60;
    match duration.as_secs() {
        DAY => "1 day".to_owned(),
        seconds if seconds >= DAY && seconds.is_multiple_of(DAY) => format!("{} days", seconds / DAY),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::*;
    use super::super::{
        Action, Keep, Kind, Limits, NewRecords, OnExpiry, Pause, PauseOrder, Release, Verdict, Warning,
    };

    fn options() -> PauseOrder {
        PauseOrder {
            new_records: Some(NewRecords::Discard),
            end: None,
            keep: Some(Keep::All),
            on_expiry: Some(OnExpiry::Discard),
            expiry_rate: rate(7),
        }
    }

    fn in_force(desk: &mut Desk) -> Pause {
        desk.flow().pause().unwrap().clone()
    }

    #[test]
    fn a_new_pause_takes_defaults_for_what_is_absent() {
        let mut desk = Desk::paused();
        let pause = in_force(&mut desk);
        assert_eq!(pause.id, "pause-100");
        assert_eq!((pause.new_records, pause.keep), (NewRecords::Queue, Keep::Latest));
        assert_eq!((pause.on_expiry, pause.expiry_rate), (OnExpiry::Resume, None));
        assert_eq!((pause.paused_at, pause.resumes_at), (T0, T0.after(14 * DAY)));
    }

    #[test]
    fn an_update_changes_what_it_names_and_keeps_the_rest() {
        let mut desk = Desk::paused_with(options());
        let before = in_force(&mut desk);
        desk.now = T0.after(HOUR);
        desk.order("nothing", pause());
        assert_eq!(in_force(&mut desk), before);
        desk.order("keep", Action::Pause(PauseOrder { keep: Some(Keep::Latest), ..PauseOrder::default() }));
        assert_eq!(in_force(&mut desk), Pause { keep: Keep::Latest, ..before.clone() });
        desk.order("end", pause_for(DAY));
        let resumes_at = T0.after(HOUR + DAY);
        let warned = Some(Warning::Day);
        assert_eq!(in_force(&mut desk), Pause { keep: Keep::Latest, resumes_at, warned, ..before });
    }

    /// P5: no command moves the cap of a pause in force.
    #[test]
    fn updates_one_after_another_do_not_get_past_the_cap() {
        let mut desk = Desk::paused();
        for day in 1..14 {
            desk.now = T0.after(day * DAY);
            assert_eq!(
                desk.order(&format!("14 days at {day}"), pause_for(14 * DAY)).outcome.verdict,
                Verdict::Rejected
            );
            let until_the_cap = pause_for((14 - day) * DAY);
            assert_eq!(desk.order(&format!("rest at {day}"), until_the_cap).outcome.verdict, Verdict::Applied);
            assert_eq!(in_force(&mut desk).resumes_at, T0.after(14 * DAY));
        }
    }

    #[test]
    fn the_end_lies_after_now_and_not_beyond_the_cap() {
        use Verdict::{Applied, Rejected};
        let cap = T0.after(14 * DAY);
        for (action, verdict) in [
            (pause_until(T0.before(MS)), Rejected),
            (pause_until(T0), Rejected),
            (pause_for(Duration::ZERO), Rejected),
            (pause_until(T0.after(MS)), Applied),
            (pause_for(MS), Applied),
            (pause_until(cap), Applied),
            (pause_for(14 * DAY), Applied),
            (pause_until(cap.after(MS)), Rejected),
            (pause_for(14 * DAY + MS), Rejected),
            (pause_for(Duration::MAX), Rejected),
        ] {
            for mut desk in [Desk::live(), Desk::paused()] {
                assert_eq!(desk.order("c", action.clone()).outcome.verdict, verdict, "{action:?}");
            }
        }
    }

    #[test]
    fn a_lowered_limit_is_named_in_the_answer() {
        let mut desk = Desk::live();
        desk.limits.max_pause = 2 * HOUR;
        let answer = desk.order("c", pause_for(3 * HOUR)).outcome.to_string();
        let named = "a pause lasts 7200 seconds at most: the latest possible time is 2024-01-01T02:00:00Z";
        assert!(answer.starts_with("rejected: ") && answer.ends_with(named), "{answer}");
        desk.limits.max_pause = DAY;
        let answer = desk.order("d", pause_until(T0.after(DAY + MS))).outcome.to_string();
        assert!(answer.ends_with("1 day at most: the latest possible time is 2024-01-02T00:00:00Z"), "{answer}");
        desk.order("e", pause());
        assert_eq!(in_force(&mut desk).resumes_at, T0.after(DAY));
    }

    /// P5, when the limit is lowered while the flow is paused.
    #[test]
    fn a_limit_lowered_later_brings_the_deadline_down() {
        let lowered = Limits { max_pause: DAY };
        let mut desk = Desk::paused();
        let now = T0.after(HOUR);
        assert_eq!(desk.flow().cap_deadline(&Limits::default(), now), None);
        assert_eq!(desk.flow().cap_deadline(&lowered, now), Some(super::Transition::Updated));
        assert_eq!(desk.flow().deadline(), Some(T0.after(DAY)));
        assert_eq!(desk.flow().cap_deadline(&lowered, now), None);

        let mut desk = Desk::paused();
        (desk.now, desk.limits) = (now, lowered);
        desk.order("update", pause());
        assert_eq!(desk.flow().deadline(), Some(T0.after(DAY)));

        // A shorter pause is not made longer, and a drain has no deadline.
        let mut desk = Desk::live();
        desk.order("short", pause_for(HOUR));
        assert_eq!(desk.flow().cap_deadline(&lowered, T0), None);
        desk.order("resume", resume());
        assert_eq!(desk.flow().cap_deadline(&Limits { max_pause: MS }, T0), None);
    }

    #[test]
    fn a_rejected_pause_leaves_a_drain_running() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.order("resume", resume());
        desk.order("pause", pause_until(T0));
        assert_eq!(desk.drain(9, &[]), [crate::flow::drain::Passing::Release]);
    }

    #[test]
    fn a_pause_while_resuming_is_a_new_one_that_keeps_what_is_left() {
        let mut desk = Desk::paused_with(options());
        desk.arrive(Kind::Advance, "a");
        desk.arrive(Kind::Advance, "b");
        desk.order("resume", resume());
        desk.drain(1, &[]);
        desk.now = T0.after(DAY);
        desk.order("again", pause());
        let pause = in_force(&mut desk);
        assert_eq!((pause.id.as_str(), pause.paused_at), ("pause-102", T0.after(DAY)));
        assert_eq!((pause.new_records, pause.keep), (NewRecords::Queue, Keep::Latest), "not the old pause's");
        assert_eq!((pause.on_expiry, pause.expiry_rate), (OnExpiry::Resume, None));
        assert_eq!(pause.resumes_at, T0.after(15 * DAY));
        let flow = desk.flow().clone();
        assert_eq!(flow.at_pause, flow.counts);
        assert_eq!((flow.counts.held().advance, flow.queue.watermark.entry), (1, 1));
        // Its age counts from when it was held, not from the new pause.
        desk.now = T0.after(2 * DAY);
        let max_age = Some(DAY);
        desk.order("young", Action::Resume(super::super::ResumeOrder { max_age, ..Default::default() }));
        assert_eq!(desk.drain(1, &[]), [crate::flow::drain::Passing::Remove(crate::flow::drain::Removal::MaxAge)]);
    }

    #[test]
    fn a_pause_while_resuming_lifts_the_line() {
        let mut desk = Desk::paused();
        desk.enroll("a");
        desk.order("none", resume_releasing(Release::None));
        desk.order("again", pause());
        assert_eq!(desk.flow().queue.discard_through, None);
        desk.order("resume", resume());
        assert_eq!(desk.drain(9, &[]), [crate::flow::drain::Passing::Release]);
    }
}

//! `pause`, in each state.

use super::{Flow, Issue, Limits, Outcome, Pause, PauseEnd, PauseOrder, State, Transition};
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
                let cap = pause.paused_at.after(limits.max_pause);
                let deadline = match order.end {
                    // Configuration may have lowered the limit since.
                    None => pause.resumes_at.min(cap),
                    Some(end) => match deadline(end, now, cap, limits) {
                        Ok(deadline) => deadline,
                        Err(rejected) => return (rejected, None),
                    },
                };
                pause.resumes_at = deadline;
                pause.new_records = order.new_records.unwrap_or(pause.new_records);
                pause.keep = order.keep.unwrap_or(pause.keep);
                pause.on_expiry = order.on_expiry.unwrap_or(pause.on_expiry);
                pause.expiry_rate = order.expiry_rate.or(pause.expiry_rate);
                pause.by.clone_from(&issue.command.issued_by);
                if issue.command.reason.is_some() {
                    pause.reason.clone_from(&issue.command.reason);
                }
                (Outcome::applied(format!("pause updated, until {deadline}")), Some(Transition::Updated))
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
        pause.resumes_at = cap;
        self.updated_at = now;
        Some(Transition::Updated)
    }

    fn begin(&mut self, pause: Pause) {
        self.at_pause = self.counts;
        self.state = State::Paused(pause);
    }
}

fn new_pause(order: &PauseOrder, issue: &Issue<'_>, now: Timestamp, limits: &Limits) -> Result<Pause, Outcome> {
    let cap = now.after(limits.max_pause);
    let resumes_at = match order.end {
        None => cap,
        Some(end) => deadline(end, now, cap, limits)?,
    };
    Ok(Pause {
        // The control topic has one partition: its offsets name a pause once and for all.
        id: format!("pause-{}", issue.offset),
        by_all: false,
        paused_at: now,
        resumes_at,
        new_records: order.new_records.unwrap_or_default(),
        keep: order.keep.unwrap_or_default(),
        on_expiry: order.on_expiry.unwrap_or_default(),
        expiry_rate: order.expiry_rate,
        by: issue.command.issued_by.clone(),
        reason: issue.command.reason.clone(),
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

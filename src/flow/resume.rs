//! `resume`, in each state.

use super::{Cause, Drain, Flow, Issue, LineReason, Outcome, Release, ResumeOrder, State, Transition};
use crate::time::Timestamp;

impl Flow {
    /// Live: nothing to do. Paused: starts the drain. Resuming: changes the orders that are given.
    pub(super) fn order_resume(
        &mut self,
        order: &ResumeOrder,
        issue: &Issue<'_>,
        now: Timestamp,
    ) -> (Outcome, Option<Transition>) {
        match &mut self.state {
            State::Live => (Outcome::unchanged("the flow is live: nothing to resume"), None),
            State::Paused(pause) => {
                let drain = Drain {
                    command: Some(issue.command.id.clone()),
                    cause: Cause::Resume,
                    release: order.release.unwrap_or_default(),
                    max_rate: order.max_rate,
                    max_age: order.max_age,
                    as_of: now,
                    through_entry: None,
                };
                self.state = State::Resuming { pause: pause.clone(), drain };
                self.obey(order.release.unwrap_or_default(), issue);
                (Outcome::applied(self.resuming_text()), Some(Transition::Resumed(Cause::Resume)))
            }
            State::Resuming { drain, .. } => {
                if *order == ResumeOrder::default() {
                    return (Outcome::unchanged("the flow is resuming already"), None);
                }
                drain.command = Some(issue.command.id.clone());
                drain.max_rate = order.max_rate.or(drain.max_rate);
                if let Some(max_age) = order.max_age {
                    drain.max_age = Some(max_age);
                    drain.as_of = now;
                }
                if let Some(release) = order.release {
                    drain.release = release;
                    self.obey(release, issue);
                }
                (Outcome::applied(self.resuming_text()), Some(Transition::Redirected))
            }
        }
    }

    fn obey(&mut self, release: Release, issue: &Issue<'_>) {
        match release {
            Release::All => self.lift_line(),
            Release::None => self.draw_line(LineReason::ReleaseNone, Some(issue.command.id.clone())),
        }
    }

    fn resuming_text(&self) -> String {
        let held = self.counts.held().total();
        // Told from the line, not from the orders: what came after it was drawn is delivered.
        let fate = match &self.queue.discard_through {
            Some(line) if line.entry >= self.queue.last_entry() => " are discarded".to_owned(),
            Some(line) if line.entry > self.queue.watermark.entry => {
                format!(", of which those up to entry {} are discarded", line.entry)
            }
            Some(_) | None => String::new(),
        };
        let rate = match self.drain().and_then(|drain| drain.max_rate) {
            Some(rate) => format!(", at {rate} records/s at most"),
            None => String::new(),
        };
        format!("resuming: {held} held{fate}{rate}")
    }
}

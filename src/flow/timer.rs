//! The deadline of a pause passes.

use super::{Cause, Drain, Flow, Line, LineReason, OnExpiry, Release, State, Transition};
use crate::time::Timestamp;

impl Flow {
    /// Starts the drain that the deadline orders, if the flow is paused and its deadline is not after `now`. Calling it
    /// again changes nothing: a paused flow resumes once.
    pub fn fire(&mut self, now: Timestamp) -> Option<Transition> {
        let State::Paused(pause) = &self.state else { return None };
        if pause.resumes_at > now {
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
        self.queue.discard_through = Some(Line { entry: self.queue.last_entry(), reason, command });
    }

    /// What is held is to be delivered after all.
    pub(super) fn lift_line(&mut self) {
        match self.queue.discard_through.as_ref().map(|line| line.reason) {
            None | Some(LineReason::ReleaseNone | LineReason::Expired) => self.queue.discard_through = None,
        }
    }
}

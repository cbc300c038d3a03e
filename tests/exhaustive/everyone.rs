//! What commands for `*` make of the ledger.

use flowgate::flow::Verdict;

use super::ledger::{Ledger, Mode, Pause};
use super::orders::Issued;

impl Ledger {
    /// When the default ends that pauses what is first seen; `None`: it has ended, or there is none.
    pub fn default_until(&self, now: i64) -> Option<i64> {
        self.default.map(|default| default.until).filter(|until| *until > now)
    }

    /// The flow is named by an event, or by a command under a default.
    pub fn see(&mut self, now: i64, max_pause: i64) {
        let is_first = !std::mem::replace(&mut self.known, true);
        if let Some(default) = self.default.filter(|default| is_first && default.until > now) {
            self.begin(Pause { since: now, until: default.until.min(now + max_pause), ..default });
        }
    }

    pub fn order_every(&mut self, issued: &Issued, now: i64, max_pause: i64) -> Verdict {
        // One that was recorded before the deadline finds the default in force, however late it takes effect.
        let default = self.default.filter(|default| default.until > now.min(issued.recorded_at));
        let Some(order) = issued.order.pause() else { return self.resume_every(default.is_some(), issued, now) };
        let old = default.unwrap_or_else(|| Pause::new(now, max_pause));
        let Some(new) = old.ordered(&order, now, max_pause) else { return Verdict::Rejected };
        let new = Pause { by_all: true, ..new };
        self.default = Some(new);
        if self.known {
            self.deadline(issued, now);
            match self.mode {
                Mode::Paused(Pause { by_all: true, since, .. }) => {
                    self.begin(Pause { since, until: new.until.min(since + max_pause), ..new });
                }
                Mode::Paused(_) => {}
                Mode::Live | Mode::Resuming { .. } => self.begin(Pause { since: now, ..new }),
            }
        }
        Verdict::Applied
    }

    fn resume_every(&mut self, ends_default: bool, issued: &Issued, now: i64) -> Verdict {
        self.default = None;
        self.deadline(issued, now);
        let is_its = matches!(self.mode, Mode::Paused(Pause { by_all: true, .. }) | Mode::Resuming { by_all: true });
        if is_its {
            self.resume(false);
        }
        if is_its || ends_default { Verdict::Applied } else { Verdict::Unchanged }
    }
}

//! What the counts alone do not show: how fast a flow goes, and how far its drain is.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::calendar::DAY;
use super::super::watch::Watched;
use crate::flow::State;
use crate::time::Timestamp;

/// The rate is that of the last days.
const WINDOW: Duration = DAY.saturating_mul(3);

#[derive(Default)]
pub(super) struct Meter {
    /// Deliveries so far, by time.
    samples: VecDeque<(Timestamp, u64)>,
    /// The last entry passed before the drain began.
    drain_from: Option<u64>,
}

/// Entries of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub passed: u64,
    pub of: u64,
}

impl Meter {
    pub fn note(&mut self, now: Timestamp, watched: &Watched) {
        let fates = watched.fates();
        self.samples.push_back((now, fates.delivered + fates.released));
        // The oldest one kept is where the window begins.
        while self.samples.get(1).is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.samples.pop_front();
        }
        let Some(flow) = &watched.state else { return };
        match &flow.state {
            State::Live | State::Paused(_) => self.drain_from = Some(flow.queue.watermark.entry),
            State::Resuming { .. } => {
                self.drain_from.get_or_insert(flow.queue.watermark.entry);
            }
        }
    }

    /// Deliveries a day of the calendar.
    pub fn a_day(&self) -> u64 {
        let (Some((from, before)), Some((to, after))) = (self.samples.front(), self.samples.back()) else { return 0 };
        let days = to.since(*from).as_secs_f64() / DAY.as_secs_f64();
        let deliveries = after.saturating_sub(*before) as f64;
        // Less than a day is no measure of a day.
        (deliveries / days.max(1.0)).round() as u64
    }

    pub fn drain(&self, watched: &Watched) -> Option<Progress> {
        let queue = &watched.state.as_ref()?.queue;
        let from = self.drain_from?;
        Some(Progress {
            passed: queue.watermark.entry.saturating_sub(from),
            of: queue.last_entry().saturating_sub(from),
        })
    }
}

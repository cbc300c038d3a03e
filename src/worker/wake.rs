//! When something is due by itself, and how long a poll may wait for anything else.

use std::time::Duration;

use super::facts::tracked::Tracked;
use super::session::amount::Amount;
use super::session::backlog::{Backlog, Reading};
use super::session::owned::Stage;
use super::session::table::Table;
use super::session::wait::{ClockAlarm, Wait, left};
use crate::time::Timestamp;

impl Table {
    /// Whether a resumed flow has everything at hand but what it passes next, and may pass all that is left now. That is twice what
    /// was held in the turn before: of two turns one does not wait.
    pub(super) fn only_last_entries_missing(&self, now: Timestamp) -> bool {
        self.behind().any(|(tracked, backlog)| {
            let flow = tracked.flow();
            let missing = flow.queue.last_entry().saturating_sub(backlog.read_to);
            let next = u64::try_from(backlog.at_least(flow.max_rate()).entries).unwrap_or(u64::MAX);
            missing <= next && backlog.may_pass_the_rest(flow, now)
        })
    }

    /// Whether a resumed flow that may pass all that is left now has not read what it passes next, though it is there.
    pub(super) fn is_any_end_missing(&self, now: Timestamp) -> bool {
        self.behind().any(|(tracked, backlog)| {
            let flow = tracked.flow();
            !backlog.lacks(flow.max_rate()).is_nothing() && backlog.may_pass_the_rest(flow, now)
        })
    }

    /// What resumed flows have not read of what they pass next, though it is there.
    pub(super) fn lacking(&self) -> Amount {
        let lacks = |(tracked, backlog): (&Tracked, &Backlog)| backlog.lacks(tracked.flow().max_rate());
        self.behind().map(lacks).fold(Amount::default(), Amount::and)
    }

    /// Resumed flows of which not everything has been read. Only those whose queues are being read are looked at: few of them,
    /// however many drain.
    fn behind(&self) -> impl Iterator<Item = (&Tracked, &Backlog)> {
        self.reading.values().filter_map(|(partition, flow)| {
            let tracked = self.active_flow(*partition, flow).filter(|tracked| tracked.index.is_ready())?;
            let backlog = tracked.backlog.as_ref().filter(|of| of.reading == Reading::On && of.blocked.is_none())?;
            let is_behind = tracked.flow().drain().is_some() && backlog.read_to < tracked.flow().queue.last_entry();
            is_behind.then_some((tracked, backlog))
        })
    }

    /// When something is due by itself.
    pub(super) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let mut wake: Option<Timestamp> = None;
        let mut at = |time: Timestamp| wake = Some(wake.map_or(time, |wake| wake.min(time)));
        if !self.carried.is_empty() || !self.commands_ahead.is_empty() || self.change.is_some() {
            at(now);
        }
        for owned in self.owned.values() {
            match owned.stage {
                Stage::Joining(_) | Stage::Introducing => at(now),
                Stage::Active => {}
            }
            for due in [owned.facts.timers().first(), owned.facts.retirements().first()].into_iter().flatten() {
                at(due.0);
            }
            if let Some(wait) = &owned.wait {
                at(wait.since.after(Wait::LENGTH));
            }
        }
        for tracked in self.draining() {
            match tracked.ready(now) {
                Ok(true) => at(now),
                Err(later) => at(later),
                Ok(false) => {
                    let reading = tracked.backlog.as_ref().is_some_and(|backlog| backlog.reading == Reading::On);
                    if reading {
                        // What it waits for comes from the broker, at any moment.
                        at(now.after(Duration::from_millis(1)));
                    }
                }
            }
        }
        for (_, tracked) in self.searching() {
            match &tracked.search {
                Some(search) if search.is_done() => at(now),
                Some(search) if search.reading == Reading::On => at(now.after(Duration::from_millis(1))),
                Some(_) | None => {}
            }
        }
        if let Some(wait) = self.index_wait() {
            at(now.after(wait));
        }
        if let Some(alarm) = self.clock_alarm.filter(|alarm| left(alarm.since, ClockAlarm::LENGTH, now).is_some()) {
            let over = alarm.since.after(ClockAlarm::LENGTH);
            wake = Some(wake.map_or(over, |wake| wake.max(over)));
        }
        wake
    }

    pub(super) fn wait_at_most(&self, now: Timestamp, limit: Duration) -> Duration {
        if !self.joined {
            return limit;
        }
        self.next_wake(now).map_or(limit, |wake| wake.since(now).min(limit))
    }
}

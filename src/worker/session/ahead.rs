//! How far ahead of their drains queues are read: one buffer for all of them.

use super::amount::Amount;
use super::backlog::Backlog;
use super::table::Table;
use crate::flow::Rate;
use crate::worker::facts::tracked::Tracked;
use crate::worker::memory::Shares;
use crate::worker::options::Budget;

/// For how many seconds what is read ahead of a drain with a rate lasts.
const LASTS: f64 = 2.0;

impl Table {
    /// How far the drains are read ahead now.
    pub fn ahead(&self, budget: Budget) -> Ahead {
        let mut ahead = Ahead {
            waiting: Amount::default(),
            most: Amount { entries: budget.ahead, bytes: Shares::drains(budget.bytes) },
            limited: self.limited_drains(),
            others_wait: !self.to_read.is_empty(),
        };
        for (partition, flow) in &self.at_hand {
            if let Some(backlog) = self.active_flow(*partition, flow).and_then(|tracked| tracked.backlog.as_ref()) {
                ahead.waiting = ahead.waiting.and(backlog.waiting());
            }
        }
        ahead
    }
}

/// How far all drains together are read ahead, and may be.
#[derive(Clone, Copy)]
pub struct Ahead {
    /// What is read and not passed by the turn under way.
    pub waiting: Amount,
    pub most: Amount,
    /// Drains with a rate.
    limited: usize,
    /// Queues wait to be read.
    others_wait: bool,
}

impl Ahead {
    pub fn is_full(&self) -> bool {
        self.waiting.reaches(self.most)
    }

    /// What may still be read.
    pub fn room(&self) -> Amount {
        self.waiting.missing_of(self.most)
    }

    /// What may be read ahead of one drain with a rate. All of them together take half of the room, so that they hold no other
    /// drain back, but for what outruns their flows: one turn's, and one turn's that is read meanwhile.
    fn most_of(&self, backlog: &Backlog, rate: Rate) -> Amount {
        let lasts = ((rate.per_second() * LASTS).ceil() as usize).max(1);
        let limited = self.limited.max(1) * 2;
        let shared = Amount { entries: lasts.min(self.most.entries / limited), bytes: self.most.bytes / limited };
        shared.max(backlog.at_least(Some(rate)).times(2))
    }

    /// Whether an entry just read is the last one for now of its queue.
    pub fn is_enough(&self, tracked: &Tracked) -> bool {
        let Some(backlog) = &tracked.backlog else { return true };
        match tracked.flow().max_rate() {
            // It is made again, and this is read again behind it.
            _ if !tracked.may_be_read() => true,
            Some(rate) => backlog.waiting().reaches(self.most_of(backlog, rate)),
            // A drain that has to outrun its flow reads what that takes; what others have read beside it has to wait.
            None if !backlog.lacks(None).is_nothing() => false,
            None => {
                self.waiting.reaches(self.most.times(2)) || self.others_wait && backlog.read_since >= self.most.entries
            }
        }
    }

    /// Whether more is to be read for a drain whose queue is not being read.
    pub fn is_too_little(&self, tracked: &Tracked) -> bool {
        let Some(backlog) = tracked.backlog.as_ref().filter(|_| !tracked.flow().queue.is_passed()) else {
            return false;
        };
        let waiting = backlog.waiting();
        let max_rate = tracked.flow().max_rate();
        max_rate.is_none_or(|rate| waiting.is_nothing() || !waiting.times(2).reaches(self.most_of(backlog, rate)))
    }
}

//! How turns fare with their time. Where brokers are too slow for turns of this size, each one that is dropped halves the
//! next, and each one that holds in half of its time doubles it again.

use crate::worker::options::Budget;

/// How small turns get: a 65,536th of their size, but for one record.
const HALVINGS: u32 = 16;

/// Turns dropped one after the other until that is shown.
const SHOWN: u32 = 2;

/// How turns fare with their time.
#[derive(Default)]
pub struct Pace {
    /// How often the size of turns was halved.
    halvings: u32,
    /// Turns dropped since one has held.
    dropped: u32,
}

impl Pace {
    /// When the next turn is full.
    pub fn budget(&self, whole: Budget) -> Budget {
        let part = |of: usize| (of >> self.halvings).max(1);
        Budget {
            records: part(whole.records),
            bytes: part(whole.bytes),
            time: whole.time / (1 << self.halvings),
            slice: part(whole.slice),
            backlog: part(whole.backlog),
            topics: part(whole.topics),
            commands: part(whole.commands),
            every: part(whole.every),
            queues: whole.queues,
            ahead: whole.ahead,
            idle_topics: whole.idle_topics,
        }
    }

    pub fn drop_turn(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
        self.halvings = HALVINGS.min(self.halvings + 1);
    }

    /// A turn holds.
    pub fn hold(&mut self, in_half_the_time: bool) {
        self.dropped = 0;
        if in_half_the_time {
            self.halvings = self.halvings.saturating_sub(1);
        }
    }

    /// There was nothing to do, so nothing is too slow.
    pub fn rest(&mut self) {
        self.dropped = 0;
    }

    /// Why nothing goes on, if turns are dropped one after the other.
    pub fn obstacle(&self) -> Option<String> {
        let dropped = self.dropped;
        (dropped >= SHOWN).then(|| {
            format!("the brokers are too slow: {dropped} turns in a row took longer than a transaction may; turns get smaller")
        })
    }
}

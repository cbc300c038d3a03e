//! What a worker shows of itself: plain values, so that who looks at them never holds it up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use super::memory::Shares;
use super::table::{Owned, Stage, Stats};
use crate::broker::Broker;
use crate::flow::{Flow, FlowId};
use crate::time::Timestamp;

/// A worker at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// An assignment came, be it empty.
    pub joined: bool,
    pub partitions: Vec<PartitionShot>,
    pub live: u64,
    pub paused: Held,
    pub resuming: Held,
    /// When the oldest pause in force began.
    pub oldest_pause: Option<Timestamp>,
    /// The next deadline.
    pub next_timer: Option<Timestamp>,
    /// Queue topics that are being read, and held events read of them that are not passed yet.
    pub queues_read: usize,
    pub read_ahead: usize,
    pub memory: Memory,
    /// Held events of blocked flows that somebody deleted: at most so many.
    pub lost: u64,
    /// Flows whose indexes are being rebuilt, and how many entries are still to be read for each, about.
    pub indexing: BTreeMap<FlowId, u64>,
    /// What cannot go on: the kind, and a sentence.
    pub blocked: Vec<(&'static str, String)>,
    pub stats: Stats,
}

/// Flows in a state, and what is held for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    pub flows: u64,
    pub events: u64,
}

/// Bytes that wait in memory, and how many may: see `worker/memory.rs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Held events that drains have read ahead.
    pub drains: Share,
    /// Indexes of replaced events.
    pub indexes: Share,
    /// Events polled and not taken by a turn yet.
    pub carried: Share,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    pub used: usize,
    pub most: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionShot {
    pub number: i32,
    /// `joining`, `introducing` or `active`.
    pub stage: &'static str,
    /// The offset of the next event.
    pub position: i64,
}

impl<B: Broker> Worker<B> {
    /// Where it stands. Costs a look at every flow that is not live.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (joined, stats, blocked) =
            (self.table.joined, self.stats.clone(), self.table.obstacles(&self.options.topics.enrollments));
        let mut shot = Snapshot { joined, stats, blocked, ..Snapshot::default() };
        shot.stats.lateness.clear();
        let ahead = self.table.ahead(self.budget());
        (shot.queues_read, shot.read_ahead) = (self.table.reading.len(), ahead.waiting.entries);
        shot.memory = Memory {
            drains: Share { used: ahead.waiting.bytes, most: ahead.most.bytes },
            indexes: Share { used: self.table.index_bytes(), most: self.options.index_bytes },
            carried: Share { used: self.table.carried.bytes(), most: Shares::carried(self.budget().bytes) },
        };
        for (number, owned) in &self.table.owned {
            shot.partitions.push(PartitionShot {
                number: *number,
                stage: owned.stage_word(),
                position: owned.position,
            });
            let paused = owned.timers.iter().filter_map(|(_, id)| owned.flows.get(id));
            let resuming = owned.draining.iter().filter_map(|id| owned.flows.get(id));
            shot.paused.add(paused.clone().map(|tracked| &tracked.flow));
            shot.resuming.add(resuming.clone().map(|tracked| &tracked.flow));
            let blocked = resuming.filter_map(|tracked| tracked.backlog.as_ref()?.blocked.as_ref());
            shot.lost += blocked.map(|blocked| blocked.lost).sum::<u64>();
            shot.indexing.extend(owned.indexing());
            let not_live = owned.timers.len() + owned.draining.len();
            shot.live += owned.flows.len().saturating_sub(not_live) as u64;
            let began = paused.filter_map(|tracked| tracked.flow.pause()).map(|pause| pause.paused_at).min();
            shot.oldest_pause = [shot.oldest_pause, began].into_iter().flatten().min();
            let next = owned.timers.first().map(|(due, _)| *due);
            shot.next_timer = [shot.next_timer, next].into_iter().flatten().min();
        }
        shot
    }

    /// How late timers fired since this was last asked.
    pub fn take_lateness(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.stats.lateness)
    }
}

impl Memory {
    /// Each share, with its name.
    #[must_use]
    pub fn shares(&self) -> [(&'static str, Share); 3] {
        [("drains", self.drains), ("indexes", self.indexes), ("carried", self.carried)]
    }

    /// What two workers have together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let sum = |one: Share, other: Share| Share { used: one.used + other.used, most: one.most + other.most };
        Self {
            drains: sum(self.drains, other.drains),
            indexes: sum(self.indexes, other.indexes),
            carried: sum(self.carried, other.carried),
        }
    }
}

impl Held {
    fn add<'a>(&mut self, flows: impl Iterator<Item = &'a Flow>) {
        for flow in flows {
            self.flows += 1;
            self.events += flow.counts.held().total();
        }
    }
}

impl Owned {
    fn stage_word(&self) -> &'static str {
        match self.stage {
            Stage::Joining(_) => "joining",
            Stage::Introducing => "introducing",
            Stage::Active => "active",
        }
    }
}

//! How a worker looks from outside: where it stands, and what does not go on.

use std::time::Duration;

use super::Worker;
use super::memory::Shares;
use super::session::owned::{Owned, Stage};
use super::session::table::Table;
use super::snapshot::{Held, KINDS, Memory, PartitionShot, Share, Snapshot};
use crate::broker::Broker;
use crate::flow::Flow;

impl<B: Broker> Worker<B> {
    /// Where it stands. Costs a look at every flow that is not live.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (joined, stats, blocked) =
            (self.table.joined, self.stats.clone(), self.table.obstacles(&self.options.topics.enrollments));
        let mut shot = Snapshot { joined, stats, blocked, ..Snapshot::default() };
        shot.stats.lateness.clear();
        shot.commands_wait = self.table.every_under_way || self.table.control_scan < self.table.control_floor;
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
                position: owned.facts.position(),
            });
            let paused = owned.facts.timers().iter().filter_map(|(_, id)| owned.facts.flow(id));
            let drains = owned.facts.drains();
            let resuming = drains.clone().filter(|tracked| tracked.flow().drain().is_some());
            shot.paused.add(paused.clone().map(|tracked| tracked.flow()));
            shot.resuming.add(resuming.clone().map(|tracked| tracked.flow()));
            let blocked = drains.filter_map(|tracked| tracked.backlog.as_ref()?.blocked.as_ref());
            shot.lost += blocked.map(|blocked| blocked.lost).sum::<u64>();
            shot.indexing.extend(owned.indexing());
            let not_live = owned.facts.timers().len() + resuming.count();
            shot.live += owned.facts.flows().len().saturating_sub(not_live) as u64;
            let pauses = paused.filter_map(|tracked| tracked.flow().pause());
            let began = pauses.clone().map(|pause| pause.paused_at).min();
            shot.oldest_pause = [shot.oldest_pause, began].into_iter().flatten().min();
            let next = pauses.map(|pause| pause.resumes_at).min();
            shot.next_timer = [shot.next_timer, next].into_iter().flatten().min();
        }
        shot
    }

    /// How late timers fired since this was last asked.
    pub fn take_lateness(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.stats.lateness)
    }
}

impl Table {
    /// What does not go on: its kind, and a sentence that says why.
    pub(super) fn obstacles(&self, enrollments: &str) -> Vec<(&'static str, String)> {
        let [queue_topic, deleted, clock, slow, refused] = KINDS;
        let off = self.clock_alarm.map(|_| "the clock is off by more than a minute: nothing moves".to_owned());
        let waits = self.owned.iter().filter_map(|(partition, owned)| {
            owned.wait.as_ref().map(|wait| format!("the events of partition {partition} wait: {}", wait.reason))
        });
        let blocked = self.owned.values().flat_map(|owned| owned.facts.drains()).filter_map(|tracked| {
            let blocked = tracked.backlog.as_ref()?.blocked.as_ref()?;
            Some(format!("flow `{}` is blocked: {}", tracked.flow().id, blocked.reason()))
        });
        let of = |kind: &'static str| move |sentence: String| (kind, sentence);
        let own = off.into_iter().map(of(clock)).chain(self.pace.obstacle().map(of(slow)));
        let missing = self.missing_refused(enrollments).map(of(refused));
        own.chain(waits.map(of(queue_topic))).chain(blocked.map(of(deleted))).chain(missing).collect()
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

//! How a worker looks from outside: where it stands, and what does not go on.

use std::time::Duration;

use super::Worker;
use super::memory::Shares;
use super::session::owned::{Owned, Stage};
use super::session::table::Table;
use super::snapshot::{Held, KINDS, Memory, PartitionShot, Share, Snapshot};
use crate::broker::Broker;
use crate::flow::{DefaultPause, Flow, Warning};
use crate::time::Timestamp;

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
        (shot.all_partitions, shot.most_flows) = (self.table.shape.enrollments, self.options.max_known_flows);
        for (number, owned) in &self.table.owned {
            shot.watch(owned, self.stepped_at);
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

    /// Takes note of which drains go on, for [`Worker::snapshot`] to tell: to be called every few seconds or more often.
    /// `brokers_answer`: not if nothing at all goes on for want of an answer.
    pub fn watch_drains(&mut self, brokers_answer: bool) {
        let now = self.stepped_at;
        let is_kept = self.table.clock_alarm.is_some() || self.table.pace.obstacle().is_some();
        for owned in self.table.owned.values_mut() {
            let may_pass = brokers_answer && !is_kept && owned.is_active();
            owned.facts.each_drain_mut(|_, tracked| tracked.watch_drain(may_pass, now));
        }
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

impl Snapshot {
    /// What a sum of a partition's flows would hide.
    fn watch(&mut self, owned: &Owned, now: Timestamp) {
        let is_in_force = |default: &DefaultPause| default.pause.resumes_at > now;
        self.default_pauses += u64::from(owned.facts.record().default.as_ref().is_some_and(is_in_force));
        for tracked in owned.facts.drains() {
            self.stalled_drains += u64::from(tracked.is_stalled(now));
            self.losing_drains += u64::from(tracked.is_losing());
        }
        let paused = owned.facts.timers().iter().filter_map(|(_, id)| owned.facts.flow(id)?.flow().pause());
        for pause in paused {
            self.old_pauses += u64::from(now.since(pause.paused_at) > Self::OLD);
            for (count, warning) in self.expiring.iter_mut().zip(Warning::ALL) {
                let ahead = warning.ahead();
                let is_longer = pause.resumes_at.since(pause.paused_at) > ahead;
                *count += u64::from(is_longer && pause.resumes_at.before(ahead) <= now);
            }
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

//! Calls between turns, one a step: where readers go on, and what may be deleted. Each can be made twice.
//!
//! Deleting is fenced by nothing, so it is only ever asked for what the committed state gives up: records below a
//! committed watermark, topics whose retirement is committed. A request that comes late does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Worker;
use super::clients::{assign, in_hand};
use super::failed::Failed;
use super::orphans::SOON;
use super::phase::{Phase, Step};
use super::session::chore::Chore;
use super::session::gathering::Gather;
use super::session::owned::{Owned, Stage};
use super::session::shape::ONLY;
use super::session::wait::{ClockAlarm, Looked, Wait, left};
use super::stop::Stop;
use crate::broker::{Action, Admin, Broker, Code, Error, Member, Producer, Reader};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    pub(super) fn chore(&mut self, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if let Some(alarm) = self.table.clock_alarm {
            // A clean stop sets no deadline.
            if let Some(left) = left(alarm.since, ClockAlarm::LENGTH, now).filter(|_| !self.stopping) {
                return Ok((Phase::Chores, Step::Waiting(left)));
            }
            // It stands until a turn shows that the clock is right, or sets it again.
        }
        let over: Vec<i32> = {
            let waits = self
                .table
                .owned
                .iter_mut()
                .filter(|(_, owned)| owned.wait.as_ref().is_some_and(|wait| wait.is_over(now)));
            waits.map(|(partition, owned)| (owned.wait = None, *partition).1).collect()
        };
        for partition in over {
            self.chores.push_back(Chore::FetchFrom { partition });
        }
        if self.chores.is_empty() && self.table.is_time_for_orphans(now) {
            self.chores.push_back(Chore::FindOrphans);
        }
        let Some(chore) = self.chores.pop_front().or_else(|| self.next_to_read()) else {
            self.chores.append(&mut self.deferred);
            return Ok((Phase::Gather(Gather::new(&self.table)), Step::Progress));
        };
        match self.call(&chore, now) {
            Ok(is_done) => {
                if !is_done {
                    self.deferred.push_back(chore);
                }
                Ok((Phase::Chores, Step::Progress))
            }
            Err(failed) => self.chore_failed(chore, failed.call()?, now),
        }
    }

    fn chore_failed(&mut self, chore: Chore, error: Error, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let passes = error.action == Action::Retry;
        let is_hopeless = error.action == Action::Stop;
        match chore {
            // It costs room, nothing else; the next drain's end asks for more than this.
            Chore::DeleteRecords { .. } => {
                tracing::warn!(%error, ?chore, "could not delete");
            }
            // Topics that are left are looked for.
            Chore::DeleteTopics { .. } => {
                self.table.looked_for_orphans = Some(Looked { at: now, lasts: SOON });
                tracing::warn!(%error, ?chore, "could not delete");
            }
            // It is looked for again: a queue topic when it cannot be written to again, orphans after a while.
            Chore::FindQueue { .. } | Chore::FindOrphans if !is_hopeless => {}
            Chore::Knock if !is_hopeless => self.deferred.push_back(chore),
            // Perhaps the group takes the partition away: only the member's next poll will say so. And a flow whose queue
            // cannot be reached keeps nobody else waiting.
            Chore::ReadQueues { flows } if passes => {
                self.deferred.extend(flows.into_iter().map(|flow| Chore::ReadQueues { flows: vec![flow] }));
            }
            Chore::FetchFrom { .. }
            | Chore::PauseEvents { .. }
            | Chore::LookAtQueue { .. }
            | Chore::StopReading { .. }
                if passes =>
            {
                self.deferred.push_back(chore);
            }
            _ => {
                self.chores.push_front(chore);
                return self.trouble(error, Phase::Chores);
            }
        }
        self.stats.trouble(&error);
        Ok((Phase::Chores, Step::Progress))
    }

    /// `false`: it cannot be done yet.
    fn call(&mut self, chore: &Chore, now: Timestamp) -> Result<bool, Failed> {
        match chore {
            Chore::Acknowledge => in_hand(&mut self.clients)?.member.acknowledge()?,
            Chore::Knock => return self.knock(),
            Chore::FetchFrom { partition } => self.fetch_from(*partition)?,
            Chore::PauseEvents { partition } => self.pause_events(*partition)?,
            Chore::ReadControl { from } => self.read_control(*from)?,
            Chore::ReadQueues { flows } => self.read_queues(flows)?,
            Chore::LookAtQueue { partition, flow } => self.look_at_queue(*partition, flow, now)?,
            Chore::StopReading { topics } => {
                // Some may be read again already.
                let gone = topics.iter().filter(|topic| !self.table.reading.contains_key(*topic));
                let gone: Vec<_> = gone.map(|topic| (Arc::clone(topic), ONLY)).collect();
                in_hand(&mut self.clients)?.queues.unassign_all(&gone)?;
            }
            Chore::StopRestoring { partition } => {
                in_hand(&mut self.clients)?.stable.unassign(&self.options.topics.state, *partition)?;
            }
            Chore::DeleteRecords { up_to } => return self.delete_records(up_to),
            Chore::FindQueue { topic } => {
                let found = in_hand(&mut self.clients)?.admin.partitions(topic)?;
                self.note_queue(topic, found.is_some());
            }
            Chore::FindOrphans => self.find_orphans(now)?,
            Chore::DeleteTopics { topics } => self.delete_topics(topics)?,
        }
        Ok(true)
    }

    fn fetch_from(&mut self, partition: i32) -> Result<(), Failed> {
        let Some(owned) = self.table.owned.get_mut(&partition) else { return Ok(()) };
        if !owned.is_active() || owned.wait.is_some() {
            return Ok(());
        }
        // Whatever was polled of it before does not come next.
        self.table.carried.forget(partition);
        let answer = in_hand(&mut self.clients)?.member.fetch_from(partition, owned.facts.position());
        owned.fetching = answer.is_ok();
        if mutant::is(Mutant::LostPartitionsKept) { Ok(()) } else { Ok(answer?) }
    }

    fn pause_events(&mut self, partition: i32) -> Result<(), Failed> {
        if !self.table.owned.get(&partition).is_some_and(Owned::is_active) {
            return Ok(());
        }
        let answer = in_hand(&mut self.clients)?.member.pause(partition);
        if mutant::is(Mutant::LostPartitionsKept) { Ok(()) } else { Ok(answer?) }
    }

    fn read_control(&mut self, from: Option<i64>) -> Result<(), Failed> {
        let taking = self.table.owned.values().filter(|owned| owned.takes_commands());
        let Some(smallest) = taking.map(|owned| owned.facts.record().control).min() else { return Ok(()) };
        let offset = from.map_or(smallest, |from| from.max(smallest));
        self.table.control_scan = offset;
        self.table.commands_ahead.clear();
        self.table.every_under_way = false;
        assign(&mut in_hand(&mut self.clients)?.control, &self.options.topics.control, offset)?;
        Ok(())
    }

    /// `false`: what was to be deleted before is not yet.
    fn delete_records(&mut self, up_to: &BTreeMap<String, i64>) -> Result<bool, Failed> {
        if mutant::is(Mutant::NothingDeletedAfterADrain) {
            return Ok(true);
        }
        let clients = in_hand(&mut self.clients)?;
        let mut up_to: Vec<_> = up_to.iter().map(|(topic, up_to)| (topic.clone(), *up_to)).collect();
        if mutant::is(Mutant::DeleteRecordsPastTheWatermark) {
            for (topic, up_to) in &mut up_to {
                *up_to = clients.latest.watermarks(topic, ONLY).map_or(*up_to, |marks| marks.end);
            }
        }
        if !self.stopping {
            return Ok(clients.admin.start_deleting_records(&up_to)?);
        }
        // A process that ends cannot come back to it.
        clients.admin.delete_records(&up_to)?.into_iter().collect::<Result<(), Error>>()?;
        Ok(true)
    }

    fn delete_topics(&mut self, topics: &[String]) -> Result<(), Failed> {
        for topic in topics {
            self.table.missing.remove(topic);
            // Names are never used again: neither handle nor memory of it is of use any more.
            self.table.created.remove(topic);
            if let (Some(handle), Some(producer)) = (self.writable.remove(topic), &mut self.producer) {
                producer.forget(handle);
            }
        }
        for answer in in_hand(&mut self.clients)?.admin.delete_topics(topics)? {
            match answer {
                Err(error) if error.code != Code::UnknownTopic => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// The cluster has said whether a queue topic is there that could not be written to.
    fn note_queue(&mut self, topic: &str, is_there: bool) {
        if is_there {
            self.table.missing.remove(topic);
            return;
        }
        self.table.created.remove(topic);
        let times = self.table.missing.entry(topic.to_owned()).or_default();
        *times += 1;
        tracing::error!(topic, times, "a queue topic is gone: somebody else deleted it");
    }

    /// What cannot be written to may have no leader just now, or not be there any more: the cluster says which.
    pub(super) fn find_queue(&mut self, partition: i32, topic: &str, reason: String, now: Timestamp) {
        let asked = |chore: &Chore| matches!(chore, Chore::FindQueue { topic: asked } if asked == topic);
        if !self.chores.iter().any(asked) {
            self.hold_back(partition, reason, now);
            self.chores.push_back(Chore::FindQueue { topic: topic.to_owned() });
        }
    }

    /// Everything is read again from where it is committed: events and commands. What was read back of queues stays:
    /// entries leave the buffers only when their passing holds.
    pub(super) fn rewind(&mut self) {
        let active = self.table.owned.iter().filter(|(_, owned)| owned.is_active());
        let partitions = active.map(|(partition, _)| *partition).collect();
        self.read_again(&partitions);
        self.table.carried.clear();
        self.table.forget_passing();
        if mutant::is(Mutant::ControlReaderNotMovedBackAtAnAbort) {
            return;
        }
        self.table.control_floor = self.table.control_floor.max(self.table.control_scan);
        // A clock that was wrong may have told when it was asked: the next timers ask for the end of the commands again.
        self.table.floor_asked = None;
        self.chores.push_back(Chore::ReadControl { from: None });
    }

    /// The events of these partitions are read again from where they are committed.
    pub(super) fn read_again(&mut self, partitions: &BTreeSet<i32>) {
        for partition in partitions {
            if let Some(owned) = self.table.owned.get_mut(partition) {
                owned.fetching = false;
                self.chores.push_back(Chore::FetchFrom { partition: *partition });
            }
        }
    }

    /// Lets the events of a partition wait, visibly; its commands and timers go on, and so do all other partitions.
    pub(super) fn hold_back(&mut self, partition: i32, reason: String, now: Timestamp) {
        tracing::error!(partition, reason, "the events of a partition wait");
        if let Some(owned) = self.table.owned.get_mut(&partition) {
            owned.wait = Some(Wait { since: now, reason });
            self.chores.push_back(Chore::PauseEvents { partition });
        }
    }

    /// Partitions whose record is written and to which every command that waited is applied take part in everything.
    pub(super) fn activate(&mut self) {
        let (scan, limits) = (self.table.control_scan, self.options.limits);
        for (partition, owned) in &mut self.table.owned {
            if matches!(owned.stage, Stage::Introducing)
                && owned.facts.is_introduced()
                && (scan >= owned.control_end || mutant::is(Mutant::EventsBeforeCommandsThatWaited))
                && owned.beyond_cap(&limits).next().is_none()
            {
                owned.stage = Stage::Active;
                self.table.looked_for_orphans = None;
                owned.facts.pass_commands(scan);
                self.chores.push_back(Chore::FetchFrom { partition: *partition });
            }
        }
    }
}

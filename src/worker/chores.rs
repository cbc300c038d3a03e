//! Calls between turns, one a step: where readers go on, and what may be deleted. Each can be made twice.
//!
//! Deleting is fenced by nothing, so it is only ever asked for what the committed state gives up: records below a
//! committed watermark, topics whose retirement is committed. A request that comes late does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::gather::Gather;
use super::orphans::{Looked, SOON};
use super::table::{ClockAlarm, Stage, Wait, left};
use super::{Phase, Step, Stop, Worker, assign, in_hand};
use crate::broker::{Action, Admin, Broker, Code, Error, Member, Producer, Reader};
use crate::flow::FlowId;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) enum Chore {
    /// Take note of the change of assignment.
    Acknowledge,
    /// Have the group look at who has what, for there may be something that nobody has.
    Knock,
    /// Deliver the partition's events from its committed position on.
    FetchFrom {
        partition: i32,
    },
    PauseEvents {
        partition: i32,
    },
    /// Put the control reader back to the smallest position of the partitions, or to `from` where retention took more.
    ReadControl {
        from: Option<i64>,
    },
    /// Read the queues of these draining flows.
    ReadQueues {
        flows: Vec<(i32, FlowId)>,
    },
    /// See whether what is to be read next of a draining flow's queue is still there.
    LookAtQueue {
        partition: i32,
        flow: FlowId,
    },
    StopReading {
        topics: Vec<Arc<str>>,
    },
    /// The state of a partition that was taken away before it was restored.
    StopRestoring {
        partition: i32,
    },
    /// Delete the records of these topics below an offset each.
    DeleteRecords {
        up_to: BTreeMap<String, i64>,
    },
    DeleteTopics {
        topics: Vec<String>,
    },
    /// Look for queue topics that nothing needs any more.
    FindOrphans,
    /// See whether a queue topic that could not be written to is there at all.
    FindQueue {
        topic: String,
    },
}

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
        match self.call(&chore, now)? {
            Ok(()) => Ok((Phase::Chores, Step::Progress)),
            Err(error) if matches!(chore, Chore::DeleteRecords { .. } | Chore::DeleteTopics { .. }) => {
                // It costs room, nothing else; the next drain's end asks for more than this, and topics that are left are
                // looked for.
                if matches!(chore, Chore::DeleteTopics { .. }) {
                    self.table.looked_for_orphans = Some(Looked { at: now, lasts: SOON });
                }
                tracing::warn!(%error, ?chore, "could not delete");
                self.stats.trouble(&error);
                Ok((Phase::Chores, Step::Progress))
            }
            Err(error) if error.action != Action::Stop && matches!(chore, Chore::Knock) => {
                self.stats.trouble(&error);
                self.deferred.push_back(chore);
                Ok((Phase::Chores, Step::Progress))
            }
            Err(error)
                if error.action != Action::Stop && matches!(chore, Chore::FindQueue { .. } | Chore::FindOrphans) =>
            {
                // It is looked for again: a queue topic when it cannot be written to again, orphans after a while.
                self.stats.trouble(&error);
                Ok((Phase::Chores, Step::Progress))
            }
            Err(error)
                if error.action == Action::Retry
                    && matches!(
                        chore,
                        Chore::FetchFrom { .. }
                            | Chore::PauseEvents { .. }
                            | Chore::ReadQueues { .. }
                            | Chore::LookAtQueue { .. }
                            | Chore::StopReading { .. }
                    ) =>
            {
                // Perhaps the group takes the partition away: only the member's next poll will say so. And a flow whose
                // queue cannot be reached keeps nobody else waiting.
                self.stats.trouble(&error);
                match chore {
                    Chore::ReadQueues { flows } => {
                        self.deferred.extend(flows.into_iter().map(|flow| Chore::ReadQueues { flows: vec![flow] }));
                    }
                    chore => self.deferred.push_back(chore),
                }
                Ok((Phase::Chores, Step::Progress))
            }
            Err(error) => {
                self.chores.push_front(chore);
                self.trouble(error, Phase::Chores)
            }
        }
    }

    fn call(&mut self, chore: &Chore, now: Timestamp) -> Result<Result<(), Error>, Stop> {
        Ok(match chore {
            Chore::Acknowledge => in_hand(&mut self.clients)?.member.acknowledge(),
            Chore::Knock => self.knock()?.map(|done| {
                if !done {
                    self.deferred.push_back(Chore::Knock);
                }
            }),
            Chore::FetchFrom { partition } => {
                let Some(owned) = self.table.owned.get(partition) else { return Ok(Ok(())) };
                if !owned.is_active() || owned.wait.is_some() {
                    return Ok(Ok(()));
                }
                let position = owned.position;
                // Whatever was polled of it before does not come next.
                self.table.carried.forget(*partition);
                let answer = in_hand(&mut self.clients)?.member.fetch_from(*partition, position);
                if let Some(owned) = self.table.owned.get_mut(partition) {
                    owned.fetching = answer.is_ok();
                }
                if mutant::is(Mutant::LostPartitionsKept) { Ok(()) } else { answer }
            }
            Chore::PauseEvents { partition } => {
                if !self.table.owned.get(partition).is_some_and(super::table::Owned::is_active) {
                    return Ok(Ok(()));
                }
                let answer = in_hand(&mut self.clients)?.member.pause(*partition);
                if mutant::is(Mutant::LostPartitionsKept) { Ok(()) } else { answer }
            }
            Chore::ReadControl { from } => {
                let taking = self.table.owned.values().filter(|owned| owned.takes_commands());
                let Some(smallest) = taking.map(|owned| owned.record.control).min() else { return Ok(Ok(())) };
                let offset = from.map_or(smallest, |from| from.max(smallest));
                self.table.control_scan = offset;
                self.table.commands_ahead.clear();
                let control = self.options.topics.control.clone();
                assign(&mut in_hand(&mut self.clients)?.control, &control, offset)
            }
            Chore::ReadQueues { flows } => self.read_queues(flows)?,
            Chore::LookAtQueue { partition, flow } => self.look_at_queue(*partition, flow, now)?,
            Chore::StopReading { topics } => {
                // Some may be read again already.
                let stopped = topics.iter().filter(|topic| !self.table.reading.contains_key(*topic));
                let places: Vec<_> = stopped.map(|topic| (Arc::clone(topic), super::ONLY)).collect();
                in_hand(&mut self.clients)?.queues.unassign_all(&places)
            }
            Chore::StopRestoring { partition } => {
                let state = self.options.topics.state.clone();
                in_hand(&mut self.clients)?.stable.unassign(&state, *partition)
            }
            Chore::DeleteRecords { .. } if mutant::is(Mutant::NothingDeletedAfterADrain) => Ok(()),
            Chore::DeleteRecords { up_to } => {
                let clients = in_hand(&mut self.clients)?;
                let mut up_to: Vec<_> = up_to.iter().map(|(topic, up_to)| (topic.clone(), *up_to)).collect();
                if mutant::is(Mutant::DeleteRecordsPastTheWatermark) {
                    for (topic, up_to) in &mut up_to {
                        *up_to = clients.latest.watermarks(topic, super::ONLY).map_or(*up_to, |marks| marks.end);
                    }
                }
                clients.admin.delete_records(&up_to).and_then(|answers| answers.into_iter().collect())
            }
            Chore::FindQueue { topic } => {
                let found = in_hand(&mut self.clients)?.admin.partitions(topic);
                found.map(|found| {
                    if found.is_some() {
                        self.table.missing.remove(topic);
                        return;
                    }
                    self.table.created.remove(topic);
                    let times = self.table.missing.entry(topic.clone()).or_default();
                    *times += 1;
                    tracing::error!(topic, times, "a queue topic is gone: somebody else deleted it");
                })
            }
            Chore::FindOrphans => self.find_orphans(now)?,
            Chore::DeleteTopics { topics } => {
                for topic in topics {
                    self.table.missing.remove(topic);
                    // Names are never used again: neither handle nor memory of it is of use any more.
                    self.table.created.remove(topic);
                    if let (Some(handle), Some(producer)) = (self.handles.remove(topic), &mut self.producer) {
                        producer.forget(handle);
                    }
                }
                let answers = in_hand(&mut self.clients)?.admin.delete_topics(topics);
                let fine = |answer: Result<(), Error>| match answer {
                    Err(error) if error.code != Code::UnknownTopic => Err(error),
                    _ => Ok(()),
                };
                answers.and_then(|answers| answers.into_iter().try_for_each(fine))
            }
        })
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
        let scan = self.table.control_scan;
        for (partition, owned) in &mut self.table.owned {
            if matches!(owned.stage, Stage::Introducing)
                && owned.introduced
                && (scan >= owned.control_end || mutant::is(Mutant::EventsBeforeCommandsThatWaited))
            {
                owned.stage = Stage::Active;
                self.table.looked_for_orphans = None;
                owned.scanned = owned.scanned.max(scan);
                self.chores.push_back(Chore::FetchFrom { partition: *partition });
            }
        }
    }
}

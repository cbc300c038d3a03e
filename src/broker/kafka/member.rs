//! A member of a consumer group.
//!
//! librdkafka hands each change of assignment to the application and waits for its answer, in the meantime fetching
//! nothing for it: so the change can be reported first and answered later ([`Member::acknowledge`]). In the
//! cooperative protocol a partition is given to librdkafka's fetcher only with its first position; the group does not
//! ask what is fetched, only that the change was answered.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::client::{Client, REQUEST};
use super::consumer::{Change, Consumer, first_error};
use super::errors::{self, invalid, plain};
use super::native::RespErr::*;
use super::native::{ConsumerGroupMetadata, Event, Partitions};
use crate::broker::{
    Action, Code, Committed, Error, GroupMetadata, Member, MemberOptions, PollLimit, Polled, Record, Result, Standing,
};

/// librdkafka's `RD_KAFKA_PARTITION_UA`: a topic as a whole.
const UNASSIGNED: i32 = -1;

/// How long leaving a group may take before it is left to the session timeout.
const LEAVE: Duration = Duration::from_secs(5);

/// How long librdkafka's thread may need to find out, after a hang, that the member's session is over; of a short session a
/// quarter, for what is found out has to hold for a while.
const HEARD: Duration = Duration::from_secs(1);

pub struct KafkaMember {
    consumer: Consumer,
    topic: Arc<str>,
    session_timeout: Duration,
    /// The partitions of all acknowledged changes.
    owned: BTreeSet<i32>,
    /// Came behind records of the same poll, and is reported with the next one.
    unreported: Option<Change>,
    /// Reported and not yet acknowledged.
    change: Option<Reported>,
    /// As of the last acknowledged change.
    group: Option<Arc<ConsumerGroupMetadata>>,
    left: bool,
}

enum Reported {
    Assigned(Vec<i32>),
    Revoked { partitions: Vec<i32>, lost: bool },
}

impl KafkaMember {
    pub(super) fn join(consumer: Consumer, options: &MemberOptions) -> Result<Self> {
        let mut topics = Partitions::new();
        topics.add(&options.topic, UNASSIGNED, None)?;
        let entered = consumer.client.shared.enter("subscribe", REQUEST);
        consumer.client.native.subscribe(&topics).map_err(|err| plain(err, "subscribe"))?;
        drop(entered);
        Ok(Self {
            consumer,
            topic: options.topic.as_str().into(),
            session_timeout: options.session_timeout,
            owned: BTreeSet::new(),
            unreported: None,
            change: None,
            group: None,
            left: false,
        })
    }

    /// Whether the assignor takes everything away at each rebalance (`range`, `roundrobin`).
    fn is_eager(&self) -> bool {
        self.consumer.client.native.rebalance_protocol() == Some(c"EAGER")
    }

    /// An eager assignor takes nothing but whole assignments: this one is what is fetched, each from its own position.
    /// Positions are numbers at all times: one that librdkafka has to look up would overrule a later seek.
    fn assign_eagerly(&self) -> Result<()> {
        let mut list = Partitions::new();
        for &partition in &self.owned {
            if let Some(next) = self.consumer.fetches.position(&self.topic, partition) {
                list.add(&self.topic, partition, Some(next))?;
            }
        }
        let _entered = self.consumer.client.shared.enter("assign", REQUEST);
        self.consumer.client.native.assign(Some(&list)).map_err(|err| plain(err, "assign"))
    }

    /// Fetches a partition that is not fetched, or not any more.
    fn start_eagerly(&mut self, partition: i32, offset: i64) -> Result<()> {
        for &other in &self.owned {
            // Those that are paused or stopped start with their next position.
            if !self.consumer.fetches.is_running(&self.topic, other) {
                self.consumer.fetches.remove(&self.topic, other);
            }
        }
        self.consumer.fetches.insert(&self.topic, partition, offset);
        self.assign_eagerly()
    }

    fn unassign_eagerly(&mut self, partitions: &[i32]) -> Result<()> {
        let done = self.consumer.client.native.assign(None);
        for &partition in partitions {
            self.consumer.fetches.remove(&self.topic, partition);
        }
        done.map_err(|err| plain(err, "unassign"))
    }

    /// librdkafka would fetch whatever it is told to, also what belongs to another member.
    fn check_owned(&self, partition: i32) -> Result<()> {
        match self.owned.contains(&partition) {
            true => Ok(()),
            false => Err(invalid(format!("{}/{partition} is not assigned to this member", self.topic))),
        }
    }

    /// The id that the member has in its group; `None` before it has one, and when it was thrown out.
    fn id(&self) -> Option<CString> {
        self.consumer.client.native.member_id().filter(|id| !id.is_empty())
    }

    fn identity(&self) -> Option<ConsumerGroupMetadata> {
        let identity = self.consumer.client.native.group_metadata()?;
        // A member that was thrown out has generation -1 and no id; the broker takes such offsets without a question.
        (identity.generation() >= 0 && !identity.member_id().is_empty()).then_some(identity)
    }

    /// Whether librdkafka has learnt that this static member is fenced, which breaks the client for good. It sends heartbeats
    /// also when it has given its member id up by itself (no answer for a session, no poll for too long) and the application
    /// has not yet answered the revocation: those are refused as fenced because they have no id, whoever has the name
    /// (librdkafka issue 3437).
    fn check_fenced(&self) -> Result<()> {
        match self.consumer.client.native.fatal_code() {
            RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID if self.id().is_some() => {
                let detail = "another member has joined the group under this one's name, or the group believes so";
                Err(Error::new(Action::Rebuild, Code::InstanceFenced, detail))
            }
            RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID => {
                let detail = "the client has given its place in the group up and cannot join again";
                Err(Error::new(Action::Rebuild, Code::StaleGeneration, detail))
            }
            err => Err(Error::new(Action::Rebuild, errors::code(err), errors::name(err))),
        }
    }
}

impl Member for KafkaMember {
    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled> {
        self.check_fenced()?;
        if self.change.is_some() {
            return Ok(Polled::Records);
        }
        let before = records.len();
        let mut change = self.unreported.take();
        if change.is_none() {
            let polled = self.consumer.poll(limit, records, |new| change = Some(new));
            let polled = polled.or_else(|error| self.check_fenced().and(Err(error)))?;
            if change.is_none() {
                return Ok(polled);
            }
            if records.len() > before {
                self.unreported = change;
                return Ok(Polled::Records);
            }
        }
        match change {
            None => Ok(Polled::Records),
            Some(Change::Assigned(partitions)) => {
                self.change = Some(Reported::Assigned(partitions.clone()));
                Ok(Polled::Assigned(partitions))
            }
            Some(Change::Revoked(partitions)) => {
                let lost = self.consumer.client.native.assignment_lost();
                self.change = Some(Reported::Revoked { partitions: partitions.clone(), lost });
                Ok(Polled::Revoked { partitions, lost })
            }
        }
    }

    fn acknowledge(&mut self) -> Result<()> {
        let eager = self.is_eager();
        match &self.change {
            None => return Ok(()),
            Some(Reported::Assigned(partitions)) => {
                let partitions = partitions.clone();
                if eager {
                    self.assign_eagerly()?;
                } else {
                    self.consumer.incremental_assign(&[])?;
                }
                self.owned.extend(partitions);
                self.group = self.identity().map(Arc::new);
            }
            Some(Reported::Revoked { partitions, lost }) => {
                let (partitions, lost) = (partitions.clone(), *lost);
                if lost {
                    self.group = None;
                }
                if eager {
                    self.unassign_eagerly(&partitions)?;
                } else {
                    let topic = Arc::clone(&self.topic);
                    let partitions: Vec<_> = partitions.iter().map(|&partition| (&*topic, partition)).collect();
                    self.consumer.stop(&partitions)?;
                }
                self.owned.retain(|partition| !partitions.contains(partition));
            }
        }
        self.change = None;
        Ok(())
    }

    fn fetch_from(&mut self, partition: i32, offset: i64) -> Result<()> {
        // Stopping and starting a partition while librdkafka waits for an answer would be taken for one.
        if self.change.is_some() || self.unreported.is_some() {
            return Err(Error::new(Action::Retry, Code::Busy, "a change of assignment waits to be acknowledged"));
        }
        self.check_fenced()?;
        self.check_owned(partition)?;
        if self.is_eager() && offset >= 0 && !self.consumer.fetches.is_running(&self.topic, partition) {
            return self.start_eagerly(partition, offset);
        }
        let topic = Arc::clone(&self.topic);
        self.consumer.start(&topic, partition, offset)
    }

    fn pause(&mut self, partition: i32) -> Result<()> {
        self.check_owned(partition)?;
        let topic = Arc::clone(&self.topic);
        self.consumer.set_paused(&topic, partition, true)
    }

    fn position(&mut self, partition: i32) -> Result<Option<i64>> {
        Ok(self.consumer.fetches.position(&self.topic, partition))
    }

    fn committed(&mut self, partitions: &[i32], limit: Duration) -> Result<Vec<Option<Committed>>> {
        self.consumer.client.shared.check()?;
        self.check_fenced()?;
        let mut list = Partitions::new();
        for &partition in partitions {
            list.add(&self.topic, partition, None)?;
        }
        let _entered = self.consumer.client.shared.enter("committed", limit);
        match self.consumer.client.native.committed(&mut list, limit) {
            Ok(()) => first_error(&list, "committed")?,
            // Pending offsets are asked for again until the limit is over: this is what a time limit means here.
            Err(RD_KAFKA_RESP_ERR__TIMED_OUT) => {
                return Err(Error::new(Action::Retry, Code::Busy, "committed: offsets are pending, or nobody answers"));
            }
            Err(err) => return Err(plain(err, "committed")),
        }
        let found = partitions.iter().map(|&partition| {
            let at = list.iter().find(|at| at.partition() == partition)?;
            (at.offset() >= 0).then(|| Committed { offset: at.offset(), metadata: at.metadata() })
        });
        Ok(found.collect())
    }

    fn group(&self) -> Result<GroupMetadata> {
        let Some(known) = &self.group else {
            return Err(Error::new(
                Action::Retry,
                Code::StaleGeneration,
                "the group has given this member no identity",
            ));
        };
        // The same member in a newer generation still owns what it has not given up; under another id it does not.
        let now = self.identity().filter(|now| now.member_id() == known.member_id());
        Ok(match now {
            Some(now) if now.generation() > known.generation() => GroupMetadata::new(Arc::new(now)),
            _ => GroupMetadata::new(Arc::clone(known)),
        })
    }

    /// By what librdkafka's own thread knows: it hears from the coordinator with every heartbeat, takes the member's id away
    /// when it is told that the member is out, and also by itself, when it has heard nothing for a session
    /// (`rd_kafka_cgrp_session_timeout_check`). After a hang that thread needs a moment, too. The group is not asked:
    /// librdkafka 2.12.1 ends the process (an assertion in `rdkafka_queue.h`) where the coordinator moves while a request
    /// about a group is under way. So nobody is told of namesakes.
    fn standing(&mut self) -> Result<Standing> {
        let known = self.group.as_ref().map(|known| known.member_id().to_owned());
        let until = Instant::now() + HEARD.min(self.session_timeout / 4);
        let belongs = loop {
            self.check_fenced()?;
            let belongs = known.is_some() && self.id() == known;
            if !belongs || Instant::now() >= until {
                break belongs;
            }
            std::thread::sleep(HEARD / 20);
        };
        Ok(Standing { belongs, namesake: None })
    }

    fn leave(mut self) -> Result<()> {
        let client = &self.consumer.client;
        let _entered = client.shared.enter("leave", LEAVE);
        let deadline = Instant::now() + LEAVE;
        client.native.close_consumer().map_err(|failure| failure.plain())?;
        if self.change.is_some() || self.unreported.is_some() {
            give_up_all(client);
        }
        while !client.native.consumer_closed() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::new(Action::Rebuild, Code::TimedOut, "leaving the group took too long"));
            }
            if let Some(Event::Assign(_) | Event::Revoke(_)) = client.poll(left.min(Duration::from_millis(20))) {
                give_up_all(client);
            }
        }
        self.left = true;
        Ok(())
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        // A client that still waits for the answer to an assignment is never destroyed: it waits for ever, and busily
        // (`rd_kafka_cgrp_try_terminate`). An empty answer ends that, and changes nothing otherwise.
        let answered = match self.is_eager() {
            true => {
                self.owned.clear();
                self.assign_eagerly()
            }
            false => self.consumer.incremental_assign(&[]),
        };
        if let Err(error) = answered {
            tracing::debug!(%error, "dropping a member");
        }
    }
}

/// Answers a change of assignment while closing: librdkafka takes every answer as "nothing is assigned" then.
fn give_up_all(client: &Client) {
    // An error changes nothing: the close has its own limit.
    let _ = client.native.assign(None);
}

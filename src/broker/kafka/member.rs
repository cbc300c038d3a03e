//! A member of a consumer group.
//!
//! librdkafka hands each change of assignment to the application and waits for its answer, in the meantime fetching
//! nothing for it: so the change can be reported first and answered later ([`Member::acknowledge`]). In the
//! cooperative protocol a partition is given to librdkafka's fetcher only with its first position; the group does not
//! ask what is fetched, only that the change was answered.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t::*;

use super::REQUEST;
use super::consumer::{Change, Consumer, first_error};
use super::errors::{self, invalid, plain};
use super::event::Event;
use super::list::Partitions;
use super::native::{Client, c_string, done, millis};
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
    group: Option<Arc<Identity>>,
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
        // SAFETY: client and list live during the call.
        let err = unsafe { sys::rd_kafka_subscribe(consumer.client.ptr(), topics.ptr()) };
        drop(entered);
        match err {
            RD_KAFKA_RESP_ERR_NO_ERROR => {
                let topic = options.topic.as_str().into();
                Ok(Self {
                    consumer,
                    topic,
                    session_timeout: options.session_timeout,
                    owned: BTreeSet::new(),
                    unreported: None,
                    change: None,
                    group: None,
                    left: false,
                })
            }
            _ => Err(plain(err, "subscribe")),
        }
    }

    /// Whether the assignor takes everything away at each rebalance (`range`, `roundrobin`).
    fn is_eager(&self) -> bool {
        // SAFETY: the client lives; the answer is a static string or null.
        unsafe {
            let protocol = sys::rd_kafka_rebalance_protocol(self.consumer.client.ptr());
            !protocol.is_null() && CStr::from_ptr(protocol) == c"EAGER"
        }
    }

    /// An eager assignor takes nothing but whole assignments: this one is what is fetched, each from its own position.
    /// Positions are numbers at all times: one that librdkafka has to look up would overrule a later seek.
    fn assign_eagerly(&self) -> Result<()> {
        let mut list = Partitions::new();
        for &partition in &self.owned {
            if let Some(next) = self.consumer.position(&self.topic, partition) {
                list.add(&self.topic, partition, Some(next))?;
            }
        }
        let _entered = self.consumer.client.shared.enter("assign", REQUEST);
        // SAFETY: client and list live during the call.
        let err = unsafe { sys::rd_kafka_assign(self.consumer.client.ptr(), list.ptr()) };
        if err == RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(plain(err, "assign")) }
    }

    /// Fetches a partition that is not fetched, or not any more.
    fn start_eagerly(&mut self, partition: i32, offset: i64) -> Result<()> {
        for &other in &self.owned {
            // Those that are paused or stopped start with their next position.
            if !self.consumer.is_running(&self.topic, other) {
                self.consumer.remove(&self.topic, other);
            }
        }
        self.consumer.insert(&self.topic, partition, offset);
        self.assign_eagerly()
    }

    fn unassign_eagerly(&mut self, partitions: &[i32]) -> Result<()> {
        // SAFETY: the client lives; null is no assignment.
        let err = unsafe { sys::rd_kafka_assign(self.consumer.client.ptr(), std::ptr::null()) };
        for &partition in partitions {
            self.consumer.remove(&self.topic, partition);
        }
        if err == RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(plain(err, "unassign")) }
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
        // SAFETY: the client lives; the string is ours, and freed as librdkafka allocated it.
        let id = unsafe {
            let id = sys::rd_kafka_memberid(self.consumer.client.ptr());
            if id.is_null() {
                return None;
            }
            let copy = CStr::from_ptr(id).to_owned();
            sys::rd_kafka_mem_free(self.consumer.client.ptr(), id.cast());
            copy
        };
        Some(id).filter(|id| !id.is_empty())
    }

    fn identity(&self) -> Option<Identity> {
        // SAFETY: the client lives; what it returns is ours.
        let metadata = unsafe { sys::rd_kafka_consumer_group_metadata(self.consumer.client.ptr()) };
        let identity = Identity(std::ptr::NonNull::new(metadata)?);
        // A member that was thrown out has generation -1 and no id; the broker takes such offsets without a question.
        (identity.generation() >= 0 && !identity.member_id().is_empty()).then_some(identity)
    }
}

impl KafkaMember {
    /// Whether librdkafka has learnt that this static member is fenced, which breaks the client for good. It sends heartbeats
    /// also when it has given its member id up by itself (no answer for a session, no poll for too long) and the application
    /// has not yet answered the revocation: those are refused as fenced because they have no id, whoever has the name
    /// (librdkafka issue 3437).
    fn check_fenced(&self) -> Result<()> {
        // SAFETY: the client lives; no words are asked for.
        let err = unsafe { sys::rd_kafka_fatal_error(self.consumer.client.ptr(), std::ptr::null_mut(), 0) };
        match err {
            RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID if self.id().is_some() => {
                let detail = "another member has joined the group under this one's name, or the group believes so";
                Err(Error::new(Action::Rebuild, Code::InstanceFenced, detail))
            }
            RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID => {
                let detail = "the client has given its place in the group up and cannot join again";
                Err(Error::new(Action::Rebuild, Code::StaleGeneration, detail))
            }
            _ => Err(Error::new(Action::Rebuild, errors::code(err), errors::name(err))),
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
                // SAFETY: the client lives.
                let lost = unsafe { sys::rd_kafka_assignment_lost(self.consumer.client.ptr()) } != 0;
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
        if self.is_eager() && offset >= 0 && !self.consumer.is_running(&self.topic, partition) {
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
        Ok(self.consumer.position(&self.topic, partition))
    }

    fn committed(&mut self, partitions: &[i32], limit: Duration) -> Result<Vec<Option<Committed>>> {
        self.consumer.client.shared.check()?;
        self.check_fenced()?;
        let mut list = Partitions::new();
        for &partition in partitions {
            list.add(&self.topic, partition, None)?;
        }
        let _entered = self.consumer.client.shared.enter("committed", limit);
        // SAFETY: client and list live during the call.
        let err = unsafe { sys::rd_kafka_committed(self.consumer.client.ptr(), list.ptr(), millis(limit)) };
        match err {
            RD_KAFKA_RESP_ERR_NO_ERROR => first_error(&list, "committed")?,
            // Pending offsets are asked for again until the limit is over: this is what a time limit means here.
            RD_KAFKA_RESP_ERR__TIMED_OUT => {
                return Err(Error::new(Action::Retry, Code::Busy, "committed: offsets are pending, or nobody answers"));
            }
            _ => return Err(plain(err, "committed")),
        }
        let found = partitions.iter().map(|&partition| {
            let at = list.elements().iter().find(|at| at.partition == partition)?;
            (at.offset >= 0).then(|| Committed { offset: at.offset, metadata: metadata(at) })
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
        // SAFETY: client and queue live; the queue reference is given back at once, librdkafka keeps its own.
        unsafe {
            let queue = sys::rd_kafka_queue_get_consumer(client.ptr());
            let closing = done(sys::rd_kafka_consumer_close_queue(client.ptr(), queue));
            sys::rd_kafka_queue_destroy(queue);
            closing?;
        }
        if self.change.is_some() || self.unreported.is_some() {
            give_up_all(client);
        }
        // SAFETY: the client lives.
        while unsafe { sys::rd_kafka_consumer_closed(client.ptr()) } == 0 {
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
    // SAFETY: the client lives; null is no assignment. An error changes nothing: the close has its own limit.
    unsafe { sys::rd_kafka_assign(client.ptr(), std::ptr::null()) };
}

fn metadata(at: &sys::rd_kafka_topic_partition_t) -> String {
    if at.metadata.is_null() {
        return String::new();
    }
    // SAFETY: librdkafka allocated this many bytes, which live as long as the element.
    let bytes = unsafe { std::slice::from_raw_parts(at.metadata.cast::<u8>(), at.metadata_size) };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Group id, member id and generation at one moment.
pub(super) struct Identity(std::ptr::NonNull<sys::rd_kafka_consumer_group_metadata_t>);

// SAFETY: never changed after it was made, and freed by its last owner.
unsafe impl Send for Identity {}
// SAFETY: as above.
unsafe impl Sync for Identity {}

impl Identity {
    /// The group as somebody outside of it names it: offsets that are sent with this are fenced by no generation, and so
    /// must never be committed.
    pub fn outsider(group: &str) -> Result<Self> {
        let group = c_string(group)?;
        // SAFETY: the name lives during the call; what it returns is ours.
        let metadata = unsafe { sys::rd_kafka_consumer_group_metadata_new(group.as_ptr()) };
        std::ptr::NonNull::new(metadata).map(Self).ok_or_else(|| invalid("no group metadata"))
    }

    pub fn ptr(&self) -> *const sys::rd_kafka_consumer_group_metadata_t {
        self.0.as_ptr()
    }

    fn generation(&self) -> i32 {
        // SAFETY: owned.
        unsafe { sys::rd_kafka_consumer_group_metadata_generation_id(self.ptr()) }
    }

    fn member_id(&self) -> &CStr {
        // SAFETY: owned; the string lives as long.
        unsafe { CStr::from_ptr(sys::rd_kafka_consumer_group_metadata_member_id(self.ptr())) }
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

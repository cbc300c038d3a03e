//! A turn: everything that one transaction is to make true, staged.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::refused::Alone;
use super::table::{Amount, Bucket, Origin, Owned, Stats};
use crate::broker::murmur2::partition_for;
use crate::broker::{Compression, FAILURE_ONLY, Header, Record};
use crate::flow::{AuditEvent, Flow, FlowId, Kind, Partition, RecordId};
use crate::schema::{self, Document, Unknown};
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Turn {
    /// Stands in the metadata of its offsets: proves afterwards whether it holds.
    pub name: String,
    /// When its first slice was decided: everything in it is decided as of this moment.
    pub decided_at: Timestamp,
    /// When the gate's own records were added to the writes: nothing comes after them.
    pub sealed_at: Option<Timestamp>,
    /// When the commands it is made from were asked for: its age counts from here.
    pub gathered_at: Timestamp,
    /// From here on it may hold, whatever its age.
    pub commit_asked_for: bool,
    pub partitions: BTreeMap<i32, StagedPartition>,
    /// Records that are decided and not sent yet.
    pub writes: Vec<Write>,
    /// The records that were sent, as far as a refusal needs to know them. The index is the tag.
    pub sent: Vec<Sent>,
    pub audit: Vec<AuditEvent>,
    /// Flows whose queue topics have to be made first.
    pub new_topics: Vec<(i32, FlowId)>,
    /// Queue topics to delete once their retirement holds.
    pub retired: Vec<String>,
    /// The clock has decided something (a deadline, an age): it has to be right.
    pub needs_clock: bool,
    /// Entries were stamped with the time at which they were held, our clock taken to be so many milliseconds ahead.
    pub stamped: Option<i64>,
    pub compression: Compression,
    /// The refused record that this turn is for, and nothing else.
    pub alone: Option<Alone>,
    /// Partitions whose events were not all taken, for a refused record or for commands: they are read again from there.
    pub reread: BTreeSet<i32>,
    /// Events and entries not taken though they were gathered: their readers go back.
    pub cut: bool,
    pub stats: Stats,
    /// More commands wait than it takes: it holds nothing else.
    pub only_commands: bool,
    /// The clean stop: nothing comes after it.
    pub last: bool,
    /// When a transaction was begun, for its age.
    pub begun_at: Timestamp,
    /// Queue topics that exist already: to be looked into before they are used.
    pub probes: Vec<(i32, FlowId)>,
    /// It ends with its first slice: its producer does not know every topic of the gate yet, or events are left over that
    /// come before what the member brings.
    pub one_slice: bool,
    /// Events that it has taken, and their bytes.
    pub taken: Amount,
    /// Partitions of which it takes no more events: the next one needs a queue topic that is not there yet.
    pub stopped: BTreeSet<i32>,
    /// Their events, for the next turn.
    pub carried: Vec<Record>,
    /// More was held for a drain without a rate than may wait for it: the drain comes first.
    pub outrun: bool,
    /// Queue topics that it writes to.
    pub touched: usize,
    /// Topics made for it: their leaders may take a while.
    pub made_topics: BTreeSet<String>,
    /// Flows that it has seen the first event of.
    pub seen: usize,
    /// Held entries that it passes.
    pub drained: Amount,
    /// The first draining flow that found no room any more: the next turn begins with it.
    pub next_to_drain: Option<(i32, FlowId)>,
}

pub(super) struct StagedPartition {
    pub record: Arc<Partition>,
    pub unknown: Unknown,
    pub record_changed: bool,
    pub position: i64,
    pub flows: BTreeMap<FlowId, StagedFlow>,
}

pub(super) struct StagedFlow {
    pub flow: Flow,
    pub unknown: Unknown,
    /// Its state is to be written.
    pub changed: bool,
    /// Entries held in this turn, for the index.
    pub fed: Vec<Fed>,
    /// Bytes of these.
    pub fed_bytes: usize,
    /// Records withdrawn in this turn, with the number of the withdraw: it takes out what was held before.
    pub withdrawn: BTreeMap<RecordId, u64>,
    /// What it has passed of the buffer.
    pub passed: Amount,
    pub bucket: Option<Bucket>,
    pub went_live: bool,
}

pub(super) struct Fed {
    pub number: u64,
    pub kind: Kind,
    pub record: RecordId,
    pub latest: bool,
}

impl Write {
    /// As [`Record::size`].
    pub fn size(&self) -> usize {
        let length = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|header| header.name.len() + length(&header.value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}

/// What stays of a record that was sent.
pub(super) struct Sent {
    pub to: To,
    pub origin: Origin,
}

/// A record to be written.
pub(super) struct Write {
    pub to: To,
    pub partition: i32,
    pub timestamp: Option<Timestamp>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    Records,
    Discarded,
    DeadLetters,
    Enrollments,
    State,
    Audit,
    /// The queue topic of this flow of this partition, whatever number it will have.
    Queue(i32, FlowId),
}

impl Turn {
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The staged partition, from now on acted for: its offset will be part of the turn.
    pub fn partition(&mut self, number: i32, owned: &Owned) -> &mut StagedPartition {
        self.partitions.entry(number).or_insert_with(|| StagedPartition {
            record: Arc::clone(&owned.record),
            unknown: owned.unknown.clone(),
            record_changed: false,
            position: owned.position,
            flows: BTreeMap::new(),
        })
    }

    /// The staged flow if there is one.
    pub fn staged<Q: Ord + ?Sized>(&self, partition: i32, flow: &Q) -> Option<&StagedFlow>
    where
        FlowId: Borrow<Q>,
    {
        self.partitions.get(&partition)?.flows.get(flow)
    }

    /// The flow as staged so far, else staged now from what is committed; `None` if it is not known.
    pub fn flow(&mut self, partition: i32, owned: &Owned, flow: &FlowId) -> Option<&mut StagedFlow> {
        use std::collections::btree_map::Entry;
        match self.partition(partition, owned).flows.entry(flow.clone()) {
            Entry::Occupied(staged) => Some(staged.into_mut()),
            Entry::Vacant(place) => {
                let (flow, unknown) = owned.flows.state(flow)?;
                Some(place.insert(StagedFlow::new(flow, unknown)))
            }
        }
    }

    pub fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// The tag of a record to be sent, by its place among the writes. The state records alone are reported when they are
    /// stored: they carry the broker's clock.
    pub fn tag(&self, index: usize, write: &Write) -> u64 {
        let number = u64::try_from(self.sent.len() + index).unwrap_or(u64::MAX);
        if matches!(write.to, To::State) { number } else { number | FAILURE_ONLY }
    }

    /// Where the record of a tag comes from, and where it goes.
    pub fn tagged(&self, tag: u64) -> Option<(&Origin, &To)> {
        let tag = usize::try_from(tag & !FAILURE_ONLY).ok()?;
        match tag.checked_sub(self.sent.len()) {
            None => self.sent.get(tag).map(|sent| (&sent.origin, &sent.to)),
            Some(index) => self.writes.get(index).map(|write| (&write.origin, &write.to)),
        }
    }

    /// All writes have been sent: what they hold goes.
    pub fn forget_writes(&mut self) {
        self.sent.extend(self.writes.drain(..).map(|Write { to, origin, .. }| Sent { to, origin }));
    }

    /// How much it will say of itself, about.
    pub fn own_records(&self) -> usize {
        self.audit.len() + self.partitions.values().map(|staged| staged.flows.len()).sum::<usize>()
    }

    /// Whether it has something to say of itself, in states or audit.
    pub fn has_own_records(&self) -> bool {
        let changed = |of: &StagedPartition| of.record_changed || of.flows.values().any(|flow| flow.changed);
        !self.audit.is_empty() || self.partitions.values().any(changed)
    }
}

impl StagedFlow {
    pub fn new(flow: Flow, unknown: Unknown) -> Self {
        Self {
            flow,
            unknown,
            changed: false,
            fed: Vec::new(),
            fed_bytes: 0,
            withdrawn: BTreeMap::new(),
            passed: Amount::default(),
            bucket: None,
            went_live: false,
        }
    }
}

impl Origin {
    pub fn of(record: &Record) -> Self {
        Self::Event { partition: record.partition, offset: record.offset }
    }
}

/// The names of the topics, as many times as they are needed.
pub(super) fn name_of<'a>(to: &'a To, topics: &'a crate::schema::topics::Topics) -> Option<&'a str> {
    Some(match to {
        To::Records => &topics.records,
        To::Discarded => &topics.discarded,
        To::DeadLetters => &topics.dead_letters,
        To::Enrollments => &topics.enrollments,
        To::State => &topics.state,
        To::Audit => &topics.audit,
        To::Queue(..) => return None,
    })
}

/// The staged queue topic of a flow.
pub(super) fn queue_topic<'a>(turn: &'a Turn, partition: i32, flow: &FlowId) -> Option<&'a str> {
    turn.staged(partition, flow)?.flow.queue.topic.as_deref()
}

impl Turn {
    /// Adds what the transaction says of itself: changed states, partition records, the audit.
    pub(super) fn seal(&mut self, audit_partitions: i32, now: Timestamp) {
        self.sealed_at = Some(now);
        let own = |to: To, partition: i32, key: Bytes, value: Vec<u8>| Write {
            to,
            partition,
            timestamp: None,
            key: Some(key),
            value: Some(value.into()),
            headers: Vec::new(),
            origin: Origin::Own,
        };
        for (partition, staged) in &mut self.partitions {
            for (id, of) in staged.flows.iter_mut().filter(|(_, of)| of.changed) {
                of.flow.updated_at = self.decided_at;
                let mut document = Document { body: of.flow.clone(), unknown: std::mem::take(&mut of.unknown) };
                let value = schema::state::write(&mut document);
                of.unknown = document.unknown;
                let key = Bytes::copy_from_slice(id.as_str().as_bytes());
                self.writes.push(own(To::State, *partition, key, value));
            }
            if staged.record_changed {
                let mut document =
                    Document { body: Partition::clone(&staged.record), unknown: std::mem::take(&mut staged.unknown) };
                let value = schema::partition::write(&mut document);
                staged.unknown = document.unknown;
                self.writes.push(own(To::State, *partition, Bytes::new(), value));
            }
        }
        for event in &self.audit {
            let id = event.flow.as_ref().map(|flow| flow.as_str().as_bytes()).unwrap_or_default();
            let partition = partition_for(id, audit_partitions.max(1));
            self.writes.push(own(To::Audit, partition, Bytes::copy_from_slice(id), schema::audit::write(event)));
        }
    }
}

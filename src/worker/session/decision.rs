//! What a turn has decided, slice by slice: everything that its transaction is to make true. Nothing of it is true before
//! that holds, and whoever drops it undoes nothing.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::amount::Amount;
use super::backlog::Bucket;
use super::fed::Fed;
use super::outgoing::{Origin, To, Write};
use super::owned::Owned;
use super::refusal::Alone;
use crate::broker::Record;
use crate::broker::murmur2::partition_for;
use crate::flow::{AuditEvent, Flow, FlowId, Partition, RecordId};
use crate::schema::{self, Document, Unknown};
use crate::time::Timestamp;
use crate::worker::stats::Stats;
use crate::worker::traced::Traced;

#[derive(Default)]
pub struct Decision {
    pub purpose: Purpose,
    /// Everything is decided as of this moment, that of the first slice.
    pub at: Timestamp,
    /// What becomes of each partition that it acts for.
    pub partitions: BTreeMap<i32, StagedPartition>,
    /// Records that are to be sent.
    pub writes: Vec<Write>,
    pub audit: Vec<AuditEvent>,
    pub stats: Stats,
    /// What is noted of events and commands that belong to traces.
    pub traced: Traced,
    /// Flows whose queue topics have to be made first.
    pub new_topics: Vec<(i32, FlowId)>,
    /// Flows that commands for every flow have looked at.
    pub looked_at: usize,
    /// The command for every flow that the turn has no room for any more, and those behind it.
    pub commands_left: Vec<Record>,
    /// Queue topics to delete once their retirement holds.
    pub retired: Vec<String>,
    /// The clock has decided something (a deadline, an age): it has to be right.
    pub needs_clock: bool,
    /// Entries were stamped with the time at which they were held, our clock taken to be so many milliseconds ahead.
    pub stamped: Option<i64>,
    /// Events that it has taken, and their bytes.
    pub taken: Amount,
    /// Flows whose first events it has taken.
    pub new_flows: usize,
    /// Queue topics that it writes to.
    pub touched: usize,
    /// Held entries that it passes.
    pub drained: Amount,
    /// The first draining flow that found no room any more: what comes next begins with it.
    pub next_to_drain: Option<(i32, FlowId)>,
    /// More was held for a drain without a rate than may wait for it: the drain comes first.
    pub outrun: bool,
    /// Partitions of which it takes no more events: the next one needs a queue topic that is not there yet or for which there is
    /// no room in this turn, or it was refused before.
    pub stopped: BTreeSet<i32>,
    /// Their events, for the next turn.
    pub carried: Vec<Record>,
    /// Partitions whose events were not taken, for commands come first: they are read again.
    pub reread: BTreeSet<i32>,
    /// Events and entries were not taken though they were gathered: everything is read again.
    pub reread_all: bool,
}

/// What a turn is for.
#[derive(Default)]
pub enum Purpose {
    #[default]
    Everything,
    /// More commands wait than a turn takes: it holds nothing else.
    Commands,
    /// One record that the broker has refused, and nothing else.
    Refused(Alone),
    /// The clean stop: nothing comes after it.
    Stop,
}

/// A partition as the turn leaves it.
pub struct StagedPartition {
    pub record: Arc<Partition>,
    pub unknown: Unknown,
    pub record_changed: bool,
    pub position: i64,
    pub flows: BTreeMap<FlowId, StagedFlow>,
}

/// A flow as the turn leaves it.
pub struct StagedFlow {
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
    /// Something that passes entries has come to its end.
    pub settled: bool,
    /// Held events were accepted as lost: what was built around it begins again behind them.
    pub lost: bool,
    /// It is known no more: its state is taken away.
    pub forgotten: bool,
}

impl Decision {
    pub fn new(purpose: Purpose, at: Timestamp) -> Self {
        Self { purpose, at, ..Self::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// More commands wait than it takes: it holds nothing else.
    pub fn is_for_commands(&self) -> bool {
        matches!(self.purpose, Purpose::Commands)
    }

    /// The refused record that it is for, and nothing else.
    pub fn refused(&self) -> Option<&Alone> {
        match &self.purpose {
            Purpose::Refused(alone) => Some(alone),
            Purpose::Everything | Purpose::Commands | Purpose::Stop => None,
        }
    }

    /// The clean stop: nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(self.purpose, Purpose::Stop)
    }

    /// The staged partition, from now on acted for: its offset will be part of the turn.
    pub fn partition(&mut self, number: i32, owned: &Owned) -> &mut StagedPartition {
        self.partitions.entry(number).or_insert_with(|| StagedPartition {
            record: Arc::clone(owned.facts.record()),
            unknown: owned.facts.unknown().clone(),
            record_changed: false,
            position: owned.facts.position(),
            flows: BTreeMap::new(),
        })
    }

    /// The staged flow if there is one, and it is not forgotten.
    pub fn staged<Q: Ord + ?Sized>(&self, partition: i32, flow: &Q) -> Option<&StagedFlow>
    where
        FlowId: Borrow<Q>,
    {
        self.partitions.get(&partition)?.flows.get(flow).filter(|staged| !staged.forgotten)
    }

    /// Whether the turn has forgotten the flow, and not seen it again.
    pub fn is_forgotten(&self, partition: i32, flow: &str) -> bool {
        let staged = self.partitions.get(&partition).and_then(|staged| staged.flows.get(flow));
        staged.is_some_and(|staged| staged.forgotten)
    }

    pub fn staged_mut(&mut self, partition: i32, flow: &FlowId) -> Option<&mut StagedFlow> {
        self.partitions.get_mut(&partition)?.flows.get_mut(flow).filter(|staged| !staged.forgotten)
    }

    /// The flow as staged so far, else staged now from what is committed; `None` if it is not known.
    pub fn flow(&mut self, partition: i32, owned: &Owned, flow: &FlowId) -> Option<&mut StagedFlow> {
        use std::collections::btree_map::Entry;
        match self.partition(partition, owned).flows.entry(flow.clone()) {
            Entry::Occupied(staged) => Some(staged.into_mut()).filter(|staged| !staged.forgotten),
            Entry::Vacant(place) => {
                let (flow, unknown) = owned.facts.flows().state(flow)?;
                Some(place.insert(StagedFlow::new(flow, unknown)))
            }
        }
    }

    pub fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// The staged queue topic of a flow.
    pub fn queue_topic(&self, partition: i32, flow: &FlowId) -> Option<&str> {
        self.staged(partition, flow)?.flow.queue.topic.as_deref()
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

    /// Adds what the transaction says of itself: changed states, partition records, the audit.
    pub fn write_own_records(&mut self, audit_partitions: i32) {
        let own = |to: To, partition: i32, key: Bytes, value: Option<Vec<u8>>| Write {
            to,
            partition,
            timestamp: None,
            key: Some(key),
            value: value.map(Bytes::from),
            headers: Vec::new(),
            origin: Origin::Own,
        };
        for (partition, staged) in &mut self.partitions {
            for (id, of) in staged.flows.iter_mut().filter(|(_, of)| of.changed) {
                let key = Bytes::copy_from_slice(id.as_str().as_bytes());
                if of.forgotten {
                    self.writes.push(own(To::State, *partition, key, None));
                    continue;
                }
                of.flow.updated_at = self.at;
                let mut document = Document { body: of.flow.clone(), unknown: std::mem::take(&mut of.unknown) };
                let value = schema::state::write(&mut document);
                of.unknown = document.unknown;
                self.writes.push(own(To::State, *partition, key, Some(value)));
            }
            if staged.record_changed {
                let mut document =
                    Document { body: Partition::clone(&staged.record), unknown: std::mem::take(&mut staged.unknown) };
                let value = schema::partition::write(&mut document);
                staged.unknown = document.unknown;
                self.writes.push(own(To::State, *partition, Bytes::new(), Some(value)));
            }
        }
        for event in &self.audit {
            let id = event.flow.as_ref().map(|flow| flow.as_str().as_bytes()).unwrap_or_default();
            let partition = partition_for(id, audit_partitions.max(1));
            let value = schema::audit::write(event);
            self.writes.push(own(To::Audit, partition, Bytes::copy_from_slice(id), Some(value)));
        }
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
            settled: false,
            lost: false,
            forgotten: false,
        }
    }
}

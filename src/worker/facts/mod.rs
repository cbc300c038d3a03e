//! What is committed of a partition. Nothing of a turn that may not hold is here: it is read when the partition is taken over
//! (`join.rs`), and changes when a turn is known to hold (`publish.rs`), by the verbs below and in no other way. Everybody else
//! reads it. A partition of which nothing was ever committed begins with the record that its first turn will write.
//!
//! Around each flow lies what the worker has built for it in this session, its index and what was read of its queue
//! ([`Tracked`]): that changes with any call, and is lost with the partition.

pub mod known;
pub mod tracked;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::known::Known;
use self::tracked::Tracked;
use crate::flow::index::Index;
use crate::flow::{Flow, FlowId, Partition, State};
use crate::mutant::{self, Mutant};
use crate::schema::Unknown;
use crate::time::Timestamp;

/// How often a partition's input position is noted in its record, at most.
pub const NOTE_POSITION: Duration = Duration::from_secs(60);

/// The committed facts of one partition.
pub struct Facts {
    record: Arc<Partition>,
    unknown: Unknown,
    flows: Known,
    position: i64,
    scanned: i64,
    introduced: bool,
    timers: BTreeSet<(Timestamp, FlowId)>,
    retirements: BTreeSet<(Timestamp, FlowId)>,
    draining: BTreeSet<FlowId>,
    searching: BTreeSet<FlowId>,
    limited: usize,
    queue_ttl: Duration,
}

/// What there is to read.
impl Facts {
    /// The partition record. Shared with the turns that act for the partition: most of them leave it as it is.
    pub fn record(&self) -> &Arc<Partition> {
        &self.record
    }

    /// Its fields that this gate does not know.
    pub fn unknown(&self) -> &Unknown {
        &self.unknown
    }

    pub fn flows(&self) -> &Known {
        &self.flows
    }

    /// The flow, unless nothing is known of it but its first event.
    pub fn flow(&self, id: &FlowId) -> Option<&Tracked> {
        self.flows.get(id)
    }

    /// The flow, for what this worker has built around it: what is committed of it cannot be changed by that.
    pub fn flow_mut(&mut self, id: &FlowId) -> Option<&mut Tracked> {
        self.flows.get_mut(id)
    }

    /// The offset of the next event: what the group's committed offset says, or will say with the first turn.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// How far the control topic was read, in turns that hold: a reader that was put back is behind it.
    pub fn scanned(&self) -> i64 {
        self.scanned
    }

    /// Its record was written since it was taken over.
    pub fn is_introduced(&self) -> bool {
        self.introduced
    }

    /// When paused flows are to be looked at: for the warnings before their deadlines, and for these.
    pub fn timers(&self) -> &BTreeSet<(Timestamp, FlowId)> {
        &self.timers
    }

    /// When an idle queue topic is to be retired.
    pub fn retirements(&self) -> &BTreeSet<(Timestamp, FlowId)> {
        &self.retirements
    }

    /// Flows of which entries are passed: they resume, or are purged or sampled while they are paused.
    pub fn draining(&self) -> &BTreeSet<FlowId> {
        &self.draining
    }

    /// How many of them have a rate.
    pub fn limited_drains(&self) -> usize {
        self.limited
    }

    /// Paused flows of which named records are looked for.
    pub fn searching(&self) -> &BTreeSet<FlowId> {
        &self.searching
    }

    /// Flows of which entries are passed, with what there is of each.
    pub fn drains(&self) -> impl Iterator<Item = &Tracked> + Clone {
        self.draining.iter().filter_map(|id| self.flows.get(id))
    }

    /// The same, to change what this worker has built around each.
    pub fn each_drain_mut(&mut self, mut look: impl FnMut(&FlowId, &mut Tracked)) {
        for id in &self.draining {
            if let Some(tracked) = self.flows.get_mut(id) {
                look(id, tracked);
            }
        }
    }
}

/// A partition is taken over.
impl Facts {
    /// Of a partition just assigned: nothing is known yet. `queue_ttl`: a queue topic is retired once its flow has been live
    /// for this long.
    pub fn unread(queue_ttl: Duration) -> Self {
        Self {
            record: Arc::new(Partition::new(0, 0, 0, 0, Timestamp(0))),
            unknown: Unknown::default(),
            flows: Known::default(),
            position: 0,
            scanned: 0,
            introduced: false,
            timers: BTreeSet::new(),
            retirements: BTreeSet::new(),
            draining: BTreeSet::new(),
            searching: BTreeSet::new(),
            limited: 0,
            queue_ttl,
        }
    }

    /// No flow was entered anywhere yet.
    fn is_incomplete(&self) -> bool {
        self.timers.is_empty() && self.retirements.is_empty() && self.draining.is_empty()
    }

    /// The partition record was read.
    pub fn restore_record(&mut self, record: Partition, unknown: Unknown) {
        (self.record, self.unknown) = (Arc::new(record), unknown);
    }

    /// A flow's state was read. The newest that is read counts.
    pub fn restore_flow(&mut self, flow: Flow, unknown: Unknown) {
        debug_assert!(self.is_incomplete());
        self.flows.restore(flow, unknown);
    }

    /// A flow's state was taken away.
    pub fn forget_flow(&mut self, id: &str) {
        debug_assert!(self.is_incomplete());
        self.flows.remove(id);
    }

    /// Nothing was ever committed of it: it begins with this record.
    pub fn begin(&mut self, record: Partition) {
        self.position = record.input;
        self.record = Arc::new(record);
    }

    /// The numbers of partitions are those that the first partition to begin was given.
    pub fn pin(&mut self, first: Partition) {
        let record = Arc::make_mut(&mut self.record);
        (record.enrollments, record.records, record.forwarded) = (first.enrollments, first.records, first.forwarded);
    }

    /// From its next turn on everything that is delivered goes to this topic, which has so many partitions.
    pub fn forward(&mut self, topic: &str, partitions: i32) {
        let record = Arc::make_mut(&mut self.record);
        (record.forwarded, record.records) = (Some(topic.to_owned()), partitions);
    }

    /// This is the offset of the next event, as the group and the record agree.
    pub fn go_on_from(&mut self, position: i64) {
        self.position = position;
    }

    /// All of it was read, once: every flow is entered where its next moment is looked for. Returns those of which more is known
    /// than their first events.
    pub fn complete(&mut self) -> Vec<FlowId> {
        debug_assert!(self.is_incomplete());
        self.scanned = self.record.control;
        let flows: Vec<FlowId> = self.flows.tracked().map(|(id, _)| id.clone()).collect();
        for id in &flows {
            self.arm(id);
        }
        flows
    }
}

/// A turn holds.
impl Facts {
    /// The turn has taken the events below `position`, and commands below `scanned` were gathered for it or before.
    pub fn advance(&mut self, position: i64, scanned: i64) {
        self.position = position;
        self.scanned = self.scanned.max(scanned);
    }

    /// It has written this partition record.
    pub fn take_record(&mut self, record: Arc<Partition>, unknown: Unknown) {
        (self.record, self.unknown, self.introduced) = (record, unknown, true);
    }

    /// Every command below `scanned` was gathered and looked at for this partition, though there was no turn to say so.
    pub fn pass_commands(&mut self, scanned: i64) {
        self.scanned = self.scanned.max(scanned);
    }

    /// It has left the flow like this. `index`: for a flow of which no more than the first event was known before. `false`:
    /// nothing more is known of it still.
    pub fn take_flow(&mut self, flow: Flow, unknown: Unknown, index: impl FnOnce() -> Index) -> bool {
        let id = flow.id.clone();
        self.disarm(&id);
        let is_tracked =
            self.flows.update(flow, unknown, |flow, unknown| Tracked::new(flow, unknown, index())).is_some();
        self.arm(&id);
        is_tracked
    }

    /// It has forgotten the flow.
    pub fn drop_flow(&mut self, id: &FlowId) {
        self.disarm(id);
        self.flows.remove(id.as_str());
    }

    /// Enters a flow where its next moment is looked for.
    fn arm(&mut self, id: &FlowId) {
        let Some(tracked) = self.flows.get(id) else { return };
        let flow = tracked.flow();
        if let Some(moment) = flow.next_moment() {
            self.timers.insert((looked_at(moment), id.clone()));
        }
        if flow.passes() {
            self.draining.insert(id.clone());
            self.limited += usize::from(flow.max_rate().is_some());
        }
        if flow.searches() {
            self.searching.insert(id.clone());
        }
        let is_idle = matches!(flow.state, State::Live) && flow.queue.topic.is_some();
        if is_idle && !mutant::is(Mutant::IdleQueueTopicNeverRetired) {
            self.retirements.insert((flow.updated_at.after(self.queue_ttl), id.clone()));
        }
    }

    /// Takes a flow out again, as [`Facts::arm`] entered it.
    fn disarm(&mut self, id: &FlowId) {
        let Some(tracked) = self.flows.get(id) else { return };
        let flow = tracked.flow();
        if let Some(moment) = flow.next_moment() {
            self.timers.remove(&(looked_at(moment), id.clone()));
        }
        self.retirements.remove(&(flow.updated_at.after(self.queue_ttl), id.clone()));
        self.searching.remove(id);
        if self.draining.remove(id) && flow.max_rate().is_some() {
            self.limited -= 1;
        }
    }
}

/// When a flow is looked at of which this is the next moment.
fn looked_at(moment: Timestamp) -> Timestamp {
    match mutant::is(Mutant::TimerFiresLate) {
        true => moment.after(Duration::from_secs(2)),
        false => moment,
    }
}

//! A turn under way: what it has decided, and how far its transaction has come.

use std::collections::BTreeSet;

use super::decision::Decision;
use super::outgoing::{Origin, Sent, To, Write, name_of};
use crate::broker::{Compression, FAILURE_ONLY};
use crate::flow::FlowId;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

#[derive(Default)]
pub struct Turn {
    /// Stands in the metadata of its offsets: proves afterwards whether it holds.
    pub name: String,
    pub decision: Decision,
    /// When the commands it is made from were asked for: its age counts from here.
    pub gathered_at: Timestamp,
    /// When its transaction was begun, for the age of that.
    pub begun_at: Timestamp,
    /// When it had its first event that goes straight downstream: whoever reads there waits for the turn's end.
    pub live_since: Option<Timestamp>,
    /// The last poll for events has brought all that there was.
    pub is_caught_up: bool,
    /// When the gate's own records were added: nothing comes after them.
    pub sealed_at: Option<Timestamp>,
    /// From here on it may hold, whatever its age.
    pub commit_asked_for: bool,
    pub compression: Compression,
    /// It ends with its first slice: its producer does not know every topic of the gate yet, or events are left over that
    /// come before what the member brings.
    pub one_slice: bool,
    /// Topics made for it: their leaders may take a while.
    pub made_topics: BTreeSet<String>,
    /// Queue topics that exist already: to be looked into before they are used.
    pub probes: Vec<(i32, FlowId)>,
    /// The records that were sent, as far as a refusal needs to know them. The index is the tag.
    sent: Vec<Sent>,
}

impl Turn {
    pub fn new(name: String, decision: Decision, gathered_at: Timestamp) -> Self {
        let compression = decision.refused().map_or(Compression::None, |alone| alone.treatment.compression());
        Self { name, decision, gathered_at, compression, ..Self::default() }
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
            Some(index) => self.decision.writes.get(index).map(|write| (&write.origin, &write.to)),
        }
    }

    /// The topic that its records for a place go to.
    pub fn topic<'a>(&'a self, to: &'a To, topics: &'a Topics) -> Option<&'a str> {
        match to {
            To::Queue(partition, flow) => self.decision.queue_topic(*partition, flow),
            own => name_of(own, topics),
        }
    }

    /// All writes have been sent: what they hold goes.
    pub fn forget_writes(&mut self) {
        let writes = self.decision.writes.drain(..);
        self.sent.extend(writes.map(|Write { to, origin, .. }| Sent { to, origin }));
    }

    /// It says what it has to say of itself, and nothing comes after that.
    pub fn seal(&mut self, audit_partitions: i32, now: Timestamp) {
        self.sealed_at = Some(now);
        self.decision.write_own_records(audit_partitions);
    }
}

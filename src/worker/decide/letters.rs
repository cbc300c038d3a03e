//! What is not delivered. What could not be read goes to the dead letters, untouched; what the broker refuses to store
//! elsewhere, without its value; and what somebody ordered not to be delivered to the discarded events.

use bytes::Bytes;

use super::decider::Decider;
use crate::broker::{Header, Record};
use crate::flow::FlowId;
use crate::schema::{Reason, Unreadable, headers};
use crate::worker::session::backlog::Waiting;
use crate::worker::session::outgoing::{Origin, To, Write};
use crate::worker::traced::Fate;

impl Decider<'_> {
    pub(super) fn dead_letter(&mut self, record: &Record, unreadable: &Unreadable) {
        self.bury(record, unreadable.reason, &unreadable.detail, record.value.clone());
    }

    pub(super) fn bury(&mut self, record: &Record, reason: Reason, detail: &str, value: Option<Bytes>) {
        self.decision.stats.dead_letter(reason);
        self.trace(record, Fate::DeadLettered, || (None, None));
        self.decision.write(Write {
            to: To::DeadLetters,
            partition: record.partition % self.table.shape.dead_letters.max(1),
            timestamp: None,
            key: record.key.clone(),
            value,
            headers: headers::dead_letter(record, reason, detail),
            origin: Origin::of(record),
        });
    }

    /// An event that is deliberately not delivered; its headers say why.
    pub(super) fn discard(
        &mut self,
        partition: i32,
        (key, value): (Option<Bytes>, Option<Bytes>),
        headers: Vec<Header>,
        origin: Origin,
    ) {
        self.decision.write(Write { to: To::Discarded, partition, timestamp: None, key, value, headers, origin });
    }

    /// What was to be released or discarded cannot be: a dead letter without its value instead, which counts as removed.
    pub(super) fn bury_entry(&mut self, partition: i32, flow: &FlowId, waiting: &Waiting, reason: Reason, bare: bool) {
        let dead_letters = self.table.shape.dead_letters.max(1);
        let passed = |write: &&mut Write| matches!(write.to, To::Records | To::Discarded);
        if let Some(write) = self.decision.writes.iter_mut().find(passed) {
            let detail = without_value(reason, &waiting.value);
            let event = Record {
                topic: waiting.held.source.topic.clone(),
                partition: waiting.held.source.partition,
                offset: waiting.held.source.offset,
                timestamp: waiting.timestamp,
                key: None,
                value: None,
                headers: if bare { Vec::new() } else { waiting.held.headers.to_vec() },
            };
            if let Some(traced) = self.decision.traced.events.last_mut() {
                // Alone in its turn, it was noted as what it was to be.
                traced.fate = Fate::DeadLettered;
            }
            let released = matches!(write.to, To::Records);
            write.headers = headers::dead_letter(&event, reason, &detail);
            write.to = To::DeadLetters;
            write.partition = partition % dead_letters;
            write.timestamp = None;
            write.value = None;
            if bare {
                write.key = None;
            }
            self.decision.stats.dead_letter(reason);
            if !released {
                return;
            }
            self.decision.stats.released -= 1;
            self.decision.stats.removed += 1;
            if let Some(staged) = self.decision.staged_mut(partition, flow) {
                staged.flow.release_failed(waiting.held.kind);
            }
        }
    }
}

/// Why a record that could be read is a dead letter without its value.
pub(super) fn without_value(reason: Reason, value: &Option<Bytes>) -> String {
    let size = value.as_ref().map_or(0, Bytes::len);
    match reason {
        Reason::TooLarge => format!(
            "the value has {size} bytes, which the topics of the gate do not take even compressed: raise their \
             max.message.bytes above the enrollments'; the record is where flowgate-source says"
        ),
        _ => "the broker refuses to store the record in the topics of the gate: see `flowgate topics check`; it is where \
              flowgate-source says"
            .to_owned(),
    }
}

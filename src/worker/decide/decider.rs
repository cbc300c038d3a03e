//! What decides: what it reads, and what every part of it needs.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::{Header, Record};
use crate::flow::{AuditEvent, FlowId, Happening, PauseId, Position, Transition};
use crate::mutant::{self, Mutant};
use crate::schema::headers::{self, Releases};
use crate::schema::trace_parent::TraceParent;
use crate::time::Timestamp;
use crate::worker::facts::NOTE_POSITION;
use crate::worker::options::{Budget, Options};
use crate::worker::session::decision::Decision;
use crate::worker::session::outgoing::{Origin, To, Write};
use crate::worker::session::owned::Stage;
use crate::worker::session::table::Table;
use crate::worker::traced::{Fate, Hold, TracedEvent};
use crate::worker::writable::Writable;

pub(super) struct Decider<'a> {
    pub(super) table: &'a Table,
    pub(super) options: &'a Options,
    /// When the turn is full.
    pub(super) budget: Budget,
    /// The moment as of which everything is decided.
    pub(super) now: Timestamp,
    pub(super) decision: Decision,
    /// The broker refuses the timestamp of what this turn is for.
    pub(super) time_of_writing: bool,
    /// In a later slice of a turn: the topics that its producer can write to. In the first slice missing ones are made.
    pub(super) writable: Option<&'a Writable>,
    pub(super) releases: Releases,
    /// Of the command that is being applied: where in a trace it comes from.
    pub(super) parent: Option<TraceParent>,
}

/// Clocks of upstreams may be ahead by so much before their timestamps are replaced: Kafka's own default limit.
const AHEAD: Duration = Duration::from_secs(60 * 60);

/// A timestamp closer than this to the end of its topic's retention is replaced.
const RETENTION_MARGIN: Duration = Duration::from_secs(8 * 24 * 60 * 60);

impl<'a> Decider<'a> {
    pub(super) fn new(table: &'a Table, options: &'a Options, decision: Decision) -> Self {
        let (budget, now) = (table.pace.budget(options.turn), decision.at);
        let releases = Releases::default();
        Self { table, options, budget, now, decision, time_of_writing: false, writable: None, releases, parent: None }
    }
}

impl Decider<'_> {
    /// Our time, or the broker's where the two are known to be far apart: ages are compared between gates.
    pub(super) fn brokers_now(&self) -> Timestamp {
        Timestamp(self.now.0 - self.table.clock_ahead)
    }

    /// Notes what becomes of an event, if its trace is recorded. What there is to note is only made then: most events have none.
    pub(super) fn trace(&mut self, record: &Record, fate: Fate, of: impl FnOnce() -> (Option<FlowId>, Option<Hold>)) {
        if let Some(parent) = self.options.sampling.of(&record.headers) {
            let (topic, partition, offset) = (Arc::clone(&record.topic), record.partition, record.offset);
            let (flow, hold) = of();
            self.decision.traced.event(TracedEvent { parent, topic, partition, offset, flow, fate, hold });
        }
    }

    /// Takes gaps at the ends of silent partitions as passed.
    pub(super) fn passed(&mut self, passed: &[(i32, i64)]) {
        for (partition, position) in passed {
            let Some(owned) = self.table.owned.get(partition).filter(|owned| owned.facts.position() < *position) else {
                continue;
            };
            let staged = self.decision.partition(*partition, owned);
            // Events may have come since it was looked at.
            staged.position = staged.position.max(*position);
        }
    }

    /// Partition records: after a take-over, with commands, and once a minute where the input has moved, or the control
    /// topic by commands for other partitions: who reads them again would do so at every abort and every start.
    pub(super) fn records(&mut self) {
        for (number, owned) in &self.table.owned {
            if matches!(owned.stage, Stage::Joining(_)) {
                continue;
            }
            let moved = |position: i64| {
                position != owned.facts.record().input && self.now.since(owned.facts.record().input_at) >= NOTE_POSITION
            };
            let mut control = self.scanned();
            let scanned = control > owned.facts.record().control
                && self.now.since(owned.facts.record().input_at) >= NOTE_POSITION;
            let due = match self.decision.partitions.get(number) {
                Some(staged) => staged.record_changed || moved(staged.position) || scanned,
                None => scanned,
            };
            // A turn for a refused record introduces nobody: what comes before that has no place in it.
            if !due && (owned.facts.is_introduced() || self.decision.refused().is_some()) {
                continue;
            }
            if scanned && mutant::is(Mutant::IdleControlPositionOneTooFar) {
                control += 1;
            }
            let (now, last) = (self.now, self.decision.is_last());
            let staged = self.decision.partition(*number, owned);
            staged.record_changed = true;
            let record = Arc::make_mut(&mut staged.record);
            record.clean = last;
            record.input = staged.position;
            record.input_at = now;
            // Whatever was gathered below it has been applied to this partition, in this turn or before.
            record.control = record.control.max(control);
            if record.every.as_ref().is_some_and(|of| of.command < record.control) {
                // It was deleted before it came to its end.
                record.every = None;
            }
        }
    }

    pub(super) fn note(&mut self, partition: i32, flow: Option<&FlowId>, position: Position, happening: Happening) {
        let at = self.now;
        self.decision.audit.push(AuditEvent { flow: flow.cloned(), partition, at, position, happening });
    }

    /// Commands below it are applied with this turn; none are by a turn for a refused record.
    pub(super) fn scanned(&self) -> i64 {
        match self.decision.commands_left.first() {
            _ if self.decision.refused().is_some() => 0,
            Some(left) => left.offset,
            None => self.table.control_scan,
        }
    }

    /// Tells of a transition of a staged flow, behind every command of the turn: no command of it caused that. `command`: one that
    /// stands for long.
    pub(super) fn note_own_transition(
        &mut self,
        partition: i32,
        flow: &FlowId,
        of: (Transition, Option<PauseId>),
        command: Option<i64>,
    ) {
        let applied = self.table.owned.get(&partition).map_or(0, |owned| owned.facts.scanned());
        self.note_transition(partition, flow, of, command, applied.max(self.scanned()));
    }

    /// The pause that a staged flow is in.
    pub(super) fn pause(&self, partition: i32, flow: &FlowId) -> Option<PauseId> {
        let staged = self.decision.staged(partition, flow)?;
        staged.flow.pause().map(|pause| pause.id.clone())
    }

    /// Tells of a transition of a staged flow and the pause that it begins, changes or ends, where the flow stands now;
    /// `control` is where the control topic stands.
    pub(super) fn note_transition(
        &mut self,
        partition: i32,
        flow: &FlowId,
        (transition, pause): (Transition, Option<PauseId>),
        command: Option<i64>,
        control: i64,
    ) {
        let Some(staged) = self.decision.partitions.get(&partition) else { return };
        // Also of one that is forgotten by it.
        let Some(of) = staged.flows.get(flow) else { return };
        let position = of.flow.position(staged.position, control);
        self.note(partition, Some(flow), position, Happening::Transition { transition, pause, command });
    }

    /// Forwards a record as it came. A timestamp that its new topic would not keep becomes the time of writing.
    pub(super) fn forward(&mut self, record: Record, to: To, partition: i32) {
        let retention = match to {
            To::Enrollments => self.table.shape.enrollments_retention,
            _ => self.table.shape.records_retention,
        };
        let origin = Origin::of(&record);
        let mut headers = record.headers;
        if matches!(to, To::Enrollments) {
            if mutant::is(Mutant::HeadersLostAtAReroute) {
                headers.clear();
            }
            if mutant::is(Mutant::ForgedHeadersTakenOffAtAReroute) {
                headers.retain(|header| !header.name.starts_with(b"flowgate-"));
            }
        }
        let timestamp = self.timestamp(record.timestamp, retention, &mut headers);
        self.decision.write(Write { to, partition, timestamp, key: record.key, value: record.value, headers, origin });
    }

    /// The timestamp to write with: the record's own where it survives, else none (the time of writing) and a header.
    pub(super) fn timestamp(
        &self,
        own: Timestamp,
        retention: Option<Duration>,
        headers: &mut Vec<Header>,
    ) -> Option<Timestamp> {
        if mutant::is(Mutant::TimestampForgottenForALargeRecord) && self.decision.refused().is_some() {
            return Some(own);
        }
        let ahead = own > self.now.after(AHEAD);
        let old = retention.is_some_and(|retention| {
            // A topic kept for less than twice the margin would lose every timestamp: half of it is margin then.
            let margin = RETENTION_MARGIN.min(retention / 2);
            let age = retention.saturating_sub(margin);
            own < self.now.before(if mutant::is(Mutant::TimestampReplacedTooEarly) { age / 2 } else { age })
        });
        let stays = !ahead && !old && !self.time_of_writing && own.0 >= 0;
        if stays && !mutant::is(Mutant::TimestampAlwaysReplaced) {
            return Some(own);
        }
        headers.push(headers::timestamp(own));
        None
    }
}

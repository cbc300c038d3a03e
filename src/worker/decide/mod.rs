//! From what was gathered to what a turn makes true, without any call: commands, timers, what is held, events. In this order: a
//! command that waits comes before every event, and what is held before what arrives. Later slices hold the last two alone.
//!
//! A [`Decider`] only reads the [`Table`]; what it decides is in the [`Decision`].
//!
//! - `commands.rs`, `timers.rs`, `backlogs.rs`, `events.rs`: a part of the decision each;
//! - `alone.rs`: a turn for one record that the broker has refused;
//! - `letters.rs`: what cannot be delivered, into the dead letters.

mod alone;
mod backlogs;
mod commands;
mod events;
mod letters;
mod timers;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::facts::NOTE_POSITION;
use super::options::{Budget, Options};
use super::session::decision::{Decision, Purpose};
use super::session::gathering::Gathered;
use super::session::outgoing::{Origin, To, Write};
use super::session::owned::Stage;
use super::session::table::Table;
use crate::broker::{Header, Record, Topic};
use crate::flow::{AuditEvent, FlowId, Happening, PauseId, Position, Transition};
use crate::mutant::{self, Mutant};
use crate::schema::headers;
use crate::time::Timestamp;

struct Decider<'a> {
    table: &'a Table,
    options: &'a Options,
    /// When the turn is full.
    budget: Budget,
    /// The moment as of which everything is decided.
    now: Timestamp,
    decision: Decision,
    /// The broker refuses the timestamp of what this turn is for.
    time_of_writing: bool,
    /// In a later slice of a turn: the topics that its producer can write to. In the first slice missing ones are made.
    writable: Option<&'a HashMap<String, Topic>>,
}

/// Clocks of upstreams may be ahead by so much before their timestamps are replaced: Kafka's own default limit.
const AHEAD: Duration = Duration::from_secs(60 * 60);

/// A timestamp closer than this to the end of its topic's retention is replaced.
const RETENTION_MARGIN: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// The first slice of a turn: for one refused record alone if it is next and everybody else has had a turn, else for
/// everything else.
pub(super) fn first_slice(table: &Table, options: &Options, gathered: Gathered, now: Timestamp) -> Decision {
    // While more commands wait than a turn takes, they go first.
    let next = if gathered.only_commands { None } else { table.next_refused(&gathered.events, now) };
    let Some((origin, record)) = next else { return ordinary(table, options, gathered, now) };
    let alone = || alone::decide(table, options, &origin, record.as_ref(), now);
    if table.refused.get(&origin).is_some_and(|refused| refused.stood_back) {
        return alone();
    }
    let decision = ordinary(table, options, gathered, now);
    if decision.is_empty() { alone() } else { decision }
}

/// Everything that was gathered, up to refused records.
fn ordinary(table: &Table, options: &Options, gathered: Gathered, now: Timestamp) -> Decision {
    let purpose = if gathered.only_commands { Purpose::Commands } else { Purpose::Everything };
    let mut decider = Decider::new(table, options, Decision::new(purpose, now));
    let mut events = gathered.events;
    if gathered.only_commands {
        decider.commands(&gathered.commands);
        // The commands were taken: their reader goes on, or commands for others would never be passed.
        decider.decision.reread = events.iter().map(|record| record.partition).collect();
        decider.records();
        return decider.decision;
    }
    if mutant::is(Mutant::EventsBeforeCommands) {
        decider.events(std::mem::take(&mut events));
    }
    decider.commands(&gathered.commands);
    decider.caps();
    decider.timers();
    decider.backlogs();
    decider.events(events);
    decider.passed(&gathered.passed);
    decider.records();
    decider.decision
}

/// A later slice of a turn, as of the moment of its first.
pub(super) fn next_slice(
    table: &Table,
    options: &Options,
    events: Vec<Record>,
    decision: Decision,
    writable: &HashMap<String, Topic>,
) -> Decision {
    let mut decider = Decider { writable: Some(writable), ..Decider::new(table, options, decision) };
    decider.backlogs();
    decider.events(events);
    decider.records();
    decider.decision
}

/// The clean stop: every partition is marked with where it stands.
pub(super) fn clean_stop(table: &Table, options: &Options, now: Timestamp) -> Decision {
    let mut decider = Decider::new(table, options, Decision::new(Purpose::Stop, now));
    for (number, owned) in table.owned.iter().filter(|(_, owned)| owned.facts.is_introduced()) {
        let staged = decider.decision.partition(*number, owned);
        Arc::make_mut(&mut staged.record).clean = true;
        staged.record_changed = true;
    }
    decider.records();
    decider.decision
}

impl<'a> Decider<'a> {
    fn new(table: &'a Table, options: &'a Options, decision: Decision) -> Self {
        let (budget, now) = (table.pace.budget(options.turn), decision.at);
        Self { table, options, budget, now, decision, time_of_writing: false, writable: None }
    }
}

impl Decider<'_> {
    /// Our time, or the broker's where the two are known to be far apart: ages are compared between gates.
    fn brokers_now(&self) -> Timestamp {
        Timestamp(self.now.0 - self.table.clock_ahead)
    }

    /// Takes gaps at the ends of silent partitions as passed.
    fn passed(&mut self, passed: &[(i32, i64)]) {
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
    fn records(&mut self) {
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
        }
    }

    fn note(&mut self, partition: i32, flow: Option<&FlowId>, position: Position, happening: Happening) {
        let at = self.now;
        self.decision.audit.push(AuditEvent { flow: flow.cloned(), partition, at, position, happening });
    }

    /// Commands below it are applied with this turn; none are by a turn for a refused record.
    fn scanned(&self) -> i64 {
        if self.decision.refused().is_some() { 0 } else { self.table.control_scan }
    }

    /// Tells of a transition of a staged flow that no command caused, behind every command of the turn.
    fn note_own_transition(&mut self, partition: i32, flow: &FlowId, transition: Transition) {
        let applied = self.table.owned.get(&partition).map_or(0, |owned| owned.facts.scanned());
        let pause = self.pause(partition, flow);
        self.note_transition(partition, flow, (transition, pause), None, applied.max(self.scanned()));
    }

    /// The pause that a staged flow is in.
    fn pause(&self, partition: i32, flow: &FlowId) -> Option<PauseId> {
        let staged = self.decision.staged(partition, flow)?;
        staged.flow.pause().map(|pause| pause.id.clone())
    }

    /// Tells of a transition of a staged flow and the pause that it begins, changes or ends, where the flow stands now;
    /// `control` is where the control topic stands.
    fn note_transition(
        &mut self,
        partition: i32,
        flow: &FlowId,
        (transition, pause): (Transition, Option<PauseId>),
        command: Option<i64>,
        control: i64,
    ) {
        let Some(staged) = self.decision.partitions.get(&partition) else { return };
        let Some(of) = staged.flows.get(flow) else { return };
        let position = of.flow.position(staged.position, control);
        self.note(partition, Some(flow), position, Happening::Transition { transition, pause, command });
    }

    /// Forwards a record as it came. A timestamp that its new topic would not keep becomes the time of writing.
    fn forward(&mut self, record: Record, to: To, partition: i32) {
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
    fn timestamp(&self, own: Timestamp, retention: Option<Duration>, headers: &mut Vec<Header>) -> Option<Timestamp> {
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

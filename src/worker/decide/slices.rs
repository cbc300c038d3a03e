//! How the parts of a decision make a slice of a turn.

use std::sync::Arc;

use super::alone;
use super::decider::Decider;
use crate::broker::Record;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;
use crate::worker::options::Options;
use crate::worker::session::decision::{Decision, Purpose};
use crate::worker::session::gathering::Gathered;
use crate::worker::session::table::Table;
use crate::worker::writable::Writable;

/// The first slice of a turn: for one refused record alone if it is next and everybody else has had a turn, or if there is
/// nothing else; else for everything else.
pub(in crate::worker) fn first_slice(table: &Table, options: &Options, gathered: Gathered, now: Timestamp) -> Decision {
    // While more commands wait than a turn takes, they go first, and so does one for every flow that is under way.
    let is_for_commands =
        gathered.only_commands || table.owned.values().any(|owned| owned.facts.record().every.is_some());
    let next = if is_for_commands { None } else { table.next_refused(&gathered.events, now) };
    let Some((origin, record)) = next else { return ordinary(table, options, gathered, now) };
    let alone = || alone::decide(table, options, &origin, record.as_ref(), now);
    if table.refused.get(&origin).is_some_and(|refused| refused.stood_back) {
        let decision = alone();
        // It may have nothing to do any more: nobody waits for it then.
        return if decision.is_empty() { ordinary(table, options, gathered, now) } else { decision };
    }
    let decision = ordinary(table, options, gathered, now);
    if decision.is_empty() { alone() } else { decision }
}

/// Everything that was gathered, up to refused records.
fn ordinary(table: &Table, options: &Options, gathered: Gathered, now: Timestamp) -> Decision {
    let mut decider = Decider::new(table, options, Decision::new(Purpose::Everything, now));
    let mut events = gathered.events;
    if !gathered.only_commands && mutant::is(Mutant::EventsBeforeCommands) {
        decider.events(std::mem::take(&mut events));
    }
    decider.commands(gathered.commands);
    if gathered.only_commands || !decider.decision.commands_left.is_empty() {
        decider.decision.purpose = Purpose::Commands;
        decider.settle_staged();
        // The commands were taken: their reader goes on, or commands for others would never be passed.
        decider.decision.reread = events.iter().map(|record| record.partition).collect();
        decider.records();
        return decider.decision;
    }
    decider.caps();
    decider.timers();
    decider.searches();
    decider.backlogs();
    decider.events(events);
    decider.passed(&gathered.passed);
    decider.records();
    decider.decision
}

/// A later slice of a turn, as of the moment of its first.
pub(in crate::worker) fn next_slice(
    table: &Table,
    options: &Options,
    events: Vec<Record>,
    decision: Decision,
    writable: &Writable,
) -> Decision {
    let mut decider = Decider { writable: Some(writable), ..Decider::new(table, options, decision) };
    decider.backlogs();
    decider.events(events);
    decider.records();
    decider.decision
}

/// The clean stop: every partition is marked with where it stands.
pub(in crate::worker) fn clean_stop(table: &Table, options: &Options, now: Timestamp) -> Decision {
    let mut decider = Decider::new(table, options, Decision::new(Purpose::Stop, now));
    for (number, owned) in table.owned.iter().filter(|(_, owned)| owned.facts.is_introduced()) {
        let staged = decider.decision.partition(*number, owned);
        Arc::make_mut(&mut staged.record).clean = true;
        staged.record_changed = true;
    }
    decider.records();
    decider.decision
}

//! Compares the gate's own numbers, and what is left in its queue topics, with what was recomputed.

use std::collections::{BTreeMap, HashMap};

use crate::Fault;
use crate::court::Judgement;
use crate::follow::Transition;
use crate::gather::{Gathered, Topics};
use crate::record::Log;
use crate::report::{Kind, PerKind, Sums};
use crate::states::GateState;
use crate::succession::State;
use crate::walk::{Arrival, Walk};

/// Compares the gate's counters with the sums. `before`: what was turned away before the flow was forgotten last; from then
/// on the gate counts from zero. (What was forgotten never held anything.)
pub(crate) fn compare(gate: &GateState, walk: &Walk, sums: &Sums, before: PerKind, faults: &mut Vec<Fault>) {
    // Behind the end of a life that nothing followed there is no state to be compared.
    let last = &walk.segments[walk.segments.len() - 1];
    let is_forgotten = walk.life > 0 && walk.life + 1 == walk.segments.len();
    let found = if is_forgotten { "forgotten" } else { last.state.word() };
    if gate.state != found {
        faults.push(Fault::State { gate: gate.state.clone(), found });
    }
    let mut number = |counter: &'static str, gate: u64, found: u64| {
        if gate != found {
            faults.push(Fault::Counter { counter, gate, found });
        }
    };
    number("queue.next_entry - 1", gate.last_entry, walk.last_entry);
    let counts = &gate.counts;
    let turned_away = PerKind {
        enroll: sums.turned_away.enroll.saturating_sub(before.enroll),
        advance: sums.turned_away.advance.saturating_sub(before.advance),
    };
    let mut pair = |names: [&'static str; 2], gate: PerKind, found: PerKind| {
        number(names[0], gate.enroll, found.enroll);
        number(names[1], gate.advance, found.advance);
    };
    pair(["queued.enroll", "queued.advance"], counts.queued, sums.queued);
    pair(["turned_away.enroll", "turned_away.advance"], counts.turned_away, turned_away);
    pair(["released.enroll", "released.advance"], counts.released, sums.released);
    pair(["replaced.enroll", "replaced.advance"], counts.replaced, sums.replaced);
    pair(["removed.enroll", "removed.advance"], counts.removed, sums.removed);
    pair(["lost.enroll", "lost.advance"], counts.lost, sums.lost);
}

/// Compares how many withdraws came while the flow was not live: they are in no sum.
pub(crate) fn withdrawn(gate: &GateState, walk: &Walk, gathered: &Gathered<'_>, flow: usize, faults: &mut Vec<Fault>) {
    let Some(withdrawn) = gate.withdrawn else { return };
    let events = gathered.flows[flow].events.iter().zip(&walk.arrivals);
    let counted = events.filter(|(event, (arrival, segment))| {
        *segment >= walk.life
            && gathered.events[**event].kind == Kind::Withdraw
            && *arrival == Arrival::Delivered
            && walk.segments[*segment].state != State::Live
    });
    let found = counted.count() as u64;
    if withdrawn != found {
        faults.push(Fault::Counter { counter: "withdrawn", gate: withdrawn, found });
    }
}

/// What was turned away before the flow was forgotten last.
pub(crate) fn turned_away(walk: &Walk, gathered: &Gathered<'_>, flow: usize) -> PerKind {
    let mut turned_away = PerKind::default();
    for (event, (arrival, segment)) in gathered.flows[flow].events.iter().zip(&walk.arrivals) {
        if *arrival == Arrival::TurnedAway && *segment < walk.life {
            turned_away.count(gathered.events[*event].kind);
        }
    }
    turned_away
}

/// A flow that went through transitions has a state, unless it was forgotten or no state was read at all; and only what was
/// forgotten has a tombstone.
pub(crate) fn absent(
    log: &Log,
    gates: &BTreeMap<String, Option<GateState>>,
    flow: &str,
    (walk, transitions): (&Walk, &[Transition]),
    faults: &mut Vec<Fault>,
) {
    let forgotten = transitions.last().is_some_and(|last| last.word == "forgotten");
    if log.state.is_empty() || forgotten {
        return;
    }
    let gate = |word: &str| word.to_owned();
    if gates.contains_key(flow) {
        let found = walk.segments[walk.segments.len() - 1].state.word();
        faults.push(Fault::State { gate: gate("forgotten"), found });
    } else if !transitions.is_empty() {
        faults.push(Fault::State { gate: gate("nothing"), found: "known" });
    }
}

/// Looks for what is held in the queue topics, if there are any to look at: all but what somebody deleted.
pub(crate) fn held(
    log: &Log,
    topics: Topics<'_>,
    (gathered, flow): (&Gathered<'_>, usize),
    judgement: &mut Judgement,
    left: &mut Left<'_>,
) {
    if log.queues.is_empty() {
        return;
    }
    let deleted = log.deleted.get(&*gathered.flows[flow].name).copied().unwrap_or_default();
    for (event, _) in judgement.held.iter().filter(|(_, number)| *number > deleted) {
        let source = gathered.events[*event].source;
        match left.get_mut(source.value.as_deref().unwrap_or_default()) {
            Some(count) if *count > 0 => *count -= 1,
            _ => judgement.faults.push(Fault::HeldMissing { event: topics.event(source) }),
        }
    }
}

/// How many entries the queue topics have, by value.
pub(crate) type Left<'a> = HashMap<&'a [u8], u64>;

pub(crate) fn left(log: &Log) -> Left<'_> {
    let mut left = Left::new();
    for value in log.queues.values().flatten().filter_map(|record| record.value.as_deref()) {
        *left.entry(value).or_default() += 1;
    }
    left
}

//! The contract (docs/contract.md) a third time: the rules on an ordinary list, fed with the events and the commands in the order in which
//! the audit says they took effect. It must deliver the sequence that the gate delivered.
//!
//! [`check`](crate::check) gives each event a fate and looks for the event where its fate says. This goes the other way:
//! it knows no fates and no sums. It plays the flow again, without a queue topic, turns, crashes or an index, and compares
//! what comes out, one record after another, with `flow.records`, `flow.discarded` and the dead letters.
//!
//! The two oracles are independent. Shared are the records ([`Log`], [`Place`](crate::Place)), and how documents are read: which values
//! are events, RFC 3339, where a flow lives. Not shared is everything that decides: what a transition means and which
//! orders are in force, what is held, superseded, withdrawn, too old, how a record is told to be an event's, and order.
//! Records are told by key and value alone: their headers and times are `check`'s to compare.
//!
//! The list is told how far a drain had come wherever the audit says so, at each transition; of one that is still under
//! way, by the flow's public state. It is not told, and takes from the topics:
//! - when a withdraw came in the middle of a drain: from where it lies among the delivered records;
//! - whether an entry was older than `max_age_seconds`, if the audit's times around it leave that open (within 120 s, for two
//!   gates' clocks): from whether it was discarded;
//! - whether a newer event of a record came before a purge or a sample passed the older one: from whether that one was
//!   discarded or delivered;
//! - which entry a sample of named records has released where a newer event or a withdraw of its record came meanwhile, or where the
//!   entry was accepted as lost: from whether `flow.records` has it as a sample's;
//! - whether a default of `*` had come to its end when a flow was first seen, within 120 s of it or where neither a command nor a
//!   partition's record says when it ends: from whether the flow was paused;
//! - which events Kafka refused to store: from their dead letters, which have no value, or are of odd JSON.
//!
//! What was taken from the topics is no comparison. So the withdraws of a drain, the released records that such a withdraw
//! might have taken out, and those of doubtful age are in [`Replay::deliveries`], but not in [`Replay::compared`].
//!
//! Not known yet: enrollments of which retention has taken a part.
//!
//! One file a noun: `audit` (what took effect where), `clock` (when events were held), `orders` and
//! `errands` (what commands say), `everyone` (commands for `*`), `list` (the model), `script` (what it delivers), `compare` (the topics against it), `dead` (dead letters), `difference`.

mod audit;
mod clock;
mod compare;
mod dead;
mod difference;
mod errands;
mod everyone;
mod flow;
mod list;
mod orders;
mod script;
mod topics;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::home;
use crate::record::{Log, Record};
use crate::understand::understand;

use audit::Audit;
use flow::{Event, Flow};
use list::List;
use topics::{DISCARDED, RECORDS, Topics, sorted};

pub use difference::{Departure, Difference};

/// What came of playing everything again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Records in `flow.records`.
    pub deliveries: u64,
    /// Of them: those that the list delivered too, at the same place in their flow's sequence, without being told by the
    /// topics.
    pub compared: u64,
    /// Where the sequences part; empty: they are the same.
    pub differences: Vec<Difference>,
}

impl Replay {
    /// Compared deliveries, of all: 1 for all of them, and where nothing was delivered.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.deliveries == 0 {
            return 1.0;
        }
        self.compared as f64 / self.deliveries as f64
    }
}

/// Plays a log again. Like [`check`](crate::check) it wants the gate at rest.
#[must_use]
pub fn replay(log: &Log) -> Replay {
    let topics = Topics { prefix: &log.prefix };
    let mut replay = Replay { deliveries: log.records.len() as u64, ..Replay::default() };
    let Audit { flows: happenings, everyone, clocks, differences } = audit::read(log, topics);
    replay.differences.extend(differences);
    let mut flows: BTreeMap<String, Flow<'_>> = BTreeMap::new();
    for (name, happenings) in happenings {
        flows.insert(name, Flow { happenings, ..Flow::default() });
    }
    let refused = dead::compare(log, topics, &mut replay.differences);
    events(log, &refused, &mut flows);
    outputs(log, topics, &mut flows, &mut replay.differences);
    for (name, (watermark, sampled)) in audit::watermarks(log) {
        let flow = flows.entry(name).or_default();
        (flow.watermark, flow.sampled) = (Some(watermark), sampled);
    }
    for (name, flow) in &mut flows {
        flow.deleted = log.deleted.get(name).copied().unwrap_or_default();
        flow.everyone = everyone.get(&home(name, log.enrollment_partitions)).map_or(&[], Vec::as_slice);
    }
    let discarded: HashSet<(i32, i64)> = log.discarded.iter().filter_map(|record| topics.source(record)).collect();
    let empty = clock::Clock::default();
    for (name, flow) in &flows {
        let clock = clocks.get(&home(name, log.enrollment_partitions)).unwrap_or(&empty);
        let script = List::play(flow, clock, &discarded);
        let outcome = compare::compare(flow, topics, &script);
        replay.compared += outcome.compared;
        let departures = script.contradictions.into_iter().chain(outcome.departures);
        let of_flow = |departure| Difference { flow: Some(name.clone()), departure };
        replay.differences.extend(departures.map(of_flow));
    }
    replay
}

/// Gives each flow the events of its home partition, in order, but for those that Kafka refused to store.
fn events<'a>(log: &'a Log, refused: &HashSet<(i32, i64)>, flows: &mut BTreeMap<String, Flow<'a>>) {
    let mut homes: HashMap<String, i32> = HashMap::new();
    for source in sorted(&log.enrollments) {
        let Ok(event) = understand(source.value.as_deref()) else { continue };
        let home = *homes.entry(event.flow.to_string()).or_insert_with(|| home(&event.flow, log.enrollment_partitions));
        if home != source.partition || refused.contains(&(source.partition, source.offset)) {
            continue;
        }
        let flow = flows.entry(event.flow.into_owned()).or_default();
        flow.events.push(Event { source, record: event.record, kind: event.kind });
    }
}

/// Gives each flow its delivered and its discarded records, in order.
fn outputs<'a>(
    log: &'a Log,
    topics: Topics<'_>,
    flows: &mut BTreeMap<String, Flow<'a>>,
    differences: &mut Vec<Difference>,
) {
    let mut deal = |topic: &str, record: &'a Record| match understand(record.value.as_deref()) {
        Ok(event) => {
            let flow = flows.entry(event.flow.into_owned()).or_default();
            if topic == RECORDS { flow.delivered.push(record) } else { flow.discarded.push(record) }
        }
        Err(_) => {
            let departure = Departure::Unexpected { found: topics.place(topic, record), event: None };
            differences.push(Difference { flow: None, departure });
        }
    };
    for (topic, records) in [(RECORDS, &log.records), (DISCARDED, &log.discarded)] {
        sorted(records).into_iter().for_each(|record| deal(topic, record));
    }
}

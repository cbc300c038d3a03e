//! Records that the broker refuses to store, for their size or their timestamp.
//!
//! A refusal costs the transaction, so the record is noted and read again, and then has a turn of its own in which it is
//! written in another way ([`Treatment`]). Until that turn everything else goes on: only the events of its partition, or
//! the drain of its flow, stop in front of it. Before its turn comes, everybody else has one, so that a partition full of
//! such records stops nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Worker;
use super::backlog::ready;
use super::decide::{Decider, decide_ordinary};
use super::events::refused;
use super::gather::Gathered;
use super::options::Options;
use super::table::{Origin, Owned, Table, left};
use super::turn::{To, Turn};
use crate::broker::{Broker, Code, Compression, Error, Record};
use crate::schema::Reason;
use crate::time::Timestamp;

/// How long a refused record may take to come again before the worker says that it is missing.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of a record that was refused.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// Where it was refused. If it is to go elsewhere by now, what was found out there says nothing.
    pub by: To,
    pub treatment: Treatment,
    /// Since when nothing but its own absence keeps it from its turn.
    pub since: Timestamp,
    /// It has not come again for longer than the worker is patient.
    pub is_missing: bool,
    /// Everybody else has had a turn since it was refused.
    pub stood_back: bool,
}

/// How a refused record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Where it belongs, with its value: compressed, with the time of writing instead of its own, or both.
    Whole { compress: bool, time_of_writing: bool },
    /// The topics do not take it: a dead letter without its value.
    WithoutValue(Reason),
    /// Not even that: without key and headers too.
    Bare(Reason),
}

impl Treatment {
    /// As every record is written.
    pub const NONE: Self = Self::Whole { compress: false, time_of_writing: false };

    /// What to do about a refusal, given how the record was written; `None`: nothing is left.
    pub fn next(refusal: Code, before: Self) -> Option<Self> {
        let (compress, time_of_writing) = match before {
            Self::Whole { compress, time_of_writing } => (compress, time_of_writing),
            Self::WithoutValue(reason) => return Some(Self::Bare(reason)),
            Self::Bare(_) => return None,
        };
        match refusal {
            Code::TooLarge if !compress => Some(Self::Whole { compress: true, time_of_writing }),
            Code::TooLarge => Some(Self::WithoutValue(Reason::TooLarge)),
            Code::InvalidTimestamp if !time_of_writing => Some(Self::Whole { compress, time_of_writing: true }),
            Code::InvalidTimestamp | Code::InvalidRecord => Some(Self::WithoutValue(Reason::Refused)),
            _ => None,
        }
    }

    /// Whether the broker can refuse a record for this, rather than a call.
    pub fn is_refusal(code: Code) -> bool {
        matches!(code, Code::TooLarge | Code::InvalidTimestamp | Code::InvalidRecord)
    }

    pub fn compression(self) -> Compression {
        match self {
            Self::Whole { compress: true, .. } => Compression::Zstd,
            Self::Whole { compress: false, .. } | Self::WithoutValue(_) | Self::Bare(_) => Compression::None,
        }
    }

    fn time_of_writing(self) -> bool {
        matches!(self, Self::Whole { time_of_writing: true, .. })
    }

    /// Why a record is treated so.
    fn why(self) -> &'static str {
        match self {
            Self::Whole { compress: true, .. }
            | Self::WithoutValue(Reason::TooLarge)
            | Self::Bare(Reason::TooLarge) => "as too large",
            Self::Whole { time_of_writing: true, .. } => "for its timestamp",
            Self::Whole { .. } | Self::WithoutValue(_) | Self::Bare(_) => "for its content",
        }
    }
}

/// The refused record that a turn is for.
#[derive(Clone, Debug)]
pub(super) struct Alone {
    pub origin: Origin,
    pub treatment: Treatment,
}

/// Decides one turn: for one refused record alone if it is next and the others have had theirs, else for everything
/// else.
pub(super) fn decide(table: &Table, options: &Options, gathered: Gathered, now: Timestamp, name: String) -> Turn {
    // While more commands wait than a turn takes, they go first.
    let next = if gathered.only_commands { None } else { table.next_refused(&gathered, now) };
    let Some((origin, record)) = next else {
        return decide_ordinary(table, options, gathered, now, name);
    };
    let began = gathered.began;
    let alone = |name| decide_alone(table, options, (&origin, record.clone()), (began, now), name);
    if table.refused.get(&origin).is_some_and(|refused| refused.stood_back) {
        return alone(name);
    }
    let ordinary = decide_ordinary(table, options, gathered, now, name.clone());
    if ordinary.is_empty() { alone(name) } else { ordinary }
}

fn decide_alone(
    table: &Table,
    options: &Options,
    (origin, record): (&Origin, Option<Record>),
    (gathered_at, now): (Timestamp, Timestamp),
    name: String,
) -> Turn {
    let budget = table.pace.budget(options.turn);
    let turn = |treatment: Treatment| {
        let alone = Some(Alone { origin: origin.clone(), treatment });
        let (name, compression) = (name.clone(), treatment.compression());
        // Everything else that was gathered comes again.
        let turn = Turn { name, decided_at: now, gathered_at, alone, compression, cut: true, ..Turn::default() };
        let time_of_writing = treatment.time_of_writing();
        let mut decider = Decider { table, options, budget, now, turn, time_of_writing, writable: None };
        match origin {
            Origin::Event { .. } => {
                if let Some(record) = record.clone() {
                    decider.refused_event(record, treatment);
                }
            }
            Origin::Entry { partition, flow, .. } => decider.refused_entry(*partition, flow, treatment),
            Origin::Command { .. } | Origin::Own => {}
        }
        decider.records();
        decider.turn
    };
    let ordinary = turn(Treatment::NONE);
    match table.refused.get(origin) {
        // A pause or an order about what is held may send it elsewhere by now.
        Some(refused) if ordinary.writes.iter().any(|write| write.to == refused.by) => turn(refused.treatment),
        _ => ordinary,
    }
}

impl Table {
    /// The refused record that could be treated now: the next event of its partition, or the next entry of its flow's
    /// drain.
    fn next_refused(&self, gathered: &Gathered, now: Timestamp) -> Option<(Origin, Option<Record>)> {
        if self.refused.is_empty() {
            return None;
        }
        let mut first: BTreeMap<i32, &Record> = BTreeMap::new();
        for record in &gathered.events {
            if self.takes_events(record.partition).is_some_and(|owned| record.offset >= owned.position) {
                first.entry(record.partition).or_insert(record);
            }
        }
        let next = |origin: &Origin| match origin {
            Origin::Event { partition, offset } => {
                let record = first.get(partition).filter(|record| record.offset == *offset)?;
                Some((origin.clone(), Some(Record::clone(record))))
            }
            Origin::Entry { partition, flow, number } => {
                let owned = self.owned.get(partition).filter(|owned| owned.is_active())?;
                let tracked = owned.flows.get(flow).filter(|tracked| ready(tracked, now) == Ok(true))?;
                let front = tracked.backlog.as_ref()?.buffer.front()?;
                (front.held.number == *number).then(|| (origin.clone(), None))
            }
            Origin::Command { .. } | Origin::Own => None,
        };
        let all = || self.refused.iter().filter_map(|(origin, refused)| Some((next(origin)?, refused.stood_back)));
        // One that has waited for the others goes before one that has not.
        let waited = all().find(|(_, stood_back)| *stood_back);
        waited.or_else(|| all().next()).map(|(next, _)| next)
    }

    /// The partition, if events of it may be taken.
    pub(super) fn takes_events(&self, partition: i32) -> Option<&Owned> {
        self.owned.get(&partition).filter(|owned| owned.is_active() && owned.fetching && owned.wait.is_none())
    }

    pub(super) fn is_refused(&self, origin: impl FnOnce() -> Origin) -> bool {
        !self.refused.is_empty() && self.refused.contains_key(&origin())
    }

    /// A turn holds: refused records that have been passed are of the past, and the others' time comes if it was
    /// `everybodys`: neither for one refused record nor for commands alone.
    pub(super) fn after_turn(&mut self, everybodys: bool) {
        let owned = &self.owned;
        self.refused.retain(|origin, refused| {
            refused.stood_back |= everybodys;
            match origin {
                Origin::Event { partition, offset } => owned.get(partition).is_some_and(|of| of.position <= *offset),
                Origin::Entry { partition, flow, number } => {
                    let tracked = owned.get(partition).and_then(|of| of.flows.get(flow));
                    tracked.is_some_and(|tracked| tracked.flow.queue.watermark.entry < *number)
                }
                Origin::Command { .. } | Origin::Own => false,
            }
        });
    }

    /// Whoever owns the partition next finds out by itself what is refused.
    pub(super) fn forget_refused(&mut self, partitions: &[i32]) {
        let of = |origin: &Origin| match origin {
            Origin::Event { partition, .. } | Origin::Entry { partition, .. } => partitions.contains(partition),
            Origin::Command { .. } | Origin::Own => false,
        };
        self.refused.retain(|origin, _| !of(origin));
    }

    /// Sees which refused records are missing: nothing but their absence keeps them from their turn, for too long.
    pub(super) fn look_at_refused(&mut self, now: Timestamp) {
        let owned = &self.owned;
        for (origin, refused) in &mut self.refused {
            let is_awaited = match origin {
                Origin::Event { partition, .. } => {
                    owned.get(partition).is_some_and(|owned| owned.is_active() && owned.wait.is_none())
                }
                Origin::Entry { partition, flow, .. } => {
                    let tracked = owned.get(partition).and_then(|of| of.flows.get(flow));
                    let backlog = tracked.and_then(|tracked| tracked.backlog.as_ref());
                    backlog.is_some_and(|backlog| backlog.blocked.is_none() && backlog.buffer.is_empty())
                }
                Origin::Command { .. } | Origin::Own => false,
            };
            if !is_awaited || refused.since > now {
                refused.since = now;
            }
            refused.is_missing = left(refused.since, PATIENCE, now).is_none();
        }
    }

    /// A sentence for each refused record that is missing.
    pub(super) fn missing_refused<'a>(&'a self, enrollments: &'a str) -> impl Iterator<Item = String> + 'a {
        self.refused.iter().filter(|(_, refused)| refused.is_missing).filter_map(move |(origin, refused)| {
            let why = refused.treatment.why();
            Some(match origin {
                Origin::Event { partition, offset } => format!(
                    "the events of partition {partition} wait: {enrollments}/{partition}/{offset} was refused {why} \
                     and cannot be read again"
                ),
                Origin::Entry { partition, flow, number } => {
                    let topic = self.owned.get(partition)?.flows.get(flow)?.flow.queue.topic.as_deref()?;
                    format!("flow `{flow}` waits: entry {number} of {topic} was refused {why} and cannot be read again")
                }
                Origin::Command { .. } | Origin::Own => return None,
            })
        })
    }
}

impl<B: Broker> Worker<B> {
    /// Notes the records of a failed turn that were refused: of each partition and each drain the first. `false`: there
    /// were some, and nothing is left that could be done about any of them.
    pub(super) fn note_refused(&mut self, turn: &Turn, failed: &[(u64, Error)], now: Timestamp) -> bool {
        let (mut refusals, mut noted) = (false, false);
        let mut first: BTreeMap<(i32, Option<&crate::flow::FlowId>), (&Origin, &To, &Error)> = BTreeMap::new();
        for (tag, error) in failed.iter().filter(|(_, error)| Treatment::is_refusal(error.code)) {
            let Some((origin, to)) = turn.tagged(*tag) else { continue };
            let place = match origin {
                Origin::Event { partition, .. } => (*partition, None),
                Origin::Entry { partition, flow, .. } => (*partition, Some(flow)),
                Origin::Command { offset } => {
                    refusals = true;
                    tracing::warn!(offset, %error, "the dead letter of a command was refused");
                    noted |= self.table.bare_commands.insert(*offset);
                    continue;
                }
                Origin::Own => continue,
            };
            refusals = true;
            let of = (origin, to, error);
            first.entry(place).and_modify(|first| *first = if of.0 < first.0 { of } else { *first }).or_insert(of);
        }
        for (origin, by, error) in first.into_values() {
            let alone = turn.alone.as_ref().filter(|alone| alone.origin == *origin);
            let before = alone.map_or(Treatment::NONE, |alone| alone.treatment);
            let Some(treatment) = Treatment::next(error.code, before) else { continue };
            noted = true;
            tracing::warn!(?origin, ?treatment, %error, "a record was refused");
            let known = self.table.refused.get(origin);
            // A dead letter that is refused says nothing of where the record itself was refused.
            let by = match (before, known) {
                (Treatment::WithoutValue(_) | Treatment::Bare(_), Some(known)) => known.by.clone(),
                _ => by.clone(),
            };
            let stood_back = known.is_some_and(|known| known.stood_back);
            let refused = Refused { by, treatment, since: now, is_missing: false, stood_back };
            self.table.refused.insert(origin.clone(), refused);
        }
        noted || !refusals
    }
}

impl Decider<'_> {
    /// An event that the broker refused, alone in its turn.
    fn refused_event(&mut self, record: Record, treatment: Treatment) {
        let table = self.table;
        let Some(owned) = table.takes_events(record.partition) else { return };
        match treatment {
            // Alone in its turn, it waits for no topic.
            Treatment::Whole { .. } => drop(self.event(record, owned)),
            Treatment::WithoutValue(reason) => {
                self.pass_over(&record, owned);
                self.bury(&record, reason, &refused(reason, &record.value), None);
            }
            Treatment::Bare(reason) => {
                self.pass_over(&record, owned);
                let detail = refused(reason, &record.value);
                self.bury(&Record { key: None, headers: Vec::new(), ..record }, reason, &detail, None);
            }
        }
    }

    /// The next entry of a drain, which the broker refused downstream, alone in its turn.
    fn refused_entry(&mut self, partition: i32, flow: &crate::flow::FlowId, treatment: Treatment) {
        let table = self.table;
        let Some(owned) = table.owned.get(&partition) else { return };
        let Some(tracked) = owned.flows.get(flow) else { return };
        self.drain_first(partition, owned, tracked);
        let front = tracked.backlog.as_ref().and_then(|backlog| backlog.buffer.front());
        match (treatment, front) {
            (Treatment::WithoutValue(reason), Some(waiting)) => {
                self.bury_entry(partition, flow, waiting, reason, false);
            }
            (Treatment::Bare(reason), Some(waiting)) => self.bury_entry(partition, flow, waiting, reason, true),
            (Treatment::Whole { .. }, _) | (_, None) => {}
        }
    }
}

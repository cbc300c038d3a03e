//! Records that the broker refuses to store, for their size or their timestamp.
//!
//! A refusal costs the transaction, so the record is noted and read again, and then has a turn of its own in which it is
//! written in another way ([`Treatment`]). Until that turn everything else goes on: only the events of its partition, or
//! the drain of its flow, stop in front of it. Before its turn comes, everybody else has one, so that a partition full of
//! such records stops nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Worker;
use super::session::outgoing::{Origin, To};
use super::session::owned::Owned;
use super::session::refusal::{Refused, Treatment};
use super::session::shape::{LEAST_BATCH, largest_batch};
use super::session::table::Table;
use super::session::turn::Turn;
use super::session::wait::left;
use crate::broker::{Admin, Broker, Code, Error, Record};
use crate::time::Timestamp;

/// How long a refused record may take to come again before the worker says that it is missing.
const PATIENCE: Duration = Duration::from_secs(2);

impl Table {
    /// The refused record that could be treated now: the next event of its partition, or the next entry of its flow's
    /// drain.
    pub(super) fn next_refused(&self, events: &[Record], now: Timestamp) -> Option<(Origin, Option<Record>)> {
        if self.refused.is_empty() {
            return None;
        }
        let mut first: BTreeMap<i32, &Record> = BTreeMap::new();
        for record in events {
            if self.takes_events(record.partition).is_some_and(|owned| record.offset >= owned.facts.position()) {
                first.entry(record.partition).or_insert(record);
            }
        }
        let next = |origin: &Origin| match origin {
            Origin::Event { partition, offset } => {
                let record = first.get(partition).filter(|record| record.offset == *offset)?;
                Some((origin.clone(), Some(Record::clone(record))))
            }
            Origin::Entry { partition, flow, number } => {
                let tracked = self.active_flow(*partition, flow)?;
                let is_ready = match &tracked.search {
                    Some(search) => search.is_done(),
                    None => tracked.ready(now) == Ok(true),
                };
                let is_next = is_ready && tracked.front()?.held.number == *number;
                is_next.then(|| (origin.clone(), None))
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
                Origin::Event { partition, offset } => {
                    owned.get(partition).is_some_and(|of| of.facts.position() <= *offset)
                }
                Origin::Entry { partition, flow, number } => {
                    let tracked = owned.get(partition).and_then(|of| of.facts.flow(flow));
                    tracked.is_some_and(|tracked| {
                        let queue = &tracked.flow().queue;
                        queue.watermark.entry < *number && !queue.taken.contains(*number)
                    })
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
                    let tracked = owned.get(partition).and_then(|of| of.facts.flow(flow));
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
                    let topic = self.owned.get(partition)?.facts.flow(flow)?.flow().queue.topic.as_deref()?;
                    format!("flow `{flow}` waits: entry {number} of {topic} was refused {why} and cannot be read again")
                }
                Origin::Command { .. } | Origin::Own => return None,
            })
        })
    }
}

impl<B: Broker> Worker<B> {
    /// How large a batch a topic takes that has refused a record as too large, where batches may be larger than that. Then it may have been
    /// the batch that was too large, and nothing is known of the record.
    pub(super) fn limit_below_batches(&mut self, turn: &Turn, failed: &[(u64, Error)]) -> Option<usize> {
        let too_large = failed.iter().filter(|(_, error)| error.code == Code::TooLarge);
        let refusing: BTreeSet<(bool, &str)> = too_large
            .filter_map(|(tag, _)| {
                let (origin, to) = turn.tagged(*tag)?;
                Some((*origin == Origin::Own, turn.topic(to, &self.options.topics)?))
            })
            .collect();
        let admin = &mut self.clients.as_mut()?.admin;
        for (is_own, topic) in refusing {
            let limit = match admin.topic_config(topic) {
                Ok(settings) => largest_batch(&settings),
                Err(error) if matches!(error.code, Code::Denied | Code::UnknownTopic) => None,
                Err(error) => {
                    tracing::warn!(topic, %error, "how large a batch the topic takes cannot be told");
                    return None;
                }
            };
            // No record of the gate's own is large.
            let limit = limit.or(is_own.then_some(LEAST_BATCH));
            if let Some(limit) = limit.filter(|limit| *limit < self.batch_bytes) {
                tracing::warn!(
                    topic,
                    limit,
                    "a batch was refused as too large; from now on none is larger than the topic takes"
                );
                return Some(limit);
            }
        }
        None
    }

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
                    noted |= self.table.refused_commands.insert(*offset);
                    continue;
                }
                Origin::Own => continue,
            };
            refusals = true;
            let of = (origin, to, error);
            first.entry(place).and_modify(|first| *first = if of.0 < first.0 { of } else { *first }).or_insert(of);
        }
        for (origin, by, error) in first.into_values() {
            let alone = turn.decision.refused().filter(|alone| alone.origin == *origin);
            let before = alone.map_or(Treatment::NONE, |alone| alone.treatment);
            let treatment = match (alone, error.code) {
                // Of a batch in which several records are at fault librdkafka does not say what is wrong with each.
                (None, Code::InvalidRecord) => Some(Treatment::NONE),
                (_, code) => Treatment::next(code, before),
            };
            let Some(treatment) = treatment else { continue };
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

//! What the audit says of letters: how often each was redriven, when last, and by whom.
//!
//! The audit is read backwards from its end, as far as the letters that are asked about need it, and within a bound. It may be
//! longer than the bound, and its beginning may be deleted. Architecture invariant: a letter is said not to have been redriven
//! only if everything was read that the audit has since the letter was set aside.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::letters::{Item, Kind, Letter};
use super::meter::Meter;
use super::scan::{Bound, First, Found, Marks, Progress, Scan};
use super::settled::is_settled_by;
use crate::broker::murmur2::partition_for;
use crate::broker::{Action, Broker, Code, Error, Record, Result};
use crate::flow::FlowId;
use crate::schema::Malformed;
use crate::schema::redriven::{self, Redriven};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Brokers stamp the letters and the audit by clocks of their own.
pub(super) const CLOCKS: Duration = Duration::from_secs(60 * 60);

/// How often a letter was redriven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrives {
    pub times: u64,
    /// False: it may have been more often, for not all of the audit was read that could say so.
    pub is_exact: bool,
    /// `None`: never.
    pub last: Option<Redrive>,
}

/// Of a redrive, when it wrote the letter as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redrive {
    /// By the clock of who did it.
    pub at: Timestamp,
    /// Who did it, as they say.
    pub by: Arc<str>,
}

/// Why nobody knows of some letters whether they were redriven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The audit was read this far, and its bound allows no more.
    Bound(Progress),
    /// The beginning of the audit was deleted: in one of its partitions nothing is older than this, or nothing is left at all.
    Deleted(Option<Timestamp>),
    /// What was committed behind a transaction that stays open is not shown.
    OpenTransaction,
    /// The brokers do not let the audit be read.
    Unreadable(Error),
}

/// Looks for letters in the audit. It is first read when something is asked.
pub struct Lookback<'a, B: Broker> {
    broker: &'a B,
    audit: &'a str,
    letters: &'a str,
    kind: Kind,
    bound: Bound,
    meter: &'a Meter,
    reading: Option<Result<Reading<B>>>,
    /// Every letter that what was read so far names. A page of letters may be followed by older ones, so none is passed over.
    known: HashMap<Item, (u64, Redrive)>,
    gap: Option<Gap>,
}

/// How far the audit is read.
struct Reading<B: Broker> {
    scan: Scan<B, Result<Option<Named>>>,
    /// All that was stored later was read, of what was not deleted.
    reached: Option<Timestamp>,
    /// The oldest that was read of each partition.
    oldest: BTreeMap<i32, Timestamp>,
    /// Nothing was hidden by an open transaction when the reading began.
    is_settled: bool,
    /// The scan brings nothing more.
    is_over: bool,
}

/// A letter that an event of the audit names.
struct Named {
    item: Item,
    at: Timestamp,
    by: String,
}

impl<'a, B: Broker> Lookback<'a, B> {
    /// For letters of this kind. `bound`: of the audit, for all questions together. `meter` is told how far that has come.
    pub fn new((broker, meter): (&'a B, &'a Meter), topics: &'a Topics, kind: Kind, bound: Bound) -> Self {
        let (audit, letters) = (topics.audit.as_str(), kind.topic(topics));
        Self { broker, audit, letters, kind, bound, meter, reading: None, known: HashMap::new(), gap: None }
    }

    /// How often a letter was redriven; `None`: nobody knows whether it was, and [`Lookback::gap`] says why.
    pub fn of(&mut self, letter: &Letter) -> Option<Redrives> {
        let read = self.read_back_to(letter.set_aside_at.before(CLOCKS), letter.flow.as_ref());
        let is_exact = read.is_ok();
        self.gap = read.err().or_else(|| self.gap.take());
        match self.known.get(&letter.item()) {
            Some((times, last)) => Some(Redrives { times: *times, is_exact, last: Some(last.clone()) }),
            None => is_exact.then_some(Redrives { times: 0, is_exact, last: None }),
        }
    }

    /// Why an answer was not exact; `None`: all of them were.
    #[must_use]
    pub fn gap(self) -> Option<Gap> {
        self.gap
    }

    /// Reads on until everything is read that was stored since a time. `flow`: the letter's.
    fn read_back_to(&mut self, time: Timestamp, flow: Option<&FlowId>) -> std::result::Result<(), Gap> {
        let Self { broker, audit, letters, kind, bound, meter, reading, known, .. } = self;
        let opened = reading.get_or_insert_with(|| Reading::open((*broker, *meter), audit, *bound));
        let read = match opened {
            Ok(reading) => {
                let home = home(*kind, flow, &reading.scan.begins());
                reading.back_to(time, home, letters, known)
            }
            Err(error) => Err(Gap::Unreadable(error.clone())),
        };
        if let Err(Gap::Unreadable(error)) = &read {
            *opened = Err(error.clone());
        }
        read
    }
}

impl<B: Broker> Reading<B> {
    fn open((broker, meter): (&B, &Meter), audit: &str, bound: Bound) -> Result<Self> {
        let deadline = Instant::now() + bound.time;
        let is_settled = is_settled_by(broker, audit, deadline)?;
        let time = deadline.saturating_duration_since(Instant::now());
        let mut scan = Scan::open(broker, audit, None, First::Newest, Bound { time, ..bound })?;
        scan.tell(meter);
        Ok(Self { scan, reached: None, oldest: BTreeMap::new(), is_settled, is_over: false })
    }

    fn back_to(
        &mut self,
        time: Timestamp,
        home: Option<i32>,
        letters: &str,
        known: &mut HashMap<Item, (u64, Redrive)>,
    ) -> std::result::Result<(), Gap> {
        while !self.is_over && self.reached.is_none_or(|reached| reached >= time) {
            // Of every event, for each says how far the reading has come.
            match self.scan.next(|record| Some(Named::read(record, letters))).map_err(Gap::Unreadable)? {
                Some(Found { partition, timestamp, what, .. }) => {
                    self.reached = Some(timestamp);
                    self.oldest.insert(partition, timestamp);
                    let named = what.map_err(Gap::Unreadable)?;
                    named.into_iter().for_each(|named| named.note(known));
                }
                None => self.is_over = true,
            }
        }
        self.has_all_since(time, home)?;
        if self.is_settled { Ok(()) } else { Err(Gap::OpenTransaction) }
    }

    /// Whether the audit has nothing more to say since a time. `home`: the partition that counts; `None`: each of them.
    fn has_all_since(&self, time: Timestamp, home: Option<i32>) -> std::result::Result<(), Gap> {
        let progress = self.scan.progress();
        if self.reached.is_none_or(|reached| reached >= time) && !progress.is_whole {
            return Err(Gap::Bound(progress));
        }
        // One of which something is left to be read goes on with what is older than all that was read.
        let begins = self.scan.begins();
        let cut = self.scan.given_out().filter(|partition| begins.get(partition).is_some_and(|low| *low > 0));
        let mut reaches_to = cut
            .filter(|partition| home.is_none_or(|home| home == *partition))
            .map(|partition| self.oldest.get(&partition).copied());
        match reaches_to.find(|oldest| oldest.is_none_or(|oldest| oldest > time)) {
            Some(oldest) => Err(Gap::Deleted(oldest)),
            None => Ok(()),
        }
    }
}

/// The partition of the audit that tells of the letters of a flow; `partitions`: all there are. `None`: any may, for a dead letter may have
/// been redriven with another value, as another flow's.
pub(super) fn home(kind: Kind, flow: Option<&FlowId>, partitions: &Marks) -> Option<i32> {
    let flow = flow.filter(|_| kind == Kind::Discarded)?;
    Some(partition_for(flow.as_str().as_bytes(), i32::try_from(partitions.len()).ok()?))
}

/// The redriven letter that an event of the audit tells of, if it does.
///
/// # Errors
/// [`Action::Stop`] for an event of a newer version, which may tell of one.
pub(super) fn told(record: &Record) -> Result<Option<Redriven>> {
    let Some(value) = record.value.as_deref() else { return Ok(None) };
    match redriven::read(value) {
        Ok(redriven) => Ok(Some(redriven)),
        Err(newer @ Malformed::Newer { .. }) => {
            let Record { topic, partition, offset, .. } = record;
            let detail = format!("{topic}/{partition}/{offset} may tell of a letter that was redriven: {newer}");
            Err(Error::new(Action::Stop, Code::Other, detail))
        }
        // What gates tell.
        Err(_) => Ok(None),
    }
}

impl Named {
    /// `letters`: the topic of the letters that are asked about.
    fn read(record: &Record, letters: &str) -> Result<Option<Self>> {
        let Some(redriven) = told(record)?.filter(|redriven| *redriven.source.topic == *letters) else {
            return Ok(None);
        };
        let item = Item { partition: redriven.source.partition, offset: redriven.source.offset };
        Ok(Some(Self { item, at: redriven.at, by: redriven.by }))
    }

    /// The newest event is noted first.
    fn note(self, known: &mut HashMap<Item, (u64, Redrive)>) {
        let Self { item, at, by } = self;
        known.entry(item).or_insert_with(|| (0, Redrive { at, by: by.into() })).0 += 1;
    }
}

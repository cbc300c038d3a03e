//! What a flow holds: the entries of its queue topic, and what becomes of each when the flow is resumed as it stands.

mod fate;
mod judge;
mod place;

use std::time::Instant;

pub use fate::{Entry, Fate};
use place::ONLY;

use super::field::FieldIs;
use super::scan::{self, Bound, First, Marks, Progress, Scan, Window};
use crate::broker::{Broker, Code, Error, Isolation, Reader, Record, Result, Watermarks};
use crate::flow::{Flow, Kind, RecordId};
use crate::schema::entry;

/// Which held events.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub record: Option<RecordId>,
    /// All of them have to hold.
    pub fields: Vec<FieldIs>,
    /// Only entries behind this number.
    pub after: Option<u64>,
}

/// Some held events. It ends early with [`scan::PAGE_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order that was asked for.
    pub entries: Vec<Entry>,
    pub progress: Progress,
    /// Where to go on; `None`: nothing is left.
    pub next: Option<Marks>,
    /// The same as the number of an entry: what is left lies behind it, or before it where the newest come first.
    pub beyond: Option<u64>,
    /// Somebody has deleted held events, or it looks like that because the flow has gone on since its state was read.
    pub missing: Option<Missing>,
}

/// What was deleted of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The topic: nothing that is held can be read.
    Topic,
    /// The records where the flow is to go on, or the topic that had them: there may be later ones.
    Records,
}

impl Missing {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Records => "records",
        }
    }
}

/// Looks through the queue of a flow, as its state says where that is. A queue has no `since` of the broker's.
///
/// # Errors
/// Of the broker; [`Code::TimedOut`] if nothing could be read in time.
pub fn look<B: Broker>(broker: &B, flow: &Flow, wanted: &Wanted, window: &Window) -> Result<Page> {
    let Window { first, limit, bound, .. } = *window;
    if flow.queue.is_passed() {
        return Ok(Page::empty(None));
    }
    let Some((topic, marks)) = queue_of(broker, flow)? else { return Ok(Page::empty(Some(Missing::Topic))) };
    let deadline = Instant::now() + bound.time;
    // Where the flow goes on; if that is gone, whatever is there.
    let is_there = marks.reach(flow.queue.watermark.offset);
    let mut begin = if is_there { flow.queue.watermark.offset } else { marks.low };
    if let Some(after) = wanted.after {
        begin = place::of(broker, topic, (begin, marks.end), after.saturating_add(1), deadline)?;
    }
    let mut scan = Scan::open(broker, topic, Some(&[ONLY]), first, bound)?;
    scan.leave_out_before(begin);
    if let Some(marks) = &window.from {
        scan.go_on_at(marks);
    }
    scan.tell(&window.meter);
    let mut reader = entry::Reader::new(&flow.id);
    let entries = scan.fill(limit, Entry::size, |record| pick(&mut reader, record, flow, wanted))?;
    let scan::Page { found: mut entries, mut progress, mut next } = scan.page(entries);
    let beyond = match (&next, entries.last()) {
        (None, _) => None,
        (Some(_), Some(last)) if entries.len() == limit => Some(last.held.number),
        (Some(next), _) => beyond(broker, topic, first, next, deadline)?,
    };
    if beyond.is_none() && first == First::Oldest {
        // What is left has no entry.
        (progress.is_whole, next) = (true, None);
    }
    let left = Bound {
        records: bound.records.saturating_sub(progress.scanned),
        time: deadline.saturating_duration_since(Instant::now()),
    };
    judge::judge((broker, &window.meter), topic, flow, &mut entries, left)?;
    Ok(Page { entries, progress, next, beyond, missing: (!is_there).then_some(Missing::Records) })
}

/// Where the entries from this number on begin, for a scan from the newest: it goes on with what lies before.
///
/// # Errors
/// Of the broker; [`Code::TimedOut`] if it could not be found in time.
pub fn before<B: Broker>(broker: &B, flow: &Flow, number: u64, bound: Bound) -> Result<Marks> {
    let Some((topic, marks)) = queue_of(broker, flow)? else { return Ok(Marks::new()) };
    let offset = place::of(broker, topic, (marks.low, marks.end), number, Instant::now() + bound.time)?;
    Ok(Marks::from([(ONLY, offset)]))
}

/// The queue topic and its log; `None`: there is no topic.
fn queue_of<'a, B: Broker>(broker: &B, flow: &'a Flow) -> Result<Option<(&'a str, Watermarks)>> {
    let Some(topic) = flow.queue.topic.as_deref() else { return Ok(None) };
    match broker.reader(Isolation::ReadCommitted)?.watermarks(topic, ONLY) {
        Err(Error { code: Code::UnknownTopic, .. }) => Ok(None),
        marks => Ok(Some((topic, marks?))),
    }
}

/// The number behind which, or before which, these marks go on.
fn beyond<B: Broker>(broker: &B, topic: &str, first: First, next: &Marks, deadline: Instant) -> Result<Option<u64>> {
    let Some(offset) = next.get(&ONLY) else { return Ok(None) };
    let number = place::number_at(broker, topic, *offset, deadline)?;
    Ok(number.map(|number| if first == First::Newest { number } else { number.saturating_sub(1) }))
}

impl Page {
    fn empty(missing: Option<Missing>) -> Self {
        Self { progress: Progress { is_whole: true, ..Progress::default() }, missing, ..Self::default() }
    }
}

/// The record as a held event, if it is one that is wanted: neither passed, nor released by name, nor a withdraw.
fn pick(reader: &mut entry::Reader, record: &Record, flow: &Flow, wanted: &Wanted) -> Option<Entry> {
    let held = reader.read(record).ok().flatten()?;
    let is_held = held.kind != Kind::Withdraw
        && held.number > flow.queue.watermark.entry
        && !flow.queue.taken.contains(held.number);
    let is_wanted = wanted.after.is_none_or(|after| held.number > after)
        && wanted.record.as_ref().is_none_or(|record| *record == held.record_id)
        && wanted.fields.iter().all(|field| field.holds(record.value.as_deref()));
    (is_held && is_wanted).then(|| Entry {
        held,
        offset: record.offset,
        timestamp: record.timestamp,
        value: record.value.clone(),
        fate: None,
    })
}

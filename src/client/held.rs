//! What a flow holds: the entries of its queue topic, and what becomes of each when the flow is resumed as it stands.

use std::collections::HashMap;

use bytes::Bytes;

use super::field::FieldIs;
use super::scan::{Bound, First, Marks, PAGE_BYTES, Progress, Scan};
use crate::broker::{Broker, Record, Result};
use crate::flow::{Flow, Kind, RecordId};
use crate::schema::entry::{self, Held};
use crate::time::Timestamp;

/// Which held events.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub record: Option<RecordId>,
    /// All of them have to hold.
    pub fields: Vec<FieldIs>,
    /// Only entries behind this number.
    pub after: Option<u64>,
}

/// A held event.
#[derive(Clone, Debug)]
pub struct Entry {
    pub held: Held,
    /// Where it stands in the queue topic.
    pub offset: i64,
    /// The event's own.
    pub timestamp: Timestamp,
    pub value: Option<Bytes>,
    /// `None`: not everything behind it was looked at.
    pub fate: Option<Fate>,
}

/// What becomes of a held event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Released,
    /// A newer event or a withdraw of its record is held.
    Replaced,
    /// A purge or a resume that discards is on its way to it.
    Removed,
}

impl Fate {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
        }
    }
}

/// It ends early with [`PAGE_BYTES`].
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order that was asked for.
    pub entries: Vec<Entry>,
    pub progress: Progress,
    /// Where to go on; `None`: nothing is left.
    pub next: Option<Marks>,
}

/// Looks through the queue of a flow, as its state says where that is.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if nothing could be read in time.
pub fn look<B: Broker>(
    broker: &B,
    flow: &Flow,
    wanted: &Wanted,
    (first, limit): (First, usize),
    from: Option<&Marks>,
    bound: Bound,
) -> Result<Page> {
    let Some(topic) = flow.queue.topic.as_deref().filter(|_| !flow.queue.is_passed()) else {
        return Ok(Page { progress: Progress { is_whole: true, ..Progress::default() }, ..Page::default() });
    };
    let mut scan = Scan::open(broker, topic, Some(&[0]), first, bound)?;
    scan.leave_out_before(flow.queue.watermark.offset);
    if let Some(marks) = from {
        scan.go_on_at(marks);
    }
    let mut reader = entry::Reader::new(&flow.id);
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while entries.len() < limit && bytes < PAGE_BYTES {
        let Some(found) = scan.next(|record| pick(&mut reader, record, flow, wanted))? else { break };
        bytes += found.what.value.as_ref().map_or(0, Bytes::len);
        entries.push(found.what);
    }
    let progress = scan.progress();
    let next = (!progress.is_whole).then(|| scan.marks());
    judge(broker, topic, flow, &mut entries, bound)?;
    Ok(Page { entries, progress, next })
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

/// Reads on behind these entries, to the end of the queue if the bound allows, for what replaces them.
fn judge<B: Broker>(broker: &B, topic: &str, flow: &Flow, entries: &mut [Entry], bound: Bound) -> Result<()> {
    let Some(from) = entries.iter().map(|entry| entry.offset).min() else { return Ok(()) };
    let mut of_record: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        of_record.entry(entry.held.record_id.to_string()).or_default().push(index);
    }
    let mut scan: Scan<B, ()> = Scan::open(broker, topic, Some(&[0]), First::Oldest, bound)?;
    scan.leave_out_before(from + 1);
    let mut look = |record: &Record| -> Option<()> {
        let later = entry::indexed(record)?;
        for index in of_record.get(later.record)? {
            let Some(entry) = entries.get_mut(*index) else { continue };
            let replaces =
                later.kind == Kind::Withdraw || later.kind == entry.held.kind && later.latest && entry.held.latest;
            if replaces && later.number > entry.held.number {
                entry.fate = Some(Fate::Replaced);
            }
        }
        None
    };
    scan.next(&mut look)?;
    let is_whole = scan.progress().is_whole;
    for entry in entries.iter_mut().filter(|entry| entry.fate.is_none()) {
        entry.fate = match is_removed(flow, entry.held.number) {
            true => Some(Fate::Removed),
            false => is_whole.then_some(Fate::Released),
        };
    }
    Ok(())
}

/// Whether a line that was drawn lies behind the entry.
fn is_removed(flow: &Flow, number: u64) -> bool {
    let purged = flow.queue.purge_through.as_ref().is_some_and(|purge| number <= purge.entry);
    purged || flow.queue.discard_through.as_ref().is_some_and(|line| number <= line.entry)
}

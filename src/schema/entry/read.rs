//! An entry is read back.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::super::cut::cut;
use super::super::decimal;
use super::super::headers::{self, Source};
use super::keys::split_key;
use crate::broker::{Header, Record};
use crate::flow::drain::Survivor;
use crate::flow::index::Indexed;
use crate::flow::{FlowId, Kind, RecordId};
use crate::time::Timestamp;

/// A held event, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub kind: Kind,
    pub record_id: RecordId,
    /// Whether a later entry of the same kind and record replaces it.
    pub latest: bool,
    pub number: u64,
    /// How many entries up to and with this one are enrolls.
    pub enrolls: u64,
    /// How many entries up to and with this one are advances.
    pub advances: u64,
    /// The event's own key.
    pub key: Option<Bytes>,
    /// The event's own headers.
    pub headers: Box<[Header]>,
    pub held_at: Timestamp,
    pub pause_id: Arc<str>,
    /// Where the event stands in the enrollments.
    pub source: Source,
}

impl Held {
    /// What its drain has to know of it; `offset` is where it stands in the queue topic.
    #[must_use]
    pub fn survivor(&self, offset: i64) -> Survivor {
        let Self { number, enrolls, advances, kind, held_at, .. } = *self;
        Survivor { number, enrolls, advances, kind, held_at, offset }
    }
}

/// Something in a queue topic that this gate would not have written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at} is no queue entry: {detail}")]
pub struct Foreign {
    /// Where it stands in the queue topic.
    pub at: Source,
    pub detail: String,
    /// It has the header of an entry all the same: a gate of another version may hold an event there.
    pub may_be_held: bool,
}

/// Reads the entries of one flow. Many of them wait in memory at once, so what most of them have in common is there once.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The key of every event that has no other.
    flow: Bytes,
    /// Of the entry read last.
    pause_id: Arc<str>,
    /// Of the entry read last.
    topic: Arc<str>,
}

impl Reader {
    #[must_use]
    pub fn new(flow: &FlowId) -> Self {
        let flow = Bytes::copy_from_slice(flow.as_str().as_bytes());
        Self { flow, pause_id: Arc::default(), topic: Arc::default() }
    }

    /// Reads an entry; `None` is a tombstone.
    ///
    /// # Errors
    /// [`Foreign`] if this gate would not have written it.
    pub fn read(&mut self, record: &Record) -> Result<Option<Held>, Foreign> {
        self.held(record).map_err(|detail| foreign(record, detail))
    }

    fn held(&mut self, record: &Record) -> Result<Option<Held>, String> {
        let Some(Parts { indexed, packed, theirs, own_key }) = parts(record)? else { return Ok(None) };
        let (topic, partition, offset) = packed.source;
        Ok(Some(Held {
            kind: indexed.kind,
            record_id: RecordId::new(indexed.record).map_err(|invalid| format!("its record id {invalid}"))?,
            latest: indexed.latest,
            number: packed.number,
            enrolls: packed.enrolls,
            advances: packed.advances,
            key: own_key.map_or_else(|| Some(self.flow.clone()), |header| header.value.clone()),
            headers: theirs.into(),
            held_at: packed.held_at,
            pause_id: shared(&mut self.pause_id, packed.pause_id),
            source: Source { topic: shared(&mut self.topic, topic), partition, offset },
        }))
    }
}

/// What an index needs to know of an entry, without a copy of anything; `None` for whatever is none.
#[must_use]
pub fn indexed(record: &Record) -> Option<Indexed<'_>> {
    to_index(record).ok().flatten()
}

/// The same; `None` for a tombstone.
///
/// # Errors
/// [`Foreign`] if this gate would not have written it.
pub fn to_index(record: &Record) -> Result<Option<Indexed<'_>>, Foreign> {
    parts(record).map(|parts| parts.map(|parts| parts.indexed)).map_err(|detail| foreign(record, detail))
}

fn foreign(record: &Record, detail: String) -> Foreign {
    let may_be_held = record.value.is_some() && record.headers.iter().any(|header| is(header, headers::ENTRY));
    Foreign { at: Source::of(record), detail, may_be_held }
}

/// An entry taken apart.
struct Parts<'a> {
    indexed: Indexed<'a>,
    packed: Packed<'a>,
    /// The event's own headers.
    theirs: &'a [Header],
    own_key: Option<&'a Header>,
}

fn parts(record: &Record) -> Result<Option<Parts<'_>>, String> {
    let Some((kind, keyed, id)) = split_key(record.key.as_deref().unwrap_or_default()) else {
        return Err("its key is not <kind>:<number>:<record id>".to_owned());
    };
    if record.value.is_none() {
        return Ok(None);
    }
    // The gate's headers stand behind the upstream's, and those that only a later version knows behind these two.
    let entry = record.headers.iter().rposition(|header| is(header, headers::ENTRY));
    let Some((theirs, [entry, rest @ ..])) = entry.map(|at| record.headers.split_at(at)) else {
        return Err(format!("it has no header {}", headers::ENTRY));
    };
    let own_key = rest.first().filter(|header| is(header, headers::KEY));
    let packed = unpack(entry.value.as_deref())?;
    if keyed.is_some_and(|keyed| keyed != packed.number) {
        return Err(format!("its key does not have the number of its {}", headers::ENTRY));
    }
    let indexed = Indexed { number: packed.number, kind, record: id, latest: keyed.is_none() };
    Ok(Some(Parts { indexed, packed, theirs, own_key }))
}

fn is(header: &Header, name: &str) -> bool {
    header.name == name.as_bytes()
}

/// The text, which is the one before in most cases.
fn shared(last: &mut Arc<str>, text: &str) -> Arc<str> {
    if **last != *text {
        *last = text.into();
    }
    Arc::clone(last)
}

/// What [`headers::ENTRY`] says.
struct Packed<'a> {
    number: u64,
    enrolls: u64,
    advances: u64,
    held_at: Timestamp,
    pause_id: &'a str,
    source: (&'a str, i32, i64),
}

/// Reads what `pack` writes; what stands behind it is not looked at.
fn unpack(value: Option<&[u8]>) -> Result<Packed<'_>, String> {
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    let text = text.ok_or_else(|| format!("{} is no text", headers::ENTRY))?;
    let mut fields = Fields(Some(text));
    Ok(Packed {
        number: fields.next("the number of the entry", decimal::read)?,
        enrolls: fields.next("the number of enrolls", decimal::read)?,
        advances: fields.next("the number of advances", decimal::read)?,
        held_at: Timestamp(fields.next("the time at which it was held", decimal::read_signed)?),
        pause_id: fields.next("the pause id", |text| (!text.is_empty()).then_some(text))?,
        source: fields.next("the source", Source::parts)?,
    })
}

/// What is left of the fields; `None` behind the last.
struct Fields<'a>(Option<&'a str>);

impl<'a> Fields<'a> {
    fn next<T>(&mut self, name: &str, read: impl FnOnce(&'a str) -> Option<T>) -> Result<T, String> {
        let left = self.0.ok_or_else(|| format!("{} ends before {name}", headers::ENTRY))?;
        let (text, left) = cut(left, b' ').map_or((left, None), |(text, left)| (text, Some(left)));
        self.0 = left;
        read(text).ok_or_else(|| format!("{name} in {} is not as the gate writes it", headers::ENTRY))
    }
}

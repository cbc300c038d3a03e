//! An entry is written: a few allocations an event held.

use bytes::Bytes;

use super::super::decimal::Decimal;
use super::super::headers;
use super::keys::key;
use crate::broker::{Header, Record};
use crate::flow::Event;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// What an entry says of itself beside its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// Its number, from 1 on over all entries of the flow.
    pub number: u64,
    /// How many entries up to and with this one are enrolls.
    pub enrolls: u64,
    /// How many entries up to and with this one are advances.
    pub advances: u64,
    /// Whether a later entry of the same kind and record replaces it: held under `keep: latest`, and not while the
    /// flow was resuming.
    pub latest: bool,
    pub held_at: Timestamp,
    /// Has no space in it: nothing that [`crate::schema::state`] reads has.
    pub pause_id: &'a str,
}

/// An entry to be written; value and timestamp are the record's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub headers: Vec<Header>,
}

/// The entry that holds this event, which was read from `record`.
#[must_use]
pub fn write(event: &Event, record: &Record, mark: &Mark<'_>) -> Entry {
    let is_flow = record.key.as_deref() == Some(event.flow.as_str().as_bytes());
    let has_own_key = !is_flow && !mutant::is(Mutant::FlowIdTakenForTheKeyOfAHeldEvent);
    let mut headers = Vec::with_capacity(record.headers.len() + 1 + usize::from(has_own_key));
    headers.extend_from_slice(&record.headers);
    headers.push(Header::new(headers::ENTRY, pack(record, mark)));
    if has_own_key {
        headers.push(Header { name: Bytes::from_static(headers::KEY.as_bytes()), value: record.key.clone() });
    }
    let number = (!mark.latest).then_some(mark.number);
    Entry { key: key(event.kind, number, &event.record), headers }
}

/// The value of [`headers::ENTRY`]: without room to spare, else it would be allocated again to be shared.
fn pack(record: &Record, mark: &Mark<'_>) -> Vec<u8> {
    let mut texts: [Decimal; 6] = std::array::from_fn(|_| Decimal::new());
    let [number, enrolls, advances, held_at, partition, offset] = &mut texts;
    [
        number.write(mark.number + u64::from(mutant::is(Mutant::EntryHeaderSaysOneEntryTooMany))),
        b" ",
        enrolls.write(mark.enrolls + u64::from(mutant::is(Mutant::EntryHeaderSaysOneEnrollTooMany))),
        b" ",
        advances.write(mark.advances),
        b" ",
        held_at.write(mark.held_at.0),
        b" ",
        mark.pause_id.as_bytes(),
        b" ",
        record.topic.as_bytes(),
        b"/",
        partition.write(record.partition),
        b"/",
        offset.write(record.offset),
    ]
    .concat()
}

//! An entry is written: a few allocations an event held.

use bytes::Bytes;

use super::super::{decimal, headers};
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

/// The value of [`headers::ENTRY`].
fn pack(record: &Record, mark: &Mark<'_>) -> Vec<u8> {
    let numbers = [
        mark.number + u64::from(mutant::is(Mutant::EntryHeaderSaysOneEntryTooMany)),
        mark.enrolls + u64::from(mutant::is(Mutant::EntryHeaderSaysOneEnrollTooMany)),
        mark.advances,
    ];
    let (held_at, partition) = (mark.held_at.0, i64::from(record.partition));
    let of_numbers: usize = numbers.iter().map(|number| decimal::length(*number)).sum();
    let of_signed: usize = [held_at, partition, record.offset].into_iter().map(decimal::signed_length).sum();
    // Five spaces and two slashes.
    let length = of_numbers + of_signed + mark.pause_id.len() + record.topic.len() + 7;
    let mut text = Vec::with_capacity(length);
    for number in numbers {
        decimal::push(&mut text, number);
        text.push(b' ');
    }
    decimal::push_signed(&mut text, held_at);
    for (separator, part) in [(b' ', mark.pause_id), (b' ', &record.topic)] {
        text.push(separator);
        text.extend_from_slice(part.as_bytes());
    }
    for number in [partition, record.offset] {
        text.push(b'/');
        decimal::push_signed(&mut text, number);
    }
    // Without room to spare: else it would be allocated again to be shared.
    debug_assert_eq!((text.len(), text.capacity()), (length, length));
    text
}

//! The keys of entries.

use super::super::cut::cut;
use super::super::decimal::{self, Decimal};
use crate::flow::id::RecordIdRef;
use crate::flow::{Kind, RecordId};
use crate::mutant::{self, Mutant};

/// `<kind>:<number, empty for an entry that a later one replaces>:<record id>`. No two triples share a key.
#[must_use]
pub fn key(kind: Kind, number: Option<u64>, record_id: &RecordId) -> Vec<u8> {
    let kind = if mutant::is(Mutant::QueueKeyWithoutTheKind) { Kind::Enroll } else { kind };
    let id = match record_id.as_str().char_indices().nth(1) {
        Some((second, _)) if mutant::is(Mutant::QueueKeysCollide) => &record_id.as_str()[..second],
        Some(_) | None => record_id.as_str(),
    };
    let mut text = Decimal::new();
    let number: &[u8] = number.map_or(&[], |number| text.write(number));
    [kind.word().as_bytes(), b":", number, b":", id.as_bytes()].concat()
}

/// The keys whose replaceable entries a withdraw of this record takes out: tombstones for them are written before it.
#[must_use]
pub fn tombstones(record_id: &RecordId) -> [Vec<u8>; 2] {
    [key(Kind::Enroll, None, record_id), key(Kind::Advance, None, record_id)]
}

/// The parts of a key; `None` if it is not one that [`key`] makes.
#[must_use]
pub fn parse_key(key: &[u8]) -> Option<(Kind, Option<u64>, RecordId)> {
    let (kind, number, record_id) = split_key(key)?;
    Some((kind, number, RecordId::new(record_id).ok()?))
}

/// The same, with the record id where it stands.
pub(super) fn split_key(key: &[u8]) -> Option<(Kind, Option<u64>, &str)> {
    let text = std::str::from_utf8(key).ok()?;
    let (kind, rest) = cut(text, b':')?;
    let (number, record_id) = cut(rest, b':')?;
    let number = match number {
        "" => None,
        digits => Some(decimal::read(digits)?),
    };
    Some((Kind::from_word(kind)?, number, RecordIdRef::new(record_id.into()).is_ok().then_some(record_id)?))
}

//! A held event: the key and the headers of its entry in the queue topic. Value and timestamp are the event's own.
//!
//! The key decides what the broker's cleaner may remove: entries of equal keys replace each other, numbered ones are
//! unique. The headers say what lies before the entry, so that counts stay exact when the cleaner has been there.

use bytes::Bytes;
use thiserror::Error;

use super::headers::{self, Source};
use crate::broker::{Header, Record};
use crate::flow::{Kind, PauseId, RecordId};
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
    pub pause_id: &'a str,
}

/// An entry to be written; value and timestamp are the record's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Vec<u8>,
    pub headers: Vec<Header>,
}

/// The entry that holds this record.
#[must_use]
pub fn write(kind: Kind, record_id: &RecordId, record: &Record, mark: &Mark<'_>) -> Entry {
    let ours: [Header; OURS.len()] = [
        Header::new(headers::ENTRY, mark.number.to_string()),
        Header::new(headers::ENROLLS, mark.enrolls.to_string()),
        Header::new(headers::ADVANCES, mark.advances.to_string()),
        Header { name: Bytes::from_static(headers::KEY.as_bytes()), value: record.key.clone() },
        Header::new(headers::HELD_AT, mark.held_at.0.to_string()),
        Header::new(headers::PAUSE_ID, mark.pause_id.to_owned()),
        Header::new(headers::SOURCE, Source::of(record).to_string()),
    ];
    let number = (!mark.latest).then_some(mark.number);
    Entry { key: key(kind, number, record_id), headers: headers::appended(&record.headers, ours) }
}

/// The gate's headers of an entry, in their order, after all of the upstream's.
const OURS: [&str; 7] = [
    headers::ENTRY,
    headers::ENROLLS,
    headers::ADVANCES,
    headers::KEY,
    headers::HELD_AT,
    headers::PAUSE_ID,
    headers::SOURCE,
];

/// `<kind>:<number, empty for an entry that a later one replaces>:<record id>`. No two triples share a key.
#[must_use]
pub fn key(kind: Kind, number: Option<u64>, record_id: &RecordId) -> Vec<u8> {
    let number = number.map(|number| number.to_string()).unwrap_or_default();
    if mutant::is(Mutant::QueueKeyWithoutTheKind) {
        return format!("{}:{number}:{record_id}", Kind::Enroll.word()).into_bytes();
    }
    if mutant::is(Mutant::QueueKeysCollide) {
        let first: String = record_id.as_str().chars().take(1).collect();
        return format!("{}:{number}:{first}", kind.word()).into_bytes();
    }
    format!("{}:{number}:{record_id}", kind.word()).into_bytes()
}

/// The keys whose replaceable entries a withdraw of this record takes out: tombstones for them are written before it.
#[must_use]
pub fn tombstones(record_id: &RecordId) -> [Vec<u8>; 2] {
    [key(Kind::Enroll, None, record_id), key(Kind::Advance, None, record_id)]
}

/// The parts of a key; `None` if it is not one that [`key`] makes.
#[must_use]
pub fn parse_key(key: &[u8]) -> Option<(Kind, Option<u64>, RecordId)> {
    let text = std::str::from_utf8(key).ok()?;
    let (kind, rest) = text.split_once(':')?;
    let (number, record_id) = rest.split_once(':')?;
    let number = match number {
        "" => None,
        digits => Some(decimal(digits)?),
    };
    Some((Kind::from_word(kind)?, number, RecordId::new(record_id).ok()?))
}

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
    pub headers: Vec<Header>,
    pub held_at: Timestamp,
    pub pause_id: PauseId,
    /// Where the event stands in the enrollments.
    pub source: Source,
}

/// Something in a queue topic that the gate did not write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at} is no queue entry: {detail}")]
pub struct Foreign {
    /// Where it stands in the queue topic.
    pub at: Source,
    pub detail: String,
}

/// Reads an entry; `None` is a tombstone.
///
/// # Errors
/// [`Foreign`] if the gate did not write it.
pub fn read(record: &Record) -> Result<Option<Held>, Foreign> {
    let foreign = |detail: String| Foreign { at: Source::of(record), detail };
    let key = record.key.as_deref().unwrap_or_default();
    let Some((kind, keyed, record_id)) = parse_key(key) else {
        return Err(foreign("its key is not <kind>:<number>:<record id>".to_owned()));
    };
    if record.value.is_none() {
        return Ok(None);
    }
    let Some(first) = record.headers.len().checked_sub(OURS.len()) else {
        return Err(foreign(format!("it has {} headers, an entry at least {}", record.headers.len(), OURS.len())));
    };
    let (theirs, ours) = record.headers.split_at(first);
    if let Some((header, name)) = ours.iter().zip(OURS).find(|(header, name)| header.name != name.as_bytes()) {
        return Err(foreign(format!("{} stands where {name} belongs", String::from_utf8_lossy(&header.name))));
    }
    let text = |index: usize| ours[index].value.as_deref().and_then(|value| std::str::from_utf8(value).ok());
    let number = |index: usize| {
        let read = text(index).and_then(decimal);
        read.ok_or_else(|| foreign(format!("{} is no number", OURS[index])))
    };
    let entry = number(0)?;
    if keyed.is_some_and(|keyed| keyed != entry) {
        return Err(foreign(format!("its key does not have the number of its {}", headers::ENTRY)));
    }
    let held_at = text(4).and_then(|text| text.parse().ok());
    let source = text(6).and_then(Source::parse);
    Ok(Some(Held {
        kind,
        record_id,
        latest: keyed.is_none(),
        number: entry,
        enrolls: number(1)?,
        advances: number(2)?,
        key: ours[3].value.clone(),
        headers: theirs.to_vec(),
        held_at: Timestamp(held_at.ok_or_else(|| foreign(format!("{} is no time", headers::HELD_AT)))?),
        pause_id: text(5).ok_or_else(|| foreign(format!("{} is no text", headers::PAUSE_ID)))?.to_owned(),
        source: source.ok_or_else(|| foreign(format!("{} is no source", headers::SOURCE)))?,
    }))
}

/// Digits as the gate writes them: no sign, no leading zero. Anything else would give one number two keys.
fn decimal(digits: &str) -> Option<u64> {
    digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(key: Option<&'static [u8]>, headers: Vec<Header>) -> Record {
        Record {
            topic: "flow.enrollments".into(),
            partition: 3,
            offset: 41,
            timestamp: Timestamp(7),
            key: key.map(Bytes::from_static),
            value: Some(Bytes::from_static(b"{}")),
            headers,
        }
    }

    fn stored(entry: Entry, value: Option<&'static [u8]>) -> Record {
        Record {
            key: Some(entry.key.into()),
            headers: entry.headers,
            value: value.map(Bytes::from_static),
            ..record(None, Vec::new())
        }
    }

    const MARK: Mark<'_> =
        Mark { number: 12, enrolls: 7, advances: 4, latest: true, held_at: Timestamp(99), pause_id: "p-1" };

    fn id(text: &str) -> RecordId {
        RecordId::new(text).unwrap()
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        // An upstream may forge every header of ours: they come before ours and are its own.
        let forged = write(Kind::Enroll, &id("x"), &record(None, Vec::new()), &Mark { number: 1, ..MARK }).headers;
        for (key, latest) in [(None, true), (Some(&b""[..]), false), (Some(b"k"), true)] {
            let original = record(key, forged.clone());
            let mark = Mark { latest, ..MARK };
            let held = read(&stored(write(Kind::Advance, &id("a:b"), &original, &mark), Some(b"{}"))).unwrap().unwrap();
            let expected = Held {
                kind: Kind::Advance,
                record_id: id("a:b"),
                latest,
                number: 12,
                enrolls: 7,
                advances: 4,
                key: original.key.clone(),
                headers: forged.clone(),
                held_at: Timestamp(99),
                pause_id: "p-1".to_owned(),
                source: Source::of(&original),
            };
            assert_eq!(held, expected);
        }
    }

    #[test]
    fn keys_and_tombstones_are_written_as_documented() {
        assert_eq!(key(Kind::Enroll, None, &id("r:1")), b"enroll::r:1");
        assert_eq!(key(Kind::Withdraw, Some(18), &id("r")), b"withdraw:18:r");
        assert_eq!(tombstones(&id("r")), [b"enroll::r".to_vec(), b"advance::r".to_vec()]);
        let tombstone = Entry { key: b"enroll::r".to_vec(), headers: Vec::new() };
        assert_eq!(read(&stored(tombstone, None)), Ok(None));
    }

    #[test]
    fn what_the_gate_did_not_write_is_foreign() {
        let good = write(Kind::Enroll, &id("r"), &record(None, Vec::new()), &Mark { latest: false, ..MARK });
        assert!(read(&stored(good.clone(), Some(b"{}"))).is_ok());
        for key in ["", "enroll", "enroll:r", "leave::r", "enroll::", "enroll:012:r", "enroll:+12:r", "enroll:13:r"] {
            let entry = Entry { key: key.into(), ..good.clone() };
            assert!(read(&stored(entry, Some(b"{}"))).is_err(), "{key}");
        }
        for (index, name) in OURS.iter().enumerate() {
            let mut missing = good.clone();
            missing.headers.remove(index);
            assert!(read(&stored(missing, Some(b"{}"))).is_err(), "without {name}");
            let mut broken = good.clone();
            broken.headers[index].value = Some(Bytes::from_static(b"\xff"));
            let read = read(&stored(broken, Some(b"{}")));
            assert_eq!(read.is_ok(), *name == headers::KEY, "broken {name}");
        }
    }

    proptest! {
        #[test]
        fn keys_are_read_back_whole(kind in 0..3_usize, number: Option<u64>, text in ".{1,60}") {
            let triple = (Kind::ALL[kind], number, id(&text));
            let key = key(triple.0, triple.1, &triple.2);
            // Reading back every part of it is what makes it injective.
            prop_assert_eq!(parse_key(&key), Some(triple));
        }
    }
}

//! The headers that the gate adds to records.
//!
//! They are appended after the upstream's, which are all kept: an upstream header of such a name is never believed, the
//! last one of a name is the gate's. Values are text (numbers in decimal), except that [`KEY`] is the key itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::cut::cut;
use super::{Reason, decimal};
use crate::broker::{Header, Record};
use crate::flow::{Cause, LineReason};
use crate::time::Timestamp;

/// Of a released record: why it was released, a word of [`Released`].
pub const RELEASE: &str = "flowgate-release";
/// Of a released record: the pause that held it.
pub const PAUSE_ID: &str = "flowgate-pause-id";
/// Of a released record: for how many milliseconds it was held.
pub const HELD_MS: &str = "flowgate-held-ms";
/// Of a dead letter: a word of [`Reason`]; of a discarded record: a word of [`Discarded`].
pub const REASON: &str = "flowgate-reason";
/// Of a dead letter or discarded record: the reason as a sentence that names the field, or the command.
pub const DETAIL: &str = "flowgate-detail";
/// Where a dead or discarded record was read: a [`Source`].
pub const SOURCE: &str = "flowgate-source";
/// The record's original timestamp, in milliseconds since 1970 as Kafka has it (any 64-bit number, -1 for none): RFC
/// 3339 could not write every one that upstreams send. On dead letters and discarded records, whose topics have the
/// broker's time, and where the gate had to replace a timestamp that retention would not survive.
pub const TIMESTAMP: &str = "flowgate-timestamp";
/// Of a queue entry: what the gate has to know of it, packed as [`super::entry`] says.
pub const ENTRY: &str = "flowgate-entry";
/// Of a queue entry whose event does not have its flow id for a key: the event's own key; a header without value is an
/// event without key.
pub const KEY: &str = "flowgate-key";

/// Of an event that was a letter before: which, as a [`Source`].
pub const REDRIVE: &str = "flowgate-redrive";

/// Every name, for documents and checks.
pub const ALL: [&str; 10] = [RELEASE, PAUSE_ID, HELD_MS, REASON, DETAIL, SOURCE, TIMESTAMP, ENTRY, KEY, REDRIVE];

/// Why a held record was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Released {
    Resume,
    Timer,
    Sample,
}

impl Released {
    pub const ALL: [Self; 3] = [Self::Resume, Self::Timer, Self::Sample];

    /// The word in [`RELEASE`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Resume => "resume",
            Self::Timer => "timer",
            Self::Sample => "sample",
        }
    }
}

impl From<Cause> for Released {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Resume => Self::Resume,
            Cause::Timer => Self::Timer,
        }
    }
}

/// Why a record was not delivered on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discarded {
    /// A new record during a pause with `new_records: discard`.
    TurnedAway,
    /// Held when a `resume` with `release: none` came.
    ReleaseNone,
    /// Held when a `purge` came.
    Purge,
    /// Held for longer than the resume's `max_age_seconds`.
    MaxAge,
    /// Held when the deadline of a pause with `on_expiry: discard` passed.
    Expired,
}

impl Discarded {
    pub const ALL: [Self; 5] = [Self::TurnedAway, Self::ReleaseNone, Self::Purge, Self::MaxAge, Self::Expired];

    /// The word in [`REASON`].
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TurnedAway => "turned_away",
            Self::ReleaseNone => "release_none",
            Self::Purge => "purge",
            Self::MaxAge => "max_age",
            Self::Expired => "expired",
        }
    }
}

impl From<LineReason> for Discarded {
    fn from(reason: LineReason) -> Self {
        match reason {
            LineReason::ReleaseNone => Self::ReleaseNone,
            LineReason::Expired => Self::Expired,
        }
    }
}

/// Where a record was read: `topic/partition/offset` in text (a topic name has no slash).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl Source {
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self { topic: Arc::clone(&record.topic), partition: record.partition, offset: record.offset }
    }

    /// Reads the text of a [`SOURCE`] header; `None` if it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (topic, partition, offset) = Self::parts(text)?;
        Some(Self { topic: topic.into(), partition, offset })
    }

    /// Topic, partition and offset in the text of a source.
    pub(super) fn parts(text: &str) -> Option<(&str, i32, i64)> {
        let (topic, place) = cut(text, b'/')?;
        let (partition, offset) = cut(place, b'/')?;
        let (partition, offset) = (decimal::read(partition)?, decimal::read(offset)?);
        (!topic.is_empty()).then_some((topic, partition.try_into().ok()?, offset.try_into().ok()?))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// Makes the headers of released records. Most that are released one after the other were held by the same pause in the same
/// millisecond: what they say of that is there once.
#[derive(Clone, Debug, Default)]
pub struct Releases {
    /// Of the record before.
    pause_id: Bytes,
    /// Of the record before, with its text.
    held_ms: Option<(u128, Bytes)>,
}

impl Releases {
    /// The headers of a released record: its original ones, then [`RELEASE`], [`PAUSE_ID`], [`HELD_MS`].
    #[must_use]
    pub fn headers(&mut self, original: &[Header], release: Released, pause_id: &str, held: Duration) -> Vec<Header> {
        if self.pause_id != pause_id.as_bytes() {
            self.pause_id = Bytes::copy_from_slice(pause_id.as_bytes());
        }
        let millis = held.as_millis();
        let held_ms = match &self.held_ms {
            Some((before, text)) if *before == millis => text.clone(),
            _ => self.held_ms.insert((millis, millis.to_string().into())).1.clone(),
        };
        let ours = [
            Header::new(RELEASE, release.word()),
            Header::new(PAUSE_ID, self.pause_id.clone()),
            Header::new(HELD_MS, held_ms),
        ];
        appended(original, ours)
    }
}

/// The headers of a dead letter: the record's, then [`REASON`], [`DETAIL`], [`SOURCE`], [`TIMESTAMP`].
#[must_use]
pub fn dead_letter(record: &Record, reason: Reason, detail: &str) -> Vec<Header> {
    set_aside(&record.headers, reason.word(), detail, &Source::of(record), record.timestamp)
}

/// The headers of a discarded record: its original ones, then [`REASON`], [`DETAIL`], [`SOURCE`], [`TIMESTAMP`].
///
/// `source` and `timestamp` are those of the event in the enrollments, not of its entry in a queue topic.
#[must_use]
pub fn discarded(
    original: &[Header],
    reason: Discarded,
    detail: &str,
    source: &Source,
    timestamp: Timestamp,
) -> Vec<Header> {
    set_aside(original, reason.word(), detail, source, timestamp)
}

/// The own headers of a dead letter or discarded record: all but the ones that [`dead_letter`] and [`discarded`] add, and what a
/// later version adds behind them.
#[must_use]
pub fn without_set_aside(headers: &[Header]) -> &[Header] {
    let ours = [REASON, DETAIL, SOURCE, TIMESTAMP];
    let is_ours = |some: &[Header]| some.iter().zip(ours).all(|(header, name)| header.name == name.as_bytes());
    // The last ones of these names are the gate's.
    let own = headers.windows(ours.len()).rposition(is_ours);
    own.and_then(|own| headers.get(..own)).unwrap_or(headers)
}

/// The original timestamp of a record that is written with another one.
#[must_use]
pub fn timestamp(original: Timestamp) -> Header {
    Header::new(TIMESTAMP, original.0.to_string())
}

fn set_aside(original: &[Header], reason: &'static str, detail: &str, source: &Source, time: Timestamp) -> Vec<Header> {
    let ours = [
        Header::new(REASON, reason),
        Header::new(DETAIL, detail.to_owned()),
        Header::new(SOURCE, source.to_string()),
        timestamp(time),
    ];
    appended(original, ours)
}

fn appended<const N: usize>(original: &[Header], ours: [Header; N]) -> Vec<Header> {
    let mut headers = Vec::with_capacity(original.len() + N);
    headers.extend_from_slice(original);
    headers.extend(ours);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_its_own_text_and_nothing_else() {
        let source = Source { topic: "flow.enrollments".into(), partition: 5, offset: 1 << 40 };
        assert_eq!(Source::parse(&source.to_string()), Some(source));
        for text in ["", "t", "t/1", "/1/2", "t/x/2", "t/1/2/3", "t/1/", "t/01/2", "t/1/-2", "t/1/+2"] {
            assert_eq!(Source::parse(text), None, "{text}");
        }
    }

    #[test]
    fn upstreams_headers_stay_in_front_and_the_last_of_a_name_is_ours() {
        let theirs = vec![Header::new(REASON, "forged"), Header { name: REASON.into(), value: None }];
        let record = Record {
            topic: "t".into(),
            partition: 1,
            offset: 2,
            timestamp: Timestamp(-1),
            key: None,
            value: None,
            headers: theirs.clone(),
        };
        let headers = dead_letter(&record, Reason::NullValue, "the value is null");
        assert_eq!(headers[..2], theirs);
        let record = Record { headers, ..record };
        let last = |name| record.last_header(name).unwrap().value.clone().unwrap();
        assert_eq!(last(REASON), "null_value");
        assert_eq!(last(DETAIL), "the value is null");
        assert_eq!(last(SOURCE), "t/1/2");
        assert_eq!(last(TIMESTAMP), "-1");
    }
}

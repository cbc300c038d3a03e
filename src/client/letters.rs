//! Letters: what was not delivered, as the topics of dead letters and of discarded events have it.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::broker::{Header, Record, size};
use crate::flow::{FlowId, RecordId};
use crate::schema::headers::{self, Source};
use crate::schema::{self, topics::Topics};
use crate::time::Timestamp;

/// Which of the two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What could not be understood, or not be stored.
    Dead,
    /// What was not delivered on purpose.
    Discarded,
}

impl Kind {
    #[must_use]
    pub fn topic(self, topics: &Topics) -> &str {
        match self {
            Self::Dead => &topics.dead_letters,
            Self::Discarded => &topics.discarded,
        }
    }

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    /// The words that [`Letter::reason`] may have.
    #[must_use]
    pub fn reasons(self) -> Vec<&'static str> {
        match self {
            Self::Dead => schema::Reason::ALL.map(schema::Reason::word).into(),
            Self::Discarded => headers::Discarded::ALL.map(headers::Discarded::word).into(),
        }
    }
}

/// Where a letter stands in its topic; as text `3/58`, partition and offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl FromStr for Item {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let read = |(partition, offset): (&str, &str)| {
            let item = Self { partition: partition.parse().ok()?, offset: offset.parse().ok()? };
            (item.partition >= 0 && item.offset >= 0).then_some(item)
        };
        let why = || format!("`{text}` is no letter; write partition and offset, such as `3/58`");
        text.split_once('/').and_then(read).ok_or_else(why)
    }
}

/// A record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where it stands.
    pub at: Source,
    /// When it was set aside, by the broker.
    pub set_aside_at: Timestamp,
    /// A word of [`schema::Reason`] or [`headers::Discarded`]; empty if the gate did not write it.
    pub reason: String,
    pub detail: String,
    /// Where the record was read: in the enrollments, or the control topic.
    pub source: Option<Source>,
    /// The record's own time, in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// The flow that it names, as far as it can be read; else its key, if that could be a flow id.
    pub flow: Option<FlowId>,
    pub record_id: Option<RecordId>,
    pub key: Option<Bytes>,
    /// `None`: it had none, or it was too large to be kept: see `reason`.
    pub value: Option<Bytes>,
    /// Its own ones.
    pub headers: Vec<Header>,
}

impl Letter {
    /// Bytes of key, value and headers.
    #[must_use]
    pub fn size(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }

    #[must_use]
    pub fn item(&self) -> Item {
        Item { partition: self.at.partition, offset: self.at.offset }
    }

    /// Whether this purge, or this resume, is why. A detail may quote other things: a pause that turns records away, an option.
    fn is_by(&self, command: &str) -> bool {
        ["purge", "resume"].iter().any(|action| self.detail.contains(&format!("{action} `{command}`")))
    }

    #[must_use]
    pub fn read(record: &Record) -> Self {
        let text = |name| {
            let value = record.last_header(name).and_then(|header| header.value.as_deref());
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let (flow, record_id) = match schema::event::read(record.value.as_deref()) {
            Ok(event) => (Some(event.flow), Some(event.record)),
            Err(unreadable) => (unreadable.flow, None),
        };
        let key = || FlowId::new(std::str::from_utf8(record.key.as_deref()?).ok()?).ok();
        Self {
            at: Source::of(record),
            set_aside_at: record.timestamp,
            reason: text(headers::REASON).unwrap_or_default(),
            detail: text(headers::DETAIL).unwrap_or_default(),
            source: text(headers::SOURCE).and_then(|text| Source::parse(&text)),
            timestamp: text(headers::TIMESTAMP).and_then(|text| text.parse().ok()),
            flow: flow.or_else(key),
            record_id,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: headers::without_set_aside(&record.headers).to_vec(),
        }
    }
}

/// Which letters.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub flow: Option<FlowId>,
    pub reason: Option<String>,
    /// Named by the detail: the purge, or the resume, that discarded it.
    pub command: Option<String>,
}

impl Wanted {
    /// The record as a letter, if it is one of these.
    #[must_use]
    pub fn pick(&self, record: &Record) -> Option<Letter> {
        Some(Letter::read(record)).filter(|letter| self.fits(letter))
    }

    fn fits(&self, letter: &Letter) -> bool {
        self.flow.as_ref().is_none_or(|flow| letter.flow.as_ref() == Some(flow))
            && self.reason.as_ref().is_none_or(|reason| *reason == letter.reason)
            && self.command.as_ref().is_none_or(|command| letter.is_by(command))
    }
}

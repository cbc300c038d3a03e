//! A record that a turn writes: where it goes, and what it is made from.

use bytes::Bytes;

use crate::broker::{Header, Record};
use crate::flow::FlowId;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// A record to be written.
pub struct Write {
    pub to: To,
    pub partition: i32,
    pub timestamp: Option<Timestamp>,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<Header>,
    pub origin: Origin,
}

impl Write {
    /// As [`Record::size`].
    pub fn size(&self) -> usize {
        let length = |part: &Option<Bytes>| part.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|header| header.name.len() + length(&header.value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}

/// What stays of a record that was sent.
pub struct Sent {
    pub to: To,
    pub origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum To {
    Records,
    Discarded,
    DeadLetters,
    Enrollments,
    State,
    Audit,
    /// The queue topic of this flow of this partition, whatever number it will have.
    Queue(i32, FlowId),
}

/// The names of the topics, as many times as they are needed.
pub fn name_of<'a>(to: &'a To, topics: &'a Topics) -> Option<&'a str> {
    Some(match to {
        To::Records => &topics.records,
        To::Discarded => &topics.discarded,
        To::DeadLetters => &topics.dead_letters,
        To::Enrollments => &topics.enrollments,
        To::State => &topics.state,
        To::Audit => &topics.audit,
        To::Queue(..) => return None,
    })
}

/// Where a record of a turn comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Event {
        partition: i32,
        offset: i64,
    },
    Entry {
        partition: i32,
        flow: FlowId,
        number: u64,
    },
    /// The dead letter of a command that cannot be read, at this offset.
    Command {
        offset: i64,
    },
    /// State, audit: made by the gate.
    Own,
}

impl Origin {
    pub fn of(record: &Record) -> Self {
        Self::Event { partition: record.partition, offset: record.offset }
    }
}

//! Records as they come from the broker and as they go there: bytes, never interpreted here.

use std::sync::Arc;

use bytes::Bytes;

use super::topic::Topic;
use crate::time::Timestamp;

/// A record read from a partition. Cloning it shares its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    /// The record's own time, or the broker's time of appending if the topic is `LogAppendTime`.
    pub timestamp: Timestamp,
    /// `None` is a null key, `Some` of no bytes an empty one: Kafka tells them apart, and so do we.
    pub key: Option<Bytes>,
    /// `None` is a null value: a tombstone in a compacted topic.
    pub value: Option<Bytes>,
    /// In the order in which they were written; names may repeat.
    pub headers: Vec<Header>,
}

impl Record {
    /// The last header of a name: where the gate adds its own, the last one is the gate's.
    #[must_use]
    pub fn last_header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().rev().find(|header| header.name == name.as_bytes())
    }

    /// Bytes of key, value and headers.
    #[must_use]
    pub fn size(&self) -> usize {
        size(self.key.as_ref(), self.value.as_ref(), &self.headers)
    }
}

/// Bytes of a key, a value and headers.
#[must_use]
pub fn size(key: Option<&Bytes>, value: Option<&Bytes>, headers: &[Header]) -> usize {
    let length = |part: Option<&Bytes>| part.map_or(0, Bytes::len);
    let headers: usize = headers.iter().map(|header| header.name.len() + length(header.value.as_ref())).sum();
    length(key) + length(value) + headers
}

/// Bytes of keys, values and headers of all of these.
#[must_use]
pub fn sizes(records: &[Record]) -> usize {
    records.iter().map(Record::size).sum()
}

/// A record header. The name is bytes: Kafka says UTF-8, clients send what they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Bytes,
    pub value: Option<Bytes>,
}

impl Header {
    #[must_use]
    pub fn new(name: &'static str, value: impl Into<Bytes>) -> Self {
        Self { name: Bytes::from_static(name.as_bytes()), value: Some(value.into()) }
    }
}

/// A record to be written by a transaction.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    pub topic: Topic,
    /// Always named: partitioners differ between clients.
    pub partition: i32,
    /// `None`: the time of sending.
    pub timestamp: Option<Timestamp>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
}

//! The checker's input: records as they lie in the topics.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// A record of any topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// In the order in which they were written; names may repeat.
    pub headers: Vec<Header>,
}

/// A header's name and value.
pub type Header = (Vec<u8>, Option<Vec<u8>>);

/// Everything in the topics of one prefix, each read with `read_committed` from its low offset to its end, in offset
/// order per partition (how partitions are interleaved does not matter).
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub enrollments: Vec<Record>,
    pub control: Vec<Record>,
    pub records: Vec<Record>,
    pub discarded: Vec<Record>,
    pub dead_letters: Vec<Record>,
    pub audit: Vec<Record>,
    pub state: Vec<Record>,
    /// How many partitions the enrollments have: homes depend on it.
    pub enrollment_partitions: i32,
    /// What is left in queue topics, by topic. Empty: not looked at, and what is held is taken to be there.
    pub queues: BTreeMap<String, Vec<Record>>,
    /// By flow: the highest number of an entry that somebody, not the gate, deleted from its queue topics. Absent: nothing.
    pub deleted: BTreeMap<String, u64>,
    /// `flow` unless configured.
    pub prefix: String,
    /// Where some topic that the gate writes takes less than the others: a record below this size, in bytes, is never
    /// refused for it. `None`: 64 KiB.
    pub never_too_large: Option<usize>,
}

impl Record {
    /// The last header of a name as text: where the gate adds its own, the last one is the gate's.
    pub(crate) fn last_header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(known, _)| known == name.as_bytes())?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// The hash of key, value and headers but for the last `stripped` ones.
    pub(crate) fn content(&self, stripped: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.key, &self.value, &self.headers[..self.headers.len() - stripped]).hash(&mut hasher);
        hasher.finish()
    }

    /// Whether key, value and headers are those of `original`, with `added` headers behind them.
    pub(crate) fn is(&self, original: &Self, added: usize) -> bool {
        self.key == original.key
            && self.value == original.value
            && self.headers.len().checked_sub(added).is_some_and(|own| self.headers[..own] == original.headers)
    }

    /// Bytes of key, value and headers.
    pub(crate) fn size(&self) -> usize {
        let length = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + length(value)).sum();
        length(&self.key) + length(&self.value) + headers
    }
}

//! Everything the broker knows, behind one lock; its parts are in the files beside this one.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Bytes, BytesMut};

use super::coordinator::{Coordinator, ProducerId};
use super::group::Group;
use super::group_member::MemberId;
use super::latency::Pace;
use super::log::Entry;
use super::size;
use super::stray::Stray;
use super::topic::{TopicId, Topics};
use crate::broker::{Action, Code, Compression, Error, Header, Result, Stored};
use crate::time::Timestamp;

pub(super) struct State {
    pub now: Timestamp,
    pub topics: Topics,
    pub coordinator: Coordinator,
    pub groups: BTreeMap<String, Group>,
    /// How many members there have ever been; the newest one's id.
    pub members: MemberId,
    /// For each reader the partitions in which there may be something new for it.
    pub ready: BTreeMap<u64, BTreeSet<(TopicId, i32)>>,
    /// Numbers readers and producers.
    pub clients: u64,
    /// What will arrive when the driver says so.
    pub strays: Vec<Stray>,
    pub pace: Pace,
    /// The broker's own settings, as far as somebody looks at them; it obeys none.
    pub settings: BTreeMap<String, String>,
}

/// A record on its way in.
pub(super) struct Incoming<'a> {
    pub topic: TopicId,
    pub partition: i32,
    pub timestamp: Option<Timestamp>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [Header],
    pub compression: Compression,
    /// What lies in front of it in its batch, in bytes.
    pub behind: usize,
}

impl State {
    pub fn new(now: Timestamp) -> Self {
        let (topics, coordinator, groups, ready, strays, pace) = Default::default();
        let settings = [("offsets.retention.minutes", "10080")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { now, topics, coordinator, groups, members: 0, ready, clients: 0, strays, pace, settings }
    }

    pub fn next_client(&mut self) -> u64 {
        self.clients += 1;
        self.clients
    }

    /// Lets time pass: what falls due happens at its own time, in order.
    pub fn advance_to(&mut self, time: Timestamp) {
        loop {
            let due = [self.next_transaction_deadline(), self.next_member_deadline()];
            let Some(due) = due.into_iter().flatten().min().filter(|&due| due <= time) else { break };
            self.now = self.now.max(due);
            self.abort_overdue();
            self.expel_overdue();
        }
        self.now = self.now.max(time);
    }

    /// Stores a record, in `producer`'s transaction or outside of any.
    pub fn append(&mut self, record: &Incoming<'_>, producer: Option<ProducerId>) -> Result<Stored> {
        let transaction = producer.map_or(Ok(0), |producer| self.transaction_number(producer))?;
        let gone = || Error::new(Action::Abort, Code::UnknownTopic, "the topic was deleted");
        let now = self.now;
        let topic = self.topics.get_mut(record.topic).ok_or_else(gone)?;
        let refused = |code, detail: String| Err(Error::new(Action::Abort, code, detail));
        let timestamp = topic.policy.timestamp(record.timestamp, now)?;
        if record.key.is_none() && topic.policy.compact {
            return refused(Code::InvalidRecord, format!("{} is compacted: a null key is refused", topic.name));
        }
        let limit = topic.policy.max_message;
        if record.behind + size::plain(record.key, record.value, record.headers) > limit {
            let size = record.behind + size::stored(record.compression, record.key, record.value, record.headers);
            if size > limit {
                let detail = format!("a batch of {size} bytes is more than the {limit} of {}", topic.name);
                return refused(Code::TooLarge, detail);
            }
        }
        let log = topic.log_mut(record.partition).map_err(|error| Error { action: Action::Abort, ..error })?;
        let (key, value) = store(record.key, record.value);
        let headers = record.headers.into();
        let offset = log.append(Entry { offset: 0, timestamp, key, value, headers, transaction, aborted: false });
        if let Some(producer) = producer {
            self.note_record(producer, (record.topic, record.partition), offset)?;
        }
        self.touch(record.topic, record.partition);
        Ok(Stored { offset, timestamp })
    }

    /// Something changed in a partition: wakes the readers that had come to its end.
    pub fn touch(&mut self, topic: TopicId, partition: i32) {
        let log = self.topics.get_mut(topic).and_then(|topic| topic.log_mut(partition).ok());
        if let Some(log) = log.filter(|log| log.quiet) {
            log.quiet = false;
            for reader in &log.watchers {
                if let Some(ready) = self.ready.get_mut(reader) {
                    ready.insert((topic, partition));
                }
            }
        }
    }
}

/// One copy of key and value, in one allocation.
fn store(key: Option<&[u8]>, value: Option<&[u8]>) -> (Option<Bytes>, Option<Bytes>) {
    let length = key.map_or(0, <[u8]>::len);
    let mut both = BytesMut::with_capacity(length + value.map_or(0, <[u8]>::len));
    both.extend_from_slice(key.unwrap_or_default());
    both.extend_from_slice(value.unwrap_or_default());
    let both = both.freeze();
    (key.map(|_| both.slice(..length)), value.map(|_| both.slice(length..)))
}

//! The partitions that a consumer fetches, and what each of its events means for them.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::errors::{self, plain};
use super::mask::words;
use super::native::RespErr::*;
use super::native::{ErrorEvent, Message};
use crate::broker::{Action, Code, Error, Record, Result};

#[derive(Default)]
pub(super) struct Fetches {
    /// By name.
    topics: HashMap<Box<[u8]>, Topic, RandomState>,
    /// Positions that librdkafka gave up on, to be looked at with the next poll.
    astray: Vec<(Arc<str>, i32)>,
}

/// A topic of which something is fetched.
struct Topic {
    name: Arc<str>,
    partitions: HashMap<i32, Fetch, RandomState>,
}

/// A partition being fetched.
pub(super) struct Fetch {
    /// The offset of the next record to deliver. What comes below it was read before a seek.
    pub next: i64,
    pub paused: bool,
    /// librdkafka stopped fetching it over an error: a seek does not start it again.
    pub stopped: bool,
}

impl Fetches {
    pub fn get(&self, topic: &str, partition: i32) -> Option<&Fetch> {
        self.topics.get(topic.as_bytes())?.partitions.get(&partition)
    }

    pub fn get_mut(&mut self, topic: &str, partition: i32) -> Option<&mut Fetch> {
        self.topics.get_mut(topic.as_bytes())?.partitions.get_mut(&partition)
    }

    /// Whether a partition is fetched at this moment, and a seek is enough to read it from elsewhere.
    pub fn is_running(&self, topic: &str, partition: i32) -> bool {
        self.get(topic, partition).is_some_and(|fetch| !fetch.paused && !fetch.stopped)
    }

    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.get(topic, partition)?.next)
    }

    /// How many topics something is fetched of.
    pub fn topics(&self) -> usize {
        self.topics.len()
    }

    /// Every partition, with its position.
    pub fn places(&self) -> impl Iterator<Item = (Arc<str>, i32, i64)> {
        self.topics.values().flat_map(|Topic { name, partitions }| {
            partitions.iter().map(|(partition, fetch)| (Arc::clone(name), *partition, fetch.next))
        })
    }

    pub fn insert(&mut self, topic: &str, partition: i32, offset: i64) {
        let fetch = Fetch { next: offset, paused: false, stopped: false };
        if let Some(topic) = self.topics.get_mut(topic.as_bytes()) {
            topic.partitions.insert(partition, fetch);
            return;
        }
        let mut fetched = Topic { name: topic.into(), partitions: HashMap::default() };
        fetched.partitions.insert(partition, fetch);
        self.topics.insert(topic.as_bytes().into(), fetched);
    }

    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(fetched) = self.topics.get_mut(topic.as_bytes()) {
            fetched.partitions.remove(&partition);
            if fetched.partitions.is_empty() {
                self.topics.remove(topic.as_bytes());
            }
        }
    }

    /// The record of a message, unless it was read before a seek or a pause, or comes again: librdkafka may fetch again what a
    /// batch has brought, if it is told to pause meanwhile.
    pub fn accept(&mut self, message: &Message<'_>) -> Option<Record> {
        let Topic { name, partitions } = self.topics.get_mut(message.topic())?;
        let fetch = partitions.get_mut(&message.partition())?;
        if fetch.paused || message.offset() < fetch.next {
            return None;
        }
        fetch.next = message.offset() + 1;
        Some(message.record(Arc::clone(name)))
    }

    /// An error that came up while polling. What only passes by is an error of the call if it has nothing else to say.
    pub fn heed(&mut self, error: &ErrorEvent, read: usize) -> Result<()> {
        if let Some((topic, partition, offset)) = &error.at
            && let Some(Topic { name, partitions }) = self.topics.get_mut(topic.as_bytes())
        {
            match (error.code, partitions.get_mut(partition)) {
                // Everything below was delivered or is not for us: gaps at the end are passed here.
                (RD_KAFKA_RESP_ERR__PARTITION_EOF, Some(fetch)) => {
                    if !fetch.paused {
                        fetch.next = fetch.next.max(*offset);
                    }
                    return Ok(());
                }
                (RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, Some(fetch)) => {
                    fetch.stopped = true;
                    self.astray.push((Arc::clone(name), *partition));
                    return Ok(());
                }
                _ => {}
            }
        }
        match error.code {
            RD_KAFKA_RESP_ERR__PARTITION_EOF | RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET => Ok(()),
            // The rebalance that follows says the rest.
            RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED => Ok(()),
            RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT => Err(errors::invalid(
                "`session_timeout`: the brokers refuse it: make it no shorter than their `group.min.session.timeout.ms` and \
                 no longer than their `group.max.session.timeout.ms`",
            )),
            _ if error.fatal => Err(Error::new(Action::Rebuild, errors::code(error.code), words(&error.reason))),
            _ if read > 0 => Ok(()),
            // Of the client as a whole: a login that was refused for good is told elsewhere, the rest passes.
            _ if error.at.is_none() && errors::code(error.code) == Code::Authentication => {
                Err(Error::new(Action::Retry, Code::Other, words(&error.reason)))
            }
            _ => Err(plain(error.code, &words(&error.reason))),
        }
    }

    /// Whether there is a position to be looked at.
    pub fn has_astray(&self) -> bool {
        !self.astray.is_empty()
    }

    pub fn last_astray(&self) -> Option<(Arc<str>, i32)> {
        self.astray.last().cloned()
    }

    /// Drops the last one, which was looked at.
    pub fn drop_astray(&mut self) {
        self.astray.pop();
    }
}

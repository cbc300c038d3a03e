//! Requests outside of any transaction, through librdkafka's admin API.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::bindings as sys;
use rdkafka::types::RDKafkaType;
use sys::rd_kafka_admin_op_t::*;
use sys::rd_kafka_resp_err_t::*;

use super::REQUEST;
use super::errors::{RespErr, invalid, plain, text};
use super::event::NativeEvent;
use super::list::{Partitions, elements};
use super::mask::words;
use super::native::{Client, Of, c_string, millis};
use super::shared::Shared;
use crate::broker::{Action, Admin, Code, Committed, Error, NewTopic, Offset, Result};

/// Topics a request: a broker takes more, but answers later and holds up others.
const CHUNK: usize = 200;

/// How long a change of topics may take.
const CHANGE: Duration = Duration::from_secs(20);

pub struct KafkaAdmin {
    pub(super) client: Client,
    groups: Groups,
}

/// The client for requests about groups: a consumer, which nobody subscribes. An answer that says `NOT_COORDINATOR` makes
/// librdkafka 2.12.1 reach for the group of the client that asked, and a client without one ends the process there
/// (`rd_kafka_handle_OffsetFetch` calls `rd_kafka_cgrp_op` with null).
struct Groups {
    config: ClientConfig,
    shared: Arc<Shared>,
    client: Option<Client>,
}

pub(super) type Queue = *mut sys::rd_kafka_queue_t;

impl KafkaAdmin {
    /// `groups`: the settings of a consumer with a group.
    pub(super) fn new(client: Client, groups: ClientConfig) -> Self {
        let groups = Groups { config: groups, shared: Arc::clone(&client.shared), client: None };
        Self { client, groups }
    }

    /// Runs one admin request; `send` gets client, options and the queue for the answer.
    pub(super) fn request(
        &self,
        name: &'static str,
        operation: sys::rd_kafka_admin_op_t,
        send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, Queue),
    ) -> Result<NativeEvent> {
        request(&self.client, name, operation, send)
    }

    /// The same for a request about a group.
    pub(super) fn group_request(
        &mut self,
        name: &'static str,
        operation: sys::rd_kafka_admin_op_t,
        send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, Queue),
    ) -> Result<NativeEvent> {
        let Groups { config, shared, client } = &mut self.groups;
        let client = match client {
            Some(client) => client,
            None => client.insert(Client::new(RDKafkaType::RD_KAFKA_CONSUMER, config.clone(), Arc::clone(shared))?),
        };
        request(client, name, operation, send)
    }

    fn create_chunk(&self, topics: &[NewTopic]) -> Result<Vec<Result<()>>> {
        let mut natives: Vec<Result<NativeTopic>> = topics.iter().map(NativeTopic::new).collect();
        let mut pointers: Vec<_> = natives.iter().flatten().map(|native| native.0).collect();
        if pointers.is_empty() {
            return Ok(natives.into_iter().map(|native| native.map(|_| ())).collect());
        }
        let event = self.request("create_topics", RD_KAFKA_ADMIN_OP_CREATETOPICS, |client, options, queue| {
            // SAFETY: all live during the call, which copies the topics.
            unsafe { sys::rd_kafka_CreateTopics(client, pointers.as_mut_ptr(), pointers.len(), options, queue) }
        })?;
        // SAFETY: the event is the answer to this request and lives.
        let results = unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_CreateTopics_result(event.ptr());
            topic_results(sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count), count)
        };
        let answers = topics.iter().zip(natives.drain(..)).map(|(topic, native)| {
            native?;
            answer_of(&results, &topic.name)
        });
        Ok(answers.collect())
    }

    fn delete_chunk(&self, topics: &[String]) -> Result<Vec<Result<()>>> {
        let names = topics.iter().map(|name| c_string(name)).collect::<Result<Vec<_>>>()?;
        // SAFETY: the names live; what is made is destroyed below.
        let mut natives: Vec<_> =
            names.iter().map(|name| unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) }).collect();
        let event = self.request("delete_topics", RD_KAFKA_ADMIN_OP_DELETETOPICS, |client, options, queue| {
            // SAFETY: all live during the call, which copies the names.
            unsafe { sys::rd_kafka_DeleteTopics(client, natives.as_mut_ptr(), natives.len(), options, queue) }
        });
        for native in natives {
            // SAFETY: ours, and not used afterwards.
            unsafe { sys::rd_kafka_DeleteTopic_destroy(native) };
        }
        let event = event?;
        // SAFETY: the event is the answer to this request and lives.
        let results = unsafe {
            let mut count = 0;
            let result = sys::rd_kafka_event_DeleteTopics_result(event.ptr());
            topic_results(sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count), count)
        };
        Ok(topics.iter().map(|name| answer_of(&results, name)).collect())
    }

    fn delete_records_chunk(&self, up_to: &[(String, i64)]) -> Result<Vec<Result<()>>> {
        let mut list = Partitions::new();
        for (topic, offset) in up_to {
            list.add(topic, 0, Some(*offset))?;
        }
        // SAFETY: the list is copied; what is made is destroyed below.
        let mut native = unsafe { sys::rd_kafka_DeleteRecords_new(list.ptr()) };
        let event = self.request("delete_records", RD_KAFKA_ADMIN_OP_DELETERECORDS, |client, options, queue| {
            // SAFETY: all live during the call, which copies the list.
            unsafe { sys::rd_kafka_DeleteRecords(client, &raw mut native, 1, options, queue) }
        });
        // SAFETY: ours, and not used afterwards.
        unsafe { sys::rd_kafka_DeleteRecords_destroy(native) };
        let event = event?;
        // SAFETY: the event is the answer to this request, lives, and owns the list.
        let results: HashMap<String, RespErr> = unsafe {
            let result = sys::rd_kafka_event_DeleteRecords_result(event.ptr());
            let offsets = elements(sys::rd_kafka_DeleteRecords_result_offsets(result));
            offsets.iter().map(|at| (text(at.topic), at.err)).collect()
        };
        Ok(up_to.iter().map(|(topic, _)| answer_of(&results, topic)).collect())
    }
}

impl Admin for KafkaAdmin {
    fn create_topics(&mut self, topics: &[NewTopic]) -> Result<Vec<Result<()>>> {
        in_chunks(topics, |chunk| self.create_chunk(chunk))
    }

    fn delete_topics(&mut self, topics: &[String]) -> Result<Vec<Result<()>>> {
        in_chunks(topics, |chunk| self.delete_chunk(chunk))
    }

    fn delete_records(&mut self, up_to: &[(String, i64)]) -> Result<Vec<Result<()>>> {
        // Kafka reads a negative offset as "everything": no late request may ever say that.
        if let Some((topic, offset)) = up_to.iter().find(|(_, offset)| *offset < 0) {
            return Err(invalid(format!("{topic}: delete_records up to a negative offset: {offset}")));
        }
        in_chunks(up_to, |chunk| self.delete_records_chunk(chunk))
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        Ok(self.describe(topic)?.map(|(partitions, _)| partitions))
    }

    fn replicas(&mut self, topic: &str) -> Result<Option<i32>> {
        Ok(self.describe(topic)?.map(|(_, replicas)| replicas))
    }

    fn topics(&mut self, prefix: &str) -> Result<Vec<String>> {
        let mut names = self.client.within("metadata", REQUEST, |limit| {
            let limit = Duration::from_millis(limit.unsigned_abs().into());
            let names = |topics: &[super::native::TopicMetadata]| -> Vec<String> {
                let names = topics.iter().map(|topic| &topic.name);
                names.filter(|name| name.starts_with(prefix)).cloned().collect()
            };
            Ok(self.client.metadata(&Of::Cluster, limit, names).ok())
        })?;
        names.sort();
        Ok(names)
    }

    fn topic_config(&mut self, topic: &str) -> Result<BTreeMap<String, String>> {
        self.config(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, topic)
    }

    fn broker_config(&mut self) -> Result<BTreeMap<String, String>> {
        let broker = self.some_broker()?;
        self.config(sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_BROKER, &broker.to_string())
    }

    fn group_offsets(&mut self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<Option<Committed>>> {
        self.read_group_offsets(group, topic, partitions)
    }

    fn set_group_offset(&mut self, group: &str, offset: &Offset) -> Result<()> {
        self.write_group_offset(group, offset)
    }
}

fn request(
    client: &Client,
    name: &'static str,
    operation: sys::rd_kafka_admin_op_t,
    send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, Queue),
) -> Result<NativeEvent> {
    client.request(name, CHANGE, |queue| {
        // SAFETY: the client lives; the options are copied by the request. A refused option leaves its default.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client.ptr(), operation);
            let mut reason = [0; 256];
            let limit = millis(CHANGE / 2);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, limit, reason.as_mut_ptr(), reason.len());
            sys::rd_kafka_AdminOptions_set_operation_timeout(options, limit, reason.as_mut_ptr(), reason.len());
            send(client.ptr(), options, queue);
            sys::rd_kafka_AdminOptions_destroy(options);
        }
    })
}

/// A request a chunk. One that fails as a whole fails for each of its members, so that the others' answers stand.
fn in_chunks<T>(all: &[T], request: impl Fn(&[T]) -> Result<Vec<Result<()>>>) -> Result<Vec<Result<()>>> {
    let mut answers = Vec::with_capacity(all.len());
    for chunk in all.chunks(CHUNK) {
        match request(chunk) {
            Ok(chunk_answers) => answers.extend(chunk_answers),
            Err(error) if error.action == Action::Stop || all.len() <= CHUNK => return Err(error),
            Err(error) => answers.extend(chunk.iter().map(|_| Err(error.clone()))),
        }
    }
    Ok(answers)
}

fn answer_of(results: &HashMap<String, RespErr>, topic: &str) -> Result<()> {
    match results.get(topic) {
        Some(&RD_KAFKA_RESP_ERR_NO_ERROR) => Ok(()),
        Some(&err) => Err(settled(plain(err, topic))),
        None => Err(Error::new(Action::Retry, Code::Other, format!("{topic}: no answer for it"))),
    }
}

/// What no repetition changes is no reason to repeat the request.
fn settled(error: Error) -> Error {
    match error.code {
        Code::TopicExists | Code::UnknownTopic | Code::OutOfRange => Error { action: Action::Stop, ..error },
        _ => error,
    }
}

/// # Safety
/// `count` results live at `first` during the call.
unsafe fn topic_results(first: *mut *const sys::rd_kafka_topic_result_t, count: usize) -> HashMap<String, RespErr> {
    // SAFETY: by this function's contract.
    unsafe {
        let results = pointers(first, count).iter();
        let result =
            |&result: &_| (text(sys::rd_kafka_topic_result_name(result)), sys::rd_kafka_topic_result_error(result));
        results.map(result).collect()
    }
}

/// # Safety
/// `count` pointers live at `first` for `'a`.
pub(super) unsafe fn pointers<'a, T>(first: *mut *const T, count: usize) -> &'a [*const T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: by this function's contract.
    unsafe { std::slice::from_raw_parts(first, count) }
}

struct NativeTopic(*mut sys::rd_kafka_NewTopic_t);

impl NativeTopic {
    fn new(topic: &NewTopic) -> Result<Self> {
        let name = c_string(&topic.name)?;
        let mut reason = [0; 256];
        // SAFETY: name and buffer live during the call. -1 is the broker's default.
        let native = unsafe {
            sys::rd_kafka_NewTopic_new(
                name.as_ptr(),
                topic.partitions,
                topic.replication_factor.unwrap_or(-1),
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if native.is_null() {
            // SAFETY: the buffer was filled in.
            return Err(invalid(format!("{}: {}", topic.name, unsafe { words(reason.as_ptr()) })));
        }
        let native = Self(native);
        for (name, value) in &topic.config {
            let (name, value) = (c_string(name)?, c_string(value)?);
            // SAFETY: all live during the call, which copies both.
            let err = unsafe { sys::rd_kafka_NewTopic_set_config(native.0, name.as_ptr(), value.as_ptr()) };
            if err != RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(plain(err, &topic.name));
            }
        }
        Ok(native)
    }
}

impl Drop for NativeTopic {
    fn drop(&mut self) {
        // SAFETY: owned, and not used afterwards.
        unsafe { sys::rd_kafka_NewTopic_destroy(self.0) }
    }
}

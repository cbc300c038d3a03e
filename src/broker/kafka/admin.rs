//! Requests outside of any transaction, through librdkafka's admin API.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::sync::Arc;

use rdkafka::ClientConfig;

use super::client::Client;
use super::describe;
use super::errors::{invalid, plain};
use super::mask::words;
use super::native::RespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
use super::native::{self, Partitions, Resource, RespErr, c_string};
use super::offsets::Groups;
use crate::broker::{Action, Admin, Code, Committed, Error, NewTopic, Offset, Operation, Result};

/// Topics a request: a broker takes more, but answers later and holds up others.
const CHUNK: usize = 200;

pub struct KafkaAdmin {
    client: Client,
    groups: Groups,
}

impl KafkaAdmin {
    /// `groups`: the settings of a consumer with a group.
    pub(super) fn new(client: Client, groups: ClientConfig) -> Self {
        let groups = Groups::new(groups, Arc::clone(&client.shared));
        Self { client, groups }
    }

    fn create_chunk(&self, topics: &[NewTopic]) -> Result<Vec<Result<()>>> {
        let natives: Vec<Result<native::NewTopic>> = topics.iter().map(new_topic).collect();
        if natives.iter().all(Result::is_err) {
            return Ok(natives.into_iter().map(|native| native.map(drop)).collect());
        }
        let sent = natives.iter().flatten();
        let event = self.client.request("create_topics", |queue, limit| queue.create_topics(sent, limit))?;
        let results = event.created_topics();
        let answers = topics.iter().zip(natives).map(|(topic, native)| {
            native?;
            answer_of(&results, &topic.name)
        });
        Ok(answers.collect())
    }

    fn delete_chunk(&self, topics: &[String]) -> Result<Vec<Result<()>>> {
        let names: Vec<CString> = topics.iter().map(|name| c_string(name)).collect::<std::result::Result<_, _>>()?;
        let event = self.client.request("delete_topics", |queue, limit| queue.delete_topics(&names, limit))?;
        let results = event.deleted_topics();
        Ok(topics.iter().map(|name| answer_of(&results, name)).collect())
    }

    fn delete_records_chunk(&self, up_to: &[(String, i64)]) -> Result<Vec<Result<()>>> {
        let list = first_partitions(up_to)?;
        let event = self.client.request("delete_records", |queue, limit| queue.delete_records(&list, limit))?;
        let results = event.deleted_records();
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
        none_negative(up_to)?;
        in_chunks(up_to, |chunk| self.delete_records_chunk(chunk))
    }

    fn start_deleting_records(&mut self, up_to: &[(String, i64)]) -> Result<bool> {
        none_negative(up_to)?;
        self.client.pump()?;
        if self.client.is_unanswered() {
            return Ok(false);
        }
        for chunk in up_to.chunks(CHUNK) {
            let list = first_partitions(chunk)?;
            self.client.start(|queue, limit| queue.delete_records(&list, limit));
        }
        Ok(true)
    }

    fn partitions(&mut self, topic: &str) -> Result<Option<i32>> {
        Ok(describe::topic(&self.client, topic)?.map(|(partitions, _)| partitions))
    }

    fn replicas(&mut self, topic: &str) -> Result<Option<i32>> {
        Ok(describe::topic(&self.client, topic)?.map(|(_, replicas)| replicas))
    }

    fn topics(&mut self, prefix: &str) -> Result<Vec<String>> {
        describe::topics(&self.client, prefix)
    }

    fn topic_config(&mut self, topic: &str) -> Result<BTreeMap<String, String>> {
        describe::config(&self.client, Resource::Topic, topic)
    }

    fn broker_config(&mut self) -> Result<BTreeMap<String, String>> {
        let broker = describe::some_broker(&self.client)?;
        describe::config(&self.client, Resource::Broker, &broker.to_string())
    }

    fn brokers(&mut self) -> Result<usize> {
        describe::brokers(&self.client)
    }

    fn group_offsets(&mut self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<Option<Committed>>> {
        self.groups.read(group, topic, partitions)
    }

    fn allowed(&mut self, topic: &str) -> Result<Option<BTreeSet<Operation>>> {
        describe::allowed(&self.client, topic)
    }

    fn set_group_offset(&mut self, group: &str, offset: &Offset) -> Result<()> {
        self.groups.write(group, offset)
    }
}

/// Partition 0 of each topic with its offset.
fn first_partitions(up_to: &[(String, i64)]) -> Result<Partitions> {
    let mut list = Partitions::new();
    for (topic, offset) in up_to {
        list.add(topic, 0, Some(*offset))?;
    }
    Ok(list)
}

/// Kafka reads a negative offset as "everything": no late request may ever say that, and nothing is asked for beside one.
fn none_negative(up_to: &[(String, i64)]) -> Result<()> {
    match up_to.iter().find(|(_, offset)| *offset < 0) {
        Some((topic, offset)) => Err(invalid(format!("{topic}: delete_records up to a negative offset: {offset}"))),
        None => Ok(()),
    }
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

fn new_topic(topic: &NewTopic) -> Result<native::NewTopic> {
    let mut native = native::NewTopic::new(&c_string(&topic.name)?, topic.partitions, topic.replication_factor)
        .map_err(|reason| invalid(format!("{}: {}", topic.name, words(&reason))))?;
    for (name, value) in &topic.config {
        native.set_config(&c_string(name)?, &c_string(value)?).map_err(|err| plain(err, &topic.name))?;
    }
    Ok(native)
}

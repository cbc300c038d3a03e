//! What a cluster says of itself: partitions, replicas, settings.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, REQUEST};
use super::errors::{self, plain};
use super::mask::words;
use super::native::RespErr::*;
use super::native::{AclOperation, Of, Queue, Resource, c_string};
use crate::broker::{Action, Code, Error, Operation, Result};

/// Partitions of a topic, and the replicas of the one that has the fewest.
pub(super) fn topic(client: &Client, name: &str) -> Result<Option<(i32, i32)>> {
    let handle = client.topic(name)?;
    let (err, partitions, replicas) = client.within("metadata", REQUEST, |limit| {
        let answer = client.metadata(&Of::Topic(&handle), limit).map(|topics| {
            let unknown = (RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, 0, 0);
            topics.first().map_or(unknown, |topic| (topic.err, topic.partitions, topic.replicas))
        });
        Ok(answer.ok())
    })?;
    match err {
        // Between creation and the first leader a topic may show without partitions.
        RD_KAFKA_RESP_ERR_NO_ERROR | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE if partitions > 0 => {
            Ok(Some((partitions, replicas)))
        }
        RD_KAFKA_RESP_ERR_NO_ERROR | RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE => {
            Err(plain(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, name))
        }
        err if errors::code(err) == Code::UnknownTopic => Ok(None),
        err => Err(plain(err, name)),
    }
}

/// The names of all topics that start with `prefix`, sorted.
pub(super) fn topics(client: &Client, prefix: &str) -> Result<Vec<String>> {
    let topics = client.within("metadata", REQUEST, |limit| Ok(client.metadata(&Of::Cluster, limit).ok()))?;
    let names = topics.into_iter().map(|topic| topic.name);
    let mut names: Vec<_> = names.filter(|name| name.starts_with(prefix)).collect();
    names.sort();
    Ok(names)
}

/// How many brokers are up.
pub(super) fn brokers(client: &Client) -> Result<usize> {
    client.within("metadata", REQUEST, |limit| Ok(client.native.brokers(limit).ok()))
}

/// The id of a broker that is up: what KRaft clusters give for their controller.
pub(super) fn some_broker(client: &Client) -> Result<i32> {
    client.within("broker id", REQUEST, |limit| Ok(client.native.controller_id(limit)))
}

pub(super) fn config(client: &Client, kind: Resource, of: &str) -> Result<BTreeMap<String, String>> {
    let name = c_string(of)?;
    let event = client.request("describe_configs", |queue, limit| queue.describe_configs(kind, &name, limit))?;
    let settings =
        event.described_configs().map_err(|(err, reason)| plain(err, &format!("{of}: {}", words(&reason))))?;
    if settings.is_empty() {
        let detail = format!("{of}: the broker shows no settings (DescribeConfigs is not allowed)");
        return Err(Error::new(Action::Retry, Code::Denied, detail));
    }
    Ok(settings)
}

/// What we may do with a topic.
pub(super) fn allowed(client: &Client, topic: &str) -> Result<Option<BTreeSet<Operation>>> {
    let name = c_string(topic)?;
    let ask = |queue: &Queue<'_>, limit| queue.describe_rights(&name, limit);
    let event = client.request_within("describe_rights", REQUEST, ask)?;
    let found = event.described_rights().map_err(|err| plain(err, topic))?;
    // Whoever may see a thing may describe it: an empty list is that of a broker which does not tell.
    let found = found.filter(|operations| !operations.is_empty());
    Ok(found.map(|operations| operations.into_iter().filter_map(operation).collect()))
}

/// `None`: nobody here needs it.
fn operation(of: AclOperation) -> Option<Operation> {
    Some(match of {
        AclOperation::RD_KAFKA_ACL_OPERATION_READ => Operation::Read,
        AclOperation::RD_KAFKA_ACL_OPERATION_WRITE => Operation::Write,
        AclOperation::RD_KAFKA_ACL_OPERATION_CREATE => Operation::Create,
        AclOperation::RD_KAFKA_ACL_OPERATION_DELETE => Operation::Delete,
        AclOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE => Operation::Describe,
        AclOperation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS => Operation::DescribeConfigs,
        _ => return None,
    })
}

//! A group's committed offsets, seen and set from outside of the group.

use std::collections::HashMap;
use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::types::RDKafkaType;

use super::client::Client;
use super::errors::{self, invalid, plain};
use super::mask::words;
use super::native::RespErr::*;
use super::native::{GroupAnswer, Partition, Partitions, c_string};
use super::shared::Shared;
use crate::broker::{Action, Code, Committed, Error, Offset, Result};

/// The client for requests about groups: a consumer, which nobody subscribes. An answer that says `NOT_COORDINATOR` makes
/// librdkafka 2.12.1 reach for the group of the client that asked, and a client without one ends the process there
/// (`rd_kafka_handle_OffsetFetch` calls `rd_kafka_cgrp_op` with null).
pub(super) struct Groups {
    config: ClientConfig,
    shared: Arc<Shared>,
    client: Option<Client>,
}

impl Groups {
    /// `config`: the settings of a consumer with a group.
    pub fn new(config: ClientConfig, shared: Arc<Shared>) -> Self {
        Self { config, shared, client: None }
    }

    fn client(&mut self) -> Result<&Client> {
        let Self { config, shared, client } = self;
        Ok(match client {
            Some(client) => client,
            None => client.insert(Client::new(RDKafkaType::RD_KAFKA_CONSUMER, config.clone(), Arc::clone(shared))?),
        })
    }

    pub fn read(&mut self, group: &str, topic: &str, partitions: &[i32]) -> Result<Vec<Option<Committed>>> {
        let (name, mut list) = (c_string(group)?, Partitions::new());
        for partition in partitions {
            list.add(topic, *partition, None)?;
        }
        let event =
            self.client()?.request("list_offsets", |queue, limit| queue.list_group_offsets(&name, &list, limit))?;
        let mut found = HashMap::new();
        for at in of_group(event.listed_group_offsets())? {
            if at.error() != RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(plain(at.error(), group));
            }
            if at.offset() >= 0 {
                found.insert(at.partition(), Committed { offset: at.offset(), metadata: at.metadata() });
            }
        }
        Ok(partitions.iter().map(|partition| found.remove(partition)).collect())
    }

    pub fn write(&mut self, group: &str, offset: &Offset) -> Result<()> {
        if offset.offset < 0 {
            return Err(invalid(format!("{}/{}: a negative offset", offset.topic, offset.partition)));
        }
        let (name, mut list) = (c_string(group)?, Partitions::new());
        list.add_with(&offset.topic, offset.partition, Some(offset.offset), &offset.metadata)?;
        let event =
            self.client()?.request("alter_offsets", |queue, limit| queue.alter_group_offsets(&name, &list, limit))?;
        let answers = of_group(event.altered_group_offsets())?;
        match answers.iter().map(|at| at.error()).find(|&err| err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            None => Ok(()),
            // A group with members refuses offsets of anybody that is none.
            Some(err @ (RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID | RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP)) => {
                let detail = format!("the group {group} has members ({}): its offsets are theirs", errors::name(err));
                Err(Error::new(Action::Stop, Code::Busy, detail))
            }
            Some(err) => Err(plain(err, group)),
        }
    }
}

/// The partitions of the one group that was asked about.
fn of_group(answer: GroupAnswer<'_>) -> Result<Vec<Partition<'_>>> {
    match answer {
        None => Err(Error::new(Action::Retry, Code::Other, "no answer about the group")),
        Some(Err((err, reason))) => Err(plain(err, &words(&reason))),
        Some(Ok(partitions)) => Ok(partitions),
    }
}

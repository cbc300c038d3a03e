//! The transactional producer while no transaction is open.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;

use super::errors::invalid;
use super::native::RespErr::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT;
use super::sending::{Core, KafkaProducer};
use super::shared::Shared;
use super::transaction::KafkaTransaction;
use crate::broker::{Error, Producer, Result, Topic};

/// How long initialising a producer may take: it waits for an earlier one's transaction to be aborted.
const INIT: Duration = Duration::from_secs(10);

impl KafkaProducer {
    /// Makes the client and fences every earlier producer of its id.
    pub(super) fn connect(config: ClientConfig, shared: Arc<Shared>, transaction_timeout: Duration) -> Result<Self> {
        let core = Core::new(config, shared, transaction_timeout)?;
        core.client.within("init_transactions", INIT, |limit| {
            match core.client.native.init_transactions(limit) {
                Ok(()) => Ok(Some(())),
                // A time limit that is over, a coordinator that moves, a transaction being aborted: go on asking.
                Err(failure) if failure.retriable => Ok(None),
                Err(failure) if failure.code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT => Err(invalid(
                    "`transaction_timeout`: the brokers refuse it: make it no longer than their `transaction.max.timeout.ms`",
                )),
                Err(failure) => Err(failure.sort()),
            }
        })?;
        Ok(Self(Box::new(core)))
    }
}

impl Producer for KafkaProducer {
    type Transaction = KafkaTransaction;

    fn topic(&mut self, name: &str) -> Result<Topic> {
        self.0.topic(name)
    }

    fn forget(&mut self, topic: Topic) {
        self.0.forget(topic);
    }

    fn leaders_known(&mut self, topics: &[Topic]) -> Result<bool> {
        self.0.leaders_known(topics)
    }

    fn prove(self, group: &str, topic: &str) -> std::result::Result<Option<Self>, (Option<Self>, Error)> {
        KafkaTransaction::prove(self, group, topic)
    }

    fn begin(self) -> std::result::Result<KafkaTransaction, (Self, Error)> {
        KafkaTransaction::begin(self)
    }
}

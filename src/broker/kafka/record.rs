//! Sending one record.

use super::native::RespErr::RD_KAFKA_RESP_ERR__FATAL;
use super::native::{ProducerRecord, TopicHandle};
use crate::broker::{Action, Code, Error, Result};

/// Hands one record to librdkafka, which copies it.
pub(super) fn send(topic: &TopicHandle, record: &ProducerRecord<'_>) -> Result<()> {
    let Err(failure) = topic.produce(record) else { return Ok(()) };
    let mut error = failure.sort();
    match error.code {
        Code::QueueFull => error.action = Action::Retry,
        Code::Fenced => {}
        _ if failure.fatal || failure.code == RD_KAFKA_RESP_ERR__FATAL => {}
        _ => error.action = Action::Abort,
    }
    Err(Error { detail: format!("send: {}", error.detail), ..error })
}

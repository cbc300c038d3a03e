//! What tools do with a gate from outside, over Kafka alone: read the states of flows, send commands and hear the answers.
//!
//! Architecture invariant: nothing here takes part in the group or in a transaction of a gate; no gate need be up.

pub mod answered;
pub mod audited;
pub mod control;
pub mod delivered;
pub mod depth;
pub mod drains;
pub mod field;
pub mod folded;
pub mod glob;
pub mod held;
pub mod letter_list;
pub mod letters;
pub mod listener;
pub mod meter;
pub mod peek;
pub mod positions;
pub mod preview;
pub mod rates;
pub mod redrive;
pub mod redriven;
pub mod scan;
pub mod select;
mod sent;
mod settled;
pub mod shown;
pub mod states;
#[cfg(test)]
mod tests;
pub mod trail;

use std::time::Duration;

use crate::broker::{Action, Code, Error, PollLimit, Polled, Reader, Record, Result};

/// One poll of a tool. The memory broker does not wait: see [`rest`].
const POLL: PollLimit = PollLimit { records: 10_000, bytes: 16 * 1024 * 1024, wait: Duration::from_millis(50) };

/// One poll. A log that lost its beginning is read from where it begins now; what only passes by is no failure.
fn read_on(reader: &mut impl Reader) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    match reader.poll(POLL, &mut records) {
        Ok(Polled::OutOfRange { topic, partition, low }) => reader.assign(&topic, partition, low)?,
        Ok(_) => {}
        Err(error) if error.action == Action::Retry => rest(),
        Err(error) => return Err(error),
    }
    Ok(records)
}

/// After a poll that brought nothing: a broker that waited itself is asked again soon enough.
fn rest() {
    std::thread::sleep(Duration::from_millis(2));
}

fn no_topic(topic: &str) -> Error {
    Error::new(Action::Stop, Code::UnknownTopic, format!("topic `{topic}` does not exist"))
}

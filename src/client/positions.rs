//! Where the gate is in its input, by two witnesses: the group's committed offset, and the partition record.

use std::time::{Duration, Instant};

use super::states::States;
use crate::broker::{Admin, Broker, Code, Committed, Error, Isolation, Offset, Reader, Result, Watermarks};
use crate::flow::Partition;
use crate::schema::topics::Topics;

const AGAIN: Duration = Duration::from_millis(100);

/// One partition of the enrollments.
#[derive(Clone, Debug)]
pub struct Standing {
    pub partition: i32,
    pub committed: Option<Committed>,
    pub record: Option<Partition>,
    pub log: Watermarks,
}

/// What a gate does with a partition when it takes it over. The words of [`Standing::verdict`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on from here.
    GoesOn(i64),
    /// Nothing was ever read: from the beginning of the log.
    First(i64),
    /// Stops with exit code 9, and why.
    Lost(String),
}

/// # Errors
/// Of the broker.
pub fn look<B: Broker>(broker: &B, topics: &Topics, limit: Duration) -> Result<Vec<Standing>> {
    let mut states = States::open(broker, topics)?;
    states.catch_up(limit)?;
    let mut admin = broker.admin()?;
    let count = admin.partitions(&topics.enrollments)?.unwrap_or_default();
    let partitions: Vec<i32> = (0..count).collect();
    let deadline = Instant::now() + limit;
    let offsets = loop {
        match admin.group_offsets(&topics.group, &topics.enrollments, &partitions) {
            // Brokers that have just come up, or taken the group over, are still reading its offsets.
            Err(error) if error.code == Code::Busy && Instant::now() < deadline => std::thread::sleep(AGAIN),
            answer => break answer?,
        }
    };
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let mut standings = Vec::with_capacity(partitions.len());
    for (partition, committed) in partitions.into_iter().zip(offsets) {
        let log = reader.watermarks(&topics.enrollments, partition)?;
        let record = states.partitions.remove(&partition);
        standings.push(Standing { partition, committed, record, log });
    }
    Ok(standings)
}

/// Sets the offset of a partition, while no gate is up.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::Busy`] while the group has members.
pub fn restore<B: Broker>(broker: &B, topics: &Topics, partition: i32, offset: i64) -> Result<(), Error> {
    let (topic, metadata) = (topics.enrollments.as_str().into(), "restored".to_owned());
    broker.admin()?.set_group_offset(&topics.group, &Offset { topic, partition, offset, metadata })
}

impl Standing {
    /// As the worker judges when it takes the partition over.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let Watermarks { low, end } = self.log;
        let position = match (&self.record, &self.committed) {
            (None, None) => return Verdict::First(low),
            (None, Some(committed)) => {
                return Verdict::Lost(format!("offset {} is committed, but there is no record", committed.offset));
            }
            (Some(record), None) if record.clean => record.input,
            (Some(_), None) => {
                return Verdict::Lost("no offset is committed, and the last stop was not a clean one".to_owned());
            }
            (Some(record), Some(committed)) if committed.offset < record.input => {
                return Verdict::Lost(format!("offset {} lies before the record's {}", committed.offset, record.input));
            }
            (Some(record), Some(committed)) if record.clean && committed.offset != record.input => {
                return Verdict::Lost(format!("offset {} is not the clean stop's {}", committed.offset, record.input));
            }
            (Some(_), Some(committed)) => committed.offset,
        };
        if position < low || position > end {
            return Verdict::Lost(format!("offset {position} is not in the log ({low} to {end})"));
        }
        Verdict::GoesOn(position)
    }

    /// Events not read yet.
    #[must_use]
    pub fn lag(&self) -> Option<i64> {
        match self.verdict() {
            Verdict::GoesOn(position) | Verdict::First(position) => Some(self.log.end - position),
            Verdict::Lost(_) => None,
        }
    }

    /// Whether a gate would go on from this offset, if it were committed.
    ///
    /// # Errors
    /// Why not.
    pub fn takes(&self, offset: i64) -> Result<(), String> {
        let committed = Some(Committed { offset, metadata: String::new() });
        match (Self { committed, ..self.clone() }).verdict() {
            Verdict::Lost(why) => Err(why),
            Verdict::GoesOn(_) | Verdict::First(_) => Ok(()),
        }
    }
}

//! Sends commands, and waits for their answers in the audit topic.

use std::time::{Duration, Instant};

use super::{read_on, rest};
use crate::broker::murmur2::partition_for;
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, Publication, Publisher, Reader, Result};
use crate::flow::{Command, Happening, Outcome, Target};
use crate::schema::{self, topics::Topics};

/// How long the brokers may take to store a command.
const STORE: Duration = Duration::from_secs(10);

/// A command that is stored, and its answer if one came.
#[derive(Clone, Debug)]
pub struct Sent {
    pub command: Command,
    /// Where it stands in the control topic.
    pub offset: i64,
    pub outcome: Option<Outcome>,
}

/// Sends the commands, in their order, and waits until each is answered or the time is over. Without an answer a
/// command stays in the topic: the next gate that is up applies it.
///
/// # Errors
/// Of the broker; nothing is known then of commands that were not told.
pub fn send<B: Broker>(broker: &B, topics: &Topics, commands: Vec<Command>, wait: Duration) -> Result<Vec<Sent>> {
    let mut answers = Answers::listen(broker, topics, &commands)?;
    let mut publisher = broker.publisher()?;
    for command in &commands {
        let key = match &command.target {
            Target::Flow(flow) => flow.as_str(),
            Target::Every => "*",
        };
        publisher.publish(&Publication {
            topic: &topics.control,
            partition: Some(0),
            timestamp: None,
            key: Some(key.as_bytes()),
            value: Some(&schema::command::write(command)),
            headers: &[],
        })?;
    }
    let receipts = publisher.flush(STORE)?;
    let mut sent = Vec::with_capacity(commands.len());
    for (command, receipt) in commands.into_iter().zip(receipts) {
        sent.push(Sent { command, offset: receipt?.offset, outcome: None });
    }
    answers.collect(&mut sent, wait)?;
    Ok(sent)
}

/// A reader of the audit partitions in which the answers will come, placed before the commands are sent.
struct Answers<B: Broker> {
    reader: B::Reader,
}

impl<B: Broker> Answers<B> {
    fn listen(broker: &B, topics: &Topics, commands: &[Command]) -> Result<Self> {
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| {
            let detail = format!("topic `{}` does not exist", topics.audit);
            Error::new(Action::Stop, Code::UnknownTopic, detail)
        })?;
        let mut reader = broker.reader(Isolation::ReadCommitted)?;
        let mut partitions: Vec<i32> = commands.iter().map(|command| home(command, count)).collect();
        partitions.sort_unstable();
        partitions.dedup();
        for partition in partitions {
            let end = reader.watermarks(&topics.audit, partition)?.end;
            reader.assign(&topics.audit, partition, end)?;
        }
        Ok(Self { reader })
    }

    fn collect(&mut self, sent: &mut [Sent], wait: Duration) -> Result<()> {
        let deadline = Instant::now() + wait;
        while sent.iter().any(|sent| sent.outcome.is_none()) && Instant::now() < deadline {
            let records = read_on(&mut self.reader)?;
            for event in records.iter().filter_map(|record| schema::audit::read(record.value.as_deref()?).ok()) {
                let Happening::Answer { command, outcome, .. } = event.happening else { continue };
                // Answers of other commands of the flow pass by here too.
                let waits = |sent: &&mut Sent| sent.command.id == command.id && sent.command.target == command.target;
                if let Some(sent) = sent.iter_mut().find(waits) {
                    sent.outcome = Some(outcome);
                }
            }
            if records.is_empty() {
                rest();
            }
        }
        Ok(())
    }
}

/// The audit partition in which a command is answered: that of the flow; what is about no single flow has an empty key.
fn home(command: &Command, count: i32) -> i32 {
    match &command.target {
        Target::Flow(flow) => partition_for(flow.as_str().as_bytes(), count),
        Target::Every => partition_for(b"", count),
    }
}

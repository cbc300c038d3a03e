//! Sends commands, and waits for their answers in the audit topic.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::{no_topic, read_on, rest};
use crate::broker::murmur2::partition_for;
use crate::broker::{Admin, Broker, Isolation, Publication, Publisher, Reader, Result};
use crate::flow::{Command, CommandId, Done, Happening, Outcome, PerKind, Target, Verdict};
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
    /// It had been answered before.
    pub repeated: bool,
    /// What it has done, of an order that takes its time (a purge, a sample), once that has ended.
    pub done: Option<PerKind>,
    /// Of a command for every flow: the answers that came, by partition. All of them together are its answer.
    pub partitions: BTreeMap<i32, Outcome>,
    /// How many partitions answer such a command.
    asked: i32,
}

impl Sent {
    fn new(command: Command, offset: i64, asked: i32) -> Self {
        Self { command, offset, outcome: None, repeated: false, done: None, partitions: BTreeMap::new(), asked }
    }

    /// The partitions that have not answered a command for every flow, for people.
    #[must_use]
    pub fn silent(&self) -> String {
        let silent = (0..self.asked).filter(|partition| !self.partitions.contains_key(partition));
        let silent: Vec<String> = silent.map(|partition| partition.to_string()).collect();
        let noun = if silent.len() == 1 { "partition" } else { "partitions" };
        format!("{noun} {}", silent.join(", "))
    }

    /// A partition has answered a command for every flow.
    fn answered_by(&mut self, partition: i32, outcome: Outcome) {
        self.partitions.insert(partition, outcome);
        if i32::try_from(self.partitions.len()).is_ok_and(|answered| answered >= self.asked) {
            self.outcome = Some(together(&self.partitions));
        }
    }
}

/// What all partitions together have answered: rejected if one has rejected it, applied if one has applied it.
fn together(partitions: &BTreeMap<i32, Outcome>) -> Outcome {
    let has = |verdict: Verdict| partitions.values().any(|outcome| outcome.verdict == verdict);
    let verdict = [Verdict::Rejected, Verdict::Applied].into_iter().find(|verdict| has(*verdict));
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for (partition, outcome) in partitions {
        match said.iter_mut().find(|(detail, _)| *detail == outcome.detail) {
            Some((_, by)) => by.push(partition.to_string()),
            None => said.push((&outcome.detail, vec![partition.to_string()])),
        }
    }
    let noun = |by: &[String]| if by.len() == 1 { "partition" } else { "partitions" };
    let detail = match said.as_slice() {
        [(detail, by)] if by.len() > 1 => format!("{detail} (each of {} partitions)", by.len()),
        [(detail, _)] => (*detail).to_owned(),
        several => {
            let each = several.iter().map(|(detail, by)| format!("{} {}: {detail}", noun(by), by.join(", ")));
            each.collect::<Vec<_>>().join("\n")
        }
    };
    Outcome { verdict: verdict.unwrap_or(Verdict::Unchanged), detail }
}

/// Sends the commands, in their order, and waits until each is answered or the time is over. Without an answer a
/// command stays in the topic: the next gate that is up applies it.
///
/// # Errors
/// Of the broker; nothing is known then of commands that were not told.
pub fn send<B: Broker>(
    broker: &B,
    topics: &Topics,
    commands: Vec<Command>,
    wait: Duration,
) -> Result<(Vec<Sent>, Answers<B>)> {
    let mut answers = Answers::listen(broker, topics, &commands)?;
    let is_for_every = commands.iter().any(|command| matches!(command.target, Target::Every));
    let asked = if is_for_every { broker.admin()?.partitions(&topics.enrollments)?.unwrap_or(1) } else { 1 };
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
        sent.push(Sent::new(command, receipt?.offset, asked));
    }
    answers.collect(&mut sent, wait)?;
    Ok((sent, answers))
}

/// A reader of the audit partitions in which the answers come, placed before the commands were sent.
pub struct Answers<B: Broker> {
    reader: B::Reader,
    /// Where among those that were sent a command is: there may be thousands.
    places: HashMap<(CommandId, Target), usize>,
}

impl<B: Broker> Answers<B> {
    fn listen(broker: &B, topics: &Topics, commands: &[Command]) -> Result<Self> {
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
        let mut reader = broker.reader(Isolation::ReadCommitted)?;
        let mut partitions: Vec<i32> = commands.iter().map(|command| home(command, count)).collect();
        partitions.sort_unstable();
        partitions.dedup();
        for partition in partitions {
            let end = reader.watermarks(&topics.audit, partition)?.end;
            reader.assign(&topics.audit, partition, end)?;
        }
        let place = |(place, command): (usize, &Command)| ((command.id.clone(), command.target.clone()), place);
        Ok(Self { reader, places: commands.iter().enumerate().map(place).collect() })
    }

    fn collect(&mut self, sent: &mut [Sent], wait: Duration) -> Result<()> {
        let deadline = Instant::now() + wait;
        while sent.iter().any(|sent| sent.outcome.is_none()) && Instant::now() < deadline {
            self.poll(sent)?;
        }
        Ok(())
    }

    /// Reads on, and notes what is told of these commands. What is told of others of their flows passes by here too.
    ///
    /// # Errors
    /// Of the broker, but not those that pass.
    pub fn poll(&mut self, sent: &mut [Sent]) -> Result<()> {
        let records = read_on(&mut self.reader)?;
        for event in records.iter().filter_map(|record| schema::audit::read(record.value.as_deref()?).ok()) {
            let target = event.flow.map_or(Target::Every, Target::Flow);
            let place = |id: &CommandId| self.places.get(&(id.clone(), target.clone())).copied();
            match event.happening {
                Happening::Answer { command, outcome, repeated, .. } => {
                    let Some(sent) = place(&command.id).and_then(|place| sent.get_mut(place)) else { continue };
                    sent.repeated = repeated;
                    match target {
                        Target::Flow(_) => sent.outcome = Some(outcome),
                        Target::Every => sent.answered_by(event.partition, outcome),
                    }
                }
                Happening::Transition { transition, .. } => {
                    let Some(Done { command, count }) = transition.done() else { continue };
                    if let Some(sent) = place(command).and_then(|place| sent.get_mut(place)) {
                        sent.done = Some(*count);
                    }
                }
            }
        }
        if records.is_empty() {
            rest();
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

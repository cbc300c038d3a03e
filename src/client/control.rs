//! Sends commands, and waits for their answers in the audit topic.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use super::audited::Audited;
use super::listener::Listener;
use super::no_topic;
use super::scan::Marks;
pub use super::sent::{Sent, silent, together};
use crate::broker::murmur2::partition_for;
use crate::broker::{Admin, Broker, Error, Header, Publication, Publisher, Result};
use crate::flow::{Command, CommandId, Happening, Target, Transition};
use crate::schema::trace_parent::{self, TraceParent};
use crate::schema::{self, topics::Topics};

/// How long the brokers may take to store a command.
const STORE: Duration = Duration::from_secs(10);

/// Sends the commands, in their order (`parent`: where in a trace they come from), and waits until each is answered or the time is over. Without an answer a
/// command stays in the topic: the next gate that is up applies it.
///
/// # Errors
/// Of the broker; nothing is known then of commands that were not told.
pub fn send<B: Broker>(
    broker: &B,
    topics: &Topics,
    commands: Vec<Command>,
    parent: Option<TraceParent>,
    wait: Duration,
) -> Result<(Vec<Sent>, Answers<B>)> {
    let mut answers = Answers::listen(broker, topics, &commands)?;
    let is_for_every = commands.iter().any(|command| matches!(command.target, Target::Every));
    let asked = if is_for_every { asked_by_every(broker, topics)? } else { 1 };
    let mut publisher = broker.publisher()?;
    let offsets = store(&mut publisher, topics, &commands, parent)?;
    let each = commands.into_iter().zip(offsets);
    let mut sent: Vec<Sent> = each.map(|(command, offset)| Sent::new(command, offset, asked)).collect();
    answers.collect(&mut sent, wait)?;
    Ok((sent, answers))
}

/// Stores the commands in their order: their offsets in the control topic. `parent`: where in a trace they come from.
///
/// # Errors
/// Of the broker; nothing is known then of what was not told: a command may be stored all the same.
pub fn store(
    publisher: &mut impl Publisher,
    topics: &Topics,
    commands: &[Command],
    parent: Option<TraceParent>,
) -> Result<Vec<i64>> {
    let headers: Vec<Header> =
        parent.iter().map(|parent| Header::new(trace_parent::HEADER, parent.to_string())).collect();
    for command in commands {
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
            headers: &headers,
        })?;
    }
    let receipts = publisher.flush(STORE)?;
    let named = |error: Error| Error { detail: format!("{}: {}", topics.control, error.detail), ..error };
    receipts.into_iter().map(|receipt| receipt.map(|receipt| receipt.offset).map_err(named)).collect()
}

/// How many partitions answer a command for every flow.
///
/// # Errors
/// Of the broker.
pub fn asked_by_every<B: Broker>(broker: &B, topics: &Topics) -> Result<i32> {
    Ok(broker.admin()?.partitions(&topics.enrollments)?.unwrap_or(1))
}

/// An id for a command, which begins with who sends it. Unique by 128 random bits: every process seeds its hashers
/// differently.
#[must_use]
pub fn new_id(sender: &str) -> CommandId {
    let random = || std::hash::RandomState::new().build_hasher().finish();
    let text = format!("{sender}-{:016x}{:016x}", random(), random());
    CommandId::new(&text).expect("a short text is a command id")
}

/// Hears the audit partitions in which the answers come, since before the commands were sent.
pub struct Answers<B: Broker> {
    listener: Listener<B>,
    /// Where among those that were sent a command is: there may be thousands.
    places: HashMap<(CommandId, Target), usize>,
}

impl<B: Broker> Answers<B> {
    fn listen(broker: &B, topics: &Topics, commands: &[Command]) -> Result<Self> {
        let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
        let mut partitions: Vec<i32> = commands.iter().map(|command| home(&command.target, count)).collect();
        partitions.sort_unstable();
        partitions.dedup();
        let listener = Listener::open(broker, topics, Some(&partitions), &Marks::new())?;
        let place = |(place, command): (usize, &Command)| ((command.id.clone(), command.target.clone()), place);
        Ok(Self { listener, places: commands.iter().enumerate().map(place).collect() })
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
        for told in self.listener.read()? {
            let Audited::Gate(event) = told.event else { continue };
            let target = event.flow.clone().map_or(Target::Every, Target::Flow);
            let id = match &event.happening {
                // What made a flow known is told by the offset of the command alone.
                Happening::Transition { transition: Transition::Seen, command: Some(offset), .. } => {
                    let caused = |sent: &&mut Sent| sent.offset == *offset && sent.command.target == target;
                    if let Some(sent) = sent.iter_mut().find(caused) {
                        sent.hear(&event);
                    }
                    continue;
                }
                Happening::Answer { command, .. } => Some(&command.id),
                Happening::Transition { transition, .. } => transition.done().map(|done| &done.command),
            };
            let Some(id) = id else { continue };
            let place = self.places.get(&(id.clone(), target));
            if let Some(sent) = place.and_then(|place| sent.get_mut(*place)) {
                sent.hear(&event);
            }
        }
        Ok(())
    }
}

/// The audit partition in which a command is answered: that of the flow; what is about no single flow has an empty key.
pub(super) fn home(target: &Target, count: i32) -> i32 {
    match target {
        Target::Flow(flow) => partition_for(flow.as_str().as_bytes(), count),
        Target::Every => partition_for(b"", count),
    }
}

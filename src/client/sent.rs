//! A command that was sent, and what the audit tells of it.

use std::collections::BTreeMap;

use crate::flow::{AuditEvent, Command, Done, Happening, Outcome, PerKind, Target, Transition, Verdict};

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
    /// The flow was not known before: nobody has sent an event of it so far, and its name may be a mistake.
    pub is_new: bool,
    /// Of a command for every flow: the answers that came, by partition. All of them together are its answer.
    pub partitions: BTreeMap<i32, Outcome>,
    /// How many partitions answer such a command.
    asked: i32,
}

impl Sent {
    /// `asked`: how many partitions answer a command for every flow.
    #[must_use]
    pub fn new(command: Command, offset: i64, asked: i32) -> Self {
        Self {
            command,
            offset,
            outcome: None,
            repeated: false,
            done: None,
            is_new: false,
            partitions: BTreeMap::new(),
            asked,
        }
    }

    /// The partitions that have not answered a command for every flow, for people.
    #[must_use]
    pub fn silent(&self) -> String {
        silent(&self.partitions, self.asked)
    }

    /// Takes note of what the audit tells of this command.
    pub fn hear(&mut self, event: &AuditEvent) {
        match &event.happening {
            Happening::Answer { command, outcome, repeated, .. } if command.id == self.command.id => {
                self.repeated = *repeated;
                match &self.command.target {
                    Target::Flow(_) => self.outcome = Some(outcome.clone()),
                    Target::Every => self.answered_by(event.partition, outcome.clone()),
                }
            }
            Happening::Transition { transition, command, .. } => {
                self.is_new |= matches!(transition, Transition::Seen) && *command == Some(self.offset);
                if let Some(Done { command, count }) = transition.done()
                    && *command == self.command.id
                {
                    self.done = Some(*count);
                }
            }
            Happening::Answer { .. } => {}
        }
    }

    /// A partition has answered a command for every flow.
    fn answered_by(&mut self, partition: i32, outcome: Outcome) {
        self.partitions.insert(partition, outcome);
        if i32::try_from(self.partitions.len()).is_ok_and(|answered| answered >= self.asked) {
            self.outcome = Some(together(&self.partitions));
        }
    }
}

/// Of so many partitions those that have not answered, for people.
#[must_use]
pub fn silent(answered: &BTreeMap<i32, Outcome>, asked: i32) -> String {
    let silent = (0..asked).filter(|partition| !answered.contains_key(partition));
    let silent: Vec<String> = silent.map(|partition| partition.to_string()).collect();
    let noun = if silent.len() == 1 { "partition" } else { "partitions" };
    format!("{noun} {}", silent.join(", "))
}

/// What all partitions together have answered: rejected if one has rejected it, applied if one has applied it.
#[must_use]
pub fn together(partitions: &BTreeMap<i32, Outcome>) -> Outcome {
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

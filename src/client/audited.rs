//! What stands in the audit topic: what gates tell, and what was redriven.

use bytes::Bytes;

use crate::broker::Record;
use crate::flow::{AuditEvent, CommandId, FlowId, Happening};
use crate::schema::redriven::{self, Redriven};
use crate::schema::{Malformed, audit};
use crate::time::Timestamp;

/// An event of the audit, and the document that tells it.
#[derive(Clone, Debug)]
pub struct Told {
    pub partition: i32,
    pub offset: i64,
    pub event: Audited,
    /// As it stands in the topic, with fields that only a newer gate knows.
    pub document: Bytes,
    /// Of a transition that a command caused: whose command that was, if its answer came by, wanted or not.
    pub ordered: Option<Ordered>,
}

/// What an answer says of its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub command: CommandId,
    pub by: String,
    pub reason: Option<String>,
}

impl Told {
    /// `None`: the record has no value.
    ///
    /// # Errors
    /// As [`Audited::read`].
    pub fn read(record: &Record) -> Result<Option<Self>, Malformed> {
        let Some(document) = record.value.clone() else { return Ok(None) };
        let event = Audited::read(&document)?;
        Ok(Some(Self { partition: record.partition, offset: record.offset, event, document, ordered: None }))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audited {
    Gate(Box<AuditEvent>),
    Redriven(Box<Redriven>),
}

impl Audited {
    /// Every word of [`Audited::word`].
    pub const WORDS: [&str; 17] = [
        "seen",
        "paused",
        "updated",
        "resumed",
        "expired",
        "redirected",
        "repaused",
        "live",
        "purging",
        "purged",
        "sampling",
        "sampled",
        "loss_accepted",
        "expiring",
        "forgotten",
        "answer",
        "redriven",
    ];

    /// # Errors
    /// [`Malformed`], as an event of a gate.
    pub fn read(document: &[u8]) -> Result<Self, Malformed> {
        if let Ok(redriven) = redriven::read(document) {
            return Ok(Self::Redriven(Box::new(redriven)));
        }
        audit::read(document).map(|event| Self::Gate(Box::new(event)))
    }

    /// `None`: about a command that names no single flow.
    #[must_use]
    pub fn flow(&self) -> Option<&FlowId> {
        match self {
            Self::Gate(event) => event.flow.as_ref(),
            Self::Redriven(redriven) => Some(&redriven.flow),
        }
    }

    /// By the clock of who tells it.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Gate(event) => event.at,
            Self::Redriven(redriven) => redriven.at,
        }
    }

    /// The partition of the enrollments that it is about.
    #[must_use]
    pub fn partition(&self) -> i32 {
        match self {
            Self::Gate(event) => event.partition,
            Self::Redriven(redriven) => redriven.partition,
        }
    }

    /// What a gate tells.
    #[must_use]
    pub fn happening(&self) -> Option<&Happening> {
        match self {
            Self::Gate(event) => Some(&event.happening),
            Self::Redriven(_) => None,
        }
    }

    /// The word of the transition, `answer` or `redriven`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.happening() {
            Some(Happening::Transition { transition, .. }) => transition.word(),
            Some(Happening::Answer { .. }) => "answer",
            None => "redriven",
        }
    }

    /// Who has issued the command that is answered, or has redriven the letter.
    #[must_use]
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Redriven(redriven) => Some(&redriven.by),
            Self::Gate(event) => match &event.happening {
                Happening::Answer { command, .. } => Some(&command.issued_by),
                Happening::Transition { .. } => None,
            },
        }
    }

    /// The command that is answered, or that has come to its end.
    #[must_use]
    pub fn command(&self) -> Option<&CommandId> {
        match self.happening()? {
            Happening::Answer { command, .. } => Some(&command.id),
            Happening::Transition { transition, .. } => transition.done().map(|done| &done.command),
        }
    }
}

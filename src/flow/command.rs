//! What operators order, and what they are answered.

use std::fmt;
use std::time::Duration;

use super::{Answered, CommandId, Flow, FlowId, Keep, NewRecords, OnExpiry, Rate, Release, Transition, pause, resume};
use crate::time::Timestamp;

/// A command that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub id: CommandId,
    pub target: Target,
    pub action: Action,
    pub issued_by: String,
    pub issued_at: Option<Timestamp>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Flow(FlowId),
    /// `*`
    Every,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Pause(PauseOrder),
    Resume(ResumeOrder),
    /// A sample of what is held; answered as not supported yet.
    Release,
    /// Empty the queue; answered as not supported yet.
    Purge,
    /// Something that names a command and a flow, but orders nothing that can be done; `why` names the field and the
    /// fix. Answered as rejected.
    Invalid {
        word: String,
        why: String,
    },
}

impl Action {
    /// The word on the wire.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Release => "release",
            Self::Purge => "purge",
            Self::Invalid { word, .. } => word,
        }
    }
}

/// An absent option takes its default for a new pause, and stays as it is for a pause in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PauseOrder {
    pub new_records: Option<NewRecords>,
    pub end: Option<PauseEnd>,
    pub keep: Option<Keep>,
    pub on_expiry: Option<OnExpiry>,
    pub expiry_rate: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseEnd {
    Until(Timestamp),
    /// From when the command takes effect.
    For(Duration),
}

/// An absent option takes its default for a new drain, and stays as it is for a running one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumeOrder {
    pub release: Option<Release>,
    pub max_rate: Option<Rate>,
    pub max_age: Option<Duration>,
}

/// A command as it stands in the control topic.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    pub command: &'a Command,
    /// Its offset in the control topic.
    pub offset: i64,
    /// When the broker took it.
    pub recorded_at: Timestamp,
}

/// What configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest pause: 14 days unless configured lower.
    pub max_pause: Duration,
}

impl Limits {
    /// "The flow can only remain paused for up to 14 days" (the product's documentation).
    pub const MAX_PAUSE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_pause: Self::MAX_PAUSE }
    }
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub verdict: Verdict,
    /// One sentence for people: what took effect, why nothing changed, or what would be accepted.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It did what was ordered.
    Applied,
    /// There was nothing to do.
    Unchanged,
    /// It was refused.
    Rejected,
}

impl Verdict {
    pub const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Rejected];

    /// The word on the wire and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Rejected => "rejected",
        }
    }
}

impl Outcome {
    #[must_use]
    pub fn applied(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Applied, detail: detail.into() }
    }

    #[must_use]
    pub fn unchanged(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unchanged, detail: detail.into() }
    }

    #[must_use]
    pub fn rejected(detail: impl Into<String>) -> Self {
        Self { verdict: Verdict::Rejected, detail: detail.into() }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict.word(), self.detail)
    }
}

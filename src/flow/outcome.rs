//! What a command is answered, and what is remembered of that.

use std::fmt;

use super::CommandId;

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

/// A command that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub id: CommandId,
    /// Where in the control topic it stood the first time.
    pub offset: i64,
    pub outcome: Outcome,
}

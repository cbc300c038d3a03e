//! What is to be redriven, and what may stand against it.

use bytes::Bytes;

use crate::broker::size;
use crate::client::letters::{Item, Kind, Letter, Wanted};
use crate::flow::Event;
use crate::time::Timestamp;

/// What is to be redriven.
#[derive(Clone, Debug)]
pub struct Order {
    pub kind: Kind,
    pub which: Which,
    /// Who asks.
    pub by: String,
    pub reason: Option<String>,
    /// Letters too that were redriven before, but not since the preview: so the same order, given once more, goes on where it was.
    pub again: bool,
    /// Of the only letter that is named: what its value is to be.
    pub edit: Option<Bytes>,
}

#[derive(Clone, Debug)]
pub enum Which {
    /// These, each of which has to be there.
    Items(Vec<Item>),
    /// All that are like this, as of now.
    Like(Wanted),
}

/// What stands against redriving a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no letter at this place (any more).
    NotThere,
    /// It was redriven before.
    Before(Earlier),
    /// Its value was too large to be kept.
    WithoutValue,
    /// It is a command, not an event.
    Command,
    /// It would be a dead letter again: why.
    Unreadable(String),
    /// The enrollments do not take it: why.
    Refused(String),
}

/// When a letter was redriven for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    pub times: u64,
    pub by: String,
    pub at: Timestamp,
    /// The event that it became, `topic/partition/offset`.
    pub to: String,
}

impl Obstacle {
    /// For scripts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::Before(_) => "redriven_before",
            Self::WithoutValue => "without_value",
            Self::Command => "command",
            Self::Unreadable(_) => "unreadable",
            Self::Refused(_) => "refused",
        }
    }

    /// For people; `enrollments`: the topic.
    #[must_use]
    pub fn sentence(&self, enrollments: &str) -> String {
        match self {
            Self::NotThere => "there is no such letter (any more)".to_owned(),
            Self::Before(Earlier { by, at, to, .. }) => format!("{by} has redriven it at {at} to `{to}`"),
            Self::WithoutValue => "its value was too large to be kept here".to_owned(),
            Self::Command => format!("it is a command, not an event of `{enrollments}`"),
            Self::Unreadable(why) => format!("it would be a dead letter again: {why}"),
            Self::Refused(why) => format!("the brokers do not take it: {why}"),
        }
    }
}

/// A letter that can be redriven, and what it will be.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub letter: Letter,
    pub event: Event,
    /// What is written: the letter's own value, or the one it gets.
    pub value: Option<Bytes>,
}

impl Ready {
    /// Bytes of what is written.
    pub fn size(&self) -> usize {
        size(self.letter.key.as_ref(), self.value.as_ref(), &self.letter.headers)
    }
}

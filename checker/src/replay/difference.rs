//! Where what was delivered parts from what the list delivers, as a sentence.

use std::fmt;

use crate::Place;

/// A flow whose topics are not what the list makes of its events and commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `None`: it cannot be told.
    pub flow: Option<String>,
    pub departure: Departure,
}

/// How they part. Only the first departure of a sequence is told: behind it, everything may be off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The list has another event there. `event`: the one that was found, if it is one of the flow's.
    Instead { expected: Place, found: Place, event: Option<Place> },
    /// The topic ends, the list goes on.
    Missing { topic: &'static str, expected: Place },
    /// The list has nothing more, or nothing like that.
    Unexpected { found: Place, event: Option<Place> },
    /// A flow's records lie in more than one partition: they have no order.
    Scattered { found: Place, first: Place },
    /// An event's dead letter is missing or wrong.
    DeadLetter { event: Place, why: &'static str },
    /// The audit says what cannot have happened to the list.
    Audit { at: Place, why: String },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flow {
            Some(flow) => write!(f, "flow {flow}: {}", self.departure),
            None => write!(f, "{}", self.departure),
        }
    }
}

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |event: &Option<Place>| match event {
            Some(event) => format!("{event}"),
            None => "no event of the flow".to_owned(),
        };
        match self {
            Self::Instead { expected, found, event } => {
                write!(f, "{found} is {}, but the list comes to {expected} there", of(event))
            }
            Self::Missing { topic, expected } => {
                write!(f, "the list comes to {expected}, but the {topic} topic has no more")
            }
            Self::Unexpected { found, event } => write!(f, "{found} is {}, but the list has nothing there", of(event)),
            Self::Scattered { found, first } => write!(f, "{found} is not in the partition of {first}"),
            Self::DeadLetter { event, why } => write!(f, "{event} {why}"),
            Self::Audit { at, why } => write!(f, "audit {at}: {why}"),
        }
    }
}

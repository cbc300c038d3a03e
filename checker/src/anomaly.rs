//! What can be wrong, each as a sentence that says where to look.

use std::fmt;

/// A broken promise (docs/contract.md, "Promises"), at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// `None`: it cannot be told.
    pub flow: Option<String>,
    pub fault: Fault,
}

/// A record by where it lies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// What is wrong. `event` is the event's place in the enrollments, `at` where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fate at all.
    Lost { event: Place, expected: &'static str },
    /// A held event is missing as if a newer one had replaced it.
    ReplacedByNothing { event: Place },
    /// Held, by the queue's own topic missing.
    HeldMissing { event: Place },
    /// More than one fate.
    Doubled { event: Place, first: Place, at: Place },
    /// Delivered behind a later one, or ahead of an earlier one.
    OutOfOrder { event: Place, at: Place, before: Place },
    /// Delivered when its flow was paused, or before the drain had come to it.
    DeliveredInPause { event: Place, at: Place },
    /// Delivered although a newer event of the record had replaced it.
    ReplacedDelivered { event: Place, at: Place, by: Place },
    /// Delivered after its record had been withdrawn.
    WithdrawnDelivered { event: Place, at: Place, by: Place },
    /// Delivered although it was to be turned away or removed.
    DiscardedDelivered { event: Place, at: Place },
    /// Delivered although it was deleted, and its loss accepted.
    LostDelivered { event: Place, at: Place },
    /// Discarded although nobody ordered so.
    WronglyDiscarded { event: Place, at: Place },
    /// Not the bytes, the headers, or the time that came in.
    Altered { event: Place, at: Place, what: &'static str },
    /// Delivered to a partition that is not the flow's.
    WrongPartition { event: Place, at: Place, expected: i32 },
    /// A record that no event explains.
    Unexplained { at: Place, why: &'static str },
    /// A broken event without its dead letter.
    DeadLetterMissing { event: Place, why: &'static str },
    /// An understandable event among the dead letters.
    DeadLetterUnfounded { event: Place, at: Place },
    /// An event at the wrong partition without a twin at home.
    NotRerouted { event: Place, home: i32 },
    /// An event at the wrong partition with more than one twin at home.
    ReroutedTwice { event: Place, twin: Place },
    /// One of the gate's own numbers is wrong.
    Counter { counter: &'static str, gate: u64, found: u64 },
    /// The public state is not what the transitions lead to.
    State { gate: String, found: &'static str },
    /// The audit contradicts itself, the contract (docs/contract.md), or the control topic.
    Audit { at: Place, why: String },
    /// A command without its answer, or with too many.
    Command { at: Place, why: String },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flow {
            Some(flow) => write!(f, "flow {flow}: {}", self.fault),
            None => write!(f, "{}", self.fault),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { event, expected } => write!(f, "{event} is lost: it should be {expected}"),
            Self::ReplacedByNothing { event } => {
                write!(f, "{event} was held and never released, as if replaced, but nothing replaced it")
            }
            Self::HeldMissing { event } => write!(f, "{event} is held, but is in no queue topic"),
            Self::Doubled { event, first, at } => {
                write!(f, "{event} has more than one fate: at {first} and again at {at}")
            }
            Self::OutOfOrder { event, at, before } => {
                write!(f, "{event}, found at {at}, is out of order with {before}")
            }
            Self::DeliveredInPause { event, at } => {
                write!(f, "{event} was delivered at {at} although the flow was paused and had not released it")
            }
            Self::ReplacedDelivered { event, at, by } => {
                write!(f, "{event} was delivered at {at} although {by} had replaced it")
            }
            Self::WithdrawnDelivered { event, at, by } => {
                write!(f, "{event} was delivered at {at} although {by} had withdrawn its record")
            }
            Self::DiscardedDelivered { event, at } => {
                write!(f, "{event} was delivered at {at} although it was to be discarded")
            }
            Self::LostDelivered { event, at } => {
                write!(f, "{event} was delivered at {at} although its loss was accepted")
            }
            Self::WronglyDiscarded { event, at } => {
                write!(f, "{event} was discarded at {at} although no order said so")
            }
            Self::Altered { event, at, what } => write!(f, "{event} changed on its way to {at}: {what}"),
            Self::WrongPartition { event, at, expected } => {
                write!(f, "{event} was delivered at {at}, but the flow's partition there is {expected}")
            }
            Self::Unexplained { at, why } => write!(f, "nothing explains {at}: {why}"),
            Self::DeadLetterMissing { event, why } => {
                write!(f, "{event} cannot be understood ({why}) and has no dead letter")
            }
            Self::DeadLetterUnfounded { event, at } => {
                write!(f, "{event} can be understood and stored, but has the dead letter {at}")
            }
            Self::NotRerouted { event, home } => {
                write!(f, "{event} belongs to partition {home} and has no twin there")
            }
            Self::ReroutedTwice { event, twin } => {
                write!(f, "{event} has more than one twin at home, {twin} among them")
            }
            Self::Counter { counter, gate, found } => {
                write!(f, "the gate counts {gate} for {counter}, the topics say {found}")
            }
            Self::State { gate, found } => {
                write!(f, "the state topic says {gate:?}, the transitions lead to {found:?}")
            }
            Self::Audit { at, why } => write!(f, "audit {at}: {why}"),
            Self::Command { at, why } => write!(f, "command {at}: {why}"),
        }
    }
}

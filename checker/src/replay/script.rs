//! What the list delivers and discards.

use super::difference::Departure;

/// Everything that a flow's topics should hold, in order.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub delivered: Vec<Stretch>,
    pub discarded: Vec<Due>,
    /// From here on nobody knows how far a drain under way has come: the topic may end anywhere.
    pub discarded_for_certain: usize,
    /// Where the audit contradicts the list.
    pub contradictions: Vec<Departure>,
    /// The audit could not be followed to its end: what is delivered behind that is not judged.
    pub broken_off: bool,
}

/// An event that is to come, by its index in the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub event: usize,
    /// The list says so by itself, without being told by the topics.
    pub certain: bool,
}

/// What is delivered from one transition to the next.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// In this order.
    pub chain: Vec<Due>,
    /// Withdraws that came in a drain: in this order, and each of them as soon as it came, wherever that was in the chain.
    pub withdraws: Vec<usize>,
    /// A drain under way, of which nobody knows how far it has come: the chain may end anywhere.
    pub open: bool,
}

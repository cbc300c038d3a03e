//! What the list delivers and discards.

use super::difference::Departure;

/// Everything that a flow's topics should hold, in order.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub stretches: Vec<Stretch>,
    /// What each sample of named records releases, in this order: wherever it lies while the sample is under way.
    pub searches: Vec<Vec<Due>>,
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
    /// A newer one may have taken its place before it was passed.
    pub may_be_missing: bool,
}

/// What is delivered and discarded from one transition to the next.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    /// In this order.
    pub chain: Vec<Due>,
    /// Withdraws that came in a drain: in this order, and each of them as soon as it came, wherever that was in the chain.
    pub withdraws: Vec<usize>,
    /// What was passed, in this order.
    pub discarded: Vec<Due>,
    /// What came and was not held, in this order; anywhere among what a purge discards.
    pub turned_away: Vec<usize>,
    /// The sample of named records that is under way in it, and whether it ends with it.
    pub search: Option<(usize, bool)>,
    /// A drain under way, of which nobody knows how far it has come: the chain, and what is discarded, may end anywhere.
    pub open: bool,
}

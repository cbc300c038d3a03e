//! What the transaction coordinator knows: transactional ids with their epochs, and what an open transaction has touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::topic::TopicId;
use crate::time::Timestamp;

/// Which incarnation of which transactional id a client is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ProducerId {
    pub slot: usize,
    pub epoch: u64,
}

#[derive(Default)]
pub(super) struct Coordinator {
    pub ids: BTreeMap<String, usize>,
    pub slots: Vec<Slot>,
    pub deadlines: BTreeSet<(Timestamp, usize)>,
    pub transactions: u64,
    /// No transaction times out.
    pub keeps_transactions: bool,
}

pub(super) struct Slot {
    pub epoch: u64,
    pub timeout: Duration,
    pub open: Option<Touched>,
    /// Decided, but its markers are still to be written.
    pub lagging: Option<(Touched, bool)>,
}

/// What a transaction has touched, each of which gets a marker at its end.
pub(super) struct Touched {
    pub number: u64,
    pub deadline: Timestamp,
    /// The first offset in each partition.
    pub partitions: BTreeMap<(TopicId, i32), i64>,
    /// Group, topic and partition.
    pub offsets: BTreeSet<(Arc<str>, Arc<str>, i32)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Markers {
    Written,
    /// To be written later, by `State::write_markers`.
    Lagging,
}

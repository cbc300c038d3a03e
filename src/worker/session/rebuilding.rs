//! Where the rebuilding of indexes stands, of one flow and of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::amount::Amount;
use crate::flow::{FlowId, Queue};
use crate::time::Timestamp;

/// Where the rebuilding of a flow's index stands.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rebuild {
    /// Where to go on reading.
    pub offset: i64,
    /// The reader is not there yet.
    pub begins: bool,
    /// When its topic was found not to have what is to be read. It is looked at again.
    pub missing: Option<Timestamp>,
    /// What was held for the flow since the last poll.
    pub held: Amount,
}

impl Rebuild {
    /// From the beginning.
    pub fn of(queue: &Queue) -> Self {
        Self { offset: queue.watermark.offset, begins: true, ..Self::default() }
    }
}

/// What the reader of indexes has in hand.
#[derive(Default)]
pub struct Rebuilding {
    /// Queue topics, and whose they are.
    pub topics: BTreeMap<Arc<str>, (i32, FlowId)>,
    /// They are read for flows of which entries are to be passed.
    pub is_urgent: bool,
    /// The last poll brought something.
    pub more: bool,
    /// When that was.
    pub polled: Timestamp,
}

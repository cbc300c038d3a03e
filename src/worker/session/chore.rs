//! Calls that are to be made between turns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::flow::FlowId;

#[derive(Debug)]
pub enum Chore {
    /// Take note of the change of assignment.
    Acknowledge,
    /// Have the group look at who has what, for there may be something that nobody has.
    Knock,
    /// Deliver the partition's events from its committed position on.
    FetchFrom {
        partition: i32,
    },
    PauseEvents {
        partition: i32,
    },
    /// Put the control reader back to the smallest position of the partitions, or to `from` where retention took more.
    ReadControl {
        from: Option<i64>,
    },
    /// Read the queues of these draining flows.
    ReadQueues {
        flows: Vec<(i32, FlowId)>,
    },
    /// See whether what is to be read next of a draining flow's queue is still there.
    LookAtQueue {
        partition: i32,
        flow: FlowId,
    },
    StopReading {
        topics: BTreeSet<Arc<str>>,
    },
    /// The state of a partition that was taken away before it was restored.
    StopRestoring {
        partition: i32,
    },
    /// Delete the records of these topics below an offset each.
    DeleteRecords {
        up_to: BTreeMap<String, i64>,
    },
    DeleteTopics {
        topics: Vec<String>,
    },
    /// Look for queue topics that nothing needs any more.
    FindOrphans,
    /// See whether a queue topic that could not be written to is there at all.
    FindQueue {
        topic: String,
    },
}

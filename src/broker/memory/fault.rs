//! Faults that a driver puts in: a hook asked at each call, before the call does anything.

use std::time::Duration;

use crate::broker::Error;

/// The calls of the port that can be made to fail, and what [`Call::subject`] names for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Of a member; the subject is its group.
    Join,
    Poll,
    Acknowledge,
    Committed,
    Standing,
    Leave,
    /// Of a member; the subject is topic and partition, as `topic/partition`.
    FetchFrom,
    /// Of a reader; the subject is the topic, empty for a poll.
    Assign,
    ReaderPoll,
    Watermarks,
    OffsetAt,
    /// Of a producer; the subject is its transactional id.
    Initialise,
    LeadersKnown,
    Prove,
    Begin,
    Send,
    SendOffsets,
    Commit,
    Abort,
    /// Of a publisher; the subject is the topic.
    Publish,
    /// Of an admin client; the subject is the topic (or prefix), one call a topic.
    CreateTopics,
    DeleteTopics,
    DeleteRecords,
    Partitions,
    ListTopics,
    TopicConfig,
    /// The subject is empty.
    BrokerConfig,
    /// The subject is the group.
    GroupOffsets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    pub operation: Operation,
    pub subject: &'a str,
}

/// What happens to a call instead of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and answers so. Of a commit the action decides: `Retry`, `Abort`, else `Unknown`.
    Fail(Error),
    /// Only for a commit: nobody knows how it ended. If it did not happen, the transaction is open until a new producer
    /// of that id, or its timeout, aborts it.
    CommitUnknown { happened: bool },
    /// Only for a commit or abort: it holds, and the producer is used up. As after [`Fault::CommitUnknown`] a copy of
    /// the request is still under way: `Memory::deliver_strays` lets it arrive.
    Replace,
    /// Only for a commit or abort: decided and answered, but no marker is written yet. The stable offset and the
    /// pending offsets stay until `Memory::release_markers`, or until the same producer begins its next transaction
    /// (which on Kafka waits for them).
    MarkersLag,
    /// The call does what it was asked to, but so much time passes before that.
    Late(Duration),
    /// Only for the start of a producer, the offsets of a transaction and the creation of topics: it happens, and its
    /// caller is told that no answer came.
    Unanswered,
    /// Only for a deletion: it is still under way, and its caller is told that no answer came. `Memory::deliver_strays`
    /// lets it arrive.
    Postpone,
}

/// Asked at each call. It must not call the broker.
pub type Hook = Box<dyn FnMut(&Call<'_>) -> Option<Fault> + Send>;

/// The hook, and what was ordered for single calls.
#[derive(Default)]
pub(super) struct Faults {
    pub hook: Option<Hook>,
    /// Served in order, each for the first call of its operation.
    pub ordered: Vec<(Operation, Fault)>,
}

impl Faults {
    pub fn is_empty(&self) -> bool {
        self.hook.is_none() && self.ordered.is_empty()
    }

    pub fn consult(&mut self, call: &Call<'_>) -> Option<Fault> {
        if let Some(index) = self.ordered.iter().position(|(operation, _)| *operation == call.operation) {
            return Some(self.ordered.remove(index).1);
        }
        self.hook.as_mut()?(call)
    }
}

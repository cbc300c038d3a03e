//! Requests whose sender no longer waits for them, and which arrive all the same.

use super::coordinator::ProducerId;

/// What late requests did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Ends of a transaction that was still open.
    pub ends: u64,
    /// Ends of a producer that is fenced by now, while its successor had a transaction open.
    pub refused_ends: u64,
    /// Deletions that took something away.
    pub deletions: u64,
}

impl std::ops::AddAssign for Arrived {
    fn add_assign(&mut self, other: Self) {
        self.ends += other.ends;
        self.refused_ends += other.refused_ends;
        self.deletions += other.deletions;
    }
}

/// A request under way.
pub(super) enum Stray {
    /// librdkafka resends the end of a transaction inside one call: a copy can come when the next one is open already.
    EndTransaction {
        producer: ProducerId,
        committed: bool,
    },
    /// Of partition 0, as an admin client deletes them here.
    DeleteRecords {
        topic: String,
        up_to: i64,
    },
    DeleteTopic {
        topic: String,
    },
}

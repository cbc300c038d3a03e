//! Requests whose sender no longer waits for them, and which arrive all the same.

use super::state::State;
use super::transaction::{Markers, ProducerId};

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

impl State {
    /// Lets it arrive.
    pub fn deliver(&mut self, stray: &Stray, arrived: &mut Arrived) {
        match stray {
            Stray::EndTransaction { producer, committed } => {
                if !self.has_open_transaction(*producer) {
                    return;
                }
                match self.end_transaction(*producer, *committed, Markers::Written) {
                    Ok(()) => arrived.ends += 1,
                    Err(_) => arrived.refused_ends += 1,
                }
            }
            Stray::DeleteRecords { topic, up_to } => {
                let low = |state: &Self| state.topics.named(topic).and_then(|topic| Ok(topic.log(0)?.low)).ok();
                let before = low(self);
                let deleted = self.delete_records(topic, *up_to).is_ok();
                arrived.deletions += u64::from(deleted && low(self) != before);
            }
            Stray::DeleteTopic { topic } => arrived.deletions += u64::from(self.delete_topic(topic).is_ok()),
        }
    }
}

//! How far a partition has been taken over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::wait::left;
use crate::broker::Committed;
use crate::flow::Partition;
use crate::time::Timestamp;
use crate::worker::stop::Stop;

/// For how long a disagreement is looked at again: a coordinator that moves can pretend there is no offset (KAFKA-20416).
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Joining {
    pub at: At,
    pub committed: Option<Committed>,
    /// The partition record, once read.
    pub recorded: bool,
    pub low: i64,
    pub end: i64,
    /// What the partition record of partition 0 says, of a first start.
    pub pinned: Option<Result<Box<Partition>, Stop>>,
    /// What stands in the state topic and cannot be read, by its key: unless something newer takes its place it stops the gate.
    pub illegible: BTreeMap<Vec<u8>, Stop>,
    /// When offset and record were first found to disagree.
    pub doubted: Option<Timestamp>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum At {
    #[default]
    Barrier,
    End,
    Assign,
    Fold,
    Input,
    /// A first start: what the other partitions were pinned to, as partition 0 has it.
    PinsEnd,
    Pins,
    Commands,
}

impl Joining {
    /// A record was folded: whether it was the partition record.
    pub fn note(&mut self, key: &[u8], folded: Result<bool, Stop>) {
        match folded {
            Ok(recorded) => {
                self.illegible.remove(key);
                self.recorded |= recorded;
            }
            Err(stop) => drop(self.illegible.insert(key.to_vec(), stop)),
        }
    }

    /// A disagreement counts when it is still there a while after it was found, and was read anew: what was read before
    /// may be old, if this process has hung since.
    pub fn may_be_wrong(&mut self, now: Timestamp) -> bool {
        let doubted = self.doubted.filter(|doubted| *doubted <= now).unwrap_or(now);
        self.doubted = Some(doubted);
        left(doubted, PATIENCE, now).is_some()
    }

    /// Who goes first: all of them are asked where they end, then all are read together, then judged. The pins of
    /// partition 0 are read by the same reader as its states: never both at once.
    pub fn rank(&self) -> u8 {
        match self.at {
            At::Pins => 0,
            // Others need not wait for what has to be looked at again.
            At::Barrier if self.doubted.is_some() => 5,
            At::Barrier | At::End | At::Assign => 1,
            At::Fold => 2,
            At::Input | At::Commands => 3,
            At::PinsEnd => 4,
        }
    }
}

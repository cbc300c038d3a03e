//! Lets a request arrive whose sender no longer waits for it.

use super::coordinator::Markers;
use super::state::State;
use super::stray::{Arrived, Stray};

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

//! Requests whose sender no longer waits for them, and which arrive all the same.

use super::state::State;
use super::transaction::{Markers, ProducerId};

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
    /// Lets it arrive. `false`: it had no effect.
    pub fn deliver(&mut self, stray: &Stray) -> bool {
        match stray {
            Stray::EndTransaction { producer, committed } => {
                let open = self.has_open_transaction(*producer);
                open && self.end_transaction(*producer, *committed, Markers::Written).is_ok()
            }
            Stray::DeleteRecords { topic, up_to } => self.delete_records(topic, *up_to).is_ok(),
            Stray::DeleteTopic { topic } => self.delete_topic(topic).is_ok(),
        }
    }
}

//! Who makes spans of what workers have noted.

use crate::worker::TracedTurn;

pub trait Traces: Send + Sync {
    /// Takes what a turn has noted. It must not wait for anything: a worker calls it between two steps.
    fn take(&self, turn: TracedTurn);
}

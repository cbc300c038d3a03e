//! When nobody ran.

use flowgate::time::Timestamp;

/// What there was when a process was started and none was left: whoever comes next has to apply every command that waits
/// before it takes one event.
pub struct Down {
    /// The broker's time.
    pub at: Timestamp,
    /// Commands below it waited.
    pub control_end: i64,
    /// Of the input, by partition: where the next owner goes on.
    pub positions: Vec<i64>,
}

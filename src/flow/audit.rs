//! What the audit topic tells: every transition, and the answer to every command.

use super::{Cause, Command, Done, Flow, FlowId, Outcome, PauseId, Transition};
use crate::time::Timestamp;

/// One event of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// `None`: about a command that names no single flow.
    pub flow: Option<FlowId>,
    /// The home partition of the flow.
    pub partition: i32,
    /// When it took effect, by the acting gate's clock.
    pub at: Timestamp,
    pub position: Position,
    pub happening: Happening,
}

/// Where in each order it took effect: everything below came before it, everything else after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The offset in the home partition of the enrollments.
    pub input: i64,
    /// The offset in the control topic; of a command's own happenings, the command's offset.
    pub control: i64,
    /// The number of the flow's newest queue entry.
    pub entry: u64,
    /// The number of the last queue entry that had its fate.
    pub watermark: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    Transition {
        transition: Transition,
        /// The pause in force afterwards, or the one that ended.
        pause: Option<PauseId>,
        /// The offset of the command that caused it; `None`: the timer, a drain that ended, or an event.
        command: Option<i64>,
    },
    Answer {
        command: Command,
        /// Where the command stands in the control topic.
        offset: i64,
        outcome: Outcome,
        /// The command had been answered before: this is the same answer again.
        repeated: bool,
    },
}

impl Transition {
    /// What has been done by an order that ends with it.
    #[must_use]
    pub fn done(&self) -> Option<&Done> {
        match self {
            Self::Purged(done) | Self::Sampled(done) => Some(done),
            Self::LossAccepted(loss) => Some(&loss.done),
            _ => None,
        }
    }

    /// The word on the wire.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Paused => "paused",
            Self::Updated => "updated",
            Self::Resumed(Cause::Resume) => "resumed",
            Self::Resumed(Cause::Timer) => "expired",
            Self::Redirected => "redirected",
            Self::Repaused => "repaused",
            Self::WentLive => "live",
            Self::Purging => "purging",
            Self::Purged(_) => "purged",
            Self::Sampling => "sampling",
            Self::Sampled(_) => "sampled",
            Self::LossAccepted(_) => "loss_accepted",
            Self::Expiring(_) => "expiring",
            Self::Forgotten => "forgotten",
        }
    }
}

impl Flow {
    /// The position of this flow, given the partition's.
    #[must_use]
    pub fn position(&self, input: i64, control: i64) -> Position {
        Position { input, control, entry: self.queue.last_entry(), watermark: self.queue.watermark.entry }
    }
}

//! The rules of pausing (docs/contract.md says what they are for others), and nothing else.
//!
//! A [`Flow`] is a value. What happens to it comes in by four verbs, each a file:
//! - [`command`]: an operator orders (`pause.rs`, `resume.rs`, `sample.rs`, `purge.rs`, `loss.rs`, `forget.rs`: every pair of
//!   state and order has its outcome), or orders something of every flow ([`every`]);
//! - [`arrive`]: an event comes in, and is delivered, held, or turned away;
//! - [`timer`]: the deadline of a pause passes, or comes near;
//! - [`drain`]: a held entry is passed, and is released, replaced or removed.
//!
//! [`index`] knows which held entries a newer one has replaced. [`partition`] holds what belongs to a partition rather
//! than to a flow.
//!
//! Architecture invariant: no I/O, no clock, no async, no serialisation, nothing random. Time is an argument, the next
//! wake-up ([`Flow::deadline`]) a result. The same calls in the same order give the same values.

pub mod arrive;
pub mod audit;
pub mod command;
mod counts;
pub mod drain;
pub mod event;
pub mod every;
mod expect;
mod forget;
pub mod id;
pub mod index;
mod loss;
mod outcome;
pub mod partition;
mod pause;
mod purge;
mod rate;
mod resume;
mod sample;
pub mod state;
mod taken;
#[cfg(test)]
mod tests;
pub mod timer;

pub use audit::{AuditEvent, Happening, Position};
pub use command::{
    AcceptLossOrder, Action, Command, Issue, Limits, Moment, PauseEnd, PauseOrder, PurgeOrder, ReleaseOrder,
    ResumeOrder, Target,
};
pub use counts::{Counts, PerKind, Tally};
pub use event::{Event, Kind};
pub use expect::Expect;
pub use id::{CommandId, FlowId, RecordId};
pub use outcome::{Answered, Outcome, Verdict};
pub use partition::{DefaultPause, EveryUnderWay, Partition};
pub use rate::{NotARate, Rate};
pub use state::{
    Cause, Done, Drain, Flow, Keep, Line, LineReason, Loss, NewRecords, OnExpiry, Pause, PauseId, Purge, Queue,
    Release, Sample, State, Transition, Wanted, Warning, Watermark,
};
pub use taken::Taken;

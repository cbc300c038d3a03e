//! `flowgate demo`: eighteen months of real purchases through the production worker, in one process or on a cluster.
//!
//! - [`purchases`]: the events that a shop's automation would send;
//! - [`feed`]: sends them, each in its time;
//! - [`operator`]: orders pauses and resumes, by commands in the control topic; [`script`]: what is ordered when nobody
//!   sits at the keys;
//! - [`watch`]: follows the topics and counts; [`story`]: says what happened in lines;
//! - [`session`]: those four as one, on any broker;
//! - [`backend`]: what all of that runs on; [`simulation`]: the worker, the memory broker, and a calendar that goes as fast
//!   as wanted; [`cluster`]: an instance of the gate on a cluster, by the wall clock;
//! - [`calendar`]: how the gate's clock reads in the calendar that is shown; [`play`]: all of it together;
//! - [`fast`]: everything at once, with a proof at the end ([`proof`]);
//! - [`live`]: a day a second, on a terminal or without one; [`console`]: the gate's own console beside it.
//!
//! Architecture invariant: every figure and event that is shown was read from the topics, as anybody could read them. Only
//! [`simulation`] asks the worker itself for something: how many held events it has passed, to pace the calendar, and what an
//! instance shows of its workers.

pub mod backend;
pub mod calendar;
pub mod cluster;
pub mod console;
pub mod fast;
pub mod feed;
pub mod live;
pub mod operator;
mod patience;
pub mod play;
pub mod proof;
pub mod purchases;
pub mod script;
pub mod session;
pub(crate) mod show;
pub mod signals;
pub mod simulation;
pub mod story;
pub mod watch;

use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::broker;
use crate::schema::topics::BadPrefix;
use crate::worker::Stop;

/// Why a demo ended before its end.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("the broker refused a call: {0}")]
    Broker(#[from] broker::Error),
    #[error("the gate stopped: {0}")]
    Gate(#[from] Stop),
    #[error("cannot write to the terminal: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Prefix(#[from] BadPrefix),
    /// Something in a topic that the gate or the demo has written cannot be read.
    #[error("cannot read a record of `{topic}`: {why}")]
    Unreadable { topic: String, why: String },
    #[error("the gate has not settled after {steps} steps, in its phase `{phase}`")]
    Restless { steps: u64, phase: &'static str },
    #[error("the gate has not done what was to be done within {} s: {why}", waited.as_secs())]
    Late { waited: Duration, why: String },
    /// Somebody has ended it.
    #[error("it was interrupted")]
    Interrupted,
}

impl Failure {
    /// Whoever read our output has enough of it (`| head`): an end, not a failure.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

//! `flowgate demo`: eighteen months of real purchases through the production worker, in one process.
//!
//! - [`purchases`]: the events that a shop's automation would send;
//! - [`feed`]: sends them, each in its time;
//! - [`operator`]: orders pauses and resumes, by commands in the control topic; [`script`]: what is ordered when nobody
//!   sits at the keys;
//! - [`watch`]: follows the topics and counts; [`story`]: says what happened in lines;
//! - [`session`]: those four as one, on any broker;
//! - [`simulation`]: the worker, the memory broker, and a calendar that goes as fast as wanted; [`play`]: all of it together;
//! - [`fast`]: everything at once, with a proof at the end ([`proof`]);
//! - [`live`]: a day a second, on a terminal or without one.
//!
//! Architecture invariant: nothing here looks into the gate. What is shown was read from the topics, as anybody could.

pub mod fast;
pub mod feed;
pub mod live;
pub mod operator;
pub mod play;
pub mod proof;
pub mod purchases;
pub mod script;
pub mod session;
mod show;
pub mod simulation;
pub mod story;
pub mod watch;

use std::io;

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
}

impl Failure {
    /// Whoever read our output has enough of it (`| head`): an end, not a failure.
    #[must_use]
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code of the process.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Gate(stop) => stop.exit_code(),
            Self::Broker(_) | Self::Output(_) | Self::Prefix(_) | Self::Unreadable { .. } | Self::Restless { .. } => 1,
        }
    }
}

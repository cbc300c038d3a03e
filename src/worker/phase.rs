//! The phases of a worker: where it is between two steps, with what that place owns.

use std::time::Duration;

use super::session::gathering::Gather;
use super::session::turn::Turn;
use crate::broker::{Broker, Producer};
use crate::time::Timestamp;

/// What a step has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Call [`Worker::step`](super::Worker::step) again.
    Progress,
    /// There was nothing to do; nothing happens by itself before this time, unless something arrives.
    Idle { until: Option<Timestamp> },
    /// The broker wants to be asked again later.
    Waiting(Duration),
    /// The worker has left the group after [`Worker::stop`](super::Worker::stop): the last step.
    Left,
}

pub(super) type Transaction<B> = <<B as Broker>::Producer as Producer>::Transaction;

/// Where a worker is, with what that place owns.
pub(super) enum Phase<B: Broker> {
    /// Learn the shape of the topics.
    Start,
    /// Ask the producer whether the name is still ours.
    Prove(AfterProof),
    /// Make the clients, and join the group.
    Enter,
    /// Make a producer, which fences the one before and ends its transaction; ask the group first, if need be.
    Replace(After),
    Chores,
    /// Poll for the first slice of a turn.
    Gather(Gather),
    /// Make the queue topics that the turn needs.
    Create(Box<Turn>),
    /// Wait until the producer knows who leads them.
    Leaders(Box<Turn>),
    Send(Box<Open<B>>, usize),
    /// Poll for the next slice of the turn under way.
    Slice(Box<Open<B>>, Poll),
    Acks(Box<Open<B>>),
    Offsets(Box<Open<B>>),
    Commit(Box<Open<B>>),
    Abort(Transaction<B>),
    /// A commit's outcome is not known: see whose name the offsets carry.
    ReadBack(Box<Turn>),
    Leave,
    Left,
}

/// What a slice is polled for next.
#[derive(Clone, Copy)]
pub(super) enum Poll {
    Commands,
    Backlog,
    Events,
}

/// A turn whose transaction is open.
pub(super) struct Open<B: Broker> {
    pub(super) turn: Box<Turn>,
    pub(super) transaction: Transaction<B>,
    /// While it waits for acknowledgements, the member is polled for the next turn before it waits again.
    pub(super) polls_ahead: bool,
}

/// What follows when there is a producer again.
pub(super) enum After {
    /// Nothing was under way.
    Rewind,
    /// The worker is not in the group yet.
    Enter,
    /// This turn holds.
    Publish(Box<Turn>),
    /// This turn may hold.
    ReadBack(Box<Turn>),
    /// This turn wants a producer with its compression.
    Leaders(Box<Turn>),
}

/// What follows when the name is proved, or cannot be.
pub(super) enum AfterProof {
    /// Make the clients, and join.
    Enter,
    /// Give up these partitions, which the group has given away: the member joins again by itself.
    GiveUp(Vec<i32>),
}

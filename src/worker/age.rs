//! A turn has an age: what it decided is true for a while only. Other commands come, timers become due, timestamps and ages
//! are compared with a clock that goes on.
//!
//! So a turn that is older than a transaction may be is dropped, with its transaction if one is open, and what it was made
//! from is read again. Where that happens again and again the brokers are too slow for turns of this size: each one dropped
//! halves the next, each one that holds in half of its time doubles it again.

use super::Worker;
use super::options::Budget;
use super::phase::{Open, Phase};
use super::session::turn::Turn;
use super::session::wait::left;
use crate::broker::Broker;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// The phase, or what comes instead of it because its turn is too old. A turn whose commit was asked for may hold: it
    /// is not dropped any more. One that waits for leaders says itself for which.
    pub(super) fn unless_too_old(&mut self, phase: Phase<B>, now: Timestamp) -> Phase<B> {
        match phase {
            Phase::Create(turn) if self.is_too_old(&turn, now) => {
                self.drop_turn(&turn, now);
                self.rewind();
                Phase::Chores
            }
            Phase::Send(open, _) | Phase::Slice(open, _) | Phase::Acks(open) | Phase::Offsets(open)
                if self.is_too_old(&open.turn, now) =>
            {
                self.drop_open(*open, now)
            }
            Phase::Commit(open) if !open.turn.commit_asked_for && self.is_too_old(&open.turn, now) => {
                self.drop_open(*open, now)
            }
            other => other,
        }
    }

    /// Whether a turn has outlived its transaction's time, counted from when commands were last asked for before it was
    /// decided. A clock that was set back says nothing about its age: then it counts as too old.
    pub(super) fn is_too_old(&self, turn: &Turn, now: Timestamp) -> bool {
        self.is_outdated(turn.gathered_at, now)
    }

    /// The same of what was gathered at this time.
    pub(super) fn is_outdated(&self, gathered_at: Timestamp, now: Timestamp) -> bool {
        left(gathered_at, self.options.transaction_timeout, now).is_none() && !mutant::is(Mutant::TurnHasNoAge)
    }

    /// When the next turn is full.
    pub(super) fn budget(&self) -> Budget {
        self.table.pace.budget(self.options.turn)
    }

    fn drop_open(&mut self, open: Open<B>, now: Timestamp) -> Phase<B> {
        self.drop_turn(&open.turn, now);
        Phase::Abort(open.transaction)
    }

    pub(super) fn drop_turn(&mut self, turn: &Turn, now: Timestamp) {
        tracing::warn!(turn = turn.name, age = ?now.since(turn.gathered_at), "a turn is too old; it is dropped");
        self.stats.outdated += 1;
        self.table.pace.drop_turn();
    }
}

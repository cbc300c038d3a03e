//! A turn has an age: what it decided is true for a while only. Other commands come, timers become due, timestamps and ages
//! are compared with a clock that goes on.
//!
//! So a turn that is older than a transaction may be is dropped, with its transaction if one is open, and what it was made
//! from is read again. Where that happens again and again the brokers are too slow for turns of this size: each one dropped
//! halves the next, each one that holds in half of its time doubles it again.

use super::table::left;
use super::turn::Turn;
use super::{Budget, Open, Phase, Worker};
use crate::broker::Broker;
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// How small turns get: a 65,536th of their size, but for one record.
const HALVINGS: u32 = 16;

/// Turns dropped one after the other until that is shown.
const SHOWN: u32 = 2;

/// How turns fare with their time.
#[derive(Default)]
pub(super) struct Pace {
    /// How often the size of turns was halved.
    halvings: u32,
    /// Turns dropped since one has held.
    dropped: u32,
}

impl Pace {
    /// When the next turn is full.
    pub fn budget(&self, whole: Budget) -> Budget {
        let part = |of: usize| (of >> self.halvings).max(1);
        Budget {
            records: part(whole.records),
            bytes: part(whole.bytes),
            time: whole.time / (1 << self.halvings),
            slice: part(whole.slice),
            backlog: part(whole.backlog),
            topics: part(whole.topics),
            commands: part(whole.commands),
            queues: whole.queues,
            ahead: whole.ahead,
        }
    }

    fn drop_turn(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
        self.halvings = HALVINGS.min(self.halvings + 1);
    }

    /// A turn holds.
    pub fn hold(&mut self, in_half_the_time: bool) {
        self.dropped = 0;
        if in_half_the_time {
            self.halvings = self.halvings.saturating_sub(1);
        }
    }

    /// There was nothing to do, so nothing is too slow.
    pub fn rest(&mut self) {
        self.dropped = 0;
    }

    /// Why nothing goes on, if turns are dropped one after the other.
    pub fn obstacle(&self) -> Option<String> {
        let dropped = self.dropped;
        (dropped >= SHOWN).then(|| {
            format!("the brokers are too slow: {dropped} turns in a row took longer than a transaction may; turns get smaller")
        })
    }
}

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

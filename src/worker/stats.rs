//! What a worker counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::broker::{Action, Code, Error};
use crate::schema::Reason;

/// What a worker has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub turns: u64,
    pub aborts: u64,
    /// Producers made: one at the start, and one for each that had to be thrown away.
    pub producers: u64,
    pub delivered: u64,
    /// Events of flows that are not recorded, for too many are; they are among those delivered.
    pub unrecorded: u64,
    pub held: u64,
    pub turned_away: u64,
    pub released: u64,
    pub replaced: u64,
    pub removed: u64,
    pub rerouted: u64,
    pub dead_letters: u64,
    pub commands: u64,
    /// Dead letters by the word of their reason.
    pub dead_by_reason: BTreeMap<&'static str, u64>,
    /// Answered commands by the word of their verdict.
    pub answers: BTreeMap<&'static str, u64>,
    /// How late timers fired, until they are taken ([`super::Worker::take_lateness`]); the newest of them if nobody does.
    pub lateness: Vec<Duration>,
    /// How many milliseconds our clock is ahead of the broker's, as the last state record told; 0 within the time that
    /// the record took.
    pub clock_ahead: Option<i64>,
    /// Turns that were dropped because they had outlived their transaction's time.
    pub outdated: u64,
    /// Turns that held, but took more than half of their transaction's time.
    pub slow: u64,
    /// Failed calls that said that another process or member has taken our place.
    pub fenced: u64,
    /// Failed calls, by what was to be done about them.
    pub troubles: BTreeMap<&'static str, u64>,
    /// The last failed call, in the client's words.
    pub last_trouble: Option<String>,
}

impl Stats {
    /// How many measurements of lateness wait to be taken, at most.
    const LATENESS: usize = 10_000;

    pub(super) fn trouble(&mut self, error: &Error) {
        let action = match error.action {
            Action::Retry => "retry",
            Action::Abort => "abort",
            Action::Rebuild => "rebuild",
            Action::Stop => "stop",
        };
        *self.troubles.entry(action).or_default() += 1;
        self.fenced += u64::from(matches!(error.code, Code::Fenced | Code::InstanceFenced));
        self.last_trouble = Some(error.detail.clone());
        tracing::debug!(action, code = ?error.code, %error, "a call failed");
    }

    /// Adds what a turn that holds has done.
    pub(super) fn add(&mut self, turn: &Self) {
        self.turns += 1;
        self.delivered += turn.delivered;
        self.unrecorded += turn.unrecorded;
        self.held += turn.held;
        self.turned_away += turn.turned_away;
        self.released += turn.released;
        self.replaced += turn.replaced;
        self.removed += turn.removed;
        self.rerouted += turn.rerouted;
        self.dead_letters += turn.dead_letters;
        self.commands += turn.commands;
        for (reason, count) in &turn.dead_by_reason {
            *self.dead_by_reason.entry(reason).or_default() += count;
        }
        for (verdict, count) in &turn.answers {
            *self.answers.entry(verdict).or_default() += count;
        }
        self.lateness.extend(&turn.lateness);
        let surplus = self.lateness.len().saturating_sub(Self::LATENESS);
        self.lateness.drain(..surplus);
    }

    pub(super) fn dead_letter(&mut self, reason: Reason) {
        self.dead_letters += 1;
        *self.dead_by_reason.entry(reason.word()).or_default() += 1;
    }
}

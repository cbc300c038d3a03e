//! The later slices of a turn, polled for within its transaction: what is held, events; and when the turn ends.
//!
//! What earlier slices have decided is seen by the later ones, and by nothing else. All of a turn is decided as of one
//! moment, that of its first slice, where commands and timers have their place. So a command that comes between two slices
//! ends the turn, and is the first thing in the next one. A change of assignment ends it as well, and is taken note of
//! behind it ([`Change`]).

use std::time::Duration;

use super::assignment::Change;
use super::table::{Amount, Owned, Table};
use super::turn::Turn;
use super::{BACKOFF, Open, Phase, Step, Stop, Worker, decide, in_hand, rebuild};
use crate::broker::{Action, Broker, Code, Member, PollLimit, Polled, Reader, Record};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// Staged flows and audit events after which a turn ends: they are written all at once.
const OWN_RECORDS: usize = 10_000;

/// What a slice is polled for next.
#[derive(Clone, Copy)]
pub(super) enum Poll {
    Commands,
    Backlog,
    Events,
}

/// What a poll of the member has brought within a transaction.
enum Brought {
    Records,
    /// Nothing more is to be polled before the turn has ended.
    Nothing,
    /// The group has given our partitions away: the turn cannot hold.
    Lost,
    /// Everything begins anew, which ends the transaction as well.
    Over,
}

impl<B: Broker> Worker<B> {
    pub(super) fn slice(&mut self, open: Box<Open<B>>, poll: Poll, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        match poll {
            Poll::Commands => self.slice_commands(open, now),
            Poll::Backlog => self.slice_backlog(open),
            Poll::Events => self.slice_events(open, now),
        }
    }

    fn slice_commands(&mut self, open: Box<Open<B>>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let budget = self.budget();
        let limit = PollLimit { records: budget.commands, bytes: budget.bytes, wait: Duration::ZERO };
        match in_hand(&mut self.clients)?.control.poll(limit, &mut self.table.commands_ahead) {
            Ok(Polled::OutOfRange { low, .. }) => {
                self.go_on_from_command(low);
                return Ok(self.close(open, now));
            }
            Ok(_) => {}
            Err(error) if error.action == Action::Retry => {
                self.stats.trouble(&error);
                return Ok(self.close(open, now));
            }
            Err(error) => return self.trouble(error, Phase::Start),
        }
        if !self.table.commands_ahead.is_empty() {
            if mutant::is(Mutant::CommandBetweenSlicesForgotten) {
                self.table.commands_ahead.clear();
            }
            return Ok(self.close(open, now));
        }
        let next = if self.table.reading.is_empty() { Poll::Events } else { Poll::Backlog };
        Ok((Phase::Slice(open, next), Step::Progress))
    }

    fn slice_backlog(&mut self, open: Box<Open<B>>) -> Result<(Phase<B>, Step), Stop> {
        match self.poll_queues(Duration::ZERO)?.1 {
            Ok(()) => {}
            Err(error) if error.action == Action::Retry => self.stats.trouble(&error),
            Err(error) => return self.trouble(error, Phase::Start),
        }
        Ok((Phase::Slice(open, Poll::Events), Step::Progress))
    }

    fn slice_events(&mut self, open: Box<Open<B>>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let (budget, taken) = (self.budget(), open.turn.taken);
        let limit = PollLimit {
            records: budget.slice.min(budget.records.saturating_sub(taken.entries)).max(1),
            bytes: budget.slice_bytes().min(budget.bytes.saturating_sub(taken.bytes)).max(1),
            wait: Duration::ZERO,
        };
        let mut events = Vec::new();
        Ok(match self.poll_within(limit, &mut events, now)? {
            Brought::Records => self.decide_slice(open, events, now),
            Brought::Nothing => {
                // A poll that failed may have brought something.
                self.table.carried.append(&mut events);
                self.close(open, now)
            }
            Brought::Lost => (Phase::Abort(open.transaction), Step::Progress),
            Brought::Over => (Phase::Start, Step::Waiting(BACKOFF)),
        })
    }

    /// Polls the member while a transaction is open.
    fn poll_within(&mut self, limit: PollLimit, events: &mut Vec<Record>, now: Timestamp) -> Result<Brought, Stop> {
        let change = match in_hand(&mut self.clients)?.member.poll(limit, events) {
            Ok(Polled::Records) => {
                self.table.member_polled = now;
                return Ok(Brought::Records);
            }
            Ok(Polled::Assigned(partitions)) => Change::Assigned(partitions),
            Ok(Polled::Revoked { partitions, lost }) => Change::Revoked { partitions, lost },
            Ok(Polled::OutOfRange { partition, low, .. }) => {
                self.without_next_event(partition, low);
                return Ok(Brought::Over);
            }
            Err(error) if error.action == Action::Retry => {
                self.stats.trouble(&error);
                return Ok(Brought::Nothing);
            }
            Err(error) if matches!(error.code, Code::InstanceFenced | Code::StaleGeneration) => {
                // Says so again when the turn has ended, and then the producer can be asked whose the name is.
                self.stats.trouble(&error);
                return Ok(Brought::Lost);
            }
            Err(error) => {
                self.trouble(error, Phase::Start)?;
                return Ok(Brought::Over);
            }
        };
        let lost = matches!(change, Change::Revoked { lost: true, .. });
        self.table.change = Some(change);
        // What the group has given away is not ours to decide about.
        Ok(if lost { Brought::Lost } else { Brought::Nothing })
    }

    fn decide_slice(&mut self, mut open: Box<Open<B>>, events: Vec<Record>, now: Timestamp) -> (Phase<B>, Step) {
        let brought = !events.is_empty();
        let turn = std::mem::take(&mut *open.turn);
        let mut turn = decide::decide_slice(&self.table, &self.options, events, turn, &self.handles);
        self.table.carried.append(&mut turn.carried);
        self.table.note_passing(&turn);
        let is_over = !brought && turn.writes.is_empty();
        *open.turn = turn;
        if is_over { self.close(open, now) } else { (Phase::Send(open, 0), Step::Progress) }
    }

    /// A slice has been sent: whether another one follows.
    pub(super) fn after_slice(&mut self, open: Box<Open<B>>, now: Timestamp) -> (Phase<B>, Step) {
        if self.is_full(&open.turn, now) {
            return self.close(open, now);
        }
        (Phase::Slice(open, Poll::Commands), Step::Progress)
    }

    /// Whether a turn takes no further slice.
    fn is_full(&self, turn: &Turn, now: Timestamp) -> bool {
        let is_special = turn.one_slice || turn.last || turn.cut || turn.only_commands || turn.alone.is_some();
        // Whoever sent a command waits for its answer, and readers of other partitions for a rerouted event.
        let is_awaited = turn.stats.commands > 0 || turn.stats.rerouted > 0;
        let (table, budget) = (&self.table, self.budget());
        let stands_still = turn.stopped.len() == table.owned.len() && table.draining().next().is_none();
        let is_large = turn.taken.entries >= budget.records
            || turn.taken.bytes >= budget.bytes
            || turn.touched >= budget.touched()
            || turn.own_records() >= OWN_RECORDS;
        is_special
            || is_awaited
            || is_large
            || stands_still
            || turn.outrun
            || self.stopping
            || table.change.is_some()
            || table.carried.is_full(budget)
            || table.is_anything_due(now)
            // One call for a partition that is being taken over comes with each turn.
            || !table.owned.values().all(Owned::is_active)
            || self.has_lasted(turn, now)
    }

    /// Whether a turn has gone on for long enough. A drain with a rate is given what the rate allows once in a turn, so its
    /// turns stay short.
    fn has_lasted(&self, turn: &Turn, now: Timestamp) -> bool {
        let (budget, lasts) = (self.budget(), now.since(turn.decided_at));
        now < turn.decided_at
            || lasts >= budget.time_with(turn.touched)
            || lasts >= budget.time && self.table.has_limited_drain()
            || lasts >= rebuild::TURN && self.table.is_index_awaited()
    }

    /// The turn says what it has to say of itself, and nothing comes after that.
    fn close(&mut self, mut open: Box<Open<B>>, now: Timestamp) -> (Phase<B>, Step) {
        open.turn.seal(self.table.shape.audit, now);
        (Phase::Send(open, 0), Step::Progress)
    }

    /// While acknowledgements are awaited, the member is asked for what the next turn begins with.
    pub(super) fn poll_ahead(&mut self, mut open: Box<Open<B>>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        open.polls_ahead = false;
        let budget = self.budget();
        let limit = PollLimit { records: budget.slice, bytes: budget.slice_bytes(), wait: Duration::ZERO };
        let mut events = Vec::new();
        let brought = self.poll_within(self.table.carried.room(limit, budget), &mut events, now)?;
        if !mutant::is(Mutant::PolledAheadForgotten) {
            self.table.carried.append(&mut events);
        }
        Ok(match brought {
            Brought::Records | Brought::Nothing => (Phase::Acks(open), Step::Progress),
            Brought::Lost => (Phase::Abort(open.transaction), Step::Progress),
            Brought::Over => (Phase::Start, Step::Waiting(BACKOFF)),
        })
    }

    /// Whether something may be polled ahead of the turn under way.
    pub(super) fn may_poll_ahead(&self, open: &Open<B>) -> bool {
        let is_last = open.turn.last || open.turn.cut || self.stopping;
        open.polls_ahead && !is_last && self.table.change.is_none() && !self.table.carried.is_full(self.budget())
    }
}

impl Table {
    /// Takes note of what a turn under way passes of each drain's buffer: there is room behind it.
    pub(super) fn note_passing(&mut self, turn: &Turn) {
        for (partition, staged) in &turn.partitions {
            let Some(owned) = self.owned.get_mut(partition) else { continue };
            for (id, of) in staged.flows.iter().filter(|(_, of)| of.passed.entries > 0) {
                if let Some(backlog) = owned.flows.get_mut(id).and_then(|tracked| tracked.backlog.as_mut()) {
                    backlog.passing = of.passed;
                }
            }
        }
    }

    /// No turn is under way any more that passes something.
    pub(super) fn forget_passing(&mut self) {
        for owned in self.owned.values_mut() {
            for flow in &owned.draining {
                if let Some(backlog) = owned.flows.get_mut(flow).and_then(|tracked| tracked.backlog.as_mut()) {
                    backlog.passing = Amount::default();
                }
            }
        }
    }

    fn has_limited_drain(&self) -> bool {
        self.draining().any(|tracked| tracked.flow.drain().is_some_and(|drain| drain.max_rate.is_some()))
    }

    /// Whether a deadline or an idle queue topic waits for the first slice of a turn.
    fn is_anything_due(&self, now: Timestamp) -> bool {
        let due = |owned: &Owned| {
            [owned.timers.first(), owned.retirements.first()].into_iter().flatten().any(|(due, _)| *due <= now)
        };
        self.owned.values().any(|owned| owned.is_active() && due(owned))
    }
}

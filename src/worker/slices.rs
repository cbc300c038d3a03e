//! The later slices of a turn, polled for within its transaction: what is held, events; and when the turn ends.
//!
//! What earlier slices have decided is seen by the later ones, and by nothing else. All of a turn is decided as of one
//! moment, that of its first slice, where commands and timers have their place. So a command that comes between two slices
//! ends the turn, and is the first thing in the next one. A change of assignment ends it as well, and is taken note of
//! behind it ([`Change`]).

use std::time::Duration;

use super::clients::in_hand;
use super::failed::Failed;
use super::phase::{Open, Phase, Poll, Step};
use super::session::amount::Amount;
use super::session::decision::{Decision, Purpose};
use super::session::owned::Owned;
use super::session::table::{Change, Table};
use super::session::turn::Turn;
use super::stop::Stop;
use super::{BACKOFF, Worker, decide, rebuild};
use crate::broker::{Action, Broker, Code, Member, PollLimit, Polled, Reader, Record};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// Staged flows and audit events after which a turn ends: they are written all at once.
const OWN_RECORDS: usize = 10_000;

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
        match self.poll_queues(Duration::ZERO) {
            Ok(_) => {}
            Err(Failed::Call(error)) if error.action == Action::Retry => self.stats.trouble(&error),
            Err(failed) => return self.trouble(failed.call()?, Phase::Start),
        }
        Ok((Phase::Slice(open, Poll::Events), Step::Progress))
    }

    fn slice_events(&mut self, mut open: Box<Open<B>>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let (budget, taken) = (self.budget(), open.turn.decision.taken);
        let limit = PollLimit {
            records: budget.slice.min(budget.records.saturating_sub(taken.entries)).max(1),
            bytes: budget.slice_bytes().min(budget.bytes.saturating_sub(taken.bytes)).max(1),
            wait: Duration::ZERO,
        };
        let mut events = Vec::new();
        Ok(match self.poll_within(limit, &mut events, now)? {
            Brought::Records => {
                let bytes = || events.iter().map(Record::size).sum::<usize>();
                open.turn.is_caught_up = events.len() < limit.records && bytes() < limit.bytes / 2;
                self.decide_slice(open, events, now)
            }
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
        let before = std::mem::take(&mut open.turn.decision);
        let mut decision = decide::next_slice(&self.table, &self.options, events, before, &self.writable);
        self.table.carried.append(&mut decision.carried);
        self.table.note_passing(&decision);
        let is_over = !brought && decision.writes.is_empty();
        open.turn.decision = decision;
        if is_over { self.close(open, now) } else { (Phase::Send(open, 0), Step::Progress) }
    }

    /// A slice has been sent: whether another one follows.
    pub(super) fn after_slice(&mut self, mut open: Box<Open<B>>, now: Timestamp) -> (Phase<B>, Step) {
        let Turn { decision, live_since, .. } = &mut *open.turn;
        if decision.stats.delivered > 0 {
            live_since.get_or_insert(now);
        }
        if self.is_full(&open.turn, now) {
            return self.close(open, now);
        }
        (Phase::Slice(open, Poll::Commands), Step::Progress)
    }

    /// Whether a turn takes no further slice.
    fn is_full(&self, turn: &Turn, now: Timestamp) -> bool {
        let decision = &turn.decision;
        let has_one_slice = turn.one_slice || decision.reread_all || !matches!(decision.purpose, Purpose::Everything);
        // Whoever sent a command waits for its answer, and readers of other partitions for a rerouted event.
        let is_awaited = decision.stats.commands > 0 || decision.stats.rerouted > 0;
        let (table, budget) = (&self.table, self.budget());
        let stands_still = decision.stopped.len() == table.owned.len() && table.draining().next().is_none();
        let is_large = decision.taken.entries >= budget.records
            || decision.taken.bytes >= budget.bytes
            || decision.touched >= budget.touched()
            || decision.own_records() >= OWN_RECORDS;
        has_one_slice
            || is_awaited
            || is_large
            || stands_still
            || decision.outrun
            || self.stopping
            || table.change.is_some()
            || table.carried.is_full(budget)
            || table.is_anything_due(now)
            // One call for a partition that is being taken over comes with each turn.
            || !table.owned.values().all(Owned::is_active)
            || self.has_lasted(turn, now)
    }

    /// Whether a turn has gone on for long enough. A drain with a rate is given what the rate allows once in a turn, so its
    /// turns stay short. So do those that have live events and go on for a drain alone.
    fn has_lasted(&self, turn: &Turn, now: Timestamp) -> bool {
        let (budget, lasts) = (self.budget(), now.since(turn.decision.at));
        let goes_on_for_drains = turn.is_caught_up && turn.decision.drained.entries > 0;
        let live_waits = turn.live_since.filter(|_| goes_on_for_drains).map(|since| now.since(since));
        now < turn.decision.at
            || lasts >= budget.time_with(turn.decision.touched)
            || live_waits.is_some_and(|waits| waits >= budget.beside_drains(turn.decision.touched))
            || lasts >= budget.time && self.table.limited_drains() > 0
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
        let is_last = open.turn.decision.is_last() || open.turn.decision.reread_all || self.stopping;
        open.polls_ahead && !is_last && self.table.change.is_none() && !self.table.carried.is_full(self.budget())
    }
}

impl Table {
    /// Takes note of what a turn under way passes of each drain's buffer: there is room behind it.
    pub(super) fn note_passing(&mut self, decision: &Decision) {
        for (partition, staged) in &decision.partitions {
            let Some(owned) = self.owned.get_mut(partition) else { continue };
            for (id, of) in staged.flows.iter().filter(|(_, of)| of.passed.entries > 0) {
                if let Some(backlog) = owned.facts.flow_mut(id).and_then(|tracked| tracked.backlog.as_mut()) {
                    backlog.passing = of.passed;
                }
            }
        }
    }

    /// No turn is under way any more that passes something.
    pub(super) fn forget_passing(&mut self) {
        for owned in self.owned.values_mut() {
            owned.facts.each_drain_mut(|_, tracked| {
                if let Some(backlog) = &mut tracked.backlog {
                    backlog.passing = Amount::default();
                }
            });
        }
    }

    /// Whether a deadline, a warning before one, or an idle queue topic waits for the first slice of a turn.
    fn is_anything_due(&self, now: Timestamp) -> bool {
        let due = |owned: &Owned| {
            [owned.facts.timers().first(), owned.facts.retirements().first()]
                .into_iter()
                .flatten()
                .any(|(due, _)| *due <= now)
        };
        self.owned.values().any(|owned| owned.is_active() && due(owned))
    }
}

//! Polls for a turn: the partitions being taken over, commands, what is held, events.
//!
//! A turn is polled for, decided and sent in slices. The first begins the turn: partitions being taken over, the question
//! whether more commands wait, timers and gaps have their place in it alone, for no transaction is open yet. The later ones
//! (`slices.rs`) are polled for within the transaction.

use std::time::Duration;

use super::clients::in_hand;
use super::facts::NOTE_POSITION;
use super::failed::Failed;
use super::phase::{Phase, Step};
use super::session::gathering::{Gather, Next};
use super::session::owned::{Owned, Stage};
use super::session::table::Change;
use super::session::turn::Turn;
use super::session::wait::left;
use super::stop::Stop;
use super::{BACKOFF, Worker, decide};
use crate::broker::{Broker, Code, Member, PollLimit, Polled, Reader};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// How long a turn waits for the last entries of a drain, and reads what its next budget lacks, so that a hot flow cannot
/// outrun it.
const LAST_ENTRIES: Duration = Duration::from_millis(100);

/// What follows a part of the gathering.
pub(super) enum Onward<B: Broker> {
    /// Its next part, at once: no call was made.
    Next,
    /// Its next part, with the next step.
    Step(Step),
    /// Enough is gathered.
    Decide,
    /// As `Decide`, and then the broker wants to be asked again later.
    DecideAndWait(Duration),
    /// What was gathered is dropped, and comes again.
    Leave(Phase<B>, Step),
}

impl<B: Broker> Worker<B> {
    pub(super) fn gather(&mut self, mut gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if gather.began.is_none() {
            gather.began = Some(now);
            if let Some(change) = self.table.change.take() {
                return self.change(change, now);
            }
            if self.stopping && !self.table.stale {
                return Ok(self.stop_turn(now));
            }
            self.look_at_drains(now);
            self.look_at_searches(now);
            // A clock that was set back: what it said before is no time.
            self.table.floor_asked = self.table.floor_asked.filter(|asked| *asked <= now);
            self.table.look_at_refused(now);
        }
        loop {
            return match self.gather_next(&mut gather, now) {
                Ok(Onward::Next) => continue,
                Ok(Onward::Step(step)) => Ok((Phase::Gather(gather), step)),
                Ok(Onward::Decide) => Ok(self.decide(gather, now)),
                Ok(Onward::DecideAndWait(wait)) => Ok((self.decide(gather, now).0, Step::Waiting(wait))),
                Ok(Onward::Leave(phase, step)) => Ok((phase, step)),
                Err(failed) => self.trouble(failed.call()?, Phase::Gather(gather)),
            };
        }
    }

    fn gather_next(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        match gather.next {
            Next::Join => {
                let timers_first = mutant::is(Mutant::TimersBeforeCommands) && self.has_timer_due(gather, now);
                gather.next = if timers_first { Next::Backlog } else { Next::Commands };
                // Before anything is gathered: a partition that is restored puts the control reader back.
                match self.joining() {
                    Some(partition) => self.join(partition, now),
                    None => Ok(Onward::Next),
                }
            }
            Next::Commands => self.gather_commands(gather, now),
            Next::End => self.gather_end(gather, now),
            Next::Scan => self.gather_scan(gather, now),
            Next::Backlog => self.gather_backlog(gather, now),
            Next::Indexes => self.gather_indexes(gather, now),
            Next::Events => self.gather_events(gather, now),
            Next::Position(partition) => self.gather_position(gather, partition, now),
        }
    }

    /// For a mutant: whether a timer is due, and no commands have to be read again.
    fn has_timer_due(&self, gather: &Gather, now: Timestamp) -> bool {
        let all_are_active = self.table.owned.values().all(Owned::is_active);
        gather.scan >= self.table.control_floor && all_are_active && self.table.is_timer_due(None, now)
    }

    /// The partition whose restoring goes on next.
    fn joining(&self) -> Option<i32> {
        let joining = |(number, owned): (&i32, &Owned)| match &owned.stage {
            Stage::Joining(joining) => Some((joining.rank(), *number)),
            Stage::Introducing | Stage::Active => None,
        };
        self.table.owned.iter().filter_map(joining).min().map(|(_, number)| number)
    }

    fn gather_backlog(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        gather.next = Next::Indexes;
        if self.table.reading.is_empty() {
            return Ok(Onward::Next);
        }
        let began = match gather.backlog_began {
            Some(began) => began,
            None => {
                gather.waits = !self.table.waited && self.table.only_last_entries_missing(now);
                self.table.waited = gather.waits;
                *gather.backlog_began.insert(now)
            }
        };
        let left = left(began, LAST_ENTRIES, now).unwrap_or_default();
        let wait = if gather.waits { left } else { Duration::ZERO };
        if self.poll_queues(wait)? && !left.is_zero() && self.table.is_any_end_missing(now) {
            // A poll may bring less than there is.
            gather.next = Next::Backlog;
        }
        Ok(Onward::Step(Step::Progress))
    }

    /// Reads on in the queues that are being drained: whether that brought something.
    pub(super) fn poll_queues(&mut self, wait: Duration) -> Result<bool, Failed> {
        let (budget, lacking) = (self.budget(), self.table.lacking());
        let mut ahead = self.table.ahead(budget);
        let room = ahead.room();
        let limit = PollLimit {
            records: budget.entries().min(room.entries).max(lacking.entries),
            bytes: budget.bytes.min(room.bytes).max(lacking.bytes),
            wait,
        };
        if limit.records == 0 || limit.bytes == 0 {
            return Ok(false);
        }
        let mut records = Vec::new();
        let polled = in_hand(&mut self.clients)?.queues.poll(limit, &mut records);
        let brought = !records.is_empty();
        // Also of a poll that failed: its reader has gone on behind what it brought.
        self.take_entries(records, &mut ahead)?;
        match polled {
            Ok(Polled::OutOfRange { topic, low, .. }) => self.block(&topic, low),
            Ok(_) => {}
            Err(error) if error.code == Code::UnknownTopic => {
                // One of them is gone, and only looking at each tells which.
                self.stats.trouble(&error);
                self.look_again();
            }
            Err(error) => return Err(error.into()),
        }
        Ok(brought)
    }

    /// Every queue that is being read is read on from where it was, if that is still there.
    fn look_again(&mut self) {
        for (partition, flow) in std::mem::take(&mut self.table.reading).into_values() {
            self.look_at_queue_again(partition, &flow);
        }
    }

    fn gather_events(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        let budget = self.budget();
        let gathered = &gather.gathered;
        let idle = gathered.events.is_empty() && gathered.commands.is_empty() && self.table.carried.is_empty();
        let wait = if idle { self.table.wait_at_most(now, self.options.idle) } else { Duration::ZERO };
        let limit = PollLimit { records: budget.slice.min(budget.records), bytes: budget.slice_bytes(), wait };
        let clients = in_hand(&mut self.clients)?;
        let mut events = Vec::new();
        let polled = clients.member.poll(self.table.carried.room(limit, budget), &mut events);
        // Also of a poll that failed: the member has gone on behind what it brought.
        self.table.carried.append(&mut events);
        let change = match polled? {
            Polled::Records => None,
            Polled::Assigned(partitions) => Some(Change::Assigned(partitions)),
            Polled::Revoked { partitions, lost } => Some(Change::Revoked { partitions, lost }),
            Polled::OutOfRange { partition, low, .. } => {
                let (phase, step) = self.without_next_event(partition, low);
                return Ok(Onward::Leave(phase, step));
            }
        };
        if let Some(change) = change {
            let (phase, step) = self.change(change, now)?;
            return Ok(Onward::Leave(phase, step));
        }
        self.table.member_polled = now;
        self.table.stale = false;
        // What was left over comes first: it lies before everything that was polled now.
        gather.gathered.events.extend(self.table.carried.take(budget.records));
        let Some(partition) = self.silent(gather, now) else { return Ok(Onward::Decide) };
        gather.next = Next::Position(partition);
        Ok(Onward::Step(Step::Progress))
    }

    /// The next event of a partition is not in its log. Either events are lost, or we have hung, and another owner's
    /// progress let retention come that far. Who takes the partition over judges by what is committed.
    pub(super) fn without_next_event(&mut self, partition: i32, low: i64) -> (Phase<B>, Step) {
        tracing::warn!(partition, low, "the next event is not in the log any more; looking again");
        self.start_anew();
        (Phase::Start, Step::Waiting(BACKOFF))
    }

    /// A partition without events that was not looked at for a while. Its position has to pass the transaction markers
    /// at the end of its log: once retention has taken them, a position before them would look like a loss.
    fn silent(&self, gather: &Gather, now: Timestamp) -> Option<i32> {
        let owned = self.table.owned.iter().filter(|(_, owned)| owned.is_active() && owned.fetching);
        let due = |(partition, owned): (&i32, &Owned)| {
            let silent = gather.gathered.events.iter().all(|record| record.partition != *partition)
                && !self.table.carried.holds(*partition);
            (silent && now.since(owned.looked_at) >= NOTE_POSITION).then_some(*partition)
        };
        owned.map(due).find(Option::is_some).flatten()
    }

    fn gather_position(&mut self, gather: &mut Gather, partition: i32, now: Timestamp) -> Result<Onward<B>, Failed> {
        let position = in_hand(&mut self.clients)?.member.position(partition)?;
        if let Some(owned) = self.table.owned.get_mut(&partition) {
            owned.looked_at = now;
            let passed = position.filter(|position| *position > owned.facts.position());
            gather.gathered.passed.extend(passed.map(|position| (partition, position)));
        }
        Ok(Onward::Decide)
    }

    /// The turn for what was gathered; straight to the next gathering if there is nothing in it.
    pub(super) fn decide(&mut self, mut gather: Gather, now: Timestamp) -> (Phase<B>, Step) {
        let began = gather.began.unwrap_or(now);
        if !gather.gathered.only_commands && self.is_outdated(began, now) {
            // It has hung: whatever was recorded meanwhile comes before these events and the timers that are due now.
            gather.began = Some(now);
            gather.next = Next::Commands;
            self.table.floor_asked = None;
            return (Phase::Gather(gather), Step::Progress);
        }
        let only_commands = gather.gathered.only_commands;
        let before = std::mem::replace(&mut self.table.control_scan, gather.scan);
        let mut decision = decide::first_slice(&self.table, &self.options, gather.gathered, now);
        // What was not even taken comes behind it, and so the turn polls for nothing more.
        let one_slice = !self.table.carried.is_empty();
        self.table.carried.put_back(std::mem::take(&mut decision.carried));
        self.table.note_passing(&decision);
        if let Some(first) = decision.commands_left.first() {
            // Nothing that was recorded later comes before the rest of it.
            self.table.control_scan = first.offset;
            self.table.control_floor = self.table.control_floor.max(gather.scan);
            self.table.every_under_way = true;
            self.table.commands_ahead = std::mem::take(&mut decision.commands_left);
        }
        if decision.refused().is_some() {
            // The commands that were gathered come again, and before any event.
            self.table.control_scan = before;
            self.table.control_floor = self.table.control_floor.max(gather.scan);
        }
        if decision.is_empty() {
            self.table.pace.rest();
            match decision.reread_all {
                true => self.rewind(),
                false => self.read_again(&decision.reread),
            }
            if only_commands {
                // None of them concerns us; others wait.
                return (Phase::Chores, Step::Progress);
            }
            let mut until = self.table.next_wake(now);
            if !self.chores.is_empty() {
                let soon = now.after(Duration::from_millis(1));
                until = Some(until.map_or(soon, |until| until.min(soon)));
            }
            let step = match until {
                Some(until) if until <= now => Step::Progress,
                _ => Step::Idle { until },
            };
            // It commits nothing, but what it found out stands.
            self.activate();
            return (Phase::Chores, step);
        }
        let mut turn = Turn::new(self.turn_name(), decision, began);
        turn.one_slice = one_slice;
        (self.begin_turn(turn), Step::Progress)
    }

    fn stop_turn(&mut self, now: Timestamp) -> (Phase<B>, Step) {
        let decision = decide::clean_stop(&self.table, &self.options, now);
        if decision.is_empty() {
            return (Phase::Leave, Step::Progress);
        }
        let turn = Turn::new(self.turn_name(), decision, now);
        (self.begin_turn(turn), Step::Progress)
    }

    fn turn_name(&mut self) -> String {
        self.turns += 1;
        let Self { options, turns, .. } = self;
        format!("{}-{}-{}-{turns}", options.instance, options.worker, options.incarnation)
    }
}

//! Polls for a turn: the partitions being taken over, commands, what is held, events.
//!
//! A turn is polled for, decided and sent in slices. The first begins the turn: partitions being taken over, the question
//! whether more commands wait, timers and gaps have their place in it alone, for no transaction is open yet. The later ones
//! (`slices.rs`) are polled for within the transaction.

use std::time::Duration;

use super::assignment::Change;
use super::table::{Owned, Stage, Table, left};
use super::{BACKOFF, Phase, Step, Stop, Worker, decide, in_hand, refused};
use crate::broker::{Broker, Code, Error, Member, PollLimit, Polled, Reader, Record};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// What a turn is made from.
#[derive(Default)]
pub(super) struct Gathered {
    pub commands: Vec<Record>,
    pub events: Vec<Record>,
    /// Partitions without events whose reader has passed gaps, and to where.
    pub passed: Vec<(i32, i64)>,
    /// More commands wait than a turn takes: they come before everything else.
    pub only_commands: bool,
    /// When the commands were asked for.
    pub began: Timestamp,
}

/// The polling for the first slice of a turn, under way.
pub(super) struct Gather {
    pub next: Next,
    began: Option<Timestamp>,
    pub gathered: Gathered,
    /// How far the control topic was read for this turn.
    pub scan: i64,
    /// A turn takes no more commands than were gathered.
    pub full_of_commands: bool,
    /// When held entries were first asked for, and whether this turn waits for the last of them.
    backlog_began: Option<Timestamp>,
    waits: bool,
    /// The turn before could not take every command that was known to be there.
    pub was_behind: bool,
    /// Where the control topic ends was asked, and not answered: once is enough for one turn.
    pub unanswered: bool,
    /// Topics that it began to read for indexes.
    pub indexes_begun: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Join,
    Commands,
    /// Where the control topic ends.
    End,
    /// How far the control reader is, past gaps at the end too.
    Scan,
    Backlog,
    /// What is read for indexes that are behind.
    Indexes,
    Events,
    /// How far the member is in a partition that brings nothing, past gaps.
    Position(i32),
}

/// How long a turn waits for the last entries of a drain, and reads what its next budget lacks, so that a hot flow cannot
/// outrun it.
const LAST_ENTRIES: Duration = Duration::from_millis(100);

impl Gather {
    pub fn new(table: &Table) -> Self {
        let scan = table.control_scan;
        Self {
            next: Next::Join,
            began: None,
            gathered: Gathered::default(),
            scan,
            full_of_commands: false,
            backlog_began: None,
            waits: false,
            was_behind: scan < table.control_floor,
            unanswered: false,
            indexes_begun: 0,
        }
    }
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
            // A clock that was set back: what it said before is no time.
            self.table.floor_asked = self.table.floor_asked.filter(|asked| *asked <= now);
            self.table.look_at_refused(now);
        }
        match gather.next {
            Next::Join => {
                let timers_first = mutant::is(Mutant::TimersBeforeCommands) && self.has_timer_due(&gather, now);
                gather.next = if timers_first { Next::Backlog } else { Next::Commands };
                // Before anything is gathered: a partition that is restored puts the control reader back.
                match self.joining() {
                    Some(partition) => self.join(partition, gather, now),
                    None => self.gather(gather, now),
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

    fn gather_backlog(&mut self, mut gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        gather.next = Next::Indexes;
        if self.table.reading.is_empty() {
            return self.gather(gather, now);
        }
        let began = match gather.backlog_began {
            Some(began) => began,
            None => {
                gather.waits = !self.table.waited && self.table.only_last_entries_missing();
                self.table.waited = gather.waits;
                *gather.backlog_began.insert(now)
            }
        };
        let left = left(began, LAST_ENTRIES, now).unwrap_or_default();
        let wait = if gather.waits { left } else { Duration::ZERO };
        let (brought, polled) = self.poll_queues(wait)?;
        if brought && !left.is_zero() && !self.table.lacking().is_nothing() {
            // A poll may bring less than there is.
            gather.next = Next::Backlog;
        }
        match polled {
            Ok(()) => Ok((Phase::Gather(gather), Step::Progress)),
            Err(error) => self.trouble(error, Phase::Gather(gather)),
        }
    }

    /// Reads on in the queues that are being drained: whether that brought something, and how it went.
    pub(super) fn poll_queues(&mut self, wait: Duration) -> Result<(bool, Result<(), Error>), Stop> {
        let (budget, lacking) = (self.budget(), self.table.lacking());
        let mut ahead = self.table.ahead(budget);
        let room = ahead.room();
        let limit = PollLimit {
            records: budget.entries().min(room.entries).max(lacking.entries),
            bytes: budget.bytes.min(room.bytes).max(lacking.bytes),
            wait,
        };
        if limit.records == 0 || limit.bytes == 0 {
            return Ok((false, Ok(())));
        }
        let clients = in_hand(&mut self.clients)?;
        let mut records = Vec::new();
        let polled = clients.queues.poll(limit, &mut records);
        let brought = !records.is_empty();
        // Also of a poll that failed: its reader has gone on behind what it brought.
        for record in records {
            self.take_entry(record, &mut ahead);
        }
        let outcome = match polled {
            Ok(Polled::OutOfRange { topic, low, .. }) => {
                self.block(&topic, low);
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if error.code == Code::UnknownTopic => {
                // One of them is gone, and only looking at each tells which.
                self.stats.trouble(&error);
                self.look_again();
                Ok(())
            }
            Err(error) => Err(error),
        };
        Ok((brought, outcome))
    }

    /// Every queue that is being read is read on from where it was, if that is still there.
    fn look_again(&mut self) {
        for (partition, flow) in std::mem::take(&mut self.table.reading).into_values() {
            self.look_at_queue_again(partition, &flow);
        }
    }

    fn gather_events(&mut self, mut gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
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
        match polled {
            Ok(Polled::Records) => {}
            Ok(Polled::Assigned(partitions)) => return self.change(Change::Assigned(partitions), now),
            Ok(Polled::Revoked { partitions, lost }) => return self.change(Change::Revoked { partitions, lost }, now),
            Ok(Polled::OutOfRange { partition, low, .. }) => {
                return Ok(self.without_next_event(partition, low));
            }
            Err(error) => return self.trouble(error, Phase::Gather(gather)),
        }
        self.table.member_polled = now;
        self.table.stale = false;
        // What was left over comes first: it lies before everything that was polled now.
        gather.gathered.events.extend(self.table.carried.take(budget.records));
        match self.silent(&gather, now) {
            Some(partition) => {
                gather.next = Next::Position(partition);
                Ok((Phase::Gather(gather), Step::Progress))
            }
            None => Ok(self.decide(gather, now)),
        }
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
            (silent && now.since(owned.looked_at) >= decide::NOTE_POSITION).then_some(*partition)
        };
        owned.map(due).find(Option::is_some).flatten()
    }

    fn gather_position(
        &mut self,
        mut gather: Gather,
        partition: i32,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        let clients = in_hand(&mut self.clients)?;
        match clients.member.position(partition) {
            Ok(position) => {
                if let Some(owned) = self.table.owned.get_mut(&partition) {
                    owned.looked_at = now;
                    let passed = position.filter(|position| *position > owned.position);
                    gather.gathered.passed.extend(passed.map(|position| (partition, position)));
                }
                Ok(self.decide(gather, now))
            }
            Err(error) => self.trouble(error, Phase::Gather(gather)),
        }
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
        gather.gathered.began = began;
        let only_commands = gather.gathered.only_commands;
        let before = std::mem::replace(&mut self.table.control_scan, gather.scan);
        let name = self.turn_name();
        let mut turn = refused::decide(&self.table, &self.options, gather.gathered, now, name);
        // What was not even taken comes behind it, and so the turn polls for nothing more.
        turn.one_slice = !self.table.carried.is_empty();
        self.table.carried.put_back(std::mem::take(&mut turn.carried));
        self.table.note_passing(&turn);
        if turn.alone.is_some() {
            // The commands that were gathered come again, and before any event.
            self.table.control_scan = before;
            self.table.control_floor = self.table.control_floor.max(gather.scan);
        }
        if turn.is_empty() {
            self.table.pace.rest();
            match turn.cut {
                true => self.rewind(),
                false => self.read_again(&turn.reread),
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
        (self.begin_turn(turn), Step::Progress)
    }

    fn stop_turn(&mut self, now: Timestamp) -> (Phase<B>, Step) {
        let name = self.turn_name();
        let turn = decide::decide_last(&self.table, &self.options, now, name);
        if turn.is_empty() {
            return (Phase::Leave, Step::Progress);
        }
        (self.begin_turn(turn), Step::Progress)
    }

    fn turn_name(&mut self) -> String {
        self.turns += 1;
        let Self { options, turns, .. } = self;
        format!("{}-{}-{}-{turns}", options.instance, options.worker, options.incarnation)
    }
}

//! Polls for a turn: the partitions being taken over, commands, what is held, events. No transaction is open here, and
//! nowhere else is the member polled: so the assignment changes only between transactions.

use std::time::Duration;

use super::chores::Chore;
use super::table::{Owned, Stage};
use super::{BACKOFF, ONLY, Phase, Step, Stop, Worker, decide, in_hand};
use crate::broker::{Broker, Code, Member, PollLimit, Polled, Reader, Record};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// What a turn is made from.
#[derive(Default)]
pub(super) struct Gathered {
    pub commands: Vec<Record>,
    pub events: Vec<Record>,
    /// Partitions without events whose reader has passed gaps, and to where.
    pub passed: Vec<(i32, i64)>,
}

/// The polling for one turn, under way.
pub(super) struct Gather {
    next: Next,
    began: Option<Timestamp>,
    gathered: Gathered,
    bytes: usize,
    /// How far the control topic was read for this turn.
    scan: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Join,
    Commands,
    /// How far the control reader is, past gaps at the end too.
    Scan,
    Backlog,
    Events,
    /// How far the member is in a partition that brings nothing, past gaps.
    Position(i32),
}

/// Commands a turn takes at most: there are few.
const COMMANDS: PollLimit = PollLimit { records: 1_000, bytes: 4 * 1024 * 1024, wait: Duration::ZERO };

/// How long a turn waits for the last entries of a drain, so that a hot flow cannot outrun it.
const LAST_ENTRIES: Duration = Duration::from_millis(100);

impl Gather {
    pub fn new(scan: i64) -> Self {
        Self { next: Next::Join, began: None, gathered: Gathered::default(), bytes: 0, scan }
    }
}

impl<B: Broker> Worker<B> {
    pub(super) fn gather(&mut self, mut gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if gather.began.is_none() {
            gather.began = Some(now);
            if self.stopping && !std::mem::take(&mut self.table.stale) {
                return Ok(self.stop_turn(now));
            }
            self.look_at_drains(now);
        }
        match gather.next {
            Next::Join => {
                gather.next = if self.table.special.is_some() { Next::Events } else { Next::Commands };
                // Before anything is gathered: a partition that is restored puts the control reader back.
                match self.joining() {
                    Some(partition) => self.join(partition, gather, now),
                    None => self.gather(gather, now),
                }
            }
            Next::Commands => self.gather_commands(gather),
            Next::Scan => self.gather_scan(gather),
            Next::Backlog => self.gather_backlog(gather, now),
            Next::Events => self.gather_events(gather, now),
            Next::Position(partition) => self.gather_position(gather, partition, now),
        }
    }

    /// The partition whose restoring goes on next.
    fn joining(&self) -> Option<i32> {
        let joining = |(number, owned): (&i32, &Owned)| match &owned.stage {
            Stage::Joining(joining) => Some((joining.rank(), *number)),
            Stage::Introducing | Stage::Active => None,
        };
        self.table.owned.iter().filter_map(joining).min().map(|(_, number)| number)
    }

    fn gather_commands(&mut self, mut gather: Gather) -> Result<(Phase<B>, Step), Stop> {
        let clients = in_hand(&mut self.clients)?;
        let before = gather.gathered.commands.len();
        match clients.control.poll(COMMANDS, &mut gather.gathered.commands) {
            Ok(Polled::OutOfRange { low, .. }) => {
                // Retention deleted commands that nobody was up to take: what is left is applied.
                tracing::warn!(low, "commands were deleted before they could be applied");
                self.chores.push_back(Chore::ReadControl { from: Some(low) });
                return Ok((Phase::Chores, Step::Progress));
            }
            Ok(_) => {}
            Err(error) => return self.trouble(error, Phase::Gather(gather)),
        }
        if let Some(last) = gather.gathered.commands.last() {
            gather.scan = gather.scan.max(last.offset + 1);
        }
        let introducing = self.table.owned.values().any(|owned| matches!(owned.stage, Stage::Introducing));
        gather.next = match gather.gathered.commands.len() > before {
            // More may wait: all of them come before the first event.
            true => Next::Commands,
            false if introducing || gather.scan < self.table.control_floor => Next::Scan,
            false => Next::Backlog,
        };
        Ok((Phase::Gather(gather), Step::Progress))
    }

    fn gather_scan(&mut self, mut gather: Gather) -> Result<(Phase<B>, Step), Stop> {
        let clients = in_hand(&mut self.clients)?;
        match clients.control.position(&self.options.topics.control, ONLY) {
            Ok(position) => {
                let ends = self.table.owned.values().map(|owned| owned.control_end).max();
                let position = match mutant::is(Mutant::EmptyPollTakenForAllCommandsRead) {
                    true => ends,
                    false => position,
                };
                gather.scan = gather.scan.max(position.unwrap_or_default());
            }
            Err(error) => return self.trouble(error, Phase::Gather(gather)),
        }
        if gather.scan < self.table.control_floor {
            // An abort put the reader back: what it had read comes again, before any event.
            gather.next = Next::Commands;
            return Ok((Phase::Gather(gather), Step::Waiting(Duration::from_millis(5))));
        }
        gather.next = Next::Backlog;
        Ok((Phase::Gather(gather), Step::Progress))
    }

    fn gather_backlog(&mut self, mut gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        gather.next = Next::Events;
        if self.table.reading.is_empty() {
            return self.gather(gather, now);
        }
        let waits = !self.table.waited && self.table.only_last_entries_missing();
        self.table.waited = waits;
        let wait = if waits { LAST_ENTRIES } else { Duration::ZERO };
        let limit = PollLimit { records: self.options.turn.records, bytes: self.options.turn.bytes, wait };
        let clients = in_hand(&mut self.clients)?;
        let mut records = Vec::new();
        let polled = clients.queues.poll(limit, &mut records);
        // Also of a poll that failed: its reader has gone on behind what it brought.
        for record in records {
            self.take_entry(record);
        }
        match polled {
            Ok(Polled::OutOfRange { topic, low, .. }) => self.block(&topic, low),
            Ok(_) => {}
            Err(error) if error.code == Code::UnknownTopic => {
                // One of them is gone, and only looking at each tells which.
                self.stats.trouble(&error);
                self.look_again();
            }
            Err(error) => return self.trouble(error, Phase::Gather(gather)),
        }
        Ok((Phase::Gather(gather), Step::Progress))
    }

    /// Every queue that is being read is read anew from where it was, if that is still there.
    fn look_again(&mut self) {
        for (partition, flow) in std::mem::take(&mut self.table.reading).into_values() {
            if let Some(backlog) = self.table.tracked(partition, &flow).and_then(|of| of.backlog.as_mut()) {
                backlog.on = false;
                self.chores.push_back(Chore::ReadQueue { partition, flow });
            }
        }
    }

    fn gather_events(&mut self, mut gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let budget = self.options.turn;
        let idle = gather.gathered.events.is_empty() && gather.gathered.commands.is_empty();
        let wait = if idle { self.table.wait_at_most(now, self.options.idle) } else { Duration::ZERO };
        let limit = PollLimit {
            records: budget.records.saturating_sub(gather.gathered.events.len()).max(1),
            bytes: budget.bytes.saturating_sub(gather.bytes).max(1),
            wait,
        };
        let before = gather.gathered.events.len();
        let clients = in_hand(&mut self.clients)?;
        match clients.member.poll(limit, &mut gather.gathered.events) {
            Ok(Polled::Records) => {}
            Ok(Polled::Assigned(partitions)) => return self.assigned(&partitions),
            Ok(Polled::Revoked { partitions, lost }) => return self.revoked(&partitions, lost),
            Ok(Polled::OutOfRange { partition, low, .. }) => {
                // Either events are lost, or we have hung, and another owner's progress let retention come that far. Who
                // takes the partition over judges by what is committed.
                tracing::warn!(partition, low, "the next event is not in the log any more; looking again");
                self.start_anew();
                return Ok((Phase::Start, Step::Waiting(BACKOFF)));
            }
            Err(error) => return self.trouble(error, Phase::Gather(gather)),
        }
        let new = &gather.gathered.events[before..];
        gather.bytes += new.iter().map(Record::size).sum::<usize>();
        let full = gather.gathered.events.len() >= budget.records
            || gather.bytes >= budget.bytes
            || gather.began.is_some_and(|began| now.since(began) >= budget.time);
        if !new.is_empty() && !full {
            return Ok((Phase::Gather(gather), Step::Progress));
        }
        match self.silent(&gather, now) {
            Some(partition) => {
                gather.next = Next::Position(partition);
                Ok((Phase::Gather(gather), Step::Progress))
            }
            None => Ok(self.decide(gather, now)),
        }
    }

    /// A partition without events that was not looked at for a while. Its position has to pass the transaction markers
    /// at the end of its log: once retention has taken them, a position before them would look like a loss.
    fn silent(&self, gather: &Gather, now: Timestamp) -> Option<i32> {
        let owned = self.table.owned.iter().filter(|(_, owned)| owned.is_active() && owned.fetching);
        let due = |(partition, owned): (&i32, &Owned)| {
            let silent = gather.gathered.events.iter().all(|record| record.partition != *partition);
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
    fn decide(&mut self, gather: Gather, now: Timestamp) -> (Phase<B>, Step) {
        self.table.control_scan = gather.scan;
        let name = self.turn_name();
        let turn = decide::decide(&self.table, &self.options, gather.gathered, now, name);
        if turn.is_empty() {
            if turn.special {
                // What was to be treated is not there any more: those that stood aside for it go on, and what was
                // gathered in its stead comes again.
                self.table.special = None;
                self.rewind();
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

//! Polls for a turn: the partitions being taken over, commands, what is held, events. No transaction is open here, and
//! nowhere else is the member polled: so the assignment changes only between transactions.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::ready;
use super::chores::Chore;
use super::publish::start_drain;
use super::table::{Backlog, Blocked, ClockAlarm, Owned, Stage, Sweeping, Table, Tracked, Wait, Waiting, left};
use super::{ONLY, Phase, Step, Stop, Worker, decide, in_hand};
use crate::broker::{Broker, Code, Member, PollLimit, Polled, Reader, Record, Watermarks};
use crate::flow::FlowId;
use crate::flow::index::Indexed;
use crate::schema;
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
            self.look_at_blocked(now);
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

    /// The partition whose restoring goes on next: one after another, for they share a reader, and one would lose what
    /// it reads to the other.
    fn joining(&self) -> Option<i32> {
        let joining = |(number, owned): (&i32, &Owned)| match &owned.stage {
            Stage::Joining(joining) => Some((!joining.is_under_way(), *number)),
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
            Ok(position) => gather.scan = gather.scan.max(position.unwrap_or_default()),
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
                let at = self.table.owned.get(&partition).map_or(-1, |owned| owned.position);
                return Err(Stop::PositionsLost(format!(
                    "the next event of partition {partition} is at offset {at}, and its log begins at {low}"
                )));
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

    /// New partitions begin to join. What was gathered is dropped and read again: its order with theirs matters.
    fn assigned(&mut self, partitions: &[i32]) -> Result<(Phase<B>, Step), Stop> {
        self.table.joined = true;
        for partition in partitions {
            self.table.owned.insert(*partition, Owned::joining());
        }
        self.chores.push_front(Chore::Acknowledge);
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }

    fn revoked(&mut self, partitions: &[i32], lost: bool) -> Result<(Phase<B>, Step), Stop> {
        if lost {
            tracing::warn!(?partitions, "the group has given our partitions away");
        }
        for partition in partitions {
            if let Some(Owned { stage: Stage::Joining(_), .. }) = self.table.owned.remove(partition) {
                self.chores.push_back(Chore::StopRestoring { partition: *partition });
            }
        }
        self.table.created.clear();
        let gone: Vec<_> = {
            let reading = self.table.reading.iter().filter(|(_, (partition, _))| partitions.contains(partition));
            reading.map(|(topic, _)| topic.clone()).collect()
        };
        for topic in gone {
            self.table.reading.remove(&topic);
            self.chores.push_back(Chore::StopReading { topic });
        }
        self.chores.push_front(Chore::Acknowledge);
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }

    /// An entry read back from a queue topic: into the sweep, or into the buffer.
    fn take_entry(&mut self, record: Record) {
        let Some((partition, flow)) = self.table.reading.get(&record.topic).cloned() else { return };
        let held = match schema::entry::read(&record) {
            Ok(Some(held)) => held,
            Ok(None) => return,
            Err(foreign) => {
                tracing::error!(%foreign, "somebody else wrote into a queue topic; passed over");
                return;
            }
        };
        let Some(tracked) = self.table.tracked(partition, &flow) else { return };
        let watermark = tracked.flow.queue.watermark;
        let Some(backlog) = &mut tracked.backlog else { return };
        if let Sweeping::Running(sweep) = &mut backlog.sweep {
            let Indexed { number, .. } = {
                let entry =
                    Indexed { number: held.number, kind: held.kind, record: &held.record_id, latest: held.latest };
                if held.number > watermark.entry {
                    sweep.feed(entry);
                }
                entry
            };
            if number < sweep.last() {
                return;
            }
            let done = sweep.end_pass();
            if done && let Sweeping::Running(sweep) = std::mem::replace(&mut backlog.sweep, Sweeping::Unneeded) {
                backlog.sweep = Sweeping::Done(sweep);
            }
            // Once more from the watermark: for the next slice, or for the drain itself.
            backlog.clear();
            backlog.read_to = watermark.entry;
            backlog.read_offset = watermark.offset;
            self.table.reading.remove(&record.topic);
            self.chores.push_back(Chore::ReadQueue { partition, flow });
            return;
        }
        if held.number <= backlog.read_to {
            return;
        }
        backlog.read_to = held.number;
        backlog.read_offset = record.offset + 1;
        let size = record.size();
        backlog.buffer_bytes += size;
        backlog.buffer.push_back(Waiting {
            held,
            value: record.value,
            timestamp: record.timestamp,
            offset: record.offset,
            size,
        });
        if backlog.is_full() {
            backlog.on = false;
            self.table.reading.remove(&record.topic);
            self.chores.push_back(Chore::StopReading { topic: record.topic });
        }
    }

    /// The log of a queue topic does not have the offset that was to be read.
    fn block(&mut self, topic: &str, low: i64) {
        let Some((partition, flow)) = self.table.reading.remove(topic) else { return };
        if let Some(backlog) = self.table.tracked(partition, &flow).and_then(|of| of.backlog.as_mut()) {
            backlog.on = false;
            tracing::warn!(topic, low, "the queue's log does not have what is to be read; looking again");
            self.chores.push_back(Chore::ReadQueue { partition, flow });
        }
    }

    /// Held events were deleted behind the gate's back: this flow alone stops draining, and goes on holding. `found` is
    /// what there is of its log; `None`: the topic is gone.
    pub(super) fn block_flow(&mut self, partition: i32, flow: &FlowId, found: Option<Watermarks>, now: Timestamp) {
        let Some(tracked) = self.table.tracked(partition, flow) else { return };
        let at = tracked.flow.queue.watermark.offset;
        let held = tracked.flow.counts.held().total();
        let Some(backlog) = &mut tracked.backlog else { return };
        let topic = Arc::clone(&backlog.topic);
        let found = match found {
            Some(Watermarks { low, end }) => {
                format!("its log goes from {low} to {end}, and the next one was to be read at {at}")
            }
            None => "the topic is gone".to_owned(),
        };
        let reason = format!("held events of `{topic}` were deleted: {found}; at most {held} are lost");
        tracing::error!(%flow, reason, "a flow is blocked");
        backlog.clear();
        backlog.blocked = Some(Blocked { since: now, reason });
        self.table.reading.remove(&topic);
        self.chores.push_back(Chore::StopReading { topic });
    }

    /// Blocked flows are looked at again from time to time: perhaps the broker did not know its own topic for a while.
    fn look_at_blocked(&mut self, now: Timestamp) {
        let due = |tracked: &Tracked| {
            let blocked = tracked.backlog.as_ref().and_then(|backlog| backlog.blocked.as_ref());
            blocked.is_some_and(|blocked| left(blocked.since, Blocked::LENGTH, now).is_none())
        };
        let budget = self.options.index_bytes;
        for (partition, owned) in &mut self.table.owned {
            for flow in &owned.draining {
                let Some(tracked) = owned.flows.get_mut(flow).filter(|tracked| due(tracked)) else { continue };
                let bucket = tracked.backlog.take().map(|backlog| backlog.bucket);
                if start_drain(tracked, budget, now) {
                    self.chores.push_back(Chore::ReadQueue { partition: *partition, flow: flow.clone() });
                }
                if let (Some(backlog), Some(bucket)) = (&mut tracked.backlog, bucket) {
                    backlog.bucket = bucket;
                }
            }
        }
    }
}

impl Table {
    pub(super) fn tracked(&mut self, partition: i32, flow: &FlowId) -> Option<&mut super::table::Tracked> {
        self.owned.get_mut(&partition)?.flows.get_mut(flow)
    }

    /// Whether some unlimited drain has everything at hand but what was held in the turn before.
    fn only_last_entries_missing(&self) -> bool {
        self.draining().any(|tracked| {
            let Some(backlog) = &tracked.backlog else { return false };
            let unlimited = tracked.flow.drain().is_some_and(|drain| drain.max_rate.is_none());
            let sweeping = matches!(backlog.sweep, Sweeping::Running(_));
            let missing = tracked.flow.queue.last_entry().saturating_sub(backlog.read_to);
            let last_turn = u64::try_from(backlog.held_before).unwrap_or(u64::MAX);
            unlimited && !sweeping && backlog.blocked.is_none() && missing > 0 && missing <= last_turn
        })
    }

    fn draining(&self) -> impl Iterator<Item = &super::table::Tracked> {
        let active = self.owned.values().filter(|owned| owned.is_active());
        active.flat_map(|owned| owned.draining.iter().filter_map(|flow| owned.flows.get(flow)))
    }

    /// When something is due by itself.
    pub(super) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let mut wake: Option<Timestamp> = None;
        let mut at = |time: Timestamp| wake = Some(wake.map_or(time, |wake| wake.min(time)));
        for owned in self.owned.values() {
            match owned.stage {
                Stage::Joining(_) | Stage::Introducing => at(now),
                Stage::Active => {}
            }
            for due in [owned.timers.first(), owned.retirements.first()].into_iter().flatten() {
                at(due.0);
            }
            if let Some(wait) = &owned.wait {
                at(wait.since.after(Wait::LENGTH));
            }
        }
        for tracked in self.draining() {
            match ready(tracked, now) {
                Ok(true) => at(now),
                Err(later) => at(later),
                Ok(false) => {
                    let reading = tracked.backlog.as_ref().is_some_and(|backlog| backlog.on);
                    if reading {
                        // What it waits for comes from the broker, at any moment.
                        at(now.after(Duration::from_millis(1)));
                    }
                }
            }
        }
        if let Some(alarm) = &self.clock_alarm {
            let over = alarm.since.after(ClockAlarm::LENGTH);
            wake = Some(wake.map_or(over, |wake| wake.max(over)));
        }
        wake
    }

    fn wait_at_most(&self, now: Timestamp, limit: Duration) -> Duration {
        if !self.joined {
            return limit;
        }
        self.next_wake(now).map_or(limit, |wake| wake.since(now).min(limit))
    }
}

impl Owned {
    /// A partition just assigned: nothing is known of it yet.
    fn joining() -> Self {
        use crate::flow::Partition;
        Self {
            stage: Stage::Joining(super::join::Joining::default()),
            record: Arc::new(Partition::new(0, 0, 0, 0, Timestamp(0))),
            unknown: schema::Unknown::default(),
            flows: super::table::Map::default(),
            timers: std::collections::BTreeSet::new(),
            retirements: std::collections::BTreeSet::new(),
            draining: std::collections::BTreeSet::new(),
            position: 0,
            control_end: 0,
            scanned: 0,
            introduced: false,
            fetching: false,
            looked_at: Timestamp(0),
            index_bytes: 0,
            wait: None,
        }
    }
}

impl Backlog {
    pub(super) fn new(topic: &str, watermark: crate::flow::Watermark, sweep: Sweeping, now: Timestamp) -> Self {
        Self {
            topic: topic.into(),
            on: false,
            buffer: std::collections::VecDeque::new(),
            buffer_bytes: 0,
            read_to: watermark.entry,
            read_offset: watermark.offset,
            sweep,
            bucket: super::table::Bucket::new(now),
            blocked: None,
            held_before: 0,
            deleted_entry: watermark.entry,
        }
    }
}

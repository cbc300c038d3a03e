//! Looks through the partitions of a topic, in the order of time: from the newest record backwards, or from the oldest on.
//!
//! Whoever looks has a reader of its own, so no worker waits for it. Time and amount are bounded: where a scan has stopped
//! another one goes on, by its [`Marks`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::meter::{Meter, Part};
use super::{no_topic, read_on, rest};
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, Reader, Record, Result};
use crate::time::Timestamp;

/// Which records come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Newest,
    Oldest,
}

/// How much one scan looks through.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Offsets, of all partitions together.
    pub records: u64,
    pub time: Duration,
}

/// What is looked through, how far, and how much of it is given out.
#[derive(Clone, Debug)]
pub struct Window {
    pub first: First,
    /// Of what is found.
    pub limit: usize,
    /// What the broker had stored before is left out.
    pub since: Option<Timestamp>,
    /// Where an earlier look has stopped.
    pub from: Option<Marks>,
    pub bound: Bound,
    /// Is told how far the look has come.
    pub meter: Meter,
}

/// Some of what was found. It ends early with [`PAGE_BYTES`].
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// In the order that was asked for.
    pub found: Vec<T>,
    pub progress: Progress,
    /// Where to go on; `None`: nothing is left.
    pub next: Option<Marks>,
}

/// Bytes of what is on one page: it ends early when there are more.
pub const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// Where a scan is in each of its partitions. From the newest: what lies below has not been looked at; from the oldest:
/// what lies here and behind it.
pub type Marks = BTreeMap<i32, i64>;

/// A record that was looked for.
#[derive(Clone, Debug)]
pub struct Found<T> {
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Timestamp,
    pub what: T,
}

/// How far a scan has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Offsets that this scan has looked at. There are fewer records: markers and what was cleaned take offsets too.
    pub scanned: u64,
    /// Offsets from the first that concerns the scan to the last.
    pub total: u64,
    /// Nothing is left to be looked at.
    pub is_whole: bool,
}

/// Offsets that are read at once backwards, of one partition; it grows while little is found in them.
const STEP: i64 = 100;
const MOST: i64 = 10_000;

/// Bytes of such a step above which the next one is smaller.
const LARGE: usize = 4 * 1024 * 1024;

pub struct Scan<B: Broker, T> {
    reader: B::Reader,
    topic: Arc<str>,
    first: First,
    tapes: Vec<Tape<T>>,
    left: u64,
    deadline: Instant,
    scanned: u64,
    total: u64,
    told: Option<(Meter, Part)>,
}

/// One partition.
struct Tape<T> {
    partition: i32,
    low: i64,
    end: i64,
    /// What lies on the far side of it has not been read.
    edge: i64,
    /// The next step backwards.
    step: i64,
    /// What was read and not given out, in the order of offsets.
    found: VecDeque<Found<T>>,
    /// The reader has it, and goes on at `edge`.
    is_assigned: bool,
}

/// A step of a tape that is being read.
struct Step<T> {
    tape: usize,
    from: i64,
    to: i64,
    /// Of all records in it, and of those that were found.
    bytes: usize,
    kept: usize,
    found: VecDeque<(Found<T>, usize)>,
}

impl<B: Broker, T> Scan<B, T> {
    /// Of these partitions of a topic, or of all.
    ///
    /// # Errors
    /// Of the broker; [`Code::UnknownTopic`] if there is no such topic.
    pub fn open(broker: &B, topic: &str, partitions: Option<&[i32]>, first: First, bound: Bound) -> Result<Self> {
        let partitions = match partitions {
            Some(partitions) => partitions.to_vec(),
            None => (0..broker.admin()?.partitions(topic)?.ok_or_else(|| no_topic(topic))?).collect(),
        };
        let mut reader = broker.reader(Isolation::ReadCommitted)?;
        let mut tapes = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let marks = reader.watermarks(topic, partition)?;
            tapes.push(Tape::new(partition, marks.low, marks.end, first));
        }
        let total = tapes.iter().map(Tape::length).sum();
        let (topic, deadline) = (topic.into(), Instant::now() + bound.time);
        Ok(Self { reader, topic, first, tapes, left: bound.records, deadline, scanned: 0, total, told: None })
    }

    /// What a window shows of these partitions of a topic, or of all.
    ///
    /// # Errors
    /// As [`Scan::open`].
    pub fn through(broker: &B, topic: &str, partitions: Option<&[i32]>, window: &Window) -> Result<Self> {
        let mut scan = Self::open(broker, topic, partitions, window.first, window.bound)?;
        if let Some(since) = window.since {
            scan.leave_out_until(since)?;
        }
        if let Some(marks) = &window.from {
            scan.go_on_at(marks);
        }
        scan.tell(&window.meter);
        Ok(scan)
    }

    /// Tells a meter from now on how far it has come: offsets looked at, of those that it will look at in the end.
    pub fn tell(&mut self, meter: &Meter) {
        let (began, until) = (Instant::now(), Some(self.deadline));
        let (what, before) = (Arc::clone(&self.topic), self.scanned);
        self.told = Some((meter.clone(), Part { what, done: before, total: 0, began, before, until }));
        self.say();
    }

    /// Tells nobody any longer.
    pub fn hush(&mut self) {
        if let Some((meter, _)) = self.told.take() {
            meter.clear();
        }
    }

    fn say(&mut self) {
        let Some((meter, part)) = &mut self.told else { return };
        let ahead: u64 = self.tapes.iter().map(|tape| tape.ahead(self.first)).sum();
        (part.done, part.total) = (self.scanned, self.scanned + ahead.min(self.left));
        meter.show(part);
    }

    /// Leaves out what lies before this offset in every partition.
    pub fn leave_out_before(&mut self, offset: i64) {
        self.tapes.iter_mut().for_each(|tape| tape.begin_at(offset, self.first));
        self.total = self.tapes.iter().map(Tape::length).sum();
    }

    /// Leaves out what the broker had stored before a time. Only for topics that the broker stamps.
    ///
    /// # Errors
    /// Of the broker.
    pub fn leave_out_until(&mut self, time: Timestamp) -> Result<()> {
        for tape in &mut self.tapes {
            let from = self.reader.offset_at(&self.topic, tape.partition, time)?.unwrap_or(tape.end);
            tape.begin_at(from, self.first);
        }
        self.total = self.tapes.iter().map(Tape::length).sum();
        Ok(())
    }

    /// Leaves out what lies at these marks of an earlier scan and behind them.
    pub fn leave_out_from(&mut self, ends: &Marks) {
        for tape in &mut self.tapes {
            let end = ends.get(&tape.partition).map_or(tape.end, |end| *end);
            *tape = Tape::new(tape.partition, tape.low, end.clamp(tape.low, tape.end), self.first);
        }
        self.total = self.tapes.iter().map(Tape::length).sum();
    }

    /// Where each partition ends, as this scan sees it.
    #[must_use]
    pub fn ends(&self) -> Marks {
        self.tapes.iter().map(|tape| (tape.partition, tape.end)).collect()
    }

    /// Where each partition begins, as this scan sees it.
    #[must_use]
    pub fn begins(&self) -> Marks {
        self.tapes.iter().map(|tape| (tape.partition, tape.low)).collect()
    }

    /// The partitions of which everything was given out.
    pub fn given_out(&self) -> impl Iterator<Item = i32> {
        self.tapes.iter().filter(|tape| tape.found.is_empty() && tape.is_read(self.first)).map(|tape| tape.partition)
    }

    /// Has so much time from now on.
    pub fn give(&mut self, time: Duration) {
        self.deadline = Instant::now() + time;
    }

    /// Goes on where an earlier scan with the same partitions has stopped.
    pub fn go_on_at(&mut self, marks: &Marks) {
        for tape in &mut self.tapes {
            if let Some(mark) = marks.get(&tape.partition) {
                tape.edge = (*mark).clamp(tape.low, tape.end);
            }
        }
    }

    /// The next record that `pick` takes; `None`: there is no other, or the bound is reached.
    ///
    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if nothing at all could be read in time.
    pub fn next(&mut self, mut pick: impl FnMut(&Record) -> Option<T>) -> Result<Option<Found<T>>> {
        while self.tapes.iter().any(|tape| tape.found.is_empty() && !tape.is_read(self.first)) {
            if !self.read(&mut pick)? {
                return Ok(None);
            }
        }
        let head = |tape: &Tape<T>| {
            let head = if self.first == First::Newest { tape.found.back() } else { tape.found.front() };
            head.map(|found| (found.timestamp, found.partition, found.offset))
        };
        let heads = self.tapes.iter().enumerate().filter_map(|(index, tape)| Some((head(tape)?, index)));
        let next = if self.first == First::Newest { heads.max() } else { heads.min() };
        let Some(tape) = next.and_then(|(_, index)| self.tapes.get_mut(index)) else { return Ok(None) };
        Ok(if self.first == First::Newest { tape.found.pop_back() } else { tape.found.pop_front() })
    }

    /// As [`Scan::next`], for whoever has to know of everything: only the end is an end.
    ///
    /// # Errors
    /// As [`Scan::next`]; [`Code::TimedOut`] if the bound is reached before the end.
    pub fn next_of_all(&mut self, pick: impl FnMut(&Record) -> Option<T>) -> Result<Option<T>> {
        match self.next(pick)? {
            Some(found) => Ok(Some(found.what)),
            None if self.progress().is_whole => Ok(None),
            None => {
                let detail = format!("`{}` could not be read to its end in time", self.topic);
                Err(Error::new(Action::Retry, Code::TimedOut, detail))
            }
        }
    }

    /// The next records that `pick` takes, so many at most, and no more than fit on a page. `size`: in bytes.
    ///
    /// # Errors
    /// As [`Scan::next`].
    pub fn fill(
        &mut self,
        limit: usize,
        size: impl Fn(&T) -> usize,
        mut pick: impl FnMut(&Record) -> Option<T>,
    ) -> Result<Vec<T>> {
        let (mut all, mut bytes) = (Vec::new(), 0);
        while all.len() < limit && bytes < PAGE_BYTES {
            let Some(found) = self.next(&mut pick)? else { break };
            bytes += size(&found.what);
            all.push(found.what);
        }
        Ok(all)
    }

    /// What was found, or was made of it, with how far this has come by now.
    #[must_use]
    pub fn page<F>(&self, found: Vec<F>) -> Page<F> {
        let progress = self.progress();
        Page { found, progress, next: (!progress.is_whole).then(|| self.marks()) }
    }

    /// Where another scan goes on: what was read and not given out will be read again.
    #[must_use]
    pub fn marks(&self) -> Marks {
        self.tapes.iter().map(|tape| (tape.partition, tape.mark(self.first))).collect()
    }

    #[must_use]
    pub fn progress(&self) -> Progress {
        let is_whole = self.tapes.iter().all(|tape| tape.found.is_empty() && tape.is_read(self.first));
        Progress { scanned: self.scanned, total: self.total, is_whole }
    }

    /// Reads a step of every partition of which nothing waits to be given out. `false`: the bound is reached.
    fn read(&mut self, pick: &mut impl FnMut(&Record) -> Option<T>) -> Result<bool> {
        let mut steps = self.plan();
        if steps.is_empty() {
            return Ok(false);
        }
        for step in &steps {
            let Some(tape) = self.tapes.get_mut(step.tape) else { continue };
            if !tape.is_assigned {
                self.reader.assign(&self.topic, tape.partition, step.from)?;
                tape.is_assigned = true;
            }
        }
        while !steps.is_empty() {
            if Instant::now() >= self.deadline {
                return self.give_up(steps);
            }
            let records = read_on(&mut self.reader)?;
            for record in &records {
                let step = steps.iter_mut().find(|step| self.tapes[step.tape].partition == record.partition);
                if let Some(step) = step {
                    step.take(record, self.first, pick);
                }
            }
            if records.is_empty() {
                rest();
            }
            let mut going = Vec::with_capacity(steps.len());
            for step in steps {
                if let Some(step) = self.advance(step)? {
                    going.push(step);
                }
            }
            steps = going;
            self.say();
        }
        Ok(true)
    }

    /// The steps that are needed and that the bound allows.
    fn plan(&self) -> Vec<Step<T>> {
        let needy = |tape: &Tape<T>| tape.found.is_empty() && !tape.is_read(self.first);
        let count = self.tapes.iter().filter(|tape| needy(tape)).count() as u64;
        let share = i64::try_from(self.left / count.max(1)).unwrap_or(i64::MAX);
        let planned = self.tapes.iter().enumerate().filter(|(_, tape)| needy(tape) && share > 0);
        planned.map(|(index, tape)| tape.step(index, share, self.first)).collect()
    }

    /// Notes how far a step has come; gives it back if it is not at its end.
    fn advance(&mut self, mut step: Step<T>) -> Result<Option<Step<T>>> {
        let Self { reader, topic, first, tapes, .. } = self;
        let is_only = tapes.len() == 1;
        let Some(tape) = tapes.get_mut(step.tape) else { return Ok(None) };
        let position = reader.position(topic, tape.partition)?.unwrap_or(step.from);
        let at = position.min(step.to);
        match first {
            First::Newest if at < step.to => return Ok(Some(step)),
            First::Newest => {
                self.left = self.left.saturating_sub(step.length());
                self.scanned += step.length();
                tape.edge = step.from;
                tape.step = step.next();
            }
            First::Oldest => {
                let come = u64::try_from(at - tape.edge).unwrap_or_default();
                self.left = self.left.saturating_sub(come);
                self.scanned += come;
                tape.edge = at.max(tape.edge);
                step.from = tape.edge;
            }
        }
        tape.found.extend(step.found.drain(..).map(|(found, _)| found));
        step.kept = 0;
        if *first == First::Oldest && tape.found.is_empty() && tape.edge < step.to {
            return Ok(Some(step));
        }
        // The only partition is read on without a pause; of several one would bring what nobody waits for.
        if !(is_only && *first == First::Oldest && position == tape.edge) {
            reader.unassign(topic, tape.partition)?;
            tape.is_assigned = false;
        }
        Ok(None)
    }

    /// The time is over: a step backwards that is not at its end counts for nothing.
    fn give_up(&mut self, steps: Vec<Step<T>>) -> Result<bool> {
        for step in steps {
            if let Some(tape) = self.tapes.get_mut(step.tape) {
                self.reader.unassign(&self.topic, tape.partition)?;
                tape.is_assigned = false;
            }
        }
        if self.scanned == 0 {
            let detail = format!("nothing of `{}` could be read in time", self.topic);
            return Err(Error::new(Action::Retry, Code::TimedOut, detail));
        }
        Ok(false)
    }
}

impl<T> Tape<T> {
    fn new(partition: i32, low: i64, end: i64, first: First) -> Self {
        let edge = if first == First::Newest { end } else { low };
        Self { partition, low, end, edge, step: STEP, found: VecDeque::new(), is_assigned: false }
    }

    fn begin_at(&mut self, offset: i64, first: First) {
        let low = offset.clamp(self.low, self.end);
        *self = Self::new(self.partition, low, self.end, first);
    }

    fn length(&self) -> u64 {
        u64::try_from(self.end - self.low).unwrap_or_default()
    }

    /// Offsets that have not been read.
    fn ahead(&self, first: First) -> u64 {
        let ahead = if first == First::Newest { self.edge - self.low } else { self.end - self.edge };
        u64::try_from(ahead).unwrap_or_default()
    }

    fn is_read(&self, first: First) -> bool {
        match first {
            First::Newest => self.edge <= self.low,
            First::Oldest => self.edge >= self.end,
        }
    }

    fn mark(&self, first: First) -> i64 {
        match first {
            First::Newest => self.found.back().map_or(self.edge, |found| found.offset + 1),
            First::Oldest => self.found.front().map_or(self.edge, |found| found.offset),
        }
    }

    /// The next step, of at most so many offsets.
    fn step(&self, index: usize, most: i64, first: First) -> Step<T> {
        let (from, to) = match first {
            First::Newest => (self.low.max(self.edge.saturating_sub(self.step.min(most))), self.edge),
            First::Oldest => (self.edge, self.end.min(self.edge.saturating_add(most))),
        };
        Step { tape: index, from, to, bytes: 0, kept: 0, found: VecDeque::new() }
    }
}

impl<T> Step<T> {
    fn length(&self) -> u64 {
        u64::try_from(self.to - self.from).unwrap_or_default()
    }

    fn take(&mut self, record: &Record, first: First, pick: &mut impl FnMut(&Record) -> Option<T>) {
        if !(self.from..self.to).contains(&record.offset) {
            return;
        }
        let size = record.size();
        self.bytes += size;
        if let Some(what) = pick(record) {
            let Record { partition, offset, timestamp, .. } = *record;
            self.found.push_back((Found { partition, offset, timestamp, what }, size));
            self.kept += size;
        }
        // Backwards, what comes first in a step is given out last: where it is too much it is left for the next step.
        while first == First::Newest && self.kept > LARGE && self.found.len() > 1 {
            let Some((dropped, size)) = self.found.pop_front() else { return };
            self.from = dropped.offset + 1;
            self.kept -= size;
        }
    }

    /// How many offsets to read after this step: more while that is little.
    fn next(&self) -> i64 {
        let length = self.to - self.from;
        let next = if self.bytes > LARGE { length / 4 } else { length.saturating_mul(4) };
        next.clamp(1, MOST)
    }
}

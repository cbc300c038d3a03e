//! What is held goes on: a share of each draining flow's backlog, and its end.
//!
//! When the last entry has been passed the flow is live in that same turn, and the turn's events follow directly.

use super::decide::Decider;
use super::events::refused;
use super::table::{Backlog, Bucket, Origin, Owned, Sweeping, Tracked, Treatment, Waiting};
use super::turn::{StagedFlow, To, Write};
use crate::broker::Record;
use crate::broker::murmur2::partition_for;
use crate::flow::drain::{Passing, Removal, Survivor};
use crate::flow::index::Indexed;
use crate::flow::{Cause, FlowId, State};
use crate::mutant::{self, Mutant};
use crate::schema::Reason;
use crate::schema::headers::{self, Discarded, Released};

/// An entry's fate with what it takes to write it.
struct Passed {
    passing: Passing,
    index: usize,
}

impl Decider<'_> {
    pub(super) fn backlogs(&mut self) {
        let table = self.table;
        for (partition, owned) in table.owned.iter().filter(|(_, owned)| owned.is_active()) {
            // Flows that began to resume in this very turn have nothing read yet; an empty queue ends at once.
            let staged: Vec<FlowId> = match self.turn.partitions.get(partition) {
                Some(staged) => staged.flows.keys().filter(|flow| !owned.draining.contains(*flow)).cloned().collect(),
                None => Vec::new(),
            };
            for flow in staged {
                self.finish(*partition, &flow);
            }
            let share = self.options.turn.backlog / owned.draining.len().max(1);
            for flow in &owned.draining {
                if let Some(tracked) = owned.flows.get(flow) {
                    self.drain(*partition, owned, tracked, share.max(1));
                }
                self.finish(*partition, flow);
            }
        }
    }

    fn drain(&mut self, partition: i32, owned: &Owned, tracked: &Tracked, share: usize) {
        let Some(backlog) = tracked.backlog.as_ref().filter(|backlog| backlog.blocked.is_none()) else {
            // An empty queue needs no backlog: stage it for its end.
            if tracked.flow.queue.is_passed() {
                self.turn.flow(partition, owned, &tracked.flow.id);
            }
            return;
        };
        if !matches!(ready(tracked, self.now), Ok(true)) {
            return;
        }
        // Rates and the end of a fixed share: an unlimited drain must outrun its own flow's arrivals.
        let budget = share.max(backlog.held_before.saturating_mul(2));
        let now = self.now;
        let Some(staged) = self.turn.flow(partition, owned, &tracked.flow.id) else { return };
        // A command of this turn may have stopped it.
        let Some(drain) = staged.flow.drain() else { return };
        let (mut rate, release) = (drain.max_rate, Released::from(drain.cause));
        if mutant::is(Mutant::ExpiryRateIgnored) && drain.cause == Cause::Timer {
            rate = None;
        }
        let mut bucket = backlog.bucket;
        if let Some(rate) = rate {
            bucket.refill(rate, now);
        }
        let mut passed = Vec::new();
        let mut bytes = 0;
        for (index, waiting) in backlog.buffer.iter().take(budget).enumerate() {
            if rate.is_some() && bucket.tokens < 1.0 || bytes >= self.options.turn.bytes {
                break;
            }
            bytes += waiting.size;
            let passing = pass(staged, tracked, backlog, waiting);
            if passing == Passing::Release && rate.is_some() {
                bucket.tokens -= 1.0;
            }
            passed.push(Passed { passing, index });
        }
        staged.passed = passed.len();
        staged.bucket = Some(bucket);
        staged.changed |= !passed.is_empty();
        for Passed { passing, index } in passed {
            if let Some(waiting) = backlog.buffer.get(index) {
                self.write_passed(partition, &tracked.flow.id, waiting, passing, release);
            }
        }
    }

    fn write_passed(&mut self, partition: i32, flow: &FlowId, waiting: &Waiting, passing: Passing, release: Released) {
        let held = &waiting.held;
        let origin = Origin::Entry { partition, flow: flow.clone(), number: held.number };
        let (key, value) = (held.key.clone(), waiting.value.clone());
        match passing {
            Passing::Release if mutant::is(Mutant::DrainLosesEvery1000thEntry) && held.number.is_multiple_of(1_000) => {
            }
            Passing::Release => {
                self.turn.stats.released += 1;
                let since = match mutant::is(Mutant::HeldSinceTheEventsOwnTime) {
                    true => waiting.timestamp,
                    false => held.held_at,
                };
                let age = self.brokers_now().since(since);
                let mut headers = headers::released(&held.headers, release, &held.pause_id, age);
                let timestamp = self.timestamp(waiting.timestamp, self.table.shape.records_retention, &mut headers);
                let partition = partition_for(flow.as_str().as_bytes(), self.table.shape.records);
                self.turn.write(Write { to: To::Records, partition, timestamp, key, value, headers, origin });
            }
            Passing::Remove(removal) => {
                self.turn.stats.removed += 1;
                let (reason, detail) = match removal {
                    Removal::ReleaseNone => (Discarded::ReleaseNone, "held when a resume with `release: none` came"),
                    Removal::Expired => (Discarded::Expired, "held when a pause with `on_expiry: discard` ended"),
                    Removal::MaxAge => (Discarded::MaxAge, "held for longer than the resume's `max_age_seconds`"),
                };
                let headers = headers::discarded(&held.headers, reason, detail, &held.source, waiting.timestamp);
                let partition = partition_for(flow.as_str().as_bytes(), self.table.shape.discarded);
                self.turn.write(Write { to: To::Discarded, partition, timestamp: None, key, value, headers, origin });
            }
            Passing::Replaced => self.turn.stats.replaced += 1,
            Passing::Withdrawal | Passing::Stale => {}
        }
    }

    /// Ends the drain of a staged flow if everything is passed.
    fn finish(&mut self, partition: i32, flow: &FlowId) {
        let now = self.now;
        let Some(staged) = self.turn.partitions.get_mut(&partition).and_then(|staged| staged.flows.get_mut(flow))
        else {
            return;
        };
        if mutant::is(Mutant::LiveOnEndOfFile) {
            let of = self.table.owned.get(&partition).and_then(|owned| owned.flows.get(flow));
            let read = of.and_then(|of| of.backlog.as_ref()).map_or(0, |backlog| backlog.buffer.len());
            if staged.passed > 0 && staged.passed == read {
                staged.flow.queue.watermark.entry = staged.flow.queue.last_entry();
            }
        }
        let Some(transition) = staged.flow.finish(now) else { return };
        staged.changed = true;
        staged.went_live = true;
        self.note_own_transition(partition, flow, transition);
    }

    /// A held entry that the broker refused downstream, alone in its turn.
    pub(super) fn special_entry(&mut self, partition: i32, flow: &FlowId, number: u64, treatment: Treatment) {
        // Unless it is found again there is nothing to treat any more.
        self.turn.special = true;
        let table = self.table;
        let Some(owned) = table.owned.get(&partition).filter(|owned| owned.is_active()) else { return };
        let Some(tracked) = owned.flows.get(flow) else { return };
        let Some(backlog) = &tracked.backlog else { return };
        let Some(place) = backlog.buffer.iter().position(|waiting| waiting.held.number == number) else { return };
        self.turn.special = false;
        if place > 0 {
            // What lies before it goes first, by itself.
            self.drain_up_to(partition, owned, tracked, place);
            return;
        }
        self.turn.special = true;
        self.turn.compression = treatment.compression();
        match treatment {
            Treatment::Compress => self.drain_up_to(partition, owned, tracked, 1),
            Treatment::TimeOfWriting => {
                self.time_of_writing = true;
                self.drain_up_to(partition, owned, tracked, 1);
            }
            Treatment::WithoutValue(reason) | Treatment::Bare(reason) => {
                self.drain_up_to(partition, owned, tracked, 1);
                if let Some(waiting) = backlog.buffer.front() {
                    let bare = matches!(treatment, Treatment::Bare(_));
                    self.bury_entry(partition, flow, waiting, reason, bare);
                }
            }
        }
    }

    /// What was to be released or discarded cannot be: a dead letter without its value instead, which counts as removed.
    fn bury_entry(&mut self, partition: i32, flow: &FlowId, waiting: &Waiting, reason: Reason, bare: bool) {
        let dead_letters = self.table.shape.dead_letters.max(1);
        let passed = |write: &&mut Write| matches!(write.to, To::Records | To::Discarded);
        if let Some(write) = self.turn.writes.iter_mut().find(passed) {
            let detail = refused(reason, &waiting.value);
            let event = Record {
                topic: waiting.held.source.topic.clone(),
                partition: waiting.held.source.partition,
                offset: waiting.held.source.offset,
                timestamp: waiting.timestamp,
                key: None,
                value: None,
                headers: if bare { Vec::new() } else { waiting.held.headers.clone() },
            };
            let released = matches!(write.to, To::Records);
            write.headers = headers::dead_letter(&event, reason, &detail);
            write.to = To::DeadLetters;
            write.partition = partition % dead_letters;
            write.timestamp = None;
            write.value = None;
            if bare {
                write.key = None;
            }
            self.turn.stats.dead_letter(reason);
            if !released {
                return;
            }
            self.turn.stats.released -= 1;
            self.turn.stats.removed += 1;
            if let Some(staged) = self.turn.partitions.get_mut(&partition).and_then(|of| of.flows.get_mut(flow)) {
                staged.flow.release_failed(waiting.held.kind);
            }
        }
    }

    fn drain_up_to(&mut self, partition: i32, owned: &Owned, tracked: &Tracked, entries: usize) {
        let now = self.now;
        let Some(backlog) = &tracked.backlog else { return };
        let Some(staged) = self.turn.flow(partition, owned, &tracked.flow.id) else { return };
        let Some(drain) = staged.flow.drain() else { return };
        let (rate, release) = (drain.max_rate, Released::from(drain.cause));
        // What was refused had been allowed. Its tokens were dropped with its turn: they are taken here.
        let mut bucket = backlog.bucket;
        if let Some(rate) = rate {
            bucket.refill(rate, now);
        }
        let mut passings = Vec::new();
        for waiting in backlog.buffer.iter().take(entries) {
            let passing = pass(staged, tracked, backlog, waiting);
            if passing == Passing::Release && rate.is_some() {
                bucket.tokens -= 1.0;
            }
            passings.push(passing);
        }
        staged.passed = passings.len();
        staged.bucket = Some(bucket);
        staged.changed = true;
        for (waiting, passing) in backlog.buffer.iter().zip(passings) {
            self.write_passed(partition, &tracked.flow.id, waiting, passing, release);
        }
        self.finish(partition, &tracked.flow.id);
    }
}

fn pass(staged: &mut StagedFlow, tracked: &Tracked, backlog: &Backlog, waiting: &Waiting) -> Passing {
    let held = &waiting.held;
    let entry = Indexed { number: held.number, kind: held.kind, record: &held.record_id, latest: held.latest };
    let swept = match &backlog.sweep {
        Sweeping::Done(sweep) => sweep.replaced(held.number),
        Sweeping::Unneeded | Sweeping::Running(_) => false,
    };
    let survivor = Survivor {
        number: held.number,
        enrolls: held.enrolls,
        advances: held.advances,
        kind: held.kind,
        held_at: held.held_at,
        offset: waiting.offset,
    };
    staged.flow.pass(&survivor, swept || tracked.index.replaced(entry))
}

/// Whether a draining flow could pass something now; when else, if a rate holds it back.
pub(super) fn ready(tracked: &Tracked, now: crate::time::Timestamp) -> Result<bool, crate::time::Timestamp> {
    let State::Resuming { drain, .. } = &tracked.flow.state else { return Ok(false) };
    if tracked.flow.queue.is_passed() {
        return Ok(true);
    }
    let Some(backlog) = tracked.backlog.as_ref().filter(|backlog| backlog.blocked.is_none()) else { return Ok(false) };
    if backlog.buffer.is_empty() {
        return Ok(false);
    }
    match drain.max_rate {
        None => Ok(true),
        Some(rate) => {
            let mut bucket: Bucket = backlog.bucket;
            bucket.refill(rate, now);
            if bucket.tokens >= 1.0 { Ok(true) } else { Err(bucket.next(rate)) }
        }
    }
}

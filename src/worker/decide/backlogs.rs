//! What is held goes on: a share of each draining flow's backlog, and its end.
//!
//! When the last entry has been passed the flow is live in that same turn, and the turn's events follow directly.

use std::sync::Arc;

use super::decider::Decider;
use crate::broker::murmur2::partition_for;
use crate::flow::drain::{Passing, Removal};
use crate::flow::index::Indexed;
use crate::flow::{CommandId, Flow, FlowId};
use crate::mutant::{self, Mutant};
use crate::schema::entry::Held;
use crate::schema::headers::{self, Discarded, Released, Source};
use crate::worker::facts::tracked::Tracked;
use crate::worker::session::amount::Amount;
use crate::worker::session::backlog::Waiting;
use crate::worker::session::decision::StagedFlow;
use crate::worker::session::outgoing::{Origin, To, Write};
use crate::worker::session::owned::Owned;
use crate::worker::traced::{Fate, Hold, TracedEvent};

/// How many times its bytes a turn may pass at most for drains that have to outrun their flows. Three: what arrives in a turn
/// fills it by records and by bytes at most, which is two.
const HOT: usize = 3;

/// An entry's fate with what it takes to write it.
struct Passed {
    passing: Passing,
    index: usize,
}

impl Decider<'_> {
    pub(super) fn backlogs(&mut self) {
        let table = self.table;
        let active = || table.owned.iter().filter(|(_, owned)| owned.is_active());
        self.settle_staged();
        // A drain that has nothing at hand can do no more than end, which is looked at once in a turn.
        let mut flows: Vec<(i32, &Owned, &FlowId)> = match self.writable {
            None => active()
                .flat_map(|(partition, owned)| owned.facts.draining().iter().map(move |flow| (*partition, owned, flow)))
                .collect(),
            Some(_) => table
                .at_hand
                .iter()
                .filter_map(|(partition, flow)| Some((*partition, table.owned.get(partition)?, flow)))
                .filter(|(_, owned, _)| owned.is_active())
                .collect(),
        };
        // Those of which nothing is at hand leave their share to the others.
        let has_entries = |(partition, owned, flow): &(i32, &Owned, &FlowId)| {
            let passed = self.decision.staged(*partition, *flow).map_or(0, |staged| staged.passed.entries);
            let backlog = owned.facts.flow(flow).and_then(|tracked| tracked.backlog.as_ref());
            backlog.is_some_and(|backlog| backlog.buffer.len() > passed)
        };
        let count = flows.iter().filter(|of| has_entries(of)).count().max(1);
        let entries = self.budget.entries().min(self.budget.backlog.saturating_sub(self.decision.drained.entries));
        let of = |whole: usize| (whole / count).max(usize::from(whole > 0));
        let share = Amount { entries: of(entries), bytes: of(self.budget.slice_bytes() * 2) };
        // Those for which there was no room in the slice before come first.
        let first = match self.writable {
            None => table.next_to_drain.clone(),
            Some(_) => self.decision.next_to_drain.take(),
        };
        if let Some((of, first)) = &first {
            // They are in order.
            let earlier = flows.partition_point(|(partition, _, flow)| (*partition, *flow) < (*of, first));
            flows.rotate_left(earlier);
        }
        for (partition, owned, flow) in flows {
            if let Some(tracked) = owned.facts.flow(flow) {
                self.drain(partition, owned, tracked, share);
            }
            self.settle(partition, flow);
        }
    }

    /// Flows that began to resume in this very turn have nothing read yet; an empty queue ends at once. Also where nothing else is
    /// done: commands may resume far more flows than one turn has room for.
    pub(super) fn settle_staged(&mut self) {
        for (partition, owned) in self.table.owned.iter().filter(|(_, owned)| owned.takes_commands()) {
            let staged: Vec<FlowId> = match self.decision.partitions.get(partition) {
                Some(staged) => {
                    staged.flows.keys().filter(|flow| !owned.facts.draining().contains(*flow)).cloned().collect()
                }
                None => Vec::new(),
            };
            for flow in staged {
                self.settle(*partition, &flow);
            }
        }
    }

    fn drain(&mut self, partition: i32, owned: &Owned, tracked: &Tracked, share: Amount) {
        let Some(backlog) = tracked.backlog.as_ref().filter(|backlog| backlog.blocked.is_none()) else {
            // An empty queue needs no backlog: stage it for its end.
            if tracked.flow().queue.is_passed() {
                self.decision.flow(partition, owned, &tracked.flow().id);
            }
            return;
        };
        let (table, flow) = (self.table, &tracked.flow().id);
        let before = self.decision.staged(partition, flow).map(|staged| staged.passed).unwrap_or_default();
        if before.entries == 0 && !matches!(tracked.ready(self.now), Ok(true)) {
            return;
        }
        let origin = |number: u64| Origin::Entry { partition, flow: flow.clone(), number };
        let is_refused = |waiting: &Waiting| table.is_refused(|| origin(waiting.held.number));
        if backlog.buffer.get(before.entries).is_none_or(is_refused) {
            return;
        }
        let now = self.now;
        let mut drained = self.decision.drained;
        let Some(staged) = self.decision.flow(partition, owned, &tracked.flow().id) else { return };
        // A command of this turn may have stopped it.
        if !staged.flow.passes() {
            return;
        }
        let (mut rate, release) = (staged.flow.max_rate(), released(&staged.flow));
        if mutant::is(Mutant::ExpiryRateIgnored) && release == Released::Timer {
            rate = None;
        }
        // It fills up once in a turn: what it allows is counted up to the turn's moment.
        let mut bucket = staged.bucket.unwrap_or(backlog.bucket).refilled(rate, now);
        let mut next_to_drain = None;
        // A drain has to outrun what arrives for its flow, as far as its rate allows: it may go beyond its share, and the turn
        // beyond its own.
        let at_least =
            if staged.flow.drain().is_some() { before.missing_of(backlog.at_least(rate)) } else { Amount::default() };
        let mut passed = Vec::new();
        let mut done = Amount::default();
        let (entries, room, most) = (self.budget.backlog, self.budget.bytes, self.budget.bytes.saturating_mul(HOT));
        for (index, waiting) in backlog.buffer.iter().enumerate().skip(before.entries) {
            if rate.is_some() && bucket.tokens < 1.0 || is_refused(waiting) {
                break;
            }
            let shares = done.entries < share.entries && done.bytes < share.bytes;
            let outruns = !done.missing_of(at_least).is_nothing();
            let has_room = drained.bytes < room && drained.entries < entries || outruns && drained.bytes < most;
            if shares && !has_room && next_to_drain.is_none() {
                next_to_drain = Some((partition, tracked.flow().id.clone()));
            }
            if !has_room || !shares && !outruns {
                break;
            }
            let passing = pass(staged, tracked, waiting);
            if passing == Passing::Stays {
                // What the cleaner took before it may have been passed.
                staged.changed = true;
                break;
            }
            done.entries += 1;
            done.bytes += waiting.size;
            drained.entries += 1;
            drained.bytes += waiting.size;
            if passing == Passing::Release && rate.is_some() {
                bucket.tokens -= 1.0;
            }
            passed.push(Passed { passing, index });
        }
        staged.passed = Amount { entries: before.entries + done.entries, bytes: before.bytes + done.bytes };
        staged.bucket = Some(bucket);
        staged.changed |= !passed.is_empty();
        self.decision.drained = drained;
        self.decision.next_to_drain = self.decision.next_to_drain.take().or(next_to_drain);
        for Passed { passing, index } in passed {
            if let Some(waiting) = backlog.buffer.get(index) {
                self.write_passed(partition, &tracked.flow().id, waiting, passing, release);
            }
        }
    }

    pub(super) fn write_passed(
        &mut self,
        partition: i32,
        flow: &FlowId,
        waiting: &Waiting,
        passing: Passing,
        release: Released,
    ) {
        let held = &waiting.held;
        let origin = Origin::Entry { partition, flow: flow.clone(), number: held.number };
        let (key, value) = (held.key.clone(), waiting.value.clone());
        self.trace_passed(flow, held, passing);
        match passing {
            Passing::Release if mutant::is(Mutant::DrainLosesEvery1000thEntry) && held.number.is_multiple_of(1_000) => {
            }
            Passing::Release => {
                self.decision.stats.released += 1;
                let since = match mutant::is(Mutant::HeldSinceTheEventsOwnTime) {
                    true => waiting.timestamp,
                    false => held.held_at,
                };
                let age = self.brokers_now().since(since);
                let mut headers = self.releases.headers(&held.headers, release, &held.pause_id, age);
                let timestamp = self.timestamp(waiting.timestamp, self.table.shape.records_retention, &mut headers);
                let partition = partition_for(flow.as_str().as_bytes(), self.table.shape.records);
                self.decision.write(Write { to: To::Records, partition, timestamp, key, value, headers, origin });
            }
            Passing::Remove(removal) => {
                self.decision.stats.removed += 1;
                let command = self.decision.staged(partition, flow).and_then(|staged| staged.flow.ordered(removal));
                let (reason, detail) = why_removed(removal, command.map_or("", CommandId::as_str));
                let headers = headers::discarded(&held.headers, reason, &detail, &held.source, waiting.timestamp);
                let partition = partition_for(flow.as_str().as_bytes(), self.table.shape.discarded);
                self.discard(partition, (key, value), headers, origin);
            }
            Passing::Replaced => self.decision.stats.replaced += 1,
            Passing::Withdrawal | Passing::Taken | Passing::Stale | Passing::Stays => {}
        }
    }

    fn trace_passed(&mut self, flow: &FlowId, held: &Held, passing: Passing) {
        let Some(parent) = self.options.sampling.of(&held.headers) else { return };
        let fate = match passing {
            Passing::Release => Fate::Released,
            Passing::Remove(_) => Fate::Removed,
            Passing::Replaced => Fate::Replaced,
            Passing::Withdrawal | Passing::Taken | Passing::Stale | Passing::Stays => return,
        };
        let hold = Hold { pause: held.pause_id.to_string(), entry: held.number, since: held.held_at };
        let Source { topic, partition, offset } = &held.source;
        self.decision.traced.event(TracedEvent {
            parent,
            topic: Arc::clone(topic),
            partition: *partition,
            offset: *offset,
            flow: Some(flow.clone()),
            fate,
            hold: Some(hold),
        });
    }

    /// Ends what has come to its end of what passes entries of a staged flow.
    pub(super) fn settle(&mut self, partition: i32, flow: &FlowId) {
        let now = self.now;
        let Some(staged) = self.decision.staged_mut(partition, flow) else { return };
        if mutant::is(Mutant::LiveOnEndOfFile) {
            let of = self.table.owned.get(&partition).and_then(|owned| owned.facts.flow(flow));
            let read = of.and_then(|of| of.backlog.as_ref()).map_or(0, |backlog| backlog.buffer.len());
            if staged.passed.entries > 0 && staged.passed.entries == read {
                staged.flow.queue.watermark.entry = staged.flow.queue.last_entry();
            }
        }
        let pause = staged.flow.pause().map(|pause| pause.id.clone());
        let ended = staged.flow.settle(now);
        staged.changed |= !ended.is_empty();
        staged.settled |= !ended.is_empty();
        for transition in ended {
            self.note_own_transition(partition, flow, (transition, pause.clone()), None);
        }
    }

    /// Passes the next entry of a drain and nothing else; what ends with that is not ended yet.
    pub(super) fn drain_first(&mut self, partition: i32, owned: &Owned, tracked: &Tracked) {
        let now = self.now;
        let Some(backlog) = &tracked.backlog else { return };
        let Some(waiting) = backlog.buffer.front() else { return };
        let Some(staged) = self.decision.flow(partition, owned, &tracked.flow().id) else { return };
        if !staged.flow.passes() {
            return;
        }
        let (rate, release) = (staged.flow.max_rate(), released(&staged.flow));
        // What was refused had been allowed. Its token was dropped with its turn: it is taken here.
        let passing = pass(staged, tracked, waiting);
        if passing == Passing::Stays {
            // What the cleaner took before it may have been passed.
            staged.changed = true;
            return;
        }
        let mut bucket = backlog.bucket.refilled(rate, now);
        if passing == Passing::Release && rate.is_some() {
            bucket.tokens -= 1.0;
        }
        staged.bucket = Some(bucket);
        staged.passed = Amount { entries: 1, bytes: waiting.size };
        staged.changed = true;
        self.write_passed(partition, &tracked.flow().id, waiting, passing, release);
    }
}

/// What the headers of a release name as its cause.
fn released(flow: &Flow) -> Released {
    flow.drain().map_or(Released::Sample, |drain| Released::from(drain.cause))
}

fn pass(staged: &mut StagedFlow, tracked: &Tracked, waiting: &Waiting) -> Passing {
    let held = &waiting.held;
    let entry = Indexed { number: held.number, kind: held.kind, record: held.record_id.as_str(), latest: held.latest };
    // Withdraws of this turn are not in the index yet. Nor are its newer events, of which a paused flow that is purged or sampled
    // may have some; but nothing tells whether such an entry was passed just before one of them came.
    let withdrawn = staged.withdrawn.get(&held.record_id).is_some_and(|withdraw| *withdraw > held.number)
        && !mutant::is(Mutant::WithdrawOfTheSameTurnForgotten);
    staged.flow.pass(&held.survivor(waiting.offset), withdrawn || tracked.index.replaced(entry))
}

/// Why a held event is discarded, for people and for whoever looks for what a command has done.
fn why_removed(removal: Removal, command: &str) -> (Discarded, String) {
    match removal {
        Removal::ReleaseNone => {
            (Discarded::ReleaseNone, format!("held when resume `{command}` came with `release: none`"))
        }
        Removal::Expired => (Discarded::Expired, "held when a pause with `on_expiry: discard` ended".to_owned()),
        Removal::Purged => (Discarded::Purge, format!("held when purge `{command}` came")),
        Removal::MaxAge => (Discarded::MaxAge, format!("held for longer than `max_age_seconds` of resume `{command}`")),
    }
}

//! A turn holds: what it staged becomes real, and what follows from it is ordered.

use std::sync::Arc;

use super::chores::Chore;
use super::queues::Ahead;
use super::table::{Amount, Backlog, Owned, Tracked};
use super::turn::{StagedFlow, Turn};
use super::{Phase, Step, Stop, Worker};
use crate::broker::Broker;
use crate::flow::index::Index;
use crate::flow::{FlowId, State};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// A drain gives room back every so many entries, not only at its end.
const DELETE_EVERY: u64 = 250_000;

impl<B: Broker> Worker<B> {
    pub(super) fn publish(&mut self, turn: Turn, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        self.stats.add(&turn.stats);
        self.table.pace.hold(now.since(turn.gathered_at) <= self.options.transaction_timeout / 2);
        let (last, cut, reread, only_commands) = (turn.last, turn.cut, turn.reread, turn.only_commands);
        let alone = turn.alone.is_some();
        self.table.next_to_drain = turn.next_to_drain;
        let ahead = self.table.ahead(self.budget());
        for (partition, staged) in turn.partitions {
            let Some(owned) = self.table.owned.get_mut(&partition) else { continue };
            owned.position = staged.position;
            owned.scanned = owned.scanned.max(self.table.control_scan);
            if staged.record_changed {
                owned.record = staged.record;
                owned.unknown = staged.unknown;
                owned.introduced = true;
            }
            for (flow, staged) in staged.flows {
                self.publish_flow(partition, flow, staged, &ahead, now);
            }
        }
        if !turn.retired.is_empty() {
            self.chores.push_back(Chore::DeleteTopics { topics: turn.retired });
        }
        if last {
            return Ok((Phase::Leave, Step::Progress));
        }
        self.table.after_turn(!alone && !only_commands);
        let applied_below = self.table.control_scan;
        self.table.bare_commands.retain(|offset| *offset >= applied_below);
        if !only_commands {
            self.activate();
        }
        match cut {
            // What was gathered and not taken comes again.
            true => self.rewind(),
            false => self.read_again(&reread),
        }
        Ok((Phase::Chores, Step::Progress))
    }

    fn publish_flow(&mut self, partition: i32, id: FlowId, staged: StagedFlow, ahead: &Ahead, now: Timestamp) {
        let (ttl, budget) = (self.options.queue_ttl, self.options.index_bytes);
        let Some(owned) = self.table.owned.get_mut(&partition) else { return };
        disarm(owned, &id, ttl);
        let next_entry = staged.flow.queue.next_entry;
        let first_fed = staged.fed.first().map_or(next_entry, |fed| fed.number);
        let StagedFlow { flow, unknown, fed, fed_bytes, passed, bucket, went_live, .. } = staged;
        let make = |flow, unknown| Tracked::new(flow, unknown, Index::new(first_fed));
        if owned.flows.update(flow, unknown, make).is_none() {
            return;
        }
        owned.change_index(&id, |tracked| {
            if went_live {
                // Nothing is held: the index of what comes next begins here.
                tracked.index = Index::new(first_fed);
            }
            tracked.follow_state();
            tracked.note_held(Amount { entries: fed.len(), bytes: fed_bytes });
        });
        self.table.hold(partition, &id, &fed, budget);
        let Some(tracked) = self.table.tracked(partition, &id) else { return };
        let watermark = tracked.flow.queue.watermark;
        let (mut reads, mut stopped, mut given_up) = (false, None, None);
        if let Some(backlog) = &mut tracked.backlog {
            backlog.passing = Amount::default();
            for waiting in backlog.buffer.drain(..passed.entries.min(backlog.buffer.len())) {
                backlog.buffer_bytes = backlog.buffer_bytes.saturating_sub(waiting.size);
            }
            backlog.bucket = bucket.unwrap_or(backlog.bucket);
            backlog.held_before = Amount { entries: fed.len(), bytes: fed_bytes };
            if watermark.entry.saturating_sub(backlog.deleted_entry) >= DELETE_EVERY {
                backlog.deleted_entry = watermark.entry;
                given_up = Some(Arc::clone(&backlog.topic));
            }
            if !tracked.index.is_ready() {
                // It is made again: what was read before is read again behind it.
                backlog.begin_again(watermark);
                stopped = Some(Arc::clone(&backlog.topic));
            }
            reads = ahead.is_too_little(tracked);
        }
        match &tracked.flow.state {
            State::Resuming { .. } => {
                reads |= tracked.backlog.is_none() && start_drain(tracked, now);
            }
            State::Paused(_) | State::Live => {
                reads = false;
                stopped = tracked.backlog.take().map(|backlog| backlog.topic);
                given_up = given_up.or_else(|| stopped.clone().filter(|_| went_live && watermark.offset > 0));
            }
        }
        if let Some(owned) = self.table.owned.get_mut(&partition) {
            arm(owned, &id, ttl);
        }
        if let Some(topic) = stopped {
            self.stop_reading(topic);
        }
        if let Some(topic) = given_up {
            self.give_records_up(&topic, watermark.offset);
        }
        if reads {
            self.table.ask_to_read(partition, &id);
        }
    }
}

/// Prepares the drain of a flow that is resuming with something left to pass: `true` if its queue has to be read.
pub(super) fn start_drain(tracked: &mut Tracked, now: Timestamp) -> bool {
    let queue = &tracked.flow.queue;
    let has_entries = tracked.is_resuming() && !queue.is_passed();
    let Some(topic) = queue.topic.as_deref().filter(|_| has_entries) else { return false };
    tracked.backlog = Some(Backlog::new(&tracked.flow, topic, now));
    true
}

/// When a deadline is looked at.
fn looked_at(deadline: Timestamp) -> Timestamp {
    match mutant::is(Mutant::TimerFiresLate) {
        true => deadline.after(std::time::Duration::from_secs(2)),
        false => deadline,
    }
}

/// Enters a flow where its next moment is looked for.
pub(super) fn arm(owned: &mut Owned, id: &FlowId, ttl: std::time::Duration) {
    let Some(tracked) = owned.flows.get(id) else { return };
    let flow = &tracked.flow;
    match &flow.state {
        State::Paused(pause) => {
            owned.timers.insert((looked_at(pause.resumes_at), id.clone()));
        }
        State::Resuming { .. } => {
            owned.draining.insert(id.clone());
        }
        State::Live => {
            if flow.queue.topic.is_some() && !mutant::is(Mutant::IdleQueueTopicNeverRetired) {
                owned.retirements.insert((flow.updated_at.after(ttl), id.clone()));
            }
        }
    }
}

/// Takes a flow out again, as [`arm`] entered it.
fn disarm(owned: &mut Owned, id: &FlowId, ttl: std::time::Duration) {
    let Some(tracked) = owned.flows.get(id) else { return };
    let flow = &tracked.flow;
    if let Some(deadline) = flow.deadline() {
        owned.timers.remove(&(looked_at(deadline), id.clone()));
    }
    owned.retirements.remove(&(flow.updated_at.after(ttl), id.clone()));
    owned.draining.remove(id);
}

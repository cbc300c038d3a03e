//! A turn holds: what it staged becomes real, and what follows from it is ordered.

use std::sync::Arc;

use super::Worker;
use super::phase::{Phase, Step};
use super::session::ahead::Ahead;
use super::session::amount::Amount;
use super::session::chore::Chore;
use super::session::decision::{Decision, StagedFlow};
use super::session::fed::Fed;
use super::session::turn::Turn;
use super::stop::Stop;
use super::traced::{TURNS, TracedTurn};
use crate::broker::Broker;
use crate::flow::FlowId;
use crate::flow::index::Index;
use crate::time::Timestamp;

/// A drain gives room back every so many entries, not only at its end.
const DELETE_EVERY: u64 = 250_000;

impl<B: Broker> Worker<B> {
    pub(super) fn publish(&mut self, mut turn: Turn, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        self.stats.add(&turn.decision.stats);
        let in_half_the_time = now.since(turn.gathered_at) <= self.options.transaction_timeout / 2;
        self.stats.slow += u64::from(!in_half_the_time);
        self.table.pace.hold(in_half_the_time);
        self.note_traced(&mut turn, now);
        let decision = turn.decision;
        let (is_last, is_for_commands) = (decision.is_last(), decision.is_for_commands());
        let is_everybodys = !is_for_commands && decision.refused().is_none();
        self.table.next_to_drain = decision.next_to_drain;
        let ahead = self.table.ahead(self.budget());
        for (partition, staged) in decision.partitions {
            let Some(owned) = self.table.owned.get_mut(&partition) else { continue };
            owned.facts.advance(staged.position, self.table.control_scan);
            if staged.record_changed {
                owned.facts.take_record(staged.record, staged.unknown);
            }
            for (flow, staged) in staged.flows {
                self.publish_flow(partition, flow, staged, &ahead, now);
            }
        }
        self.table.clear_at_hand();
        if !decision.retired.is_empty() {
            self.chores.push_back(Chore::DeleteTopics { topics: decision.retired });
        }
        if is_last {
            return Ok((Phase::Leave, Step::Progress));
        }
        self.table.after_turn(is_everybodys);
        let applied_below = self.table.control_scan;
        self.table.refused_commands.retain(|offset| *offset >= applied_below);
        if !is_for_commands {
            self.activate();
        }
        match decision.reread_all {
            true => self.rewind(),
            false => self.read_again(&decision.reread),
        }
        Ok((Phase::Chores, Step::Progress))
    }

    fn note_traced(&mut self, turn: &mut Turn, now: Timestamp) {
        let Decision { traced, stats, .. } = &mut turn.decision;
        if traced.is_empty() {
            return;
        }
        if self.traced.len() >= TURNS {
            self.traced.pop_front();
        }
        self.traced.push_back(TracedTurn {
            name: turn.name.clone(),
            worker: self.options.worker,
            began: turn.gathered_at,
            ended: now,
            delivered: stats.delivered,
            held: stats.held,
            released: stats.released,
            events: std::mem::take(&mut traced.events),
            commands: std::mem::take(&mut traced.commands),
            missed: traced.missed,
        });
    }

    /// The search of a flow's queue follows its state, and knows what the turn has held.
    fn follow_search(&mut self, partition: i32, id: &FlowId, fed: &[Fed]) {
        let most = self.options.turn.search();
        let Some(tracked) = self.table.tracked(partition, id) else { return };
        let topic = tracked.search.as_ref().map(|search| Arc::clone(&search.topic));
        if let Some(search) = &mut tracked.search {
            search.hold(fed);
        }
        let reads = tracked.follow_search(most);
        if let Some(topic) = topic
            && tracked.search.as_ref().is_none_or(|search| search.topic != topic)
        {
            self.stop_reading(topic);
        }
        if reads {
            self.table.ask_to_read(partition, id);
        }
    }

    fn publish_flow(&mut self, partition: i32, id: FlowId, staged: StagedFlow, ahead: &Ahead, now: Timestamp) {
        let budget = self.options.index_bytes;
        let Some(owned) = self.table.owned.get_mut(&partition) else { return };
        let next_entry = staged.flow.queue.next_entry;
        let first_fed = staged.fed.first().map_or(next_entry, |fed| fed.number);
        let StagedFlow { flow, unknown, fed, fed_bytes, passed, bucket, settled, lost, forgotten, .. } = staged;
        if forgotten {
            owned.facts.drop_flow(&id);
            return;
        }
        // Nothing is held that was not held in this very turn.
        let begins = settled && flow.queue.watermark.entry + 1 >= first_fed;
        let topic_before = owned.facts.flow(&id).and_then(|tracked| tracked.flow().queue.topic.as_ref());
        let has_another_topic = flow.queue.topic.as_ref() != topic_before;
        if !owned.facts.take_flow(flow, unknown, || Index::new(first_fed)) {
            return;
        }
        owned.change_index(&id, |tracked| {
            if begins {
                // The index of what comes next begins here.
                tracked.index = Index::new(first_fed);
            }
            tracked.follow_state();
            if has_another_topic {
                tracked.leave_topic();
            }
            if lost {
                tracked.begin_behind_loss();
            }
            tracked.note_held(Amount { entries: fed.len(), bytes: fed_bytes });
        });
        self.table.hold(partition, &id, &fed, budget);
        self.follow_search(partition, &id, &fed);
        let Some(tracked) = self.table.tracked(partition, &id) else { return };
        let watermark = tracked.flow().queue.watermark;
        let (mut reads, mut stopped, mut given_up) = (false, None, None);
        let topic = tracked.flow().queue.topic.as_deref();
        if tracked.backlog.as_ref().is_some_and(|backlog| topic != Some(&*backlog.topic)) {
            // That topic is gone: what was read of it is not what the next one begins with.
            stopped = tracked.backlog.take().map(|backlog| backlog.topic);
        }
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
            if lost || !tracked.index.is_ready() {
                // It is made again: what was read before is read again behind it.
                backlog.begin_again(watermark);
                stopped = Some(Arc::clone(&backlog.topic));
            }
            reads = ahead.is_too_little(tracked);
        }
        if tracked.passes() {
            reads |= tracked.backlog.is_none() && tracked.start_drain(now);
        } else {
            reads = false;
            stopped = tracked.backlog.take().map(|backlog| backlog.topic).or(stopped);
            given_up = given_up.or_else(|| stopped.clone().filter(|_| settled && watermark.offset > 0));
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

//! Indexes that are behind are rebuilt from the queue topics, in the background: by a reader of their own, a poll with each
//! gathering.
//!
//! A flow of which entries are to be passed (it resumes, or is purged or sampled) waits for its index, and so these come
//! first, several at once; while there are any, nothing else is rebuilt, polls are large, and turns are short ([`TURN`]). For
//! all others a poll brings so much that it takes a small part of the worker's time, and twice what was held meanwhile for
//! these flows, so that it comes to its end.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::clients::{assign, in_hand, log_of};
use super::facts::tracked::Tracked;
use super::failed::Failed;
use super::gather::Onward;
use super::phase::Step;
use super::session::amount::Amount;
use super::session::gathering::{Gather, Next};
use super::session::legible::legible;
use super::session::owned::Owned;
use super::session::rebuilding::{Rebuild, Rebuilding};
use super::session::shape::ONLY;
use super::session::table::Table;
use super::session::wait::{Blocked, left};
use super::stop::Stop;
use crate::broker::{Action, Broker, Code, PollLimit, Polled, Reader, Record, Watermarks};
use crate::flow::FlowId;
use crate::flow::index::{Index, Outgrown, Read};
use crate::schema::entry;
use crate::time::Timestamp;

/// Topics read at once.
const AT_ONCE: usize = 32;

/// Topics that one gathering begins to read: it takes two calls each.
const BEGUN: usize = 4;

/// What a poll brings for flows of which entries are to be passed.
const LARGE: Amount = Amount { entries: 20_000, bytes: 16 * 1024 * 1024 };

/// And at least for all others.
const SMALL: Amount = Amount { entries: 2_000, bytes: 2 * 1024 * 1024 };

/// So much a poll brings for them for each millisecond since the one before, up to the large one: 150,000 entries a second,
/// however long turns are, and ten million in 70 s. A worker with nothing else to do reads twice as many in a build for
/// tests (measured).
const A_MILLISECOND: usize = 150;

/// How long a turn goes on while a flow that resumes waits for its index.
pub(super) const TURN: Duration = Duration::from_millis(30);

/// Whether the index of a flow is to be read for now.
fn is_to_read(tracked: &Tracked, now: Timestamp) -> bool {
    // A flow of which entries are to be passed is blocked by what is missing, and looked at again as such.
    let missing = tracked.rebuild.missing.filter(|_| !tracked.passes());
    let waits = missing.is_some_and(|since| left(since, Blocked::LENGTH, now).is_some());
    tracked.index.reads() && tracked.flow().queue.topic.is_some() && !waits && !tracked.is_blocked()
}

impl Table {
    /// The flows of which indexes are to be read for, and whether these resume.
    fn to_index(&self, now: Timestamp) -> (Vec<(Arc<str>, i32, FlowId)>, bool) {
        let active = || self.owned.iter().filter(|(_, owned)| owned.is_active());
        let wanted = |(partition, owned, id): (i32, &Owned, &FlowId)| {
            let tracked = owned.facts.flow(id).filter(|tracked| is_to_read(tracked, now))?;
            Some((tracked.flow().queue.topic.as_deref()?.into(), partition, id.clone()))
        };
        let draining = active().flat_map(|(number, of)| of.facts.draining().iter().map(move |id| (*number, of, id)));
        let mut urgent: Vec<_> = draining.filter_map(wanted).collect();
        let is_urgent = !urgent.is_empty();
        let all = active().flat_map(|(number, of)| of.rebuilding().iter().map(move |id| (*number, of, id)));
        // Those that are read already go on.
        let is_read = |topic: &Arc<str>| self.rebuilding.topics.contains_key(topic);
        let mut chosen = match is_urgent {
            true => {
                urgent.sort_by_key(|(topic, ..)| !is_read(topic));
                urgent
            }
            false => {
                let going_on = self.rebuilding.topics.values().filter_map(|(partition, flow)| {
                    let owned = self.owned.get(partition).filter(|owned| owned.is_active())?;
                    wanted((*partition, owned, flow))
                });
                let going_on: Vec<_> = going_on.filter(|(topic, ..)| is_read(topic)).collect();
                let left = AT_ONCE.saturating_sub(going_on.len());
                let others = all.filter_map(wanted).filter(|(topic, ..)| !is_read(topic)).take(left);
                going_on.iter().cloned().chain(others).collect()
            }
        };
        chosen.truncate(AT_ONCE);
        (chosen, is_urgent)
    }

    /// Whether a flow of which entries are to be passed waits for its index.
    pub fn is_index_awaited(&self) -> bool {
        self.rebuilding.is_urgent
    }

    /// How long the poll for events may wait while indexes are read for.
    pub fn index_wait(&self) -> Option<Duration> {
        let Rebuilding { topics, is_urgent, more, .. } = &self.rebuilding;
        if topics.is_empty() {
            return None;
        }
        Some(Duration::from_millis(match (more, is_urgent) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 10,
        }))
    }

    /// An index that is needed and found no room, another one being made in slices just then, has its turn.
    fn let_one_begin(&mut self) {
        if !self.may_slice() {
            return;
        }
        let Some(next) = self.draining().find(|tracked| tracked.index.is_put_off()) else { return };
        let id = next.flow().id.clone();
        for owned in self.owned.values_mut().filter(|owned| owned.facts.draining().contains(&id)) {
            owned.change_index(&id, Tracked::follow_state);
        }
    }

    /// Whether a resuming flow's index may be made in slices: one at a time, for each takes a part of the budget in any
    /// case.
    fn may_slice(&self) -> bool {
        !self.draining().any(|tracked| tracked.index.is_slicing())
    }

    /// Entries read of a queue topic for the index of its flow.
    ///
    /// # Errors
    /// Of an entry that only a gate of another version can read.
    fn index_entries(&mut self, records: &[Record], budget: usize) -> Result<(), Stop> {
        let Some(topic) = records.first().map(|record| Arc::clone(&record.topic)) else { return Ok(()) };
        let mut rest = records;
        while !rest.is_empty() {
            let Some((partition, flow)) = self.rebuilding.topics.get(&topic).cloned() else { return Ok(()) };
            let mut room = self.room_of(partition, &flow, budget, Index::room_to_read);
            let Some(owned) = self.owned.get_mut(&partition) else { return Ok(()) };
            let mut illegible = None;
            let outcome = owned.change_index(&flow, |tracked| {
                if tracked.rebuild.begins {
                    // What comes was read before it was begun again.
                    return Ok(Read::Again);
                }
                let last = tracked.flow().queue.last_entry();
                while let Some((record, following)) = rest.split_first() {
                    let entry = match legible(entry::to_index(record)) {
                        Ok(entry) => entry,
                        Err(stop) => {
                            illegible = Some(stop);
                            return Ok(Read::Again);
                        }
                    };
                    match entry.map_or(Ok(Read::On), |entry| tracked.index.read(entry, last, &mut room))? {
                        Read::On => {}
                        Read::Again => {
                            tracked.rebuild = Rebuild::of(&tracked.flow().queue);
                            return Ok(Read::Again);
                        }
                        Read::Done => return Ok(Read::Done),
                    }
                    tracked.rebuild.offset = record.offset + 1;
                    rest = following;
                }
                Ok::<_, Outgrown>(Read::On)
            });
            if let Some(stop) = illegible {
                return Err(stop);
            }
            match outcome {
                Some(Ok(Read::Done)) => {
                    tracing::info!(%flow, "its index is ready");
                    self.ask_to_read(partition, &flow);
                    return Ok(());
                }
                // What else of it was polled comes again.
                Some(Ok(Read::On | Read::Again)) | None => return Ok(()),
                Some(Err(outgrown)) if self.make_room(partition, &flow, outgrown, budget) => {}
                Some(Err(_)) => {
                    let may_slice = self.may_slice();
                    if let Some(owned) = self.owned.get_mut(&partition) {
                        owned.change_index(&flow, |tracked| tracked.no_room_to_read(may_slice));
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl<B: Broker> Worker<B> {
    /// Reads on for the indexes that are behind: begins with topics, a step each, then one poll. A failure that passes keeps
    /// nobody waiting: it is tried again with the next gathering.
    pub(super) fn gather_indexes(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        gather.next = Next::Events;
        if gather.indexes_begun == 0 {
            self.table.let_one_begin();
            self.choose_indexes(now)?;
        }
        if self.table.rebuilding.topics.is_empty() {
            return Ok(Onward::Next);
        }
        let begins = self.table.next_to_begin(now).filter(|_| gather.indexes_begun < BEGUN);
        let (done, next) = match begins {
            Some(topic) => {
                gather.indexes_begun += 1;
                (self.begin_reading(&topic, now), Next::Indexes)
            }
            None => (self.poll_indexes(now), Next::Events),
        };
        match done {
            Ok(()) => gather.next = next,
            Err(Failed::Call(error)) if error.action == Action::Retry => self.stats.trouble(&error),
            Err(failed) => return Err(failed),
        }
        Ok(Onward::Step(Step::Progress))
    }

    /// Stops reading for whom it is not needed any more, or not just now, and notes for whom it is to begin.
    fn choose_indexes(&mut self, now: Timestamp) -> Result<(), Failed> {
        let nothing = self.table.owned.values().all(|owned| owned.rebuilding().is_empty());
        if nothing && self.table.rebuilding.topics.is_empty() {
            self.table.rebuilding = Rebuilding::default();
            return Ok(());
        }
        let (chosen, is_urgent) = self.table.to_index(now);
        let rebuilding = &mut self.table.rebuilding;
        rebuilding.is_urgent = is_urgent;
        let is_chosen = |topic: &Arc<str>| chosen.iter().any(|(of, ..)| of == topic);
        let gone = rebuilding.topics.keys().filter(|topic| !is_chosen(topic));
        let gone: Vec<_> = gone.map(|topic| (Arc::clone(topic), ONLY)).collect();
        if !gone.is_empty() {
            in_hand(&mut self.clients)?.indexes.unassign_all(&gone)?;
        }
        for (topic, _) in gone {
            if let Some((partition, flow)) = self.table.rebuilding.topics.remove(&topic) {
                self.table.begin_again(partition, &flow);
            }
        }
        let chosen = chosen.into_iter().map(|(topic, partition, flow)| (topic, (partition, flow)));
        self.table.rebuilding.topics.extend(chosen);
        Ok(())
    }

    /// Reads a queue from where the rebuilding stands, if that is still there.
    fn begin_reading(&mut self, topic: &Arc<str>, now: Timestamp) -> Result<(), Failed> {
        let Some((partition, flow)) = self.table.rebuilding.topics.get(topic).cloned() else { return Ok(()) };
        let Some(offset) = self.table.tracked(partition, &flow).map(|tracked| tracked.rebuild.offset) else {
            return Ok(());
        };
        let clients = in_hand(&mut self.clients)?;
        let marks = log_of(&mut clients.latest, topic)?;
        if !marks.is_some_and(|marks| marks.reach(offset)) {
            self.miss_entries(partition, &flow, marks, now);
            return Ok(());
        }
        assign(&mut clients.indexes, topic, offset)?;
        if let Some(tracked) = self.table.tracked(partition, &flow) {
            tracked.rebuild.begins = false;
            tracked.rebuild.missing = None;
        }
        Ok(())
    }

    /// Held events were deleted behind the gate's back. A flow of which entries are to be passed is blocked by that; of another
    /// one its index is tried again later.
    fn miss_entries(&mut self, partition: i32, flow: &FlowId, found: Option<Watermarks>, now: Timestamp) {
        let Some(tracked) = self.table.tracked(partition, flow) else { return };
        tracing::warn!(%flow, ?found, "its queue topic does not have what its index is to be made from");
        tracked.rebuild.missing = Some(now);
        if tracked.passes() {
            self.block_flow(partition, flow, found, now);
            self.look_at_queue_again(partition, flow);
        }
    }

    fn poll_indexes(&mut self, now: Timestamp) -> Result<(), Failed> {
        let budget = self.options.index_bytes;
        let limit = self.table.index_limit(now);
        self.table.rebuilding.polled = now;
        let mut records = Vec::new();
        let polled = in_hand(&mut self.clients)?.indexes.poll(limit, &mut records);
        self.table.rebuilding.more = !records.is_empty();
        for (partition, flow) in self.table.rebuilding.topics.clone().into_values() {
            if let Some(tracked) = self.table.tracked(partition, &flow) {
                tracked.rebuild.held = Amount::default();
            }
        }
        // Also of a poll that failed: its reader has gone on behind what it brought.
        for of_one in records.chunk_by(|one, next| Arc::ptr_eq(&one.topic, &next.topic)) {
            self.table.index_entries(of_one, budget)?;
        }
        match polled {
            Ok(Polled::OutOfRange { topic, .. }) => {
                if let Some((partition, flow)) = self.table.rebuilding.topics.get(&topic).cloned() {
                    self.table.begin_again(partition, &flow);
                }
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if error.code == Code::UnknownTopic => {
                // One of them is gone, and only looking at each tells which.
                self.stats.trouble(&error);
                for (partition, flow) in self.table.rebuilding.topics.clone().into_values() {
                    self.table.begin_again(partition, &flow);
                }
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Table {
    /// The first topic that the reader has to begin with.
    fn next_to_begin(&self, now: Timestamp) -> Option<Arc<str>> {
        let begins = |(partition, flow): &(i32, FlowId)| {
            let tracked = self.owned.get(partition).and_then(|owned| owned.facts.flow(flow));
            tracked.is_some_and(|tracked| tracked.rebuild.begins && is_to_read(tracked, now))
        };
        self.rebuilding.topics.iter().find(|(_, of)| begins(of)).map(|(topic, _)| Arc::clone(topic))
    }

    /// The reader is not where the rebuilding of this flow's index stands any more.
    fn begin_again(&mut self, partition: i32, flow: &FlowId) {
        if let Some(tracked) = self.tracked(partition, flow) {
            tracked.rebuild.begins = true;
        }
    }

    /// How much the next poll may bring.
    fn index_limit(&self, now: Timestamp) -> PollLimit {
        let held = self.rebuilding.topics.values().filter_map(|(partition, flow)| {
            let tracked = self.owned.get(partition)?.facts.flow(flow)?;
            Some(tracked.rebuild.held.times(2))
        });
        let since = usize::try_from(now.since(self.rebuilding.polled).as_millis()).unwrap_or(usize::MAX);
        let polls = since.saturating_mul(A_MILLISECOND) / SMALL.entries;
        let least = if self.rebuilding.is_urgent { LARGE } else { LARGE.min(SMALL.times(polls.max(1))) };
        let Amount { entries, bytes } = held.fold(Amount::default(), Amount::and);
        PollLimit { records: least.entries.max(entries), bytes: least.bytes.max(bytes), wait: Duration::ZERO }
    }
}

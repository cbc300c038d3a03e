//! A flow: what is committed of it, and what this worker has built around it.

use std::sync::Arc;

use crate::broker::Record;
use crate::flow::index::Index;
use crate::flow::{Flow, State};
use crate::mutant::{self, Mutant};
use crate::schema::Unknown;
use crate::time::Timestamp;
use crate::worker::session::amount::Amount;
use crate::worker::session::backlog::{Backlog, Bucket, Reading, Waiting};
use crate::worker::session::rebuilding::Rebuild;
use crate::worker::session::search::Search;
use crate::worker::session::watch::Look;
use crate::worker::stop::Stop;

/// A flow of which more is known than its first event.
pub struct Tracked {
    flow: Flow,
    unknown: Unknown,
    /// Which of its held events are replaced.
    pub index: Index,
    /// Where the rebuilding of the index stands, while it is behind.
    pub rebuild: Rebuild,
    /// What has been read for its drain.
    pub backlog: Option<Backlog>,
    /// What is looked for in its queue.
    pub search: Option<Search>,
}

impl Tracked {
    pub fn new(flow: Flow, unknown: Unknown, index: Index) -> Self {
        let rebuild = Rebuild::of(&flow.queue);
        Self { flow, unknown, index, rebuild, backlog: None, search: None }
    }

    /// A flow as it was found in its state: nothing is known yet of what is held.
    pub fn restored(flow: Flow, unknown: Unknown) -> Self {
        let index = Index::behind(&flow.queue);
        Self::new(flow, unknown, index)
    }

    /// Its committed state.
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// Fields of its state that this gate does not know.
    pub fn unknown(&self) -> &Unknown {
        &self.unknown
    }

    /// A turn that holds has left it like this.
    pub(super) fn update(&mut self, flow: Flow, unknown: Unknown) {
        (self.flow, self.unknown) = (flow, unknown);
    }

    /// Whether entries of its queue are passed: it resumes, or is purged or sampled while it is paused.
    pub fn passes(&self) -> bool {
        self.flow.passes()
    }

    /// Whether held events of it were deleted, so that nothing of it can be passed.
    pub fn is_blocked(&self) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.blocked.is_some())
    }

    /// Whether its queue may be read for its drain. Not before its index is ready: what the cleaner takes out until then is
    /// unknown to the index, and must not wait to be passed.
    pub fn may_be_read(&self) -> bool {
        self.index.is_ready() || mutant::is(Mutant::DrainReadBeforeItsIndex) || mutant::is(Mutant::DrainWithoutItsIndex)
    }

    /// Prepares the drain of a flow with something to pass: `true` if its queue has to be read.
    pub fn start_drain(&mut self, now: Timestamp) -> bool {
        let queue = &self.flow.queue;
        let has_entries = self.passes() && !queue.is_passed();
        let Some(topic) = queue.topic.as_deref().filter(|_| has_entries) else { return false };
        self.backlog = Some(Backlog::new(&self.flow, topic, now));
        true
    }

    /// Goes on with the drain that another owner began: `true` if its queue is to be read now.
    pub fn take_drain_over(&mut self, now: Timestamp) -> bool {
        if !self.start_drain(now) {
            return false;
        }
        let (may_be_read, written) = (self.may_be_read(), self.flow.updated_at);
        if let Some(backlog) = &mut self.backlog {
            backlog.bucket = Bucket::taken_over(written, now);
            if may_be_read {
                backlog.reading = Reading::Waits;
            }
        }
        may_be_read
    }

    /// Its queue is searched now, or is not any more. `true`: it is to be read.
    pub fn follow_search(&mut self, most: Amount) -> bool {
        if !self.flow.searches() {
            self.search = None;
            return false;
        }
        // Another sample may have taken its place in one turn, and another topic that of its queue.
        if let Some(search) = self.search.as_mut().filter(|search| search.is_of(&self.flow)) {
            search.follow(&self.flow);
            return false;
        }
        self.begin_search(most)
    }

    /// Begins to search, if what is looked for is not found yet: also once more, where not all that was found had room.
    fn begin_search(&mut self, most: Amount) -> bool {
        self.search = Search::new(&self.flow, most);
        self.search.as_ref().is_some_and(|search| !search.is_done())
    }

    /// Searches once more, if not all that was found had room, and what had is released. `true`: its queue is to be read.
    pub fn search_again(&mut self) -> bool {
        let Some(search) = self.search.as_mut().filter(|search| search.is_to_be_repeated(&self.flow)) else {
            return false;
        };
        search.begin_again(&self.flow);
        true
    }

    /// Goes on with a search that another owner began: `true` if its queue is to be read.
    pub fn take_search_over(&mut self, most: Amount) -> bool {
        let reads = self.follow_search(most);
        if let Some(search) = self.search.as_mut().filter(|_| reads) {
            search.reading = Reading::Waits;
        }
        reads
    }

    /// Searches entries of its queue. `true`: nothing more is to be read.
    ///
    /// # Errors
    /// Of an entry that only a gate of another version can read.
    pub fn search_row(&mut self, row: &mut impl Iterator<Item = Record>) -> Result<bool, Stop> {
        // What was polled before it began again comes once more.
        let Some(search) = self.search.as_mut().filter(|search| search.reading == Reading::On) else {
            return Ok(false);
        };
        for record in row {
            search.read(record, &self.flow)?;
            if search.is_done() {
                search.reading = Reading::No;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What it passes next: the first that its search has found, or the first that is read of its backlog.
    pub fn front(&self) -> Option<&Waiting> {
        match &self.search {
            Some(search) => search.found().next(),
            None => self.backlog.as_ref()?.buffer.front(),
        }
    }

    /// Where it stands with the reading of its queue, whatever that is read for; and what is to be read, from where on.
    pub fn reading(&mut self) -> Option<(&mut Reading, Arc<str>, i64)> {
        if let Some(search) = &mut self.search {
            // One that is done reads nothing more, whoever asks.
            let topic = Arc::clone(&search.topic);
            return (!search.is_done()).then_some((&mut search.reading, topic, search.offset));
        }
        let backlog = self.backlog.as_mut().filter(|backlog| backlog.blocked.is_none())?;
        Some((&mut backlog.reading, Arc::clone(&backlog.topic), backlog.read_offset))
    }

    /// Whether it could pass something now; when else, if a rate holds it back.
    pub fn ready(&self, now: Timestamp) -> Result<bool, Timestamp> {
        if !self.passes() {
            return Ok(false);
        }
        if self.flow.queue.is_passed() {
            return Ok(true);
        }
        let Some(backlog) = self.backlog.as_ref().filter(|backlog| backlog.blocked.is_none()) else { return Ok(false) };
        let may_pass = self.index.is_ready() || mutant::is(Mutant::DrainWithoutItsIndex);
        if backlog.buffer.is_empty() || !may_pass {
            return Ok(false);
        }
        match self.flow.max_rate() {
            None => Ok(true),
            Some(rate) => {
                let bucket = backlog.bucket.refilled(Some(rate), now);
                if bucket.tokens >= 1.0 { Ok(true) } else { Err(bucket.next(rate)) }
            }
        }
    }

    /// Takes note of whether its drain goes on. `may_pass`: nothing keeps the whole partition from it.
    pub fn watch_drain(&mut self, may_pass: bool, now: Timestamp) {
        let (queue, rate, is_ready) = (&self.flow.queue, self.flow.max_rate(), self.index.is_ready());
        let held = self.flow.counts.held().total();
        let Some(backlog) = &mut self.backlog else { return };
        // It waits for its turn to be read where more queues are to be read than may be at once.
        let is_behind_others = backlog.reading == Reading::Waits && backlog.buffer.is_empty();
        let is_kept = !is_ready || backlog.blocked.is_some() || is_behind_others || queue.is_passed();
        let look = Look { may_pass: may_pass && !is_kept, entry: queue.watermark.entry, held, rate };
        backlog.watch.look(look, now);
    }

    /// Whether nothing of what it holds was passed for too long, though nothing keeps it from that.
    pub fn is_stalled(&self, now: Timestamp) -> bool {
        self.backlog.as_ref().is_some_and(|backlog| backlog.watch.is_stalled(self.flow.max_rate(), now))
    }

    /// Whether it resumes, and as much is held for it meanwhile as it passes.
    pub fn is_losing(&self) -> bool {
        self.flow.drain().is_some() && self.backlog.as_ref().is_some_and(|backlog| backlog.watch.is_losing())
    }

    /// Nothing is missing of its queue, though it begins later than its watermark says: at this offset.
    pub fn go_on_from(&mut self, offset: i64) {
        if self.index.reads() {
            self.rebuild = Rebuild { offset, ..Rebuild::of(&self.flow.queue) };
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.blocked = None;
            backlog.begin_again(self.flow.queue.watermark);
            backlog.read_offset = offset;
        }
    }

    /// What is gone of its queue was accepted as lost: everything begins again behind that.
    pub fn begin_behind_loss(&mut self) {
        self.begin_index_again();
        let queue = &self.flow.queue;
        if queue.is_passed() {
            self.backlog = None;
        }
        if let Some(backlog) = &mut self.backlog {
            backlog.blocked = None;
            backlog.begin_again(queue.watermark);
        }
    }

    /// Its index is made anew, of what is held beyond the watermark.
    fn begin_index_again(&mut self) {
        self.index = Index::behind(&self.flow.queue);
        self.rebuild = Rebuild::of(&self.flow.queue);
    }

    /// It has another queue topic: what was read of the one before says nothing about where to go on in this.
    pub fn leave_topic(&mut self) {
        if self.index.reads() {
            self.begin_index_again();
        }
    }

    /// There is no room for what was held.
    pub fn no_room_to_hold(&mut self) {
        let passes = self.passes();
        self.index.no_room_to_hold(&self.flow.queue, passes);
        self.rebuild = Rebuild::of(&self.flow.queue);
    }

    /// There is no room for what was read.
    pub fn no_room_to_read(&mut self, may_slice: bool) {
        let may_slice = may_slice && self.passes();
        self.index.no_room_to_read(&self.flow.queue, may_slice);
        self.rebuild = Rebuild::of(&self.flow.queue);
    }

    /// A turn has held so much: an index that is behind has to read it.
    pub fn note_held(&mut self, held: Amount) {
        self.rebuild.held = self.rebuild.held.and(held);
    }

    /// Its state has changed, or not: the index is made if it is needed now, and bits are given up that know too little.
    pub fn follow_state(&mut self) {
        let before = (self.index.reads(), self.index.is_sliced());
        match self.flow.state {
            State::Live => {}
            State::Paused(_) | State::Resuming { .. } if self.passes() => self.index.resume(&self.flow.queue),
            State::Paused(_) | State::Resuming { .. } => self.index.pause(&self.flow.queue),
        }
        if before != (self.index.reads(), self.index.is_sliced()) {
            self.rebuild = Rebuild::of(&self.flow.queue);
        }
    }
}

//! A flow: what is committed of it, and what this worker has built around it.

use crate::flow::index::Index;
use crate::flow::{Flow, State};
use crate::mutant::{self, Mutant};
use crate::schema::Unknown;
use crate::time::Timestamp;
use crate::worker::session::amount::Amount;
use crate::worker::session::backlog::{Backlog, Bucket, Reading};
use crate::worker::session::rebuilding::Rebuild;

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
}

impl Tracked {
    pub fn new(flow: Flow, unknown: Unknown, index: Index) -> Self {
        let rebuild = Rebuild::of(&flow.queue);
        Self { flow, unknown, index, rebuild, backlog: None }
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
                let mut bucket = backlog.bucket;
                bucket.refill(rate, now);
                if bucket.tokens >= 1.0 { Ok(true) } else { Err(bucket.next(rate)) }
            }
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

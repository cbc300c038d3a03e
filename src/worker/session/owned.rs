//! A partition that is this worker's.

use std::collections::BTreeSet;
use std::time::Duration;

use super::joining::Joining;
use super::wait::Wait;
use crate::flow::{FlowId, Limits};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;
use crate::worker::facts::Facts;
use crate::worker::facts::tracked::Tracked;

/// A partition of this worker: what is committed of it, and how the worker stands to it.
pub struct Owned {
    pub facts: Facts,
    pub stage: Stage,
    /// Commands below this offset were in the log when the partition was taken over: they come before everything else.
    pub control_end: i64,
    /// The member delivers from the committed position; until then what it brings of the partition is not what comes next.
    pub fetching: bool,
    /// When its position was last compared with the member's.
    pub looked_at: Timestamp,
    /// Events wait: a queue topic could not be made.
    pub wait: Option<Wait>,
    /// Flows whose indexes are behind, and want their queue topics to be read.
    rebuilding: BTreeSet<FlowId>,
    /// Bytes of its flows' indexes.
    index_bytes: usize,
}

pub enum Stage {
    /// Being restored: takes part in nothing.
    Joining(Joining),
    /// Restored: takes part in commands; its record has to be written, and what waits in the control topic applied.
    Introducing,
    Active,
}

impl Owned {
    /// A partition just assigned: nothing is known of it yet.
    pub fn joining(queue_ttl: Duration) -> Self {
        Self {
            facts: Facts::unread(queue_ttl),
            stage: Stage::Joining(Joining::default()),
            control_end: 0,
            fetching: false,
            looked_at: Timestamp(0),
            wait: None,
            rebuilding: BTreeSet::new(),
            index_bytes: 0,
        }
    }

    pub fn is_active(&self) -> bool {
        matches!(self.stage, Stage::Active)
    }

    /// Whether commands apply to it in the next turn.
    pub fn takes_commands(&self) -> bool {
        matches!(self.stage, Stage::Introducing | Stage::Active)
    }

    /// The flows whose deadlines have come, or the warnings before these.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &FlowId> {
        let early = Duration::from_secs(if mutant::is(Mutant::TimerFiresEarly) { 70 } else { 0 });
        self.facts.timers().iter().take_while(move |(due, _)| due.before(early) <= now).map(|(_, flow)| flow)
    }

    /// Paused flows whose deadlines are later than they may be.
    pub fn beyond_cap(&self, limits: &Limits) -> impl Iterator<Item = &FlowId> {
        let max_pause = limits.max_pause;
        let is_beyond = move |flow: &&FlowId| {
            let pause = self.facts.flow(flow).and_then(|of| of.flow().pause());
            pause.is_some_and(|pause| pause.paused_at.after(max_pause) < pause.resumes_at)
                && !mutant::is(Mutant::LoweredMaxPauseIgnoredAtAStart)
        };
        self.facts.timers().iter().map(|(_, flow)| flow).filter(is_beyond)
    }

    /// Changes the index of a flow. What it takes of the budget, and whether it is to be rebuilt, is counted by this alone.
    pub fn change_index<T>(&mut self, id: &FlowId, change: impl FnOnce(&mut Tracked) -> T) -> Option<T> {
        let tracked = self.facts.flow_mut(id)?;
        let (bytes, read) = (tracked.index.bytes(), tracked.index.reads());
        let changed = change(tracked);
        self.index_bytes = (self.index_bytes + tracked.index.bytes()).saturating_sub(bytes);
        match (read, tracked.index.reads()) {
            (false, true) => drop(self.rebuilding.insert(id.clone())),
            (true, false) => drop(self.rebuilding.remove(id)),
            (true, true) | (false, false) => {}
        }
        Some(changed)
    }

    /// Counts the index of a flow that was restored.
    pub fn count_index(&mut self, id: &FlowId) {
        if self.facts.flow(id).is_some_and(|tracked| tracked.index.reads()) {
            self.rebuilding.insert(id.clone());
        }
    }

    /// Flows whose indexes are behind, and want their queue topics to be read.
    pub fn rebuilding(&self) -> &BTreeSet<FlowId> {
        &self.rebuilding
    }

    /// Bytes of its flows' indexes.
    pub fn index_bytes(&self) -> usize {
        self.index_bytes
    }

    /// Flows whose indexes are behind, or wait for their turn though entries are to be passed, with what is still to be read, about.
    pub fn indexing(&self) -> impl Iterator<Item = (FlowId, u64)> + '_ {
        let waiting = self.facts.drains().filter(|of| of.index.is_put_off());
        let behind = self.rebuilding.iter().filter_map(|id| self.facts.flow(id));
        behind.chain(waiting).map(|tracked| (tracked.flow().id.clone(), tracked.index.remaining(&tracked.flow().queue)))
    }

    /// Flows of which entries are passed, while the partition is active.
    pub fn draining(&self) -> impl Iterator<Item = &Tracked> {
        self.facts.drains().filter(|_| self.is_active())
    }
}

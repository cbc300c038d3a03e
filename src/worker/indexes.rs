//! The indexes of a worker's flows: one budget for all of them, and what becomes of one for which there is no room.
//! `flow::index` says how an index is kept; `rebuild.rs` reads for those that are behind.

use super::rebuild::Rebuild;
use super::table::{Amount, Owned, Table, Tracked};
use super::turn::Fed;
use crate::flow::index::{Index, Indexed, Outgrown};
use crate::flow::{FlowId, State};
use crate::mutant::{self, Mutant};

/// What slices may take in any case: this part of the budget.
const A_SLICE: usize = 16;

/// And no less than this, so that a slice has some records.
const LEAST: usize = 256;

impl Tracked {
    pub fn is_resuming(&self) -> bool {
        matches!(self.flow.state, State::Resuming { .. })
    }

    /// Whether its queue may be read for its drain. Not before its index is ready: what the cleaner takes out until then is
    /// unknown to the index, and must not wait to be passed.
    pub fn may_be_read(&self) -> bool {
        self.index.is_ready() || mutant::is(Mutant::DrainReadBeforeItsIndex) || mutant::is(Mutant::DrainWithoutItsIndex)
    }

    /// There is no room for what was held.
    fn no_room_to_hold(&mut self) {
        let drains = self.is_resuming();
        self.index.no_room_to_hold(&self.flow.queue, drains);
        self.rebuild = Rebuild::of(&self.flow.queue);
    }

    /// There is no room for what was read.
    pub fn no_room_to_read(&mut self, may_slice: bool) {
        let may_slice = may_slice && self.is_resuming();
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
            State::Resuming { .. } => self.index.resume(&self.flow.queue),
            State::Paused(_) => self.index.pause(&self.flow.queue),
            State::Live => {}
        }
        if before != (self.index.reads(), self.index.is_sliced()) {
            self.rebuild = Rebuild::of(&self.flow.queue);
        }
    }
}

impl Owned {
    /// Changes the index of a flow. What it takes of the budget, and whether it is to be rebuilt, is counted by this alone.
    pub fn change_index<T>(&mut self, id: &FlowId, change: impl FnOnce(&mut Tracked) -> T) -> Option<T> {
        let tracked = self.flows.get_mut(id)?;
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

    /// Flows whose indexes are behind, or wait for their turn while the flow resumes, with what is still to be read, about.
    pub fn indexing(&self) -> impl Iterator<Item = (FlowId, u64)> + '_ {
        let waiting = self.draining.iter().filter_map(|id| self.flows.get(id)).filter(|of| of.index.is_put_off());
        let behind = self.rebuilding.iter().filter_map(|id| self.flows.get(id));
        behind.chain(waiting).map(|tracked| (tracked.flow.id.clone(), tracked.index.remaining(&tracked.flow.queue)))
    }

    /// Counts the index of a flow that was restored.
    pub fn count_index(&mut self, id: &FlowId) {
        if self.flows.get(id).is_some_and(|tracked| tracked.index.reads()) {
            self.rebuilding.insert(id.clone());
        }
    }
}

impl Table {
    /// Feeds the index of a flow what a turn has held for it.
    pub fn hold(&mut self, partition: i32, id: &FlowId, fed: &[Fed], budget: usize) {
        let mut fed = fed.iter();
        let mut next = fed.next();
        while next.is_some() {
            let mut room = self.room_of(partition, id, budget, Index::room_to_hold);
            let Some(owned) = self.owned.get_mut(&partition) else { return };
            let outcome = owned.change_index(id, |tracked| {
                while let Some(Fed { number, kind, record, latest }) = next {
                    let (number, kind, latest) = (*number, *kind, *latest);
                    tracked.index.hold(Indexed { number, kind, record: record.as_str(), latest }, &mut room)?;
                    next = fed.next();
                }
                Ok::<_, Outgrown>(())
            });
            if let Some(Err(outgrown)) = outcome
                && !self.make_room(partition, id, outgrown, budget)
            {
                tracing::info!(flow = %id, "no room for the index; it is made again when it is needed");
                if let Some(owned) = self.owned.get_mut(&partition) {
                    owned.change_index(id, Tracked::no_room_to_hold);
                }
                // The rest of it is read again.
                return;
            }
        }
    }

    pub fn index_bytes(&self) -> usize {
        self.owned.values().map(|owned| owned.index_bytes).sum()
    }

    /// What the index of a flow may grow by.
    pub fn room_of(
        &self,
        partition: i32,
        id: &FlowId,
        budget: usize,
        room: impl Fn(&Index, usize, usize) -> usize,
    ) -> usize {
        let free = budget.saturating_sub(self.index_bytes());
        let tracked = self.owned.get(&partition).and_then(|owned| owned.flows.get(id));
        tracked.map_or(0, |tracked| room(&tracked.index, free, (budget / A_SLICE).max(LEAST)))
    }

    /// Makes room for an index by dropping others, of paused flows alone: all it takes for one that is needed now, else
    /// those that are larger than itself would be. `false`: it does not help, and nothing was dropped.
    pub fn make_room(&mut self, partition: i32, id: &FlowId, outgrown: Outgrown, budget: usize) -> bool {
        let Some(tracked) = self.owned.get(&partition).and_then(|owned| owned.flows.get(id)) else { return false };
        let grown = tracked.index.bytes() + outgrown.needs;
        let smallest = if tracked.is_resuming() { 1 } else { grown };
        let paused = self.owned.iter().flat_map(|(number, owned)| {
            let paused = owned.flows.tracked().filter(|(_, tracked)| !tracked.is_resuming());
            paused.map(|(of, tracked)| (tracked.index.bytes(), *number, of))
        });
        let may_go = paused.filter(|(bytes, number, of)| *bytes >= smallest && (*number, *of) != (partition, id));
        let mut largest: Vec<_> = may_go.map(|(bytes, number, of)| (bytes, number, of.clone())).collect();
        largest.sort_unstable();
        let free = budget.saturating_sub(self.index_bytes());
        let most = largest.iter().map(|(bytes, ..)| bytes).sum::<usize>() + free;
        if most < outgrown.needs {
            return false;
        }
        let mut room = free;
        while room < outgrown.needs {
            let Some((bytes, number, of)) = largest.pop() else { return false };
            tracing::info!(flow = %of, bytes, "dropping an index; it is made again at the resume");
            if let Some(owned) = self.owned.get_mut(&number) {
                owned.change_index(&of, |tracked| tracked.index.put_off());
            }
            room += bytes;
        }
        true
    }
}

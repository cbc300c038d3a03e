//! The indexes of a worker's flows: one budget for all of them, and what becomes of one for which there is no room.
//! `flow::index` says how an index is kept; `rebuild.rs` reads for those that are behind.

use super::facts::tracked::Tracked;
use super::session::fed::Fed;
use super::session::owned::Owned;
use super::session::table::Table;
use crate::flow::FlowId;
use crate::flow::index::{Index, Indexed, Outgrown};

/// What slices may take in any case: this part of the budget.
const A_SLICE: usize = 16;

/// And no less than this, so that a slice has some records.
const LEAST: usize = 256;

impl Table {
    /// Feeds the index of a flow what a turn has held for it.
    pub(super) fn hold(&mut self, partition: i32, id: &FlowId, fed: &[Fed], budget: usize) {
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

    pub(super) fn index_bytes(&self) -> usize {
        self.owned.values().map(Owned::index_bytes).sum()
    }

    /// What the index of a flow may grow by.
    pub(super) fn room_of(
        &self,
        partition: i32,
        id: &FlowId,
        budget: usize,
        room: impl Fn(&Index, usize, usize) -> usize,
    ) -> usize {
        let free = budget.saturating_sub(self.index_bytes());
        let tracked = self.owned.get(&partition).and_then(|owned| owned.facts.flow(id));
        tracked.map_or(0, |tracked| room(&tracked.index, free, (budget / A_SLICE).max(LEAST)))
    }

    /// Makes room for an index by dropping others, of flows that pass nothing alone: all it takes for one that is needed now, else
    /// those that are larger than itself would be. `false`: it does not help, and nothing was dropped.
    pub(super) fn make_room(&mut self, partition: i32, id: &FlowId, outgrown: Outgrown, budget: usize) -> bool {
        let Some(tracked) = self.owned.get(&partition).and_then(|owned| owned.facts.flow(id)) else { return false };
        let grown = tracked.index.bytes() + outgrown.needs;
        let smallest = if tracked.passes() { 1 } else { grown };
        let idle = self.owned.iter().flat_map(|(number, owned)| {
            let idle = owned.facts.flows().tracked().filter(|(_, tracked)| !tracked.passes());
            idle.map(|(of, tracked)| (tracked.index.bytes(), *number, of))
        });
        let may_go = idle.filter(|(bytes, number, of)| *bytes >= smallest && (*number, *of) != (partition, id));
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

//! Records that a sample names have been looked for: what was found of them is released, whatever stands before it in the queue.

use super::decider::Decider;
use crate::flow::FlowId;
use crate::flow::drain::Passing;
use crate::schema::headers::Released;
use crate::worker::facts::tracked::Tracked;
use crate::worker::session::backlog::Waiting;
use crate::worker::session::outgoing::Origin;
use crate::worker::session::owned::Owned;

impl Decider<'_> {
    pub(super) fn searches(&mut self) {
        for (partition, owned) in self.table.owned.iter().filter(|(_, owned)| owned.is_active()) {
            for id in owned.facts.searching() {
                if let Some(tracked) = owned.facts.flow(id) {
                    self.search(*partition, owned, tracked);
                }
            }
        }
    }

    fn search(&mut self, partition: i32, owned: &Owned, tracked: &Tracked) {
        let Some(search) = tracked.search.as_ref().filter(|search| search.is_done()) else { return };
        let (table, id, now) = (self.table, &tracked.flow().id, self.now);
        let (records, bytes) = (self.budget.records, self.budget.bytes);
        for waiting in search.found() {
            let number = waiting.held.number;
            let origin = || Origin::Entry { partition, flow: id.clone(), number };
            // One that was refused has a turn of its own, and the others follow.
            let drained = self.decision.drained;
            if table.is_refused(origin) || drained.entries >= records || drained.bytes >= bytes {
                return;
            }
            self.release_by_name(partition, owned, tracked, waiting);
        }
        let Some(staged) = self.decision.flow(partition, owned, id) else { return };
        // A command of this turn may have ended it, and another one may have put another sample in its place.
        if !staged.flow.searches() || !search.is_of(&staged.flow) || !search.is_over(&staged.flow) {
            return;
        }
        let pause = staged.flow.pause().map(|pause| pause.id.clone());
        let ended = staged.flow.end_search(now);
        staged.changed |= !ended.is_empty();
        for transition in ended {
            self.note_own_transition(partition, id, (transition, pause.clone()), None);
        }
    }

    /// Releases what was found, unless something newer has taken its place.
    pub(super) fn release_by_name(&mut self, partition: i32, owned: &Owned, tracked: &Tracked, waiting: &Waiting) {
        let id: &FlowId = &tracked.flow().id;
        let Some(search) = tracked.search.as_ref().filter(|search| !search.is_replaced(&waiting.held)) else { return };
        let Some(staged) = self.decision.flow(partition, owned, id) else { return };
        let searches = staged.flow.searches() && search.is_of(&staged.flow);
        if searches && staged.flow.take(waiting.held.number, waiting.held.kind) {
            staged.changed = true;
            self.decision.drained.entries += 1;
            self.decision.drained.bytes += waiting.size;
            self.write_passed(partition, id, waiting, Passing::Release, Released::Sample);
        }
    }
}

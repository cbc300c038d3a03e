//! The timers of a turn: deadlines that are due, and queue topics that were idle for long enough.

use super::commands::touches_deadline;
use super::decide::Decider;
use crate::flow::FlowId;

impl Decider<'_> {
    pub(super) fn timers(&mut self) {
        let now = self.now;
        for (partition, owned) in self.table.owned.iter().filter(|(_, owned)| owned.is_active()) {
            for (_, flow) in owned.timers.iter().take_while(|(due, _)| *due <= now) {
                self.fire(*partition, flow);
            }
            for (_, flow) in owned.retirements.iter().take_while(|(due, _)| *due <= now) {
                self.retire(*partition, flow);
            }
        }
    }

    fn fire(&mut self, partition: i32, flow: &FlowId) {
        let now = self.now;
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let Some(staged) = self.turn.flow(partition, owned, flow) else { return };
        // A command of this turn may have moved the deadline, or ended the pause.
        let Some(transition) = staged.flow.fire(now) else { return };
        staged.changed = true;
        self.turn.touches_deadline |= touches_deadline(transition);
        self.note_transition(partition, flow, transition, None);
    }

    fn retire(&mut self, partition: i32, flow: &FlowId) {
        let now = self.now;
        let Some(owned) = self.table.owned.get(&partition) else { return };
        let Some(staged) = self.turn.flow(partition, owned, flow) else { return };
        let topic = staged.flow.queue.topic.clone();
        if staged.flow.retire_queue(now) {
            staged.changed = true;
            self.turn.retired.extend(topic);
        }
    }
}

//! Takes what was accepted as lost from the front of the list.

use super::{List, State};
use crate::replay::audit::Happening;

impl List<'_> {
    /// Takes the order; the list has been passed up to what is lost. Returns the word of the transition.
    pub(super) fn accept_loss(&mut self, at_most: Option<u64>, happening: &Happening) -> &'static str {
        let lost = std::mem::take(&mut self.lost);
        let reads = self.passes() || self.sample.is_some();
        let why = if self.state == State::Live || !reads {
            Some("accepts a loss where nothing is read".to_owned())
        } else if happening.first.is_none_or(|first| first > self.flow.deleted || first > happening.position.watermark)
        {
            Some("accepts a loss where nothing was deleted".to_owned())
        } else if let Some(entry) = lost.there {
            Some(format!("accepts the loss of entry {entry}, which is there"))
        } else if at_most.is_none_or(|most| most == 0 || lost.count.total() > most) {
            Some(format!("accepts the loss of {}, and the order allows {at_most:?}", lost.count.total()))
        } else if happening.count != Some(lost.count) {
            Some(format!("counts {:?}, the list has lost {:?}", happening.count, lost.count))
        } else {
            None
        };
        if let Some(why) = why {
            self.contradiction(happening, why);
        }
        "loss_accepted"
    }

    /// Takes from the front what is lost, up to an entry.
    pub(super) fn lose(&mut self, watermark: u64) {
        while let Some(held) = self.held.get(self.passed).copied().filter(|held| held.entry <= watermark) {
            // A sample that is under way may have released it before.
            if !held.taken && !self.was_taken(self.passed) {
                self.lost.count.count(self.flow.events[held.event].kind);
                if held.entry > self.flow.deleted && !held.out {
                    self.lost.there = self.lost.there.or(Some(held.entry));
                }
            }
            self.passed += 1;
        }
    }
}

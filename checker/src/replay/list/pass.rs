//! Takes entries from the front of the list, as far as the audit says that they were passed.

use std::collections::HashMap;

use super::{List, State};
use crate::replay::clock::Age;
use crate::replay::errands::Passed;
use crate::replay::script::{Due, Script};

impl List<'_> {
    /// The front is taken up to here since the last transition: what was passed is delivered, or discarded. Returns whether
    /// something was passed that nothing takes.
    pub(super) fn pass(&mut self, watermark: u64) -> bool {
        let mut astray = false;
        // The withdraws of this stretch, by record: which of them came before the drain did, nobody has told.
        let mut withdraws: HashMap<&str, usize> = HashMap::new();
        for withdraw in &self.stretch.withdraws {
            withdraws.insert(&self.flow.events[*withdraw].record, *withdraw);
        }
        while let Some(held) = self.held.get(self.passed).copied().filter(|held| held.entry <= watermark) {
            self.passed += 1;
            if held.out || held.taken {
                continue;
            }
            let event = &self.flow.events[held.event];
            let may_be_withdrawn = withdraws.get(&*event.record).is_some_and(|withdraw| *withdraw > held.event);
            let age = match self.max_age {
                Some((limit, as_of)) if self.state == State::Resuming => {
                    self.clock.age(event.source.offset, limit, as_of)
                }
                _ => Age::Young,
            };
            let may_be_out = may_be_withdrawn || held.perhaps_out;
            let certain = !may_be_out && (held.purged || held.doomed || age != Age::Doubtful);
            let due = Due { event: held.event, certain, may_be_missing: held.perhaps_out };
            if held.purged
                && let Some(purge) = &mut self.purge
            {
                purge.removed.count(event.kind, certain);
            } else if self.state == State::Paused {
                match &mut self.sample {
                    Some(sample) if sample.search.is_none() => sample.released.count(event.kind, certain),
                    // Beyond the line of a purge only what is replaced anyway can be passed.
                    _ => {
                        astray |= !may_be_out;
                        continue;
                    }
                }
            }
            let in_topic = || self.discarded.contains(&(event.source.partition, event.source.offset));
            match (held.purged || held.doomed, age) {
                (true, _) | (false, Age::Old) => {
                    if certain || in_topic() {
                        self.stretch.discarded.push(due);
                    }
                }
                (false, Age::Doubtful) if in_topic() => self.stretch.discarded.push(due),
                (false, Age::Young | Age::Doubtful) => self.stretch.chain.push(due),
            }
        }
        for withdraw in std::mem::take(&mut self.stretch.withdraws) {
            self.take_out(withdraw, self.passed);
            self.stretch.withdraws.push(withdraw);
        }
        for held in &mut self.held[self.passed..] {
            held.out |= std::mem::take(&mut held.perhaps_out);
        }
        let released = self.sample.as_ref().is_some_and(|sample| sample.released.least() > sample.count);
        astray || released
    }

    pub(super) fn close(&mut self, open: bool) {
        let mut stretch = std::mem::take(&mut self.stretch);
        stretch.open = open;
        stretch.search = self.sample.as_ref().and_then(|sample| Some((sample.search.as_ref()?.script, false)));
        self.script.stretches.push(stretch);
    }

    pub(super) fn end(mut self) -> Script {
        let mut open = self.script.broken_off;
        if self.passes() {
            let watermark = self.flow.watermark.filter(|known| *known >= self.watermark);
            // Nobody knows how far it has come: a purge alone goes to its line at most.
            let most = self.purge.filter(|_| self.state == State::Paused && !self.counts());
            self.pass(watermark.unwrap_or(most.map_or(u64::MAX, |purge| purge.line)));
            open |= watermark.is_none();
        }
        self.close(open);
        if let Some(search) = self.sample.take().and_then(|sample| sample.search) {
            let told = self.flow.sampled.unwrap_or_else(|| self.count_samples(&search));
            self.end_search(search, Some(told), &mut Passed::default());
        }
        self.script
    }
}

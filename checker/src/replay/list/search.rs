//! What samples of named records take out of the list, wherever it lies there.

use std::collections::HashSet;

use super::List;
use crate::replay::errands::{Passed, Sample, Search};
use crate::replay::script::Due;

/// A flow has so many taken entries at most.
const MOST_TAKEN: usize = 10_000;

impl List<'_> {
    /// Begins to look for what is held of these records.
    pub(super) fn begin_search(&mut self, records: &HashSet<String>) {
        let line = self.purge.map_or(0, |purge| purge.line);
        let is_wanted = |place: &usize| {
            let held = &self.held[*place];
            let is_named = records.contains(&*self.flow.events[held.event].record);
            is_named && held.entry > line && !held.out && !held.taken
        };
        let wanted = (self.passed..self.held.len()).filter(is_wanted).collect();
        let script = self.script.searches.len();
        self.script.searches.push(Vec::new());
        let search = Search { wanted, taken: HashSet::new(), lost: HashSet::new(), script };
        self.sample = Some(Sample { count: u64::MAX, released: Passed::default(), search: Some(search) });
    }

    /// Whether a sample has released it, as the topic says: asked only where neither the list nor the audit can tell.
    fn is_among_samples(&self, place: usize) -> bool {
        let source = self.flow.events[self.held[place].event].source;
        self.samples.contains(&(source.key.as_deref(), source.value.as_deref()))
    }

    /// How many of those that are looked for a sample has released, where no public state says it.
    pub(super) fn count_samples(&self, search: &Search) -> u64 {
        search.wanted.iter().filter(|place| self.is_among_samples(**place)).count() as u64
    }

    /// An entry is accepted as lost. Returns whether the sample that is under way had taken it before.
    pub(super) fn was_taken(&mut self, place: usize) -> bool {
        let is_among = self.is_among_samples(place);
        let Some(search) = self.sample.as_mut().and_then(|sample| sample.search.as_mut()) else { return false };
        let taken = is_among && search.wanted.binary_search(&place).is_ok();
        let gone = if taken { &mut search.taken } else { &mut search.lost };
        gone.insert(place);
        taken
    }

    /// A sample ends that says how many it has released: the first of what it wanted, but for what was replaced before it came
    /// to that. Returns whether it came to its end.
    pub(super) fn end_search(&mut self, search: Search, told: Option<u64>, released: &mut Passed) -> bool {
        let before = self.held[self.passed..].iter().filter(|held| held.taken).count();
        let room = MOST_TAKEN.saturating_sub(before);
        let told = told.and_then(|told| usize::try_from(told).ok()).unwrap_or(usize::MAX);
        let mut taken: Vec<Due> = Vec::new();
        let mut whole = true;
        for place in search.wanted.into_iter().filter(|place| !search.lost.contains(place)) {
            let held = self.held[place];
            // What is out by now may have been released before that, and what somebody has deleted cannot be found.
            let is_told = !held.out && !held.perhaps_out && held.entry > self.flow.deleted;
            if !is_told && !search.taken.contains(&place) && !self.is_among_samples(place) {
                continue;
            }
            if taken.len() >= told.min(room) {
                whole = taken.len() >= room;
                break;
            }
            taken.push(Due { event: held.event, certain: is_told, may_be_missing: false });
            released.count(self.flow.events[held.event].kind, true);
            self.held[place].taken = true;
        }
        self.script.searches[search.script] = taken;
        if let Some(Some((_, ends))) = self.script.stretches.last_mut().map(|stretch| stretch.search.as_mut()) {
            *ends = true;
        }
        whole
    }

    /// Whether a sample of named records would have nothing to take, because so much is taken already.
    pub(super) fn has_taken_all_it_may(&self) -> bool {
        self.held[self.passed..].iter().filter(|held| held.taken).count() >= MOST_TAKEN
    }
}

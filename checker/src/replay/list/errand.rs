//! What purges and samples do to the list, and what becomes of a flow that is forgotten.

use super::{List, State};
use crate::replay::audit::Happening;
use crate::replay::errands::{Errand, Passed, Purge, Sample};

impl List<'_> {
    /// Takes an order. Returns the word of the transition that it makes.
    pub(super) fn order_errand(&mut self, errand: &Errand, happening: &Happening) -> &'static str {
        match (errand, self.state) {
            (Errand::Purge(through), State::Paused) => {
                let line = (*through).min(self.entries);
                if self.purge.is_some() || self.sample.is_some() {
                    self.contradiction(happening, "begins a purge before the end of what was under way".to_owned());
                }
                if line <= self.watermark {
                    self.contradiction(happening, "begins a purge of nothing".to_owned());
                }
                for held in self.held[self.passed..].iter_mut().filter(|held| held.entry <= line) {
                    held.purged = true;
                }
                self.purge = Some(Purge { line, removed: Passed::default() });
                "purging"
            }
            (Errand::Release(_) | Errand::ReleaseNamed(_), State::Paused) => {
                if self.sample.is_some() || self.watermark == self.entries {
                    self.contradiction(happening, "begins a sample of nothing, or a second one".to_owned());
                }
                match errand {
                    Errand::ReleaseNamed(records) => self.begin_search(records),
                    Errand::Release(count) => {
                        self.sample = Some(Sample { count: *count, released: Passed::default(), search: None });
                    }
                    _ => {}
                }
                "sampling"
            }
            (Errand::AcceptLoss(at_most), _) => self.accept_loss(*at_most, happening),
            (Errand::Forget, State::Live) => {
                if self.entries > 0 {
                    self.contradiction(happening, "forgets a flow that had a queue".to_owned());
                }
                (self.forgotten, self.paused_once) = (true, false);
                "forgotten"
            }
            _ => "nothing that the list knows",
        }
    }

    /// Ends a purge or a sample. Returns the word of the transition.
    pub(super) fn end_errand(&mut self, happening: &Happening) -> &'static str {
        let passed = match happening.word.as_str() {
            "purged" => self.purge.take().map(|purge| {
                let done = happening.offset.is_some() || self.watermark >= purge.line;
                ("purged", purge.removed, done)
            }),
            _ => self.sample.take().map(|mut sample| {
                if let Some(search) = sample.search.take() {
                    let told = happening.count.map(|count| count.total());
                    self.cut_off = !self.end_search(search, told, &mut sample.released);
                    return ("sampled", sample.released, true);
                }
                let done = sample.released.most() >= sample.count || self.watermark == self.entries;
                // Else something has to end it, which comes next.
                self.cut_off = !done;
                ("sampled", sample.released, true)
            }),
        };
        let Some((word, passed, done)) = passed else { return "nothing that the list knows" };
        if !done {
            self.contradiction(happening, "ends a purge before its line".to_owned());
        }
        if !happening.count.is_some_and(|count| passed.may_be(count)) {
            self.contradiction(happening, format!("counts {:?}, the list has {passed:?}", happening.count));
        }
        word
    }
}

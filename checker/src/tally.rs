//! Counts what purges and samples passed, against what they say of themselves and what was ordered.

use std::collections::HashMap;

use crate::Fault;
use crate::court::{Case, Court, Judgement};
use crate::errands::PURGE;
use crate::report::PerKind;
use crate::settle::{End, Fate, Passing};
use crate::succession::State;
use crate::walk::{Item, Passed};

/// By the transition that began them.
#[derive(Default)]
struct Tally {
    removed: HashMap<usize, PerKind>,
    released: HashMap<usize, PerKind>,
}

impl Court<'_> {
    /// Judges the purges and the samples of a flow.
    pub(crate) fn errands(&self, case: &Case<'_>, judgement: &mut Judgement) {
        let mut tally = Tally::default();
        let mut beyond: Option<usize> = None;
        for item in case.walk.items.iter().filter(|item| !item.withdraw) {
            if let Fate::Taken(taken) = self.fates[item.event] {
                let order = case.walk.named[taken.sample].order;
                tally.released.entry(order).or_default().count(self.gathered.events[item.event].kind);
                continue;
            }
            let segment = match item.passed {
                Passed::No | Passed::Lost(_) => continue,
                Passed::In(segment) => segment,
                Passed::Perhaps => case.walk.segments.len() - 1,
            };
            self.count(case, item, segment, &mut tally);
            // The rules give an entry no other fate that is passed in a pause and lies beyond the line.
            let kept = matches!(self.fates[item.event], Fate::Held { .. }) && item.passed != Passed::Perhaps;
            if kept && case.walk.segments[segment].passes() && beyond != Some(segment) {
                beyond = Some(segment);
                let why = format!("has passed entry {}, which lies beyond the purge's line", item.number);
                judgement.faults.push(self.about(case, segment + 1, why));
            }
        }
        ends(case, &tally, judgement);
        self.samples(case, &tally, judgement);
    }

    fn count(&self, case: &Case<'_>, item: &Item, segment: usize, tally: &mut Tally) {
        let segment = &case.walk.segments[segment];
        let event = &self.gathered.events[item.event];
        let purged = matches!(self.fates[item.event], Fate::Passed(Passing { end: End::Removed(PURGE), .. }));
        if purged && !self.discards(event).is_empty() {
            if let Some(purge) = segment.errands.purge {
                tally.removed.entry(purge.order).or_default().count(event.kind);
            }
        } else if let (State::Paused, Some(sample), Some(_)) =
            (segment.state, segment.errands.counted(), &self.found.delivered[item.event])
        {
            tally.released.entry(sample.order).or_default().count(event.kind);
        }
    }

    /// No sample releases more than was ordered.
    fn samples(&self, case: &Case<'_>, tally: &Tally, judgement: &mut Judgement) {
        for (index, segment) in case.walk.segments.iter().enumerate() {
            let sample = segment.errands.counted().filter(|sample| segment.transition == Some(sample.order));
            let Some((sample, count)) = sample.and_then(|sample| Some((sample, sample.count?))) else { continue };
            let released = tally.released.get(&sample.order).map_or(0, |released| released.total());
            if released > count {
                let why = format!("releases {released} entries of a sample of {count}");
                judgement.faults.push(self.about(case, index, why));
            }
        }
    }

    /// A fault of the transition that begins a segment.
    fn about(&self, case: &Case<'_>, segment: usize, why: String) -> Fault {
        let transition = case.walk.segments.get(segment).and_then(|segment| segment.transition);
        let place = transition.map(|at| case.transitions[at].place.clone());
        let last = || case.transitions[case.transitions.len() - 1].place.clone();
        Fault::Audit { at: place.unwrap_or_else(last), why }
    }
}

/// What each end says of itself.
fn ends(case: &Case<'_>, tally: &Tally, judgement: &mut Judgement) {
    for (before, ended) in case.walk.segments.iter().zip(&case.walk.segments[1..]) {
        let Some(transition) = ended.transition.map(|at| &case.transitions[at]) else { continue };
        let (names, found) = match (transition.word.as_str(), before.errands.purge, before.errands.sample) {
            ("purged", Some(purge), _) => (["purged.enroll", "purged.advance"], tally.removed.get(&purge.order)),
            ("sampled", _, Some(sample)) => (["sampled.enroll", "sampled.advance"], tally.released.get(&sample.order)),
            _ => continue,
        };
        let Some(told) = transition.done.count else { continue };
        let found = found.copied().unwrap_or_default();
        for (counter, gate, found) in [(names[0], told.enroll, found.enroll), (names[1], told.advance, found.advance)] {
            if gate != found {
                judgement.faults.push(Fault::Counter { counter, gate, found });
            }
        }
    }
}

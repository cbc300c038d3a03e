//! What public states say of taken entries: those that samples of named records have released, and that are not passed.

use std::collections::BTreeMap;

use super::documents::State;
use super::story::{Story, Wrong};
use crate::gather::Topics;
use crate::report::PerKind;

/// A flow has so many of them at most.
const MOST: usize = 10_000;

/// They are listed in order, each once and with its kind, beyond the watermark. From one state to the next they stay until the
/// watermark passes them, and while a sample is under way as many are added as it has released.
pub(super) fn taken(story: &Story<'_>, topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut before: Option<(&State, List<'_>)> = None;
    for (record, state) in &story.states {
        let list = List::of(state);
        let why = list.is_wrong().or_else(|| {
            let (earlier, then) = before.as_ref()?;
            list.follows(then).or_else(|| list.grows(then, released(earlier)?, released(state)?))
        });
        if let Some(why) = why {
            wrong(&Some(state.flow_id.clone()), topics.place("state", record), format!("its queue.taken {why}"));
        }
        before = Some((state, list));
    }
}

/// The sample of named records that is under way, and what it has released.
fn released(state: &State) -> Option<(&str, PerKind)> {
    let sample = state.sample.as_ref()?.as_ref()?;
    sample.record_ids.as_ref().map(|_| (sample.command_id.as_str(), sample.released))
}

struct List<'a> {
    entries: &'a [(u64, String)],
    told: PerKind,
    watermark: u64,
    next_entry: Option<u64>,
}

impl<'a> List<'a> {
    fn of(state: &'a State) -> Self {
        let queue = state.queue.as_ref();
        let taken = queue.and_then(|queue| queue.taken.as_ref());
        Self {
            entries: taken.map_or(&[], |taken| &taken.entries),
            told: taken.map_or_else(PerKind::default, crate::states::Taken::count),
            watermark: queue.and_then(|queue| queue.watermark.as_ref()).map_or(0, |watermark| watermark.entry),
            next_entry: queue.and_then(|queue| queue.next_entry),
        }
    }

    fn is_wrong(&self) -> Option<&'static str> {
        let counted = count(self.entries.iter().map(|(_, kind)| kind.as_str()));
        if !self.entries.is_sorted_by(|one, other| one.0 < other.0) {
            Some("is not in the order of the entries")
        } else if self.entries.iter().any(|(_, kind)| kind != "enroll" && kind != "advance") {
            Some("has an entry of a kind that cannot be taken")
        } else if counted != self.told {
            Some("counts others than it lists")
        } else if self.entries.first().is_some_and(|(first, _)| *first <= self.watermark) {
            Some("has an entry that is passed")
        } else if self.entries.last().is_some_and(|(last, _)| self.next_entry.is_some_and(|next| *last >= next)) {
            Some("has an entry that is none yet")
        } else {
            (self.entries.len() > MOST).then_some("has more entries than may be taken")
        }
    }

    /// Why it cannot come behind another one.
    fn follows(&self, then: &Self) -> Option<&'static str> {
        let now: BTreeMap<u64, &str> = self.entries.iter().map(|(number, kind)| (*number, kind.as_str())).collect();
        let mut left = then.entries.iter().filter(|(number, _)| *number > self.watermark);
        let gone = left.any(|(number, kind)| now.get(number) != Some(&kind.as_str()));
        gone.then_some("has lost an entry that is not passed")
    }

    /// Why it has not grown by what the same sample has released meanwhile.
    fn grows(
        &self,
        then: &Self,
        (earlier, base): (&str, PerKind),
        (sample, released): (&str, PerKind),
    ) -> Option<&'static str> {
        // What is accepted as lost takes taken entries along.
        if earlier != sample || then.watermark != self.watermark {
            return None;
        }
        (self.told + base != then.told + released).then_some("has not grown by what its sample has released")
    }
}

fn count<'a>(kinds: impl Iterator<Item = &'a str>) -> PerKind {
    let mut count = PerKind::default();
    for kind in kinds {
        count.enroll += u64::from(kind == "enroll");
        count.advance += u64::from(kind == "advance");
    }
    count
}

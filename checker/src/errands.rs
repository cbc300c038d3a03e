//! What releases or discards entries of a flow that stays paused: a purge up to its line, a sample of so many, and a sample of
//! named records.
//!
//! A purge's line outlives its pause: whichever drain comes to what lies under it, removes it. A sample ends with its pause.

use serde_json::Value;

use crate::follow::Transition;
use crate::wanted::record_ids;

/// The word of `flowgate-reason` for what a purge removes.
pub(crate) const PURGE: &str = "purge";

/// What is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Errands {
    pub purge: Option<Purge>,
    pub sample: Option<Sample>,
    /// The line of a purge that has just ended, for the next one to take over.
    cut_off: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Purge {
    /// What lies up to this entry is removed.
    pub line: u64,
    /// The transition that began it.
    pub order: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// So many are released at most; `None`: those of named records, and nothing is passed.
    pub count: Option<u64>,
    /// The transition that began it.
    pub order: usize,
}

impl Errands {
    /// Whether entries may be passed while the flow is paused.
    pub(crate) fn pass_in_pause(&self) -> bool {
        self.purge.is_some() || self.counted().is_some()
    }

    /// A sample of so many.
    pub(crate) fn counted(&self) -> Option<Sample> {
        self.sample.filter(|sample| sample.count.is_some())
    }

    /// Whether an entry lies under the line of a purge.
    pub(crate) fn purge(&self, entry: u64) -> bool {
        self.purge.is_some_and(|purge| entry <= purge.line)
    }

    /// Takes a transition. Returns what is wrong with it.
    pub(crate) fn change(&mut self, index: usize, transitions: &[Transition]) -> Option<String> {
        let transition = &transitions[index];
        let cut_off = self.cut_off.take();
        match transition.word.as_str() {
            "purging" => self.purging(index, transition, cut_off),
            "purged" => self.purged(index, transitions),
            "sampling" => self.sampling(index, transition),
            "sampled" => {
                self.cut_off = cut_off;
                self.sampled(index, transitions)
            }
            "resumed" | "expired" if self.sample.is_some() => {
                Some("ends a pause whose sample has not ended".to_owned())
            }
            _ => {
                self.overdue(transition).then(|| "comes before the end of a purge that has reached its line".to_owned())
            }
        }
    }

    /// A purge whose line is reached ends in that very turn, and no flow goes live before that.
    fn overdue(&self, transition: &Transition) -> bool {
        let passed = match (transition.word.as_str(), transition.first_entry) {
            // A line that lies within what is lost is passed by that, and the purge ends behind it.
            ("loss_accepted", Some(first)) => first.saturating_sub(1),
            _ => transition.position.watermark,
        };
        self.purge.is_some_and(|purge| transition.word == "live" || passed >= purge.line)
    }

    fn purging(&mut self, index: usize, transition: &Transition, cut_off: Option<u64>) -> Option<String> {
        let position = transition.position;
        let through = option(transition, "through_entry").unwrap_or(u64::MAX);
        let line = position.entry.min(through);
        let why = if self.purge.is_some() || self.sample.is_some() {
            Some("begins a purge before the end of what was under way")
        } else if line <= cut_off.unwrap_or(position.watermark).max(position.watermark) {
            Some("begins a purge of nothing")
        } else {
            None
        };
        *self = Self { purge: Some(Purge { line, order: index }), ..Self::default() };
        why.map(str::to_owned)
    }

    fn purged(&mut self, index: usize, transitions: &[Transition]) -> Option<String> {
        let transition = &transitions[index];
        let Some(purge) = self.purge.take() else { return Some("ends a purge that did not begin".to_owned()) };
        let taken_over = transition.offset.is_some();
        self.cut_off = taken_over.then_some(purge.line);
        if taken_over && !leads_to(&transitions[index..], &["purging"]) {
            return Some("names a command that begins no other purge".to_owned());
        }
        if !taken_over && transition.position.watermark < purge.line {
            return Some(format!("ends a purge before its line, entry {}", purge.line));
        }
        named(transition, &transitions[purge.order])
    }

    fn sampling(&mut self, index: usize, transition: &Transition) -> Option<String> {
        let position = transition.position;
        let named = transition.command.as_ref().is_some_and(|command| record_ids(command).is_some());
        let count = Some(option(transition, "count").unwrap_or_default()).filter(|_| !named);
        let why = if self.sample.is_some() {
            Some("begins a sample before the end of another")
        } else if position.watermark == position.entry {
            Some("begins a sample of nothing")
        } else if count.is_some_and(|count| !(1..=10_000).contains(&count)) {
            Some("begins a sample of a count that is none, and of no records")
        } else {
            None
        };
        self.sample = Some(Sample { count, order: index });
        why.map(str::to_owned)
    }

    fn sampled(&mut self, index: usize, transitions: &[Transition]) -> Option<String> {
        let transition = &transitions[index];
        let Some(sample) = self.sample.take() else { return Some("ends a sample that did not begin".to_owned()) };
        let released = transition.done.count.map_or(0, |count| count.total());
        let position = transition.position;
        let done = match sample.count {
            Some(count) => released >= count || position.watermark == position.entry,
            // Whether it has released what it had to, is judged where that is known.
            None => transition.offset.is_none(),
        };
        if !done && !is_cut_off(&transitions[index..]) {
            return Some("ends a sample that is not done, without an end of its pause or a purge".to_owned());
        }
        named(transition, &transitions[sample.order])
    }
}

/// Whether an end of a sample belongs to what ended it.
pub(crate) fn is_cut_off(transitions: &[Transition]) -> bool {
    leads_to(transitions, &["resumed", "expired", "purging"])
}

/// Whether the transition belongs to one of these, which takes effect at the same position right behind it; other ends may
/// lie between them.
fn leads_to(transitions: &[Transition], words: &[&str]) -> bool {
    let position = transitions[0].position;
    let mut next = transitions[1..].iter().skip_while(|next| matches!(next.word.as_str(), "purged" | "sampled"));
    next.next().is_some_and(|next| {
        let same = (next.position.input, next.position.watermark) == (position.input, position.watermark);
        let caused = transitions[0].offset.is_none() || next.offset == transitions[0].offset;
        same && caused && words.contains(&next.word.as_str())
    })
}

/// Why an end does not name the command that ordered what ends.
fn named(transition: &Transition, order: &Transition) -> Option<String> {
    let ordered = order.command.as_ref()?.get("command_id").and_then(Value::as_str);
    let told = transition.done.command_id.as_deref();
    if transition.done.count.is_none() {
        return Some("does not say how many entries it passed".to_owned());
    }
    (told != ordered).then(|| format!("names command {:?} instead of {:?}", told, ordered))
}

fn option(transition: &Transition, name: &str) -> Option<u64> {
    transition.command.as_ref()?.get(name)?.as_u64()
}

//! What public states say of a purge, a sample and the warnings of a deadline, against what made them.

use std::collections::HashSet;

use serde_json::Value;

use super::deadlines::ordered;
use super::documents::{Pause, Sample, State, Told};
use crate::time::milliseconds;
use crate::wanted::record_ids;

#[derive(Clone, Debug, Default)]
pub(super) struct Errands {
    /// The line, and the command's id.
    purge: Option<(u64, String)>,
    /// What was ordered, and the command's id.
    sample: Option<(Ordered, String)>,
    warned: Warned,
}

/// What a sample is to release.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ordered {
    Count(u64),
    /// Of these, what is held up to this entry.
    Records(HashSet<String>, u64),
}

/// The warnings of one deadline.
#[derive(Clone, Copy, Debug, Default)]
struct Warned {
    /// When it was set, and for when, as far as its command says; `None`: what is due cannot be told.
    set_at: Option<i64>,
    deadline: Option<i64>,
    said: Option<i64>,
    /// Said before the same deadline was set again. It is not said again then (docs/commands.md, "Before a deadline"); both are
    /// taken for right here.
    said_before: Option<i64>,
}

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

impl Errands {
    pub fn change(&mut self, told: &Told, command: Option<&Value>) {
        let id = || command.and_then(|command| command.get("command_id")?.as_str()).unwrap_or_default().to_owned();
        let number = |name: &str| command.and_then(|command| command.get(name)?.as_u64());
        let entry = told.position.map_or(0, |position| position.entry);
        match told.transition.as_deref().unwrap_or_default() {
            "purging" => self.purge = Some((entry.min(number("through_entry").unwrap_or(u64::MAX)), id())),
            "purged" => self.purge = None,
            "sampling" => {
                let ordered = match command.and_then(record_ids) {
                    Some(ids) => Ordered::Records(ids, entry),
                    None => Ordered::Count(number("count").unwrap_or_default()),
                };
                self.sample = Some((ordered, id()));
            }
            "sampled" => self.sample = None,
            "expiring" => self.warned.said = told.within_seconds,
            "paused" | "repaused" => self.warned = Warned::set(told, command),
            "updated" => self.warned.update(told, command),
            _ => {}
        }
    }

    /// The field that differs.
    pub fn differ(&self, state: &State) -> Option<&'static str> {
        let purge = state.queue.as_ref().and_then(|queue| queue.purge_through.as_ref());
        let purge = purge.map(|purge| purge.as_ref().map(|purge| (purge.entry, purge.command_id.clone())));
        if purge.is_some_and(|purge| purge != self.purge) {
            return Some("queue.purge_through");
        }
        if let Some(sample) = &state.sample {
            let ordered = sample.as_ref().map(|sample| (Ordered::told(sample), sample.command_id.clone()));
            if ordered != self.sample {
                return Some("sample");
            }
        }
        let pause = state.pause.as_ref();
        pause.is_some_and(|pause| self.warned.differs(pause)).then_some("pause.warned_seconds")
    }
}

impl Ordered {
    fn told(sample: &Sample) -> Self {
        match (&sample.record_ids, sample.left) {
            (Some(ids), None) => Self::Records(ids.iter().cloned().collect(), sample.through_entry.unwrap_or_default()),
            (_, left) => Self::Count(left.unwrap_or_default().saturating_add(sample.released.total())),
        }
    }
}

impl Warned {
    fn set(told: &Told, command: Option<&Value>) -> Self {
        let set_at = milliseconds(&told.at);
        let deadline = set_at.and_then(|at| ordered(command, at));
        Self { set_at, deadline, ..Self::default() }
    }

    fn update(&mut self, told: &Told, command: Option<&Value>) {
        let set = Self::set(told, command);
        let said = self.said.or(self.said_before);
        match (set.deadline, command) {
            // It is not moved.
            (Some(deadline), _) if Some(deadline) == self.deadline => (self.said, self.said_before) = (None, said),
            (Some(_), _) => *self = set,
            (None, Some(_)) if self.deadline.is_some() => {}
            // A limit that was lowered may have moved it, to where no command says.
            (None, _) => *self = Self::default(),
        }
    }

    fn differs(&self, pause: &Pause) -> bool {
        let (Some(told), Some(set_at)) = (pause.warned_seconds, self.set_at) else { return false };
        let Some(deadline) = milliseconds(&pause.resumes_at) else { return false };
        if self.deadline.is_some_and(|set| set != deadline) {
            // Brought down by a lowered limit: the same.
            return false;
        }
        let skipped = match deadline - set_at {
            ..=3_600_000 => Some(HOUR),
            3_600_001..=86_400_000 => Some(DAY),
            _ => None,
        };
        let smallest = |said: Option<i64>| [said, skipped].into_iter().flatten().min();
        told != smallest(self.said) && told != smallest(self.said.or(self.said_before))
    }
}

//! What a worker that looks for named records has found of them, and loses with its memory.

use flowgate::flow::{CommandId, Flow, Kind, Wanted};

use super::log::{Entry, Log};
use super::missing::Missing;

/// It begins where a commit leaves a sample to be looked for. What is held later is told to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Search {
    /// Of the sample.
    command: CommandId,
    /// What is to be released, unless something newer comes: a bit an entry.
    found: u64,
}

impl Search {
    /// When a turn that made this log is committed. What was read before the cleaner or somebody else took it stays found.
    pub fn after(before: Option<&Self>, log: &Log, missing: Missing) -> Option<Self> {
        let flow = log.flow.as_ref().filter(|flow| flow.searches())?;
        let command = flow.sample.as_ref()?.command.clone();
        let was_read = |entry: &Entry| match before.filter(|before| before.command == command) {
            Some(before) => entry.is_in(before.found),
            None => !missing.has(entry) && is_named(flow, entry),
        };
        let found = log.queue.iter().filter(|entry| was_read(entry) && flow.wants(entry.survivor.number));
        let found = found.filter(|entry| !is_replaced(entry, &log.queue)).map(|entry| 1 << entry.survivor.number).sum();
        Some(Self { command, found })
    }

    /// Whether it is what the flow's sample looks for: a command may have ended it, or ordered another.
    pub fn is_of(&self, flow: &Flow) -> bool {
        flow.searches() && flow.sample.as_ref().is_some_and(|sample| sample.command == self.command)
    }

    pub fn has_found(&self, entry: &Entry) -> bool {
        entry.is_in(self.found)
    }

    pub fn found(&self) -> usize {
        self.found.count_ones() as usize
    }
}

fn is_named(flow: &Flow, entry: &Entry) -> bool {
    let wanted = flow.sample.as_ref().map(|sample| &sample.wanted);
    let names = matches!(wanted, Some(Wanted::Records { ids, .. }) if ids.contains(&entry.record));
    names && entry.survivor.kind != Kind::Withdraw
}

/// Whether the queue has a newer entry that takes its place.
fn is_replaced(older: &Entry, queue: &[Entry]) -> bool {
    let (number, kind) = (older.survivor.number, older.survivor.kind);
    let mut newer = queue.iter().filter(|newer| newer.survivor.number > number && newer.record == older.record);
    newer.any(|newer| match newer.survivor.kind {
        Kind::Withdraw => true,
        of => of == kind && older.latest && newer.latest,
    })
}

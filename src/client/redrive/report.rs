//! What a redrive would do, or has done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::order::{Obstacle, Ready};
use crate::client::letters::Item;
use crate::client::scan::Marks;
use crate::flow::FlowId;

/// What a redrive would do, or has done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Letters that can be, or were, redriven.
    pub letters: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// How many of each flow; of the first [`Report::FLOWS`] flows.
    pub flows: BTreeMap<FlowId, u64>,
    /// Those that are not redriven, and why: the first [`Report::OBSTACLES`].
    pub obstacles: Vec<(Item, Obstacle)>,
    /// All of those.
    pub stopped: u64,
    /// Of a preview: what it has seen.
    pub(super) seen: Seen,
}

/// How far a preview has looked. What came behind is not part of a redrive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub letters: Marks,
    pub audit: Marks,
}

impl Report {
    pub const FLOWS: usize = 1_000;
    pub const OBSTACLES: usize = 1_000;

    /// Of a preview: what a redrive is to be told.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// How many letters were redriven, or would be, as in `3 letters were redriven`.
    #[must_use]
    pub fn told(&self, is_done: bool) -> String {
        let verb = match (is_done, self.letters) {
            (false, _) => "would be redriven",
            (true, 1) => "was redriven",
            (true, _) => "were redriven",
        };
        format!("{} {verb}", letters(self.letters))
    }

    pub(super) fn stop(&mut self, item: Item, obstacle: Obstacle) {
        self.stopped += 1;
        if self.obstacles.len() < Self::OBSTACLES {
            self.obstacles.push((item, obstacle));
        }
    }

    pub(super) fn add(&mut self, Ready { event, value, .. }: &Ready) {
        self.letters += 1;
        self.bytes += value.as_ref().map_or(0, |value| value.len() as u64);
        if self.flows.len() < Self::FLOWS || self.flows.contains_key(&event.flow) {
            *self.flows.entry(event.flow.clone()).or_default() += 1;
        }
    }
}

/// As in `3 letters`.
#[must_use]
pub fn letters(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}

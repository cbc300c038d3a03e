//! What the toy gate does for samples of named records.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::drain::deliver;
use super::{Flow, Gate, add};

/// How far a sample of named records has come.
pub struct Search {
    ids: HashSet<String>,
    /// The next entry that it looks at, and the first one that it does not.
    next: usize,
    through: usize,
}

impl Search {
    pub fn new(options: &Value, next: usize, through: usize) -> Option<Self> {
        let text = |id: &Value| id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        let ids = options.get("record_ids")?.as_array()?.iter().map(text).collect();
        Some(Self { ids, next, through })
    }

    pub fn is_done(&self) -> bool {
        self.next >= self.through
    }
}

impl Gate {
    /// Looks at so many entries for the records of a sample.
    pub fn search(&mut self, name: &str, count: usize) {
        let input = self.next_input(name);
        for _ in 0..count {
            if self.flows[name].errands.sample.as_ref().is_none_or(|sample| sample.named.is_none()) {
                return;
            }
            if self.is_blocked(name) {
                return;
            }
            self.look_at_one(name);
            self.end_sample_at_its_end(name, input);
        }
    }

    pub fn search_all(&mut self, name: &str) {
        self.search(name, usize::MAX);
    }

    fn look_at_one(&mut self, name: &str) {
        let flow = self.flows.get_mut(name).unwrap();
        let watermark = flow.watermark;
        let Some(search) = flow.errands.sample.as_mut().and_then(|sample| sample.named.as_mut()) else { return };
        let at = search.next.max(watermark);
        search.next = at + 1;
        let is_named = at < search.through && search.ids.contains(&flow.entries[at].record);
        let entry = &flow.entries[at.min(flow.entries.len() - 1)];
        let free = entry.kind != "withdraw" && !flow.taken.contains(&at) && flow.taken.len() < 10_000;
        if is_named && free && !flow.is_replaced(at) {
            add(&mut flow.sums.released, &entry.kind);
            flow.errands.released(&entry.kind);
            deliver(&mut self.log, name, entry, ("sample", self.clock_ms));
            flow.taken.insert(at);
        }
    }
}

impl Flow {
    pub(super) fn told_as_taken(&self) -> Value {
        if self.taken.is_empty() {
            return Value::Null;
        }
        let of = |kind: &str| self.taken.iter().filter(|at| self.entries[**at].kind == kind).count();
        let entries: Vec<Value> = self.taken.iter().map(|at| json!([at + 1, self.entries[*at].kind])).collect();
        json!({"enroll": of("enroll"), "advance": of("advance"), "entries": entries})
    }
}

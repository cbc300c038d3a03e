//! What the toy gate does for commands that pass entries of a paused flow, or expect something of it, or have it forgotten.

use flowgate_checker::{PerKind, home};
use serde_json::{Value, json};

use super::named::Search;
use super::{Gate, PARTITIONS, State, add};

/// A purge and a sample under way.
#[derive(Default)]
pub struct Errands {
    purge: Option<Errand>,
    pub sample: Option<Errand>,
    /// A flow that was forgotten and not seen again.
    unknown: bool,
    /// Breaks the rule that a flow which had a queue is not forgotten.
    careless: bool,
}

pub struct Errand {
    command_id: Value,
    /// A sample of named records.
    pub named: Option<Search>,
    /// A purge's line, or how many a sample is to release.
    limit: usize,
    count: PerKind,
}

impl Errands {
    pub fn line(&self) -> usize {
        self.purge.as_ref().map_or(0, |purge| purge.limit)
    }

    /// Whether they pass entries of a paused flow.
    pub fn pass(&self, watermark: usize) -> bool {
        watermark < self.line() || self.counts()
    }

    /// Whether a sample of so many is under way.
    fn counts(&self) -> bool {
        self.sample.as_ref().is_some_and(|sample| sample.named.is_none())
    }

    pub fn removed(&mut self, kind: &str) {
        add(&mut self.purge.as_mut().unwrap().count, kind);
    }

    pub fn released(&mut self, kind: &str) {
        add(&mut self.sample.as_mut().unwrap().count, kind);
    }
}

impl Gate {
    pub fn is_known(&self, name: &str) -> bool {
        self.flows.get(name).is_some_and(|flow| !flow.errands.unknown)
    }

    /// The toy tells of a flow's first pause only where it had been forgotten.
    pub(super) fn make_known(&mut self, name: &str, by_event: bool, input: i64) {
        let default = self.default_of(home(name, PARTITIONS));
        if self.is_known(name) || !by_event && default.is_none() && !self.flows.contains_key(name) {
            return;
        }
        self.transition(name, "seen", None, input);
        let flow = self.flows.entry(name.to_owned()).or_default();
        flow.errands.unknown = false;
        if let Some(default) = default {
            self.pause_by_default(name, &default, input);
        }
    }

    /// Answers a command that expects something else.
    pub(super) fn refuses(&mut self, name: &str, offset: i64, command: &Value) -> bool {
        let Some(expect) = command.get("expect") else { return false };
        let pause = self.pause_id(name);
        let next = self.flows.get(name).map_or(1, |flow| flow.entries.len() + 1);
        let differs = expect.get("pause_id").is_some_and(|expected| expected.as_str() != pause.as_deref())
            || expect.get("next_entry").is_some_and(|expected| *expected != next);
        if differs {
            self.answer_in_words(name, offset, command.clone(), "rejected", "changed meanwhile: look again");
        }
        differs
    }

    pub fn pause_id(&self, name: &str) -> Option<String> {
        self.flows.get(name).filter(|flow| flow.state != State::Live).map(|flow| flow.pause_id.clone())
    }

    pub fn next_entry(&self, name: &str) -> usize {
        self.flows.get(name).map_or(1, |flow| flow.entries.len() + 1)
    }

    pub fn purge(&mut self, name: &str, options: Value) {
        let (offset, command) = self.command(name, "purge", options.clone());
        let input = self.next_input(name);
        self.meet(name, input);
        if self.refuses(name, offset, &command) {
            return;
        }
        let Some(flow) = self.flows.get(name).filter(|flow| flow.state == State::Paused) else {
            return self.answer(name, offset, command, "rejected");
        };
        let through = options.get("through_entry").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let line = flow.entries.len().min(usize::try_from(through).unwrap());
        if line <= flow.watermark.max(flow.errands.line()) {
            return self.answer(name, offset, command, "unchanged");
        }
        self.end_purge(name, Some(offset), input);
        self.end_sample(name, Some(offset), input);
        let flow = self.flows.get_mut(name).unwrap();
        flow.errands.purge = Some(Errand::new(&command, line));
        self.transition(name, "purging", Some(offset), input);
        self.answer(name, offset, command, "applied");
    }

    pub fn release(&mut self, name: &str, options: Value) {
        let (offset, command) = self.command(name, "release", options.clone());
        let input = self.next_input(name);
        self.meet(name, input);
        if self.refuses(name, offset, &command) {
            return;
        }
        let free = |flow: &&mut super::Flow| flow.state == State::Paused && flow.errands.sample.is_none();
        let Some(flow) = self.flows.get_mut(name).filter(free) else {
            return self.answer(name, offset, command, "rejected");
        };
        if flow.watermark == flow.entries.len() {
            return self.answer(name, offset, command, "unchanged");
        }
        let named = Search::new(&options, flow.watermark.max(flow.errands.line()), flow.entries.len());
        if named.is_some() && flow.taken.len() >= 10_000 {
            return self.answer(name, offset, command, "rejected");
        }
        let count = options["count"].as_u64().map_or(usize::MAX, |count| usize::try_from(count).unwrap());
        flow.errands.sample = Some(Errand { named, ..Errand::new(&command, count) });
        self.transition(name, "sampling", Some(offset), input);
        self.answer(name, offset, command, "applied");
    }

    /// Passes entries of a paused flow, as far as a purge or a sample goes.
    pub fn pass(&mut self, name: &str, count: usize) {
        let input = self.next_input(name);
        for _ in 0..count {
            let flow = &self.flows[name];
            if !flow.errands.pass(flow.watermark) || self.is_blocked(name) {
                return;
            }
            self.pass_one(name);
            self.end_purge_at_its_line(name, input);
            self.end_sample_at_its_end(name, input);
        }
    }

    pub(super) fn end_sample_at_its_end(&mut self, name: &str, input: i64) {
        let flow = &self.flows[name];
        let sample = flow.errands.sample.as_ref();
        let done = |sample: &Errand| match &sample.named {
            Some(search) => search.is_done(),
            None => {
                usize::try_from(sample.count.total()).unwrap() == sample.limit || flow.watermark == flow.entries.len()
            }
        };
        if sample.is_some_and(done) {
            self.end_sample(name, None, input);
        }
    }

    pub fn pass_all(&mut self, name: &str) {
        self.pass(name, usize::MAX);
    }

    pub fn forget(&mut self, name: &str, options: Value) {
        let (offset, command) = self.command(name, "forget", options);
        let input = self.next_input(name);
        self.meet(name, input);
        if self.refuses(name, offset, &command) {
            return;
        }
        if !self.is_known(name) {
            return self.answer(name, offset, command, "unchanged");
        }
        let flow = self.flows.get_mut(name).unwrap();
        if flow.state != State::Live || !flow.entries.is_empty() && !flow.errands.careless {
            return self.answer(name, offset, command, "rejected");
        }
        (flow.forgotten, flow.errands.unknown) = (Some(flow.sums), true);
        self.transition(name, "forgotten", Some(offset), input);
        self.answer(name, offset, command, "applied");
    }

    pub fn forget_what_had_a_queue(&mut self, name: &str) {
        self.flows.get_mut(name).unwrap().errands.careless = true;
        self.forget(name, json!({}));
    }

    pub fn warn(&mut self, name: &str, within_seconds: u64) {
        let input = self.next_input(name);
        self.end(name, "expiring", None, input, &json!({"within_seconds": within_seconds}));
    }

    pub(super) fn end_sample(&mut self, name: &str, command: Option<i64>, input: i64) {
        if let Some(sample) = self.flows.get_mut(name).and_then(|flow| flow.errands.sample.take()) {
            self.end(name, "sampled", command, input, &sample.done());
        }
    }

    fn end_purge(&mut self, name: &str, command: Option<i64>, input: i64) {
        if let Some(purge) = self.flows.get_mut(name).and_then(|flow| flow.errands.purge.take()) {
            self.end(name, "purged", command, input, &purge.done());
        }
    }

    pub(super) fn end_purge_at_its_line(&mut self, name: &str, input: i64) {
        if self.flows[name].watermark >= self.flows[name].errands.line() {
            self.end_purge(name, None, input);
        }
    }

    pub(super) fn end(&mut self, name: &str, word: &str, command: Option<i64>, input: i64, more: &Value) {
        let mut event = json!({"event": "transition", "transition": word, "pause_id": self.pause_id(name),
            "command_offset": command});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.audit(name, input, event);
    }
}

impl Errand {
    fn new(command: &Value, limit: usize) -> Self {
        Self { command_id: command["command_id"].clone(), named: None, limit, count: PerKind::default() }
    }

    fn done(&self) -> Value {
        let PerKind { enroll, advance } = self.count;
        json!({"command_id": self.command_id, "count": {"enroll": enroll, "advance": advance}})
    }
}

//! What the toy gate does for commands for `*`.

use flowgate_checker::{Log, Record, home};
use serde_json::{Value, json};

use super::{Flow, Gate, PARTITIONS, State, append, at};

/// What pauses flows that are first seen.
#[derive(Clone)]
pub struct Default {
    first: i64,
    newest: i64,
    paused_at: i64,
    deadline: i64,
    options: Value,
}

impl Default {
    fn pause_id(&self) -> String {
        format!("pause-{}", self.first)
    }
}

const LONGEST_MS: i64 = 14 * 86_400_000;

impl Gate {
    pub fn pause_all(&mut self, options: Value) {
        let (offset, command) = self.command("*", "pause", options.clone());
        for partition in 0..PARTITIONS {
            let was = self.default_of(partition);
            let mut default = was.unwrap_or_else(|| {
                let (paused_at, deadline) = (self.clock_ms, self.clock_ms + LONGEST_MS);
                Default { first: offset, newest: offset, paused_at, deadline, options: json!({}) }
            });
            default.newest = offset;
            default.options.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
            if let Some(length) = options.get("for_seconds").and_then(Value::as_i64) {
                default.deadline = self.clock_ms + length * 1000;
            }
            self.defaults.insert(partition, default.clone());
            for name in self.names(partition) {
                self.pause_with_all(&name, offset, &default);
            }
            self.answer_for_all(partition, offset, &command, "applied");
        }
    }

    pub fn resume_all(&mut self, options: Value) {
        let (offset, command) = self.command("*", "resume", options.clone());
        let orders = ["release", "max_rate", "max_age_seconds"].iter().any(|order| options.get(order).is_some());
        for partition in 0..PARTITIONS {
            let mut any = self.default_of(partition).is_some();
            self.defaults.remove(&partition);
            for name in self.names(partition) {
                let flow = &self.flows[&name];
                if flow.by_all && (flow.state == State::Paused || flow.state == State::Resuming && orders) {
                    any = true;
                    self.begin_drain(&name, offset, &options);
                }
            }
            self.answer_for_all(partition, offset, &command, if any { "applied" } else { "unchanged" });
        }
    }

    /// Anything else, or what is for one flow.
    pub fn reject_all(&mut self, action: &str, options: Value) {
        let (offset, command) = self.command("*", action, options);
        for partition in 0..PARTITIONS {
            self.answer_for_all(partition, offset, &command, "rejected");
        }
    }

    /// A command whose flow id is none.
    pub fn for_no_flow(&mut self) {
        let (offset, command) = self.command("", "pause", json!({}));
        self.answer_for_all(0, offset, &command, "rejected");
    }

    pub(super) fn default_of(&self, partition: i32) -> Option<Default> {
        self.defaults.get(&partition).filter(|default| self.clock_ms < default.deadline).cloned()
    }

    /// A command that names a flow makes it known under a default, whatever it orders.
    pub(super) fn meet(&mut self, name: &str, input: i64) {
        if self.default_of(home(name, PARTITIONS)).is_some() {
            self.make_known(name, false, input);
        }
    }

    /// Pauses a flow that is first seen.
    pub(super) fn pause_by_default(&mut self, name: &str, default: &Default, input: i64) {
        self.flows.get_mut(name).unwrap().pause_by_all(default.pause_id(), &default.options);
        self.transition(name, "paused", Some(default.newest), input);
    }

    fn pause_with_all(&mut self, name: &str, offset: i64, default: &Default) {
        let (input, flow) = (self.next_input(name), self.flows.get_mut(name).unwrap());
        let word = match flow.state {
            State::Live => "paused",
            State::Paused if flow.by_all => "updated",
            State::Paused => return,
            State::Resuming => "repaused",
        };
        let id = if word == "updated" { flow.pause_id.clone() } else { format!("pause-{offset}") };
        flow.pause_by_all(id, &default.options);
        self.transition(name, word, Some(offset), input);
    }

    fn names(&self, partition: i32) -> Vec<String> {
        let of_it = |name: &&String| home(name, PARTITIONS) == partition && self.is_known(name);
        self.flows.keys().filter(of_it).cloned().collect()
    }

    fn answer_for_all(&mut self, partition: i32, offset: i64, command: &Value, outcome: &str) {
        let more = json!({"event": "answer", "command": command, "command_offset": offset, "outcome": outcome,
            "detail": "", "repeated": false});
        self.tell((partition, None), self.next_input_of(partition), (0, 0), more);
    }

    pub(super) fn pause_of(&self, name: &str) -> Value {
        let flow = &self.flows[name];
        match flow.state {
            State::Live => Value::Null,
            _ => json!({"id": flow.pause_id, "by_all": flow.by_all}),
        }
    }

    pub(super) fn show_defaults(&self, log: &mut Log) {
        for (partition, default) in &self.defaults {
            let value = json!({"version": 1, "default_pause": {"id": default.pause_id(),
                "command_offset": default.newest, "paused_at": at(default.paused_at), "resumes_at": at(default.deadline)}});
            let value = Some(value.to_string().into_bytes());
            append(&mut log.state, *partition, Record { key: Some(Vec::new()), value, ..Record::default() });
        }
    }
}

impl Flow {
    fn pause_by_all(&mut self, pause_id: String, options: &Value) {
        (self.state, self.by_all, self.pause_id, self.line) = (State::Paused, true, pause_id, 0);
        (self.discard_new, self.all, self.discard_at_expiry) = (false, false, false);
        self.take_options(options);
    }
}

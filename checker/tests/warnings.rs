//! Goal: what public states and the audit say of purges, samples, warnings of deadlines and forgotten flows is judged. Method:
//! the audit and the states of one flow that is paused for three days; then broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use flowgate_checker::{Circumstances, Log, Record, promises};
use serde_json::{Value, json};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

const CIRCUMSTANCES: Circumstances = Circumstances {
    clocks_apart_ms: 0,
    clock_off_ms: 0,
    turn_ms: 1000,
    max_pause_ms: 14 * DAY * 1000,
    least_max_pause_ms: 14 * DAY * 1000,
    retention: None,
    every_state: true,
};

/// So many seconds after the first of June.
fn at(second: i64) -> String {
    let (day, second) = (second / DAY + 1, second % DAY);
    format!("2025-06-{day:02}T{:02}:{:02}:{:02}.000Z", second / HOUR, second / 60 % 60, second % 60)
}

struct Story {
    audit: Vec<Value>,
    /// `null`: the state is deleted.
    states: Vec<Value>,
    commands: Vec<Value>,
    removed: u64,
    released: u64,
}

impl Story {
    fn new() -> Self {
        let mut story = Self { audit: vec![], states: vec![], commands: vec![], removed: 0, released: 0 };
        story.tell(0, "seen", json!({}));
        story.show(0, "live", json!({}));
        story
    }

    /// A pause for three days, whose warnings come, and whose timer fires.
    fn warned() -> Self {
        let mut story = Self::new();
        story.pause(0, json!({"for_seconds": 3 * DAY}));
        story.tell(2 * DAY, "expiring", json!({"within_seconds": DAY}));
        story.show_paused(2 * DAY, json!({"warned_seconds": DAY}), json!({}), Value::Null);
        story.tell(3 * DAY - HOUR, "expiring", json!({"within_seconds": HOUR}));
        story.show_paused(3 * DAY - HOUR, json!({"warned_seconds": HOUR}), json!({}), Value::Null);
        story.tell(3 * DAY, "expired", json!({}));
        story
    }

    /// A purge of two entries and a sample of two, each in two turns.
    fn errands() -> Self {
        let mut story = Self::new();
        story.pause(0, json!({"for_seconds": 10 * DAY}));
        let purge =
            |removed: u64| json!({"purge_through": {"entry": 2, "command_id": "c1", "removed": count(removed)}});
        let sample = |left: u64, released: u64| json!({"command_id": "c2", "left": left, "released": count(released)});
        let warned = json!({"warned_seconds": null});
        story.order(10, "purging", "purge", json!({"through_entry": 2}));
        story.removed = 1;
        story.show_paused(10, warned.clone(), purge(1), Value::Null);
        story.order(20, "sampling", "release", json!({"count": 2}));
        story.show_paused(20, warned.clone(), purge(1), sample(2, 0));
        story.tell(30, "purged", json!({"command_id": "c1", "count": count(2)}));
        (story.removed, story.released) = (2, 1);
        story.show_paused(30, warned.clone(), json!({"purge_through": null}), sample(1, 1));
        story.tell(40, "sampled", json!({"command_id": "c2", "count": count(2)}));
        story.released = 2;
        story.show_paused(40, warned.clone(), json!({"purge_through": null}), Value::Null);
        story.show_paused(50, warned, json!({"purge_through": null}), Value::Null);
        story
    }

    fn tell(&mut self, second: i64, word: &str, more: Value) {
        self.tell_of("cart", second, word, more);
    }

    fn tell_of(&mut self, flow: &str, second: i64, word: &str, more: Value) {
        let pause = if matches!(word, "seen" | "live" | "forgotten") { Value::Null } else { "p".into() };
        let mut told = json!({"flow_id": flow, "partition": 0, "at": at(second), "transition": word, "pause_id": pause,
            "command_offset": null, "position": {"input": 0, "control": 0, "entry": 5, "watermark": 0}});
        told.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.audit.push(told);
    }

    fn order(&mut self, second: i64, word: &str, action: &str, options: Value) {
        let offset = self.commands.len();
        let mut command = json!({"command_id": format!("c{offset}"), "flow_id": "cart", "action": action});
        command.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.tell(second, word, json!({"command_offset": offset}));
        self.audit.push(json!({"flow_id": "cart", "partition": 0, "at": at(second), "command_offset": offset,
            "command": command, "outcome": "applied", "detail": ""}));
        self.commands.push(json!({"offset": offset}));
    }

    fn pause(&mut self, second: i64, options: Value) {
        self.order(second, "paused", "pause", options);
        self.show_paused(second, json!({"warned_seconds": null}), json!({}), Value::Null);
    }

    /// How long the pause goes, as its last command says.
    fn resumes_at(&self) -> String {
        let lengths = self.audit.iter().rev().filter_map(|told| Some((told, told["command"]["for_seconds"].as_i64()?)));
        let (told, length) = lengths.take(1).next().unwrap();
        let begun = (0..15 * DAY).step_by(10).find(|second| told["at"] == at(*second)).unwrap();
        at(begun + length)
    }

    fn show_paused(&mut self, second: i64, pause: Value, queue: Value, sample: Value) {
        let begun = self.audit.iter().find(|told| told["transition"] == "paused").unwrap()["at"].clone();
        let mut document = json!({"id": "p", "paused_at": begun, "resumes_at": self.resumes_at(), "new_records": "queue",
            "keep": "latest", "on_expiry": "resume", "expiry_rate": null, "by": null, "reason": null});
        document.as_object_mut().unwrap().extend(pause.as_object().unwrap().clone());
        self.show(second, "paused", json!({"pause": document, "queue": queue, "sample": sample}));
    }

    fn show(&mut self, second: i64, state: &str, more: Value) {
        let zero = json!({});
        let counts = json!({"removed": count(self.removed), "released": count(self.released)});
        let mut document = json!({"flow_id": "cart", "state": state, "counts": counts, "at_pause": zero,
            "commands": self.commands, "updated_at": at(second)});
        document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.states.push(document);
    }

    fn wrong(&self) -> Vec<String> {
        let records = |of: &[Value]| {
            let record = |(offset, value): (i64, &Value)| Record {
                offset,
                timestamp_ms: 1_748_736_000_000 + offset,
                key: Some(b"cart".to_vec()),
                value: (!value.is_null()).then(|| value.to_string().into_bytes()),
                ..Record::default()
            };
            (0..).zip(of).map(record).collect()
        };
        let (audit, state) = (records(&self.audit), records(&self.states));
        let log = Log { prefix: "flow".to_owned(), enrollment_partitions: 1, audit, state, ..Log::default() };
        promises(&log, CIRCUMSTANCES).iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn is_fine(&self) {
        assert_eq!(self.wrong(), Vec::<String>::new());
    }

    #[track_caller]
    fn says(&self, words: &str) {
        let wrong = self.wrong();
        assert!(!wrong.is_empty() && wrong.iter().all(|line| line.contains(words)), "{words:?}: {wrong:#?}");
    }

    /// The warnings, by how far ahead they are.
    fn without(mut self, seconds: i64) -> Self {
        self.audit.retain(|told| told["within_seconds"] != seconds);
        self.states.truncate(2);
        self
    }
}

fn count(enroll: u64) -> Value {
    json!({"enroll": enroll, "advance": 0})
}

#[test]
fn warnings_that_come_early_or_late_or_twice() {
    Story::warned().is_fine();
    let said = |seconds: i64, second: i64| {
        let mut story = Story::warned().without(seconds);
        let behind = story.audit.iter().position(|told| told["at"].as_str().unwrap() > &*at(second)).unwrap();
        story.tell(second, "expiring", json!({"within_seconds": seconds}));
        let told = story.audit.pop().unwrap();
        story.audit.insert(behind, told);
        story
    };
    said(DAY, 2 * DAY + HOUR).is_fine();
    said(DAY, 2 * DAY - 1).says("before its time");
    said(HOUR, 3 * DAY - HOUR - 1).says("before its time");
    said(DAY, 3 * DAY - HOUR + 1).says("a day ahead, where an hour is left");
    let mut twice = Story::warned();
    twice.audit.insert(4, twice.audit[3].clone());
    twice.says("that it has warned of before");
    let mut late = Story::warned().without(HOUR);
    late.audit.pop();
    late.tell(3 * DAY, "expiring", json!({"within_seconds": HOUR}));
    late.says("that has passed");
}

#[test]
fn warnings_that_are_missing() {
    // The gate may have been down.
    Story::warned().without(DAY).is_fine();
    Story::warned().without(HOUR).is_fine();
    for (seconds, running) in [(DAY, 2 * DAY + 5), (HOUR, 3 * DAY - HOUR + 5)] {
        let mut story = Story::warned().without(seconds);
        story.tell_of("another", running, "seen", json!({}));
        story.says(&format!("no warning {seconds} seconds ahead"));
        // Whoever was just behind that moment, had not come to it.
        let mut story = Story::warned().without(seconds);
        story.tell_of("another", running - 4, "seen", json!({}));
        story.is_fine();
    }
    let mut stands = Story::warned().without(HOUR);
    stands.audit.pop();
    stands.tell_of("another", 3 * DAY - 10, "seen", json!({}));
    stands.says("no warning comes 3600 seconds ahead");
}

#[test]
fn warnings_of_deadlines_that_were_set_near() {
    let near = |seconds: i64, warned: Value| {
        let mut story = Story::new();
        story.order(0, "paused", "pause", json!({"for_seconds": seconds}));
        story.show_paused(0, json!({"warned_seconds": warned}), json!({}), Value::Null);
        story
    };
    near(DAY + 1, Value::Null).is_fine();
    near(DAY, json!(DAY)).is_fine();
    near(HOUR, json!(HOUR)).is_fine();
    near(DAY, Value::Null).says("pause.warned_seconds is not what");
    near(HOUR, json!(DAY)).says("pause.warned_seconds is not what");
    let mut story = near(DAY, json!(DAY));
    story.tell(10, "expiring", json!({"within_seconds": DAY}));
    story.says("that was set with no more than that ahead");
}

#[test]
fn a_deadline_that_moves_away_is_warned_of_again() {
    let moved = |warned: Value| {
        let mut story = Story::warned();
        story.audit.pop();
        story.order(3 * DAY - 10, "updated", "pause", json!({"for_seconds": 5 * DAY}));
        story.show_paused(3 * DAY - 10, json!({"warned_seconds": warned}), json!({}), Value::Null);
        story
    };
    moved(json!(HOUR)).says("pause.warned_seconds is not what");
    let mut story = moved(Value::Null);
    story.tell(7 * DAY - 10, "expiring", json!({"within_seconds": DAY}));
    story.show_paused(7 * DAY - 10, json!({"warned_seconds": DAY}), json!({}), Value::Null);
    story.is_fine();
}

#[test]
fn states_that_say_something_else_of_purges_and_samples() {
    Story::errands().is_fine();
    for (state, path, value, field) in [
        (2, "/queue/purge_through/entry", json!(3), "queue.purge_through is not what commands"),
        (2, "/queue/purge_through/command_id", json!("c0"), "queue.purge_through"),
        (3, "/queue/purge_through", Value::Null, "queue.purge_through"),
        (2, "/queue/purge_through/removed/enroll", json!(2), "removed is not what its counts have grown by"),
        (3, "/sample/left", json!(1), "sample is not what commands"),
        (4, "/sample/command_id", json!("c1"), "sample"),
        (6, "/sample", json!({"command_id": "c2", "left": 0, "released": count(2)}), "sample"),
        (4, "/sample", json!({"command_id": "c2", "left": 0, "released": count(2)}), "have grown by"),
        (3, "/pause/warned_seconds", json!(DAY), "pause.warned_seconds"),
    ] {
        let mut story = Story::errands();
        *story.states[state].pointer_mut(path).unwrap() = value;
        story.says(field);
    }
}

/// A sample of named records in three turns; the watermark passes what it has taken, and it is resumed.
fn named() -> Story {
    let mut story = Story::new();
    story.pause(0, json!({"for_seconds": 10 * DAY}));
    let warned = json!({"warned_seconds": null});
    let sample = |released: u64| json!({"command_id": "c1", "record_ids": ["a", "7"], "through_entry": 5, "released": count(released)});
    let queue = |watermark: u64, entries: &[u64]| {
        let entries: Vec<Value> = entries.iter().map(|number| json!([number, "enroll"])).collect();
        let taken = json!({"enroll": entries.len(), "advance": 0, "entries": entries});
        json!({"next_entry": 6, "watermark": {"entry": watermark}, "taken": taken})
    };
    story.order(10, "sampling", "release", json!({"record_ids": ["a", 7]}));
    story.show_paused(10, warned.clone(), queue(0, &[]), sample(0));
    story.released = 1;
    story.show_paused(20, warned.clone(), queue(0, &[2]), sample(1));
    story.released = 2;
    story.show_paused(30, warned.clone(), queue(0, &[2, 4]), sample(2));
    story.tell(40, "sampled", json!({"command_id": "c1", "count": count(2)}));
    story.show_paused(40, warned.clone(), queue(0, &[2, 4]), Value::Null);
    story.order(50, "sampling", "release", json!({"count": 1}));
    story.released = 3;
    story.tell(50, "sampled", json!({"command_id": "c2", "count": count(1)}));
    story.show_paused(50, warned, queue(3, &[4]), Value::Null);
    story
}

#[test]
fn states_that_say_something_else_of_named_records() {
    named().is_fine();
    for (state, path, value, field) in [
        (2, "/sample/record_ids", json!(["a"]), "sample is not what commands"),
        (2, "/sample/record_ids", json!(["a", "7", "b"]), "sample is not what commands"),
        (3, "/sample/through_entry", json!(4), "sample is not what commands"),
        (3, "/sample/command_id", json!("c0"), "sample"),
        (4, "/sample", json!({"command_id": "c1", "left": 0, "released": count(2)}), "sample"),
        (4, "/sample/released", count(1), "grown by"),
        (
            6,
            "/sample",
            json!({"command_id": "c1", "record_ids": ["a", "7"], "through_entry": 5, "released": count(2)}),
            "sample",
        ),
        (3, "/queue/taken/enroll", json!(2), "taken"),
        (4, "/queue/taken/entries", json!([[2, "enroll"], [4, "advance"]]), "taken"),
        (4, "/queue/taken/entries", json!([[4, "enroll"], [2, "enroll"]]), "is not in the order of the entries"),
        (6, "/queue/taken/entries/0/0", json!(5), "has lost an entry that is not passed"),
        (6, "/queue/taken/entries/0/0", json!(3), "taken has an entry that is passed"),
        (6, "/queue/taken/entries/0/0", json!(6), "taken has an entry that is none yet"),
        (5, "/queue/taken/entries/1/1", json!("withdraw"), "taken"),
        (5, "/queue/taken", Value::Null, "has lost an entry that is not passed"),
        (2, "/queue/taken", json!({"enroll": 1, "advance": 0, "entries": [[2, "enroll"]]}), "has not grown by"),
    ] {
        let mut story = named();
        *story.states[state].pointer_mut(path).unwrap() = value;
        story.says(field);
    }
    let mut many = named();
    let entries: Vec<Value> = (1..=10_001).map(|number| json!([number, "enroll"])).collect();
    let last = many.states.len() - 1;
    many.states[last]["queue"] = json!({"taken": {"enroll": 10_001, "advance": 0, "entries": entries}});
    many.says("has more entries than may be taken");
}

#[test]
fn states_of_flows_that_are_forgotten() {
    let forgotten = || {
        let mut story = Story::new();
        story.order(10, "forgotten", "forget", json!({}));
        story.states.push(Value::Null);
        story.commands.clear();
        story.tell(20, "seen", json!({}));
        story.show(20, "live", json!({}));
        story.commands.push(json!({"offset": 0}));
        story
    };
    let mut story = forgotten();
    story.commands.clear();
    story.is_fine();
    let mut queue = forgotten();
    queue.states[0]["queue"] = json!({"n": 1});
    queue.says("was forgotten, although it had had the queue topic number 1");
    let mut deleted = forgotten();
    deleted.states.push(Value::Null);
    deleted.says("is deleted, and nobody had it forgotten");
}

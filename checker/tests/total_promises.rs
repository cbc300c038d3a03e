//! Goal: what public states, records of partitions and the audit say of a pause of every flow is judged. Method: two flows, one of
//! which is first seen under the default, paused and resumed by `*`; then broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use flowgate_checker::{Circumstances, Log, Record, promises};
use serde_json::{Value, json};

const DAY: i64 = 24 * 3600;

const CIRCUMSTANCES: Circumstances = Circumstances {
    clocks_apart_ms: 0,
    clock_off_ms: 0,
    turn_ms: 0,
    max_pause_ms: 14 * DAY * 1000,
    least_max_pause_ms: 14 * DAY * 1000,
    retention: None,
    every_state: true,
};

/// 2025-06-01T00:00:00Z
const START_MS: i64 = 1_748_736_000_000;

/// So many seconds after the first of June.
fn at(second: i64) -> String {
    let (day, second) = (second / DAY + 1, second % DAY);
    format!("2025-06-{day:02}T{:02}:{:02}:{:02}.000Z", second / 3600, second / 60 % 60, second % 60)
}

struct Story {
    events: Vec<Value>,
    control: Vec<(i64, Value)>,
    audit: Vec<(i64, Value)>,
    states: Vec<(i64, Value)>,
    records: Vec<Record>,
}

/// What the default orders, as flows have it: by the first command, and by both.
fn pause(updated: bool) -> Value {
    let (reason, end) = if updated { ("it takes longer", 20 + 4 * DAY) } else { ("maintenance", 10 + 3 * DAY) };
    json!({"id": "pause-0", "paused_at": at(10), "resumes_at": at(end), "new_records": "queue", "keep": "all",
        "on_expiry": "resume", "expiry_rate": null, "by": "ana", "reason": reason})
}

fn story() -> Story {
    let mut story = Story { events: vec![], control: vec![], audit: vec![], states: vec![], records: vec![] };
    story.events.push(json!({"flow_id": "cart", "record_id": "a"}));
    story.events.push(json!({"flow_id": "late", "record_id": "a"}));
    story.tell(0, "cart", "seen", None, 0);
    story.show(0, "cart", "live", Value::Null, Value::Null);
    story.order(10, "c0", "pause", json!({"for_seconds": 3 * DAY, "keep": "all", "reason": "maintenance"}));
    story.tell(10, "cart", "paused", Some(0), 1);
    story.answer(10, 0, false);
    story.show_default(10, 0, pause(false));
    story.show(10, "cart", "paused", by_all(pause(false)), Value::Null);
    story.order(20, "c1", "pause", json!({"for_seconds": 4 * DAY, "reason": "it takes longer"}));
    story.tell(20, "cart", "updated", Some(1), 1);
    story.answer(20, 1, false);
    story.show_default(20, 1, pause(true));
    story.show(20, "cart", "paused", by_all(pause(true)), Value::Null);
    story.show(25, "cart", "paused", by_all(pause(true)), Value::Null);
    story.tell(30, "late", "seen", None, 1);
    story.tell(30, "late", "paused", Some(1), 1);
    let mut late = by_all(pause(true));
    late["paused_at"] = at(30).into();
    story.show(30, "late", "paused", late.clone(), Value::Null);
    story.order(40, "c1", "pause", json!({"for_seconds": 4 * DAY, "reason": "it takes longer"}));
    story.answer(40, 2, true);
    story.order(50, "c3", "resume", json!({"max_rate": 5}));
    let drain = json!({"command_id": "c3", "cause": "resume", "release": "all", "max_rate": 5, "max_age_seconds": null,
        "as_of": at(50)});
    for (flow, pause) in [("cart", by_all(pause(true))), ("late", late)] {
        story.tell(50, flow, "resumed", Some(3), 2);
        story.show(50, flow, "resuming", pause, drain.clone());
    }
    story.answer(50, 3, false);
    story.states.push((50, json!({"default_pause": null})));
    for flow in ["cart", "late"] {
        story.tell(51, flow, "live", None, 2);
        story.show(51, flow, "live", Value::Null, Value::Null);
    }
    story.tell(60, "another", "seen", None, 9);
    story
}

fn by_all(mut pause: Value) -> Value {
    (pause["by_all"], pause["warned_seconds"]) = (true.into(), Value::Null);
    pause
}

impl Story {
    fn order(&mut self, second: i64, id: &str, action: &str, options: Value) {
        let mut command = json!({"command_id": id, "flow_id": "*", "action": action, "issued_by": "ana"});
        command.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.control.push((second, command));
    }

    fn tell(&mut self, second: i64, flow: &str, word: &str, command: Option<i64>, input: i64) {
        let pause = if matches!(word, "seen" | "live") { Value::Null } else { "pause-0".into() };
        self.audit.push((
            second,
            json!({"version": 1, "event": "transition", "flow_id": flow, "partition": 0, "at": at(second),
                "transition": word, "pause_id": pause, "command_offset": command,
                "position": {"input": input, "control": 0, "entry": 0, "watermark": 0}}),
        ));
    }

    fn answer(&mut self, second: i64, offset: usize, repeated: bool) {
        let input = if second < 50 { 1 } else { 2 };
        self.audit.push((
            second,
            json!({"version": 1, "event": "answer", "flow_id": null, "partition": 0, "at": at(second),
                "command": self.control[offset].1, "command_offset": offset, "outcome": "applied", "detail": "",
                "repeated": repeated, "position": {"input": input, "control": 0, "entry": 0, "watermark": 0}}),
        ));
    }

    fn show_default(&mut self, second: i64, command: i64, mut pause: Value) {
        pause["command_offset"] = command.into();
        self.states.push((second, json!({"default_pause": pause})));
    }

    fn show(&mut self, second: i64, flow: &str, state: &str, pause: Value, drain: Value) {
        self.states.push((
            second,
            json!({"flow_id": flow, "state": state, "pause": pause, "drain": drain, "counts": {}, "at_pause": {},
                "queue": {"discard_through": null}, "commands": [], "updated_at": at(second)}),
        ));
    }

    fn wrong(&self) -> Vec<String> {
        let records = |of: &[(i64, Value)]| {
            let record = |(offset, (second, value)): (i64, &(i64, Value))| Record {
                offset,
                timestamp_ms: START_MS + second * 1000,
                key: Some(value["flow_id"].as_str().unwrap_or_default().as_bytes().to_vec()),
                value: Some(value.to_string().into_bytes()),
                ..Record::default()
            };
            (0..).zip(of).map(record).collect::<Vec<_>>()
        };
        let events: Vec<(i64, Value)> = self.events.iter().map(|event| (0, event.clone())).collect();
        let log = Log {
            prefix: "flow".to_owned(),
            enrollment_partitions: 1,
            enrollments: records(&events),
            records: self.records.clone(),
            control: records(&self.control),
            audit: records(&self.audit),
            state: records(&self.states),
            ..Log::default()
        };
        promises(&log, CIRCUMSTANCES).iter().map(ToString::to_string).collect()
    }
}

#[track_caller]
fn broken(words: &str, how: impl FnOnce(&mut Story)) {
    let mut story = story();
    assert_eq!(story.wrong(), Vec::<String>::new());
    how(&mut story);
    let wrong = story.wrong();
    assert!(!wrong.is_empty() && wrong.iter().all(|line| line.contains(words)), "{words:?}: {wrong:#?}");
}

/// The nth state of a flow, or record of the partition.
fn state<'a>(story: &'a mut Story, flow: &str, nth: usize) -> &'a mut Value {
    let of_it = |(_, state): &&mut (i64, Value)| state["flow_id"].as_str().unwrap_or_default() == flow;
    &mut story.states.iter_mut().filter(of_it).nth(nth).unwrap().1
}

#[test]
fn what_a_record_says_of_its_default() {
    for (nth, field, value) in [
        (0, "id", json!("pause-1")),
        (1, "paused_at", json!(at(20))),
        (1, "resumes_at", json!(at(21 + 4 * DAY))),
        (0, "resumes_at", json!(at(9 + 3 * DAY))),
        (1, "keep", json!("latest")),
        (1, "new_records", json!("discard")),
        (0, "on_expiry", json!("discard")),
        (0, "expiry_rate", json!(7)),
        (0, "by", Value::Null),
        (1, "reason", json!("maintenance")),
    ] {
        let says = format!("its default has a {field} that is not what commands for `*` made it");
        broken(&says, |story| state(story, "", nth)["default_pause"][field] = value.clone());
    }
    broken("was made by no pause of `*`", |story| state(story, "", 0)["default_pause"]["command_offset"] = 3.into());
    broken("was another one before", |story| {
        let first = state(story, "", 0).clone();
        let place =
            story.states.iter().position(|(_, state)| state["default_pause"].is_null() && state["flow_id"].is_null());
        story.states.insert(place.unwrap(), (45, first));
    });
    broken("cannot be read", |story| state(story, "", 0)["default_pause"] = json!({"id": "pause-0"}));
}

#[test]
fn what_the_last_record_says() {
    broken("has a default, although none stands", |story| {
        let last = state(story, "", 1).clone();
        *state(story, "", 2) = last;
    });
    let unresumed = |story: &mut Story| {
        story.control.truncate(3);
        story.audit.retain(|(second, _)| *second < 50);
        story.states.retain(|(second, _)| *second < 50);
    };
    let mut fine = story();
    unresumed(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
    broken("has no default, although one is in force", |story| {
        unresumed(story);
        *state(story, "", 1) = json!({});
    });
    broken("has a default that is not the newest", |story| {
        unresumed(story);
        story.states.retain(|(second, state)| *second != 20 || !state["flow_id"].is_null());
    });
    broken("leaves a default of which no record tells", |story| {
        unresumed(story);
        story.states.retain(|(_, state)| !state["flow_id"].is_null());
    });
    // One that has come to its deadline may stand there or not.
    for gone in [false, true] {
        let mut story = story();
        unresumed(&mut story);
        let mut late = if gone { json!({}) } else { state(&mut story, "", 1).clone() };
        late["n"] = 1.into();
        story.states.push((20 + 4 * DAY + 121, late));
        assert_eq!(story.wrong(), Vec::<String>::new());
    }
}

#[test]
fn what_flows_say_of_a_pause_of_all() {
    for (flow, nth, field, value) in [
        ("cart", 1, "keep", json!("latest")),
        ("cart", 3, "reason", json!("maintenance")),
        ("late", 0, "reason", json!("maintenance")),
        ("late", 0, "keep", json!("latest")),
        ("cart", 3, "resumes_at", json!(at(10 + 3 * DAY))),
        ("late", 0, "resumes_at", json!(at(21 + 4 * DAY))),
        ("cart", 1, "by_all", json!(false)),
        ("cart", 2, "by_all", Value::Null),
        ("late", 0, "by_all", json!(false)),
        ("late", 1, "by_all", json!(false)),
    ] {
        broken(&format!("its pause.{field} is not what"), |story| {
            state(story, flow, nth)["pause"][field] = value.clone()
        });
    }
    broken("not when it did", |story| state(story, "late", 0)["pause"]["paused_at"] = at(10).into());
    broken("its drain.max_rate is not what", |story| state(story, "late", 1)["drain"]["max_rate"] = 6.into());
}

#[test]
fn a_pause_that_becomes_the_flows_own() {
    let own = |said: Value| {
        move |story: &mut Story| {
            story
                .control
                .push((55, json!({"command_id": "c4", "flow_id": "*", "action": "pause", "issued_by": "ana"})));
            story
                .control
                .push((56, json!({"command_id": "c5", "flow_id": "cart", "action": "pause", "issued_by": "bob"})));
            story.tell(55, "cart", "paused", Some(4), 2);
            story.tell(55, "late", "paused", Some(4), 2);
            story.answer(55, 4, false);
            story.tell(56, "cart", "updated", Some(5), 2);
            for told in story.audit.iter_mut().filter(|(second, told)| *second > 54 && !told["pause_id"].is_null()) {
                told.1["pause_id"] = "pause-4".into();
            }
            story.audit.sort_by_key(|(second, _)| *second);
            let mut pause = pause(false);
            (pause["id"], pause["paused_at"], pause["resumes_at"]) =
                ("pause-4".into(), at(55).into(), at(55 + 14 * DAY).into());
            (pause["keep"], pause["reason"]) = ("latest".into(), Value::Null);
            story.show_default(55, 4, pause.clone());
            story.show(55, "late", "paused", by_all(pause.clone()), Value::Null);
            (pause["by"], pause["by_all"]) = ("bob".into(), said);
            story.show(56, "cart", "paused", pause, Value::Null);
            story.states.last_mut().unwrap().1["commands"] = json!([{"offset": 5}]);
        }
    };
    let mut fine = story();
    own(false.into())(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
    broken("its pause.by_all is not what", own(true.into()));
}

#[test]
fn a_deadline_of_a_default() {
    let expired = |second: i64| {
        move |story: &mut Story| {
            story.control.truncate(3);
            story.audit.retain(|(second, _)| *second < 50);
            story.states.retain(|(second, _)| *second < 50);
            story.tell(second, "late", "expired", None, 2);
        }
    };
    let mut fine = story();
    expired(20 + 4 * DAY)(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
    broken("before its deadline", expired(19 + 4 * DAY));
    // What says nothing of its end goes for the longest pause from the first command on, for those too that came later.
    let longest = |second: i64| {
        move |story: &mut Story| {
            expired(second)(story);
            for (_, command) in &mut story.control {
                command.as_object_mut().unwrap().remove("for_seconds");
            }
            for (_, told) in story.audit.iter_mut().filter(|(_, told)| told["command"].is_object()) {
                told["command"].as_object_mut().unwrap().remove("for_seconds");
            }
            for (_, state) in &mut story.states {
                for pause in ["pause", "default_pause"] {
                    if state[pause].is_object() {
                        state[pause]["resumes_at"] = at(10 + 14 * DAY).into();
                    }
                }
            }
        }
    };
    let mut fine = story();
    longest(10 + 14 * DAY)(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
    broken("before its deadline", longest(9 + 14 * DAY));
}

#[test]
fn a_command_for_all_that_comes_again() {
    let again = |story: &mut Story, how: fn(&mut Value)| {
        story.audit.iter_mut().filter(|(second, _)| *second == 40).for_each(|(_, told)| how(told));
    };
    broken("is applied a second time", |story| again(story, |told| told["repeated"] = false.into()));
    broken("gets another answer", |story| again(story, |told| told["detail"] = "2 flows".into()));
    broken("for a repetition, and is none", |story| {
        again(story, |told| told["command"]["command_id"] = "new".into());
    });
    // Another partition answers for itself.
    let mut fine = story();
    again(&mut fine, |told| (told["repeated"], told["partition"]) = (false.into(), 1.into()));
    assert!(!fine.wrong().iter().any(|wrong| wrong.contains("second time")));
}

#[test]
fn a_timer_before_a_command_for_all_that_waited() {
    let late = |recorded: i64| {
        move |story: &mut Story| {
            let expired = 20 + 4 * DAY;
            story.audit.retain(|(second, _)| *second < 50);
            story.states.retain(|(second, _)| *second < 50);
            story.tell(expired, "cart", "expired", None, 2);
            story.control[3].0 = recorded;
            story.tell(expired + 1, "cart", "redirected", Some(3), 2);
            story.tell(expired + 1, "late", "resumed", Some(3), 2);
            story.answer(expired + 1, 3, false);
            story.states.push((expired + 1, json!({})));
        }
    };
    broken("its timer fires while command 3 waits", late(19 + 4 * DAY));
    let mut fine = story();
    late(20 + 4 * DAY)(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
}

#[test]
fn an_event_that_passes_a_pause_of_all() {
    let delivered = |input: i64| {
        move |story: &mut Story| {
            story.events.push(json!({"flow_id": "cart", "record_id": "b"}));
            let value = Some(story.events[2].to_string().into_bytes());
            story.records.push(Record {
                key: Some(b"cart".to_vec()),
                value,
                timestamp_ms: START_MS,
                ..Record::default()
            });
            for (_, told) in story.audit.iter_mut().filter(|(second, _)| *second >= 50) {
                told["position"]["input"] = input.into();
            }
        }
    };
    broken("was delivered as it came, although command 1 had paused every flow", delivered(3));
    let mut fine = story();
    delivered(2)(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
    let mut withdraw = story();
    delivered(3)(&mut withdraw);
    withdraw.events[2]["kind"] = "withdraw".into();
    withdraw.records[0].value = Some(withdraw.events[2].to_string().into_bytes());
    assert_eq!(withdraw.wrong(), Vec::<String>::new());
}

/// The flow is not even told of, which may be where there are too many to be recorded: but not under a default.
#[test]
fn an_event_of_an_unknown_flow_behind_the_deadline() {
    let delivered = |second: i64| {
        move |story: &mut Story| {
            story.control.truncate(3);
            story.audit.retain(|(second, _)| *second < 50);
            story.states.retain(|(second, _)| *second < 50);
            story.tell(second, "another", "seen", None, 9);
            story.events.push(json!({"flow_id": "one of many", "record_id": "b"}));
            let (key, value) = (b"one of many".to_vec(), story.events[2].to_string().into_bytes());
            let (key, value) = (Some(key), Some(value));
            story.records.push(Record { key, value, timestamp_ms: START_MS, ..Record::default() });
        }
    };
    let mut early = story();
    delivered(10 + 3 * DAY)(&mut early);
    let says = "was delivered as it came, although command 1 had paused every flow";
    assert!(early.wrong().iter().any(|wrong| wrong.contains(says)), "{:#?}", early.wrong());
    let mut fine = story();
    delivered(20 + 4 * DAY + 121)(&mut fine);
    assert_eq!(fine.wrong(), Vec::<String>::new());
}

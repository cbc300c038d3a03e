//! Goal: the judges of what the gate says publicly are red where it is wrong, and nowhere else. Method: one flow, held and
//! released twice, by a command at a rate and by its timer; everything is green; then broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use flowgate_checker::{Circumstances, Log, Record, Retention, check, promises};
use serde_json::{Value, json};

/// 2025-06-15T15:00:00Z
const START_MS: i64 = 1_749_999_600_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

const CIRCUMSTANCES: Circumstances = Circumstances {
    clocks_apart_ms: 0,
    clock_off_ms: 0,
    turn_ms: 0,
    max_pause_ms: 14 * DAY_MS,
    least_max_pause_ms: 14 * DAY_MS,
    retention: Some(Retention { records_ms: Some(30 * DAY_MS), enrollments_ms: Some(7 * DAY_MS) }),
    every_state: true,
};

fn at(millis: i64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("2025-06-15T15:{:02}:{:02}.{millis:03}Z", seconds / 60, seconds % 60)
}

/// Documents in the order in which they were stored, each with its time in milliseconds since the start.
struct Story {
    events: Vec<(i64, Value)>,
    commands: Vec<(i64, Value)>,
    audit: Vec<(i64, Value)>,
    states: Vec<(i64, Value)>,
    records: Vec<Record>,
}

const TOPIC: &str = "flow.queue.cart.1";

fn story() -> Story {
    let mut story = Story { events: vec![], commands: vec![], audit: vec![], states: vec![], records: vec![] };
    for (number, second) in [0, 20, 20, 20, 61].into_iter().enumerate() {
        story.events.push((second * 1000, json!({"flow_id": "cart", "record_id": number.to_string()})));
    }
    let pause = json!({"for_seconds": 600, "expiry_rate": 4, "reason": "a coupon"});
    for (second, action, more) in
        [(10, "pause", pause), (30, "resume", json!({"max_rate": 1})), (60, "pause", json!({"for_seconds": 10}))]
    {
        let mut command = json!({"version": 1, "command_id": format!("c{second}"), "flow_id": "cart", "action": action,
            "issued_by": "ana"});
        command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        story.commands.push((second * 1000, command));
    }
    story.tell(0, "seen", None, [0, 0, 0]);
    story.tell(10, "paused", Some(0), [1, 0, 0]);
    story.tell(30, "resumed", Some(1), [4, 3, 0]);
    story.tell(33, "live", None, [4, 3, 3]);
    story.tell(60, "paused", Some(2), [4, 3, 3]);
    story.tell(70, "expired", None, [5, 4, 3]);
    story.tell(71, "live", None, [5, 4, 4]);
    story.show(0, "live", [0, 0], None);
    story.show(10, "paused", [0, 0], None);
    story.show(20, "paused", [3, 0], Some(TOPIC));
    story.show(30, "resuming", [3, 0], Some(TOPIC));
    story.show(31, "resuming", [3, 1], Some(TOPIC));
    story.show(32, "resuming", [3, 2], Some(TOPIC));
    story.show(33, "live", [3, 3], Some(TOPIC));
    story.show(50, "live", [3, 3], None);
    story.show(60, "paused", [3, 3], None);
    story.show(61, "paused", [4, 3], Some("flow.queue.cart.2"));
    story.show(70, "resuming", [4, 3], Some("flow.queue.cart.2"));
    story.show(71, "live", [4, 4], Some("flow.queue.cart.2"));
    story.deliver(0, &[]);
    for (number, held) in [(1, 11_000), (2, 12_000), (3, 13_000)] {
        story.deliver(number, &[("release", "resume"), ("pause-id", "pause-0"), ("held-ms", &held.to_string())]);
    }
    story.deliver(4, &[("release", "timer"), ("pause-id", "pause-2"), ("held-ms", "10000")]);
    story
}

fn counts(queued: u64, released: u64) -> Value {
    json!({"queued": {"enroll": queued, "advance": 0}, "released": {"enroll": released, "advance": 0}})
}

impl Story {
    fn tell(&mut self, second: i64, word: &str, command: Option<usize>, [input, entry, watermark]: [i64; 3]) {
        let millis = second * 1000;
        let position = json!({"input": input, "control": 0, "entry": entry, "watermark": watermark});
        let about = json!({"version": 1, "flow_id": "cart", "partition": 0, "at": at(millis), "position": position});
        let pause = match (word, second) {
            ("seen" | "live", _) => Value::Null,
            (_, ..60) => "pause-0".into(),
            _ => "pause-2".into(),
        };
        let mut transition = json!({"event": "transition", "transition": word, "pause_id": pause,
            "command_offset": command});
        transition.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
        self.audit.push((millis, transition));
        if let Some(offset) = command {
            let answer = self.answer(offset, "applied", &about);
            self.audit.push((millis, answer));
        }
    }

    fn answer(&self, offset: usize, outcome: &str, about: &Value) -> Value {
        let mut answer = json!({"event": "answer", "command": self.commands[offset].1, "command_offset": offset,
            "outcome": outcome, "detail": "", "repeated": false});
        answer.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
        answer
    }

    fn show(&mut self, second: i64, state: &str, [queued, released]: [u64; 2], topic: Option<&str>) {
        let first = second < 60;
        let pause = match first {
            true => json!({"id": "pause-0", "paused_at": at(10_000), "resumes_at": at(610_000), "new_records": "queue",
                "keep": "latest", "on_expiry": "resume", "expiry_rate": 4, "by": "ana", "reason": "a coupon"}),
            false => json!({"id": "pause-2", "paused_at": at(60_000), "resumes_at": at(70_000), "new_records": "queue",
                "keep": "latest", "on_expiry": "resume", "expiry_rate": null, "by": "ana", "reason": null}),
        };
        let drain = match first {
            true => json!({"command_id": "c30", "cause": "resume", "release": "all", "max_rate": 1,
                "max_age_seconds": null, "as_of": at(30_000)}),
            false => json!({"command_id": null, "cause": "timer", "release": "all", "max_rate": null,
                "max_age_seconds": null, "as_of": at(70_000)}),
        };
        let answered = self.commands.iter().filter(|(recorded, _)| *recorded <= second * 1000);
        let answered: Vec<Value> = answered.enumerate().map(|(offset, _)| json!({"offset": offset})).collect();
        let number = if topic.is_some_and(|topic| topic != TOPIC) { 2 } else { i64::from(second >= 20) };
        let document = json!({"version": 1, "flow_id": "cart", "state": state,
            "pause": if state == "live" { Value::Null } else { pause },
            "drain": if state == "resuming" { drain } else { Value::Null },
            "counts": counts(queued, released),
            "at_pause": if first { counts(0, 0) } else { counts(3, 3) },
            "withdrawn": 0,
            "queue": {"n": number, "topic": topic, "next_entry": queued + 1, "watermark": {"entry": released},
                "discard_through": null},
            "commands": answered, "updated_at": at(second * 1000)});
        self.states.push((second * 1000, document));
    }

    fn deliver(&mut self, number: usize, added: &[(&str, &str)]) {
        let (sent, event) = &self.events[number];
        let headers = added
            .iter()
            .map(|(name, value)| (format!("flowgate-{name}").into_bytes(), Some(value.as_bytes().to_vec())));
        self.records.push(Record { headers: headers.collect(), ..record(*sent, event) });
    }

    fn log(&self) -> Log {
        let numbered = |records: Vec<Record>| -> Vec<Record> {
            (0..).zip(records).map(|(offset, record)| Record { offset, ..record }).collect()
        };
        let all = |of: &[(i64, Value)]| numbered(of.iter().map(|(millis, value)| record(*millis, value)).collect());
        Log {
            prefix: "flow".to_owned(),
            enrollment_partitions: 1,
            enrollments: all(&self.events),
            control: all(&self.commands),
            audit: all(&self.audit),
            state: all(&self.states),
            records: numbered(self.records.clone()),
            ..Log::default()
        }
    }

    /// What is wrong with it.
    fn wrong(&self, circumstances: Circumstances) -> Vec<String> {
        let log = self.log();
        let all = check(&log).anomalies.into_iter().chain(promises(&log, circumstances));
        all.map(|anomaly| anomaly.to_string()).collect()
    }
}

fn record(millis: i64, value: &Value) -> Record {
    let key = value["flow_id"].as_str().map(|flow| flow.as_bytes().to_vec());
    let value = Some(value.to_string().into_bytes());
    Record { timestamp_ms: START_MS + millis, key, value, ..Record::default() }
}

/// What is wrong once the story is broken: every line is about this.
#[track_caller]
fn broken(words: &str, how: impl FnOnce(&mut Story)) {
    let mut story = story();
    assert_eq!(story.wrong(CIRCUMSTANCES), Vec::<String>::new());
    how(&mut story);
    let wrong = story.wrong(CIRCUMSTANCES);
    assert!(!wrong.is_empty() && wrong.iter().all(|line| line.contains(words)), "{words:?}: {wrong:#?}");
}

/// What may be: the clocks were off by a second.
#[track_caller]
fn fine_with_wrong_clocks(how: impl FnOnce(&mut Story)) {
    let mut story = story();
    how(&mut story);
    let wrong = story.wrong(Circumstances { clock_off_ms: 1000, clocks_apart_ms: 2000, ..CIRCUMSTANCES });
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_timer_before_a_command_that_waited() {
    // A resume of what is resuming already changes nothing: only its place tells.
    let late = |recorded: i64| {
        move |story: &mut Story| {
            let command = json!({"version": 1, "command_id": "late", "flow_id": "cart", "action": "resume",
                "issued_by": "ana"});
            story.commands.push((recorded, command));
            let about = story.audit[9].1.clone();
            let keep = ["version", "flow_id", "partition", "at", "position"];
            let about: serde_json::Map<String, Value> =
                about.as_object().unwrap().clone().into_iter().filter(|(name, _)| keep.contains(&&**name)).collect();
            let answer = story.answer(3, "unchanged", &about.into());
            story.audit.push((71_000, answer));
        }
    };
    broken("its timer fires while command 3 waits", late(69_999));
    let mut at_the_deadline = story();
    late(70_000)(&mut at_the_deadline);
    assert_eq!(at_the_deadline.wrong(CIRCUMSTANCES), Vec::<String>::new());
    // Its poll for commands may have come before the command.
    let mut in_the_turn = story();
    late(69_999)(&mut in_the_turn);
    let slow = Circumstances { turn_ms: 2, ..CIRCUMSTANCES };
    assert_eq!(in_the_turn.wrong(slow), Vec::<String>::new());
}

/// Stores a state at another time.
fn move_state(story: &mut Story, index: usize, millis: i64) {
    story.states[index].0 = millis;
    story.states[index].1["updated_at"] = at(millis).into();
}

#[test]
fn a_drain_that_is_faster_than_its_rate() {
    let hurried = |story: &mut Story| {
        move_state(story, 5, 31_500);
        story.records[2].headers[2].1 = Some(b"11500".to_vec());
    };
    broken("at a rate of 1 records/s it has released 0.5 records too many", hurried);
    fine_with_wrong_clocks(hurried);
}

/// A rate of half a record a second, and of three in two seconds.
#[test]
fn a_rate_with_a_fraction() {
    let at_a_rate = |rate: f64| {
        move |story: &mut Story| {
            story.commands[1].1["max_rate"] = rate.into();
            for (_, told) in story.audit.iter_mut().filter(|(_, told)| told["command"]["command_id"] == "c30") {
                told["command"]["max_rate"] = rate.into();
            }
            for (_, state) in story.states.iter_mut().filter(|(_, state)| state["drain"]["command_id"] == "c30") {
                state["drain"]["max_rate"] = rate.into();
            }
        }
    };
    broken("at a rate of 0.5 records/s it has released 0.5 records too many", at_a_rate(0.5));
    let mut faster = story();
    at_a_rate(1.5)(&mut faster);
    assert_eq!(faster.wrong(CIRCUMSTANCES), Vec::<String>::new());
}

/// Whatever clocks say, no turn alone releases more than a quarter of a second's worth.
#[test]
fn a_turn_that_releases_too_much_at_once() {
    let mut story = story();
    story.states.remove(5);
    story.records[2].headers[2].1 = Some(b"13000".to_vec());
    let wrong = story.wrong(Circumstances { clock_off_ms: DAY_MS, ..CIRCUMSTANCES });
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    assert!(wrong[0].contains("released 1.0 records too many"), "{wrong:#?}");
    // Unless states are missing.
    assert_eq!(story.wrong(Circumstances { every_state: false, ..CIRCUMSTANCES }), Vec::<String>::new());
}

#[test]
fn an_age_that_is_not_the_time_it_was_held() {
    let older =
        |by: &'static str| move |story: &mut Story| story.records[1].headers[2].1 = Some(by.as_bytes().to_vec());
    broken("flowgate-held-ms says 11001, and it was held for 11000 to 11000 ms", older("11001"));
    broken("flowgate-held-ms says 10999, and it was held for 11000 to 11000 ms", older("10999"));
    fine_with_wrong_clocks(older("12000"));
}

#[test]
fn a_timestamp_that_is_replaced_without_need_or_not_replaced() {
    let replace = |age_ms: i64| {
        move |story: &mut Story| {
            story.events[0].0 = -age_ms;
            let (name, original) = ("flowgate-timestamp", START_MS - age_ms);
            story.records[0].headers.push((name.into(), Some(original.to_string().into_bytes())));
        }
    };
    broken("was replaced at 1749999600000 without need", replace(22 * DAY_MS));
    let stays = |age_ms: i64| {
        move |story: &mut Story| {
            story.events[0].0 = -age_ms;
            story.records[0].timestamp_ms = START_MS - age_ms;
        }
    };
    broken("had to be replaced", stays(22 * DAY_MS + 1));
    broken("had to be replaced", stays(-(DAY_MS / 24 + 10_001)));
    for fine in [stays(22 * DAY_MS), stays(-DAY_MS / 24)] {
        let mut story = story();
        fine(&mut story);
        assert_eq!(story.wrong(CIRCUMSTANCES), Vec::<String>::new());
    }
    let mut old = story();
    replace(22 * DAY_MS + 1)(&mut old);
    assert_eq!(old.wrong(CIRCUMSTANCES), Vec::<String>::new());
}

#[test]
fn a_state_that_says_something_else_than_commands_made_of_it() {
    let set = |index: usize, path: &'static str, value: Value| {
        move |story: &mut Story| *story.states[index].1.pointer_mut(path).unwrap() = value
    };
    for (index, path, value) in [
        (1, "/pause/new_records", "discard".into()),
        (2, "/pause/keep", "all".into()),
        (3, "/pause/on_expiry", "discard".into()),
        (2, "/pause/expiry_rate", Value::Null),
        (9, "/pause/by", "bob".into()),
        (2, "/pause/reason", Value::Null),
        (8, "/pause/reason", "a coupon".into()),
        (4, "/drain/command_id", "c10".into()),
        (10, "/drain/cause", "resume".into()),
        (4, "/drain/release", "none".into()),
        (10, "/drain/max_rate", 5.into()),
        (4, "/drain/max_age_seconds", 5.into()),
        (4, "/drain/as_of", at(31_000).into()),
        (8, "/at_pause", counts(0, 0)),
        (11, "/at_pause", counts(0, 0)),
        (4, "/queue/discard_through", json!({"entry": 3, "reason": "release_none", "command_id": "c30"})),
    ] {
        broken("is not what commands and transitions made it", set(index, path, value));
    }
}

#[test]
fn withdraws_that_were_not_counted() {
    broken("the gate counts 1 for withdrawn, the topics say 0", |story| story.states[11].1["withdrawn"] = 1.into());
    let withdraw = |story: &mut Story, counted: u64| {
        story.events[3].1["kind"] = "withdraw".into();
        for (_, state) in &mut story.states[2..] {
            state["withdrawn"] = counted.into();
        }
    };
    let mut wrong = story();
    withdraw(&mut wrong, 0);
    let lines = wrong.wrong(CIRCUMSTANCES);
    assert!(lines.iter().any(|line| line.contains("the gate counts 0 for withdrawn, the topics say 1")), "{lines:#?}");
}

#[test]
fn a_queue_topic_whose_name_comes_again() {
    broken("`flow.queue.cart.1` was given up, and comes again", |story| {
        for (_, state) in &mut story.states[9..] {
            state["queue"]["topic"] = TOPIC.into();
        }
    });
    broken("its queue's number 0 comes after 1", |story| story.states[8].1["queue"]["n"] = 0.into());
}

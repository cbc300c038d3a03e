//! Goal: what no single event shows is seen: timers, repeated commands, states written in vain or out of turn. Method: the
//! audit and the states of one flow, paused and resumed, in order; then broken in one place.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use flowgate_checker::{Circumstances, Log, Record, promises};
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

const CIRCUMSTANCES: Circumstances = Circumstances {
    clocks_apart_ms: 500,
    clock_off_ms: 0,
    turn_ms: 0,
    max_pause_ms: 14 * DAY_MS,
    least_max_pause_ms: 14 * DAY_MS,
    retention: None,
    every_state: true,
};

/// A flow that was seen, was paused for a minute, ended by its timer, and went live; one that never was.
struct Story {
    audit: Vec<Value>,
    states: Vec<Value>,
    circumstances: Circumstances,
}

fn story() -> Story {
    let told = |word: &str, second: u32| json!({"flow_id": "cart", "transition": word, "at": at(second)});
    let mut paused = told("paused", 10);
    (paused["pause_id"], paused["command_offset"]) = ("p".into(), 0.into());
    let mut expired = told("expired", 71);
    expired["pause_id"] = "p".into();
    let answer = json!({
        "flow_id": "cart", "at": at(10), "command_offset": 0, "outcome": "applied", "detail": "paused",
        "command": {"command_id": "c", "action": "pause", "for_seconds": 60},
    });
    let mut again = answer.clone();
    (again["command_offset"], again["repeated"], again["at"]) = (1.into(), true.into(), at(20).into());
    let audit = vec![told("seen", 0), paused, answer, again, expired, told("live", 72)];
    let pause = json!({"id": "p", "paused_at": at(10), "resumes_at": at(70)});
    let states = vec![
        json!({"flow_id": "cart", "state": "live", "pause": null, "n": 0}),
        json!({"flow_id": "cart", "state": "paused", "pause": pause, "n": 1}),
        json!({"flow_id": "cart", "state": "paused", "pause": pause, "n": 2}),
        json!({"flow_id": "cart", "state": "resuming", "pause": pause, "n": 2}),
        json!({"flow_id": "cart", "state": "live", "pause": null, "n": 3, "updated_at": at(72)}),
    ];
    Story { audit, states, circumstances: CIRCUMSTANCES }
}

fn at(second: u32) -> String {
    format!("2025-06-15T15:{:02}:{:02}.000Z", second / 60, second % 60)
}

impl Story {
    /// What is wrong with it.
    fn wrong(&self) -> Vec<String> {
        let records = |of: &[Value]| {
            let record = |(offset, value): (i64, &Value)| Record {
                offset,
                key: value["flow_id"].as_str().map(|flow| flow.as_bytes().to_vec()),
                value: Some(value.to_string().into_bytes()),
                ..Record::default()
            };
            (0..).zip(of).map(record).collect()
        };
        let (audit, state) = (records(&self.audit), records(&self.states));
        let log = Log { prefix: "flow".to_owned(), enrollment_partitions: 1, audit, state, ..Log::default() };
        promises(&log, self.circumstances).iter().map(ToString::to_string).collect()
    }
}

/// The one thing that is wrong once the story is broken.
#[track_caller]
fn broken(how: impl FnOnce(&mut Story)) -> String {
    let mut story = story();
    assert_eq!(story.wrong(), Vec::<String>::new());
    how(&mut story);
    let wrong = story.wrong();
    assert_eq!(wrong.len(), 1, "{wrong:#?}");
    wrong.into_iter().next().unwrap()
}

#[track_caller]
fn says(wrong: &str, words: &str) {
    assert!(wrong.contains(words), "{wrong}");
}

#[test]
fn a_timer_that_fires_early() {
    says(&broken(|story| story.audit[4]["at"] = at(69).into()), "before its deadline");
}

/// A command that says nothing of the length brings the deadline under a limit that was lowered, and no farther.
#[test]
fn a_command_under_a_lowered_limit() {
    let capped = |expired_at: u32| {
        move |story: &mut Story| {
            story.circumstances.least_max_pause_ms = 30_000;
            let mut updated = story.audit[1].clone();
            (updated["transition"], updated["at"]) = ("updated".into(), at(50).into());
            updated["command_offset"] = 2.into();
            let mut answer = story.audit[2].clone();
            (answer["command_offset"], answer["at"]) = (2.into(), at(50).into());
            answer["command"] = json!({"command_id": "d", "action": "pause"});
            story.audit[4]["at"] = at(expired_at).into();
            story.audit.splice(4..4, [updated, answer]);
        }
    };
    let mut story = story();
    capped(50)(&mut story);
    assert_eq!(story.wrong(), Vec::<String>::new());
    says(&broken(capped(39)), "before its deadline");
}

#[test]
fn a_pause_that_ends_twice() {
    says(&broken(|story| story.audit.insert(5, story.audit[4].clone())), "ends a second time");
}

#[test]
fn a_pause_that_forgets_when_it_began() {
    says(&broken(|story| story.states[2]["pause"]["paused_at"] = at(11).into()), "not when it did");
}

#[test]
fn a_deadline_beyond_the_longest_pause() {
    let late = "2025-06-29T15:00:10.001Z";
    says(&broken(|story| story.states[2]["pause"]["resumes_at"] = late.into()), "beyond the longest pause");
}

#[test]
fn a_command_applied_twice_or_answered_in_two_ways() {
    says(&broken(|story| story.audit[3]["repeated"] = false.into()), "applied a second time");
    says(&broken(|story| story.audit[3]["detail"] = "something else".into()), "another answer");
    says(&broken(|story| story.audit[3]["command"]["command_id"] = "new".into()), "a repetition, and is none");
}

/// As many commands of a flow as the gate remembers, all of them others, may come between.
#[test]
fn a_command_that_comes_again_after_long() {
    let again = |others: usize| {
        move |story: &mut Story| {
            let mut answers = vec![story.audit[2].clone(); others + 1];
            for (number, answer) in answers[..others].iter_mut().enumerate() {
                answer["command"]["command_id"] = format!("other {number}").into();
            }
            story.audit.splice(3..4, answers);
        }
    };
    says(&broken(again(63)), "applied a second time");
    let mut story = story();
    again(64)(&mut story);
    assert_eq!(story.wrong(), Vec::<String>::new());
}

#[test]
fn a_state_written_in_vain() {
    let again = |story: &mut Story, at: usize| {
        let mut copy = story.states[at].clone();
        copy["updated_at"] = "later".into();
        story.states.insert(at + 1, copy);
    };
    says(&broken(|story| again(story, 4)), "the state of a live flow is written again");
    says(&broken(|story| again(story, 0)), "the state of a live flow is written again");
    let untouched = |story: &mut Story| {
        for n in 0..2 {
            story.states.push(json!({"flow_id": "quiet", "state": "live", "pause": null, "n": n}));
        }
        story.audit.push(json!({"flow_id": "quiet", "transition": "seen", "at": at(0)}));
    };
    says(&broken(untouched), "the state of a live flow is written again");
}

#[test]
fn a_state_that_no_transition_made() {
    says(&broken(|story| story.states[2]["pause"]["id"] = "other".into()), "where no transition made it so");
    says(&broken(|story| story.states.swap(3, 4)), "where no transition made it so");
    says(&broken(|story| drop(story.audit.remove(5))), "says live where");
}

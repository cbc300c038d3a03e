//! What passes while a flow stays paused: purges and samples. And flows that are forgotten, orders that expect, warnings.

use std::time::Duration;

use flowgate::broker::memory::Tombstones;
use serde_json::json;

use super::rig::{DAY, Rig, header, transitions, words};

/// A flow with these records held.
fn held(records: &str) -> Rig {
    holding(Rig::new(), records)
}

fn holding(mut rig: Rig, records: &str) -> Rig {
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", records);
    rig.settle();
    rig
}

/// Goal: what is held goes to the discarded topic, what comes after it is held, and the flow stays paused.
#[test]
fn a_purge_discards_what_is_held() {
    let mut rig = held("r1 r2 r1 +r0");
    assert!(rig.order("welcome", "purge", json!({})).starts_with("applied: purging what is held, 4 events at most"));
    rig.send_all("welcome", "r5");
    rig.settle();
    assert_eq!((rig.state("welcome"), rig.discarded("welcome").as_str()), ("paused", "r2 r1 +r0"));
    assert_eq!(header(&rig.read(&rig.topics.discarded)[0], "flowgate-reason").unwrap(), "purge");
    let done = transitions(&rig, "welcome").pop().unwrap();
    assert_eq!((&done["transition"], &done["count"]), (&json!("purged"), &json!({"enroll": 2, "advance": 1})));
    rig.order("welcome", "resume", json!({}));
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "r5");
    assert_eq!(words(&rig, "welcome"), "seen paused purging purged resumed live");
}

/// Goal: a purge ends at the entry that it names, also if the cleaner has taken that, and whoever takes over goes on with it.
#[test]
fn a_purge_ends_at_its_line_whoever_goes_on_with_it() {
    for instances in 1..3 {
        let mut rig = held("a b c b c d");
        rig.memory.compact(&rig.queue("welcome"), 0, i64::MAX, Tombstones::Remove).unwrap();
        rig.command("welcome", "purge", json!({"through_entry": 2}));
        for _ in 1..instances {
            rig.step_to(0, "commit");
            rig.crash("a");
        }
        rig.settle();
        assert_eq!((rig.discarded("welcome").as_str(), rig.flow("welcome").counts.held().total()), ("a", 3));
        rig.order("welcome", "resume", json!({}));
        rig.run_until_live("welcome");
        assert_eq!(rig.delivered("welcome"), "b c d");
    }
}

/// Goal: no resume and no pause lifts a purge, and it goes before what these order.
#[test]
fn nothing_lifts_a_purge() {
    let mut rig = held("a b c d");
    rig.command("welcome", "purge", json!({"through_entry": 3}));
    rig.command("welcome", "resume", json!({"max_rate": 1}));
    rig.command("welcome", "pause", json!({}));
    rig.command("welcome", "resume", json!({"release": "all"}));
    rig.settle();
    rig.run_until_live("welcome");
    assert_eq!((rig.discarded("welcome").as_str(), rig.delivered("welcome").as_str()), ("a b c", "d"));
    assert_eq!(words(&rig, "welcome"), "seen paused purging resumed repaused resumed purged live");
}

/// Goal: so many leave from the head of the queue, named as a sample, and the flow stays paused.
#[test]
fn a_sample_is_released_from_the_head() {
    let mut rig = held("a b a c d");
    rig.order("welcome", "release", json!({"count": 2}));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("paused", "b a"));
    let sampled = &rig.read(&rig.topics.records)[0];
    assert_eq!(header(sampled, "flowgate-release").unwrap(), "sample");
    let done = transitions(&rig, "welcome").pop().unwrap();
    assert_eq!((&done["transition"], &done["count"]), (&json!("sampled"), &json!({"enroll": 2, "advance": 0})));
    assert_eq!(rig.flow("welcome").sample, None);
    // One after another, until nothing is left.
    rig.order("welcome", "release", json!({"count": 1}));
    rig.order("welcome", "release", json!({"count": 10}));
    assert_eq!(rig.delivered("welcome"), "b a c d");
    assert_eq!(rig.order("welcome", "release", json!({"count": 1})), "unchanged: nothing is held");
}

/// Goal: a newer event of the very turn in which a sample goes on replaces an older one, and a withdraw takes it out. Method: a
/// sample that a slow turn cannot end.
#[test]
fn what_comes_while_a_sample_goes_on_counts() {
    let mut rig = held("a b c d e f");
    // Two events of the same bytes could not be told apart.
    rig.wait(Duration::from_millis(1));
    let id = rig.command("welcome", "release", json!({"count": 6}));
    rig.send_all("welcome", "f -e");
    rig.settle();
    assert!(rig.answer(&id).starts_with("applied"));
    let delivered = rig.delivered("welcome");
    assert_eq!(delivered.matches('f').count(), 1, "{delivered}");
}

/// Goal: whoever takes over goes on with a sample where the one before it died, and releases no more than was ordered.
#[test]
fn a_sample_is_taken_over() {
    for phase in ["send", "offsets", "commit", "chores"] {
        let mut rig = held("a b c d e");
        rig.command("welcome", "release", json!({"count": 3}));
        // The turn of the command, then a crash in each turn after it.
        for _ in 0..3 {
            rig.step_to(0, phase);
            rig.step(0).unwrap();
            rig.crash("a");
        }
        rig.settle();
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("paused", "a b c"), "{phase}");
    }
}

/// Goal: the timer ends a sample, and tells of it.
#[test]
fn the_timer_comes_into_a_purge_and_a_sample() {
    let mut rig = held("a b c d");
    rig.order("welcome", "pause", json!({"for_seconds": 60}));
    rig.command("welcome", "purge", json!({"through_entry": 2}));
    rig.command("welcome", "release", json!({"count": 1}));
    rig.wait(Duration::from_secs(61));
    rig.settle();
    rig.run_until_live("welcome");
    assert_eq!(rig.discarded("welcome"), "a b");
    assert_eq!(rig.delivered("welcome"), "c d");
}

/// Goal: a flow of a misspelt name is gone, for whoever takes over too; its commands are still answered the same, and its next
/// event makes it known again.
#[test]
fn a_flow_is_forgotten() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.order("welcome", "pause", json!({}));
    rig.order("welcome", "resume", json!({}));
    let id = rig.command("welcome", "forget", json!({}));
    rig.settle();
    assert!(rig.answer(&id).starts_with("applied: forgotten"));
    let newest = rig.read(&rig.topics.state).into_iter().rfind(|state| state.key.as_deref() == Some(b"welcome"));
    assert_eq!(newest.unwrap().value, None);
    rig.restart("a");
    rig.command_again(&id, "welcome", "forget", json!({}));
    rig.settle();
    assert!(rig.answer(&id).starts_with("applied: forgotten"));
    rig.send_all("welcome", "b");
    rig.settle();
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b"));
    assert_eq!(words(&rig, "welcome"), "seen paused resumed live forgotten seen");
}

/// Goal: forgetting and knowing again within one turn leave the flow known, with nothing of its former life.
#[test]
fn a_flow_is_forgotten_and_seen_in_one_turn() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a");
    rig.settle();
    rig.command("welcome", "forget", json!({}));
    rig.send_all("welcome", "b");
    rig.command("welcome", "pause", json!({}));
    rig.send_all("welcome", "c");
    rig.settle();
    let flow = rig.flow("welcome");
    assert_eq!((flow.state_word(), flow.counts.queued.total(), rig.delivered("welcome").as_str()), ("paused", 2, "a"));
}

/// Goal: an order with an expectation that does not hold does nothing, and says what holds instead.
#[test]
fn an_order_that_expects_something_else_is_rejected() {
    let mut rig = held("a b");
    let pause = rig.flow("welcome").pause().unwrap().id.clone();
    let stale = json!({"expect": {"pause_id": pause, "next_entry": 2}});
    assert!(rig.order("welcome", "purge", stale).starts_with("rejected: changed meanwhile: the flow is paused"));
    assert_eq!(rig.discarded("welcome"), "");
    rig.order("welcome", "purge", json!({"expect": {"pause_id": pause, "next_entry": 3}}));
    assert_eq!(rig.discarded("welcome"), "a b");
}

/// Goal: the audit says a day and an hour before that a pause is about to expire, once each, whoever owns it.
#[test]
fn a_pause_that_is_about_to_expire_is_told() {
    let mut rig = held("a");
    for (left, expected) in
        [(DAY * 2, 0), (DAY, 1), (DAY - Duration::from_secs(60), 1), (Duration::from_secs(3_600), 2)]
    {
        let deadline = rig.flow("welcome").deadline().unwrap();
        rig.pass(deadline.since(rig.now()) - left);
        rig.restart("a");
        let told = transitions(&rig, "welcome").into_iter().filter(|event| event["transition"] == "expiring");
        let within: Vec<_> = told.map(|event| event["within_seconds"].as_u64().unwrap()).collect();
        assert_eq!(within, [86_400, 3_600][..expected], "{left:?} before");
    }
    rig.pass(Duration::from_secs(3_601));
    rig.run_until_live("welcome");
    assert_eq!(words(&rig, "welcome"), "seen paused expiring expiring expired live");
}

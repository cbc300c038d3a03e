//! A pause with each of its options, and the end that the timer makes.

use std::time::Duration;

use serde_json::json;

use super::rig::{DAY, Rig, header};

#[test]
fn a_live_flow_passes_straight_through() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "r1 +r1");
    rig.send_all("other", "r2");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "r1 +r1");
    assert_eq!(rig.delivered("other"), "r2");
    assert_eq!(rig.state("welcome"), "live");
}

#[test]
fn a_pause_holds_and_a_resume_releases_in_order_with_the_newest_of_each_record() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "r0");
    rig.settle();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "r1 r2 r1 r3 +r0");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "r0");
    rig.check();
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "r0 r2 r1 r3 +r0");
    rig.send_all("welcome", "r4");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), "r0 r2 r1 r3 +r0 r4");
    let flow = rig.flow("welcome");
    assert_eq!((flow.counts.queued.total(), flow.counts.released.total(), flow.counts.replaced.total()), (5, 4, 1));
    assert_eq!(rig.answers().len(), 2, "{:?}", rig.answers());
}

/// Goal: a released record says why it was released, which pause held it, and for how long.
#[test]
fn a_released_record_tells_its_story() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"for_seconds": 3600}));
    let pause = rig.flow("welcome").pause().unwrap().id.clone();
    rig.send_all("welcome", "r1");
    rig.settle();
    rig.pass(Duration::from_secs(60));
    rig.order("welcome", "resume", json!({}));
    let record = rig.read(&rig.topics.records).pop().unwrap();
    assert_eq!(header(&record, "flowgate-release").unwrap(), "resume");
    assert_eq!(header(&record, "flowgate-pause-id").unwrap(), pause);
    let held: u64 = header(&record, "flowgate-held-ms").unwrap().parse().unwrap();
    assert!((60_000..61_000).contains(&held), "{held}");
    assert_eq!(record.headers.len(), 3, "{record:?}");
}

/// Goal: the timer resumes a pause that nobody ends at its deadline, at most a second after and never before, once.
#[test]
fn the_timer_resumes_a_pause_that_nobody_ends() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    let deadline = rig.flow("welcome").deadline().unwrap();
    rig.send_all("welcome", "r1");
    rig.settle();
    rig.memory.advance_to(deadline.before(Duration::from_secs(2)));
    rig.settle();
    assert_eq!((rig.delivered("welcome").as_str(), rig.state("welcome")), ("", "paused"));
    rig.pass(Duration::from_secs(3));
    assert_eq!((rig.delivered("welcome").as_str(), rig.state("welcome")), ("r1", "live"));
    let record = rig.read(&rig.topics.records).pop().unwrap();
    assert_eq!(header(&record, "flowgate-release").unwrap(), "timer");
    let audit = rig.read(&rig.topics.audit);
    let of = |word: &str| {
        audit.iter().filter(|of| String::from_utf8_lossy(of.value.as_ref().unwrap()).contains(word)).count()
    };
    assert_eq!((of("\"expired\""), of("\"live\"")), (1, 1));
}

#[test]
fn an_empty_queues_resume_ends_at_once() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.command("welcome", "resume", json!({}));
    rig.send_all("welcome", "r1");
    rig.settle();
    assert_eq!((rig.delivered("welcome").as_str(), rig.state("welcome")), ("r1", "live"));
    assert_eq!(rig.queue_topics(), Vec::<String>::new(), "nothing was ever held");
}

/// Goal: `new_records: discard` turns new records away, with the reason, and still freezes those that are in the flow.
#[test]
fn a_pause_can_turn_new_records_away() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"new_records": "discard"}));
    rig.send_all("welcome", "r1 +r0 r2");
    rig.settle();
    assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("", "r1 r2"));
    let turned_away = &rig.read(&rig.topics.discarded)[0];
    assert_eq!(header(turned_away, "flowgate-reason").unwrap(), "turned_away");
    assert!(header(turned_away, "flowgate-source").unwrap().starts_with("flow.enrollments/"));
    rig.order("welcome", "pause", json!({"new_records": "queue"}));
    rig.send_all("welcome", "r3");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "+r0 r3");
}

/// Goal: under `keep: all` every event of a record is delivered, and a withdraw still takes all of them out.
#[test]
fn a_pause_can_keep_all_events_of_a_record() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"keep": "all"}));
    rig.send_all("welcome", "r1 r2 r1 +r1 +r1 r3 r3 -r3 r3");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "-r3 r1 r2 r1 +r1 +r1 r3");
}

/// Goal: `until` and `for_seconds` set the deadline; updates move it, but never beyond 14 days from the first.
#[test]
fn a_pause_ends_when_it_was_told_to() {
    let mut rig = Rig::new();
    let paused_at = rig.now();
    rig.order("welcome", "pause", json!({"for_seconds": 100}));
    rig.order("other", "pause", json!({"until": "2025-06-16T15:06:40Z"}));
    rig.send_all("welcome", "r1");
    rig.send_all("other", "r2");
    rig.pass(Duration::from_secs(101));
    assert_eq!((rig.state("welcome"), rig.state("other")), ("live", "paused"));
    assert_eq!(rig.order("other", "pause", json!({"for_seconds": 1_300_000})).split(' ').next(), Some("rejected:"));
    assert!(rig.order("other", "pause", json!({"until": "2025-06-15T15:00:00Z"})).contains("expired"));
    assert!(
        rig.order("other", "pause", json!({"until": "2025-06-20T15:06:40Z", "keep": "all"})).starts_with("applied")
    );
    rig.pass(DAY * 2);
    assert_eq!(rig.state("other"), "paused");
    assert!(rig.flow("other").pause().unwrap().paused_at.since(paused_at) < Duration::from_secs(5));
    rig.pass(DAY * 4);
    assert_eq!((rig.state("other"), rig.delivered("other").as_str()), ("live", "r2"));
}

/// Goal: `on_expiry: discard` moves what is held to the discarded topic at the deadline, and only then.
#[test]
fn a_pause_can_end_in_discarding() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"for_seconds": 60, "on_expiry": "discard"}));
    rig.send_all("welcome", "r1 r2 r1");
    rig.settle();
    assert_eq!(rig.discarded("welcome"), "");
    rig.pass(Duration::from_secs(61));
    rig.send_all("welcome", "r4");
    rig.settle();
    assert_eq!((rig.delivered("welcome").as_str(), rig.discarded("welcome").as_str()), ("r4", "r2 r1"));
    assert_eq!(header(&rig.read(&rig.topics.discarded)[0], "flowgate-reason").unwrap(), "expired");
}

/// Goal: `expiry_rate` limits the drain that the deadline starts.
#[test]
fn the_timers_drain_can_be_limited() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"for_seconds": 60, "expiry_rate": 2}));
    rig.send_all("welcome", "r1 r2 r3 r4 r5 r6 r7 r8");
    rig.settle();
    rig.run_for(Duration::from_secs(60));
    rig.run_for(Duration::from_secs(2));
    let passed = rig.delivered("welcome").split(' ').count();
    assert!((3..=5).contains(&passed), "{passed}");
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "r1 r2 r3 r4 r5 r6 r7 r8");
}

/// Goal: how late the timer was is measured from the deadline, by the gate's clock, and told once.
#[test]
fn a_late_timer_says_how_late() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"for_seconds": 60}));
    let deadline = rig.flow("welcome").deadline().unwrap();
    rig.memory.advance_to(deadline.after(Duration::from_secs(25)));
    rig.settle();
    assert_eq!(rig.state("welcome"), "live");
    let late = rig.workers[0].take_lateness();
    assert!(late.len() == 1 && (25..27).contains(&late[0].as_secs()), "{late:?}");
    assert_eq!(rig.workers[0].take_lateness(), []);
}

/// Goal: after an outage of all gates that outlasts the pause, the flow resumes as soon as one is up; and a command that
/// came after the deadline finds it resumed.
#[test]
fn a_deadline_that_passed_in_an_outage_fires_first() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"for_seconds": 60}));
    rig.send_all("welcome", "r1 r2");
    rig.settle();
    rig.workers.clear();
    rig.pass(Duration::from_secs(300));
    let id = rig.command("welcome", "pause", json!({"keep": "all"}));
    rig.send_all("welcome", "r3");
    rig.restart("b");
    assert!(rig.answer(&id).contains("drain stopped"), "{}", rig.answer(&id));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("paused", ""));
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "r1 r2 r3");
}

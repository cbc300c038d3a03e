use std::time::Duration;

use flowgate::flow::State;
use serde_json::json;

use super::rig::Rig;

#[test]
fn a_live_flow_passes_straight_through() {
    let mut rig = Rig::new();
    rig.send("welcome", "r1", "enroll");
    rig.send("welcome", "r1", "advance");
    rig.send("other", "r2", "enroll");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), ["r1", "+r1"]);
    assert_eq!(rig.delivered("other"), ["r2"]);
    assert!(matches!(rig.flow("welcome").state, State::Live));
}

#[test]
fn a_pause_holds_and_a_resume_releases_in_order_with_the_newest_of_each_record() {
    let mut rig = Rig::new();
    rig.send("welcome", "r0", "enroll");
    rig.settle();
    rig.command("welcome", "pause", json!({}));
    rig.settle();
    for record in ["r1", "r2", "r1", "r3"] {
        rig.send("welcome", record, "enroll");
    }
    rig.send("welcome", "r0", "advance");
    rig.settle();
    assert_eq!(rig.delivered("welcome"), ["r0"]);
    rig.command("welcome", "resume", json!({}));
    rig.settle();
    assert_eq!(rig.delivered("welcome"), ["r0", "r2", "r1", "r3", "+r0"]);
    rig.send("welcome", "r4", "enroll");
    rig.settle();
    assert_eq!(rig.delivered("welcome").last().unwrap(), "r4");
    let flow = rig.flow("welcome");
    assert!(matches!(flow.state, State::Live));
    assert_eq!((flow.counts.queued.total(), flow.counts.released.total(), flow.counts.replaced.total()), (5, 4, 1));
    assert_eq!(rig.answers().len(), 2, "{:?}", rig.answers());
}

#[test]
fn the_timer_resumes_a_pause_that_nobody_ends() {
    let mut rig = Rig::new();
    rig.command("welcome", "pause", json!({}));
    rig.settle();
    rig.send("welcome", "r1", "enroll");
    rig.settle();
    rig.pass(Duration::from_secs(14 * 24 * 60 * 60 - 10));
    assert_eq!(rig.delivered("welcome"), Vec::<String>::new());
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.delivered("welcome"), ["r1"]);
}

#[test]
fn an_empty_queues_resume_ends_at_once() {
    let mut rig = Rig::new();
    rig.command("welcome", "pause", json!({}));
    rig.settle();
    rig.command("welcome", "resume", json!({}));
    rig.settle();
    assert!(matches!(rig.flow("welcome").state, State::Live));
}

#[test]
fn a_pause_that_turns_new_records_away_holds_those_that_move_on() {
    let mut rig = Rig::new();
    rig.command("welcome", "pause", json!({"new_records": "discard"}));
    rig.settle();
    rig.send("welcome", "r1", "enroll");
    rig.send("welcome", "r2", "advance");
    rig.settle();
    rig.command("welcome", "resume", json!({}));
    rig.settle();
    assert_eq!(rig.discarded("welcome"), ["r1"]);
    assert_eq!(rig.delivered("welcome"), ["+r2"]);
}

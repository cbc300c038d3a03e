//! Clocks that differ from the broker's, or are set back: time and again somebody's are.

use std::time::Duration;

use serde_json::json;

use super::rig::{Rig, SESSION, header};

const HOUR: i64 = 60 * 60 * 1000;

/// Goal: two gates whose clocks are within the allowed minute of each other: a deadline may lie before the time at which the
/// pause began, and the next owner has to be able to read that.
#[test]
fn a_deadline_before_the_pause_began() {
    let mut rig = Rig::new();
    rig.clock = 30_000;
    rig.order("welcome", "pause", json!({"for_seconds": 50}));
    rig.send_all("welcome", "a b");
    rig.settle();
    rig.clock = 0;
    rig.restart("b");
    rig.order("welcome", "pause", json!({"for_seconds": 7}));
    let flow = rig.flow("welcome");
    let pause = flow.pause().unwrap();
    assert!(pause.resumes_at < pause.paused_at, "{pause:?}");
    rig.restart("c");
    rig.pass(Duration::from_secs(8));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b"));
}

/// Goal: a rate goes on when the clock is set back by an hour, and not an hour later.
#[test]
fn a_rate_follows_a_clock_that_is_set_back() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a b c d e f g h");
    rig.settle();
    rig.command("welcome", "resume", json!({"max_rate": 1}));
    rig.run_for(Duration::from_secs(2));
    // Ahead first: the rate's own time is then that of the wrong clock.
    rig.clock = HOUR;
    rig.run_for(Duration::from_secs(2));
    rig.clock = 0;
    rig.run_for(Duration::from_secs(10));
    assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b c d e f g h"));
}

/// Goal: how long an event was held does not depend on a clock that is off, and neither does an order by age.
#[test]
fn ages_are_told_by_a_clock_that_is_right() {
    for ahead in [HOUR, -HOUR] {
        let mut rig = Rig::new();
        rig.order("welcome", "pause", json!({}));
        rig.clock = ahead;
        rig.send_all("welcome", "a b");
        rig.settle();
        assert_eq!(rig.flow("welcome").counts.held().total(), 2, "a wrong clock holds nobody up");
        rig.wait(Duration::from_secs(60));
        rig.command("welcome", "resume", json!({"max_age_seconds": 600}));
        for _ in 0..500 {
            rig.step(0).unwrap();
        }
        assert_eq!(rig.state("welcome"), "paused", "what depends on the clock waits until it is right");
        rig.clock = 0;
        rig.run_for(Duration::from_secs(20));
        assert_eq!((rig.state("welcome"), rig.delivered("welcome").as_str()), ("live", "a b"));
        let delivered = rig.read(&rig.topics.records);
        let held = header(delivered.last().unwrap(), "flowgate-held-ms").unwrap().parse::<u64>().unwrap();
        assert!(held >= 60_000 && held < u64::try_from(HOUR).unwrap(), "{held}");
    }
}

/// Goal: a gate that hung while others went on, and retention came as far as they did, does not take its own old position
/// for a loss. Method: it hangs after each of its first steps.
#[test]
fn a_gate_that_hung_through_retention() {
    for steps in 0..70 {
        let mut rig = Rig::new();
        rig.send_all("welcome", "a b");
        rig.settle();
        rig.crash("hung");
        for _ in 0..steps {
            rig.step(0).unwrap();
        }
        rig.memory.freeze("hung-0");
        let hung = rig.workers.remove(0);
        rig.start("other");
        rig.wait(SESSION * 2);
        rig.send_all("welcome", "c d");
        rig.settle();
        rig.stop();
        let (topic, home) = (rig.topics.enrollments.clone(), rig.home("welcome"));
        let read = rig.memory.committed(&rig.topics.group, &topic, home).unwrap().offset;
        rig.whole = false;
        rig.memory.delete_below(&topic, home, read).unwrap();
        rig.memory.thaw("hung-0");
        rig.workers.push(hung);
        rig.wait(SESSION);
        rig.settle();
        rig.send_all("welcome", "e");
        rig.settle();
        assert_eq!(rig.delivered("welcome"), "a b c d e", "hung after {steps} steps");
    }
}

/// Goal: a `max_pause` that was lowered holds from a take-over on, whatever the first turns are for. Method: the partition
/// that is restored first brings a record that `flow.records` refuses, which then has a turn of its own; the paused flow is
/// of a partition that is restored meanwhile.
#[test]
fn a_lowered_limit_holds_though_a_refused_record_comes_first() {
    for (paused, large) in [("welcome", "bulk"), ("b", "welcome"), ("welcome", "b"), ("f", "welcome"), ("b", "f")] {
        let mut rig = Rig::with(|options| options.turn.records = 1);
        rig.memory.configure(&rig.topics.records, "max.message.bytes", "2000").unwrap();
        rig.order(paused, "pause", json!({}));
        rig.workers.clear();
        let noise: String =
            (0..4_000_u32).map(|n| char::from(b'#' + (n.wrapping_mul(2_654_435_761) >> 26) as u8)).collect();
        rig.send_value(large, &json!({"flow_id": large, "record_id": "7", "padding": noise}));
        rig.adjust = |options| options.limits.max_pause = Duration::from_secs(40);
        rig.start("b");
        rig.wait(SESSION + Duration::from_secs(1));
        rig.settle();
        let flow = rig.flow(paused);
        let pause = flow.pause().unwrap();
        assert_eq!(pause.resumes_at.since(pause.paused_at), Duration::from_secs(40), "{paused} and {large}");
        assert!(rig.workers[0].stats().aborts > 0, "the record was refused");
        // The checker knows no topic that takes less than the enrollments.
        rig.whole = false;
    }
}

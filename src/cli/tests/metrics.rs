//! Every metric is moved by what it stands for, and by nothing that names a flow.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::*;
use crate::broker::Admin as _;
use crate::broker::memory::Hook;
use crate::metrics::{Lag, PHASES};
use crate::worker::{Snapshot, Stats};

/// Every metric is moved by what it stands for.
#[test]
fn metrics_move() {
    let place = Place::new();
    place.shift.store(5_000, Ordering::SeqCst);
    let gate = place.gate();
    gate.is("ready", 1.0);
    gate.is("partitions{stage=\"active\"}", 3.0);
    gate.is("next_timer_seconds", f64::INFINITY);
    gate.is("enrollments_partitions", 3.0);
    gate.is("flows_limit", 1_000_000.0);
    gate.beyond("producers_total", 0.0);

    place.event("live", "r0");
    gate.is("events_total{outcome=\"delivered\"}", 1.0);
    gate.is("flows{state=\"live\"}", 1.0);
    place.send(Some(0), "no JSON");
    place.send(Some(0), r#"{"flow_id":"live"}"#);
    gate.is("dead_letters_total{reason=\"not_json\"}", 1.0);
    gate.is("dead_letters_total{reason=\"missing_field\"}", 1.0);
    gate.is("events_total{outcome=\"dead_letter\"}", 2.0);
    for partition in 0..3 {
        place.send(Some(partition), r#"{"flow_id":"live","record_id":"r1"}"#);
    }
    gate.is("rerouted_total", 2.0);
    gate.is("events_total{outcome=\"delivered\"}", 4.0);

    place.good(&["pause", "held"]);
    gate.is("commands_total{outcome=\"applied\"}", 1.0);
    gate.is("flows{state=\"paused\"}", 1.0);
    gate.beyond("oldest_pause_age_seconds", 0.0);
    gate.beyond("next_timer_seconds", 1_200_000.0);
    eventually("clock", || (-5.5..-4.5).contains(&gate.metric("flowgate_clock_difference_seconds")));
    for record in ["r1", "r2", "r1"] {
        place.event("held", record);
    }
    gate.is("events_total{outcome=\"held\"}", 3.0);
    gate.is("held_events", 3.0);
    place.good(&["resume", "held", "--rate", "1"]);
    gate.is("flows{state=\"resuming\"}", 1.0);
    gate.beyond("drain_remaining_events", 0.0);
    gate.is("passed_total{outcome=\"released\"}", 2.0);
    gate.is("passed_total{outcome=\"replaced\"}", 1.0);
    gate.is("flows{state=\"live\"}", 2.0);
    place.good(&["resume", "held"]);
    gate.is("commands_total{outcome=\"unchanged\"}", 1.0);
    place.run(&["pause", "held", "--for", "15d"]).0.unwrap_err();
    gate.is("commands_total{outcome=\"rejected\"}", 1.0);

    place.good(&["pause", "away", "--discard-new", "--for", "1s"]);
    place.event("away", "r1");
    gate.is("events_total{outcome=\"turned_away\"}", 1.0);
    gate.is("timer_lateness_seconds_count", 1.0);
    assert!(gate.metric("flowgate_timer_lateness_seconds_sum") < 5.0);
    place.good(&["pause", "none"]);
    place.event("none", "r1");
    gate.is("held_events", 1.0);
    place.good(&["resume", "none", "--release", "none", "--wait"]);
    gate.is("passed_total{outcome=\"removed\"}", 1.0);

    gate.beyond("turns_total{outcome=\"committed\"}", 5.0);
    gate.beyond("turn_phase_seconds_count{phase=\"commit\"}", 5.0);
    gate.beyond("turn_phase_seconds_sum{phase=\"gather\"}", 0.0);
    place.memory.fail_next(Operation::SendOffsets, Fault::Fail(Error::new(Action::Abort, Code::Other, "no")));
    place.event("live", "r2");
    gate.is("turns_total{outcome=\"aborted\"}", 1.0);
    gate.is("broker_failures_total{action=\"abort\"}", 1.0);
    let made = gate.metric("flowgate_producers_total");
    place.memory.fail_next(Operation::Commit, Fault::CommitUnknown { happened: false });
    place.event("live", "r3");
    gate.is("producers_total", made + 1.0);
    gate.is("broker_failures_total{action=\"rebuild\"}", 1.0);
    gate.is("events_total{outcome=\"delivered\"}", 6.0);

    // Its queue topic cannot be made: the events of that partition wait, visibly.
    place.good(&["pause", "stuck"]);
    place.memory.set_fault_hook(Some(Box::new(|call| {
        let refused = Error::new(Action::Retry, Code::Denied, "not allowed to create topics");
        (call.operation == Operation::CreateTopics).then_some(Fault::Fail(refused))
    })));
    place.event("stuck", "r1");
    gate.is("blocked{reason=\"queue_topic\"}", 1.0);
    gate.beyond("broker_failures_total{action=\"retry\"}", 0.0);
    gate.is("lag_records", 1.0);
    gate.beyond("lag_seconds", 0.0);
    place.memory.set_fault_hook(None);
    gate.is("blocked{reason=\"queue_topic\"}", 0.0);
    gate.is("lag_records", 0.0);
    for phase in PHASES {
        gate.beyond(&format!("turn_phase_seconds_count{{phase=\"{}\"}}", phase.replace(' ', "_")), 0.0);
    }
    place.memory.fail_next(Operation::Poll, Fault::Fail(Error::new(Action::Stop, Code::Other, "no")));
    gate.is("broker_failures_total{action=\"stop\"}", 1.0);
    gate.stop().unwrap_err();
}

fn refuse(operations: impl Fn(Operation) -> bool + Send + 'static) -> Option<Hook> {
    let refused = Error::new(Action::Retry, Code::TimedOut, "not now");
    Some(Box::new(move |call| operations(call.operation).then(|| Fault::Fail(refused.clone()))))
}

#[test]
fn partitions_are_shown_by_how_far_they_are_taken_over() {
    let place = Place::new();
    place.memory.set_fault_hook(refuse(|operation| operation == Operation::Committed));
    let gate = place.starting();
    gate.is("partitions{stage=\"joining\"}", 3.0);
    gate.is("ready", 0.0);
    place.memory.set_fault_hook(refuse(|operation| operation == Operation::SendOffsets));
    gate.beyond("partitions{stage=\"introducing\"}", 0.0);
    gate.is("ready", 0.0);
    place.memory.set_fault_hook(None);
    gate.is("partitions{stage=\"active\"}", 3.0);
    gate.is("partitions{stage=\"introducing\"}", 0.0);
    gate.is("ready", 1.0);
    gate.stop().unwrap();
}

#[test]
fn what_is_blocked_is_shown_by_why() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "deleted"]);
    for record in ["r1", "r2", "r3"] {
        place.event("deleted", record);
    }
    gate.is("held_events", 3.0);
    let mut admin = place.memory.admin().unwrap();
    let queue = admin.topics("flow.queue.").unwrap().remove(0);
    admin.delete_records(&[(queue, 2)]).unwrap().remove(0).unwrap();
    assert_eq!(gate.metric("flowgate_lost_events"), 0.0, "nobody has looked");
    place.good(&["resume", "deleted"]);
    gate.is("blocked{reason=\"held_events_deleted\"}", 1.0);
    gate.is("lost_events", 2.0);
    // A pause has nothing to read: nothing is blocked, and the events are as gone as before.
    place.good(&["pause", "deleted"]);
    gate.is("blocked{reason=\"held_events_deleted\"}", 0.0);
    gate.is("lost_events", 0.0);

    // No broker answers: said after 5 s of that.
    place.memory.set_fault_hook(refuse(|operation| operation == Operation::Poll));
    gate.is("blocked{reason=\"brokers\"}", 1.0);
    place.memory.set_fault_hook(None);
    gate.is("blocked{reason=\"brokers\"}", 0.0);

    // Two minutes apart: a pause would set a wrong deadline.
    place.shift.store(120_000, Ordering::SeqCst);
    eventually("the broker's clock is ahead", || place.memory.now().0 > clock::now().0 + 100_000);
    place.run(&["pause", "clock", "--timeout", "0s"]).0.unwrap();
    gate.is("blocked{reason=\"clock\"}", 1.0);
    eventually("clock", || gate.metric("flowgate_clock_difference_seconds") < -100.0);
    let aborted = gate.metric("flowgate_turns_total{outcome=\"aborted\"}");
    eventually("tried again, and blocked all the while", || {
        assert_eq!(gate.metric("flowgate_blocked{reason=\"clock\"}"), 1.0);
        gate.metric("flowgate_turns_total{outcome=\"aborted\"}") > aborted
    });
}

/// What a worker's counts and snapshots cannot show within seconds.
#[test]
fn lateness_is_sorted_into_buckets() {
    let metrics = Metrics::new().unwrap();
    metrics.timer_late(Duration::from_millis(300));
    metrics.timer_late(Duration::from_secs(90));
    let text = metrics.text();
    for line in
        ["bucket{le=\"0.25\"} 0", "bucket{le=\"0.5\"} 1", "bucket{le=\"60\"} 1", "bucket{le=\"600\"} 2", "sum 90.3"]
    {
        let line = format!("\nflowgate_timer_lateness_seconds_{line}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
}

/// What workers say of themselves in other tests (`tests/gate/watching.rs`): each number is shown under its name, and those of all
/// workers together.
#[test]
fn what_a_sum_of_all_flows_hides_is_shown() {
    let metrics = Metrics::new().unwrap();
    let one = Snapshot {
        expiring: [5, 2],
        old_pauses: 3,
        default_pauses: 4,
        stalled_drains: 6,
        losing_drains: 7,
        all_partitions: 8,
        most_flows: 1_000,
        ..Snapshot::default()
    };
    // Another worker has not asked yet how many partitions there are.
    let other = Snapshot { all_partitions: 0, ..one.clone() };
    metrics.set(&[one, other], clock::now());
    metrics.count(&Stats::default(), &Stats { slow: 1, outdated: 2, fenced: 3, ..Stats::default() });
    metrics.worker_begins_anew();
    metrics.lag(Lag::default(), Timestamp(1_800_000_000_500));
    let text = metrics.text();
    for line in [
        "expiring_flows{within=\"24h\"} 10",
        "expiring_flows{within=\"1h\"} 4",
        "old_pauses 6",
        "default_pauses 8",
        "stalled_drains 12",
        "losing_drains 14",
        "enrollments_partitions 8",
        "flows_limit 2000",
        "slow_turns_total 1",
        "outdated_turns_total 2",
        "fenced_total 3",
        "worker_restarts_total 1",
        "lag_measured_timestamp_seconds 1800000000.5",
    ] {
        assert!(text.contains(&format!("\nflowgate_{line}\n")), "{line}{text}");
    }
}

#[test]
fn the_process_is_told_apart() {
    let text = Metrics::new().unwrap().text();
    assert!(text.contains(concat!("\nflowgate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n")), "{text}");
    let started = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
    let age = clock::now().0 as f64 / 1000.0 - started.parse::<f64>().unwrap();
    assert!((0.0..60.0).contains(&age), "{age} s");
}

#[test]
fn metrics_are_few_however_many_flows_there_are() {
    let place = Place::new();
    let gate = place.gate();
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    let at_first = series(&gate.board.scrape());
    for flow in 0..10_000 {
        place.event(&format!("flow-{flow}"), "r1");
    }
    eventually("known", || gate.metric("flowgate_flows{state=\"live\"}") == 10_000.0);
    let text = gate.board.scrape();
    assert!(series(&text) <= 300, "{} series", series(&text));
    assert_eq!(series(&text), at_first, "every series exists from the start");
    assert!(!text.contains("flow-1"));
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{line}");
    }
    gate.stop().unwrap();
}

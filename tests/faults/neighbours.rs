//! No flow hurts its neighbours, on real Kafka: live ones keep their pace beside any other.

use std::time::{Duration, Instant};

use flowgate::broker::{Admin, Broker};

use crate::company::{Company, happened, is_live, is_resuming};
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::say::say;
use crate::upstream::Partitioner;

/// Events of the live neighbour in each measurement.
const LIVE: u32 = 5_000;

/// Goal: in the only partition there is, a live flow goes on beside a drain of one record a second, beside one whose held
/// events somebody has deleted, and beside one that makes its index anew; an empty queue ends at once, and a large drain
/// without a limit ends. The pace is told, not asserted: machines are busy.
#[test]
fn a_live_flow_beside_slow_blocked_and_indexing_ones() {
    let company = Company::new("neighbours", 1);
    let prometheus = Prometheus::watching(&company);
    let settings = &["memory=16MiB"];
    let mut client = company.client(Partitioner::Java);
    let gate = company.gate("a", settings).restored();
    let alone = pace(&company, &mut client);
    for flow in ["slow", "blocked", "indexing", "empty"] {
        company.order(&["pause", flow]);
    }
    client.burst("slow", 300);
    client.burst("blocked", 300);
    // The same 400 records over and over: all of them repeated.
    (0..10).for_each(|_| client.burst("indexing", 8_000));
    company.until_all_is_read();
    let queue = company.flow("blocked").unwrap().queue;
    let up_to = [(queue.topic.unwrap(), queue.next_entry.cast_signed() / 2)];
    company.kafka.admin().unwrap().delete_records(&up_to).unwrap().remove(0).unwrap();

    // A take-over: what was indexed while it was held is known no more.
    gate.kill();
    let gate = company.gate("b", settings).restored();
    company.order(&["resume", "slow", "--rate", "1"]);
    company.order(&["resume", "blocked"]);
    company.order(&["resume", "empty", "--wait"]);
    company.command("indexing", "resume", &serde_json::json!({}));
    let beside = pace(&company, &mut client);
    company.until("a large drain ends", "indexing", is_live);
    for flow in ["slow", "blocked"] {
        assert!(is_resuming(&company.flow(flow).unwrap()), "{flow}");
    }
    eventually("what is blocked is told", || gate.log().contains("at most"));
    prometheus.sees("FlowgateHeldEventsDeleted", r#"instance="b""#);
    say(&format!(
        "a live flow beside slow, blocked and indexing ones: {:.2} times the time it takes alone",
        beside.as_secs_f64() / alone.as_secs_f64()
    ));
    company.order(&["resume", "slow", "--rate", "1000000", "--wait"]);
    gate.stop();
    let report = flowgate_checker::check(&company.log());
    let of_others: Vec<_> = report.anomalies.iter().filter(|of| of.flow.as_deref() != Some("blocked")).collect();
    assert!(of_others.is_empty(), "{of_others:#?}");
    happened("held events deleted beside live flows", 1, 1, &report);
}

/// How long a burst of the live flow takes until all of it is delivered.
fn pace(company: &Company, client: &mut crate::upstream::Client) -> Duration {
    let delivered = || company.log().records.iter().filter(|record| record.key.as_deref() == Some(b"live")).count();
    let wanted = delivered() + LIVE as usize;
    let began = Instant::now();
    client.burst("live", LIVE);
    eventually("the live flow is delivered", || delivered() >= wanted);
    began.elapsed()
}

/// Goal: a queue topic that cannot be made keeps the events of its partition waiting, visibly, and no others; a gate with
/// the right settings goes on. Method: more replicas than there are brokers.
#[test]
fn a_queue_topic_that_cannot_be_made() {
    let company = Company::new("neighbours-denied", 4);
    let prometheus = Prometheus::watching(&company);
    let mut client = company.client(Partitioner::Java);
    let home = |flow: &str| flowgate_checker::home(flow, 4);
    let elsewhere = (0..).map(|number| format!("flow-{number}")).find(|flow| home(flow) != home("denied")).unwrap();
    let gate = company.gate("a", &["queue.replication_factor=3"]).restored();
    company.order(&["pause", "denied"]);
    client.burst("denied", 50);
    client.burst(&elsewhere, 500);
    company.until_log("the others are delivered", |log| log.records.len() >= 500);
    eventually("what is blocked is told", || gate.log().contains("cannot be made"));
    prometheus.sees("FlowgateBlocked", r#"instance="a", reason="queue_topic""#);
    // Its commands go on: only its events wait.
    company.order(&["pause", "denied", "--reason", "still heard"]);
    gate.stop();
    let gate = company.gate("a", &[]);
    company.until_all_is_read();
    company.order(&["resume", "denied", "--wait"]);
    gate.stop();
    happened("a queue topic that cannot be made", 1, 1, &company.check());
}

//! Kafka forgets the offsets of a group that was away for a week: after a clean stop the gate goes on, after a crash it
//! stops and asks.

use flowgate::broker::{Admin, Broker};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use serde_json::Value;

use crate::PATIENCE;
use crate::company::{Company, happened};
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::server;
use crate::upstream::Partitioner;

const PARTITIONS: i32 = 3;

/// What the broker does when a group has been empty for `offsets.retention.minutes`; refused while it has members.
fn forget_offsets(company: &Company) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", server::shared().brokers()).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    eventually("the group is empty and its offsets are deleted", || {
        let done = runtime.block_on(admin.delete_groups(&[company.topics.group.as_str()], &options));
        done.is_ok_and(|groups| groups.iter().all(Result::is_ok))
    });
}

fn committed(company: &Company) -> Vec<i64> {
    let partitions: Vec<i32> = (0..PARTITIONS).collect();
    let mut admin = company.kafka.admin().unwrap();
    let offsets = admin.group_offsets(&company.topics.group, &company.topics.enrollments, &partitions).unwrap();
    offsets.into_iter().map(|offset| offset.map_or(-1, |offset| offset.offset)).collect()
}

/// Goal: a gate that stopped cleanly goes on from its own record, and nothing is lost or doubled.
#[test]
fn offsets_deleted_after_a_clean_stop() {
    let company = Company::new("offsets-clean", PARTITIONS as u32);
    let mut client = company.client(Partitioner::Java);
    let mut times = 0;
    for _ in 0..2 {
        let gate = company.gate("a", &[]).restored();
        company.order(&["pause", "held"]);
        ["held", "live", "other"].iter().for_each(|flow| client.burst(flow, 100));
        company.until_all_is_read();
        gate.stop();
        forget_offsets(&company);
        assert_eq!(committed(&company), [-1; 3]);
        ["held", "live", "other"].iter().for_each(|flow| client.burst(flow, 100));
        times += 1;
    }
    let gate = company.gate("b", &[]);
    company.until_all_is_read();
    company.order(&["resume", "held", "--wait"]);
    gate.stop();
    happened("group offsets deleted after a clean stop", times, 2, &company.check());
}

/// Goal: after a crash nobody can know: exit 9, `positions` says what is known, and goes on from what it is told.
#[test]
fn offsets_deleted_after_a_kill() {
    let company = Company::new("offsets-kill", PARTITIONS as u32);
    let mut client = company.client(Partitioner::Java);
    let gate = company.gate("a", &[]).restored();
    company.order(&["pause", "held"]);
    ["held", "live", "other"].iter().for_each(|flow| client.burst(flow, 100));
    company.until_all_is_read();
    let reached = committed(&company);
    gate.kill();
    forget_offsets(&company);
    ["held", "live", "other"].iter().for_each(|flow| client.burst(flow, 100));

    let prometheus = Prometheus::watching(&company);
    let (code, said) = company.gate("a", &[]).end();
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("flowgate positions"), "it says what to do: {said}");
    prometheus.sees("FlowgateAllDown", "");
    let shown = company.run(&["positions", "-o", "json"]);
    assert_eq!(shown.status.code(), Some(9));
    let standings: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let lost = |at: &Value| at["committed"].is_null() && at["lost"].as_str().unwrap().contains("not a clean one");
    assert!(standings.as_array().unwrap().len() == 3 && standings.as_array().unwrap().iter().all(lost), "{standings}");

    // The stopped gate may not have left the group yet: the broker refuses as long as it has members.
    for (partition, offset) in (0..).zip(&reached) {
        let (partition, offset): (i32, _) = (partition, offset.to_string());
        let args = ["positions", "restore", "--partition", &partition.to_string(), "--offset", &offset, "--yes"];
        eventually("the position is restored", || company.run(&args).status.success());
    }
    assert_eq!(committed(&company), reached);
    let gate = company.gate("a", &[]);
    company.until_all_is_read();
    company.order(&["resume", "held", "--wait"]);
    gate.stop();
    happened("group offsets deleted after a kill", 1, 1, &company.check());
}

//! Topics whose settings somebody changes while the gate runs.

use flowgate::broker::{Admin, Broker, Publication, Publisher};
use flowgate::time::Timestamp;
use serde_json::json;

use crate::PATIENCE;
use crate::alter::{Settings, alter};
use crate::company::{Company, happened, is_live, is_paused};
use crate::process::eventually;
use crate::upstream::Partitioner;

/// Gives a topic this setting beside those by which it is cleaned; all others fall back to the brokers'.
pub fn set(company: &Company, topic: &str, name: &str, value: &str) {
    let mut admin = company.kafka.admin().unwrap();
    let mut settings = admin.topic_config(topic).unwrap();
    settings.retain(|name, _| ["cleanup.policy", "retention.ms"].contains(&name.as_str()));
    let settings: Settings = vec![(topic.to_owned(), settings)];
    alter(company.brokers(), &settings, &[(name, value)]);
    eventually("the setting is in force", || admin.topic_config(topic).is_ok_and(|of| of[name] == value));
}

/// Goal: where topics come to take less than a batch of the gate's, all that it writes is taken as before; a turn is lost each time that
/// one is found out to take less. Method: `max.message.bytes` is lowered under a gate that writes, one topic further down than the other.
#[test]
fn topics_that_take_less_than_a_batch() {
    const EVENTS: u32 = 20_000;
    let company = Company::new("limits", 1);
    let gate = company.gate("a", &[]).restored();
    let mut client = company.client(Partitioner::Java);
    company.order(&["pause", "held", "--keep", "all"]);
    company.order(&["pause", "discarded", "--discard-new"]);
    client.burst("held", 1);
    company.until("held", "held", |of| is_paused(of) && of.counts.held().total() > 0);
    let queue = company.flow("held").and_then(|flow| flow.queue.topic).unwrap();
    let lowered = [(&company.topics.records, "60000"), (&company.topics.discarded, "40000"), (&queue, "20000")];
    lowered.iter().for_each(|(topic, limit)| set(&company, topic, "max.message.bytes", limit));
    ["live", "held", "discarded"].into_iter().for_each(|flow| client.burst(flow, EVENTS));
    company.until("all held", "held", |of| of.counts.held().total() > u64::from(EVENTS / 2));
    company.command("held", "resume", &json!({}));
    company.until("live again", "held", is_live);
    company.until_all_is_read();
    let log = gate.log();
    let found: Vec<&str> = log.lines().filter(|line| line.contains("a batch was refused as too large")).collect();
    gate.stop();
    let report = company.check();
    happened("a topic found out to take less than a batch", found.len() as u32, 1, &report);
    assert!(found.iter().any(|line| line.contains("20000")), "{found:?}");
    assert!(!log.contains("a record was refused"), "{log}");
    assert!(report.flows["held"].released.total() > u64::from(EVENTS / 2), "{:?}", report.flows["held"]);
}

/// Goal: events whose timestamps a topic does not allow keep their values, however many of them are in one batch. Method: the bound of
/// the timestamps is set under a gate that writes; events of the day before come together, with others between them.
#[test]
fn several_timestamps_that_a_topic_does_not_allow() {
    const OLD: u32 = 20;
    let company = Company::new("timestamps", 1);
    let gate = company.gate("a", &[]).restored();
    set(&company, &company.topics.records, "message.timestamp.before.max.ms", "3600000");
    let mut client = company.client(Partitioner::Java);
    let mut publisher = company.kafka.publisher().unwrap();
    let yesterday = Timestamp(flowgate::clock::now().0 - 24 * 60 * 60 * 1_000);
    for number in 0..OLD {
        let value = json!({"flow_id": "old", "record_id": format!("r{number}"), "kind": "enroll"}).to_string();
        let (key, value) = (Some(&b"old"[..]), Some(value.as_bytes()));
        let topic = &company.topics.enrollments;
        let event = Publication { topic, partition: None, timestamp: Some(yesterday), key, value, headers: &[] };
        publisher.publish(&event).unwrap();
    }
    assert_eq!(publisher.flush(PATIENCE).unwrap().len(), OLD as usize);
    client.burst("old", OLD);
    company.until_all_is_read();
    let refused = gate.log().lines().filter(|line| line.contains("a record was refused")).count();
    gate.stop();
    let log = company.log();
    assert_eq!(log.dead_letters.len(), 0);
    happened("a timestamp that a topic does not allow", refused as u32, OLD, &company.check());
}

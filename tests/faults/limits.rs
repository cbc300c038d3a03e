//! Topics whose limits somebody lowers while the gate runs.

use flowgate::broker::{Admin, Broker};
use serde_json::json;

use crate::alter::{Settings, alter};
use crate::company::{Company, happened, is_live, is_paused};
use crate::process::eventually;
use crate::upstream::Partitioner;

/// Goal: where topics come to take less than a batch of the gate's, all that it writes is taken as before, for a turn or two that are
/// lost. Method: `max.message.bytes` of each topic that a gate is writing to becomes that of a hundred small records.
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
    let topics = &company.topics;
    let queue = company.flow("held").and_then(|flow| flow.queue.topic).unwrap();
    let lowered = [&topics.records, &topics.discarded, &topics.state, &topics.audit, &queue];
    let mut admin = company.kafka.admin().unwrap();
    let settings: Settings = lowered.map(|topic| (topic.clone(), admin.topic_config(topic).unwrap())).into();
    // What the brokers alone decide is not theirs.
    let settings = settings.into_iter().map(|(topic, mut of)| {
        of.retain(|name, _| ["cleanup.policy", "retention.ms", "message.timestamp.type"].contains(&name.as_str()));
        (topic, of)
    });
    alter(company.brokers(), &settings.collect(), &[("max.message.bytes", "20000")]);
    ["live", "held", "discarded"].into_iter().for_each(|flow| client.burst(flow, EVENTS));
    company.until("all held", "held", |of| of.counts.held().total() > u64::from(EVENTS / 2));
    company.command("held", "resume", &json!({}));
    company.until("live again", "held", is_live);
    company.until_all_is_read();
    let mut lost = 0;
    eventually("its metrics are shown", || {
        let lines = gate.metrics().unwrap_or_default();
        let line = lines.lines().find(|line| line.starts_with("flowgate_turns_total") && line.contains("\"aborted\""));
        lost = line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0);
        lost > 0
    });
    gate.stop();
    let report = company.check();
    happened("a turn lost to a batch that is too large", lost, 1, &report);
    assert!(lost <= 10, "{lost} turns were lost");
    assert!(report.flows["held"].released.total() > u64::from(EVENTS / 2), "{:?}", report.flows["held"]);
}

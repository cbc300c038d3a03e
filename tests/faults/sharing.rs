//! Gates that share the partitions: they come and go under load, and commands meet partitions that change owners.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::PATIENCE;
use crate::company::{Company, Dice, happened};
use crate::process::eventually;
use crate::upstream::{Partitioner, Upstream};

const CHANGES: u32 = 5;

const PARTITIONS: i32 = 6;

/// Goal: gates that join and leave under load lose nothing, and a command sent while its partition has no owner waits for
/// the next one. Method: five times another gate joins and the older one leaves, while commands come all the time; one
/// counts as between owners if it was sent after a partition of its flow was revoked and before it was restored elsewhere.
#[test]
fn joining_and_leaving_under_load_and_under_command() {
    let company = Company::new("sharing", PARTITIONS as u32);
    let mut dice = Dice::new("joining and leaving");
    let flows: Vec<String> = (0..12).map(|flow| format!("flow-{flow}")).collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).collect();
    let mut old = company.gate("g0", &[]).restored();
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(15));
    let mut commands = 0;
    let mut logs = Vec::new();
    for change in 1..=CHANGES {
        let new = company.gate(&format!("g{change}"), &[]);
        let began = Instant::now();
        while !new.is_restored() {
            assert!(began.elapsed() < PATIENCE, "no partition of g{change} is restored: {}", new.log());
            command(&company, &flows, &mut commands);
        }
        dice.moment(Duration::from_millis(500));
        let leaving = std::thread::spawn(move || old.stop());
        while !leaving.is_finished() {
            command(&company, &flows, &mut commands);
        }
        logs.push(leaving.join().unwrap());
        old = new;
        let sent = upstream.sent();
        eventually("more load", || upstream.sent() > sent + 1_000);
    }
    upstream.stop();
    for flow in &flows {
        company.order(&["resume", flow, "--wait"]);
    }
    company.until_all_is_read();
    logs.push(old.stop());
    let report = company.check();
    assert!(report.commands.read >= u64::from(commands) && report.commands.applied > 0, "{:?}", report.commands);
    happened("a gate joins, another leaves", CHANGES, 5, &report);
    let between = between_owners(&company, &logs);
    happened("a command while its partition has no owner", between, 1, &report);
}

/// A pause or a resume of the next flow.
fn command(company: &Company, flows: &[&str], commands: &mut u32) {
    let number = *commands as usize;
    let flow = flows[number % flows.len()];
    let pause = (number / flows.len()).is_multiple_of(2);
    company.command(flow, if pause { "pause" } else { "resume" }, &json!({}));
    *commands += 1;
}

/// How many commands were stored between the moment one gate gave a partition up and the moment another had restored it.
fn between_owners(company: &Company, logs: &[String]) -> u32 {
    let mut events: Vec<(i64, Vec<i64>, bool)> = Vec::new();
    for line in logs.iter().flat_map(|log| log.lines()) {
        let line: Value = serde_json::from_str(line).unwrap();
        let at = chrono::DateTime::parse_from_rfc3339(line["timestamp"].as_str().unwrap()).unwrap().timestamp_millis();
        match line["message"].as_str() {
            Some("revoked") => {
                let partitions: Vec<i64> = serde_json::from_str(line["partitions"].as_str().unwrap()).unwrap();
                events.push((at, partitions, false));
            }
            Some("stopping: the turn is finished, the partitions are marked as cleanly left") => {
                events.push((at, (0..i64::from(PARTITIONS)).collect(), false));
            }
            Some("restored") => events.push((at, vec![line["partition"].as_i64().unwrap()], true)),
            _ => {}
        }
    }
    events.sort_by_key(|(at, ..)| *at);
    let log = company.log();
    let has_no_owner = |partition: i64, at: i64| {
        let last = events.iter().rfind(|(when, of, _)| *when < at && of.contains(&partition));
        last.is_some_and(|(.., restored)| !restored)
    };
    let commands = log.control.iter().filter(|record| {
        let flow = String::from_utf8(record.key.clone().unwrap()).unwrap();
        has_no_owner(i64::from(flowgate_checker::home(&flow, PARTITIONS)), record.timestamp_ms)
    });
    u32::try_from(commands.count()).unwrap()
}

/// Goal: events of a client that spreads flows in another way than the gate find their home, in order.
#[test]
fn another_partitioner() {
    let company = Company::new("partitioner", 5);
    let mut client = company.client(Partitioner::Crc32 { partitions: 5 });
    let flows: Vec<String> = (0..20).map(|flow| format!("flow-{flow}")).collect();
    let gates = [company.gate("a", &[]).restored(), company.gate("b", &[]).restored()];
    flows.iter().for_each(|flow| client.burst(flow, 50));
    company.until_all_is_read();
    for flow in &flows[..10] {
        company.order(&["pause", flow]);
    }
    flows.iter().for_each(|flow| client.burst(flow, 100));
    company.until_all_is_read();
    for flow in &flows[..10] {
        company.order(&["resume", flow, "--wait"]);
    }
    flows.iter().for_each(|flow| client.burst(flow, 50));
    company.until_all_is_read();
    gates.into_iter().for_each(|gate| drop(gate.stop()));
    let report = company.check();
    let rerouted = report.flows.values().map(|sums| sums.rerouted).sum::<u64>();
    happened("an event in another partition than its flow's", u32::try_from(rerouted).unwrap(), 1_000, &report);
}

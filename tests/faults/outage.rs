//! All gates are down while time goes on and commands come.

use serde_json::Value;

use crate::company::{Company, happened, is_live, is_paused};
use crate::process::eventually;
use crate::prometheus::Prometheus;
use crate::upstream::Partitioner;

/// Goal: a pause that ends while no gate is up ends as soon as one is, and before the commands that came too late; what
/// came meanwhile goes behind what was held. Method: the longest pause is 5 s; once after a clean stop, once after a kill.
#[test]
fn a_pause_longer_than_the_longest_with_all_gates_down() {
    let company = Company::new("outage-timer", 2);
    let mut client = company.client(Partitioner::Java);
    let prometheus = Prometheus::watching(&company);
    let longest = &["max_pause=5s"];
    let mut times = 0;
    for clean in [true, false] {
        let gate = company.gate("a", longest).restored();
        client.burst("welcome", 50);
        company.until_all_is_read();
        company.order(&["pause", "welcome"]);
        let deadline = company.flow("welcome").unwrap().deadline().unwrap();
        client.burst("welcome", 200);
        company.until_all_is_read();
        match clean {
            true => drop(gate.stop()),
            false => gate.kill(),
        }
        client.burst("welcome", 100);
        eventually("the deadline passes", || flowgate::clock::now() > deadline);
        prometheus.sees("FlowgateAllDown", "");
        // Too late for this pause: it is over when this is read.
        let late = company.run(&["pause", "welcome", "--for", "4s", "--timeout", "1s"]);
        assert_eq!(late.status.code(), Some(8), "nobody is there to answer");
        client.burst("welcome", 100);
        let gate = company.gate("a", longest);
        company.until("the late pause has ended too", "welcome", |flow| {
            is_live(flow) && ended_by_timer(&company) == (times + 1) * 2
        });
        company.until_all_is_read();
        gate.stop();
        times += 1;
    }
    let report = company.check();
    happened("a pause longer than max_pause with all gates down", times, 2, &report);
}

/// How many pauses a timer has ended.
fn ended_by_timer(company: &Company) -> u32 {
    let log = company.log();
    let events = log.audit.iter().map(|record| serde_json::from_slice(record.value.as_deref().unwrap()).unwrap());
    u32::try_from(events.filter(|event: &Value| event["transition"] == "expired").count()).unwrap()
}

/// Goal: a command that waits while all gates are down is applied before one event of its flow moves.
#[test]
fn a_command_that_waits_for_a_gate() {
    let company = Company::new("outage-command", 2);
    let mut client = company.client(Partitioner::Java);
    let mut times = 0;
    for clean in [true, false] {
        let gate = company.gate("a", &[]).restored();
        client.burst("welcome", 50);
        company.until_all_is_read();
        match clean {
            true => drop(gate.stop()),
            false => gate.kill(),
        }
        let delivered = company.log().records.len();
        // These were there before the command, and nobody had read them: the pause holds them all the same.
        client.burst("welcome", 300);
        let silent = company.run(&["pause", "welcome", "--timeout", "1s", "--keep", "all"]);
        assert_eq!(silent.status.code(), Some(8));
        client.burst("welcome", 100);
        let gate = company.gate("a", &[]);
        company.until("paused", "welcome", is_paused);
        company.until_all_is_read();
        let log = company.log();
        let withdraws = log.records[delivered..].iter().filter(|record| {
            let event: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
            event["kind"] == "withdraw"
        });
        assert_eq!(withdraws.count(), log.records.len() - delivered, "only withdraws were delivered");
        company.order(&["resume", "welcome", "--wait"]);
        client.burst("welcome", 50);
        company.until_all_is_read();
        gate.stop();
        times += 1;
    }
    happened("a command that waits while all gates are down", times, 2, &company.check());
}

/// Goal: the timer of a pause fires in the gate that takes over when the owner is killed, not before and not twice.
#[test]
fn the_owner_of_a_timer_is_killed() {
    let company = Company::new("outage-owner", 2);
    let mut client = company.client(Partitioner::Java);
    let (first, second) = (company.gate("a", &[]).restored(), company.gate("b", &[]).restored());
    company.order(&["pause", "welcome", "--for", "6s"]);
    company.order(&["pause", "post-purchase", "--for", "6s"]);
    for flow in ["welcome", "post-purchase"] {
        client.burst(flow, 200);
    }
    company.until_all_is_read();
    first.kill();
    for flow in ["welcome", "post-purchase"] {
        company.until("ended by its timer", flow, is_live);
    }
    second.stop();
    let report = company.check();
    assert_eq!(ended_by_timer(&company), 2);
    happened("the owner of a timer is killed", 1, 1, &report);
}

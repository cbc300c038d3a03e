//! Change without a gap: gates of this version and of the one before share a group, and flows go from one to the other and back.

use std::path::Path;
use std::time::Duration;

use flowgate::flow::Flow;
use serde_json::{Value, json};

use crate::company::{Company, Dice, Gate, happened, is_live, is_paused};
use crate::process::{self, eventually};
use crate::upstream::{Partitioner, Upstream};
use crate::{previous, say};

const PARTITIONS: i32 = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Previous,
    This,
}

use Version::{Previous, This};

impl Version {
    fn start(self, company: &Company, instance: &str) -> Gate {
        let program = match self {
            Previous => previous::program(),
            This => Path::new(process::PROGRAM),
        };
        company.gate_of(program, instance, &[])
    }
}

/// How a gate ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// In good order.
    Stopped,
    /// `kill -9`
    Killed,
}

use End::{Killed, Stopped};

const NAMES: [&str; 2] = ["a", "b"];

/// Which gate ends how, and what is started under its name: a rolling upgrade, a rollback, and gates that die while both versions are
/// there.
const CHANGES: [(usize, End, Version); 10] = [
    (0, Stopped, This),
    (1, Stopped, This),
    (0, Stopped, Previous),
    (1, Stopped, Previous),
    (0, Killed, This),
    (1, Killed, This),
    (0, Killed, Previous),
    (1, Stopped, Previous),
    (1, Killed, This),
    (0, Stopped, This),
];

/// Paused all the time, each in another way; the others come and go.
const HELD: [&str; 3] = ["held", "sampled", "purged"];

/// Goal: nothing is lost, doubled or out of order, and each command takes effect once, when an upgrade is rolled out and back, and
/// while it is half done. Method: two gates under load that are replaced by the other version under their names, one at a time;
/// between the changes flows are paused, sampled, purged and resumed, by name and all of them. What is counted is how often the
/// partition of a flow that held events went from the one version to the other.
#[test]
fn forth_and_back_under_load() {
    let company = Company::new("upgraded", PARTITIONS as u32);
    let mut dice = Dice::new("upgraded");
    say::say(&format!("the version before this one is {}", previous::version()));
    let flows: Vec<String> = (0..12).map(|flow| format!("flow-{flow}")).collect();
    let flows: Vec<&str> = flows.iter().map(String::as_str).chain(HELD).collect();
    let mut gates = NAMES.map(|name| Some((Previous, Previous.start(&company, name).restored())));
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(15));
    company.order(&["pause", "held", "--keep", "all"]);
    company.order(&["pause", "sampled"]);
    company.order(&["pause", "purged"]);
    let mut restored = Vec::new();
    for (round, (which, end, version)) in CHANGES.into_iter().enumerate() {
        order(&company, &flows, round);
        dice.moment(Duration::from_millis(400));
        let (before, gate) = gates[which].take().unwrap();
        note(&mut restored, before, &gate.log());
        match end {
            Stopped => drop(gate.stop()),
            Killed => gate.kill(),
        }
        gates[which] = Some((version, version.start(&company, NAMES[which]).restored()));
        let sent = upstream.sent();
        eventually("more load", || upstream.sent() > sent + 500);
    }
    upstream.stop();
    company.command("*", "resume", &json!({}));
    for flow in &flows {
        company.order(&["resume", flow, "--wait"]);
        company.until("live", flow, is_live);
    }
    company.until_all_is_read();
    for (version, gate) in gates.into_iter().flatten() {
        note(&mut restored, version, &gate.stop());
    }
    let report = company.check();
    restored.sort_by(|one, other| one.at.cmp(&other.at));
    let times = |from, to| {
        let of = |flow: &str| changes(&restored, i64::from(flowgate_checker::home(flow, PARTITIONS)), from, to);
        HELD.into_iter().map(of).sum()
    };
    happened("this version goes on with what the one before held", times(Previous, This), 5, &report);
    happened("the version before goes on with what this one held", times(This, Previous), 4, &report);
    let report = |flow: &str| &report.flows[flow];
    assert!(report("sampled").released.total() > 0 && report("purged").removed.total() > 0);
}

/// Goal: what only this version knows of a command that it has not finished is in nobody's way. The version before, which knows nothing
/// of commands that are half done, applies it as a whole, and so tells a second time of flows that had it; this one does not begin it
/// again. That, and nothing else, is what the checker may see. Method: one partition with more flows than a turn takes; this version is killed when
/// its record says that the command is under way, and the version before has it; then the other way round.
#[test]
fn a_command_for_every_flow_that_is_half_done() {
    const FLOWS: u64 = 30_000;
    let company = Company::new("upgraded-every", 1);
    let mut gate = This.start(&company, "a").restored();
    let mut client = company.client(Partitioner::Java);
    let flows: Vec<String> = (0..FLOWS).map(|number| format!("flow-{number:05}")).collect();
    flows.iter().for_each(|flow| client.next(flow));
    client.flush();
    company.until_all_is_read();
    let mut onlooker = company.onlooker();
    let mut under_way = 0;
    for (action, holds) in [("pause", is_paused as fn(&Flow) -> bool), ("resume", is_live)] {
        company.command("*", action, &json!({}));
        eventually("some flows have been ordered", || onlooker.any(holds));
        gate.kill();
        under_way += u32::from(company.onlooker().every(0).is_some());
        gate = Previous.start(&company, "a").restored();
        eventually("every flow has been ordered", || onlooker.all(holds));
        // What comes now is held, or delivered.
        client.burst(&flows[0], 20);
        gate.kill();
        gate = This.start(&company, "a").restored();
        company.until_all_is_read();
        eventually("nothing is under way", || company.onlooker().every(0).is_none());
    }
    gate.stop();
    let report = flowgate_checker::check(&company.log());
    let twice = "is the second thing that a command for `*` makes of the flow";
    let others = report.anomalies.iter().map(ToString::to_string).filter(|anomaly| !anomaly.ends_with(twice));
    assert_eq!(others.take(20).collect::<Vec<_>>(), Vec::<String>::new());
    let flow = &report.flows[&flows[0]];
    assert!(flow.released.total() > 0, "{flow:?}");
    happened("a command for every flow that another version has begun", under_way, 1, &report);
}

/// Whatever may be ordered, of other flows in each round. Whose partition has no owner just then is served by the next.
fn order(company: &Company, flows: &[&str], round: usize) {
    let others = &flows[..flows.len() - HELD.len()];
    for (number, flow) in others.iter().enumerate() {
        match (number + round) % 4 {
            0 => company.command(flow, "pause", &[json!({}), json!({"keep": "all"})][round % 2]),
            2 => company.command(flow, "resume", &[json!({}), json!({"max_rate": 200})][round % 2]),
            _ => {}
        }
    }
    let records: Vec<String> = (0..50).map(|record| format!("r{}", record * 8 + round)).collect();
    let sample = [json!({"count": 30}), json!({"record_ids": records})];
    company.command("sampled", "release", &sample[round % 2]);
    company.command("purged", "purge", &json!({}));
    match round % 4 {
        1 => company.command("*", "pause", &json!({"keep": "all"})),
        2 => company.command("*", "resume", &json!({"max_rate": 2_000})),
        _ => {}
    }
}

/// A gate has taken a partition over.
struct Restored {
    at: String,
    partition: i64,
    by: Version,
}

/// What the log of a gate says of that.
fn note(restored: &mut Vec<Restored>, by: Version, log: &str) {
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["message"] == "restored" {
            let (at, partition) = (line["timestamp"].as_str().unwrap().to_owned(), line["partition"].as_i64().unwrap());
            restored.push(Restored { at, partition, by });
        }
    }
}

/// How often this partition went from the one version to the other.
fn changes(restored: &[Restored], partition: i64, from: Version, to: Version) -> u32 {
    let owners: Vec<Version> = restored.iter().filter(|of| of.partition == partition).map(|of| of.by).collect();
    u32::try_from(owners.windows(2).filter(|pair| **pair == [from, to]).count()).unwrap()
}

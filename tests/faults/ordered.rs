//! `kill -9` of the gate while a paused flow is purged or sampled, or every flow is paused or resumed, under a load that never
//! stops.

use std::collections::BTreeSet;
use std::time::Duration;

use flowgate::broker::{Broker, Isolation, Reader};
use flowgate::flow::{Flow, Wanted};
use serde_json::{Value, json};

use crate::company::{Company, Dice, Gate, happened, is_live, is_paused};
use crate::killed::start;
use crate::process::eventually;
use crate::upstream::{Client, Partitioner, Upstream};

const PARTITIONS: u32 = 4;

/// How many rounds a test takes at most to have all of its kills.
const ROUNDS: u32 = 40;

/// What a paused flow is told to do with what it holds.
#[derive(Clone, Copy)]
enum Way {
    Counted,
    Named,
    Purged,
}

impl Way {
    const ALL: [Self; 3] = [Self::Counted, Self::Named, Self::Purged];

    fn flow(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Named => "named",
            Self::Purged => "purged",
        }
    }

    fn order(self, dice: &mut Dice) -> (&'static str, Value) {
        match self {
            Self::Counted => ("release", json!({"count": 400})),
            Self::Named => {
                let first = dice.below(300);
                let records: Vec<String> = (first..first + 100).map(|record| format!("r{record}")).collect();
                ("release", json!({"record_ids": records}))
            }
            Self::Purged => ("purge", json!({})),
        }
    }

    /// Whether such an order has begun and not come to its end.
    fn is_under_way(self, flow: &Flow) -> bool {
        let wanted = flow.sample.as_ref().map(|sample| &sample.wanted);
        match self {
            Self::Counted => matches!(wanted, Some(Wanted::Count { .. })),
            Self::Named => matches!(wanted, Some(Wanted::Records { .. })),
            Self::Purged => flow.queue.purge_through.is_some(),
        }
    }
}

/// How often a gate was killed, at which moments.
#[derive(Clone, Copy, Default)]
struct Kills {
    /// The order stood in the control topic, and nothing of it had taken effect.
    ordered: u32,
    under_way: u32,
}

/// Goal: nothing is lost, doubled or out of order, and each order is answered and comes to its end once, however often a gate
/// dies in the middle of a sample by count, a sample of named records or a purge. Method: one flow each, paused all the time
/// and sampled or purged again and again; a kill comes at once, or when the order has taken effect. It counts if there
/// was something left to do afterwards.
#[test]
fn while_it_samples_and_purges() {
    const OF_EACH: u32 = 4;
    let company = Company::new("killed-ordered", PARTITIONS);
    let mut dice = Dice::new("killed while it samples and purges");
    let flows = ["counted", "named", "purged", "live"];
    let mut gate = start(&company, &mut dice).restored();
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(10));
    let mut client = company.client(Partitioner::Java);
    Way::ALL.iter().for_each(|way| company.order(&["pause", way.flow()]));
    let mut kills = [Kills::default(); 3];
    for _ in 0..ROUNDS {
        let way = (0..Way::ALL.len()).min_by_key(|way| kills[*way].under_way).unwrap();
        if kills[way].under_way >= OF_EACH {
            break;
        }
        gate = kill_at_an_order(&company, &mut dice, (&mut client, gate), (Way::ALL[way], &mut kills[way]));
    }
    upstream.stop();
    for way in Way::ALL {
        company.order(&["resume", way.flow(), "--wait"]);
    }
    company.until_all_is_read();
    gate.stop();
    let report = company.check();
    for (way, Kills { ordered, under_way }) in Way::ALL.iter().zip(kills) {
        let fault = format!("kill -9 of a gate by which `{}` is sampled or purged", way.flow());
        happened(&format!("{fault} ({ordered} more times just ordered)"), under_way, OF_EACH, &report);
    }
    assert!(report.flows["purged"].removed.total() > 0, "{:?}", report.flows);
}

/// One order, and the end of the gate that carries it out; the next gate.
fn kill_at_an_order(
    company: &Company,
    dice: &mut Dice,
    (client, gate): (&mut Client, Gate),
    (way, kills): (Way, &mut Kills),
) -> Gate {
    let flow = way.flow();
    company.until("what was ordered before has ended", flow, |of| !way.is_under_way(of));
    client.burst(flow, 600);
    company.until("held", flow, |of| is_paused(of) && of.counts.held().total() > 500);
    let answered = |of: &Flow| of.commands.back().map(|answered| answered.id.clone());
    let before = company.flow(flow).and_then(|of| answered(&of));
    let (action, options) = way.order(dice);
    company.command(flow, action, &options);
    if dice.below(4) > 0 {
        company.until("it has taken effect", flow, |of| answered(of) != before);
    } else {
        dice.moment(Duration::from_millis(20));
    }
    gate.kill();
    let now = company.flow(flow).unwrap();
    kills.ordered += u32::from(answered(&now) == before);
    kills.under_way += u32::from(way.is_under_way(&now));
    start(company, dice)
}

/// Goal: the same when every flow is paused and resumed: the pause is total for whatever is first seen during it, and each
/// partition applies each order once. Method: at least one flow in each partition, and one with a pause of its own, which `*`
/// leaves alone. A kill comes at a random moment after the order. It counts if a flow had not been paused yet, or
/// was not live again.
#[test]
fn while_it_pauses_and_resumes_every_flow() {
    const OF_EACH: u32 = 3;
    let company = Company::new("killed-every", PARTITIONS);
    let mut dice = Dice::new("killed while it pauses and resumes every flow");
    let flows = ["f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "own"];
    let every = &flows[..8];
    let mut gate = start(&company, &mut dice).restored();
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(10));
    let mut client = company.client(Partitioner::Java);
    company.order(&["pause", "own"]);
    let (mut pauses, mut resumes, mut late) = (0, 0, Vec::new());
    for round in 0..ROUNDS {
        if pauses >= OF_EACH && resumes >= OF_EACH {
            break;
        }
        let seen_late = format!("late-{round}");
        company.command("*", "pause", &[json!({}), json!({"keep": "all"})][dice.below(2) as usize]);
        dice.moment(Duration::from_millis(if round % 2 == 0 { 15 } else { 200 }));
        if round % 2 == 0 {
            gate.kill();
            pauses += u32::from(!every.iter().all(|flow| company.flow(flow).is_some_and(|of| is_paused_by_all(&of))));
            gate = start(&company, &mut dice);
        }
        client.burst(&seen_late, 20);
        let all: Vec<&str> = every.iter().copied().chain([&*seen_late]).collect();
        until_each(&company, "paused with every flow", &all, |of| is_paused_by_all(of) && of.counts.held().total() > 0);
        every.iter().for_each(|flow| client.burst(flow, 60));
        company.command("*", "resume", &json!({"max_rate": 500}));
        dice.moment(Duration::from_millis(60));
        if round % 2 == 1 {
            gate.kill();
            resumes += u32::from(!every.iter().all(|flow| is_live(&company.flow(flow).unwrap())));
            gate = start(&company, &mut dice);
        }
        until_each(&company, "live with every flow", &all, is_live);
        late.push(seen_late);
        assert!(is_paused(&company.flow("own").unwrap()), "its own pause stays");
    }
    upstream.stop();
    company.order(&["resume", "own", "--wait"]);
    company.until_all_is_read();
    gate.stop();
    let report = company.check();
    happened("kill -9 of a gate that pauses every flow", pauses, OF_EACH, &report);
    happened("kill -9 of a gate that resumes every flow", resumes, OF_EACH, &report);
    let is_released = |flow: &str| report.flows[flow].released.total() > 0;
    assert!(
        every.iter().all(|flow| is_released(flow)) && late.iter().all(|flow| is_released(flow)),
        "{:?}",
        report.flows
    );
}

/// Goal: the same where a partition knows more flows than one turn takes: whoever takes it over goes on where the command was, all
/// flows are paused as of one moment, and each is paused and resumed once. Method: one partition; a kill comes when the first turn
/// of the command is committed. It counts if the partition's record says afterwards that the command is still under way.
#[test]
fn while_it_pauses_more_flows_than_a_turn_takes() {
    const FLOWS: u64 = 50_000;
    let company = Company::new("killed-many", 1);
    let mut dice = Dice::new("killed while it pauses more flows than a turn takes");
    let mut gate = start(&company, &mut dice).restored();
    let mut client = company.client(Partitioner::Java);
    let flows: Vec<String> = (0..FLOWS).map(|number| format!("flow-{number:05}")).collect();
    flows.iter().for_each(|flow| client.next(flow));
    client.flush();
    company.until_all_is_read();
    let mut reader = company.kafka.reader(Isolation::ReadCommitted).unwrap();
    let mut committed = || reader.watermarks(&company.topics.state, 0).map_or(0, |marks| marks.end);
    let mut kill_under_way = |gate: Gate, action: &str| {
        let before = committed();
        company.command("*", action, &json!({}));
        eventually("some flows have been ordered", || committed() > before + 1_000);
        gate.kill();
        company.onlooker().every(0).is_some()
    };
    // Some of each part of the command.
    let some: Vec<&str> = flows.iter().step_by(300).map(String::as_str).collect();
    let (mut pauses, mut resumes) = (0, 0);
    for _ in 0..ROUNDS {
        if pauses > 0 && resumes > 0 {
            break;
        }
        pauses += u32::from(kill_under_way(gate, "pause"));
        // Behind the command; twice, for not both of them are withdraws.
        some.iter().for_each(|flow| client.next(flow));
        some.iter().for_each(|flow| client.next(flow));
        client.flush();
        gate = start(&company, &mut dice);
        until_each(&company, "held", &some, |of| is_paused_by_all(of) && of.counts.held().total() > 0);
        let mut onlooker = company.onlooker();
        eventually("every flow is paused", || onlooker.all(is_paused_by_all));
        let mut moments = BTreeSet::new();
        for flow in onlooker.known() {
            let pause = flow.pause().unwrap();
            moments.insert((pause.paused_at, pause.resumes_at));
        }
        assert_eq!(moments.len(), 1, "{moments:?}");
        resumes += u32::from(kill_under_way(gate, "resume"));
        gate = start(&company, &mut dice);
        eventually("every flow is live", || onlooker.all(is_live));
    }
    company.until_all_is_read();
    gate.stop();
    let report = company.check();
    happened("kill -9 of a gate between two turns of a pause of every flow", pauses, 1, &report);
    happened("kill -9 of a gate between two turns of a resume of every flow", resumes, 1, &report);
    assert!(some.iter().all(|flow| report.flows[*flow].released.total() > 0), "{:?}", report.flows);
}

/// Waits until something holds for each of these flows at once, as committed.
#[track_caller]
fn until_each(company: &Company, what: &str, flows: &[&str], holds: impl Fn(&Flow) -> bool) {
    let mut onlooker = company.onlooker();
    eventually(what, || flows.iter().all(|flow| onlooker.flow(flow).is_some_and(|of| holds(&of))));
}

fn is_paused_by_all(flow: &Flow) -> bool {
    matches!(&flow.state, flowgate::flow::State::Paused(pause) if pause.by_all)
}

//! `kill -9` of the gate at random moments, under a load that never stops.

use std::time::Duration;

use serde_json::json;

use crate::company::{Company, Dice, Gate, happened, is_live, is_paused, is_resuming};
use crate::upstream::{Partitioner, Upstream};

const KILLS: u32 = 30;

/// How often a kill may come too late before the test says so.
const TRIES: u32 = 3 * KILLS;

/// One of two gates: the next may be the same (and fences its predecessor) or another (and waits for the session to end).
pub fn start(company: &Company, dice: &mut Dice) -> Gate {
    let instance = ["a", "b"][dice.below(2) as usize];
    company.gate(instance, &["turn.backlog=20", "turn.records=200"])
}

/// Goal: nothing is lost, doubled or out of order however often a gate dies that holds events. Method: three flows paused,
/// each in another way, and one live; three kills of four come when the gate has held something new, one while it starts.
#[test]
fn while_it_holds() {
    let company = Company::new("killed-holding", 4);
    let mut dice = Dice::new("killed while it holds");
    let flows = ["latest", "all", "turned", "live"];
    let mut gate = start(&company, &mut dice).restored();
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(6));
    company.order(&["pause", "latest"]);
    company.order(&["pause", "all", "--keep", "all"]);
    company.order(&["pause", "turned", "--discard-new"]);
    let mut kills = 0;
    let mut tries = 0;
    while kills < KILLS {
        tries += 1;
        assert!(tries <= TRIES, "{kills} kills of {TRIES} came while events were held");
        let mut onlooker = company.onlooker();
        let held = |flow: Option<flowgate::flow::Flow>| flow.map_or(0, |flow| flow.counts.queued.total());
        if dice.below(4) > 0 {
            let before = held(onlooker.flow("latest"));
            company.until("holds on", "latest", |flow| flow.counts.queued.total() > before);
            dice.moment(Duration::from_millis(400));
        } else {
            dice.moment(Duration::from_secs(3));
        }
        gate.kill();
        let flow = company.flow("latest").unwrap();
        assert!(is_paused(&flow));
        kills += u32::from(flow.counts.held().total() > 0);
        gate = start(&company, &mut dice);
    }
    upstream.stop();
    for flow in ["latest", "all", "turned"] {
        company.order(&["resume", flow, "--wait"]);
    }
    company.until_all_is_read();
    gate.stop();
    happened("kill -9 of a gate that holds", kills, KILLS, &company.check());
}

/// Goal: the same while it drains: as fast as it can, limited in its rate, into `flow.discarded`, and while the drain is
/// paused again. A kill counts if the flow was still between paused and live afterwards; where it came too late, twice as
/// much is held the next time.
#[test]
fn while_it_drains() {
    let company = Company::new("killed-draining", 4);
    let mut dice = Dice::new("killed while it drains");
    let flows = ["fast", "limited", "none", "again", "live"];
    let ways = [
        ("fast", json!({})),
        ("limited", json!({"max_rate": 150})),
        ("none", json!({"release": "none", "max_rate": 150})),
        ("again", json!({"max_rate": 150})),
    ];
    let mut gate = start(&company, &mut dice).restored();
    let upstream = Upstream::start(company.client(Partitioner::Java), &flows, Duration::from_millis(10));
    let mut client = company.client(Partitioner::Java);
    let (mut kills, mut bursts, mut tries) = ([0; 4], [400; 4], 0);
    while kills.iter().sum::<u32>() < KILLS || kills.contains(&0) {
        tries += 1;
        assert!(tries <= TRIES, "kills that came in time: {kills:?}, of {TRIES}; held the last time: {bursts:?}");
        let way = (0..ways.len()).min_by_key(|way| kills[*way]).unwrap();
        let (flow, options) = &ways[way];
        let burst = bursts[way];
        company.command(flow, "pause", &json!({}));
        company.until("paused", flow, is_paused);
        let before = company.flow(flow).unwrap().counts.queued.total();
        client.burst(flow, burst);
        company.until("held", flow, |of| of.counts.queued.total() > before + u64::from(burst) * 3 / 4);
        company.command(flow, "resume", options);
        company.until("resuming", flow, |of| is_resuming(of) || is_live(of));
        match *flow {
            "fast" => dice.moment(Duration::from_millis(80)),
            "again" => {
                dice.moment(Duration::from_millis(300));
                company.command(flow, "pause", &json!({}));
                dice.moment(Duration::from_millis(60));
            }
            _ => dice.moment(Duration::from_millis(800)),
        }
        gate.kill();
        match company.flow(flow).unwrap() {
            late if is_live(&late) => bursts[way] *= 2,
            _ => kills[way] += 1,
        }
        gate = start(&company, &mut dice);
    }
    upstream.stop();
    for flow in ["fast", "limited", "none", "again"] {
        company.order(&["resume", flow, "--rate", "1000000", "--release", "all", "--wait"]);
    }
    company.until_all_is_read();
    gate.stop();
    let report = company.check();
    for ((flow, _), kills) in ways.iter().zip(kills) {
        happened(&format!("kill -9 of a gate that drains `{flow}`"), kills, 1, &report);
    }
    happened("kill -9 of a gate that drains", kills.iter().sum(), KILLS, &report);
    let none = &report.flows["none"];
    assert!(none.removed.total() > 0 && report.flows["limited"].released.total() > 0, "{:?}", report.flows);
}

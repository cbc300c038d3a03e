//! Flows that were never paused: what each of them costs, and how long all of them take to be restored.

use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::Figures;
use crate::fill::{Upstream, publish};
use crate::gate::Gate;
use crate::meter::{Meter, Used};
use crate::outputs::{delivered, until_counted};
use crate::site::Site;
use crate::watch::{Progress, Watcher};
use crate::{Result, event};

/// The gate's default for `max_known_flows`: beyond that flows pass unrecorded.
const MOST: u32 = 1_000_000;

const NAME: &str = "bench";

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let start = || contestant.gate(NAME, directory.path(), &site.brokers, topics);
    let mut gate = start()?;
    gate.until_ready()?;
    // Once through with a single flow: what events themselves take is there before flows are counted.
    let one = deliver(site, topics, &watcher, vec![event::flow(0)], case.records, &mut gate)?;
    site.settle(gate.pid())?;
    let empty = gate.resident_mib()?;
    let progress = deliver(site, topics, &watcher, event::flows(case.flows), case.records, &mut gate)?;
    let records = u64::from(case.records);
    until_counted(site, &delivered(topics), one.last.records + records)
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    let recorded = f64::from(case.flows.min(MOST));
    let all_are_known = |now: &crate::gate::Metrics| Ok(now.get(r#"flowgate_flows{state="live"}"#)? == recorded);
    gate.until("all flows are known", Duration::from_secs(10), all_are_known)?;
    site.settle(gate.pid())?;
    let known = gate.resident_mib()?;

    let before = watcher.readable(&topics.records)?;
    gate.contender.stop()?;
    let started = Instant::now();
    let mut gate = start()?;
    gate.until_ready()?;
    let ready = started.elapsed().as_secs_f64();
    publish(site, topics, &event::flow(0))?;
    watcher.until_more(&topics.records, before, &mut gate.contender)?;
    gate.until("all flows are known again", Duration::from_secs(10), all_are_known)?;
    site.settle(gate.pid())?;
    let figures = Figures::of(records, &progress);
    let more = [
        ("one_flow_mib", empty),
        ("known_mib", known),
        ("bytes_a_known_flow", (known - empty) * f64::from(1 << 20) / recorded),
        ("ready_seconds", ready),
        ("restored_mib", gate.resident_mib()?),
    ];
    Ok(figures.with(more))
}

/// Events of these flows, in turn, until all are delivered.
fn deliver(
    site: &Site,
    topics: &Topics,
    watcher: &Watcher,
    flows: Vec<String>,
    events: u32,
    gate: &mut Gate,
) -> Result<Progress<Used>> {
    let input = &topics.enrollments;
    let mut upstream = Upstream::new(&site.brokers, topics, flows)?;
    let before = watcher.ends(input)?;
    let ends = upstream.write(events, watcher)?;
    let (meter, gun) = (Meter::start(site, gate.pid())?, Instant::now());
    upstream.commit()?;
    let passed = |watcher: &Watcher| watcher.passed_between(input, &before, &ends);
    watcher.follow(gun, events.into(), Duration::ZERO, &mut gate.contender, passed, || meter.read())
}

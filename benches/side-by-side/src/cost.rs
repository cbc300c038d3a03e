//! What a drained event costs: where few were held, and where many were.

use std::time::Duration;

use flowgate::schema::topics::Topics;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::Figures;
use crate::fill::Upstream;
use crate::gate::Gate;
use crate::meter::{Meter, Used};
use crate::operator::command;
use crate::outputs::{delivered, until_counted};
use crate::site::Site;
use crate::watch::{Progress, Watcher};
use crate::{Result, backlog, event, usage};

/// Few.
const FEW: u32 = 10_000;

/// How often those are drained: once takes too little time to be measured.
const TIMES: u32 = 30;

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    let mut upstream = Upstream::new(&site.brokers, topics, flows.clone())?;
    let mut gate = contestant.gate("bench", directory.path(), &site.brokers, topics)?;
    gate.until_ready()?;
    let mut cycle = |events| drained(site, topics, &watcher, &mut upstream, &flows, events, &mut gate);
    let mut few = Duration::ZERO;
    for _ in 0..TIMES {
        few += cycle(FEW)?.0;
    }
    let (many, progress) = cycle(case.records)?;
    let wanted = u64::from(FEW) * u64::from(TIMES) + u64::from(case.records);
    until_counted(site, &delivered(topics), wanted)
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    gate.until_all_is_live()?;
    let few = few.as_secs_f64() * 1e6 / f64::from(FEW * TIMES);
    let many = many.as_secs_f64() * 1e6 / f64::from(case.records);
    let more =
        [("few_cpu_seconds_per_million", few), ("many_cpu_seconds_per_million", many), ("many_to_few", many / few)];
    Ok(Figures::of(case.records.into(), &progress).with(more))
}

/// So many events are held and drained; the time of the processor that the gate took for the latter.
fn drained(
    site: &Site,
    topics: &Topics,
    watcher: &Watcher,
    upstream: &mut Upstream,
    flows: &[String],
    events: u32,
    gate: &mut Gate,
) -> Result<(Duration, Progress<Used>)> {
    command(site, topics, flows, "pause")?;
    gate.until_paused(u32::try_from(flows.len())?)?;
    let ends = upstream.write(events, watcher)?;
    upstream.commit_and_begin()?;
    watcher.until_committed(&topics.enrollments, &ends, &mut gate.contender)?;
    site.settle(gate.pid())?;
    let (pid, contender) = (gate.pid(), &mut gate.contender);
    let meter = Meter::start(site, pid)?;
    let before = usage::cpu_of_threads(pid)?;
    let mut spent = before;
    // What it took until the last record was there, more finely than the meter tells.
    let progress = backlog::drain(site, topics, watcher, flows, events.into(), contender, || {
        spent = usage::cpu_of_threads(pid)?;
        meter.read()
    })?;
    gate.until_all_is_live()?;
    Ok((spent.saturating_sub(before), progress))
}

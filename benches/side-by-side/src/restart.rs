//! A gate that holds events is killed and started again, and then resumes.

use std::time::Instant;

use flowgate::schema::topics::Topics;

use crate::case::{Case, Kind};
use crate::contestant::{Contestant, directory};
use crate::figures::Figures;
use crate::fill::{Upstream, publish};
use crate::meter::Meter;
use crate::outputs::{delivered, until_counted};
use crate::site::Site;
use crate::watch::Watcher;
use crate::{Result, backlog, event, usage};

const NAME: &str = "bench";

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    let upstream = Upstream::new(&site.brokers, topics, flows.clone())?;
    let mut waiting = backlog::write(site, topics, &watcher, upstream, case.records)?;
    waiting.upstream.commit()?;
    let start = || contestant.gate(NAME, directory.path(), &site.brokers, topics);
    let mut gate = start()?;
    watcher.until_committed(&topics.enrollments, &waiting.ends, &mut gate.contender)?;
    site.settle(gate.pid())?;
    let before = watcher.readable(&topics.records)?;

    let killed = Instant::now();
    gate.contender.kill()?;
    publish(site, topics, &event::flow(case.flows))?;
    let mut gate = start()?;
    watcher.until_more(&topics.records, before, &mut gate.contender)?;
    let mut more = vec![("killed_to_live_seconds", killed.elapsed().as_secs_f64())];
    // What it shows of its progress just then, as soon as it shows the flows at all. Older gates show nothing.
    gate.until_paused(case.flows)?;
    if let Ok(remaining) = gate.metrics()?.get("flowgate_indexing_remaining_events") {
        more.push(("events_to_index", remaining));
    }
    if case.kind == Kind::Rebuilt {
        gate.until_indexed(case.flows)?;
        more.push(("killed_to_indexed_seconds", killed.elapsed().as_secs_f64()));
    }
    // Of the whole life of this process.
    let peak_before = usage::mib(usage::peak(gate.pid())?);
    let (pid, contender) = (gate.pid(), &mut gate.contender);
    let meter = Meter::start(site, pid)?;
    let held = u64::from(case.records) + u64::from(case.flows);
    let progress = backlog::drain(site, topics, &watcher, &flows, held, contender, || meter.read())?;
    until_counted(site, &delivered(topics), held + 1)
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    gate.until_all_is_live()?;
    let figures = Figures::of(held, &progress);
    more.push(("resume_to_first_seconds", figures.first_seconds));
    Ok(Figures { peak_mib: peak_before.max(figures.peak_mib), ..figures }.with(more))
}

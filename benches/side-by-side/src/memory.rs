//! How much memory a gate takes at most that holds events, and then drains them.

use flowgate::schema::topics::Topics;

use crate::case::{Case, Kind};
use crate::contestant::{Contestant, directory};
use crate::figures::Figures;
use crate::fill::Upstream;
use crate::meter::Meter;
use crate::outputs::{delivered, until_counted};
use crate::site::Site;
use crate::watch::Watcher;
use crate::{Result, backlog, event};

/// How often each record comes in `repeats-F`.
const TIMES: u32 = 3;

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    // All events, and how many of them are delivered. The first ones are those by which flows are introduced.
    let (events, wanted) = match case.kind {
        Kind::Repeats => {
            // As many of each flow, so that each record is always of the same one.
            let distinct = (case.records / TIMES / case.flows).max(1) * case.flows;
            (distinct * TIMES, distinct)
        }
        _ => (case.records, case.records),
    };
    let upstream = Upstream::new(&site.brokers, topics, flows.clone())?.about(wanted);
    let after_the_first = events - case.flows;
    if after_the_first == 0 {
        return Err("give each flow two events at least".into());
    }
    let mut waiting = backlog::write(site, topics, &watcher, upstream, after_the_first)?;
    let mut gate = contestant.gate("bench", directory.path(), &site.brokers, topics)?;
    watcher.until_committed(&topics.enrollments, &waiting.introduced, &mut gate.contender)?;
    site.settle(gate.pid())?;
    let start = Meter::start(site, gate.pid())?;
    let held = waiting.fire(topics, &watcher, after_the_first, &mut gate.contender, &start)?;
    let held = Figures::of(after_the_first.into(), &held);
    site.settle(gate.pid())?;

    let (pid, contender) = (gate.pid(), &mut gate.contender);
    let meter = Meter::start(site, pid)?;
    let drained = backlog::drain(site, topics, &watcher, &flows, wanted.into(), contender, || meter.read())?;
    let drained = Figures::of(events.into(), &drained);
    until_counted(site, &delivered(topics), wanted.into())
        .map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    gate.until_all_is_live()?;
    let replaced = gate.metrics()?.get(r#"flowgate_passed_total{outcome="replaced"}"#)?;
    if replaced != f64::from(events - wanted) {
        return Err(format!("{replaced} events were replaced, not {}", events - wanted).into());
    }
    let more = [
        ("hold_records_per_second", held.records_per_second),
        ("hold_cpu_seconds_per_million", held.cpu_seconds_per_million),
        ("hold_peak_mib", held.peak_mib),
        ("drain_peak_mib", drained.peak_mib),
    ];
    Ok(Figures { peak_mib: held.peak_mib.max(drained.peak_mib), ..drained }.with(more))
}

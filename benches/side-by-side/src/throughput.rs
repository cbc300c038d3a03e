//! How many records a second, and at what cost.

use flowgate::broker::NewTopic;
use flowgate::flow::FlowId;
use flowgate::schema::topics::Topics;

use crate::case::{Case, Kind};
use crate::contestant::{Contestant, directory};
use crate::figures::Figures;
use crate::fill::Upstream;
use crate::meter::Meter;
use crate::outputs::{delivered, held, until_counted};
use crate::site::{PARTITIONS, Site};
use crate::watch::Watcher;
use crate::{Result, backlog, event, streams};

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let (input, flows) = (&topics.enrollments, event::flows(case.flows));
    let drains = contestant.holds() && case.kind == Kind::Drain;
    if case.kind == Kind::Hold && !contestant.holds() {
        site.create(&queues(topics, case)?)?;
    }
    let introductions = contestant.introductions(case.flows);
    let upstream = Upstream::new(&site.brokers, topics, flows.clone())?.introducing(introductions);
    let mut waiting = match case.kind != Kind::Live && contestant.holds() {
        true => backlog::write(site, topics, &watcher, upstream, case.records)?,
        false => backlog::live(&watcher, upstream, case.records)?,
    };
    if drains {
        waiting.upstream.commit()?;
    }
    let mut contender = contestant.start(case, directory.path(), &site.brokers, topics)?;
    watcher.until_committed(input, if drains { &waiting.ends } else { &waiting.introduced }, &mut contender)?;
    site.settle(contender.pid())?;

    let meter = Meter::start(site, contender.pid())?;
    let wanted = u64::from(case.records) + u64::from(case.flows * introductions);
    let progress = match drains {
        true => backlog::drain(site, topics, &watcher, &flows, wanted, &mut contender, || meter.read())?,
        false => waiting.fire(topics, &watcher, case.records, &mut contender, &meter)?,
    };
    let outputs = match (case.kind, contestant) {
        (Kind::Hold, Contestant::Streams { .. }) => {
            (0..PARTITIONS).map(|partition| (streams::changelog(topics), partition)).collect()
        }
        (Kind::Hold, _) => held(site, topics)?,
        _ => delivered(topics),
    };
    until_counted(site, &outputs, wanted).map_err(|why| format!("{why}:\n{}", contender.last_words()))?;
    Ok(Figures::of(progress.last.records, &progress))
}

/// What the gate would call its queue topics, for those who have to have them made.
fn queues(topics: &Topics, case: Case) -> Result<Vec<NewTopic>> {
    let mut queues = Vec::new();
    for number in 0..case.flows {
        let name = topics.queue(&FlowId::new(&event::flow(number))?, 1);
        queues.push(NewTopic { name, partitions: 1, replication_factor: None, config: Default::default() });
    }
    Ok(queues)
}

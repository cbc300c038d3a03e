//! How many records a second, and at what cost.

use std::time::{Duration, Instant};

use flowgate::broker::NewTopic;
use flowgate::flow::FlowId;
use flowgate::schema::topics::Topics;

use crate::Result;
use crate::case::{Case, Kind};
use crate::contestant::Contestant;
use crate::event;
use crate::fill::Upstream;
use crate::round::{Figures, command, delivered, held, until_counted};
use crate::site::Site;
use crate::usage;
use crate::watch::{Progress, Watcher};

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = tempfile::Builder::new().prefix("flowgate-side-by-side-").tempdir()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let input = &topics.enrollments;
    let drains = contestant.is_gate() && case.kind == Kind::Drain;
    if case.kind != Kind::Live && contestant.is_gate() {
        command(site, topics, &event::flows(case.flows), "pause")?;
    }
    if case.kind == Kind::Hold && !contestant.is_gate() {
        site.create(&queues(topics, case)?)?;
    }
    let mut upstream = Upstream::new(&site.brokers, topics, event::flows(case.flows))?;
    let introduced = upstream.introduce(&watcher)?;
    let ends = upstream.write(case.records, &watcher)?;
    if drains {
        upstream.commit()?;
    }
    let mut contender = contestant.start(case, directory.path(), &site.brokers, topics)?;
    let pid = contender.pid();
    watcher.until_committed(input, if drains { &ends } else { &introduced }, &mut contender)?;
    site.settle(pid)?;

    let before: i64 = if drains { watcher.stable_ends(&topics.records)?.iter().sum() } else { 0 };
    usage::forget_peak(pid)?;
    let used = || Ok((usage::cpu(pid)?, usage::cpu(site.broker())?, usage::peak(pid)?));
    let (own, broker, _) = used()?;
    let records = u64::from(case.records);
    let gun = Instant::now();
    let progress = if drains {
        command(site, topics, &event::flows(case.flows), "resume")?;
        // The ends of transactions are counted too: it is over when no more comes.
        let passed = |watcher: &Watcher| {
            let now: i64 = watcher.stable_ends(&topics.records)?.iter().sum();
            Ok((now - before).unsigned_abs())
        };
        let all = records + u64::from(case.flows);
        watcher.follow(gun, all, Duration::from_secs(1), &mut contender, passed, used)?
    } else {
        upstream.commit()?;
        let passed = |watcher: &Watcher| watcher.passed(input, &introduced, &ends);
        watcher.follow(gun, records, Duration::ZERO, &mut contender, passed, used)?
    };

    let outputs = if case.kind == Kind::Hold { held(site, topics)? } else { delivered(topics) };
    let wanted = records + u64::from(case.flows);
    until_counted(site, &outputs, wanted).map_err(|why| format!("{why}:\n{}", contender.last_words()))?;
    let Progress { first, last, noted: (own_then, broker_then, peak) } = progress;
    let between = (last.after - first.after).as_secs_f64();
    let millions = last.records as f64 / 1e6;
    Ok(Figures {
        // A round so small that one commit has it all has no other measure.
        records_per_second: match last.records.saturating_sub(first.records) {
            0 => last.records as f64 / last.after.as_secs_f64(),
            rest => rest as f64 / between,
        },
        first_seconds: first.after.as_secs_f64(),
        seconds: last.after.as_secs_f64(),
        cpu_seconds_per_million: (own_then - own).as_secs_f64() / millions,
        broker_cpu_seconds_per_million: (broker_then - broker).as_secs_f64() / millions,
        peak_mib: peak as f64 / f64::from(1 << 20),
        latency: None,
    })
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

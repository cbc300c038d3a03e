//! One contestant's turn in one case.

use std::fmt;
use std::time::{Duration, Instant};

use flowgate::broker::{Admin as _, Broker as _, NewTopic, Publication, Publisher as _};
use flowgate::flow::FlowId;
use flowgate::schema::topics::Topics;
use serde::Serialize;
use serde_json::json;

use crate::Result;
use crate::case::{Case, Kind};
use crate::contestant::Contestant;
use crate::count::count;
use crate::event;
use crate::fill::Upstream;
use crate::site::{PARTITIONS, Site};
use crate::usage;
use crate::watch::{Progress, Watcher};

/// Of one round.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// From the first commit that brought records to the last one.
    pub records_per_second: f64,
    /// From the gun to the first records.
    pub first_seconds: f64,
    /// From the gun to the last record.
    pub seconds: f64,
    /// Of the contestant, from the gun to the last record.
    pub cpu_seconds_per_million: f64,
    /// Of the broker.
    pub broker_cpu_seconds_per_million: f64,
    /// The contestant's, in MiB.
    pub peak_mib: f64,
}

pub fn run(site: &mut Site, case: Case, contestant: &Contestant) -> Result<Figures> {
    let topics = site.topics()?;
    let figures = measure(site, case, contestant, &topics);
    site.delete(&topics)?;
    figures
}

fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = tempfile::Builder::new().prefix("flowgate-side-by-side-").tempdir()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let input = &topics.enrollments;
    let drains = contestant.is_gate() && case.kind == Kind::Drain;
    if case.kind != Kind::Live && contestant.is_gate() {
        command(site, topics, case, "pause")?;
    }
    if case.kind == Kind::Hold && !contestant.is_gate() {
        site.create(&queues(topics, case)?)?;
    }
    // One event of each flow, so that whatever is made or looked up at the first one is there.
    let mut upstream = Upstream::new(&site.brokers, topics, case.flows)?;
    let introduced = upstream.write(case.flows, &watcher)?;
    upstream.commit()?;
    upstream.begin()?;
    let ends = upstream.write(case.records, &watcher)?;
    if drains {
        upstream.commit()?;
    }
    let mut contender = contestant.start(case, directory.path(), &site.brokers, topics)?;
    let pid = contender.pid();
    watcher.until_committed(input, if drains { &ends } else { &introduced }, &mut contender)?;
    site.settle(pid)?;

    let held: i64 = if drains { watcher.stable_ends(&topics.records)?.iter().sum() } else { 0 };
    usage::forget_peak(pid)?;
    let used = || Ok((usage::cpu(pid)?, usage::cpu(site.broker())?, usage::peak(pid)?));
    let (own, broker, _) = used()?;
    let records = u64::from(case.records);
    let gun = Instant::now();
    let progress = if drains {
        command(site, topics, case, "resume")?;
        // The ends of transactions are counted too: it is over when no more comes.
        let passed = |watcher: &Watcher| {
            let now: i64 = watcher.stable_ends(&topics.records)?.iter().sum();
            Ok((now - held).unsigned_abs())
        };
        let all = records + u64::from(case.flows);
        watcher.follow(gun, all, Duration::from_secs(1), &mut contender, passed, used)?
    } else {
        upstream.commit()?;
        // The end of the transaction that introduced the flows stands before the first event.
        let starts: Vec<i64> = introduced.iter().map(|end| if *end > 0 { end + 1 } else { 0 }).collect();
        let passed = |watcher: &Watcher| {
            let now = watcher.committed(input)?;
            let of = now.iter().zip(&starts).zip(&ends).map(|((now, start), end)| (now.min(end) - start).max(0));
            Ok(of.sum::<i64>().unsigned_abs())
        };
        watcher.follow(gun, records, Duration::ZERO, &mut contender, passed, used)?
    };

    let wanted = records + u64::from(case.flows);
    until_counted(site, &outputs(site, case, topics)?, wanted)
        .map_err(|why| format!("{why}:\n{}", contender.last_words()))?;
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
    })
}

/// Counts again while records are missing: a group's offsets are committed before all topics are told so.
fn until_counted(site: &Site, outputs: &[(String, i32)], wanted: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match count(&site.brokers, outputs)? {
            found if found == wanted => return Ok(()),
            found if found > wanted || Instant::now() > deadline => {
                return Err(format!("{found} records, not {wanted}").into());
            }
            _ => {}
        }
    }
}

/// Sends a command for each flow.
fn command(site: &Site, topics: &Topics, case: Case, action: &str) -> Result<()> {
    let mut publisher = site.kafka.publisher()?;
    for number in 0..case.flows {
        let flow = event::flow(number);
        let value = json!({
            "command_id": format!("{action}-{number}"), "flow_id": flow, "action": action, "issued_by": "bench",
        });
        let value = value.to_string();
        let (key, value) = (Some(flow.as_bytes()), Some(value.as_bytes()));
        let topic = &topics.control;
        publisher.publish(&Publication { topic, partition: Some(0), timestamp: None, key, value, headers: &[] })?;
    }
    for receipt in publisher.flush(Duration::from_secs(30))? {
        receipt?;
    }
    Ok(())
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

/// The partitions where the records are at the end.
fn outputs(site: &Site, case: Case, topics: &Topics) -> Result<Vec<(String, i32)>> {
    if case.kind == Kind::Hold {
        let queues = site.kafka.admin()?.topics(&topics.queue_prefix())?;
        return Ok(queues.into_iter().map(|queue| (queue, 0)).collect());
    }
    Ok((0..PARTITIONS).map(|partition| (topics.records.clone(), partition)).collect())
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, first after {:.0} ms, {:.2} CPU-s a million (broker {:.2}), {:.0} MiB",
            self.records_per_second,
            self.first_seconds * 1e3,
            self.cpu_seconds_per_million,
            self.broker_cpu_seconds_per_million,
            self.peak_mib
        )
    }
}

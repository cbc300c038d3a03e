//! How long it takes until a pause is total, under full load.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use flowgate::broker::murmur2::partition_for;
use flowgate::flow::FlowId;
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use rdkafka::Message as _;

use crate::Result;
use crate::case::Case;
use crate::contestant::Contestant;
use crate::count::scan;
use crate::event;
use crate::figures::{Figures, Latency};
use crate::fill::Upstream;
use crate::meter::Meter;
use crate::operator::command;
use crate::outputs::{delivered, held, until_counted};
use crate::site::{PARTITIONS, Site};
use crate::watch::Watcher;

/// Flows of each partition that are live until their turn comes. Each has work for as long as the others then.
const LIVE: usize = 3;

/// From the gun to the first pause.
const RUN_UP: Duration = Duration::from_millis(500);

/// Between two pauses.
const PACE: Duration = Duration::from_millis(100);

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = tempfile::Builder::new().prefix("flowgate-side-by-side-").tempdir()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let (paused, live) = (event::flows(case.flows), live(case.flows));
    // Half of the events are for either kind, if there are as many flows that are paused.
    let both =
        (0..paused.len().max(live.len())).flat_map(|at| paused.get(at).into_iter().chain(live.get(at % live.len())));
    let both: Vec<String> = both.cloned().collect();
    let wanted = u64::from(case.records) + both.len() as u64;
    command(site, topics, &paused, "pause")?;
    let mut upstream = Upstream::new(&site.brokers, topics, both)?;
    let introduced = upstream.introduce(&watcher)?;
    let ends = upstream.write(case.records, &watcher)?;
    let mut contender = contestant.start(case, directory.path(), &site.brokers, topics)?;
    let pid = contender.pid();
    watcher.until_committed(&topics.enrollments, &introduced, &mut contender)?;
    site.settle(pid)?;

    let meter = Meter::start(site, pid)?;
    // What readers downstream could see, and since when.
    let mut seen: Vec<(Timestamp, Vec<i64>)> = Vec::new();
    let gun = Instant::now();
    upstream.commit()?;
    let (progress, pauses) = thread::scope(|scope| {
        let operator = scope.spawn(|| {
            let mut pauses = Vec::new();
            for (number, flow) in (0..).zip(&live) {
                thread::sleep((RUN_UP + PACE * number).saturating_sub(gun.elapsed()));
                pauses.extend(command(site, topics, std::slice::from_ref(flow), "pause")?);
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(pauses)
        });
        let passed = |watcher: &Watcher| {
            let readable = watcher.stable_ends(&topics.records)?;
            if seen.last().is_none_or(|(_, last)| *last != readable) {
                seen.push((flowgate::clock::now(), readable));
            }
            watcher.passed(&topics.enrollments, &introduced, &ends)
        };
        let progress =
            watcher.follow(gun, u64::from(case.records), Duration::ZERO, &mut contender, passed, || meter.read());
        (progress, operator.join())
    });
    let (progress, pauses) = (progress?, pauses.map_err(|_| "the operator has panicked")??);
    let (queues, delivered) = (held(site, topics)?, delivered(topics));
    until_counted(site, &[queues.clone(), delivered.clone()].concat(), wanted)
        .map_err(|why| format!("{why}:\n{}", contender.last_words()))?;
    let last_records = last_of_each(site, &delivered)?;
    let mut millis = Vec::new();
    for (flow, written) in live.iter().zip(pauses) {
        let queue = topics.queue(&FlowId::new(flow)?, 1);
        if !queues.iter().any(|(topic, _)| *topic == queue) {
            return Err(format!("all events of `{flow}` had passed before it was paused: take more records").into());
        }
        let (partition, offset) = last_records.get(flow.as_bytes()).ok_or("a flow of which nothing was delivered")?;
        let readable = seen.iter().find(|(_, ends)| ends[*partition as usize] > *offset);
        let (since, _) = readable.ok_or("a record that nobody saw come")?;
        millis.push(since.since(written).as_secs_f64() * 1e3);
    }
    let last = progress.last;
    Ok(Figures {
        records_per_second: last.records as f64 / last.after.as_secs_f64(),
        latency: Latency::of(millis),
        ..Figures::of(last.records, &progress)
    })
}

/// The flows that are live at first.
fn live(paused: u32) -> Vec<String> {
    let mut live: Vec<Vec<String>> = vec![Vec::new(); PARTITIONS as usize];
    for flow in (paused..).map(event::flow) {
        let home = &mut live[partition_for(flow.as_bytes(), PARTITIONS) as usize];
        if home.len() < LIVE {
            home.push(flow);
        }
        if live.iter().all(|home| home.len() == LIVE) {
            break;
        }
    }
    live.concat()
}

/// Partition and offset of the last record that was delivered of each flow.
fn last_of_each(site: &Site, delivered: &[(String, i32)]) -> Result<HashMap<Vec<u8>, (i32, i64)>> {
    let mut last = HashMap::new();
    scan(&site.brokers, delivered, |record| {
        let (key, place) = (record.key().unwrap_or_default(), (record.partition(), record.offset()));
        match last.get_mut(key) {
            Some(known) => *known = place,
            None => drop(last.insert(key.to_vec(), place)),
        }
    })?;
    Ok(last)
}

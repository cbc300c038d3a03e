//! One of two instances dies, and the other one takes its partitions over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;

use crate::Result;
use crate::case::Case;
use crate::child::Contender;
use crate::contestant::{Contestant, directory};
use crate::figures::{Figures, Latency};
use crate::meter::Meter;
use crate::outputs::{delivered, until_counted};
use crate::site::{PARTITIONS, Site};
use crate::spread::{self, until_shared};
use crate::stream::{Age, Source, downstream, now};
use crate::watch::{Mark, Progress, Watcher};

const PER_SECOND: u32 = 1_000;

/// From the first event to the death.
const RUN_UP: Duration = Duration::from_secs(2);

/// How long it may take from there until all is delivered again.
const LIMIT: Duration = Duration::from_secs(120);

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = spread::flows(case.flows)?;
    let start = |name| contestant.gate(name, directory.path(), &site.brokers, topics);
    let mut gates = [start("one")?, start("other")?];
    until_shared(&mut gates)?;
    let [dies, mut lives] = gates;
    site.settle(lives.pid())?;
    let downstream = downstream(site, topics, &watcher, |_| true)?;
    let source = Source::new(&site.brokers, topics, flows)?;
    let meter = Meter::start(site, lives.pid())?;
    let stop = AtomicBool::new(false);
    let (outage, sent) = thread::scope(|scope| {
        let upstream = scope.spawn(|| source.send(PER_SECOND, |_| !stop.load(Ordering::Relaxed)));
        let outage = watch(&downstream, dies.contender, &mut lives.contender, &stop);
        stop.store(true, Ordering::Relaxed);
        (outage, upstream.join())
    });
    let Outage { ages, killed, again, first } = outage?;
    let sent = sent.map_err(|_| "the upstream has panicked")??;
    until_counted(site, &delivered(topics), sent.into())
        .map_err(|why| format!("{why}:\n{}", lives.contender.last_words()))?;
    let after = |at: u64| Duration::from_micros(at.saturating_sub(killed));
    let over = again.into_iter().flatten().max().ok_or("no partition delivers again")?;
    let last = Mark { after: after(over), records: sent.into() };
    let progress = Progress { first: Mark { after: after(first), records: 1 }, last, noted: meter.read()? };
    let oldest = ages.iter().map(|age| age.millis()).fold(0.0, f64::max);
    let more = [("killed_to_all_delivered_seconds", last.after.as_secs_f64()), ("oldest_event_ms", oldest)];
    let latency = Latency::of(ages.iter().map(|age| age.millis()).collect());
    Ok(Figures { records_per_second: PER_SECOND.into(), latency, ..Figures::of(sent.into(), &progress) }.with(more))
}

/// What was seen downstream. Times are microseconds since 1970.
struct Outage {
    ages: Vec<Age>,
    killed: u64,
    /// When each partition first delivered what was sent after that, and when the first of them did.
    again: [Option<u64>; PARTITIONS as usize],
    first: u64,
}

/// Reads on; kills the one when the stream has begun; until all partitions deliver again.
fn watch(downstream: &BaseConsumer, dies: Contender, lives: &mut Contender, stop: &AtomicBool) -> Result<Outage> {
    let (began, mut dies) = (Instant::now(), Some(dies));
    let mut outage = Outage { ages: Vec::new(), killed: u64::MAX, again: [None; PARTITIONS as usize], first: 0 };
    while outage.again.contains(&None) {
        if began.elapsed() > RUN_UP
            && let Some(dies) = dies.take()
        {
            if outage.ages.is_empty() {
                return Err("nothing was delivered before the death".into());
            }
            outage.killed = now();
            dies.kill()?;
        }
        if began.elapsed() > RUN_UP + LIMIT {
            return Err(format!("not within {LIMIT:?}: all deliver again:\n{}", lives.last_words()).into());
        }
        let Some(message) = downstream.poll(Duration::from_millis(20)).transpose()? else {
            lives.check()?;
            continue;
        };
        let age = Age::of(&message)?;
        outage.ages.push(age);
        if age.sent > outage.killed {
            let at = now();
            outage.first = if outage.first == 0 { at } else { outage.first };
            outage.again[message.partition() as usize].get_or_insert(at);
        }
    }
    stop.store(true, Ordering::Relaxed);
    Ok(outage)
}

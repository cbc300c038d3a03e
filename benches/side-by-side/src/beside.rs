//! How old live events are when they can be read downstream, while the same worker has other work.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flowgate::broker::murmur2::partition_for;
use flowgate::schema::topics::Topics;
use rdkafka::consumer::BaseConsumer;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::{Figures, Latency};
use crate::fill::Upstream;
use crate::gate::Gate;
use crate::latency::PER_SECOND;
use crate::meter::{Meter, Used};
use crate::operator::resume;
use crate::outputs::{delivered, until_counted};
use crate::site::{PARTITIONS, Site};
use crate::stream::{Age, Source, downstream, now};
use crate::watch::{Progress, Watcher};
use crate::{Result, backlog, event};

/// Until the stream is in its stride, and between two spans.
const RUN_UP: Duration = Duration::from_millis(500);

/// Of nothing else.
const QUIET: Duration = Duration::from_secs(5);

const NAME: &str = "bench";

/// A flow that holds events, and live ones beside it.
pub struct Company {
    pub held: String,
    /// The held flow's partition, which it has alone: who reads all that is drained as well is too busy to say how old the others are.
    pub home: i32,
    pub live: Vec<String>,
}

impl Company {
    /// With so many live flows.
    pub fn of(live: u32) -> Self {
        let held = event::flow(0);
        let home = partition_for(held.as_bytes(), PARTITIONS);
        let elsewhere = (1..).map(event::flow).filter(|flow| partition_for(flow.as_bytes(), PARTITIONS) != home);
        let live = elsewhere.take(live as usize).collect();
        Self { held, home, live }
    }
}

/// When live events were sent, in microseconds, beside what.
struct Spans {
    rebuild: Range<u64>,
    quiet: Range<u64>,
    drain: Range<u64>,
}

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let Company { held, home, live } = Company::of(case.flows);
    let introduced = Upstream::new(&site.brokers, topics, live.clone())?.introduce(&watcher)?;
    let upstream = Upstream::new(&site.brokers, topics, vec![held.clone()])?;
    let mut waiting = backlog::write(site, topics, &watcher, upstream, case.records)?;
    waiting.upstream.commit()?;
    let start = || contestant.gate(NAME, directory.path(), &site.brokers, topics);
    let mut gate = start()?;
    let mut wanted = introduced;
    wanted[home as usize] = waiting.ends[home as usize];
    watcher.until_committed(&topics.enrollments, &wanted, &mut gate.contender)?;
    site.settle(gate.pid())?;
    let downstream = downstream(site, topics, &watcher, |partition| partition != home)?;
    let source = Source::new(&site.brokers, topics, live)?;

    gate.contender.kill()?;
    let mut gate = start()?;
    gate.until_ready()?;
    let stop = AtomicBool::new(false);
    let (spans, read, sent) = thread::scope(|scope| {
        let upstream = scope.spawn(|| source.send(PER_SECOND, |_| !stop.load(Ordering::Relaxed)));
        let executor = scope.spawn(|| read(&downstream, &stop));
        let spans = direct(site, topics, &watcher, &held, case, &mut gate);
        stop.store(true, Ordering::Relaxed);
        (spans, executor.join(), upstream.join())
    });
    let (spans, progress) = spans.map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    let sent = sent.map_err(|_| "the upstream has panicked")??;
    let ages = read.map_err(|_| "the executor has panicked")??;
    if ages.len() != sent as usize {
        return Err(format!("{} live events, not {sent}", ages.len()).into());
    }
    let all = u64::from(sent) + u64::from(case.flows) + u64::from(case.records) + 1;
    until_counted(site, &delivered(topics), all).map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;

    let of = |span| within(&ages, span);
    let seconds = |span: &Range<u64>| span.end.saturating_sub(span.start) as f64 / 1e6;
    let (quiet, rebuild, drain) = (of(&spans.quiet)?, of(&spans.rebuild)?, of(&spans.drain)?);
    let more = [
        ("rebuild_p50_ms", rebuild.p50_ms),
        ("rebuild_p99_ms", rebuild.p99_ms),
        ("rebuild_p99_to_quiet", rebuild.p99_ms / quiet.p99_ms),
        ("rebuild_seconds", seconds(&spans.rebuild)),
        ("drain_p50_ms", drain.p50_ms),
        ("drain_p99_ms", drain.p99_ms),
        ("drain_p99_to_quiet", drain.p99_ms / quiet.p99_ms),
        ("drain_seconds", seconds(&spans.drain)),
    ];
    Ok(Figures { latency: Some(quiet), ..Figures::of(case.records.into(), &progress) }.with(more))
}

/// One thing after the other, beside the stream.
fn direct(
    site: &Site,
    topics: &Topics,
    watcher: &Watcher,
    held: &str,
    case: Case,
    gate: &mut Gate,
) -> Result<(Spans, Progress<Used>)> {
    thread::sleep(RUN_UP);
    let began = now();
    gate.until_indexed(1)?;
    let rebuild = began..now();
    thread::sleep(RUN_UP);
    let began = now();
    thread::sleep(QUIET);
    let quiet = began..now();
    let home = partition_for(held.as_bytes(), PARTITIONS) as usize;
    let readable = |watcher: &Watcher| watcher.stable_ends(&topics.records).map(|ends| ends[home].unsigned_abs());
    let (before, meter) = (readable(watcher)?, Meter::start(site, gate.pid())?);
    let began = now();
    let gun = resume(site, topics, &[held.to_owned()])?;
    let (passed, wanted) = (|watcher: &Watcher| Ok(readable(watcher)? - before), u64::from(case.records) + 1);
    let mut ended = began;
    let note = || {
        ended = now();
        meter.read()
    };
    let progress = watcher.follow(gun, wanted, Duration::from_secs(1), &mut gate.contender, passed, note)?;
    Ok((Spans { rebuild, quiet, drain: began..ended }, progress))
}

/// How old the live events were that were sent within a span.
pub fn within(ages: &[Age], span: &Range<u64>) -> Result<Latency> {
    let within = ages.iter().filter(|age| span.contains(&age.sent)).map(|age| age.millis());
    Ok(Latency::of(within.collect()).ok_or("it was over before a live event came: take more records")?)
}

/// Reads on until nothing has come for a while after the end.
pub fn read(downstream: &BaseConsumer, stop: &AtomicBool) -> Result<Vec<Age>> {
    const REST: Duration = Duration::from_secs(3);
    let (mut ages, mut heard) = (Vec::new(), Instant::now());
    while !stop.load(Ordering::Relaxed) || heard.elapsed() < REST {
        match downstream.poll(Duration::from_millis(100)).transpose()? {
            Some(message) => {
                ages.push(Age::of(&message)?);
                heard = Instant::now();
            }
            None if stop.load(Ordering::Relaxed) => {}
            // The clock of the end runs from there.
            None => heard = Instant::now(),
        }
    }
    Ok(ages)
}

//! How old live events are when they can be read downstream, while callers have topics read over HTTP; and how soon HTTP
//! shows what was committed.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flowgate::broker::murmur2::partition_for;
use flowgate::schema::topics::Topics;
use rdkafka::Message as _;
use serde_json::Value;

use crate::beside::{Company, read, within};
use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::{Figures, Latency};
use crate::fill::Upstream;
use crate::gate::{Gate, Http};
use crate::latency::PER_SECOND;
use crate::meter::{Meter, Used};
use crate::operator::command;
use crate::site::{PARTITIONS, Site};
use crate::stream::{Source, downstream, now, reader};
use crate::token::Token;
use crate::watch::{Mark, Progress, Watcher};
use crate::{Result, backlog};

/// Each asks twice at once, which is as much as one caller may.
const CALLERS: [&str; 5] = ["a", "b", "c", "d", "e"];

const RUN_UP: Duration = Duration::from_millis(500);

/// Of nothing else, and of scans.
const SPAN: Duration = Duration::from_secs(15);

/// Between two changes of the flow that is followed.
const PACE: Duration = Duration::from_millis(100);

/// What the callers were told.
#[derive(Default)]
struct Asked {
    answers: AtomicU64,
    /// Told to come again.
    busy: AtomicU64,
    /// Offsets that were looked at.
    scanned: AtomicU64,
}

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    // One more, that is paused and resumed.
    let Company { held, home, mut live } = Company::of(case.flows + 1);
    let followed = live.pop().unwrap_or_default();
    let introduced = Upstream::new(&site.brokers, topics, live.clone())?.introduce(&watcher)?;
    let upstream = Upstream::new(&site.brokers, topics, vec![held.clone()])?;
    let mut waiting = backlog::write(site, topics, &watcher, upstream, case.records)?;
    waiting.upstream.commit()?;
    let program = contestant.program().ok_or("only a gate can do this")?;
    let tokens = CALLERS.iter().map(|name| Token::create(program, name)).collect::<Result<Vec<_>>>()?;
    let lines: Vec<&str> = tokens.iter().map(|token| token.line.as_str()).collect();
    let lines = lines.join(",");
    let mut gate =
        Gate::start(program, "bench", directory.path(), &site.brokers, topics, &[("FLOWGATE_HTTP_TOKENS", &lines)])?;
    let mut wanted = introduced;
    wanted[home as usize] = waiting.ends[home as usize];
    watcher.until_committed(&topics.enrollments, &wanted, &mut gate.contender)?;
    gate.until_indexed(1)?;
    site.settle(gate.pid())?;
    let downstream = downstream(site, topics, &watcher, |partition| partition != home)?;
    let source = Source::new(&site.brokers, topics, live)?;

    let (stop, asked) = (AtomicBool::new(false), Asked::default());
    let (meter, began) = (Meter::start(site, gate.pid())?, Instant::now());
    let (spans, delays, read, sent) = thread::scope(|scope| {
        let upstream = scope.spawn(|| source.send(PER_SECOND, |_| !stop.load(Ordering::Relaxed)));
        let executor = scope.spawn(|| read(&downstream, &stop));
        let follower =
            scope.spawn(|| follow(site, topics, &watcher, &gate.http().with(&tokens[0].text), &followed, &stop));
        thread::sleep(RUN_UP);
        let quiet = span(|| ());
        thread::sleep(RUN_UP);
        let scans = span(|| {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                for token in tokens.iter().flat_map(|token| [token, token]) {
                    let (gate, held, done, asked) = (gate.http().with(&token.text), &held, &done, &asked);
                    scope.spawn(move || ask(&gate, held, done, asked));
                }
                thread::sleep(SPAN);
                done.store(true, Ordering::Relaxed);
            });
        });
        stop.store(true, Ordering::Relaxed);
        ((quiet, scans), follower.join(), executor.join(), upstream.join())
    });
    let used = meter.read()?;
    gate.contender.check()?;
    let sent = sent.map_err(|_| "the upstream has panicked")??;
    let ages = read.map_err(|_| "the executor has panicked")??;
    let delays = delays.map_err(|_| "who follows a flow has panicked")??;
    if ages.len() != sent as usize {
        return Err(format!("{} live events, not {sent}", ages.len()).into());
    }
    let (quiet, scans) = (within(&ages, &spans.0)?, within(&ages, &spans.1)?);
    let shown = Latency::of(delays.clone()).ok_or("the flow that is followed has not changed")?;
    let last = Mark { after: began.elapsed(), records: sent.into() };
    let progress: Progress<Used> = Progress { first: last, last, noted: used };
    let seconds = SPAN.as_secs_f64();
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
    if count(&asked.answers) == 0.0 {
        return Err("no scan was answered".into());
    }
    let more = [
        ("scans_p50_ms", scans.p50_ms),
        ("scans_p99_ms", scans.p99_ms),
        ("scans_p99_to_quiet", scans.p99_ms / quiet.p99_ms),
        ("answers", count(&asked.answers)),
        ("told_to_come_again", count(&asked.busy)),
        ("scanned_per_second", count(&asked.scanned) / seconds),
        ("shown_after_commit_p50_ms", shown.p50_ms),
        ("shown_after_commit_p99_ms", shown.p99_ms),
        ("shown_after_commit_max_ms", delays.iter().copied().fold(0.0, f64::max)),
        ("changes_followed", delays.len() as f64),
    ];
    Ok(Figures { latency: Some(quiet), ..Figures::of(sent.into(), &progress) }.with(more))
}

/// When it was, in microseconds: as long as [`SPAN`].
fn span(work: impl FnOnce()) -> Range<u64> {
    let (began, clock) = (now(), Instant::now());
    work();
    thread::sleep(SPAN.saturating_sub(clock.elapsed()));
    // What was asked last is answered beyond the span.
    began..began + u64::try_from(SPAN.as_micros()).unwrap_or(u64::MAX)
}

/// Looks for a record that is not there, page by page, and again from the beginning.
fn ask(gate: &Http, flow: &str, done: &AtomicBool, asked: &Asked) {
    let first = format!("/api/v1/flows/{flow}/queue?record=nobody&from=oldest");
    let mut next: Option<String> = None;
    while !done.load(Ordering::Relaxed) {
        let path = next.take().map_or_else(|| first.clone(), |next| format!("{first}&after={next}"));
        match gate.get(&path) {
            Ok((200, body)) => {
                let page: Value = serde_json::from_str(&body).unwrap_or_default();
                asked.answers.fetch_add(1, Ordering::Relaxed);
                asked.scanned.fetch_add(page["scanned"].as_u64().unwrap_or_default(), Ordering::Relaxed);
                next = page["next"].as_str().map(str::to_owned);
            }
            // With Retry-After: 1.
            Ok((429 | 503, _)) => {
                asked.busy.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_secs(1));
            }
            Ok((status, body)) => eprintln!("a scan is answered with {status}: {body}"),
            Err(error) => eprintln!("a scan is not answered: {error}"),
        }
    }
}

/// Pauses and resumes a flow without events, and sees how much later HTTP shows it than a reader of its topic, in milliseconds.
fn follow(
    site: &Site,
    topics: &Topics,
    watcher: &Watcher,
    gate: &Http,
    flow: &str,
    stop: &AtomicBool,
) -> Result<Vec<f64>> {
    const LIMIT: Duration = Duration::from_secs(30);
    let home = partition_for(flow.as_bytes(), PARTITIONS);
    let states = reader(site, &topics.state, watcher, |partition| partition == home)?;
    let path = format!("/api/v1/flows/{flow}");
    let mut delays = Vec::new();
    for (action, state) in [("pause", "paused"), ("resume", "live")].into_iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let is =
            |document: &str| serde_json::from_str::<Value>(document).is_ok_and(|document| document["state"] == state);
        command(site, topics, &[flow.to_owned()], action)?;
        let began = Instant::now();
        loop {
            if began.elapsed() > LIMIT {
                return Err(format!("{flow} is not {state} after {LIMIT:?}").into());
            }
            let Some(message) = states.poll(Duration::from_millis(20)).transpose()? else { continue };
            let text = std::str::from_utf8(message.payload().unwrap_or_default()).unwrap_or_default();
            if message.key() == Some(flow.as_bytes()) && is(text) {
                break;
            }
        }
        let committed = Instant::now();
        while !gate.get(&path).is_ok_and(|(_, body)| is(&body)) {
            if committed.elapsed() > LIMIT {
                return Err(format!("HTTP does not show that {flow} is {state} after {LIMIT:?}").into());
            }
        }
        delays.push(committed.elapsed().as_secs_f64() * 1e3);
        thread::sleep(PACE);
    }
    Ok(delays)
}

//! Three instances are restarted one after the other under a steady load, as an upgrade does it; then two leave, and come again.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use flowgate::schema::topics::Topics;
use rdkafka::Message as _;
use rdkafka::consumer::BaseConsumer;

use crate::case::Case;
use crate::contestant::{Contestant, directory};
use crate::figures::{Figures, Latency};
use crate::fill::Upstream;
use crate::gate::Gate;
use crate::latency::PER_SECOND;
use crate::meter::Used;
use crate::outputs::{delivered, until_counted};
use crate::site::Site;
use crate::spread::{self, until_shared};
use crate::stream::{Age, Source, downstream, now};
use crate::watch::{Mark, Progress, Watcher};
use crate::{Result, event, usage};

const NAMES: [&str; 3] = ["one", "two", "three"];

/// Of steady load between two changes.
const REST: Duration = Duration::from_secs(5);

/// How long the last events may take when nothing changes any more.
const LIMIT: Duration = Duration::from_secs(60);

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = spread::flows(case.flows)?;
    let introduced = Upstream::new(&site.brokers, topics, flows.clone())?.introduce(&watcher)?;
    let start = |name: &str| contestant.gate(name, directory.path(), &site.brokers, topics);
    let mut gates = NAMES.iter().map(|name| start(name)).collect::<Result<Vec<_>>>()?;
    until_shared(&mut gates)?;
    watcher.until_committed(&topics.enrollments, &introduced, &mut gates[0].contender)?;
    site.settle(gates[0].pid())?;
    let downstream = downstream(site, topics, &watcher, |_| true)?;
    let source = Source::new(&site.brokers, topics, flows)?;

    let mut used = Used { own: Duration::ZERO, broker: Duration::ZERO, peak_mib: 0.0 };
    let (broker, began) = (usage::cpu(site.broker())?, now());
    let (sending, reading) = (AtomicBool::new(true), AtomicBool::new(true));
    let heard = Mutex::new(Heard { flows: case.flows, began, ..Heard::default() });
    let (silences, sent, read) = thread::scope(|scope| {
        let upstream = scope.spawn(|| source.send(PER_SECOND, |_| sending.load(Ordering::Relaxed)));
        let executor = scope.spawn(|| read(&downstream, &reading, &heard));
        let silences = direct(&start, (&mut gates, &mut used), &heard);
        sending.store(false, Ordering::Relaxed);
        let sent = upstream.join();
        if let Ok(Ok(sent)) = &sent {
            let deadline = Instant::now() + LIMIT;
            while lock(&heard).ages.len() < *sent as usize && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
        }
        reading.store(false, Ordering::Relaxed);
        (silences, sent, executor.join())
    });
    read.map_err(|_| "the executor has panicked")??;
    let Silences { steady, restarted, left, came } = silences?;
    gates.into_iter().try_for_each(|gate| stop(gate, &mut used))?;
    used.broker = usage::cpu(site.broker())?.saturating_sub(broker);
    let sent = sent.map_err(|_| "the upstream has panicked")??;
    let Heard { violations, mut ages, .. } = heard.into_inner().unwrap_or_else(PoisonError::into_inner);
    if ages.len() != sent as usize || violations > 0 {
        return Err(format!("{} of {sent} events, {violations} of them out of order or twice", ages.len()).into());
    }
    until_counted(site, &delivered(topics), u64::from(sent) + u64::from(case.flows))?;
    let last = Mark { after: Duration::from_micros(now() - began), records: sent.into() };
    let progress = Progress { first: Mark { after: Duration::ZERO, records: 0 }, last, noted: used };
    let more = [
        ("longest_silence_restarted_seconds", restarted),
        ("longest_silence_steady_seconds", steady),
        ("longest_silence_two_leave_seconds", left),
        ("longest_silence_two_come_seconds", came),
        ("events", sent.into()),
        ("out_of_order_lost_or_twice", 0.0),
    ];
    let latency = Latency::of(mem::take(&mut ages));
    Ok(Figures { records_per_second: PER_SECOND.into(), latency, ..Figures::of(sent.into(), &progress) }.with(more))
}

/// The longest time between two deliveries of one flow, in seconds.
struct Silences {
    /// While nothing changes.
    steady: f64,
    restarted: f64,
    left: f64,
    came: f64,
}

/// One change after the other, each until everything is as it was.
fn direct(
    start: &dyn Fn(&str) -> Result<Gate>,
    (gates, used): (&mut Vec<Gate>, &mut Used),
    heard: &Mutex<Heard>,
) -> Result<Silences> {
    let silence = || {
        thread::sleep(REST);
        mem::take(&mut lock(heard).longest) as f64 / 1e6
    };
    // Until everything is in its stride.
    silence();
    let steady = silence();
    let mut restarted = 0_f64;
    for name in NAMES {
        stop(gates.remove(0), used)?;
        gates.push(start(name)?);
        until_shared(gates)?;
        restarted = restarted.max(silence());
    }
    gates.drain(1..).try_for_each(|gate| stop(gate, used))?;
    until_shared(gates)?;
    let left = silence();
    for name in &NAMES[1..] {
        gates.push(start(name)?);
    }
    until_shared(gates)?;
    Ok(Silences { steady, restarted, left, came: silence() })
}

/// In good order; what it has used in its life is added.
fn stop(gate: Gate, used: &mut Used) -> Result<()> {
    used.own += usage::cpu(gate.pid())?;
    used.peak_mib = used.peak_mib.max(usage::mib(usage::peak(gate.pid())?));
    gate.contender.stop()
}

/// What was delivered.
#[derive(Default)]
struct Heard {
    flows: u32,
    /// In microseconds since 1970.
    began: u64,
    /// The number of the last event of each flow, and when it was delivered.
    last: HashMap<Vec<u8>, (u32, u64)>,
    /// Between two deliveries of one flow, in microseconds, since somebody took it.
    longest: u64,
    /// Events that did not follow the one that was sent before.
    violations: u64,
    ages: Vec<f64>,
}

impl Heard {
    /// Every flow has its events in turns, so the next number of one is known.
    fn hear(&mut self, flow: &[u8], number: u32, age: Age) {
        if age.sent < self.began {
            return;
        }
        self.ages.push(age.millis());
        let now = now();
        match self.last.get_mut(flow) {
            None => {
                self.violations += u64::from(number >= self.flows);
                self.last.insert(flow.to_vec(), (number, now));
            }
            Some((last, at)) => {
                self.violations += u64::from(number != *last + self.flows);
                self.longest = self.longest.max(now - *at);
                (*last, *at) = (number, now);
            }
        }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read(downstream: &BaseConsumer, goes_on: &AtomicBool, heard: &Mutex<Heard>) -> Result<()> {
    while goes_on.load(Ordering::Relaxed) {
        let Some(message) = downstream.poll(Duration::from_millis(20)).transpose()? else { continue };
        let number = message.payload().and_then(event::number).ok_or("an event without a number")?;
        lock(heard).hear(message.key().unwrap_or_default(), number, Age::of(&message)?);
    }
    Ok(())
}

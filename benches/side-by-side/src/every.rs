//! All flows are paused by one command under load, and then resumed with one rate for all of them together.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flowgate::clock;
use flowgate::schema::topics::Topics;

use crate::case::Case;
use crate::cli::{Cli, Stored};
use crate::contestant::{Contestant, directory};
use crate::deliveries::{Fates, judge, read};
use crate::figures::Figures;
use crate::fill::Upstream;
use crate::gate::Gate;
use crate::meter::{Meter, Used};
use crate::site::Site;
use crate::stream::{Source, downstream, now};
use crate::told::{Audit, Told};
use crate::transactions::check_states;
use crate::watch::{Mark, Progress, Watcher};
use crate::{Result, event, shares};

const PER_SECOND: u32 = 5_000;

/// From the first event of the load to the pause.
const RUN_UP: Duration = Duration::from_secs(2);

/// Records a second, of all drains together.
const RATE: u32 = 500;

/// How long nothing may come while flows drain.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is done to the gate, beside the load and who reads what is delivered.
struct Course<'a> {
    cli: Cli<'a>,
    watcher: &'a Watcher,
    case: Case,
    /// Events of the load, so far.
    sent: AtomicU32,
    /// As many are to be sent.
    wanted: AtomicU32,
    delivered: AtomicU32,
}

struct Paused {
    stored: Stored,
    told: Told,
    used: Used,
}

struct Resumed {
    /// Where the delivered records ended before.
    from: Vec<i64>,
    stored: Stored,
    /// Until all commands were answered.
    answered: Duration,
    used: Used,
}

pub fn measure(site: &Site, case: Case, contestant: &Contestant, topics: &Topics) -> Result<Figures> {
    let directory = directory()?;
    let watcher = Watcher::new(&site.brokers, &topics.group)?;
    let flows = event::flows(case.flows);
    let introduced = Upstream::new(&site.brokers, topics, flows.clone())?.introduce(&watcher)?;
    let mut gate = contestant.gate("bench", directory.path(), &site.brokers, topics)?;
    watcher.until_committed(&topics.enrollments, &introduced, &mut gate.contender)?;
    gate.until("all flows are known", Duration::from_secs(10), |now| {
        Ok(now.get(r#"flowgate_flows{state="live"}"#)? == f64::from(case.flows))
    })?;
    site.settle(gate.pid())?;

    let program = contestant.program().ok_or("only a gate can do this")?;
    let cli = Cli { program, directory: directory.path(), site, topics };
    let (sent, wanted, delivered) = (AtomicU32::new(0), AtomicU32::new(u32::MAX), AtomicU32::new(0));
    let course = Course { cli, watcher: &watcher, case, sent, wanted, delivered };
    let executor = downstream(site, topics, &watcher, |_| true)?;
    let source = Source::new(&site.brokers, topics, uneven(&flows))?;
    let (began, stop) = (now(), AtomicBool::new(false));
    let (done, deliveries) = thread::scope(|scope| {
        let executor = scope.spawn(|| read(&executor, began, &course.delivered, &stop));
        let done = course.run(&source, &mut gate);
        stop.store(true, Ordering::Relaxed);
        (done, executor.join())
    });
    let (paused, resumed) = done.map_err(|why| format!("{why}:\n{}", gate.contender.last_words()))?;
    let deliveries = deliveries.map_err(|_| "the executor has panicked")??;
    paused.told.runs.check(&topics.audit)?;
    check_states(site, topics, paused.stored, case.flows)?;
    let fates = judge(site, topics, began, &deliveries, &paused.told.positions, &resumed.from)?;
    if fates.violations > 0 {
        return Err(format!("the pause was not total: {} violations", fates.violations).into());
    }
    gate.until_all_is_live()?;
    figures(&paused, &resumed, &fates)
}

/// Flows have one, two or three events in turn: they hold unequal numbers of them.
fn uneven(flows: &[String]) -> Vec<String> {
    let of_turn = |turn| flows.iter().enumerate().filter(move |(at, _)| at % 3 >= turn);
    (0..3).flat_map(of_turn).map(|(_, flow)| flow.clone()).collect()
}

impl Course<'_> {
    fn run(&self, source: &Source, gate: &mut Gate) -> Result<(Paused, Resumed)> {
        let paused = self.pause(source, gate)?;
        self.cli.site.settle(gate.pid())?;
        let resumed = self.resume(gate)?;
        Ok((paused, resumed))
    }

    /// Pauses all flows under the load, which goes on for so many events from there on; until those are held.
    fn pause(&self, source: &Source, gate: &mut Gate) -> Result<Paused> {
        let Cli { site, topics, .. } = self.cli;
        let (audit, meter) = (Audit::listen(site, topics, self.watcher)?, Meter::start(site, gate.pid())?);
        let (done, stored, sent) = thread::scope(|scope| {
            let upstream = scope.spawn(|| {
                source.send(PER_SECOND, |number| {
                    self.sent.store(number, Ordering::Relaxed);
                    number < self.wanted.load(Ordering::Relaxed)
                })
            });
            thread::sleep(RUN_UP);
            self.wanted.store(self.sent.load(Ordering::Relaxed) + self.case.records, Ordering::Relaxed);
            let operator = scope.spawn(|| self.cli.order(&["pause", "--all"]));
            let told = audit.until_paused(self.case.flows, &mut gate.contender);
            (told, operator.join(), upstream.join())
        });
        sent.map_err(|_| "the upstream has panicked")??;
        // Why a command is not answered is best told by who has sent it.
        let stored = stored.map_err(|_| "the operator has panicked")??;
        let told = done?;
        let ends = self.watcher.ends(&topics.enrollments)?;
        self.watcher.until_committed(&topics.enrollments, &ends, &mut gate.contender)?;
        Ok(Paused { stored, told, used: meter.read()? })
    }

    /// Resumes them, and waits until all is delivered.
    fn resume(&self, gate: &mut Gate) -> Result<Resumed> {
        let Cli { site, topics, .. } = self.cli;
        let from = self.watcher.stable_ends(&topics.records)?;
        let meter = Meter::start(site, gate.pid())?;
        thread::scope(|scope| {
            let operator = scope.spawn(|| {
                let stored = self.cli.order(&["resume", "--all", "--rate", &RATE.to_string()])?;
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>((stored, clock::now()))
            });
            let used = self.until_delivered(gate, &meter);
            let (stored, ended) = operator.join().map_err(|_| "the operator has panicked")??;
            Ok(Resumed { from, stored, answered: ended.since(stored.at), used: used? })
        })
    }

    fn until_delivered(&self, gate: &mut Gate, meter: &Meter) -> Result<Used> {
        let (mut before, mut changed) = (0, Instant::now());
        loop {
            let (delivered, wanted) = (self.delivered.load(Ordering::Relaxed), self.wanted.load(Ordering::Relaxed));
            if delivered >= wanted {
                return meter.read();
            }
            if delivered != before {
                (before, changed) = (delivered, Instant::now());
            }
            if changed.elapsed() > PATIENCE {
                return Err(format!("{delivered} of {wanted} events are delivered, and no more").into());
            }
            gate.contender.check()?;
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Records and seconds are those of the drain.
fn figures(paused: &Paused, resumed: &Resumed, fates: &Fates) -> Result<Figures> {
    let since = u64::try_from(resumed.stored.at.0)? * 1000;
    let times = || fates.held.values().flatten().map(|at| Duration::from_micros(at.saturating_sub(since)));
    let held = u64::try_from(times().count())?;
    let (first, last) = times().min().zip(times().max()).ok_or("nothing was held")?;
    let (first, last) = (Mark { after: first, records: 1 }, Mark { after: last, records: held });
    let drain = Figures::of(held, &Progress { first, last, noted: resumed.used });
    let more = [
        ("pause_applied_seconds", paused.told.applied.since(paused.stored.at).as_secs_f64()),
        ("pause_answered_seconds", paused.told.answered.since(paused.stored.at).as_secs_f64()),
        ("violations", fates.violations as f64),
        ("events_before_the_pause", fates.before as f64),
        ("events_held", held as f64),
        ("pause_and_hold_cpu_seconds", paused.used.own.as_secs_f64()),
        ("pause_and_hold_peak_mib", paused.used.peak_mib),
        ("drain_peak_mib", resumed.used.peak_mib),
        ("resume_answered_seconds", resumed.answered.as_secs_f64()),
        ("drain_seconds", drain.seconds),
    ];
    let shares = shares::of(&fates.held, since, RATE)?;
    Ok(Figures { peak_mib: paused.used.peak_mib.max(resumed.used.peak_mib), ..drain }.with(more).with(shares))
}

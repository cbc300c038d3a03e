//! One schedule from its beginning to the checker's word.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::ValueEnum as _;
use flowgate::flow::Expect;
use flowgate::mutant::Mutant;
use flowgate_checker::{Circumstances, Retention, Sums};
use serde_json::Value;

use crate::counted::Counted;
use crate::generate::PHASES;
use crate::oracle::Verdict;
use crate::plan::{Kind, NOISE, Op, Plan};
use crate::trace::Trace;
use crate::world::World;
use crate::{generate, oracle};

/// What went well, in figures.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub seeds: u64,
    pub events: u64,
    pub commands: u64,
    pub deliveries: u64,
    /// Deliveries that the list model accounts for.
    pub compared: u64,
    pub faults: BTreeMap<Kind, u64>,
    pub counted: Counted,
    pub sums: Sums,
}

/// How a schedule ended.
pub struct Outcome {
    /// What went wrong.
    pub result: Result<Figures, String>,
    /// Empty unless asked for.
    pub trace: String,
}

/// Runs a schedule.
#[must_use]
pub fn run(plan: &Plan, trace: Trace) -> Outcome {
    let mut world = match World::new(plan, trace) {
        Ok(world) => world,
        Err(why) => return Outcome { result: Err(why), trace: String::new() },
    };
    let result = catch_unwind(AssertUnwindSafe(|| play(&mut world, plan)));
    let result = result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    });
    if let Err(why) = &result {
        world.trace.line(&format!("RED: {why}"));
    }
    Outcome { result, trace: world.trace.text().to_owned() }
}

/// Runs the schedule of a seed.
///
/// # Errors
/// What went wrong.
pub fn seed(seed: u64) -> Result<Figures, String> {
    run(&generate::plan(seed), Trace::default()).result
}

/// Does some work for every number from `from` on, on so many threads, until it breaks off or, if there is a limit, before
/// that.
pub fn each(from: u64, limit: Option<u64>, threads: usize, work: impl Fn(u64) -> ControlFlow<()> + Sync) {
    let (next, over) = (AtomicU64::new(from), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if limit.is_some_and(|limit| number >= limit) {
                        return;
                    }
                    if work(number).is_break() {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
}

/// Runs a schedule with the gate broken on purpose; release builds cannot, and run it whole.
#[must_use]
pub fn broken(plan: &Plan, mutant: Option<Mutant>, trace: Trace) -> Outcome {
    #[cfg(debug_assertions)]
    flowgate::mutant::choose(mutant);
    #[cfg(not(debug_assertions))]
    let _ = mutant;
    let outcome = run(plan, trace);
    #[cfg(debug_assertions)]
    flowgate::mutant::choose(None);
    outcome
}

/// The first of these seeds that finds a mutant.
#[must_use]
pub fn find(mutant: Mutant, seeds: std::ops::Range<u64>) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| {
        let outcome = broken(&generate::plan(seed), Some(mutant), Trace::default());
        outcome.result.err().map(|why| (seed, why))
    })
}

fn play(world: &mut World, plan: &Plan) -> Result<Figures, String> {
    world.trace.line(&format!("seed {}: {:?}", plan.seed, plan.shape));
    for (index, op) in plan.ops.iter().enumerate() {
        if world.trace.is_on() {
            let now = world.memory.now();
            world.trace.line(&format!("{index:4} {now} {op}"));
        }
        world.apply(op)?;
    }
    world.trace.line("everything heals");
    world.settle_for_good()?;
    let mut log = world.archive.log(&world.memory, &world.topics)?;
    log.deleted = world.deleted.clone();
    log.never_too_large = plan.shape.records_bytes.map(|_| NOISE);
    tell(world, &log);
    told(world, &log);
    let generations = world.memory.generation(&world.topics.group);
    world.counted.rebalances = u64::try_from(generations - 1).unwrap_or(0);
    let verdict = oracle::judge(&log, circumstances(plan, world)?, &world.downs)?;
    Ok(figures(world, &verdict))
}

/// What the topics do not tell.
fn circumstances(plan: &Plan, world: &World) -> Result<Circumstances, String> {
    let ahead =
        plan.ops.iter().filter_map(|op| if let Op::Clock { ahead, .. } = op { Some(ahead.abs()) } else { None });
    let clock_off_ms = ahead.max().unwrap_or_default();
    let changed = plan.ops.iter().filter_map(|op| if let Op::MaxPause(seconds) = op { Some(*seconds) } else { None });
    let limits: Vec<u64> = changed.chain([plan.shape.max_pause]).collect();
    let ms = |seconds: Option<&u64>| seconds.and_then(|of| i64::try_from(*of).ok()).unwrap_or(i64::MAX / 1000) * 1000;
    Ok(Circumstances {
        // A gate that is off by more than the allowed minute decides nothing about a deadline.
        clocks_apart_ms: 2 * clock_off_ms.min(61_000),
        clock_off_ms,
        turn_ms: i64::try_from(world.longest_turn.as_millis()).unwrap_or(i64::MAX),
        max_pause_ms: ms(limits.iter().max()),
        least_max_pause_ms: ms(limits.iter().min()),
        retention: Some(Retention {
            records_ms: world.retention(&world.topics.records)?,
            enrollments_ms: world.retention(&world.topics.enrollments)?,
        }),
        every_state: true,
    })
}

/// Counts what only the topics tell.
fn told(world: &mut World, log: &flowgate_checker::Log) {
    let read = |record: &flowgate_checker::Record| serde_json::from_slice::<Value>(record.value.as_deref()?).ok();
    let counted = &mut world.counted;
    counted.thrown_out = world.memory.thrown_out(&world.topics.group);
    let orders: Vec<Value> = log.control.iter().filter_map(read).collect();
    let ids = |of: &dyn Fn(&Value) -> bool| -> HashSet<String> {
        orders.iter().filter(|order| of(order)).map(|order| order["command_id"].to_string()).collect()
    };
    let named = ids(&|order| order["record_ids"].is_array());
    let every = ids(&|order| order["flow_id"] == "*");
    // Its command came before.
    let waits_for_it = |event: &Value| event["command_offset"].as_i64() < event["position"]["control"].as_i64();
    for event in log.audit.iter().filter_map(read) {
        let is_every = every.contains(&event["command"]["command_id"].to_string()) && event["outcome"] == "applied";
        counted.every[usize::from(event["command"]["action"] == "resume")] += u64::from(is_every);
        let unpassed = event["position"]["watermark"].as_u64() < event["position"]["entry"].as_u64();
        counted.capped += u64::from(event["transition"] == "updated" && event["command_offset"].is_null());
        counted.redirected += u64::from(event["transition"] == "redirected" && unpassed);
        let some = event["count"]["enroll"].as_u64() > Some(0) || event["count"]["advance"].as_u64() > Some(0);
        match event["transition"].as_str() {
            Some("purged") => {
                counted.purges[0] += u64::from(some);
                // One that nothing came into ends by itself in its pause.
                counted.purges[1] += u64::from(!event["command_offset"].is_null());
            }
            Some("paused") if waits_for_it(&event) => counted.by_default += 1,
            Some("sampled") if named.contains(&event["command_id"].to_string()) => {
                counted.named[usize::from(!event["command_offset"].is_null())] += u64::from(some);
            }
            Some("sampled") => {
                counted.samples[0] += u64::from(some);
                counted.samples[1] += u64::from(!event["command_offset"].is_null());
            }
            Some("loss_accepted") => counted.accepted += u64::from(some),
            Some("forgotten") => counted.forgotten += 1,
            Some("expiring") => counted.warnings[usize::from(event["within_seconds"] == 3_600)] += 1,
            _ => {}
        }
        let changed = event["detail"].as_str().is_some_and(|detail| detail.starts_with(Expect::CHANGED));
        counted.changed_meanwhile += u64::from(changed);
    }
    counted.divided +=
        log.state.iter().filter_map(read).filter(|state| state["every_under_way"].is_object()).count() as u64;
    for drain in log.state.iter().filter_map(read).map(|state| state["drain"].clone()) {
        let limited = u64::from(drain["max_rate"].is_number());
        counted.limited[usize::from(drain["cause"] == "timer")] += limited;
    }
}

/// Every record there is at the end.
fn tell(world: &mut World, log: &flowgate_checker::Log) {
    if !world.trace.is_on() {
        return;
    }
    let topics = [
        ("enrollments", &log.enrollments),
        ("control", &log.control),
        ("records", &log.records),
        ("discarded", &log.discarded),
        ("dead-letters", &log.dead_letters),
        ("state", &log.state),
        ("audit", &log.audit),
    ];
    for (name, records) in topics {
        for record in records {
            let value = record.value.as_deref().map(String::from_utf8_lossy);
            let headers: Vec<String> = record
                .headers
                .iter()
                .map(|(name, value)| {
                    let value = value.as_deref().map(String::from_utf8_lossy);
                    format!("{}={}", String::from_utf8_lossy(name), value.unwrap_or_default())
                })
                .collect();
            let line = format!(
                "{name}/{}/{} @{} {} {}",
                record.partition,
                record.offset,
                record.timestamp_ms,
                value.unwrap_or_default(),
                headers.join(" ")
            );
            world.trace.line(&line);
        }
    }
}

fn figures(world: &World, verdict: &Verdict) -> Figures {
    let report = &verdict.report;
    let mut figures = Figures {
        seeds: 1,
        events: report.events,
        commands: report.commands.read,
        deliveries: verdict.deliveries,
        compared: verdict.compared,
        faults: world.faults.fired(),
        counted: world.counted.clone(),
        sums: Sums::default(),
    };
    report.flows.values().for_each(|sums| figures.sums += sums);
    figures
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.events += other.events;
        self.commands += other.commands;
        self.deliveries += other.deliveries;
        self.compared += other.compared;
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_default() += count;
        }
        self.counted.add(&other.counted);
        self.sums += &other.sums;
    }

    /// Kinds of faults that never happened.
    #[must_use]
    pub fn never(&self) -> Vec<String> {
        let faults = Kind::value_variants().iter().filter(|kind| !self.faults.contains_key(kind));
        let mut never: Vec<String> = faults.map(|kind| format!("{kind:?}")).collect();
        // A phase that the worker has and no schedule knows would not be missed below.
        let Counted { crashes, freezes, .. } = &self.counted;
        let phases = PHASES.iter().chain(crashes.keys()).filter(|phase| **phase != "left");
        for phase in phases.collect::<BTreeSet<_>>() {
            let missed = |what: &str| format!("{what} before `{phase}`");
            never.extend((!PHASES.contains(phase)).then(|| missed("on purpose: a stop")));
            never.extend((!crashes.contains_key(phase)).then(|| missed("crash")));
            never.extend((!freezes.contains_key(phase)).then(|| missed("freeze")));
        }
        never.extend(self.counted.never().into_iter().map(str::to_owned));
        never
    }
}

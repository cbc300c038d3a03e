//! Chaos on real Kafka: three nodes, two gates behind a proxy, events and commands that never stop, and faults at random
//! moments, one after another. At the end all is healed, and the independent checker has the last word.
//!
//! `CHAOS=long cargo test --test chaos` is the long run; `CHAOS_SEED` gives a printed seed again.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[path = "support/alter.rs"]
mod alter;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/company.rs"]
mod company;
#[path = "chaos/fleet.rs"]
mod fleet;
#[path = "chaos/inject.rs"]
mod inject;
#[path = "chaos/load.rs"]
mod load;
#[path = "chaos/network.rs"]
mod network;
#[path = "chaos/orders.rs"]
mod orders;
#[path = "chaos/plan.rs"]
mod plan;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/process.rs"]
mod process;
#[path = "chaos/processes.rs"]
mod processes;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/prometheus.rs"]
mod prometheus;
#[path = "chaos/proxy.rs"]
mod proxy;
#[path = "chaos/queues.rs"]
mod queues;
#[path = "support/say.rs"]
mod say;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/kafka.rs"]
mod server;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/upstream.rs"]
mod upstream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum as _;
use company::{Company, Dice};
use flowgate_checker::{Circumstances, Log, Report, Retention};
use inject::Chaos;
use load::Load;
use plan::{Plan, Tallies};
use proxy::Proxy;
use say::say;
use server::cluster::KafkaCluster;

const PARTITIONS: u32 = 6;

/// How long anything may take until all is well again.
const PATIENCE: Duration = Duration::from_secs(180);

const DAY_MS: i64 = 24 * 3_600_000;

/// One machine has one clock; cap and retention are the defaults. Readers see little while brokers are down, and the
/// cleaner may have been there.
const CIRCUMSTANCES: Circumstances = Circumstances {
    clocks_apart_ms: 0,
    clock_off_ms: 0,
    turn_ms: 120_000,
    max_pause_ms: 14 * DAY_MS,
    least_max_pause_ms: 14 * DAY_MS,
    retention: Some(Retention { records_ms: Some(30 * DAY_MS), enrollments_ms: Some(7 * DAY_MS) }),
    every_state: false,
};

/// Goal: every promise that the topics can show, under every fault there is. Method: as above; each fault counts only if it
/// really happened, and one that never did fails the test.
#[test]
fn chaos() {
    let began = Instant::now();
    let plan = Plan::from_environment();
    say(&format!("chaos: {plan:?}; the same again: CHAOS_SEED={}", plan.seed));
    let proxy = Arc::new(Proxy::start());
    let cluster = Arc::new(KafkaCluster::start(proxy.ports()));
    proxy.forward_to(std::array::from_fn(|node| cluster.gates_port(node)));
    let company = Arc::new(Company::on(&cluster.brokers(), &proxy.brokers(), "chaos", PARTITIONS, 3));
    let mut chaos = Chaos::new(&company, Arc::clone(&cluster), proxy, Dice::of(plan.seed));
    let load = Load::start(&company, PARTITIONS, plan.events_a_second, plan.seed.wrapping_add(2));
    chaos.run(&plan);
    let commands = chaos.settle(load, plan.events);
    let (tallies, deleted, ended) = chaos.stop();
    let log = Log { deleted, ..company.log_at_rest() };
    drop(cluster);
    let report = flowgate_checker::check(&log);
    let replay = flowgate_checker::replay(&log);
    let broken = flowgate_checker::promises(&log, CIRCUMSTANCES);
    let anomalies = report.anomalies.iter().chain(&broken).map(ToString::to_string);
    let differences = replay.differences.iter().map(|of| format!("the list says: {of}"));
    let anomalies: Vec<String> = anomalies.chain(differences).collect();
    let applied = orders::applied(&log);
    tell(&tallies, &report, anomalies.len());
    say(&format!("chaos: orders applied: {applied:?}"));
    say(&format!(
        "chaos: seed {}, {} events, {} of {} deliveries compared with the list ({:.1} %), {commands} commands ({} of them \
         answered as repeated), {} faults, {} anomalies, {} flows whose held events were deleted, gates that \
         ended by themselves, by exit code: {ended:?}, {:.0} s",
        plan.seed,
        report.events,
        replay.compared,
        replay.deliveries,
        100.0 * replay.share(),
        report.commands.repeated,
        tallies.values().map(|tally| tally.happened).sum::<u32>(),
        anomalies.len(),
        log.deleted.len(),
        began.elapsed().as_secs_f64()
    ));
    let first: Vec<&String> = anomalies.iter().take(20).collect();
    assert!(anomalies.is_empty(), "seed {}: {first:#?}{}", plan.seed, company.logs());
    let open = report.flows.iter().filter(|(_, sums)| !sums.closes());
    assert_eq!(open.map(|(flow, _)| flow).collect::<Vec<_>>(), Vec::<&String>::new(), "sums that do not close");
    assert!(replay.share() >= 0.9, "{} of {} deliveries compared", replay.compared, replay.deliveries);
    assert!(report.events >= plan.events, "{} events", report.events);
    assert!(report.commands.repeated > 0, "{:?}", report.commands);
    if std::env::var("CHAOS_ONLY").is_err() {
        for fault in plan::Fault::value_variants() {
            let happened = tallies.get(fault).map_or(0, |tally| tally.happened);
            assert!(happened >= plan.times, "{fault}: {happened} times, wanted {}", plan.times);
        }
        let missing: Vec<_> = orders::WANTED.iter().filter(|order| !applied.contains_key(**order)).collect();
        assert!(missing.is_empty(), "never applied: {missing:?}");
    }
}

fn tell(tallies: &Tallies, report: &Report, anomalies: usize) {
    for (fault, tally) in tallies {
        say(&format!(
            "fault: {fault}: {} times ({} tries), events went on within {:.1} s; {} events compared, {anomalies} anomalies",
            tally.happened,
            tally.tried,
            tally.recovery.max(Duration::from_millis(50)).as_secs_f64(),
            report.events
        ));
    }
}

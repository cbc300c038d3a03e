//! The proof that runs with every change: ten thousand schedules, every mutant, and the same seed twice in two processes.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Mutex;

use flowgate::mutant::Mutant;
use flowgate_simulator::run::{Figures, find, seed};
use flowgate_simulator::shrink::{part, shrink};
use flowgate_simulator::trace::Trace;
use flowgate_simulator::{generate, run};
use say::say;

#[path = "../../tests/support/say.rs"]
mod say;

const SEEDS: u64 = 10_000;

const THREADS: usize = 2;

/// Goal: whatever happens in whatever order, both oracles agree with the gate. A fault that never happened makes it red.
#[test]
fn ten_thousand_seeds() {
    let total = Mutex::new(Figures::default());
    run::each(0, Some(SEEDS), THREADS, |number| match seed(number) {
        Ok(figures) => {
            total.lock().unwrap().add(&figures);
            ControlFlow::Continue(())
        }
        Err(why) => {
            let kept = shrink(&generate::plan(number), 1_000);
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            let replay = format!("cargo run -p flowgate-simulator -- replay {number}");
            panic!("seed {number}: {why}\nread it with: {replay}\nand made small: {replay} --ops {}", list.join(","))
        }
    });
    let total = total.into_inner().unwrap();
    for (kind, count) in &total.faults {
        say(&format!("simulator fault: {kind:?}: {count} times"));
    }
    say(&format!("simulator: {:?}", total.counted));
    let share = 100.0 * total.compared as f64 / total.deliveries as f64;
    say(&format!(
        "simulator: {} seeds, {} events, {} commands, {} deliveries, {share:.1} % of them compared with the list, 0 anomalies",
        total.seeds, total.events, total.commands, total.deliveries
    ));
    assert!(share >= 90.0, "{share}");
    assert_eq!(total.never(), Vec::<String>::new(), "faults that never happened");
    let sums = total.sums;
    let fates = [sums.turned_away, sums.released, sums.replaced, sums.removed].map(|of| of.total());
    let others = [sums.delivered_live, sums.dead, sums.rerouted, sums.withdraws];
    assert!(fates.into_iter().chain(others).all(|of| of > 1_000), "every fate, many times: {sums:?}");
}

/// Breakages that no schedule shows. Its events end: `tests/gate/hot.rs` finds that a drain does not end while events of its
/// flow fill every turn. And a process that wakes up beside its successor takes too few steps in a row: `tests/gate/places.rs`
/// finds that it makes a producer without having been on trial.
const OTHERS_FIND: [Mutant; 2] = [Mutant::DrainDoesNotOutrunItsFlow, Mutant::NoTrialWithoutAProducer];

/// Goal: every deliberate breakage is found within as many seeds as are run with every change.
#[test]
fn every_mutant_is_found() {
    let found = Mutex::new(BTreeMap::new());
    let mutants: Vec<Mutant> = Mutant::ALL.iter().copied().filter(|of| !OTHERS_FIND.contains(of)).collect();
    run::each(0, Some(mutants.len() as u64), THREADS, |number| {
        let mutant = mutants[number as usize];
        let seed = find(mutant, 0..SEEDS);
        found.lock().unwrap().insert(mutant, seed);
        ControlFlow::Continue(())
    });
    let found = found.into_inner().unwrap();
    for (mutant, seed) in &found {
        let (seed, why) =
            seed.as_ref().map_or(("MISSED".to_owned(), ""), |(seed, why)| (seed.to_string(), why.as_str()));
        let why: String = why.lines().next().unwrap_or_default().chars().take(110).collect();
        say(&format!("mutant {:44} seed {seed:>6}  {why}", format!("{mutant:?}")));
    }
    let missed: Vec<_> = found.iter().filter(|(_, seed)| seed.is_none()).map(|(mutant, _)| mutant).collect();
    assert!(missed.is_empty(), "not found within {SEEDS} seeds: {missed:?}");
}

/// Goal: what a slow broker shows is seldom found by other means. Method: the same schedules on a broker that shows
/// everything at once.
#[test]
fn timers_before_commands_take_a_slow_broker_to_be_seen() {
    let broken = |slow: bool, number: u64| {
        let mut plan = generate::plan(number);
        if !slow {
            plan.shape.lag.records = 0;
        }
        run::broken(&plan, Some(Mutant::TimersBeforeCommandsThatWaited), Trace::default()).result.is_err()
    };
    let found: Vec<u64> = (0..300).filter(|number| broken(true, *number)).collect();
    let at_once = found.iter().filter(|number| broken(false, **number)).count();
    assert!(found.len() > 8 * at_once, "{at_once} of {found:?}");
}

/// Goal: a seed is a run, byte for byte, in whatever process. Method: the whole trace, with every record in every topic.
#[test]
fn a_seed_is_the_same_in_every_process() {
    let told = |seed: u64| {
        let program = env!("CARGO_BIN_EXE_flowgate-simulator");
        Command::new(program).args(["replay", &seed.to_string()]).output().unwrap().stdout
    };
    for number in [3, 17, 29] {
        let first = told(number);
        let own = run::run(&generate::plan(number), Trace::on()).trace;
        assert!(first.len() > 10_000, "it tells something");
        assert!(first == told(number) && first == own.into_bytes(), "seed {number}");
    }
}

/// Goal: a failing schedule becomes one that can be read.
#[test]
fn a_failing_seed_is_made_small() {
    let (number, _) = find(Mutant::BadInputSkipped, 0..100).unwrap();
    let plan = generate::plan(number);
    flowgate::mutant::choose(Some(Mutant::BadInputSkipped));
    let kept = shrink(&plan, 2_000);
    let still = run::run(&part(&plan, &kept), Trace::default()).result;
    flowgate::mutant::choose(None);
    assert!(still.is_err());
    assert!(kept.len() <= 5, "{} of {} operations: {kept:?}", kept.len(), plan.ops.len());
}

//! `flowgate-simulator`: seeds without end, or one of them told in full.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use flowgate::mutant::Mutant;
use flowgate_simulator::generate;
use flowgate_simulator::run::{self, Figures};
use flowgate_simulator::shrink::{part, shrink};
use flowgate_simulator::trace::Trace;

/// Runs the production worker through schedules that seeds decide
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one seed after another, from any of them on; ends at the first red one
    Run {
        /// The first seed
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many; for ever unless given
        #[arg(long)]
        seeds: Option<u64>,
        #[arg(long, default_value_t = 2)]
        threads: usize,
        /// Go on behind a red seed, and name all of them at the end
        #[arg(long)]
        keep_going: bool,
    },
    /// Tell what happens in one seed
    Replay {
        seed: u64,
        /// Only these operations of it, such as 0,1,17
        #[arg(long, value_delimiter = ',')]
        ops: Vec<usize>,
        /// With the gate broken on purpose
        #[arg(long, value_parser = mutant())]
        mutant: Option<Mutant>,
    },
    /// Break the gate on purpose, in every way there is, and say which seed finds it
    Mutants {
        /// Seeds to try
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        #[arg(long, value_parser = mutant())]
        only: Option<Mutant>,
    },
    /// Make a red seed small
    Shrink {
        seed: u64,
        /// Schedules to try
        #[arg(long, default_value_t = 2_000)]
        tries: u32,
    },
}

/// A mutant by its name.
fn mutant() -> impl TypedValueParser<Value = Mutant> {
    let value = |of: &Mutant| match of.about().trim_end_matches('.') {
        "" => PossibleValue::new(of.name()),
        about => PossibleValue::new(of.name()).help(about),
    };
    let named =
        |name: String| Mutant::ALL.iter().copied().find(|of| of.name() == name).ok_or("there is no such mutant");
    PossibleValuesParser::new(Mutant::ALL.iter().map(value)).try_map(named)
}

/// How a seed is read, from the folder of the project.
const REPLAY: &str = "cargo run -p flowgate-simulator -- replay";

/// Schedules tried to make a red one small.
const TRIES: u32 = 2_000;

fn main() -> ExitCode {
    // A panic of a schedule is its outcome; where it happened is part of it.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    match Cli::parse().command {
        Command::Run { from, seeds, threads, keep_going } => run_seeds(from, seeds, threads, keep_going),
        Command::Replay { seed, ops, mutant } => replay(seed, &ops, mutant),
        Command::Mutants { seeds, only } => mutants(seeds, only),
        Command::Shrink { seed, tries } => {
            let plan = generate::plan(seed);
            let kept = shrink(&plan, tries);
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            println!("{} of {} operations are left:", kept.len(), plan.ops.len());
            replay(seed, &kept, None);
            println!("replay it with: {REPLAY} {seed} --ops {}", list.join(","));
            ExitCode::SUCCESS
        }
    }
}

fn mutants(seeds: u64, only: Option<Mutant>) -> ExitCode {
    let mut missed = 0;
    for &mutant in Mutant::ALL {
        let name = mutant.name();
        if only.is_some_and(|only| only != mutant) {
            continue;
        }
        match run::find(mutant, 0..seeds) {
            Some((seed, why)) => println!("{name:44} seed {seed:5}  {}", why.lines().next().unwrap_or_default()),
            None => {
                missed += 1;
                println!("{name:44} MISSED");
            }
        }
    }
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64, ops: &[usize], mutant: Option<Mutant>) -> ExitCode {
    let plan = generate::plan(seed);
    let plan = if ops.is_empty() { plan } else { part(&plan, ops) };
    let outcome = run::broken(&plan, mutant, Trace::on());
    print!("{}", outcome.trace);
    if outcome.result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_seeds(from: u64, seeds: Option<u64>, threads: usize, keep_going: bool) -> ExitCode {
    const TELL: Duration = Duration::from_secs(10);
    let began = Instant::now();
    let total = Mutex::new((Figures::default(), began));
    let red = Mutex::new(BTreeMap::new());
    run::each(from, seeds.map(|seeds| from + seeds), threads, |seed| match run::seed(seed) {
        Ok(figures) => {
            let (total, told) = &mut *lock(&total);
            total.add(&figures);
            if told.elapsed() >= TELL {
                *told = Instant::now();
                eprintln!("{:?}: {} seeds, {} events", began.elapsed(), total.seeds, total.events);
            }
            ControlFlow::Continue(())
        }
        Err(why) => {
            eprintln!("RED seed {seed}: {why}");
            lock(&red).insert(seed, why);
            if keep_going { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        }
    });
    println!("{:?}", lock(&total).0);
    let red = lock(&red);
    if keep_going {
        println!("{} red seeds: {:?}", red.len(), red.keys().collect::<Vec<_>>());
    }
    match red.first_key_value() {
        None => ExitCode::SUCCESS,
        Some((seed, why)) => {
            println!("RED seed {seed}: {why}\nread it with: {REPLAY} {seed}");
            let kept = shrink(&generate::plan(*seed), TRIES);
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            println!("and what is left of it when it is made small: {REPLAY} {seed} --ops {}", list.join(","));
            ExitCode::FAILURE
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

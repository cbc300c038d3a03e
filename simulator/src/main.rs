//! `flowgate-simulator`: seeds without end, or one of them told in full.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

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
    /// Run one seed after another; ends at the first red one
    Run {
        /// The first seed
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many; for ever unless given
        #[arg(long)]
        seeds: Option<u64>,
        #[arg(long, default_value_t = 2)]
        threads: u64,
    },
    /// Tell what happens in one seed
    Replay {
        seed: u64,
        /// Only these operations of it, such as 0,1,17
        #[arg(long, value_delimiter = ',')]
        ops: Vec<usize>,
        /// With the gate broken on purpose
        #[arg(long, value_parser = mutant)]
        mutant: Option<Mutant>,
    },
    /// Break the gate on purpose, in every way there is, and say which seed finds it
    Mutants {
        /// Seeds to try
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        #[arg(long, value_parser = mutant)]
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

fn main() -> ExitCode {
    // A panic of a schedule is its outcome; where it happened is part of it.
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    match Cli::parse().command {
        Command::Run { from, seeds, threads } => run_seeds(from, seeds, threads),
        Command::Replay { seed, ops, mutant } => replay(seed, &ops, mutant),
        Command::Mutants { seeds, only } => mutants(seeds, only),
        Command::Shrink { seed, tries } => {
            let plan = generate::plan(seed);
            let kept = shrink(&plan, tries);
            let list: Vec<String> = kept.iter().map(ToString::to_string).collect();
            println!("{} of {} operations are left:", kept.len(), plan.ops.len());
            replay(seed, &kept, None);
            println!("replay it with: flowgate-simulator replay {seed} --ops {}", list.join(","));
            ExitCode::SUCCESS
        }
    }
}

fn mutant(name: &str) -> Result<Mutant, String> {
    let found = Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    found.ok_or_else(|| format!("there is none of this name; there are {:?}", Mutant::ALL))
}

fn mutants(seeds: u64, only: Option<Mutant>) -> ExitCode {
    let mut missed = 0;
    for mutant in Mutant::ALL {
        let name = format!("{mutant:?}");
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

fn run_seeds(from: u64, seeds: Option<u64>, threads: u64) -> ExitCode {
    let (next, red) = (AtomicU64::new(from), AtomicBool::new(false));
    let total = Mutex::new(Figures::default());
    let failed = Mutex::new(BTreeSet::new());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !red.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seeds.is_some_and(|seeds| seed >= from + seeds) {
                        return;
                    }
                    match run::seed(seed) {
                        Ok(figures) => total.lock().unwrap_or_else(|broken| broken.into_inner()).add(&figures),
                        Err(why) => {
                            red.store(true, Ordering::Relaxed);
                            failed.lock().unwrap_or_else(|broken| broken.into_inner()).insert((seed, why));
                        }
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut told = Instant::now();
            while !red.load(Ordering::Relaxed) && seeds.is_none_or(|seeds| next.load(Ordering::Relaxed) < from + seeds)
            {
                std::thread::sleep(Duration::from_millis(50));
                if told.elapsed() >= Duration::from_secs(10) {
                    told = Instant::now();
                    let total = total.lock().unwrap_or_else(|broken| broken.into_inner());
                    eprintln!("{:?}: {} seeds, {} events", began.elapsed(), total.seeds, total.events);
                }
            }
        });
    });
    let total = total.into_inner().unwrap_or_else(|broken| broken.into_inner());
    println!("{total:?}");
    let failed = failed.into_inner().unwrap_or_else(|broken| broken.into_inner());
    for (seed, why) in &failed {
        println!("RED seed {seed}: {why}\nreplay it with: flowgate-simulator replay {seed}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

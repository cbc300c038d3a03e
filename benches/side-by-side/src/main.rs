//! The gate beside bare copy loops and Kafka Streams, on a real Kafka that is started for it.
//!
//! ```text
//! cargo run --release -p flowgate-side-by-side -- --case live-100 --json figures.json
//! cargo run --release -p flowgate-side-by-side -- --smoke
//! cargo run --release -p flowgate-side-by-side -- --case hold --gate before=/path/to/an/older/flowgate
//! ```
//!
//! The contestants take turns (A B C, A B C ...), so that a machine that gets slower meanwhile is unfair to nobody. Only
//! ratios of one run mean anything: that of a case is the median of the ratios of its rounds.
//!
//! - `gate`: `flowgate run` as cargo builds it for release, in its default configuration;
//! - `loop`: what copies records exactly once and does nothing else: 20,000 records or 50 ms a transaction;
//! - `limit`: as fast as such a loop was made to be, with a look into each record: 100,000 records or 150 ms a transaction,
//!   topics by handles, no word of deliveries that went well;
//! - `streams`: the same gate as a topology of Kafka Streams (`streams/`), exactly once, with two threads and a commit every
//!   100 ms. It is built by Maven when it takes part, and has 300,000 events more before its clock starts.
//!
//! All of a round's events are written before its clock starts, in a transaction that is open still. The contestant is
//! started, joins its group and copies one event of each flow, which is where topics are made and leaders looked up. Then
//! the transaction is committed: that is the starting gun, and all events are there to be read at once.
//!
//! `--help` tells the cases.
//!
//! Records per second count from the first commit that brought records to the last one. CPU time is taken of the contestant
//! and of the broker, from the gun until the last record is there; the peak of memory likewise. After each round the records
//! are counted, in the topics.

mod backlog;
mod beside;
mod case;
mod child;
mod cli;
mod contestant;
mod copy;
mod cost;
mod count;
mod deliveries;
mod event;
mod every;
mod figures;
mod fill;
mod footprint;
mod gate;
#[expect(unsafe_code, reason = "rdkafka has no safe way to send by the handle of a topic")]
mod handles;
mod known;
mod latency;
mod memory;
mod meter;
mod operator;
mod outputs;
mod pause;
mod report;
mod restart;
mod result;
mod rolling;
mod round;
mod scans;
#[allow(clippy::unwrap_used, dead_code, reason = "it is the tests' own, which use more of it")]
#[path = "../../../tests/support/kafka.rs"]
mod server;
mod shares;
mod site;
mod spread;
mod stream;
mod streams;
mod takeover;
mod throughput;
mod timers;
mod token;
mod told;
mod transactions;
mod usage;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::case::Case;
use crate::contestant::Contestant;
use crate::report::Report;
use crate::result::Result;
use crate::site::Site;

/// Measures the gate on Apache Kafka beside bare copy loops and Kafka Streams, in turns
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true, after_help = case::HELP)]
struct Args {
    #[command(subcommand)]
    within: Option<Within>,
    /// What to measure, such as `live-100`: see below; without a number it is each of `--flows`, or the case's own
    /// [default: live, hold and drain]
    #[arg(long = "case", value_delimiter = ',', value_name = "CASE")]
    cases: Vec<String>,
    /// Numbers of flows, for the first five cases without one
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000], value_name = "F")]
    flows: Vec<u32>,
    /// How often each contestant has its turn in each case
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Events of a round [default: live, hold 2,000,000, drain 1,000,000, latency 200,000, pause 3,000,000; others below]
    #[arg(long)]
    records: Option<u32>,
    /// Who takes part
    #[arg(long = "contestant", value_delimiter = ',', default_values = ["gate", "loop", "limit", "streams"], value_name = "WHO")]
    contestants: Vec<contestant::Word>,
    /// One more gate, by its program: another build, to be compared with
    #[arg(long = "gate", value_name = "NAME=PROGRAM")]
    gates: Vec<contestant::OtherGate>,
    /// Writes every figure of every round there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Two rounds of 200,000 events in 100 flows: whether it works, not how fast
    #[arg(long, conflicts_with_all = ["rounds", "records", "flows"])]
    smoke: bool,
    /// Leaves out the rounds before the first that are not counted, in which the broker's machine code is compiled
    #[arg(long)]
    cold: bool,
}

/// What this program does in processes of its own.
#[derive(clap::Subcommand)]
enum Within {
    #[command(hide = true)]
    Copy(copy::Args),
    #[command(hide = true)]
    Tied(child::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match args.within {
        Some(Within::Copy(args)) => copy::run(&args),
        Some(Within::Tied(args)) => child::become_tied(&args),
        None => compare(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(mut args: Args) -> Result<()> {
    if args.smoke {
        (args.rounds, args.records, args.flows) = (2, Some(200_000), vec![100]);
    }
    if args.cases.is_empty() {
        args.cases = ["live", "hold", "drain"].map(str::to_owned).to_vec();
    }
    let cases: Vec<Case> = case::all(&args.cases, &args.flows, args.records)?;
    let contestants = Contestant::all(&args.contestants, std::mem::take(&mut args.gates))?;
    let mut report = Report::new(args.rounds);
    if let Some(caution) = report.caution() {
        eprintln!("{caution}");
    }
    eprintln!("starting Kafka");
    let mut site = Site::start()?;
    let done = measure(&args, &mut site, &cases, &contestants, &mut report);
    // What was measured before something went wrong is worth its hours.
    println!("{report}");
    done
}

/// Not after a signal.
fn go_on(ended: &AtomicBool) -> Result<()> {
    if ended.load(Ordering::Relaxed) { Err("ended by a signal".into()) } else { Ok(()) }
}

/// All cases one after the other, and in each the contestants in turns. A signal ends it with the round under way, a second one at
/// once.
fn measure(
    args: &Args,
    site: &mut Site,
    cases: &[Case],
    contestants: &[Contestant],
    report: &mut Report,
) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&ended))?;
        flag::register(signal, Arc::clone(&ended))?;
    }
    for &case in cases {
        if !args.cold && case.is_warmed() {
            // Each has the broker do something that others do not. (The other cases take too long to be run twice.)
            let warms = |one: &&Contestant| one.can(case) && !matches!(one, Contestant::Streams { .. });
            for contestant in contestants.iter().filter(warms) {
                go_on(&ended)?;
                eprintln!("{case} warm-up {contestant}: {}", round::run(site, case, contestant)?);
            }
        }
        for round in 1..=args.rounds {
            for contestant in contestants.iter().filter(|one| one.can(case)) {
                go_on(&ended)?;
                let figures = round::run(site, case, contestant)
                    .map_err(|error| format!("{case}, {contestant}, round {round}: {error}"))?;
                eprintln!("{case} {round}/{} {contestant}: {figures}", args.rounds);
                report.add(case, contestant, figures);
            }
        }
        // Long runs may be cut short: what is done is on the disk.
        if let Some(file) = &args.json {
            report.write(file)?;
        }
    }
    Ok(())
}

//! `flowgate demo --fast`: all eighteen months at once, a scripted operator, and a proof at the end.

use std::io::Write;
use std::time::{Duration, Instant};

use super::Failure;
use super::backend::{Backend, Way};
use super::play::Play;
use super::proof::Proof;
use super::purchases::purchases;
use super::show::{day, minute, thousands};
use crate::flow::State;
use crate::legible::legible;

/// Plays everything and prints it. `false`: the proof does not hold, and what is wrong was printed.
///
/// # Errors
/// [`Failure`]: it could not be played to its end.
pub fn run<B: Backend>(out: &mut impl Write, setup: B::Setup) -> Result<bool, Failure> {
    let began = Instant::now();
    let mut play = Play::<B>::start(setup, Way::Fast)?;
    introduce(out, &play)?;
    let end = play.end_of_data();
    while play.now() < end {
        let next = play.next_moment().map_or(end, |moment| moment.min(end));
        for line in play.run_until(next)? {
            writeln!(out, "{line}")?;
            // On a cluster it takes its time.
            out.flush()?;
        }
    }
    farewell(out, &play)?;
    let proof = play.prove()?;
    conclude(out, &proof, began.elapsed())?;
    Ok(proof.holds())
}

fn introduce<B: Backend>(out: &mut impl Write, play: &Play<B>) -> Result<(), Failure> {
    let purchases = purchases();
    let customers: std::collections::HashSet<_> = purchases.iter().map(|purchase| purchase.customer).collect();
    writeln!(
        out,
        "{} purchases of {} customers, {} to {}, become {} events for three flows.\n",
        thousands(purchases.len() as u64),
        thousands(customers.len() as u64),
        day(play.first_day()),
        day(play.end_of_data()),
        thousands(play.session.feed.total() as u64),
    )?;
    Ok(())
}

/// What is still going on when the data ends.
fn farewell<B: Backend>(out: &mut impl Write, play: &Play<B>) -> Result<(), Failure> {
    let end = minute(play.end_of_data());
    for (name, watched) in play.session.watch.flows() {
        let (name, held) = (legible(name), thousands(watched.fates().held));
        match watched.state.as_ref().map(|flow| &flow.state) {
            Some(State::Paused(pause)) => {
                let until = minute(pause.resumes_at);
                writeln!(out, "{end}  {name:<13}  is still paused until {until} as the data ends: {held} held")?;
            }
            Some(State::Resuming { .. }) => {
                writeln!(out, "{end}  {name:<13}  is still draining as the data ends: {held} held")?;
            }
            Some(State::Live) | None => {}
        }
    }
    Ok(())
}

fn conclude(out: &mut impl Write, proof: &Proof, elapsed: Duration) -> Result<(), Failure> {
    writeln!(out, "\nCounted from the topics by the independent checker:\n\n{}", proof.table())?;
    let anomalies = &proof.report.anomalies;
    for anomaly in anomalies {
        writeln!(out, "anomaly: {}", legible(&anomaly.to_string()))?;
    }
    let differences = &proof.replay.differences;
    for difference in differences {
        writeln!(out, "difference: {}", legible(&difference.to_string()))?;
    }
    writeln!(
        out,
        "{} events compared with {} deliveries, {} discarded, {} dead letters, {} commands: {} anomalies; {} deliveries \
         ({:.1} %) compared with an ordinary list's: {} differences; {:.1} s",
        thousands(proof.report.events),
        thousands(proof.delivered as u64),
        thousands(proof.discarded as u64),
        thousands(proof.dead as u64),
        thousands(proof.report.commands.read),
        thousands(anomalies.len() as u64),
        thousands(proof.replay.compared),
        proof.replay.share() * 100.0,
        thousands(differences.len() as u64),
        elapsed.as_secs_f64(),
    )?;
    out.flush()?;
    Ok(())
}

//! `flowgate resume FLOW...`

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::progress::Progress;
use super::send::{Asking, flow_id, order};
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::states::States;
use crate::duration;
use crate::flow::{Action, Counts, FlowId, Rate, Release, ResumeOrder, State};
use crate::legible::legible;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(required = true, value_name = "FLOW", value_parser = flow_id)]
    flows: Vec<FlowId>,
    /// What of what is held is delivered; none: all of it goes to the discarded topic [default: all]
    #[arg(long, value_enum)]
    release: Option<ReleaseArg>,
    /// Records a second, such as 500 or 0.5 [default: no limit]
    #[arg(long, value_name = "RECORDS")]
    rate: Option<Rate>,
    /// Events held for longer go to the discarded topic instead
    #[arg(long, value_name = "DURATION", value_parser = duration::whole_seconds)]
    max_age: Option<Duration>,
    /// Wait until everything held has gone, showing how far it is
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReleaseArg {
    All,
    None,
}

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    mut progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let release = args.release.map(|choice| match choice {
        ReleaseArg::All => Release::All,
        ReleaseArg::None => Release::None,
    });
    let action = Action::Resume(ResumeOrder { release, max_rate: args.rate, max_age: args.max_age });
    order(&args.asking, &args.flows, &action, broker, topics, out)?;
    if args.wait {
        for flow in &args.flows {
            let line = follow(broker, topics, flow, &mut progress)?;
            writeln!(out, "{}", legible(&line))?;
        }
    }
    Ok(())
}

/// How long reading the state may take before it is followed.
const READ: Duration = Duration::from_secs(60);

/// Watches a drain to its end: the sentence about it.
///
/// The answer has been seen, and it is committed together with the state: what is read now is not older.
fn follow<B: Broker>(broker: &B, topics: &Topics, flow: &FlowId, progress: &mut Progress) -> Result<String, Failure> {
    let mut states = States::home_of(broker, topics, flow)?;
    states.catch_up(READ)?;
    let mut start: Option<Counts> = None;
    loop {
        // A resume of a flow that nobody knows is answered, and that is all.
        let Some(known) = states.flows.get(flow) else { return Ok(format!("{flow}: not known")) };
        let counts = known.flow.counts;
        let start = *start.get_or_insert(counts);
        let passed = fallen(&counts).saturating_sub(fallen(&start));
        match &known.flow.state {
            State::Live => {
                progress.done();
                return Ok(told(flow, &start, &counts));
            }
            State::Paused(pause) => {
                progress.done();
                let what = format!("{flow} was paused again by {}, {passed} events after the resume", pause.by);
                return Err(Failure::new(exit::OTHER, what).hint("resume it again to go on"));
            }
            State::Resuming { drain, .. } => {
                progress.show(flow.as_str(), passed, counts.held().total(), drain.max_rate);
            }
        }
        states.poll()?;
    }
}

fn fallen(counts: &Counts) -> u64 {
    let fates = [counts.released, counts.replaced, counts.removed, counts.lost];
    fates.iter().map(|fate| fate.total()).sum()
}

fn told(flow: &FlowId, start: &Counts, end: &Counts) -> String {
    let released = end.released.total() - start.released.total();
    let replaced = end.replaced.total() - start.replaced.total();
    let removed = end.removed.total() - start.removed.total();
    format!("{flow} is live: {released} released, {replaced} replaced, {removed} removed since")
}

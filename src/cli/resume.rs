//! `flowgate resume FLOW...`

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::Failure;
use super::choose::beware_of_patterns;
use super::flows::READ;
use super::follow::follow;
use super::progress::Progress;
use super::send::{Asking, Order, flow_id, send, tell};
use crate::broker::Broker;
use crate::client::drains::Drains;
use crate::client::states::States;
use crate::duration;
use crate::flow::{Action, Expect, FlowId, Rate, Release, ResumeOrder};
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
    /// Do not ask
    #[arg(long)]
    yes: bool,
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
    progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    beware_of_patterns(&args.flows, args.yes, broker, topics)?;
    let release = args.release.map(|choice| match choice {
        ReleaseArg::All => Release::All,
        ReleaseArg::None => Release::None,
    });
    let action = Action::Resume(ResumeOrder { release, max_rate: args.rate, max_age: args.max_age });
    let each = |flow: &FlowId| Order { flow: flow.clone(), action: action.clone(), expect: Expect::default() };
    let orders = args.flows.iter().map(each).collect();
    if !args.wait {
        let (sent, _) = send(&args.asking, orders, broker, topics)?;
        return tell(&sent, &args.asking, out);
    }
    let mut states = States::homes_of(broker, topics, &args.flows)?;
    states.catch_up(READ)?;
    let drains = Drains::before(states, &args.flows);
    let (sent, _) = send(&args.asking, orders, broker, topics)?;
    follow(&sent, drains, &args.asking, progress, out)
}

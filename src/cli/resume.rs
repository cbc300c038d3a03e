//! `flowgate resume FLOW...`

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::choose::{Choosing, Chosen, Plan};
use super::follow::follow;
use super::progress::Progress;
use super::rates::divide;
use super::send::{Asking, Order, commands, send, tell};
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::drains::Drains;
use crate::client::states::Known;
use crate::duration;
use crate::flow::{Action, FlowId, Rate, Release, ResumeOrder, State};
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choosing: Choosing,
    /// What of what is held is delivered; none: all of it goes to the discarded topic [default: all]
    #[arg(long, value_enum)]
    release: Option<ReleaseArg>,
    /// Records a second, such as 500 or 0.5 [default: no limit]
    ///
    /// Of all flows together: it is divided among them by what each holds.
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
    progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let together = args.rate.filter(|_| args.choosing.flows.len() > 1 || !args.choosing.select.is_empty());
    let needs_states = args.wait || together.is_some();
    let takes = |known: &Known| !matches!(known.flow.state, State::Live);
    let plan = Plan { verb: "resumes", already: "live", takes, needs_states };
    let chosen = args.choosing.choose(&plan, &args.asking, broker, topics)?;
    let rates = args.rates(&chosen)?;
    let release = args.release.map(|choice| match choice {
        ReleaseArg::All => Release::All,
        ReleaseArg::None => Release::None,
    });
    let each = |(flow, max_rate): (&FlowId, Option<Rate>)| {
        let action = Action::Resume(ResumeOrder { release, max_rate, max_age: args.max_age });
        Order { flow: flow.clone(), action, expect: chosen.expect(flow) }
    };
    let orders = chosen.flows.iter().zip(rates).map(each).collect();
    if args.choosing.dry_run {
        return chosen.rehearse(&commands(&args.asking, orders), &args.asking, out);
    }
    let (flows, states) = (chosen.flows, chosen.states);
    let drains = states.filter(|_| args.wait).map(|states| Drains::before(states, &flows));
    let (sent, _) = send(&args.asking, orders, broker, topics)?;
    match drains {
        Some(drains) => follow(&sent, drains, &args.asking, progress, out),
        None => tell(&sent, &args.asking, out),
    }
}

impl Args {
    /// Of each flow.
    fn rates<B: Broker>(&self, chosen: &Chosen<B>) -> Result<Vec<Option<Rate>>, Failure> {
        let count = chosen.flows.len();
        let Some(rate) = self.rate.filter(|_| count > 1) else { return Ok(vec![self.rate; count]) };
        let held = |flow| chosen.known(flow).map_or(0, |known| known.flow.counts.held().total());
        let held: Vec<u64> = chosen.flows.iter().map(held).collect();
        let rates = divide(rate, &held).ok_or_else(|| {
            let what = format!("`--rate {rate}` is too little for {count} flows: each of them needs 0.001 at least");
            let least = Rate::of_thousandths(count as u64).map_or_else(String::new, |rate| rate.to_string());
            Failure::new(exit::CONFIGURATION, what).hint(format!("give {least} or more, or fewer flows"))
        })?;
        Ok(rates.into_iter().map(Some).collect())
    }
}

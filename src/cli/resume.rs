//! `flowgate resume FLOW...`

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::choose::{Choosing, Chosen, Plan};
use super::follow::follow;
use super::progress::Progress;
use super::send::{Asking, Order, commands, for_every, send, send_and_tell, tell};
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::drains::Drains;
use crate::client::rates::divide;
use crate::client::states::Known;
use crate::duration;
use crate::flow::{Action, Expect, FlowId, Rate, Release, ResumeOrder, State};
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
    if args.choosing.all {
        return args.every(broker, topics, out);
    }
    let together = args.rate.filter(|_| args.choosing.flows.len() > 1 || !args.choosing.select.is_empty());
    let needs_states = args.wait || together.is_some();
    let takes = |known: &Known| !matches!(known.flow.state, State::Live);
    let plan = Plan { verb: "resumes", already: "live", takes, needs_states };
    let chosen = args.choosing.choose(&plan, &args.asking, broker, topics)?;
    let rates = args.rates(&chosen)?;
    let each = |(flow, max_rate): (&FlowId, Option<Rate>)| {
        let action = Action::Resume(ResumeOrder { release: args.release(), max_rate, max_age: args.max_age });
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
    /// Every flow that `*` has paused. A rate is divided among those that are known: first every flow goes at the smallest part, then
    /// each at its own, so that at no time all together are faster.
    fn every<B: Broker>(&self, broker: &B, topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
        if self.wait {
            let what = "`--wait` is for flows that are named or selected";
            return Err(Failure::new(exit::CONFIGURATION, what).hint("follow them with `flowgate flows --watch`"));
        }
        let takes = |known: &Known| {
            !matches!(known.flow.state, State::Live) && known.flow.pause().is_some_and(|pause| pause.by_all)
        };
        let plan = Plan { verb: "resumes", already: "live", takes, needs_states: true };
        let chosen = self.choosing.every(&plan, broker, topics)?;
        let rates: Vec<Rate> = self.rates(&chosen)?.into_iter().flatten().collect();
        let order = |max_rate| ResumeOrder { release: self.release(), max_rate, max_age: self.max_age };
        let smallest = rates.iter().copied().min_by_key(|rate| rate.thousandths()).or(self.rate);
        let mut all = vec![for_every(&self.asking, Action::Resume(order(smallest)))];
        let each = |(flow, rate): (&FlowId, &Rate)| {
            let action = Action::Resume(ResumeOrder { max_rate: Some(*rate), ..ResumeOrder::default() });
            Order { flow: flow.clone(), action, expect: Expect::default() }
        };
        let asking = Asking { command_id: None, ..self.asking.clone() };
        if rates.len() > 1 {
            all.extend(commands(&asking, chosen.flows.iter().zip(&rates).map(each).collect()));
        }
        if self.choosing.dry_run {
            return chosen.rehearse(&all, &self.asking, out);
        }
        send_and_tell(all, &self.asking, broker, topics, out)
    }

    fn release(&self) -> Option<Release> {
        self.release.map(|choice| match choice {
            ReleaseArg::All => Release::All,
            ReleaseArg::None => Release::None,
        })
    }

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

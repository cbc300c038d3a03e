//! `flowgate purge FLOW`

use std::io::Write;
use std::num::NonZeroU64;

use super::Failure;
use super::completions::flow_ids;
use super::confirm::confirm;
use super::flows::READ;
use super::progress::Progress;
use super::send::{Asking, Order, flow_id};
use super::until_done::order_until_done;
use crate::broker::Broker;
use crate::client::preview::{self, Looked};
use crate::client::states::States;
use crate::flow::{Action, Done, Expect, Flow, FlowId, PurgeOrder, State};
use crate::legible::legible;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: FlowId,
    /// The number of the last entry to discard [default: the newest one]
    #[arg(long, value_name = "ENTRY")]
    through: Option<NonZeroU64>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    asking: Asking,
}

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut states = States::home_of(broker, topics, &args.flow)?;
    states.catch_up(READ)?;
    let flow = states.flows.get(&args.flow).map(|known| &known.flow);
    let (through_entry, next_entry) = match flow {
        Some(flow) if matches!(flow.state, State::Paused(_)) && !flow.queue.is_passed() => {
            // Exactly what is shown is discarded, and nothing that comes while somebody thinks about it.
            let through = args.through.map_or(flow.queue.last_entry(), NonZeroU64::get).min(flow.queue.last_entry());
            confirm(&preview::purge(&Looked::at(flow), through, &topics.discarded), args.yes)?;
            (NonZeroU64::new(through), None)
        }
        // There is nothing to ask about: the gate says why, unless that has changed.
        _ => (args.through, Some(flow.map_or(1, |flow| flow.queue.next_entry))),
    };
    let pause = flow.and_then(Flow::pause).map(|pause| pause.id.clone());
    let action = Action::Purge(PurgeOrder { through_entry });
    let order = Order { flow: args.flow.clone(), action, expect: Expect { pause: Some(pause), next_entry } };
    if let Some(Done { command, count }) = order_until_done(&args.asking, order, broker, topics, progress, out)? {
        let (enroll, advance, discarded) = (count.enroll, count.advance, &topics.discarded);
        let told = format!("{}: {} discarded ({enroll} enroll, {advance} advance)", args.flow, count.total());
        let back = format!("`flowgate redrive discarded --command {command}` puts them back");
        writeln!(out, "{}; they are in `{discarded}`: {}", legible(&told), legible(&back))?;
    }
    Ok(())
}

//! `flowgate release FLOW --count N`

use std::io::Write;
use std::num::NonZeroU32;

use super::Failure;
use super::completions::flow_ids;
use super::progress::Progress;
use super::send::{Asking, Order, flow_id};
use super::until_done::order_until_done;
use crate::broker::Broker;
use crate::flow::{Action, Expect, FlowId, ReleaseOrder};
use crate::legible::legible;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: FlowId,
    /// How many events, from the oldest on: 1 to 10000
    #[arg(long, value_name = "EVENTS", value_parser = count)]
    count: NonZeroU32,
    #[command(flatten)]
    asking: Asking,
}

fn count(text: &str) -> Result<NonZeroU32, String> {
    let count = text.parse().ok().filter(|count: &NonZeroU32| count.get() <= ReleaseOrder::MOST);
    count.ok_or_else(|| format!("give 1 to {}; for more, `flowgate resume --rate`", ReleaseOrder::MOST))
}

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let action = Action::Release(ReleaseOrder::Count(args.count));
    let order = Order { flow: args.flow.clone(), action, expect: Expect::default() };
    if let Some(done) = order_until_done(&args.asking, order, broker, topics, progress, out)? {
        let (enroll, advance) = (done.enroll, done.advance);
        let told = format!("{}: {} released ({enroll} enroll, {advance} advance)", args.flow, done.total());
        writeln!(out, "{}; it stays paused unless it was resumed meanwhile", legible(&told))?;
    }
    Ok(())
}

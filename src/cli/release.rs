//! `flowgate release FLOW --count N`, `flowgate release FLOW --record ID...`

use std::io::Write;
use std::num::NonZeroU32;

use super::completions::flow_ids;
use super::progress::Progress;
use super::send::{Asking, Order, flow_id};
use super::until_done::order_until_done;
use super::{Failure, exit};
use crate::broker::Broker;
use crate::flow::{Action, Done, Expect, FlowId, RecordId, ReleaseOrder};
use crate::legible::legible;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: FlowId,
    /// How many events, from the oldest on: 1 to 10000
    #[arg(long, value_name = "EVENTS", value_parser = count, required_unless_present = "records", conflicts_with = "records")]
    count: Option<NonZeroU32>,
    /// A record whose held events are let through, wherever they stand; up to 100 times
    #[arg(long = "record", value_name = "ID", value_parser = record_id)]
    records: Vec<RecordId>,
    #[command(flatten)]
    asking: Asking,
}

fn count(text: &str) -> Result<NonZeroU32, String> {
    let count = text.parse().ok().filter(|count: &NonZeroU32| count.get() <= ReleaseOrder::MOST);
    count.ok_or_else(|| format!("give 1 to {}; for more, `flowgate resume --rate`", ReleaseOrder::MOST))
}

pub fn record_id(text: &str) -> Result<RecordId, String> {
    RecordId::new(text).map_err(|why| format!("it {why}"))
}

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    progress: Progress,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let order = match args.count {
        Some(count) => ReleaseOrder::Count(count),
        None if args.records.len() > ReleaseOrder::MOST_RECORDS => {
            let what = format!("`--record` is given {} times", args.records.len());
            let most = ReleaseOrder::MOST_RECORDS;
            return Err(
                Failure::new(exit::CONFIGURATION, what).hint(format!("name {most} records at most in one command"))
            );
        }
        None => ReleaseOrder::Records(args.records.clone()),
    };
    let action = Action::Release(order);
    let order = Order { flow: args.flow.clone(), action, expect: Expect::default() };
    if let Some(Done { count: done, .. }) = order_until_done(&args.asking, order, broker, topics, progress, out)? {
        let (enroll, advance) = (done.enroll, done.advance);
        let told = format!("{}: {} released ({enroll} enroll, {advance} advance)", args.flow, done.total());
        writeln!(out, "{}; it stays paused unless it was resumed meanwhile", legible(&told))?;
        if let (0, Some(record)) = (done.total(), args.records.first()) {
            let look = format!("`flowgate queue {} --record {record}`", args.flow);
            writeln!(out, "nothing of that was to be delivered: {} shows what is held", legible(&look))?;
        }
    }
    Ok(())
}

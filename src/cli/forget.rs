//! `flowgate forget FLOW...`

use std::io::Write;

use super::Failure;
use super::completions::flow_ids;
use super::send::{Asking, flow_id, order};
use crate::broker::Broker;
use crate::flow::{Action, FlowId};
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(required = true, value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flows: Vec<FlowId>,
    #[command(flatten)]
    asking: Asking,
}

pub fn run<B: Broker>(args: &Args, broker: &B, topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
    order(&args.asking, &args.flows, &Action::Forget, broker, topics, out)
}

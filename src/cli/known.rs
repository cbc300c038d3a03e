//! The state of one flow.

use super::flows::READ;
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::states::{Known, States};
use crate::flow::FlowId;
use crate::schema::topics::Topics;

/// # Errors
/// [`exit::OTHER`]: it is not known; and the broker's.
pub fn known<B: Broker>(broker: &B, topics: &Topics, flow: &FlowId) -> Result<Known, Failure> {
    let mut states = States::home_of(broker, topics, flow)?;
    states.catch_up(READ)?;
    states.flows.remove(flow).ok_or_else(|| {
        Failure::new(exit::OTHER, format!("no flow `{flow}` is known under the prefix `{}`", topics.prefix))
            .hint("`flowgate flows --match TEXT` finds it; a flow is known from its first event or pause on")
    })
}

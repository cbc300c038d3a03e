//! Upstreams that never rest: something arrives for a flow in every turn.

use std::time::Duration;

use serde_json::json;

use crate::company::{Company, happened, is_live, is_paused};
use crate::upstream::{Partitioner, Upstream};

/// Goal: a drain comes to its end beside events that arrive in every turn, with a rate as without one, as long as the rate is
/// above theirs. What a turn holds is there to be read only a moment behind it: the drain waits for that. Method: events of
/// the flow without a pause, 20 at a time.
#[test]
fn a_drain_ends_while_events_arrive() {
    const FLOW: &str = "busy";
    let company = Company::new("busy", 1);
    let gate = company.gate("a", &[]).restored();
    let mut client = company.client(Partitioner::Java);
    let upstream = Upstream::start(company.client(Partitioner::Java), &[FLOW; 20], Duration::ZERO);
    let mut ended = 0;
    for options in [json!({}), json!({"max_rate": 100_000}), json!({"max_rate": 50_000})] {
        company.order(&["pause", FLOW]);
        client.burst(FLOW, 1_000);
        company.until("held", FLOW, |of| is_paused(of) && of.counts.held().total() > 300);
        company.command(FLOW, "resume", &options);
        company.until(&format!("live, resumed with {options}"), FLOW, is_live);
        ended += 1;
    }
    upstream.stop();
    company.until_all_is_read();
    gate.stop();
    happened("a drain beside events in every turn", ended, 3, &company.check());
}

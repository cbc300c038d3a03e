//! Who sends commands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flowgate::broker::{Broker as _, Publication, Publisher as _};
use flowgate::clock;
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use serde_json::{Value, json};

use crate::Result;
use crate::site::Site;

/// Sends a command for each flow, and says when they were written, by the broker's clock.
pub fn command(site: &Site, topics: &Topics, flows: &[String], action: &str) -> Result<Vec<Timestamp>> {
    order(site, topics, flows, action, |_| Vec::new())
}

/// Resumes flows, and says when the first of these commands was written: it takes a moment until the operator is connected.
pub fn resume(site: &Site, topics: &Topics, flows: &[String]) -> Result<Instant> {
    let written = command(site, topics, flows, "resume")?;
    let since = written.first().map_or(Duration::ZERO, |first| clock::now().since(*first));
    let now = Instant::now();
    Ok(now.checked_sub(since).unwrap_or(now))
}

/// Sends a command for each flow with further fields, by the place of the flow.
pub fn order(
    site: &Site,
    topics: &Topics,
    flows: &[String],
    action: &str,
    more: impl Fn(u32) -> Vec<(&'static str, Value)>,
) -> Result<Vec<Timestamp>> {
    /// One that comes again with its id does nothing.
    static SENT: AtomicU64 = AtomicU64::new(0);
    let mut publisher = site.kafka.publisher()?;
    for (at, flow) in (0..).zip(flows) {
        let id = format!("{action}-{}", SENT.fetch_add(1, Ordering::Relaxed));
        let mut value = json!({"command_id": id, "flow_id": flow, "action": action, "issued_by": "bench"});
        for (field, wanted) in more(at) {
            value[field] = wanted;
        }
        let value = value.to_string();
        let (key, value) = (Some(flow.as_bytes()), Some(value.as_bytes()));
        let topic = &topics.control;
        publisher.publish(&Publication { topic, partition: Some(0), timestamp: None, key, value, headers: &[] })?;
    }
    let receipts = publisher.flush(Duration::from_secs(30))?;
    Ok(receipts.into_iter().map(|receipt| Ok(receipt?.timestamp)).collect::<flowgate::broker::Result<_>>()?)
}

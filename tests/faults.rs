//! What goes wrong, on real Kafka and with real processes: `flowgate run` is killed, shared, starved and starved of its
//! positions while events flow, and the independent checker has the last word. Each fault says how often it happened.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[path = "support/alter.rs"]
mod alter;
#[path = "faults/busy.rs"]
mod busy;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/company.rs"]
mod company;
#[path = "faults/issued.rs"]
mod issued;
#[path = "support/issuer.rs"]
mod issuer;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/limits.rs"]
mod limits;
#[path = "faults/migrated.rs"]
mod migrated;
#[path = "faults/neighbours.rs"]
mod neighbours;
#[path = "faults/oldest.rs"]
mod oldest;
#[path = "faults/ordered.rs"]
mod ordered;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/positions.rs"]
mod positions;
#[path = "support/previous.rs"]
mod previous;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/process.rs"]
mod process;
#[path = "support/prometheus.rs"]
mod prometheus;
#[path = "faults/purchases.rs"]
mod purchases;
#[path = "faults/redriven.rs"]
mod redriven;
#[path = "faults/restarted.rs"]
mod restarted;
#[path = "faults/rights.rs"]
mod rights;
#[path = "faults/rolling.rs"]
mod rolling;
#[path = "support/say.rs"]
mod say;
#[allow(dead_code, reason = "shared by several programs, and none uses all of it")]
#[path = "support/kafka.rs"]
mod server;
#[path = "faults/sharing.rs"]
mod sharing;
#[path = "faults/traced.rs"]
mod traced;
#[path = "faults/upgraded.rs"]
mod upgraded;
#[path = "support/upstream.rs"]
mod upstream;
#[path = "faults/watched.rs"]
mod watched;

use std::time::Duration;

/// How long anything may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

//! What goes wrong, on real Kafka and with real processes: `flowgate run` is killed, shared, starved and starved of its
//! positions while events flow, and the independent checker has the last word. Each fault says how often it happened.
#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "support/company.rs"]
mod company;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/neighbours.rs"]
mod neighbours;
#[path = "faults/outage.rs"]
mod outage;
#[path = "faults/positions.rs"]
mod positions;
#[path = "faults/purchases.rs"]
mod purchases;
#[allow(dead_code)]
#[path = "support/kafka.rs"]
mod server;
#[path = "faults/sharing.rs"]
mod sharing;
#[path = "support/upstream.rs"]
mod upstream;

//! flowgate: a gate in front of automation flows. `ARCHITECTURE.md` is the map.

pub mod api;
pub mod broker;
pub mod capacity;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod demo;
pub mod duration;
pub mod flow;
pub mod hex;
pub mod instance;
pub mod legible;
pub mod metrics;
pub mod mutant;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod outgoing;
pub mod schema;
pub mod time;
pub mod topics;
pub mod worker;

//! The production worker on the memory broker: what is delivered, held, and turned away, whatever happens between.
#![allow(clippy::unwrap_used)]

#[path = "gate/draining.rs"]
mod draining;
#[path = "gate/keeping.rs"]
mod keeping;
#[path = "gate/ordering.rs"]
mod ordering;
#[path = "gate/pausing.rs"]
mod pausing;
#[path = "gate/rig.rs"]
mod rig;

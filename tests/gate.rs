//! The production worker on the memory broker: what is delivered, held, and turned away.
#![allow(clippy::unwrap_used)]

#[path = "gate/pausing.rs"]
mod pausing;
#[path = "gate/rig.rs"]
mod rig;

//! A deterministic simulator: the production worker on the memory broker, in a schedule that a seed decides.
//!
//! The same seed gives the same run, byte for byte, in any process: nothing here reads a clock, and nothing in the worker
//! or the broker is random. A schedule is data ([`plan`]), so that a failing one can be made small and read.
//!
//! - [`dice`]: where choices come from; [`generate`]: from a seed to a schedule;
//! - [`machine`]: a host and its processes; [`world`]: all of them, and what a schedule does to them; `step`: a step of one
//!   process; `zombie`: processes that hung, beside those in their place; [`down`]: when nobody ran;
//! - `send`: what upstreams and operators write; `positions`: committed offsets that are lost, and restored; [`fault`]:
//!   calls that go wrong; [`archive`]: what retention takes;
//! - `reached`: where the input stands, after every turn;
//! - `finale`: everything heals, and the gate has to come to rest;
//! - [`oracle`]: the independent checker has the last word on docs/contract.md;
//! - [`counted`]: what happened;
//! - [`run`]: all of it; [`shrink`]: makes a failing schedule small; [`trace`]: tells it.

pub mod archive;
pub mod counted;
pub mod dice;
pub mod down;
pub mod fault;
mod finale;
pub mod generate;
pub mod machine;
pub mod oracle;
pub mod plan;
pub mod positions;
mod reached;
pub mod run;
mod send;
pub mod shrink;
mod step;
pub mod trace;
pub mod world;
mod zombie;

/// The documents of a run are many small allocations: the gate's own allocator is done with them sooner than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

//! From what was gathered to what a turn makes true, without any call: commands, timers, what is held, events. In this order: a
//! command that waits comes before every event, and what is held before what arrives. Later slices hold the last two alone.
//!
//! A `Decider` only reads the `Table`; what it decides is in the `Decision`.
//!
//! - `commands.rs`, `timers.rs`, `backlogs.rs`, `events.rs`: a part of the decision each;
//! - `searches.rs`: what was found of records that a sample names;
//! - `slices.rs`: how the parts make a slice;
//! - `alone.rs`: a turn for one record that the broker has refused;
//! - `letters.rs`: what cannot be delivered, into the dead letters.

mod alone;
mod backlogs;
mod commands;
mod decider;
mod events;
mod letters;
mod searches;
mod slices;
mod timers;

pub(super) use slices::{clean_stop, first_slice, next_slice};

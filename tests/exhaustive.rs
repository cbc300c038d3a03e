//! Goal: no interleaving of commands, events, the timer, the cleaner, somebody who deletes what is held, crashes and rebalances
//! breaks a promise of docs/contract.md.
//!
//! Method: small spaces, every state of them. The rules are the production ones (`flow::command::apply`, `Every`,
//! `arrive`, `strike`, `pass`, `take`, `settle`, the index, in slices too); around them stands the least of a Kafka that tells what is
//! committed from what is staged: a turn replaces what a partition's log holds, as a whole or not at all; offsets of a stale
//! generation are refused; whoever takes over waits for what is pending and reads the documents back. Beside them a
//! [`ledger`] keeps the promises with an ordinary list, and every fate, answer and count is compared with it.
//!
//! Each space prints how many states it has.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[cfg(debug_assertions)]
#[path = "exhaustive/breaks.rs"]
mod breaks;
#[path = "exhaustive/desk.rs"]
mod desk;
#[path = "exhaustive/everyone.rs"]
mod everyone;
#[path = "exhaustive/explore.rs"]
mod explore;
#[path = "exhaustive/ledger.rs"]
mod ledger;
#[path = "exhaustive/log.rs"]
mod log;
#[path = "exhaustive/missing.rs"]
mod missing;
#[path = "exhaustive/orders.rs"]
mod orders;
#[path = "exhaustive/recall.rs"]
mod recall;
#[path = "support/say.rs"]
mod say;
#[path = "exhaustive/search.rs"]
mod search;
#[path = "exhaustive/space.rs"]
mod space;
#[path = "exhaustive/turn.rs"]
mod turn;
#[path = "exhaustive/world.rs"]
mod world;

use std::cell::RefCell;
use std::time::Instant;

use flowgate::flow::Kind::{Advance, Enroll, Withdraw};
use orders::Order::{
    AcceptLoss, PauseAll, PauseDiscard, PauseEvery, PauseEveryShort, PauseLatest, PauseShort, Purge, ResumeAll,
    ResumeEvery, ResumeNone, Sample, SampleOf,
};
use orders::{Input, Order};
use say::say;
use space::Space;
use world::World;

/// Explores it, and prints the figures though the test passes. A space that has lost most of its states is not what it was.
fn every_state(name: &str, space: &Space, at_least: usize) {
    let started = Instant::now();
    let seen = explore::explore(space, World::starts(space));
    let explore::Seen { states, steps, depth } = seen;
    let (turns, took) = (space.found.borrow().turns(), started.elapsed().as_secs_f32());
    say(&format!("exhaustive: {name}: {states} states, {steps} steps, {turns} turns, depth {depth}, {took:.1} s"));
    assert!(states >= at_least, "{states} states, wanted {at_least}");
}

/// Two gates hinder each other in every way there is. In one flow a record comes again, in the other it is withdrawn; the
/// one is resumed by command or by the timer, the other by the timer.
#[test]
fn two_flows_two_workers_four_records() {
    let space = Space {
        inputs: vec![vec![vec![(Enroll, 0), (Enroll, 0)], vec![(Advance, 0), (Withdraw, 0)]]],
        workers: 2,
        orders: vec![vec![PauseLatest, ResumeAll, ResumeNone], vec![PauseAll]],
        commands: 2,
        repeats: false,
        cleaner: false,
        deletes: false,
        ticks: 1,
        max_pause: 1,
        found: RefCell::default(),
    };
    every_state("two flows, two workers, four records", &space, 1_000_000);
}

/// One flow and one gate, which may forget at any moment, with the shortest of times.
fn one_flow(inputs: Vec<Input>, orders: &[Order], commands: usize) -> Space {
    Space {
        inputs: vec![vec![inputs]],
        workers: 1,
        orders: vec![orders.to_vec()],
        commands,
        repeats: false,
        cleaner: false,
        deletes: false,
        ticks: 1,
        max_pause: 1,
        found: RefCell::default(),
    }
}

/// All the ways to resume, pause again, and resume.
#[test]
fn one_flow_paused_again_and_again() {
    let inputs = vec![(Enroll, 0), (Enroll, 1), (Enroll, 0), (Withdraw, 1)];
    let space = Space { cleaner: true, ..one_flow(inputs, &[PauseLatest, PauseAll, ResumeAll], 3) };
    every_state("one flow, three commands", &space, 200_000);
}

/// Every option, commands that come twice, and a deadline that is short of the longest.
#[test]
fn one_flow_with_every_option() {
    let inputs = vec![(Enroll, 0), (Advance, 0), (Withdraw, 0), (Enroll, 0)];
    let orders = [PauseLatest, PauseAll, PauseShort, PauseDiscard, ResumeAll, ResumeNone];
    let space = Space { repeats: true, ticks: 2, max_pause: 2, ..one_flow(inputs, &orders, 2) };
    every_state("one flow, every option", &space, 200_000);
}

/// Purges and samples while it is paused, with a cleaner.
#[test]
fn one_flow_purged_and_sampled() {
    let inputs = vec![(Enroll, 0), (Enroll, 1), (Enroll, 0), (Withdraw, 1)];
    let space = Space { cleaner: true, ..one_flow(inputs, &[PauseLatest, ResumeAll, Purge, Sample], 3) };
    every_state("one flow, purged and sampled", &space, 100_000);
}

/// A purge that a resume, a re-pause, a second purge or a sample comes into.
#[test]
fn one_purge_and_what_comes_into_it() {
    let three = vec![(Enroll, 0), (Enroll, 1), (Enroll, 0)];
    let orders = [PauseLatest, ResumeNone, Purge, Sample];
    let space = Space { ticks: 0, ..one_flow(three, &orders, 4) };
    every_state("one flow, what comes into a purge", &space, 10_000);
}

/// Named records are looked for, while a resume, the timer, a withdraw, a purge or a newer event comes, and the cleaner.
#[test]
fn one_flow_and_records_by_name() {
    let newer = vec![(Enroll, 0), (Enroll, 1), (Advance, 0), (Enroll, 0)];
    let withdrawn = vec![(Enroll, 1), (Enroll, 0), (Withdraw, 0)];
    let orders = [PauseLatest, ResumeAll, Purge, SampleOf(0)];
    let space = Space { cleaner: true, ..one_flow(newer.clone(), &orders, 3) };
    let space = Space { inputs: vec![vec![newer], vec![withdrawn]], ..space };
    every_state("one flow, records by name", &space, 500_000);
}

/// What passes entries that were taken: a drain, a purge, another sample.
#[test]
fn one_flow_and_entries_that_were_taken() {
    let inputs = vec![(Enroll, 0), (Enroll, 1), (Enroll, 0)];
    let orders = [PauseAll, ResumeNone, Purge, Sample, SampleOf(0), SampleOf(1)];
    let space = Space { ticks: 0, ..one_flow(inputs, &orders, 4) };
    every_state("one flow, taken entries", &space, 400_000);
}

/// `*` beside commands that name the flow, before and after it is first seen, and deadlines.
#[test]
fn one_flow_and_every_flow() {
    let inputs = vec![(Enroll, 0), (Enroll, 0)];
    let orders = [PauseLatest, PauseShort, ResumeNone, PauseEvery, PauseEveryShort, ResumeEvery];
    let space = Space { repeats: true, ticks: 2, max_pause: 2, ..one_flow(inputs, &orders, 3) };
    every_state("one flow, every flow", &space, 800_000);
}

/// `*` where one worker has two flows, of which the other takes one over.
#[test]
fn two_flows_two_workers_and_every_flow() {
    let space = Space {
        inputs: vec![vec![vec![(Enroll, 0)], vec![(Enroll, 0), (Withdraw, 0)]]],
        workers: 2,
        orders: vec![vec![PauseLatest, PauseEvery, ResumeEvery], vec![]],
        commands: 4,
        repeats: false,
        cleaner: false,
        deletes: false,
        ticks: 0,
        max_pause: 1,
        found: RefCell::default(),
    };
    every_state("two flows, two workers, every flow", &space, 600_000);
}

/// Somebody deletes what a drain, a purge or a sample comes to, and what the cleaner has left.
#[test]
fn one_flow_and_losses() {
    let inputs = vec![(Enroll, 0), (Enroll, 1), (Enroll, 0), (Withdraw, 1)];
    let orders = [PauseLatest, ResumeAll, Purge, Sample, SampleOf(1), AcceptLoss(1), AcceptLoss(3)];
    let space = Space { deletes: true, cleaner: true, ticks: 0, ..one_flow(inputs, &orders, 3) };
    every_state("one flow, losses", &space, 500_000);
}

/// A loss after something was released by name, and one that ends what it is in front of.
#[test]
fn one_flow_and_losses_beside_taken_entries() {
    let inputs = vec![(Enroll, 0), (Enroll, 1), (Enroll, 2)];
    let orders = [PauseLatest, Purge, Sample, SampleOf(1), AcceptLoss(1)];
    let space = Space { deletes: true, ticks: 0, ..one_flow(inputs, &orders, 4) };
    every_state("one flow, losses beside taken entries", &space, 200_000);
}

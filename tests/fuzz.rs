//! Goal: whatever bytes come in, nothing panics, and each input ends in one place.
//!
//! Method: what `fuzz/src` checks, on inputs of three sorts: examples of `schemas/` damaged as bytes, examples changed as
//! documents, and noise. The inputs are the same on every run; `FUZZ_INPUTS` makes them more, `FUZZ_SEED` others. Under
//! libFuzzer the same checks run without end, and find inputs by coverage: `cargo +nightly fuzz run -s none event`.
//!
//! Each target prints how many inputs it had and how many of them were understood: a fuzzer of which all inputs are
//! refused sees little.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[path = "fuzz/bytes.rs"]
mod bytes;
#[path = "fuzz/dice.rs"]
mod dice;
#[path = "fuzz/document.rs"]
mod document;
#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::io::Write as _;
use std::panic::catch_unwind;
use std::time::Instant;

use dice::Dice;
use targets::End;

/// How many inputs each target gets.
const INPUTS: u64 = 60_000;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Runs a target, and prints its figures though the test passes.
#[allow(clippy::explicit_write, reason = "what println! writes is kept back from whoever runs the tests")]
fn run(name: &str, seeds: &[Vec<u8>], check: fn(&[u8]) -> End) {
    let started = Instant::now();
    let mut dice = Dice(setting("FUZZ_SEED", 0));
    let documents: Vec<_> = seeds.iter().filter_map(|seed| serde_json::from_slice(seed).ok()).collect();
    let inputs = setting("FUZZ_INPUTS", INPUTS);
    let mut understood = 0;
    let made = (0..inputs).map(|_| match dice.below(20) {
        0 => bytes::noise(&mut dice),
        1..8 if !documents.is_empty() => {
            let (example, other) = (dice.below(documents.len()), dice.below(documents.len()));
            document::near(&mut dice, &documents[example], &documents[other])
        }
        _ => {
            let mut bytes = dice.pick(seeds).clone();
            let other = dice.pick(seeds);
            bytes::damage(&mut dice, &mut bytes, other);
            bytes
        }
    });
    for (number, input) in seeds.iter().cloned().chain(made).enumerate() {
        match catch_unwind(|| check(&input)) {
            Ok(End::Understood) => understood += 1,
            Ok(End::Refused) => {}
            Err(_) => panic!("{name}: input {number}: {}", input.escape_ascii()),
        }
    }
    let (total, took) = (seeds.len() as u64 + inputs, started.elapsed().as_secs_f32());
    writeln!(std::io::stdout(), "fuzz: {name}: {total} inputs, {understood} understood, {took:.1} s").unwrap();
    assert!(understood > total / 100, "the inputs are too bad to say much");
}

#[test]
fn events() {
    run("event", &seeds::examples("event"), targets::event::check);
}

#[test]
fn commands() {
    run("command", &seeds::examples("command"), targets::command::check);
}

#[test]
fn states() {
    run("state", &seeds::examples("flow-state"), targets::state::check);
}

#[test]
fn partition_records() {
    run("partition", &seeds::examples("partition-record"), targets::partition::check);
}

#[test]
fn audit_events() {
    run("audit", &seeds::examples("audit-event"), targets::audit::check);
}

#[test]
fn queue_entries() {
    run("entry", &seeds::entries(), targets::entry::check);
}

#[test]
fn headers() {
    run("headers", &seeds::records(), targets::headers::check);
}

#[test]
fn topics() {
    run("topics", &seeds::names(), targets::topics::check);
}

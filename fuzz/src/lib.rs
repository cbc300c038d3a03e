//! What every reader of bytes has to stand, whatever the bytes are: a module a reader, each with a `check` that says how
//! the input ended, and panics where a promise is broken.
//!
//! The same in each: nothing panics, and an input ends in one place. What is understood is written and read again as
//! the same; what is refused is refused with a sentence that names what is at fault.
//!
//! Two things call these: `fuzz_targets/` under libFuzzer, which looks for inputs by coverage for as long as it is let,
//! and `tests/fuzz.rs`, which takes a bounded number of made ones on every run of the tests.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

pub mod audit;
pub mod command;
pub mod entry;
pub mod event;
pub mod headers;
mod keeps;
pub mod partition;
mod sentence;
pub mod state;
pub mod take;
pub mod topics;

/// How an input ended: there is no third way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Understood,
    Refused,
}

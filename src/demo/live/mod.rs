//! `flowgate demo`: a day a second (or another speed), until somebody ends it.
//!
//! - [`screen`]: with a terminal, a table that moves, and keys; [`view`] says what stands where, `keys` what a key means,
//!   `terminal` leaves the terminal as it was found;
//! - [`plain`]: without one, a line a day, and the scripted operator.

mod keys;
mod meter;
mod plain;
mod row;
mod screen;
mod terminal;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::Failure;
use super::backend::Backend;

/// Whether somebody sits at a terminal, to look and to press keys.
#[must_use]
pub fn has_terminal() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Runs until it is ended: by its key, by Ctrl-C, or by SIGTERM. `day`: how long a day of the calendar takes.
///
/// # Errors
/// [`Failure`]: it cannot go on.
pub fn run<B: Backend>(setup: B::Setup, day: Duration) -> Result<(), Failure> {
    let mut out = io::stdout();
    match has_terminal() {
        true => screen::run::<B>(&mut out, setup, day),
        false => plain::run::<B>(&mut out.lock() as &mut dyn Write, setup, day),
    }
}

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
mod signals;
mod terminal;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::Failure;
use crate::time::Timestamp;

/// A day of the calendar.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until it is ended: by its key, by Ctrl-C, or by SIGTERM. `day`: how long a day of the calendar takes.
///
/// # Errors
/// [`Failure`]: it cannot go on.
pub fn run(day: Duration) -> Result<(), Failure> {
    let mut out = io::stdout();
    if out.is_terminal() && io::stdin().is_terminal() {
        screen::run(&mut out, day)
    } else {
        plain::run(&mut out.lock() as &mut dyn Write, day)
    }
}

/// Which time of the calendar it is to be by now.
struct Tempo {
    began: Instant,
    from: Timestamp,
    day: Duration,
}

impl Tempo {
    fn new(from: Timestamp, day: Duration) -> Self {
        Self { began: Instant::now(), from, day: day.max(Duration::from_micros(1)) }
    }

    fn now(&self) -> Timestamp {
        self.from.after(self.of_calendar(self.began.elapsed()))
    }

    /// What a stretch of real time is in the calendar.
    fn of_calendar(&self, real: Duration) -> Duration {
        DAY.mul_f64(real.as_secs_f64() / self.day.as_secs_f64())
    }
}

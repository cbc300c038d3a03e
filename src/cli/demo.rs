//! `flowgate demo`

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::demo::{Failure, fast, live};

/// See pausing and resuming at work on 18 months of real purchases: one process, nothing installed
///
/// In a terminal, a table of the flows with keys to pause and resume them; q ends it. Without a terminal (into a pipe or
/// a file), a line a day while a scripted operator pauses and resumes; Ctrl-C ends it.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Play everything at once with a scripted operator, print what happened, and prove that every event has one fate
    ///
    /// Ends by itself: with 0 if the independent checker finds nothing wrong in the topics, else with 1.
    #[arg(long)]
    fast: bool,

    /// How long a day of the calendar takes, such as 250ms, 1s or 2m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration, conflicts_with = "fast")]
    day: Duration,
}

impl Demo {
    pub fn run(self) -> ExitCode {
        let done = match self.fast {
            true => {
                let mut out = BufWriter::new(io::stdout().lock());
                fast::run(&mut out).and_then(|holds| {
                    out.flush()?;
                    Ok(holds)
                })
            }
            false => live::run(self.day).map(|()| true),
        };
        match done {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
            Err(failure) => {
                eprintln!("error: the demo ended early: {failure}");
                if !matches!(failure, Failure::Output(_)) {
                    eprintln!("hint: it needs nothing from outside, so this is a defect of flowgate: please report it");
                }
                ExitCode::from(failure.exit_code())
            }
        }
    }
}

/// A whole number with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("give a whole number with its unit, such as 250ms, 1s or 2m".to_owned()),
    };
    match number.parse::<u64>().ok().and_then(|number| number.checked_mul(milliseconds)) {
        Some(milliseconds @ 1..=86_400_000) => Ok(Duration::from_millis(milliseconds)),
        _ => Err("give something from 1ms to 1440m".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let read = ["1ms", "250ms", "1s", "2m"].map(|text| duration(text).unwrap().as_millis());
        assert_eq!(read, [1, 250, 1_000, 120_000]);
        for text in ["", "1", "s", "0s", "-1s", "1.5s", "1 s", "1h", "1441m", "99999999999999999999ms"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

//! How far the commands go that look through topics: how many offsets, since when, and how much they show.

use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use indicatif::HumanCount;

use super::pause::time;
use crate::client::scan::{Bound, Progress};
use crate::duration;
use crate::time::Timestamp;

/// How many things one command shows.
pub const MOST: u32 = 100_000;

/// What is looked through unless somebody says how much.
const USUAL: Bound = Bound { records: 1_000_000, time: Duration::from_secs(30) };

/// Whoever says how much has the time.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Reach {
    /// How many offsets to look through at most [default: 1000000, within 30s]
    #[arg(long, value_name = "OFFSETS")]
    scan: Option<NonZeroU64>,
}

impl Reach {
    pub fn bound(self) -> Bound {
        self.scan.map_or(USUAL, |scan| Bound { records: scan.get(), time: PATIENCE })
    }

    /// What is to be said where the bound was reached; `else_way`: what else there is to do, with `or` and a space behind it.
    pub fn fell_short(self, progress: Progress, else_way: &str) -> String {
        let Progress { scanned, total, .. } = progress;
        format!(
            "looked through {} of {} offsets, and no further: {else_way}--scan {total} looks through all of them",
            grouped(scanned),
            grouped(total)
        )
    }
}

/// For clap.
pub fn limit() -> impl clap::builder::TypedValueParser<Value = u32> {
    clap::value_parser!(u32).range(1..=i64::from(MOST))
}

/// A number as people read it: `2,398`.
pub fn grouped(number: u64) -> String {
    HumanCount(number).to_string()
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    Ago(Duration),
    At(Timestamp),
}

impl Since {
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(ago) => now.before(ago),
            Self::At(time) => time,
        }
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = duration::parse(text).map(Self::Ago);
        ago.or_else(|_| time(text).map(Self::At)).map_err(|_| {
            "write how long ago, such as 2h or 3d, or a time with its zone, such as 2026-12-24T18:00:00+01:00"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_duration_or_a_time() {
        let now = Timestamp(1_800_000_000_000);
        let at = |text: &str| text.parse::<Since>().map(|since| since.at(now).0);
        assert_eq!(at("2h"), Ok(now.0 - 7_200_000));
        assert_eq!(at("2026-12-24T18:00:00+01:00"), at("2026-12-24T17:00:00Z"));
        for text in ["", "2", "yesterday", "2026-12-24", "2026-12-24T18:00:00"] {
            assert!(at(text).unwrap_err().contains("such as 2h or 3d"), "{text}");
        }
    }

    #[test]
    fn whoever_says_how_much_is_looked_through_has_the_time() {
        assert_eq!(Reach::default().bound().records, 1_000_000);
        let more = Reach { scan: NonZeroU64::new(5_000_000) }.bound();
        assert!(more.records == 5_000_000 && more.time > Duration::from_secs(3600));
    }
}

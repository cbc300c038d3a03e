//! How fast a drain may go.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Records a second, counted in thousandths of one: from 0.001 to 4294967295.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(NonZeroU64);

impl Rate {
    const ONE: u64 = 1_000;
    const MOST: u64 = u32::MAX as u64 * Self::ONE;

    /// So many whole records a second; `None` for 0.
    #[must_use]
    pub fn new(per_second: u32) -> Option<Self> {
        Self::of_thousandths(u64::from(per_second) * Self::ONE)
    }

    /// `None` for 0, and beyond the highest.
    #[must_use]
    pub fn of_thousandths(thousandths: u64) -> Option<Self> {
        NonZeroU64::new(thousandths).filter(|rate| rate.get() <= Self::MOST).map(Self)
    }

    #[must_use]
    pub fn thousandths(self) -> u64 {
        self.0.get()
    }

    /// Records a second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.thousandths() as f64 / Self::ONE as f64
    }

    /// Records a second, if that is a whole number.
    #[must_use]
    pub fn whole(self) -> Option<u64> {
        self.thousandths().is_multiple_of(Self::ONE).then(|| self.thousandths() / Self::ONE)
    }
}

/// Why a text is no rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not {}", NotARate::WANTED)]
pub struct NotARate;

impl NotARate {
    /// For sentences such as "send ...".
    pub const WANTED: &str = "a number from 0.001 to 4294967295 with at most three decimals";
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        if whole.is_empty() || decimals.is_empty() || decimals.len() > 3 || !digits(whole) || !digits(decimals) {
            return Err(NotARate);
        }
        let whole: u32 = whole.parse().map_err(|_| NotARate)?;
        let thousandths: u64 = format!("{decimals:0<3}").parse().map_err(|_| NotARate)?;
        Self::of_thousandths(u64::from(whole) * Self::ONE + thousandths).ok_or(NotARate)
    }
}

/// As it is read.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, thousandths) = (self.thousandths() / Self::ONE, self.thousandths() % Self::ONE);
        match thousandths {
            0 => write!(f, "{whole}"),
            _ => write!(f, "{whole}.{}", format!("{thousandths:03}").trim_end_matches('0')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        for (text, thousandths, written) in [
            ("1", 1_000, "1"),
            ("0.001", 1, "0.001"),
            ("0.5", 500, "0.5"),
            ("12.250", 12_250, "12.25"),
            ("007", 7_000, "7"),
            ("4294967295", 4_294_967_295_000, "4294967295"),
        ] {
            let rate = Rate::of_thousandths(thousandths);
            assert_eq!(text.parse().ok(), rate, "{text}");
            assert_eq!(rate.map(|rate| rate.to_string()).as_deref(), Some(written));
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "0", "0.0", "0.0001", "0.0000", ".5", "5.", "-1", "+1", "1e3", "1,5", " 1", "4294967295.001"] {
            assert_eq!(text.parse::<Rate>(), Err(NotARate), "{text}");
        }
        assert_eq!((Rate::new(0), Rate::of_thousandths(0)), (None, None));
    }

    #[test]
    fn only_whole_ones_are_whole() {
        let of = |thousandths| Rate::of_thousandths(thousandths).map(|rate| (rate.whole(), rate.per_second()));
        assert_eq!(of(2_000), Some((Some(2), 2.0)));
        assert_eq!(of(2_500), Some((None, 2.5)));
    }
}

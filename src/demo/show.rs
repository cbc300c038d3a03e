//! Numbers and times as people read them.

use std::time::Duration;

use crate::time::Timestamp;

/// `6,919`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1997-03-02 12:00`, in UTC.
pub(super) fn minute(time: Timestamp) -> String {
    format(time, "%Y-%m-%d %H:%M")
}

/// `1997-03-02`
pub(super) fn day(time: Timestamp) -> String {
    format(time, "%Y-%m-%d")
}

fn format(time: Timestamp, pattern: &str) -> String {
    let calendar = chrono::DateTime::from_timestamp_millis(time.0);
    calendar.map_or_else(|| time.to_string(), |calendar| calendar.format(pattern).to_string())
}

/// `13 d 04 h`, `4 h 12 min`, `12 min`, `40 s`
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes:02} min"),
        _ => format!("{days} d {hours:02} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times() {
        let numbers = [0, 12, 999, 1_000, 28_094, 1_000_000].map(thousands);
        assert_eq!(numbers, ["0", "12", "999", "1,000", "28,094", "1,000,000"]);
        let spans = [0, 59, 60, 3_600, 86_399, 86_400, 1_209_600].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["0 s", "59 s", "1 min", "1 h 00 min", "23 h 59 min", "1 d 00 h", "14 d 00 h"]);
        assert_eq!(minute(Timestamp(857_304_000_000)), "1997-03-02 12:00");
        assert_eq!(day(Timestamp(857_304_000_000)), "1997-03-02");
    }
}

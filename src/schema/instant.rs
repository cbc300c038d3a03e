//! Times as RFC 3339.

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use crate::time::Timestamp;

/// Writes a time with milliseconds, in UTC.
///
/// RFC 3339 has years 0 to 9999: what lies beyond is written as the nearest time that it has. Only times of events can
/// lie there, and documents do not hold those.
#[derive(Clone, Copy, Debug)]
pub struct Instant(pub Timestamp);

const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_300_799_999;

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = DateTime::from_timestamp_millis(self.0.0.clamp(FIRST, LAST)).unwrap_or_default();
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Reads a time in any offset; what is finer than a millisecond is cut off. One that has no year of four digits in UTC is
/// none: it could not be written again.
#[must_use]
pub fn read(text: &str) -> Option<Timestamp> {
    // The parser would take a space for the `T`, which the RFC tolerates and JSON Schema does not.
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
        return None;
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
    (FIRST..=LAST).contains(&time).then_some(Timestamp(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(time: Timestamp) -> String {
        serde_json::to_value(Instant(time)).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn times_read_back_also_at_the_ends_of_the_range() {
        assert_eq!(write(Timestamp(1_700_000_000_007)), "2023-11-14T22:13:20.007Z");
        for time in [0, -1, FIRST, LAST] {
            assert_eq!(read(&write(Timestamp(time))), Some(Timestamp(time)));
        }
        assert_eq!(read(&write(Timestamp(i64::MAX))), Some(Timestamp(LAST)));
        assert_eq!(read(&write(Timestamp(i64::MIN))), Some(Timestamp(FIRST)));
    }

    #[test]
    fn a_time_that_could_not_be_written_again_is_none() {
        assert_eq!(read("0000-01-01T01:00:00+01:00"), Some(Timestamp(FIRST)));
        assert_eq!(read("0000-01-01T00:59:59.999+01:00"), None);
        assert_eq!(read("9999-12-31T00:59:59.999-23:00"), Some(Timestamp(LAST)));
        assert_eq!(read("9999-12-31T01:00:00-23:00"), None);
        // A leap second is the first one of the next day; the last of all has none.
        assert_eq!(read("2016-12-31T23:59:60.5Z"), read("2017-01-01T00:00:00.5Z"));
        assert_eq!(read("9999-12-31T23:59:60Z"), None);
    }

    #[test]
    fn offsets_are_understood_and_no_other_format_is() {
        assert_eq!(read("2024-03-01T02:00:00.0019+02:00"), read("2024-03-01T00:00:00.001Z"));
        for text in ["2024-03-01 00:00:00Z", "2024-03-01T00:00:00", "2024-03-01", "tomorrow", "", "1709251200"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

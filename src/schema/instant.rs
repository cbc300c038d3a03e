//! Times as RFC 3339.

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};

use crate::time::Timestamp;

/// Writes a time with milliseconds, in UTC.
///
/// RFC 3339 has years 0 to 9999: what lies beyond is written as the nearest time that it has. Only times of events can
/// lie there, and documents do not hold those.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instant(pub Timestamp);

const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_300_799_999;

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = DateTime::from_timestamp_millis(self.0.0.clamp(FIRST, LAST)).unwrap_or_default();
        serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Reads a time in any offset; what is finer than a millisecond is cut off.
pub(super) fn read(text: &str) -> Option<Timestamp> {
    // The parser would take a space for the `T`, which the RFC tolerates and JSON Schema does not.
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
        return None;
    }
    DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_millis()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
    fn offsets_are_understood_and_no_other_format_is() {
        assert_eq!(read("2024-03-01T02:00:00.0019+02:00"), read("2024-03-01T00:00:00.001Z"));
        for text in ["2024-03-01 00:00:00Z", "2024-03-01T00:00:00", "2024-03-01", "tomorrow", "", "1709251200"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

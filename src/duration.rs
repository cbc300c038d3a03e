//! Durations as people write them: `3d`, `12h`, `1h30m`, `250ms`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// # Errors
/// A sentence's end that says what is wrong and how to write it.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write numbers with d, h, m, s or ms, such as `3d` or `1h30m`");
    let (mut rest, mut total) = (text.trim(), 0_u64);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (_, millis) = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(wrong)?;
        let part = number.checked_mul(*millis).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &rest[letters..];
    }
    Ok(Duration::from_millis(total))
}

/// For clap.
///
/// # Errors
/// As [`parse`].
pub fn whole_seconds(text: &str) -> Result<Duration, String> {
    let duration = parse(text)?;
    match duration.subsec_millis() {
        0 => Ok(duration),
        _ => Err(format!("`{text}` is no whole number of seconds")),
    }
}

/// Writes a duration so that [`parse`] reads it: the two largest units that it needs are enough for people, so what is
/// smaller is only written when nothing larger is there.
#[must_use]
pub fn show(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, millis) in UNITS {
        let number = left / millis;
        left %= millis;
        if number > 0 {
            parts.push(format!("{number}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, seconds) in
            [("3d", 259_200.0), ("12h", 43_200.0), ("1h30m", 5_400.0), ("90s", 90.0), ("250ms", 0.25)]
        {
            assert_eq!(parse(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        for text in ["", "3", "d", "3x", "3 d", "-3d", "3.5h", "99999999999999999999d", "300000000000000d", "3D"] {
            assert!(parse(text).unwrap_err().contains("is no duration"), "{text}");
        }
        assert!(whole_seconds("1500ms").is_err());
    }

    #[test]
    fn what_is_shown_reads_well() {
        for (millis, text) in
            [(0, "0s"), (250, "250ms"), (90_000, "1m30s"), (1_209_600_000, "14d"), (90_061_001, "1d1h")]
        {
            assert_eq!(show(Duration::from_millis(millis)), text);
        }
    }
}

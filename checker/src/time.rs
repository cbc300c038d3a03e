//! Reads RFC 3339 times.

/// Milliseconds since 1970 of an RFC 3339 time; `None` if it is none.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let days = days(number(0..4)?, number(5..7)?, number(8..10)?)?;
    let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(tail) => {
            let length = tail.bytes().take_while(u8::is_ascii_digit).count();
            let (digits, zone) = tail.split_at(length);
            let padded: String = digits.chars().chain("000".chars()).take(3).collect();
            (padded.parse::<i64>().ok().filter(|_| length > 0)?, zone)
        }
        None => (0, rest),
    };
    let local = (days * 86_400 + seconds) * 1000 + fraction;
    Some(local - offset_minutes(zone)? * 60_000)
}

/// A time as RFC 3339 has it.
pub(crate) fn text(milliseconds: i64) -> String {
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    // The inverse of `days`: eras of 400 years, which begin in March.
    let since_era = days + 719_468;
    let (era, day) = (since_era.div_euclid(146_097), since_era.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let since_march = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * since_march + 2) / 5 + 1, (since_march + 2) % 12 + 1);
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
}

fn offset_minutes(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar: years counted from March, so that leap days come last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let day_of_year = (153 * since_march + 2) / 5 + day - 1;
    Some(365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads() {
        for day in -800_000..800_000 {
            let time = day * 86_400_000 + 45_296_789 + day;
            if (0..=9999).contains(&text(time).split('-').next().and_then(|year| year.parse().ok()).unwrap_or(-1)) {
                assert_eq!(milliseconds(&text(time)), Some(time));
            }
        }
        assert_eq!(text(951_782_400_500), "2000-02-29T00:00:00.500Z");
    }

    #[test]
    fn reads_times() {
        assert_eq!(milliseconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(milliseconds("1998-06-30T12:00:00Z"), Some(899_208_000_000));
        assert_eq!(milliseconds("2000-02-29T00:00:00.5+01:30"), Some(951_782_400_500 - 5_400_000));
        assert_eq!(milliseconds("2024-03-01T00:00:00.123456Z"), Some(1_709_251_200_123));
        for text in ["", "1998-06-30", "1998-13-30T12:00:00Z", "1998-06-30T12:00:00", "1998-06-30T12:00:00.Z"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}

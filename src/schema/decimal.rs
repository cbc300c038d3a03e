//! Numbers in decimal, of which each has one text: no plus sign, no leading zero, no `-0`.
//!
//! Every entry of a queue is written and read with several of them: neither direction allocates.

/// How many digits a number has.
pub(super) fn length(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |tens| tens as usize + 1)
}

/// Appends a number.
pub(super) fn push(text: &mut Vec<u8>, number: u64) {
    let first = text.len();
    text.resize(first + length(number), b'0');
    let mut rest = number;
    for digit in text[first..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
}

/// How many bytes a number with a sign has.
pub(super) fn signed_length(number: i64) -> usize {
    length(number.unsigned_abs()) + usize::from(number < 0)
}

/// Appends a number with a sign.
pub(super) fn push_signed(text: &mut Vec<u8>, number: i64) {
    if number < 0 {
        text.push(b'-');
    }
    push(text, number.unsigned_abs());
}

/// Reads what [`push`] writes; anything else is no number.
pub(super) fn read(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 1 && text.starts_with('0') {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads what [`push_signed`] writes; anything else is no number.
pub(super) fn read_signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        None => read(text)?.try_into().ok(),
        Some(digits) => read(digits).filter(|number| *number > 0).and_then(|number| 0_i64.checked_sub_unsigned(number)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_it_is_everywhere_and_read_back() {
        let powers = (0..64).map(|bit| 1_u64 << bit).chain((0..20).map(|tens| 10_u64.pow(tens)));
        for number in powers.flat_map(|power| [power - 1, power, power + 1]).chain([u64::MAX]) {
            let mut text = Vec::new();
            push(&mut text, number);
            assert_eq!((text.len(), String::from_utf8(text).unwrap()), (length(number), number.to_string()));
            assert_eq!(read(&number.to_string()), Some(number));
        }
        for number in [i64::MIN, i64::MIN + 1, -10, -1, 0, 1, i64::MAX] {
            let mut text = Vec::new();
            push_signed(&mut text, number);
            assert_eq!((text.len(), String::from_utf8(text).unwrap()), (signed_length(number), number.to_string()));
            assert_eq!(read_signed(&number.to_string()), Some(number));
        }
    }

    #[test]
    fn no_number_has_two_texts() {
        for text in ["", "+1", "01", "00", "-", "-1", "1 ", " 1", "1.0", "0x1", "１", "18446744073709551616"] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["", "-", "-0", "-01", "+1", "--1", "9223372036854775808", "-9223372036854775809"] {
            assert_eq!(read_signed(text), None, "{text}");
        }
    }
}

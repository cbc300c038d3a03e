//! Numbers in decimal, of which each has one text: no plus sign, no leading zero, no `-0`.
//!
//! Every entry of a queue is written and read with several of them: neither direction allocates.

/// A number, of a sign or without, that is written as text.
pub(super) struct Decimal(itoa::Buffer);

impl Decimal {
    pub fn new() -> Self {
        Self(itoa::Buffer::new())
    }

    /// The text of a number.
    pub fn write(&mut self, number: impl itoa::Integer) -> &[u8] {
        self.0.format(number).as_bytes()
    }
}

/// Reads what [`Decimal`] writes of a number without a sign; anything else is no number.
pub(super) fn read(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 1 && text.starts_with('0') {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Reads what [`Decimal`] writes; anything else is no number.
pub(super) fn read_signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        None => read(text)?.try_into().ok(),
        Some(digits) => read(digits).filter(|number| *number > 0).and_then(|number| 0_i64.checked_sub_unsigned(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_it_is_everywhere_and_read_back() {
        let powers = (0..64).map(|bit| 1_u64 << bit).chain((0..20).map(|tens| 10_u64.pow(tens)));
        for number in powers.flat_map(|power| [power - 1, power, power + 1]).chain([u64::MAX]) {
            assert_eq!(Decimal::new().write(number), number.to_string().as_bytes());
            assert_eq!(read(&number.to_string()), Some(number));
        }
        for number in [i64::MIN, i64::MIN + 1, -10, -1, 0, 1, i64::MAX] {
            assert_eq!(Decimal::new().write(number), number.to_string().as_bytes());
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

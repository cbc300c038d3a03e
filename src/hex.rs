//! Bytes as pairs of hexadecimal digits.

use std::fmt::Write as _;

/// In lower case.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// `None`: it is not made of pairs of digits, of either case.
#[must_use]
pub fn read(text: &str) -> Option<Vec<u8>> {
    let digit = |sign: u8| char::from(sign).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = *pair { Some(digit(high)? << 4 | digit(low)?) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&all)), Some(all));
        assert_eq!(read("FFaB"), Some(vec![0xff, 0xab]));
        for text in ["f", "0g", "+1", "é"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

//! Bytes in a document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Text {
    pub encoding: Encoding,
    pub data: String,
}

/// How [`Text::data`] says the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Encoding {
    /// As they are.
    #[serde(rename = "utf-8")]
    Utf8,
    /// Where they are no UTF-8.
    #[serde(rename = "base64")]
    Base64,
}

impl Encoding {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Base64 => "base64",
        }
    }
}

impl Text {
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { encoding: Encoding::Utf8, data: text.to_owned() },
            Err(_) => Self { encoding: Encoding::Base64, data: STANDARD.encode(bytes) },
        }
    }

    /// The bytes; `None`: `data` is no base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding {
            Encoding::Utf8 => Some(self.data.clone().into_bytes()),
            Encoding::Base64 => STANDARD.decode(&self.data).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for bytes in [&b""[..], b"text", b"\xff\x00", "\u{6d41}".as_bytes()] {
            assert_eq!(Text::of(bytes).bytes().as_deref(), Some(bytes));
        }
        assert_eq!(Text::of(b"\xff").encoding, Encoding::Base64);
        let wrong = Text { encoding: Encoding::Base64, data: "?".to_owned() };
        assert_eq!(wrong.bytes(), None);
    }
}

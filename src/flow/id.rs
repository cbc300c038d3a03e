//! Identifiers, valid by construction.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Which flow: any UTF-8 string of 1 to 100 bytes but `*`, which means every flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(Arc<str>);

/// Which record (contact, deal, ...) of a flow: 1 to 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(Arc<str>);

/// Names a command, so that sending it twice is the same as once: 1 to 256 bytes, chosen by who sends it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(Arc<str>);

/// Why a string is no identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    #[error("is empty; give 1 to {limit} bytes")]
    Empty { limit: usize },
    #[error("has {length} bytes; the limit is {limit}")]
    TooLong { length: usize, limit: usize },
    #[error("is `*`, which means every flow and cannot name one")]
    Star,
}

fn check(text: &str, limit: usize) -> Result<(), Invalid> {
    match text.len() {
        0 => Err(Invalid::Empty { limit }),
        length if length > limit => Err(Invalid::TooLong { length, limit }),
        _ => Ok(()),
    }
}

impl FlowId {
    /// The longest flow id, in bytes: its escaped form still fits a Kafka topic name most of the time.
    pub const MAX_BYTES: usize = 100;

    /// # Errors
    /// [`Invalid`] if the text is empty, longer than [`Self::MAX_BYTES`], or `*`.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check(text, Self::MAX_BYTES)?;
        if text == "*" {
            return Err(Invalid::Star);
        }
        Ok(Self(text.into()))
    }
}

impl RecordId {
    /// The longest record id, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// # Errors
    /// [`Invalid`] if the text is empty or longer than [`Self::MAX_BYTES`].
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check(text, Self::MAX_BYTES)?;
        Ok(Self(text.into()))
    }

    /// Whether [`RecordId::new`] takes this text.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        check(text, Self::MAX_BYTES).is_ok()
    }
}

impl CommandId {
    /// The longest command id, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// # Errors
    /// [`Invalid`] if the text is empty or longer than [`Self::MAX_BYTES`].
    pub fn new(text: &str) -> Result<Self, Invalid> {
        check(text, Self::MAX_BYTES)?;
        Ok(Self(text.into()))
    }
}

macro_rules! text {
    ($($id:ident)*) => {$(
        impl $id {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::borrow::Borrow<str> for $id {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}
text!(FlowId RecordId CommandId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_1_to_so_many_bytes_and_a_flow_is_not_every_flow() {
        assert_eq!(FlowId::new(""), Err(Invalid::Empty { limit: 100 }));
        assert_eq!(FlowId::new("*"), Err(Invalid::Star));
        assert_eq!(FlowId::new(&"x".repeat(101)), Err(Invalid::TooLong { length: 101, limit: 100 }));
        assert!(FlowId::new(&"x".repeat(100)).is_ok());
        assert!(FlowId::new("**").is_ok());
        // Bytes, not characters: 33 of three bytes each, and one of one.
        assert!(FlowId::new(&("流".repeat(33) + "x")).is_ok());
        assert!(FlowId::new(&"流".repeat(34)).is_err());
        assert!(RecordId::new("*").is_ok());
        assert!(RecordId::new(&"x".repeat(256)).is_ok());
        assert!(RecordId::new(&"x".repeat(257)).is_err());
        assert_eq!(RecordId::new(""), Err(Invalid::Empty { limit: 256 }));
        assert!(CommandId::new(&"x".repeat(257)).is_err());
        assert!(CommandId::new("").is_err());
    }
}

//! Records that the broker refuses to store, for their size or their timestamp, and how each is written then.

use super::outgoing::{Origin, To};
use crate::broker::{Code, Compression};
use crate::schema::Reason;
use crate::time::Timestamp;

/// What is known of a record that was refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Where it was refused. If it is to go elsewhere by now, what was found out there says nothing.
    pub by: To,
    pub treatment: Treatment,
    /// Since when nothing but its own absence keeps it from its turn.
    pub since: Timestamp,
    /// It has not come again for longer than the worker is patient.
    pub is_missing: bool,
    /// Everybody else has had a turn since it was refused.
    pub stood_back: bool,
}

/// How a refused record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Where it belongs, with its value: compressed, with the time of writing instead of its own, or both.
    Whole { compress: bool, time_of_writing: bool },
    /// The topics do not take it: a dead letter without its value.
    WithoutValue(Reason),
    /// Not even that: without key and headers too.
    Bare(Reason),
}

impl Treatment {
    /// As every record is written.
    pub const NONE: Self = Self::Whole { compress: false, time_of_writing: false };

    /// What to do about a refusal, given how the record was written; `None`: nothing is left.
    pub fn next(refusal: Code, before: Self) -> Option<Self> {
        let (compress, time_of_writing) = match before {
            Self::Whole { compress, time_of_writing } => (compress, time_of_writing),
            Self::WithoutValue(reason) => return Some(Self::Bare(reason)),
            Self::Bare(_) => return None,
        };
        match refusal {
            Code::TooLarge if !compress => Some(Self::Whole { compress: true, time_of_writing }),
            Code::TooLarge => Some(Self::WithoutValue(Reason::TooLarge)),
            Code::InvalidTimestamp if !time_of_writing => Some(Self::Whole { compress, time_of_writing: true }),
            Code::InvalidTimestamp | Code::InvalidRecord => Some(Self::WithoutValue(Reason::Refused)),
            _ => None,
        }
    }

    /// Whether the broker can refuse a record for this, rather than a call.
    pub fn is_refusal(code: Code) -> bool {
        matches!(code, Code::TooLarge | Code::InvalidTimestamp | Code::InvalidRecord)
    }

    pub fn compression(self) -> Compression {
        match self {
            Self::Whole { compress: true, .. } => Compression::Zstd,
            Self::Whole { compress: false, .. } | Self::WithoutValue(_) | Self::Bare(_) => Compression::None,
        }
    }

    pub fn time_of_writing(self) -> bool {
        matches!(self, Self::Whole { time_of_writing: true, .. })
    }

    /// Why a record is treated so.
    pub fn why(self) -> &'static str {
        match self {
            Self::Whole { compress: true, .. }
            | Self::WithoutValue(Reason::TooLarge)
            | Self::Bare(Reason::TooLarge) => "as too large",
            Self::Whole { time_of_writing: true, .. } => "for its timestamp",
            Self::Whole { .. } | Self::WithoutValue(_) | Self::Bare(_) => "for its content",
        }
    }
}

/// The refused record that a turn is for.
#[derive(Clone, Debug)]
pub struct Alone {
    pub origin: Origin,
    pub treatment: Treatment,
}

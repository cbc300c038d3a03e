//! Why an input cannot be understood.

use thiserror::Error;

use crate::flow::FlowId;

/// An event or a command that cannot be understood: it becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Unreadable {
    pub reason: Reason,
    /// The field at fault, if it is one.
    pub field: Option<&'static str>,
    /// One sentence for people, of bounded length; names the field and the fix.
    pub detail: String,
    /// The flow it names, if the value is JSON and that field is valid: the dead letter of an event counts for it.
    pub flow: Option<FlowId>,
}

/// The kinds of fault, as `flowgate-reason` and metrics name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A null value: there is nothing to read.
    NullValue,
    NotUtf8,
    NotJson,
    /// JSON, but an array, a string, a number ...
    NotAnObject,
    MissingField,
    WrongType,
    Empty,
    TooLong,
    /// A string that ends in half a surrogate pair, so that it is no text.
    LoneSurrogate,
    /// An event for `*`.
    EveryFlow,
    UnknownKind,
    /// One of the gate's fields, twice: readers would disagree on which one counts.
    DuplicateField,
    /// A version that a newer gate may understand.
    NewerVersion,
    /// A version that never was.
    UnknownVersion,
    /// Kafka refused to store it for its size.
    TooLarge,
    /// Kafka refused to store it for another reason.
    Refused,
}

impl Reason {
    pub const ALL: [Self; 16] = [
        Self::NullValue,
        Self::NotUtf8,
        Self::NotJson,
        Self::NotAnObject,
        Self::MissingField,
        Self::WrongType,
        Self::Empty,
        Self::TooLong,
        Self::LoneSurrogate,
        Self::EveryFlow,
        Self::UnknownKind,
        Self::DuplicateField,
        Self::NewerVersion,
        Self::UnknownVersion,
        Self::TooLarge,
        Self::Refused,
    ];

    /// The word in `flowgate-reason` and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NullValue => "null_value",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::LoneSurrogate => "lone_surrogate",
            Self::EveryFlow => "every_flow",
            Self::UnknownKind => "unknown_kind",
            Self::DuplicateField => "duplicate_field",
            Self::NewerVersion => "newer_version",
            Self::UnknownVersion => "unknown_version",
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
        }
    }
}

impl Unreadable {
    /// The whole value is at fault.
    pub(super) fn value(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, field: None, detail: detail.into(), flow: None }
    }

    /// One field is at fault; the detail goes on after its name.
    pub(super) fn field(reason: Reason, field: &'static str, detail: impl std::fmt::Display) -> Self {
        Self { reason, field: Some(field), detail: format!("{field} {detail}"), flow: None }
    }

    pub(super) fn of(self, flow: Option<FlowId>) -> Self {
        Self { flow, ..self }
    }
}

/// Foreign text for an error message, cut to a length that fits a header.
pub(super) fn quote(text: &str) -> String {
    const LIMIT: usize = 40;
    match text.char_indices().nth(LIMIT) {
        None => format!("`{text}`"),
        Some((end, _)) => format!("`{}...`", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
    }

    #[test]
    fn a_quote_is_bounded_and_cut_between_characters() {
        assert_eq!(quote("pause"), "`pause`");
        assert_eq!(quote(&"流".repeat(1000)), format!("`{}...`", "流".repeat(40)));
    }
}

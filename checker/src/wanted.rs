//! What samples of named records want, and what they take.

use std::collections::HashSet;

use serde_json::Value;

/// A sample of named records.
#[derive(Debug)]
pub(crate) struct Named {
    /// The transition that began it.
    pub order: usize,
    /// The segment that it began, and the one that its end did.
    pub first: usize,
    pub end: Option<usize>,
    /// It went to its own end: nothing else ended it.
    pub whole: bool,
    /// In the order of their entries.
    pub wanted: Vec<Wanted>,
}

/// An entry that is held of a named record, and that nothing had replaced when the sample began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Index into the items.
    pub item: usize,
    /// By event: what replaces it, if anything does.
    pub newer: Option<usize>,
    pub withdraw: Option<usize>,
    /// Nothing came before the sample's end that replaces it.
    pub certain: bool,
}

/// An entry that was released by a sample of named records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Which one of the flow's.
    pub sample: usize,
    /// By event: what replaces it, if it had come before.
    pub newer: Option<usize>,
    pub withdraw: Option<usize>,
}

/// The records that a `release` names; `None`: it names none, or not as it should.
pub(crate) fn record_ids(command: &Value) -> Option<HashSet<String>> {
    let ids = command.get("record_ids")?.as_array()?;
    let text = |id: &Value| match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    };
    let all: Option<HashSet<String>> = ids.iter().map(text).collect();
    all.filter(|_| (1..=100).contains(&ids.len()) && command.get("count").is_none_or(Value::is_null))
}

//! What a command orders that passes entries of a paused flow, or has a flow forgotten.

use std::collections::HashSet;

use serde_json::Value;

use crate::report::{Kind, PerKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Up to this entry, at most.
    Purge(u64),
    /// So many.
    Release(u64),
    /// What is held of these records.
    ReleaseNamed(HashSet<String>),
    /// No more than so many.
    AcceptLoss(Option<u64>),
    Forget,
}

impl Errand {
    /// Reads a command's document; `None`: it orders nothing of the kind.
    pub(super) fn read(command: &Value) -> Option<Self> {
        let number = |field: &str| command.get(field).and_then(Value::as_u64);
        match command.get("action").and_then(Value::as_str)? {
            "purge" => Some(Self::Purge(number("through_entry").unwrap_or(u64::MAX))),
            "release" => match command.get("record_ids").filter(|ids| !ids.is_null()) {
                Some(ids) if number("count").is_none() => names(ids).map(Self::ReleaseNamed),
                Some(_) => None,
                None => Some(Self::Release(number("count")?)),
            },
            "accept_loss" => Some(Self::AcceptLoss(number("at_most"))),
            "forget" => Some(Self::Forget),
            _ => None,
        }
    }
}

/// The records that a list names, at least one and at most a hundred.
fn names(ids: &Value) -> Option<HashSet<String>> {
    let ids = ids.as_array().filter(|ids| !ids.is_empty() && ids.len() <= 100)?;
    let mut names = HashSet::new();
    for id in ids {
        match id {
            Value::String(name) => names.insert(name.clone()),
            Value::Number(number) => {
                names.insert(number.as_i64().map(i128::from).or(number.as_u64().map(i128::from))?.to_string())
            }
            _ => return None,
        };
    }
    Some(names)
}

/// How many entries were passed in one way: for certain, and at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    least: PerKind,
    most: PerKind,
}

impl Passed {
    pub(super) fn count(&mut self, kind: Kind, certain: bool) {
        self.most.count(kind);
        if certain {
            self.least.count(kind);
        }
    }

    /// The number that were passed for certain.
    pub(super) fn least(&self) -> u64 {
        self.least.total()
    }

    pub(super) fn most(&self) -> u64 {
        self.most.total()
    }

    pub(super) fn may_be(&self, count: PerKind) -> bool {
        (self.least.enroll..=self.most.enroll).contains(&count.enroll)
            && (self.least.advance..=self.most.advance).contains(&count.advance)
    }
}

/// A purge under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purge {
    pub line: u64,
    pub removed: Passed,
}

/// A sample under way.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub count: u64,
    pub released: Passed,
    /// It looks for named records, and passes nothing.
    pub search: Option<Search>,
}

/// What a sample of named records looks for, by places in the list.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// In order.
    pub wanted: Vec<usize>,
    /// Gone since: released before that, or lost.
    pub taken: HashSet<usize>,
    pub lost: HashSet<usize>,
    /// Which one of the script's.
    pub script: usize,
}

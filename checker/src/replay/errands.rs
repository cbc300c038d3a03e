//! What a command orders that passes entries of a paused flow, or has a flow forgotten.

use serde_json::Value;

use crate::report::{Kind, PerKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Up to this entry, at most.
    Purge(u64),
    /// So many.
    Release(u64),
    Forget,
}

impl Errand {
    /// Reads a command's document; `None`: it orders nothing of the kind.
    pub(super) fn read(command: &Value) -> Option<Self> {
        let number = |field: &str| command.get(field).and_then(Value::as_u64);
        match command.get("action").and_then(Value::as_str)? {
            "purge" => Some(Self::Purge(number("through_entry").unwrap_or(u64::MAX))),
            "release" => Some(Self::Release(number("count")?)),
            "forget" => Some(Self::Forget),
            _ => None,
        }
    }
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub count: u64,
    pub released: Passed,
}

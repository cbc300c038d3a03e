//! What upstream says: a record enters a flow, is due to move on, or leaves.

use super::{FlowId, RecordId};

/// An enrollment event, as far as the gate understands it. Its value passes through byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub flow: FlowId,
    pub record: RecordId,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A new record enters the flow.
    Enroll,
    /// A record already in the flow is due to move on.
    Advance,
    /// The record leaves (unsubscribed, deleted): delivered at once in every state.
    Withdraw,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Enroll, Self::Advance, Self::Withdraw];

    /// The word on the wire and in queue keys.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enroll => "enroll",
            Self::Advance => "advance",
            Self::Withdraw => "withdraw",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_word() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_word(kind.word()), Some(kind));
        }
        assert_eq!(Kind::from_word("Enroll"), None);
    }
}

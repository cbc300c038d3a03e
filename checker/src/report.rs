//! The checker's output.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, AddAssign};

use crate::Anomaly;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Empty: every promise that can be seen in the topics was kept.
    pub anomalies: Vec<Anomaly>,
    /// Both sums of P1, for every flow that an event or a transition named.
    pub flows: BTreeMap<String, Sums>,
    /// Dead letters whose flow cannot be told: a sum of their own.
    pub flowless_dead: u64,
    pub commands: Commands,
    /// How many records of the enrollments were compared.
    pub events: u64,
}

impl Report {
    /// No anomaly, and every flow's sums close.
    #[must_use]
    pub fn is_green(&self) -> bool {
        self.anomalies.is_empty() && self.flows.values().all(Sums::closes)
    }
}

/// The fates of a flow's events **as found in the topics**: where an event is missing or doubled, a sum does not close.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// `in`: records in the flow's home partition, and its dead letters read elsewhere.
    pub input: u64,
    /// Delivered as they came, withdraws among them.
    pub delivered_live: u64,
    pub queued: PerKind,
    pub turned_away: PerKind,
    pub dead: u64,
    pub held: PerKind,
    pub released: PerKind,
    pub replaced: PerKind,
    pub removed: PerKind,
    /// Somebody deleted them, and the loss was accepted.
    pub lost: PerKind,
    /// Of `delivered_live`: withdraws.
    pub withdraws: u64,
    /// Events of the flow that arrived at another partition; in no sum, their twins at home are.
    pub rerouted: u64,
}

impl Sums {
    /// Whether both sums of P1 close, the second one for each kind.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.input == self.delivered_live + self.queued.total() + self.turned_away.total() + self.dead
            && self.queued == self.held + self.released + self.replaced + self.removed + self.lost
    }
}

impl AddAssign<&Self> for Sums {
    fn add_assign(&mut self, other: &Self) {
        self.input += other.input;
        self.delivered_live += other.delivered_live;
        self.queued += other.queued;
        self.turned_away += other.turned_away;
        self.dead += other.dead;
        self.held += other.held;
        self.released += other.released;
        self.replaced += other.replaced;
        self.removed += other.removed;
        self.lost += other.lost;
        self.withdraws += other.withdraws;
        self.rerouted += other.rerouted;
    }
}

/// Enrolls and advances, counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub struct PerKind {
    pub enroll: u64,
    pub advance: u64,
}

impl PerKind {
    #[must_use]
    pub fn total(self) -> u64 {
        self.enroll + self.advance
    }

    /// Counts one more; a withdraw counts nowhere.
    pub(crate) fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Enroll => self.enroll += 1,
            Kind::Advance => self.advance += 1,
            Kind::Withdraw => {}
        }
    }

    pub(crate) fn of(self, kind: Kind) -> u64 {
        match kind {
            Kind::Enroll => self.enroll,
            Kind::Advance => self.advance,
            Kind::Withdraw => 0,
        }
    }
}

impl Add for PerKind {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { enroll: self.enroll + other.enroll, advance: self.advance + other.advance }
    }
}

impl AddAssign for PerKind {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

/// What an event says of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Enroll,
    Advance,
    Withdraw,
}

impl Kind {
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word {
            "enroll" => Some(Self::Enroll),
            "advance" => Some(Self::Advance),
            "withdraw" => Some(Self::Withdraw),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enroll => "enroll",
            Self::Advance => "advance",
            Self::Withdraw => "withdraw",
        })
    }
}

/// The control topic and its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// Records in the control topic.
    pub read: u64,
    pub applied: u64,
    pub unchanged: u64,
    pub rejected: u64,
    /// Could not be read, and became dead letters.
    pub dead: u64,
    /// Answers that repeat an earlier one, in the numbers above too.
    pub repeated: u64,
}

//! How many events of each kind had which fate.

use super::Kind;

/// How many, by kind. Withdraws are in no sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerKind {
    pub enroll: u64,
    pub advance: u64,
}

impl PerKind {
    #[must_use]
    pub fn total(self) -> u64 {
        self.enroll + self.advance
    }

    /// Counts `n` more of a kind; a withdraw counts nowhere.
    pub fn add(&mut self, kind: Kind, n: u64) {
        match kind {
            Kind::Enroll => self.enroll += n,
            Kind::Advance => self.advance += n,
            Kind::Withdraw => {}
        }
    }

    /// What is here and not there, by kind; never less than nothing.
    pub(super) fn minus(self, other: Self) -> Self {
        Self { enroll: self.enroll.saturating_sub(other.enroll), advance: self.advance.saturating_sub(other.advance) }
    }

    /// Counts one of a kind less.
    pub(super) fn take_back(&mut self, kind: Kind) {
        match kind {
            Kind::Enroll => self.enroll = self.enroll.saturating_sub(1),
            Kind::Advance => self.advance = self.advance.saturating_sub(1),
            Kind::Withdraw => {}
        }
    }
}

/// The fates of held events: `queued = held + released + replaced + removed + lost` at every moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub queued: PerKind,
    pub released: PerKind,
    pub replaced: PerKind,
    pub removed: PerKind,
    /// Deleted by somebody behind the gate's back, and accepted as lost by an operator.
    pub lost: PerKind,
    /// New records refused during a pause with `new_records: discard`; never queued.
    pub turned_away: PerKind,
}

/// One of the fates of a held event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    Released,
    Replaced,
    Removed,
    Lost,
}

impl Counts {
    #[must_use]
    pub fn held(&self) -> PerKind {
        let held = |of: fn(&PerKind) -> u64| {
            let fallen = of(&self.released) + of(&self.replaced) + of(&self.removed) + of(&self.lost);
            of(&self.queued).saturating_sub(fallen)
        };
        PerKind { enroll: held(|count| count.enroll), advance: held(|count| count.advance) }
    }

    pub(super) fn add_each(&mut self, tally: Tally, count: PerKind) {
        self.add(tally, Kind::Enroll, count.enroll);
        self.add(tally, Kind::Advance, count.advance);
    }

    pub fn add(&mut self, tally: Tally, kind: Kind, n: u64) {
        match tally {
            Tally::Released => self.released.add(kind, n),
            Tally::Replaced => self.replaced.add(kind, n),
            Tally::Removed => self.removed.add(kind, n),
            Tally::Lost => self.lost.add(kind, n),
        }
    }
}

//! Held entries are passed, one after another, and get their fate.
//!
//! The cleaner may have removed entries, always replaced ones: every survivor's header says how many enrolls and
//! advances lie before it, so the gap before it is counted exactly.

use super::{Drain, Flow, Kind, Line, LineReason, State, Tally, Transition};
use crate::time::Timestamp;

/// A queue entry that is still in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    pub number: u64,
    /// Enrolls among the entries up to and with this one.
    pub enrolls: u64,
    /// Advances among the entries up to and with this one.
    pub advances: u64,
    pub kind: Kind,
    pub held_at: Timestamp,
    /// Its offset in the queue topic.
    pub offset: i64,
}

/// The fate of a held entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    Release,
    /// A newer event or a withdraw took its place.
    Replaced,
    Remove(Removal),
    /// A withdraw: delivered when it came, here only for what it takes out.
    Withdrawal,
    /// Passed before, or the flow is not draining: nothing is done, and nothing may be delivered.
    Stale,
}

/// Why a held entry goes to the discarded topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    ReleaseNone,
    Expired,
    MaxAge,
}

impl Flow {
    /// Passes the next survivor and counts its fate and the gap before it. `replaced`: the index has something newer.
    /// A replaced entry is never removed, a removed one never released.
    pub fn pass(&mut self, survivor: &Survivor, replaced: bool) -> Passing {
        // A survivor that was read ahead when the drain was stopped must not slip out of a paused flow.
        if self.drain().is_none() || survivor.number <= self.queue.watermark.entry {
            return Passing::Stale;
        }
        let own = |kind: Kind| u64::from(survivor.kind == kind);
        let watermark = self.queue.watermark;
        let gap = |survivor: u64, before: u64, own: u64| survivor.saturating_sub(before).saturating_sub(own);
        let enrolls = gap(survivor.enrolls, watermark.enrolls, own(Kind::Enroll));
        let advances = gap(survivor.advances, watermark.advances, own(Kind::Advance));
        self.counts.add(Tally::Replaced, Kind::Enroll, enrolls);
        self.counts.add(Tally::Replaced, Kind::Advance, advances);

        let passing = self.fate(survivor, replaced);
        match passing {
            Passing::Release => self.counts.add(Tally::Released, survivor.kind, 1),
            Passing::Replaced => self.counts.add(Tally::Replaced, survivor.kind, 1),
            Passing::Remove(_) => self.counts.add(Tally::Removed, survivor.kind, 1),
            Passing::Withdrawal | Passing::Stale => {}
        }
        let watermark = &mut self.queue.watermark;
        watermark.entry = survivor.number;
        watermark.enrolls = survivor.enrolls;
        watermark.advances = survivor.advances;
        watermark.offset = survivor.offset + 1;
        passing
    }

    fn fate(&self, survivor: &Survivor, replaced: bool) -> Passing {
        if survivor.kind == Kind::Withdraw {
            return Passing::Withdrawal;
        }
        if replaced {
            return Passing::Replaced;
        }
        if let Some(Line { entry, reason, .. }) = &self.queue.discard_through
            && survivor.number <= *entry
        {
            return Passing::Remove(match reason {
                LineReason::ReleaseNone => Removal::ReleaseNone,
                LineReason::Expired => Removal::Expired,
            });
        }
        if let Some(Drain { max_age: Some(max_age), as_of, .. }) = self.drain()
            && as_of.since(survivor.held_at) > *max_age
        {
            return Passing::Remove(Removal::MaxAge);
        }
        Passing::Release
    }

    /// The entry just released could not be stored downstream: it is removed instead.
    pub fn release_failed(&mut self, kind: Kind) {
        let released = match kind {
            Kind::Enroll => &mut self.counts.released.enroll,
            Kind::Advance => &mut self.counts.released.advance,
            Kind::Withdraw => return,
        };
        *released = released.saturating_sub(1);
        self.counts.add(Tally::Removed, kind, 1);
    }

    /// Ends the drain if every entry has been passed: the flow is live, and the next event goes straight through. An
    /// empty queue's drain ends without anything to read.
    pub fn finish(&mut self, now: Timestamp) -> Option<Transition> {
        match &self.state {
            State::Resuming { .. } if self.queue.is_passed() => {
                self.state = State::Live;
                self.queue.discard_through = None;
                self.updated_at = now;
                Some(Transition::WentLive)
            }
            State::Resuming { .. } | State::Live | State::Paused(_) => None,
        }
    }

    /// The queue topic has been emptied and given up: the next held event makes a new one, of the next number. Entry
    /// numbers go on. `false`, and nothing done, unless the flow is live with everything passed.
    pub fn retire_queue(&mut self, now: Timestamp) -> bool {
        let retires = matches!(self.state, State::Live) && self.queue.is_passed() && self.queue.topic.is_some();
        if retires {
            self.queue.topic = None;
            self.queue.watermark.offset = 0;
            self.updated_at = now;
        }
        retires
    }
}

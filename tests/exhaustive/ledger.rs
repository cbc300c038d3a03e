//! The promises for one flow, kept with an ordinary list: no entry numbers, no gaps, no index, no transactions. What is
//! committed has to be what stands here.

use flowgate::flow::{Keep, Kind, NewRecords, OnExpiry, PauseEnd, PauseOrder, Verdict};

use super::orders::{Input, Issued, Order};

/// Where an event ended. No event ends twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Live,
    Released,
    Replaced,
    Removed,
    TurnedAway,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    pub mode: Mode,
    pub backlog: Vec<Held>,
    /// By the place of the event in the input.
    pub ends: Vec<Option<End>>,
    /// What is downstream, in its order.
    pub delivered: Vec<usize>,
    /// What was answered, by id.
    answers: Vec<(u8, Verdict)>,
    /// Up to and with this event everything held is purged.
    purge: Option<usize>,
    /// How many are to be released though the flow is paused.
    sample: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    #[default]
    Live,
    Paused {
        since: i64,
        until: i64,
        turns_away: bool,
        latest: bool,
        discards: bool,
    },
    Resuming,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub event: usize,
    kind: Kind,
    record: u8,
    latest: bool,
    superseded: bool,
    doomed: bool,
}

impl Ledger {
    pub fn new(events: usize) -> Self {
        Self { ends: vec![None; events], ..Self::default() }
    }

    fn end(&mut self, event: usize, kind: Kind, end: End) {
        assert_eq!(self.ends[event], None, "P1: event {event} ends as {end:?} too");
        self.ends[event] = Some(end);
        if matches!(end, End::Live | End::Released) {
            let paused = matches!(self.mode, Mode::Paused { .. });
            let sampled = end == End::Released && self.sample > 0;
            assert!(!paused || kind == Kind::Withdraw || sampled, "P3: event {event} is delivered while paused");
            self.sample -= u8::from(sampled);
            self.delivered.push(event);
        }
    }

    pub fn arrive(&mut self, event: usize, (kind, record): Input) {
        let latest = match self.mode {
            Mode::Live => return self.end(event, kind, End::Live),
            Mode::Paused { turns_away: true, .. } if kind == Kind::Enroll => {
                return self.end(event, kind, End::TurnedAway);
            }
            Mode::Paused { latest, .. } => latest,
            Mode::Resuming => false,
        };
        if kind == Kind::Withdraw {
            self.end(event, kind, End::Live);
            if self.backlog.is_empty() {
                return;
            }
        }
        for held in self.backlog.iter_mut().filter(|held| held.record == record) {
            held.superseded |= kind == Kind::Withdraw || (latest && held.latest && held.kind == kind);
        }
        self.backlog.push(Held { event, kind, record, latest, superseded: false, doomed: false });
    }

    /// The deadline, if it has passed; not before.
    pub fn timer(&mut self, now: i64) {
        let Mode::Paused { until, discards, .. } = self.mode else { return };
        if until <= now {
            self.mode = Mode::Resuming;
            self.sample = 0;
            if discards {
                self.doom(true);
            }
        }
    }

    fn doom(&mut self, doomed: bool) {
        self.backlog.iter_mut().for_each(|held| held.doomed = doomed);
    }

    /// The answer, and whether it had been given before.
    pub fn command(&mut self, issued: &Issued, now: i64, max_pause: i64) -> (Verdict, bool) {
        // The deadline first, if the broker and this gate agree that it had passed.
        self.timer(now.min(issued.recorded_at));
        if let Some((_, verdict)) = self.answers.iter().find(|(id, _)| *id == issued.id) {
            return (*verdict, true);
        }
        let verdict = match (issued.order, issued.order.pause()) {
            (_, Some(order)) => self.pause(&order, now, max_pause),
            (Order::Purge, _) => self.purge(),
            (Order::Sample, _) => self.release(),
            (order, _) => self.resume(order == Order::ResumeNone),
        };
        self.answers.push((issued.id, verdict));
        (verdict, false)
    }

    fn pause(&mut self, order: &PauseOrder, now: i64, max_pause: i64) -> Verdict {
        let old = match self.mode {
            Mode::Paused { since, until, turns_away, latest, discards } => (since, until, turns_away, latest, discards),
            Mode::Live | Mode::Resuming => (now, now + max_pause, false, true, false),
        };
        let until = match order.end {
            None => old.1,
            Some(PauseEnd::For(duration)) => now + i64::try_from(duration.as_millis()).unwrap(),
            Some(PauseEnd::Until(_)) => panic!("no such order"),
        };
        // P5: nothing moves the cap of a pause in force.
        if until > old.0 + max_pause {
            return Verdict::Rejected;
        }
        self.mode = Mode::Paused {
            since: old.0,
            until,
            turns_away: order.new_records.map_or(old.2, |new| new == NewRecords::Discard),
            latest: order.keep.map_or(old.3, |keep| keep == Keep::Latest),
            discards: order.on_expiry.map_or(old.4, |expiry| expiry == OnExpiry::Discard),
        };
        self.doom(false);
        Verdict::Applied
    }

    fn resume(&mut self, none: bool) -> Verdict {
        if self.mode == Mode::Live {
            return Verdict::Unchanged;
        }
        self.mode = Mode::Resuming;
        self.sample = 0;
        self.doom(none);
        Verdict::Applied
    }

    fn purge(&mut self) -> Verdict {
        if !matches!(self.mode, Mode::Paused { .. }) {
            return Verdict::Rejected;
        }
        let newest = self.backlog.last().map(|held| held.event);
        if newest <= self.purge {
            return Verdict::Unchanged;
        }
        (self.purge, self.sample) = (newest, 0);
        Verdict::Applied
    }

    fn release(&mut self) -> Verdict {
        match self.mode {
            Mode::Paused { .. } if self.sample > 0 => Verdict::Rejected,
            Mode::Paused { .. } if self.backlog.is_empty() => Verdict::Unchanged,
            Mode::Paused { .. } => {
                self.sample = 1;
                Verdict::Applied
            }
            Mode::Live | Mode::Resuming => Verdict::Rejected,
        }
    }

    /// Whether something of what is held may end.
    pub fn passes(&self) -> bool {
        self.mode == Mode::Resuming || self.purge.is_some() || self.sample > 0
    }

    /// Everything held up to and with this event ends.
    pub fn pass_through(&mut self, event: usize) {
        self.pass_before(event + 1);
    }

    /// Everything held before this event ends.
    pub fn pass_before(&mut self, event: usize) {
        while self.backlog.first().is_some_and(|held| held.event < event) {
            assert!(self.passes(), "P3: passed before event {event}");
            let held = self.backlog.remove(0);
            let purged = self.purge >= Some(held.event);
            match (held.kind, held.superseded, held.doomed || purged) {
                (Kind::Withdraw, ..) => {}
                (kind, true, _) => self.end(held.event, kind, End::Replaced),
                (kind, false, true) => self.end(held.event, kind, End::Removed),
                (kind, false, false) => self.end(held.event, kind, End::Released),
            }
        }
    }

    /// What has come to its end is over.
    pub fn settle(&mut self) {
        let first = self.backlog.first().map(|held| held.event);
        if first.is_none_or(|first| self.purge < Some(first)) {
            self.purge = None;
        }
        if first.is_none() {
            self.sample = 0;
        }
        if self.mode == Mode::Resuming && self.backlog.is_empty() {
            self.mode = Mode::Live;
        }
    }

    pub fn held(&self, kind: Kind) -> usize {
        self.backlog.iter().filter(|held| held.kind == kind).count()
    }

    /// P2: all but withdraws are delivered in the order in which they arrived, over everything that is committed.
    pub fn check_order(&self, inputs: &[Input]) {
        let moving: Vec<_> = self.delivered.iter().filter(|event| inputs[**event].0 != Kind::Withdraw).collect();
        assert!(moving.is_sorted(), "P2: delivered in this order: {:?}", self.delivered);
    }
}

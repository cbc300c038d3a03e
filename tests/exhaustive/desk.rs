//! What commands make of the ledger, and what it answers.

use flowgate::flow::{Keep, NewRecords, OnExpiry, PauseEnd, PauseOrder, Verdict};

use super::ledger::{Ledger, Mode, Pause, Sample};
use super::orders::{Issued, Order};

impl Ledger {
    /// The answer, and whether it had been given before. `gone`: everything held before this event is not there any more, and
    /// the worker has seen that.
    pub fn command(&mut self, issued: &Issued, gone: Option<usize>, (now, max_pause): (i64, i64)) -> (Verdict, bool) {
        let known = self.answers.iter().find(|(id, _)| *id == issued.id).map(|(_, verdict)| *verdict);
        if let Some(verdict) = known {
            if !issued.order.is_for_every() {
                self.deadline(issued, now);
            }
            return (verdict, true);
        }
        let verdict = if issued.order.is_for_every() {
            self.order_every(issued, now, max_pause)
        } else {
            self.deadline(issued, now);
            self.order(issued.order, gone, (now, max_pause))
        };
        self.answers.push((issued.id, verdict));
        (verdict, false)
    }

    /// The deadline comes before a command, if the broker and this gate agree that it had passed.
    pub fn deadline(&mut self, issued: &Issued, now: i64) {
        self.timer(now.min(issued.recorded_at));
    }

    fn order(&mut self, order: Order, gone: Option<usize>, (now, max_pause): (i64, i64)) -> Verdict {
        if self.default_until(now).is_some() {
            self.see(now, max_pause);
        }
        match order {
            Order::Purge => self.order_purge(),
            Order::Sample => self.order_sample(|_| Sample::Head),
            Order::SampleOf(record) => {
                self.order_sample(|through| Sample::Of { record, through, newest: None, released: 0 })
            }
            Order::AcceptLoss(at_most) if self.mode != Mode::Live => {
                gone.map_or(Verdict::Rejected, |gone| self.lose(gone, at_most))
            }
            Order::AcceptLoss(_) => Verdict::Rejected,
            order => match order.pause() {
                Some(order) => self.order_pause(&order, now, max_pause),
                None => self.order_resume(order == Order::ResumeNone),
            },
        }
    }

    fn order_pause(&mut self, order: &PauseOrder, now: i64, max_pause: i64) -> Verdict {
        let old = match self.mode {
            Mode::Paused(pause) => pause,
            Mode::Live | Mode::Resuming { .. } => Pause::new(now, max_pause),
        };
        let Some(pause) = old.ordered(order, now, max_pause) else { return Verdict::Rejected };
        self.known = true;
        self.begin(Pause { by_all: false, ..pause });
        Verdict::Applied
    }

    /// Its options are these from now on; what a drain was to discard is not.
    pub fn begin(&mut self, pause: Pause) {
        self.mode = Mode::Paused(pause);
        self.doom(false);
    }

    fn order_resume(&mut self, none: bool) -> Verdict {
        if self.mode == Mode::Live {
            return Verdict::Unchanged;
        }
        self.resume(none);
        Verdict::Applied
    }

    pub fn resume(&mut self, none: bool) {
        self.mode = match self.mode {
            Mode::Live => Mode::Live,
            Mode::Paused(Pause { by_all, .. }) | Mode::Resuming { by_all } => Mode::Resuming { by_all },
        };
        self.sample = None;
        self.doom(none);
    }

    fn order_purge(&mut self) -> Verdict {
        if !matches!(self.mode, Mode::Paused(_)) {
            return Verdict::Rejected;
        }
        let newest = self.backlog.last().map(|held| held.event);
        if newest <= self.purge {
            return Verdict::Unchanged;
        }
        (self.purge, self.sample) = (newest, None);
        Verdict::Applied
    }

    fn order_sample(&mut self, of: impl FnOnce(usize) -> Sample) -> Verdict {
        match (self.mode, self.backlog.last()) {
            (Mode::Paused(_), _) if self.sample.is_some() => Verdict::Rejected,
            (Mode::Paused(_), None) => Verdict::Unchanged,
            (Mode::Paused(_), Some(last)) => {
                self.sample = Some(of(last.event));
                Verdict::Applied
            }
            (Mode::Live | Mode::Resuming { .. }, _) => Verdict::Rejected,
        }
    }
}

impl Pause {
    /// With every option at its default.
    pub fn new(now: i64, max_pause: i64) -> Self {
        let until = now + max_pause;
        Self { since: now, until, turns_away: false, latest: true, discards: false, by_all: false }
    }

    /// With what is ordered now; `None`: it would last too long.
    pub fn ordered(self, order: &PauseOrder, now: i64, max_pause: i64) -> Option<Self> {
        let until = match order.end {
            None => self.until,
            Some(PauseEnd::For(duration)) => now + i64::try_from(duration.as_millis()).unwrap(),
            Some(PauseEnd::Until(_)) => panic!("no such order"),
        };
        let ordered = Self {
            until,
            turns_away: order.new_records.map_or(self.turns_away, |new| new == NewRecords::Discard),
            latest: order.keep.map_or(self.latest, |keep| keep == Keep::Latest),
            discards: order.on_expiry.map_or(self.discards, |expiry| expiry == OnExpiry::Discard),
            ..self
        };
        // P5: nothing moves the cap of a pause in force.
        (until <= self.since + max_pause).then_some(ordered)
    }
}

//! The promises for one flow, kept with an ordinary list: no entry numbers, no gaps, no index, no transactions. What is
//! committed has to be what stands here. `desk.rs` has what commands make of it.

use flowgate::flow::{Kind, Verdict};

use super::orders::Input;

/// Where an event ended. No event ends twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    Live,
    Released,
    /// Released by name, ahead of what was held before it.
    Taken,
    Replaced,
    Removed,
    /// Deleted by somebody, and accepted as lost.
    Lost,
    TurnedAway,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// An event has come, or a pause has taken effect.
    pub known: bool,
    pub mode: Mode,
    pub backlog: Vec<Held>,
    /// By the place of the event in the input.
    pub ends: Vec<Option<End>>,
    /// What is downstream, in its order.
    pub delivered: Vec<usize>,
    /// What was answered, by id.
    pub answers: Vec<(u8, Verdict)>,
    /// Up to and with this event everything held is purged.
    pub purge: Option<usize>,
    /// What is to be released though the flow is paused.
    pub sample: Option<Sample>,
    /// What `*` is paused with, perhaps past its deadline.
    pub default: Option<Pause>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    #[default]
    Live,
    Paused(Pause),
    Resuming {
        /// From a pause of `*`.
        by_all: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    pub since: i64,
    pub until: i64,
    pub turns_away: bool,
    pub latest: bool,
    pub discards: bool,
    /// `*` made it, and nobody has named the flow since.
    pub by_all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sample {
    /// The next event from the head that nothing has replaced.
    Head,
    /// What is held of a record up to an event.
    Of { record: u8, through: usize, newest: Option<usize>, released: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub event: usize,
    kind: Kind,
    record: u8,
    latest: bool,
    superseded: bool,
    pub doomed: bool,
    /// Released by name: it keeps its place.
    taken: bool,
}

impl Ledger {
    pub fn new(events: usize) -> Self {
        Self { ends: vec![None; events], ..Self::default() }
    }

    fn end(&mut self, event: usize, kind: Kind, end: End) {
        assert_eq!(self.ends[event], None, "P1: event {event} ends as {end:?} too");
        self.ends[event] = Some(end);
        if matches!(end, End::Live | End::Released | End::Taken) {
            let paused = matches!(self.mode, Mode::Paused(_));
            let sampled = match self.sample {
                Some(Sample::Head) => end == End::Released,
                Some(Sample::Of { .. }) => end == End::Taken,
                None => false,
            };
            assert!(!paused || kind == Kind::Withdraw || sampled, "P3: event {event} is delivered while paused");
            self.sample = self.sample.filter(|sample| !(sampled && *sample == Sample::Head));
            self.delivered.push(event);
        }
    }

    pub fn arrive(&mut self, event: usize, (kind, record): Input) {
        let latest = match self.mode {
            Mode::Live => return self.end(event, kind, End::Live),
            Mode::Paused(Pause { turns_away: true, .. }) if kind == Kind::Enroll => {
                return self.end(event, kind, End::TurnedAway);
            }
            Mode::Paused(pause) => pause.latest,
            Mode::Resuming { .. } => false,
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
        self.backlog.push(Held { event, kind, record, latest, superseded: false, doomed: false, taken: false });
    }

    /// The deadline, if it has passed; not before.
    pub fn timer(&mut self, now: i64) {
        let Mode::Paused(Pause { until, discards, by_all, .. }) = self.mode else { return };
        if until <= now {
            self.mode = Mode::Resuming { by_all };
            self.sample = None;
            if discards {
                self.doom(true);
            }
        }
    }

    pub fn doom(&mut self, doomed: bool) {
        self.backlog.iter_mut().for_each(|held| held.doomed = doomed);
    }

    /// Whether something of what is held may end.
    pub fn passes(&self) -> bool {
        matches!(self.mode, Mode::Resuming { .. }) || self.purge.is_some() || self.sample == Some(Sample::Head)
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
                _ if held.taken => {}
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
        self.sample = self.sample.filter(|sample| match sample {
            Sample::Head => first.is_some(),
            Sample::Of { through, .. } => first.is_some_and(|first| first <= *through),
        });
        if matches!(self.mode, Mode::Resuming { .. }) && self.backlog.is_empty() {
            self.mode = Mode::Live;
        }
    }

    /// An event is released by name.
    pub fn take(&mut self, event: usize) {
        let (purge, sample) = (self.purge, self.sample);
        let held = self.backlog.iter_mut().find(|held| held.event == event);
        let held = held.unwrap_or_else(|| panic!("P1: event {event} is released by name, and is not held"));
        assert!(held.is_wanted(sample, purge), "P3: event {event} is released by name for {sample:?}: {held:?}");
        held.taken = true;
        let kind = held.kind;
        self.end(event, kind, End::Taken);
        if let Some(Sample::Of { newest, released, .. }) = &mut self.sample {
            assert!(*newest < Some(event), "P2: event {event} is released by name after {newest:?}");
            (*newest, *released) = (Some(event), *released + 1);
        }
    }

    /// Everything that is there and wanted has been released by name. Returns how many were.
    pub fn end_search(&mut self, there: &[usize]) -> u64 {
        let is_left = |held: &&Held| held.is_wanted(self.sample, self.purge) && there.contains(&held.event);
        let left = self.backlog.iter().find(is_left);
        assert_eq!(left, None, "is held of a record that was to be released");
        let released = self.sampled().unwrap_or_default();
        self.sample = None;
        released
    }

    /// Everything held before this event is lost, if it is no more than so many.
    pub fn lose(&mut self, before: usize, at_most: u32) -> Verdict {
        let gone: Vec<_> = self.backlog.iter().filter(|held| held.event < before).cloned().collect();
        let lost: Vec<_> = gone.iter().filter(|held| held.kind != Kind::Withdraw && !held.taken).collect();
        if gone.is_empty() || lost.len() > at_most as usize {
            return Verdict::Rejected;
        }
        lost.iter().for_each(|held| self.end(held.event, held.kind, End::Lost));
        self.backlog.drain(..gone.len());
        self.settle();
        Verdict::Applied
    }

    /// How many events the sample under way has released.
    pub fn sampled(&self) -> Option<u64> {
        self.sample.map(|sample| match sample {
            Sample::Head => 0,
            Sample::Of { released, .. } => released,
        })
    }

    pub fn held(&self, kind: Kind) -> usize {
        self.backlog.iter().filter(|held| held.kind == kind && !held.taken).count()
    }

    /// P2: all but withdraws and what was released by name are delivered in the order in which they arrived, over everything
    /// that is committed.
    pub fn check_order(&self, inputs: &[Input]) {
        let is_ahead = |event: usize| inputs[event].0 == Kind::Withdraw || self.ends[event] == Some(End::Taken);
        let moving: Vec<_> = self.delivered.iter().filter(|event| !is_ahead(**event)).collect();
        assert!(moving.is_sorted(), "P2: delivered in this order: {:?}", self.delivered);
    }
}

impl Held {
    /// Whether a sample by name is still to release it.
    fn is_wanted(&self, sample: Option<Sample>, purge: Option<usize>) -> bool {
        let Some(Sample::Of { record, through, .. }) = sample else { return false };
        let is_its = self.record == record && self.event <= through && self.kind != Kind::Withdraw;
        is_its && !self.superseded && !self.taken && purge < Some(self.event)
    }
}

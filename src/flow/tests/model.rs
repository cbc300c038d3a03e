//! Goal: whatever comes in whatever order, what the rules deliver and count is what an ordinary list delivers and counts.
//!
//! Method: random sequences of events, commands, waits, drains of a few entries, a cleaner that removes any of what is
//! superseded, indexes dropped and instances replaced. [`Model`] knows the promises and nothing else: it has no entry
//! numbers, no gaps, no index. [`Gate`] drives the real rules as `index.rs` tells a worker to. Both are compared after
//! every step.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU64;

use proptest::prelude::*;

use super::*;
use crate::flow::drain::Removal;
use crate::flow::index::{Index, Indexed, Read};
use crate::flow::{Keep, NewRecords, OnExpiry, Sample, State, Transition, Verdict, Wanted};

const MAX_PAUSE: i64 = 100_000;
const RECORDS: u8 = 4;
/// Why held events are removed.
const REASONS: [&str; 4] = ["none", "expired", "age", "purged"];

#[derive(Clone, Debug)]
enum Op {
    Event(Kind, u8),
    /// Ends are milliseconds from now on, in the past if negative.
    Pause {
        id: u8,
        lag: i64,
        end: Option<i64>,
        new: Option<NewRecords>,
        keep: Option<Keep>,
        expiry: Option<OnExpiry>,
    },
    Resume {
        id: u8,
        lag: i64,
        release: Option<Release>,
        max_age: Option<u64>,
    },
    /// What is held up to the nth event that is, or all of it.
    Purge {
        id: u8,
        through: Option<usize>,
    },
    Release {
        id: u8,
        count: u32,
    },
    /// What is held of the records whose bits are set.
    Name {
        id: u8,
        records: u8,
    },
    /// The records of a sample are looked for.
    Search,
    /// Somebody deletes so many entries from the front of the topic, and an operator accepts that.
    Lose {
        entries: usize,
    },
    Forget {
        id: u8,
    },
    Wait(i64),
    /// The timers, then up to so many entries; or as many are read for the index, if it is behind.
    Drain(usize),
    /// So many entries are read for the index in the background.
    Read(usize),
    /// The cleaner removes those superseded entries whose bit is set.
    Clean(u64),
    /// The index outgrew its budget.
    DropIndex,
    /// Another instance takes over.
    TakeOver,
    /// The queue topic is idle.
    Retire,
}

/// What is not replaced, removed or turned away is delivered in the order of arrival. No more is known here.
#[derive(Debug, Default)]
struct Model {
    state: Mode,
    backlog: VecDeque<Held>,
    delivered: Vec<usize>,
    counts: BTreeMap<(&'static str, Kind), u64>,
    withdrawn: u64,
    answers: BTreeMap<u8, Verdict>,
    /// Up to and with this event everything held is purged.
    purge: Option<usize>,
    /// How many are to be released while the flow is paused.
    sample: u64,
    /// What is held of these records up to an event is to be released while the flow is paused.
    named: Option<(u8, usize)>,
    has_held: bool,
    is_known: bool,
}

#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Live,
    Paused {
        since: i64,
        until: i64,
        new: NewRecords,
        keep: Keep,
        expiry: OnExpiry,
    },
    /// Older than this before that is too old.
    Resuming(Option<(u64, i64)>),
}

#[derive(Debug)]
struct Held {
    event: usize,
    kind: Kind,
    record: u8,
    latest: bool,
    at: i64,
    superseded: bool,
    doomed: Option<&'static str>,
    /// Released by name.
    taken: bool,
}

impl Model {
    fn count(&mut self, fate: &'static str, kind: Kind) {
        *self.counts.entry((fate, kind)).or_default() += 1;
    }

    fn arrive(&mut self, event: usize, kind: Kind, record: u8, now: i64) {
        self.is_known = true;
        let latest = match &self.state {
            Mode::Live => return self.delivered.push(event),
            Mode::Paused { new: NewRecords::Discard, .. } if kind == Kind::Enroll => {
                return self.count("turned away", kind);
            }
            Mode::Paused { keep, .. } => *keep == Keep::Latest,
            Mode::Resuming(_) => false,
        };
        if kind == Kind::Withdraw {
            self.delivered.push(event);
            self.withdrawn += 1;
            if self.backlog.is_empty() {
                return;
            }
        } else {
            self.count("queued", kind);
        }
        self.has_held = true;
        for held in self.backlog.iter_mut().filter(|held| held.record == record) {
            held.superseded |= kind == Kind::Withdraw || (latest && held.latest && held.kind == kind);
        }
        self.backlog.push_back(Held {
            event,
            kind,
            record,
            latest,
            at: now,
            superseded: false,
            doomed: None,
            taken: false,
        });
    }

    fn timer(&mut self, now: i64) {
        let Mode::Paused { until, expiry, .. } = self.state else { return };
        if until <= now {
            self.state = Mode::Resuming(None);
            self.end_sample();
            if expiry == OnExpiry::Discard {
                self.doom(Some("expired"));
            }
        }
    }

    fn end_sample(&mut self) {
        (self.sample, self.named) = (0, None);
    }

    fn doom(&mut self, reason: Option<&'static str>) {
        self.backlog.iter_mut().for_each(|held| held.doomed = reason);
    }

    fn command(&mut self, op: &Op, now: i64) -> Verdict {
        let (id, lag) = match op {
            Op::Pause { id, lag, .. } | Op::Resume { id, lag, .. } => (id, *lag),
            Op::Purge { id, .. } | Op::Release { id, .. } | Op::Name { id, .. } | Op::Forget { id } => (id, 0),
            other => panic!("{other:?} is no command"),
        };
        // The timer first, if it was due when the command was recorded.
        self.timer(now - lag);
        if let Some(answer) = self.answers.get(id) {
            return *answer;
        }
        let verdict = match op {
            Op::Pause { end, new, keep, expiry, .. } => self.pause(*end, *new, *keep, *expiry, now),
            Op::Resume { release, max_age, .. } => self.resume(*release, *max_age, now),
            Op::Purge { through, .. } => self.purge(*through),
            Op::Release { count, .. } => self.release((*count).into()),
            Op::Name { records, .. } => self.name(*records),
            Op::Forget { .. } => self.forget(),
            other => panic!("{other:?}"),
        };
        self.answers.insert(*id, verdict);
        verdict
    }

    fn pause(
        &mut self,
        end: Option<i64>,
        new: Option<NewRecords>,
        keep: Option<Keep>,
        expiry: Option<OnExpiry>,
        now: i64,
    ) -> Verdict {
        let old = match &self.state {
            Mode::Paused { since, until, new, keep, expiry } => (*since, *until, *new, *keep, *expiry),
            Mode::Live | Mode::Resuming(_) => {
                (now, now + MAX_PAUSE, NewRecords::default(), Keep::default(), OnExpiry::default())
            }
        };
        let until = end.map_or(old.1, |end| now + end);
        if end.is_some() && (until <= now || until > old.0 + MAX_PAUSE) {
            return Verdict::Rejected;
        }
        self.state = Mode::Paused {
            since: old.0,
            until,
            new: new.unwrap_or(old.2),
            keep: keep.unwrap_or(old.3),
            expiry: expiry.unwrap_or(old.4),
        };
        self.doom(None);
        self.is_known = true;
        Verdict::Applied
    }

    fn resume(&mut self, release: Option<Release>, max_age: Option<u64>, now: i64) -> Verdict {
        let age = max_age.map(|age| (age, now));
        let release = match &self.state {
            Mode::Live => return Verdict::Unchanged,
            Mode::Resuming(_) if release.is_none() && max_age.is_none() => return Verdict::Unchanged,
            Mode::Resuming(old) => {
                self.state = Mode::Resuming(age.or(*old));
                release
            }
            Mode::Paused { .. } => {
                self.end_sample();
                self.state = Mode::Resuming(age);
                Some(release.unwrap_or_default())
            }
        };
        match release {
            Some(Release::All) => self.doom(None),
            Some(Release::None) => self.doom(Some("none")),
            None => {}
        }
        Verdict::Applied
    }

    fn purge(&mut self, through: Option<usize>) -> Verdict {
        if !matches!(self.state, Mode::Paused { .. }) {
            return Verdict::Rejected;
        }
        let last = through.and_then(|nth| self.backlog.get(nth)).or(self.backlog.back());
        let Some(last) = last.map(|held| held.event).filter(|last| self.purge < Some(*last)) else {
            return Verdict::Unchanged;
        };
        self.end_sample();
        self.purge = Some(last);
        Verdict::Applied
    }

    fn release(&mut self, count: u64) -> Verdict {
        if !matches!(self.state, Mode::Paused { .. }) || self.sample > 0 || self.named.is_some() {
            return Verdict::Rejected;
        }
        if self.backlog.is_empty() {
            return Verdict::Unchanged;
        }
        self.sample = count;
        Verdict::Applied
    }

    fn name(&mut self, records: u8) -> Verdict {
        let verdict = self.release(0);
        if verdict == Verdict::Applied {
            self.named = self.backlog.back().map(|last| (records, last.event));
        }
        verdict
    }

    fn search(&mut self) {
        let Some((records, last)) = self.named.take() else { return };
        let purge = self.purge;
        let wanted = |held: &&mut Held| {
            let named = records >> held.record & 1 == 1 && held.event <= last && purge < Some(held.event);
            named && held.kind != Kind::Withdraw && !held.superseded && !held.taken
        };
        let mut found = Vec::new();
        for held in self.backlog.iter_mut().filter(wanted) {
            held.taken = true;
            found.push((held.event, held.kind));
        }
        for (event, kind) in found {
            self.count("released", kind);
            self.delivered.push(event);
        }
    }

    /// Everything before this event is gone, or everything.
    fn lose_before(&mut self, event: Option<usize>) {
        while let Some(held) = self.backlog.pop_front_if(|held| event.is_none_or(|event| held.event < event)) {
            if held.kind != Kind::Withdraw && !held.taken {
                self.count("lost", held.kind);
            }
        }
    }

    fn forget(&mut self) -> Verdict {
        if !self.is_known {
            return Verdict::Unchanged;
        }
        if !matches!(self.state, Mode::Live) || self.has_held {
            return Verdict::Rejected;
        }
        (self.counts, self.withdrawn, self.is_known) = (BTreeMap::new(), 0, false);
        Verdict::Applied
    }

    /// Everything before this event gets its fate.
    fn pass_before(&mut self, event: usize) {
        while self.backlog.front().is_some_and(|held| held.event < event) {
            self.pass();
        }
    }

    /// And the event too.
    fn pass_through(&mut self, event: usize) {
        self.pass_before(event + 1);
    }

    fn pass(&mut self) {
        let max_age = match self.state {
            Mode::Resuming(max_age) => max_age,
            Mode::Paused { .. } => None,
            Mode::Live => panic!("passed while live"),
        };
        let paused = matches!(self.state, Mode::Paused { .. });
        {
            let held = self.backlog.pop_front().unwrap();
            let old = max_age.is_some_and(|(age, as_of)| as_of - held.at > i64::try_from(age).unwrap());
            let purged = self.purge >= Some(held.event);
            match (held.kind, held.superseded, held.doomed.filter(|_| !purged).or(purged.then_some("purged"))) {
                (Kind::Withdraw, ..) => {}
                _ if held.taken => {}
                (kind, true, _) => self.count("replaced", kind),
                (kind, false, Some(reason)) => self.count(reason, kind),
                (kind, false, None) if old => self.count("age", kind),
                (kind, false, None) => {
                    assert!(!paused || self.sample > 0, "{kind:?} released while paused");
                    self.sample = self.sample.saturating_sub(1);
                    self.count("released", kind);
                    self.delivered.push(held.event);
                }
            }
        }
    }

    fn finish(&mut self) {
        let first = self.backlog.front().map(|held| held.event);
        if first.is_none_or(|first| self.purge < Some(first)) {
            self.purge = None;
        }
        if first.is_none() {
            self.sample = 0;
        }
        if self.named.is_some_and(|(_, last)| first.is_none_or(|first| first > last)) {
            self.named = None;
        }
        if matches!(self.state, Mode::Resuming(_)) && self.backlog.is_empty() {
            self.state = Mode::Live;
        }
    }
}

/// An entry in the queue topic.
#[derive(Clone, Debug)]
struct Logged {
    event: usize,
    record: RecordId,
    latest: bool,
    survivor: Survivor,
}

impl Logged {
    fn indexed(&self) -> Indexed<'_> {
        let Survivor { number, kind, .. } = self.survivor;
        Indexed { number, kind, record: self.record.as_str(), latest: self.latest }
    }
}

/// The rules, and around them what a worker does.
struct Gate {
    desk: Desk,
    topic: Vec<Logged>,
    end_offset: i64,
    index: Index,
    /// Where the index is read for.
    read_to: i64,
    /// How often it was begun to be made in slices, and read again from the beginning.
    slicings: usize,
    passes: usize,
    budget: usize,
    delivered: Vec<usize>,
    removed: BTreeMap<(&'static str, Kind), u64>,
    /// The numbers of held events.
    numbers: BTreeMap<usize, u64>,
}

impl Gate {
    fn new(budget: usize) -> Self {
        let mut desk = Desk::unknown();
        desk.limits.max_pause = Duration::from_millis(MAX_PAUSE.unsigned_abs());
        Self {
            desk,
            topic: Vec::new(),
            end_offset: 0,
            index: Index::new(1),
            read_to: 0,
            slicings: 0,
            passes: 0,
            budget,
            delivered: Vec::new(),
            removed: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }

    fn arrive(&mut self, event: usize, kind: Kind, name: u8) {
        let record = record(&name.to_string());
        let now = self.desk.now;
        let flow = self.desk.flow.get_or_insert_with(|| Flow::new(flow_id(), now));
        let passed = flow.queue.is_passed();
        let entry = match flow.arrive(&Event { flow: flow_id(), record: record.clone(), kind }) {
            Fate::Deliver => return self.delivered.push(event),
            Fate::TurnAway { .. } => return,
            Fate::Hold(entry) => entry,
            Fate::Withdraw(entry) => {
                self.delivered.push(event);
                // The tombstones.
                self.end_offset += 2;
                entry
            }
        };
        flow.queue.topic.get_or_insert_with(|| "topic".to_owned());
        flow.queue.number = 1;
        self.numbers.insert(event, entry.number);
        let mut survivor = survivor(&entry, kind, now);
        survivor.offset = self.end_offset;
        self.end_offset += 1 + i64::from(name % 2);
        if passed {
            self.index = Index::new(entry.number);
        }
        let logged = Logged { event, record, latest: entry.latest, survivor };
        let mut room = self.room(Index::room_to_hold);
        let fits = self.index.hold(logged.indexed(), &mut room).is_ok();
        self.topic.push(logged);
        if !fits {
            self.drop_index();
        }
    }

    fn command(&mut self, op: &Op, model: &Model) -> Verdict {
        let (id, lag, action) = match op.clone() {
            Op::Pause { id, lag, end, new, keep, expiry } => {
                let now = self.desk.now.0;
                let end = end.map(|end| match u64::try_from(end) {
                    Ok(end) if end % 2 == 0 => PauseEnd::For(Duration::from_millis(end)),
                    Ok(_) | Err(_) => PauseEnd::Until(Timestamp(now + end)),
                });
                let order = PauseOrder { new_records: new, end, keep, on_expiry: expiry, expiry_rate: None };
                (id, lag, Action::Pause(order))
            }
            Op::Resume { id, lag, release, max_age } => {
                let max_age = max_age.map(Duration::from_millis);
                (id, lag, Action::Resume(ResumeOrder { release, max_rate: None, max_age }))
            }
            Op::Purge { id, through } => {
                let through = through.and_then(|nth| model.backlog.get(nth)).map(|held| self.numbers[&held.event]);
                let through_entry = through.and_then(NonZeroU64::new);
                (id, 0, Action::Purge(PurgeOrder { through_entry }))
            }
            Op::Release { id, count } => (id, 0, sample(count)),
            Op::Name { id, records } => {
                let named =
                    (0..RECORDS).filter(|record| records >> record & 1 == 1).map(|name| record(&name.to_string()));
                (id, 0, Action::Release(ReleaseOrder::Records(named.collect())))
            }
            Op::Forget { id } => (id, 0, Action::Forget),
            other => panic!("{other:?}"),
        };
        let recorded_at = Timestamp(self.desk.now.0 - lag);
        let applied = self.desk.order_recorded(&id.to_string(), action, recorded_at);
        self.follow_state();
        applied.outcome.verdict
    }

    fn room(&self, of: impl Fn(&Index, usize, usize) -> usize) -> usize {
        of(&self.index, self.budget.saturating_sub(self.index.bytes()), 256)
    }

    /// The state that is committed is another one, perhaps.
    fn follow_state(&mut self) {
        let Some(flow) = &self.desk.flow else { return };
        let (was_sliced, read) = (self.index.is_sliced(), self.index.reads());
        match flow.state {
            State::Live => {}
            State::Paused(_) | State::Resuming { .. } if flow.passes() => self.index.resume(&flow.queue),
            State::Paused(_) | State::Resuming { .. } => self.index.pause(&flow.queue),
        }
        if was_sliced && !self.index.is_sliced() || !read && self.index.reads() {
            self.begin_to_read();
        }
    }

    fn begin_to_read(&mut self) {
        self.read_to = self.desk.flow.as_ref().map_or(0, |flow| flow.queue.watermark.offset);
        self.passes += 1;
    }

    /// The index outgrew its budget while it was fed live.
    fn drop_index(&mut self) {
        let Some(flow) = &self.desk.flow else { return };
        self.index.no_room_to_hold(&flow.queue, flow.passes());
        self.begin_to_read();
    }

    /// Reads `n` entries for the index.
    fn read(&mut self, n: usize) {
        for _ in 0..n {
            let Some(flow) = self.desk.flow.as_ref().filter(|_| self.index.reads()) else { return };
            let passes = flow.passes();
            let Some(next) = self.topic.iter().find(|logged| logged.survivor.offset >= self.read_to).cloned() else {
                panic!("behind, with nothing left to read: {:?}", self.index)
            };
            let mut room = self.room(Index::room_to_read);
            match self.index.read(next.indexed(), flow.queue.last_entry(), &mut room) {
                Ok(Read::On | Read::Done) => self.read_to = next.survivor.offset + 1,
                Ok(Read::Again) => self.begin_to_read(),
                Err(_) => {
                    let was_sliced = self.index.is_sliced();
                    self.index.no_room_to_read(&flow.queue, passes);
                    self.slicings += usize::from(self.index.is_sliced() && !was_sliced);
                    self.begin_to_read();
                }
            }
        }
    }

    /// Passes up to `n` entries; each one that is passed is told to the model, too.
    fn drain(&mut self, n: usize, model: &mut Model) {
        let now = self.desk.now;
        let Some(flow) = &mut self.desk.flow else { return };
        if !flow.passes() {
            return;
        }
        if !self.index.is_ready() {
            self.read(n);
            return;
        }
        let watermark = flow.queue.watermark;
        let unread = self.topic.iter().filter(|logged| logged.survivor.offset >= watermark.offset);
        for logged in unread.take(n) {
            let passing = flow.pass(&logged.survivor, self.index.replaced(logged.indexed()));
            match passing {
                Passing::Stays => {
                    if model.purge.is_some() || model.sample > 0 {
                        model.pass_before(logged.event);
                    }
                    break;
                }
                _ => model.pass_through(logged.event),
            }
            match passing {
                Passing::Release => self.delivered.push(logged.event),
                Passing::Remove(removal) => {
                    let reason = match removal {
                        Removal::ReleaseNone => "none",
                        Removal::Expired => "expired",
                        Removal::MaxAge => "age",
                        Removal::Purged => "purged",
                    };
                    *self.removed.entry((reason, logged.survivor.kind)).or_default() += 1;
                }
                Passing::Replaced | Passing::Withdrawal | Passing::Taken | Passing::Stays => {}
                Passing::Stale => panic!("{logged:?} lay beyond the watermark"),
            }
        }
        model.finish();
        let ended = flow.settle(now);
        if !ended.is_empty() && flow.queue.is_passed() {
            self.index = Index::new(flow.queue.next_entry);
        }
        if ended.contains(&Transition::WentLive) {
            self.topic.clear();
        }
        self.follow_state();
    }

    /// Looks through the topic for the records of a sample.
    fn search(&mut self) {
        let Some(flow) = &mut self.desk.flow else { return };
        let Some(Sample { wanted: Wanted::Records { ids, .. }, .. }) = flow.sample.clone() else { return };
        for (i, logged) in self.topic.iter().enumerate() {
            let Survivor { number, kind, .. } = logged.survivor;
            if ids.contains(&logged.record) && !is_superseded(&self.topic, i) && flow.take(number, kind) {
                self.delivered.push(logged.event);
            }
        }
        flow.end_search(self.desk.now);
    }

    /// Somebody deletes from the front of the topic what a drain was to pass, and an operator accepts that.
    fn lose(&mut self, entries: usize, model: &mut Model) -> Verdict {
        let Some(flow) = self.desk.flow.as_ref().filter(|flow| flow.passes()) else { return Verdict::Unchanged };
        let from = flow.queue.watermark.offset;
        let mut beyond = self.topic.iter().filter(|logged| logged.survivor.offset >= from);
        let Some(last) = beyond.by_ref().take(entries).last() else { return Verdict::Unchanged };
        let first = beyond.next().cloned();
        self.desk.gone = Some(match &first {
            Some(Logged { survivor, .. }) => {
                let own = |kind: Kind| u64::from(survivor.kind == kind);
                let (enrolls, advances) =
                    (survivor.enrolls - own(Kind::Enroll), survivor.advances - own(Kind::Advance));
                Watermark { entry: survivor.number - 1, enrolls, advances, offset: survivor.offset }
            }
            None => flow.queue.end(last.survivor.offset + 1),
        });
        let verdict = self.desk.order(&format!("lose {}", self.desk.offset), accept_loss(1_000)).outcome.verdict;
        self.desk.gone = None;
        if verdict == Verdict::Applied {
            let first = first.map(|first| first.event);
            self.topic.retain(|logged| first.is_some_and(|first| logged.event >= first));
            model.lose_before(first);
            // What comes to its end by it has ended.
            model.finish();
            if let Some(flow) = &self.desk.flow {
                self.index = Index::behind(&flow.queue);
                // It was no want of room.
                self.read_to = flow.queue.watermark.offset;
            }
        }
        verdict
    }

    /// Removes what a newer entry of its key, or the tombstone before a withdraw, supersedes; never the newest entry.
    fn clean(&mut self, mask: u64) {
        let old = std::mem::take(&mut self.topic);
        let cleaned = |i: usize, logged: &Logged| logged.latest && is_superseded(&old, i);
        let kept = old.iter().enumerate().filter(|(i, logged)| mask >> (i % 64) & 1 == 0 || !cleaned(*i, logged));
        self.topic = kept.map(|(_, logged)| logged.clone()).collect();
    }

    fn take_over(&mut self) {
        let Some(flow) = &self.desk.flow else { return };
        self.index = Index::behind(&flow.queue);
        self.begin_to_read();
    }

    fn retire(&mut self) {
        if let Some(flow) = &mut self.desk.flow
            && flow.retire_queue(self.desk.now)
        {
            self.topic.clear();
            self.end_offset = 0;
        }
    }
}

/// Whether something newer in the topic has taken the place of its `i`th entry.
fn is_superseded(topic: &[Logged], i: usize) -> bool {
    let logged = &topic[i];
    topic[i + 1..].iter().filter(|newer| newer.record == logged.record).any(|newer| {
        let both_latest = newer.latest && logged.latest;
        match newer.survivor.kind {
            Kind::Withdraw if logged.survivor.kind == Kind::Withdraw => both_latest,
            Kind::Withdraw => true,
            kind => both_latest && kind == logged.survivor.kind,
        }
    })
}

fn compare(gate: &Gate, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(&gate.delivered, &model.delivered, "delivered");
    let count = |fate, kind| model.counts.get(&(fate, kind)).copied().unwrap_or_default();
    let Some(flow) = &gate.desk.flow else {
        prop_assert!(matches!(model.state, Mode::Live));
        return Ok(());
    };
    assert_sums(flow);
    for (kind, of) in
        [(Kind::Enroll, (|c| c.enroll) as fn(&crate::flow::PerKind) -> u64), (Kind::Advance, |c| c.advance)]
    {
        let counts = &flow.counts;
        prop_assert_eq!(of(&counts.queued), count("queued", kind), "queued {:?}", kind);
        prop_assert_eq!(of(&counts.released), count("released", kind), "released {:?}", kind);
        prop_assert_eq!(of(&counts.replaced), count("replaced", kind), "replaced {:?}", kind);
        prop_assert_eq!(of(&counts.lost), count("lost", kind), "lost {:?}", kind);
        prop_assert_eq!(of(&counts.turned_away), count("turned away", kind), "turned away {:?}", kind);
        for reason in REASONS {
            let removed = gate.removed.get(&(reason, kind)).copied().unwrap_or_default();
            prop_assert_eq!(removed, count(reason, kind), "{} {:?}", reason, kind);
        }
        let removed = REASONS.map(|reason| count(reason, kind)).iter().sum::<u64>();
        prop_assert_eq!(of(&counts.removed), removed, "removed {:?}", kind);
        let held = model.backlog.iter().filter(|held| held.kind == kind && !held.taken).count();
        prop_assert_eq!(of(&counts.held()), u64::try_from(held).unwrap(), "held {:?}", kind);
    }
    prop_assert_eq!(flow.withdrawn, model.withdrawn);
    let (state, deadline) = match model.state {
        Mode::Live => ("live", None),
        Mode::Paused { until, .. } => ("paused", Some(Timestamp(until))),
        Mode::Resuming(_) => ("resuming", None),
    };
    prop_assert_eq!(flow.state_word(), state);
    prop_assert_eq!(flow.deadline(), deadline);
    Ok(())
}

/// Runs the operations, then resumes and drains to the end. Returns how many times an index was begun to be made in slices,
/// and read for from the beginning.
fn run(ops: &[Op], budget: usize) -> Result<(usize, usize), TestCaseError> {
    let (mut gate, mut model) = (Gate::new(budget), Model::default());
    for (event, op) in ops.iter().enumerate() {
        let now = gate.desk.now.0;
        match op {
            Op::Event(kind, record) => {
                gate.arrive(event, *kind, *record);
                model.arrive(event, *kind, *record, now);
            }
            Op::Pause { .. }
            | Op::Resume { .. }
            | Op::Purge { .. }
            | Op::Release { .. }
            | Op::Name { .. }
            | Op::Forget { .. } => {
                prop_assert_eq!(gate.command(op, &model), model.command(op, now));
            }
            Op::Search => {
                gate.search();
                model.search();
            }
            Op::Lose { entries } => {
                // The order to accept it may be of the time after a deadline.
                model.timer(now);
                if let Some(flow) = &mut gate.desk.flow {
                    flow.fire(Timestamp(now));
                }
                gate.lose(*entries, &mut model);
                gate.follow_state();
            }
            Op::Wait(duration) => gate.desk.now = Timestamp(now + duration),
            Op::Drain(n) => {
                if let Some(flow) = &mut gate.desk.flow {
                    flow.fire(Timestamp(now));
                }
                model.timer(now);
                gate.follow_state();
                gate.drain(*n, &mut model);
            }
            Op::Read(n) => gate.read(*n),
            Op::Clean(mask) => gate.clean(*mask),
            Op::DropIndex => gate.drop_index(),
            Op::TakeOver => gate.take_over(),
            Op::Retire => gate.retire(),
        }
        compare(&gate, &model)?;
    }
    let last = Op::Resume { id: u8::MAX, lag: 0, release: None, max_age: None };
    prop_assert_eq!(gate.command(&last, &model), model.command(&last, gate.desk.now.0));
    for _ in 0..3_000 {
        gate.drain(30, &mut model);
        compare(&gate, &model)?;
    }
    prop_assert!(matches!(model.state, Mode::Live), "the drain did not end");
    Ok((gate.slicings, gate.passes))
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![4 => Just(Kind::Enroll), 4 => Just(Kind::Advance), 1 => Just(Kind::Withdraw)]
}

/// Mostly commands that were just recorded; some waited.
fn lag() -> impl Strategy<Value = i64> {
    prop_oneof![3 => Just(0), 1 => 0..60_000_i64]
}

fn pauses() -> impl Strategy<Value = Op> {
    use prop::option::weighted;
    let end = prop_oneof![1 => -10_000..=0_i64, 6 => 1..=MAX_PAUSE, 1 => MAX_PAUSE - 1..=MAX_PAUSE + 1];
    (
        0..60_u8,
        lag(),
        weighted(0.4, end),
        weighted(0.3, prop_oneof![Just(NewRecords::Queue), Just(NewRecords::Discard)]),
        weighted(0.4, prop_oneof![Just(Keep::Latest), Just(Keep::All)]),
        weighted(0.3, prop_oneof![Just(OnExpiry::Resume), Just(OnExpiry::Discard)]),
    )
        .prop_map(|(id, lag, end, new, keep, expiry)| Op::Pause { id, lag, end, new, keep, expiry })
}

fn resumes() -> impl Strategy<Value = Op> {
    use prop::option::weighted;
    let release = prop_oneof![Just(Release::All), Just(Release::None)];
    (0..60_u8, lag(), weighted(0.3, release), weighted(0.2, 0..50_000_u64))
        .prop_map(|(id, lag, release, max_age)| Op::Resume { id, lag, release, max_age })
}

fn basic() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (kind(), 0..RECORDS).prop_map(|(kind, record)| Op::Event(kind, record)),
        4 => pauses(),
        4 => resumes(),
        2 => (0..60_u8, prop::option::of(0..6_usize)).prop_map(|(id, through)| Op::Purge { id, through }),
        3 => (0..60_u8, 1..5_u32).prop_map(|(id, count)| Op::Release { id, count }),
        3 => (0..60_u8, 1..1_u8 << RECORDS).prop_map(|(id, records)| Op::Name { id, records }),
        3 => Just(Op::Search),
        1 => (1..4_usize).prop_map(|entries| Op::Lose { entries }),
        1 => (0..60_u8).prop_map(|id| Op::Forget { id }),
        3 => (0..40_000_i64).prop_map(Op::Wait),
        10 => (0..4_usize).prop_map(Op::Drain),
        6 => (0..9_usize).prop_map(Op::Read),
        4 => any::<u64>().prop_map(Op::Clean),
        1 => Just(Op::Retire),
    ]
}

fn config() -> ProptestConfig {
    // A failure prints its operations, made small: paste them into a test.
    ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// An index that was fed live is enough for every drain.
    #[test]
    fn with_the_index_fed_live(ops in prop::collection::vec(basic(), 1..150)) {
        prop_assert_eq!(run(&ops, usize::MAX)?, (0, 0));
    }

    /// Every owner is a new one; it rebuilds the index from what the cleaner left.
    #[test]
    fn with_the_index_rebuilt(
        ops in prop::collection::vec(prop_oneof![4 => basic(), 1 => Just(Op::TakeOver)], 1..150),
    ) {
        prop_assert_eq!(run(&ops, usize::MAX)?.0, 0);
    }

    /// Indexes are lost at any moment, also while they are made, and there is room for a record and more.
    #[test]
    fn with_slices(
        budget in 0..900_usize,
        ops in prop::collection::vec(
            prop_oneof![10 => basic(), 1 => Just(Op::DropIndex), 1 => Just(Op::TakeOver)],
            1..150,
        ),
    ) {
        run(&ops, budget)?;
    }
}

/// The random sequences would prove little if they never got there.
#[test]
fn a_sequence_with_everything_in_it_needs_slices() {
    let event = |kind, record| Op::Event(kind, record);
    let pause = |id, keep| Op::Pause { id, lag: 0, end: None, new: None, keep: Some(keep), expiry: None };
    let resume = |id| Op::Resume { id, lag: 0, release: None, max_age: None };
    let ops = [
        pause(1, Keep::Latest),
        event(Kind::Enroll, 0),
        event(Kind::Enroll, 1),
        event(Kind::Enroll, 0),
        event(Kind::Advance, 2),
        Op::DropIndex,
        resume(2),
        Op::Drain(1),
        Op::Drain(1),
        Op::Drain(1),
        event(Kind::Withdraw, 0),
        event(Kind::Enroll, 0),
        pause(3, Keep::Latest),
        event(Kind::Advance, 2),
        Op::Clean(u64::MAX),
        resume(4),
        Op::Drain(9),
    ];
    let (slicings, passes) = run(&ops, 0).unwrap();
    assert!(slicings == 2 && passes >= 8, "{slicings} {passes}");
}

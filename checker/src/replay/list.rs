//! The model: what is held is an ordinary list.
//!
//! Events and transitions come in one order, the audit's. A newer event takes the older one out of the list, a withdraw
//! takes out every one of its record, a resume and a purge mark what is to be discarded, a drain, a purge and a sample take
//! from the front. How far they have come is the only thing that the list has to be told: each transition says it, as a
//! number of entries.

mod all;
mod answer;
mod errand;
mod happen;
mod loss;
mod pass;
mod search;

use std::collections::{HashMap, HashSet};

use super::audit::{Cause, Happening};
use super::clock::Clock;
use super::errands::{Purge, Sample};
use super::everyone::LeftBehind;
use super::flow::Flow;
use super::script::{Due, Script, Stretch};
use crate::Place;
use crate::report::{Kind, PerKind};

/// A record's key and value.
type Bytes<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// The first pause of a flow that was seen there.
struct Owed {
    at: Place,
    /// The default holds for certain.
    certain: bool,
}

/// What the newest loss has taken.
#[derive(Default)]
struct Lost {
    count: PerKind,
    /// An entry that nobody deleted and nothing had replaced.
    there: Option<u64>,
}

/// A flow as the rules see it.
pub(super) struct List<'a> {
    flow: &'a Flow<'a>,
    clock: &'a Clock,
    /// Events that are in the discarded topic: asked only where neither the list nor the audit can tell.
    discarded: &'a HashSet<(i32, i64)>,
    state: State,
    pause: Pause,
    /// The running drain's `max_age_seconds`, and when it was ordered, in milliseconds.
    max_age: Option<(i64, i64)>,
    purge: Option<Purge>,
    sample: Option<Sample>,
    /// A sample has ended that was not done: so its pause ends, or a purge begins.
    cut_off: bool,
    /// The pause in force, or the one that ended, now and before the newest command.
    pauses: (Option<String>, Option<String>),
    /// Where that command stands.
    command: Option<i64>,
    known: bool,
    /// Since it is known.
    paused_once: bool,
    /// Nothing is known of the flow any more, until it is seen again.
    forgotten: bool,
    held: Vec<Held>,
    /// So many of them are passed.
    passed: usize,
    /// Where a record's events are in the list: nothing but a shortcut.
    places: HashMap<&'a str, Vec<usize>>,
    /// Entries so far; a withdraw is one too while others are not passed.
    entries: u64,
    /// Of them: passed for certain, as the last transition says.
    watermark: u64,
    /// What the newest loss took.
    lost: Lost,
    /// Key and value of every record that a sample has released: asked like the discarded ones.
    samples: HashSet<Bytes<'a>>,
    /// So many of the commands for `*` are played; what they have left behind.
    next_all: usize,
    default: Option<&'a LeftBehind>,
    /// `*` paused the flow; where it resumes: that pause has ended.
    by_all: bool,
    /// The command for `*` whose transition comes next.
    due: Option<i64>,
    owed: Option<Owed>,
    /// The commands for `*` that the audit names as the cause of something.
    made: HashSet<i64>,
    stretch: Stretch,
    script: Script,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Live,
    Paused,
    Resuming,
}

/// The options of a pause.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    turn_away: bool,
    keep_all: bool,
    discard_at_expiry: bool,
}

/// A held enroll or advance.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    event: usize,
    entry: u64,
    /// A later one of its record and kind takes its place.
    latest: bool,
    /// Taken out: superseded or withdrawn.
    out: bool,
    /// A newer one came while a purge or a sample may have passed this one before.
    perhaps_out: bool,
    /// To be discarded, not delivered.
    doomed: bool,
    /// Under the line of a purge.
    purged: bool,
    /// Released by a sample of named records.
    taken: bool,
}

impl<'a> List<'a> {
    /// Plays a flow.
    pub(super) fn play(flow: &'a Flow<'a>, clock: &'a Clock, discarded: &'a HashSet<(i32, i64)>) -> Script {
        let mut list = Self {
            flow,
            clock,
            discarded,
            state: State::Live,
            pause: Pause::default(),
            max_age: None,
            purge: None,
            sample: None,
            cut_off: false,
            pauses: (None, None),
            command: None,
            known: false,
            paused_once: false,
            forgotten: false,
            held: Vec::new(),
            passed: 0,
            places: HashMap::new(),
            entries: 0,
            watermark: 0,
            lost: Lost::default(),
            samples: samples(flow),
            next_all: 0,
            default: None,
            by_all: false,
            due: None,
            owed: None,
            made: made(&flow.happenings),
            stretch: Stretch::default(),
            script: Script::default(),
        };
        let mut happenings = flow.happenings.iter().peekable();
        for (index, event) in flow.events.iter().enumerate() {
            while let Some(happening) = happenings.next_if(|next| next.position.input <= event.source.offset) {
                list.play_all(Some(happening), 0);
                list.next(happening);
            }
            list.play_all(None, event.source.offset);
            list.settle_owed(None);
            list.arrive(index);
        }
        happenings.for_each(|happening| {
            list.play_all(Some(happening), 0);
            list.next(happening);
        });
        list.play_all(None, i64::MAX);
        list.settle_owed(None);
        list.end()
    }

    fn arrive(&mut self, index: usize) {
        let event = &self.flow.events[index];
        if !self.known {
            self.pass_unseen(event.source.offset);
        }
        match (self.state, event.kind) {
            (State::Live, _) => self.deliver(index),
            (State::Paused, Kind::Enroll) if self.pause.turn_away => self.stretch.turned_away.push(index),
            (State::Paused, Kind::Enroll | Kind::Advance) => self.hold(index, !self.pause.keep_all),
            // What a drain delivers is settled when it starts: nothing that comes now supersedes anything.
            (State::Resuming, Kind::Enroll | Kind::Advance) => self.hold(index, false),
            (State::Paused, Kind::Withdraw) if !self.passes() => {
                self.count_withdraw();
                self.deliver(index);
                self.take_out(index, self.passed);
            }
            (State::Paused | State::Resuming, Kind::Withdraw) => {
                self.count_withdraw();
                self.stretch.withdraws.push(index);
            }
        }
    }

    /// Whether something takes entries from the front.
    fn passes(&self) -> bool {
        match self.state {
            State::Live => false,
            State::Paused => self.purge.is_some() || self.counts(),
            State::Resuming => true,
        }
    }

    /// Whether a sample of so many is under way.
    fn counts(&self) -> bool {
        self.sample.as_ref().is_some_and(|sample| sample.search.is_none())
    }

    fn deliver(&mut self, event: usize) {
        self.stretch.chain.push(Due { event, certain: true, may_be_missing: false });
    }

    fn hold(&mut self, index: usize, latest: bool) {
        let event = &self.flow.events[index];
        let passes = self.passes();
        let places = self.places.entry(&event.record).or_default();
        if latest {
            let older = places.iter().filter(|place| **place >= self.passed);
            for place in older {
                let held = &mut self.held[*place];
                let replaced = held.latest && self.flow.events[held.event].kind == event.kind;
                if passes {
                    held.perhaps_out |= replaced;
                } else {
                    held.out |= replaced;
                }
            }
        }
        places.push(self.held.len());
        self.entries += 1;
        self.held.push(Held { event: index, entry: self.entries, latest, ..Held::default() });
    }

    fn count_withdraw(&mut self) {
        self.entries += u64::from(self.entries > self.watermark);
    }

    /// A withdraw takes out what came before it, from a place in the list on.
    fn take_out(&mut self, withdraw: usize, from: usize) {
        let record = &*self.flow.events[withdraw].record;
        let places = self.places.get(record).map_or(&[][..], Vec::as_slice);
        for place in places.iter().filter(|place| **place >= from) {
            let held = &mut self.held[*place];
            held.out |= held.event < withdraw;
        }
    }
}

/// The commands for `*` that have made something of a flow that was known.
fn made(happenings: &[Happening]) -> HashSet<i64> {
    let by_all = |happening: &&Happening| {
        matches!(happening.cause, Cause::ForAll(_)) && happening.turn == happening.offset && happening.word != "sampled"
    };
    happenings.iter().filter(by_all).filter_map(|happening| happening.offset).collect()
}

/// Key and value of every record that says that a sample has released it.
fn samples<'a>(flow: &Flow<'a>) -> HashSet<Bytes<'a>> {
    if !flow.happenings.iter().any(|happening| happening.word == "sampling") {
        return HashSet::new();
    }
    let by_sample = flow.delivered.iter().filter(|of| of.last_header("flowgate-release") == Some("sample"));
    by_sample.map(|record| (record.key.as_deref(), record.value.as_deref())).collect()
}

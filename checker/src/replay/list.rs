//! The model: what is held is an ordinary list.
//!
//! Events and transitions come in one order, the audit's. A newer event takes the older one out of the list, a withdraw
//! takes out every one of its record, a resume marks what is to be discarded, a drain takes from the front. How far a
//! drain has come is the only thing that the list has to be told: each transition says it, as a number of entries.

use std::collections::{HashMap, HashSet};

use super::audit::{Cause, Happening};
use super::clock::{Age, Clock};
use super::difference::Departure;
use super::flow::Flow;
use super::orders::{Order, PauseOrder, ResumeOrder};
use super::script::{Due, Script, Stretch};
use crate::report::Kind;

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
    held: Vec<Held>,
    /// So many of them a drain has passed.
    passed: usize,
    /// Where a record's events are in the list: nothing but a shortcut.
    places: HashMap<&'a str, Vec<usize>>,
    /// Entries so far; a withdraw is one too while others are not passed.
    entries: u64,
    /// Of them: passed for certain, as the last transition says.
    watermark: u64,
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
#[derive(Clone, Copy, Debug)]
struct Held {
    event: usize,
    entry: u64,
    /// A later one of its record and kind takes its place.
    latest: bool,
    /// Taken out: superseded or withdrawn.
    out: bool,
    /// To be discarded, not delivered.
    doomed: bool,
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
            held: Vec::new(),
            passed: 0,
            places: HashMap::new(),
            entries: 0,
            watermark: 0,
            stretch: Stretch::default(),
            script: Script::default(),
        };
        let mut happenings = flow.happenings.iter().peekable();
        for (index, event) in flow.events.iter().enumerate() {
            while let Some(happening) = happenings.next_if(|next| next.position.input <= event.source.offset) {
                list.happen(happening);
            }
            list.arrive(index);
        }
        happenings.for_each(|happening| list.happen(happening));
        list.end()
    }

    fn arrive(&mut self, index: usize) {
        let event = &self.flow.events[index];
        match (self.state, event.kind) {
            (State::Live, _) => self.deliver(index),
            (State::Paused, Kind::Enroll) if self.pause.turn_away => {
                self.script.discarded.push(Due { event: index, certain: true });
            }
            (State::Paused, Kind::Enroll | Kind::Advance) => self.hold(index, !self.pause.keep_all),
            // What a drain delivers is settled when it starts: nothing that comes now supersedes anything.
            (State::Resuming, Kind::Enroll | Kind::Advance) => self.hold(index, false),
            (State::Paused, Kind::Withdraw) => {
                self.count_withdraw();
                self.deliver(index);
                self.take_out(index, self.passed);
            }
            (State::Resuming, Kind::Withdraw) => {
                self.count_withdraw();
                self.stretch.withdraws.push(index);
            }
        }
    }

    fn deliver(&mut self, event: usize) {
        self.stretch.chain.push(Due { event, certain: true });
    }

    fn hold(&mut self, index: usize, latest: bool) {
        let event = &self.flow.events[index];
        let places = self.places.entry(&event.record).or_default();
        if latest {
            let older = places.iter().filter(|place| **place >= self.passed);
            for place in older {
                let held = &mut self.held[*place];
                held.out |= held.latest && self.flow.events[held.event].kind == event.kind;
            }
        }
        places.push(self.held.len());
        self.entries += 1;
        self.held.push(Held { event: index, entry: self.entries, latest, out: false, doomed: false });
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

    fn happen(&mut self, happening: &Happening) {
        if self.script.broken_off || happening.word == "seen" {
            return;
        }
        if happening.position.entry != self.entries {
            let why = format!("says entry {}, the list has {}", happening.position.entry, self.entries);
            self.contradiction(happening, why);
            self.entries = happening.position.entry;
        }
        let watermark = happening.position.watermark;
        if watermark < self.watermark || watermark > self.entries {
            self.contradiction(happening, format!("has the impossible watermark {watermark}"));
        } else if self.state != State::Resuming && watermark != self.watermark {
            self.contradiction(happening, "says that entries were passed, but nothing was released".to_owned());
        }
        if self.state == State::Resuming {
            self.pass(watermark);
        }
        self.watermark = watermark;
        self.close(false);
        let before = self.state;
        let word = match (happening.cause, before) {
            (Cause::Command(Order::Pause(order)), _) => self.order_pause(order),
            (Cause::Command(Order::Resume(order)), State::Paused | State::Resuming) => {
                self.order_resume(order, happening.at_ms)
            }
            (Cause::NoCommand, State::Paused) if happening.word == "expired" => {
                self.state = State::Resuming;
                self.max_age = None;
                self.doom(self.pause.discard_at_expiry);
                "expired"
            }
            // A lowered limit moves the deadline, which the list does not know.
            (Cause::NoCommand, State::Paused) if happening.word == "updated" => "updated",
            (Cause::NoCommand, State::Resuming) if happening.word == "live" => {
                if watermark != self.entries {
                    self.contradiction(happening, "went live before everything was passed".to_owned());
                }
                self.state = State::Live;
                self.held.clear();
                self.places.clear();
                self.passed = 0;
                "live"
            }
            _ => "nothing that the list knows",
        };
        if word != happening.word {
            self.contradiction(happening, format!("{:?} while {before:?}: the list makes it {word}", happening.word));
            self.script.broken_off = true;
        }
    }

    fn contradiction(&mut self, happening: &Happening, why: String) {
        self.script.contradictions.push(Departure::Audit { at: happening.at.clone(), why });
    }

    fn order_pause(&mut self, order: PauseOrder) -> &'static str {
        let before = std::mem::replace(&mut self.state, State::Paused);
        if before != State::Paused {
            self.pause = Pause::default();
            // What `release: none` was to discard is held again like the rest.
            self.doom(false);
        }
        let pause = &mut self.pause;
        pause.turn_away = order.turn_away.unwrap_or(pause.turn_away);
        pause.keep_all = order.keep_all.unwrap_or(pause.keep_all);
        pause.discard_at_expiry = order.discard_at_expiry.unwrap_or(pause.discard_at_expiry);
        match before {
            State::Live => "paused",
            State::Paused => "updated",
            State::Resuming => "repaused",
        }
    }

    fn order_resume(&mut self, order: ResumeOrder, at_ms: i64) -> &'static str {
        let before = std::mem::replace(&mut self.state, State::Resuming);
        if before == State::Paused {
            self.max_age = None;
            self.doom(order.discard.unwrap_or(false));
        } else if let Some(discard) = order.discard {
            self.doom(discard);
        }
        if let Some(limit) = order.max_age_ms {
            self.max_age = Some((limit, at_ms));
        }
        if before == State::Paused { "resumed" } else { "redirected" }
    }

    /// Whether what is held now is to be discarded.
    fn doom(&mut self, doomed: bool) {
        for held in &mut self.held[self.passed..] {
            held.doomed = doomed;
        }
    }

    /// A drain has come so far since the last transition: what it passed is delivered, or discarded.
    fn pass(&mut self, watermark: u64) {
        // The withdraws of this stretch, by record: which of them came before the drain did, nobody has told.
        let mut withdraws: HashMap<&str, usize> = HashMap::new();
        for withdraw in &self.stretch.withdraws {
            withdraws.insert(&self.flow.events[*withdraw].record, *withdraw);
        }
        while let Some(held) = self.held.get(self.passed).copied().filter(|held| held.entry <= watermark) {
            self.passed += 1;
            if held.out {
                continue;
            }
            let event = &self.flow.events[held.event];
            let may_be_withdrawn = withdraws.get(&*event.record).is_some_and(|withdraw| *withdraw > held.event);
            let age = match self.max_age {
                Some((limit, as_of)) => self.clock.age(event.source.offset, limit, as_of),
                None => Age::Young,
            };
            let certain = !may_be_withdrawn && (held.doomed || age != Age::Doubtful);
            let due = Due { event: held.event, certain };
            let in_topic = || self.discarded.contains(&(event.source.partition, event.source.offset));
            match (held.doomed, age) {
                (true, _) | (false, Age::Old) => {
                    if certain || in_topic() {
                        self.script.discarded.push(due);
                    }
                }
                (false, Age::Doubtful) if in_topic() => self.script.discarded.push(due),
                (false, Age::Young | Age::Doubtful) => self.stretch.chain.push(due),
            }
        }
        for withdraw in std::mem::take(&mut self.stretch.withdraws) {
            self.take_out(withdraw, self.passed);
            self.stretch.withdraws.push(withdraw);
        }
    }

    fn close(&mut self, open: bool) {
        let mut stretch = std::mem::take(&mut self.stretch);
        stretch.open = open;
        self.script.delivered.push(stretch);
    }

    fn end(mut self) -> Script {
        let mut open = self.script.broken_off;
        self.script.discarded_for_certain = self.script.discarded.len();
        if self.state == State::Resuming {
            let watermark = self.flow.watermark.filter(|known| *known >= self.watermark);
            self.pass(watermark.unwrap_or(u64::MAX));
            open |= watermark.is_none();
        }
        if !open {
            self.script.discarded_for_certain = self.script.discarded.len();
        }
        self.close(open);
        self.script
    }
}

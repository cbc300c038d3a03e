//! Takes the events of one flow through its transitions: live, held, turned away.
//!
//! Between two transitions lies a *segment*, in which one state and one set of orders are in force. Where a drain stands
//! is known from outside only at the transitions, each of which names the newest entry and the watermark. So an entry is
//! known to be passed *in* a segment, not when in it.

use std::collections::HashSet;

use crate::errands::Errands;
use crate::follow::Transition;
use crate::gather::Gathered;
use crate::orders::{DrainOrders, PauseOptions, orders};
use crate::report::Kind;
use crate::succession::{State, is_beside, misplaced, next_state};
use crate::wanted::{Named, record_ids};

/// From one transition to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub state: State,
    /// The transition that began it, if one did.
    pub transition: Option<usize>,
    /// When it began; `None`: before the first transition, or not readable.
    pub at_ms: Option<i64>,
    pub pause: PauseOptions,
    pub drain: DrainOrders,
    pub errands: Errands,
    /// The transition that names the pause in force, or the one that ended.
    pub named: Option<usize>,
    /// The first item that is not passed when it begins.
    pub first_unpassed: usize,
}

impl Segment {
    /// Whether entries may be passed in it.
    pub(crate) fn passes(&self) -> bool {
        self.state == State::Resuming || self.state == State::Paused && self.errands.pass_in_pause()
    }
}

/// An entry of the queue, as far as the rules tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Index into the events.
    pub event: usize,
    /// 0: a withdraw that took no number after all.
    pub number: u64,
    pub withdraw: bool,
    /// Held under `keep: all`, or while resuming.
    pub all: bool,
    /// A withdraw that is an entry only if something was held just then.
    optional: bool,
    /// A sample of named records has looked for it: it may be taken.
    named: bool,
    /// The segment in which it came.
    pub segment: usize,
    pub passed: Passed,
}

impl Item {
    /// Whether a sample of these records looks for it, beyond the line of a purge.
    pub(crate) fn is_named(&self, gathered: &Gathered<'_>, ids: &HashSet<String>, line: u64) -> bool {
        !self.withdraw && self.number > line && ids.contains(&*gathered.events[self.event].record)
    }

    /// Whether it may be no entry after all.
    pub(crate) fn is_optional(&self) -> bool {
        self.optional
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    No,
    /// In this segment.
    In(usize),
    /// Not passed, but gone: the loss was accepted with the transition that began this segment.
    Lost(usize),
    /// In the last segment, if at all: what passes entries is still under way.
    Perhaps,
}

/// What becomes of an event when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Delivered,
    TurnedAway,
    Held,
    Refused,
}

#[derive(Debug)]
pub(crate) struct Walk {
    pub segments: Vec<Segment>,
    /// In home order.
    pub items: Vec<Item>,
    /// For each event of the flow, in home order: what becomes of it, and in which segment it came.
    pub arrivals: Vec<(Arrival, usize)>,
    /// What is wrong with the audit: the transition's index, and a sentence.
    pub faults: Vec<(usize, String)>,
    /// Entries up to the end.
    pub last_entry: u64,
    /// Watermark of the last transition.
    pub watermark: u64,
    /// The segment that began when the flow was forgotten last, or the first one.
    pub life: usize,
    /// Items whose numbers are settled.
    numbered: usize,
    /// Enrolls and advances that are not passed, and that no sample can have taken.
    held: u64,
    /// The samples of named records.
    pub named: Vec<Named>,
}

/// Walks one flow. `last_entry`: the newest entry number at the end, as its public state says.
pub(crate) fn walk(gathered: &Gathered<'_>, flow: usize, transitions: &[Transition], last_entry: Option<u64>) -> Walk {
    let live = Segment {
        state: State::Live,
        transition: None,
        at_ms: None,
        pause: PauseOptions::default(),
        drain: DrainOrders::default(),
        errands: Errands::default(),
        named: None,
        first_unpassed: 0,
    };
    let mut walk = Walk {
        segments: vec![live],
        items: Vec::new(),
        arrivals: Vec::new(),
        faults: Vec::new(),
        last_entry: 0,
        watermark: 0,
        life: 0,
        numbered: 0,
        held: 0,
        named: Vec::new(),
    };
    let mut next = 0;
    for event in &gathered.flows[flow].events {
        let offset = gathered.events[*event].source.offset;
        while transitions.get(next).is_some_and(|transition| transition.position.input <= offset) {
            walk.change(gathered, next, transitions);
            next += 1;
        }
        walk.arrive(gathered, *event);
    }
    while next < transitions.len() {
        walk.change(gathered, next, transitions);
        next += 1;
    }
    walk.end(last_entry);
    walk
}

impl Walk {
    fn segment(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn arrive(&mut self, gathered: &Gathered<'_>, index: usize) {
        let event = &gathered.events[index];
        let Segment { state, pause, first_unpassed, .. } = *self.segment();
        let passes = self.segment().passes();
        let segment = self.segments.len() - 1;
        let arrival = match (state, event.kind) {
            _ if event.refused => Arrival::Refused,
            (State::Live, _) | (_, Kind::Withdraw) => Arrival::Delivered,
            (State::Paused, Kind::Enroll) if pause.discard => Arrival::TurnedAway,
            (State::Paused | State::Resuming, Kind::Enroll | Kind::Advance) => Arrival::Held,
        };
        self.arrivals.push((arrival, segment));
        let withdraw = event.kind == Kind::Withdraw;
        // While something is held a withdraw is an entry too. A drain, a purge and a sample may pass the last held entry
        // at any time; and where only withdraws (and taken entries) are left, "something is held" can be read either way: the next entry number decides.
        let entry = match (arrival, state) {
            (Arrival::Held, _) => true,
            (Arrival::Delivered, State::Paused | State::Resuming) => first_unpassed < self.items.len(),
            _ => false,
        };
        if entry {
            let optional = withdraw && (passes || self.held == 0);
            let all = state == State::Resuming || pause.all;
            self.held += u64::from(!withdraw);
            self.items.push(Item {
                event: index,
                number: 0,
                withdraw,
                all,
                optional,
                named: false,
                segment,
                passed: Passed::No,
            });
        }
    }

    /// Settles the numbers of the items since the last transition, given the newest number, if it is known.
    fn number(&mut self, newest: Option<u64>) -> Result<(), u64> {
        let fresh = &mut self.items[self.numbered..];
        let optional = fresh.iter().filter(|item| item.optional).count() as u64;
        let most = self.last_entry + fresh.len() as u64;
        let newest = newest.unwrap_or(most);
        let fits = newest <= most && newest + optional >= most;
        // What was held is passed in order, so the later ones are those that found nothing held any more.
        let mut taking = if fits { optional - (most - newest) } else { optional };
        for item in fresh {
            if item.optional {
                if taking == 0 {
                    continue;
                }
                taking -= 1;
            }
            self.last_entry += 1;
            item.number = self.last_entry;
        }
        self.numbered = self.items.len();
        let found = self.last_entry;
        self.last_entry = newest;
        if fits { Ok(()) } else { Err(found) }
    }

    /// Marks what lies up to the watermark, from an item on. Returns the item behind it.
    fn pass(&mut self, mut at: usize, watermark: u64, mark: Passed) -> usize {
        while let Some(item) = self.items.get_mut(at).filter(|item| item.number <= watermark) {
            item.passed = mark;
            self.held -= u64::from(!item.withdraw && !item.named);
            at += 1;
        }
        at
    }

    fn change(&mut self, gathered: &Gathered<'_>, index: usize, transitions: &[Transition]) {
        let transition = &transitions[index];
        let position = transition.position;
        let word = transition.word.as_str();
        let before = *self.segment();
        if let Err(found) = self.number(Some(position.entry)) {
            let why = format!("says entry {}, but the events before it make {found}", position.entry);
            self.faults.push((index, why));
        }
        let earlier = index.checked_sub(1).map(|earlier| transitions[earlier].position);
        if earlier.is_some_and(|earlier| position.input < earlier.input || position.control < earlier.control) {
            self.faults.push((index, "took effect before the one above it".to_owned()));
        }
        let passed = self.passed_before(index, transition);
        let moved = passed != self.watermark;
        if passed < self.watermark || passed > position.watermark || position.watermark > position.entry {
            self.faults.push((index, format!("has the impossible watermark {}", position.watermark)));
        } else if moved && !before.passes() {
            self.faults.push((index, format!("says that entries were passed while {}", before.state.word())));
        }
        let Some(state) = next_state(before.state, word) else {
            self.faults.push((index, format!("{word:?} cannot follow while {}", before.state.word())));
            return;
        };
        if word == "live" && position.watermark != position.entry {
            self.faults.push((index, "went live before everything was passed".to_owned()));
        }
        let named = before.named.and_then(|named| transitions[named].pause_id.as_deref());
        if let Some(why) = misplaced(index, transitions, named) {
            self.faults.push((index, why.to_owned()));
        }
        let mut errands = before.errands;
        if let Some(why) = errands.change(index, transitions) {
            self.faults.push((index, why));
        }
        let ended = self.segments.len() - 1;
        let first_lost = self.pass(before.first_unpassed, passed, Passed::In(ended));
        let first_unpassed = self.pass(first_lost, position.watermark, Passed::Lost(ended + 1));
        self.watermark = self.watermark.max(position.watermark);
        if word == "sampling"
            && let Some(ids) = transition.command.as_ref().and_then(record_ids)
        {
            let line = errands.purge.map_or(0, |purge| purge.line);
            for item in self.items[first_unpassed..].iter_mut().filter(|item| item.is_named(gathered, &ids, line)) {
                self.held -= u64::from(!std::mem::replace(&mut item.named, true));
            }
        }
        let (pause, drain) = orders((before.pause, before.drain), transition);
        if word == "forgotten" {
            self.life = self.segments.len();
        }
        let named = if is_beside(word) { before.named } else { Some(index) };
        let (transition, at_ms) = (Some(index), transition.at_ms);
        self.segments.push(Segment { state, transition, at_ms, pause, drain, errands, named, first_unpassed });
    }

    /// Up to where entries were passed before a transition: what is accepted as lost is not passed.
    fn passed_before(&mut self, index: usize, transition: &Transition) -> u64 {
        if transition.word != "loss_accepted" {
            return transition.position.watermark;
        }
        let Segment { state, errands, .. } = self.segment();
        if *state == State::Paused && errands.purge.is_none() && errands.sample.is_none() {
            self.faults.push((index, "accepts a loss while nothing is passed".to_owned()));
        }
        match transition.first_entry.and_then(|first| first.checked_sub(1)) {
            Some(passed) if passed < transition.position.watermark => return passed,
            Some(_) => self.faults.push((index, "accepts a loss of nothing".to_owned())),
            None => self.faults.push((index, "does not say where the loss begins".to_owned())),
        }
        transition.position.watermark
    }

    fn end(&mut self, newest: Option<u64>) {
        if let Err(found) = self.number(newest) {
            // The counters are compared elsewhere; what the events make is what counts.
            self.last_entry = found;
        }
        let Segment { state, errands, first_unpassed, .. } = *self.segment();
        match errands.purge {
            _ if !self.segment().passes() => {}
            Some(purge) if state == State::Paused && errands.counted().is_none() => {
                self.pass(first_unpassed, purge.line, Passed::Perhaps);
            }
            _ => drop(self.pass(first_unpassed, u64::MAX, Passed::Perhaps)),
        }
    }
}

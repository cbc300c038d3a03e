//! The audit as lines for people: what a redrive tells of its letters one after the other, an event each, is one line.
//!
//! An event says who redrove its letter and why, and not in which redrive. So events are of the same redrive if they say the same,
//! come one after the other and soon, and name letters in the order in which a redrive takes them: the same letters redriven
//! once more are another line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::audited::{Audited, Told};
use super::scan::First;
use crate::flow::FlowId;
use crate::schema::redriven::Redriven;
use crate::time::Timestamp;

/// A redrive takes no longer from one letter to the next: it has to read letters and to commit them.
const NEXT: Duration = Duration::from_secs(60);

/// One line.
#[derive(Clone, Debug)]
pub enum Line {
    Event(Box<Told>),
    Redrive(Box<Run>),
}

/// What a redrive tells of two or more letters.
#[derive(Clone, Debug)]
pub struct Run {
    pub by: String,
    pub reason: Option<String>,
    /// Of the letters.
    pub topic: Arc<str>,
    pub letters: u64,
    /// How many of each flow.
    pub flows: BTreeMap<FlowId, u64>,
    /// The first letter of a partition and the last one, by their offsets.
    pub items: BTreeMap<i32, (i64, i64)>,
    /// The oldest event and the newest.
    pub first: End,
    pub last: End,
    /// There may be more letters: the audit was not read further.
    pub is_cut: bool,
    /// By a partition of the audit and one of the letters: the letter that was added last, by its offset.
    places: BTreeMap<(i32, i32), i64>,
}

/// The event at one end of a [`Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// By the clock of who redrives.
    pub at: Timestamp,
    pub partition: i32,
    pub offset: i64,
}

/// Makes lines of events, which come in the order of time or against it.
#[derive(Debug)]
pub struct Fold {
    first: First,
    open: Option<Open>,
}

/// The line that the next event may belong to.
#[derive(Debug)]
struct Open {
    run: Run,
    /// The only event so far.
    only: Option<Box<Told>>,
}

impl Fold {
    #[must_use]
    pub fn new(first: First) -> Self {
        Self { first, open: None }
    }

    /// Whether a line is open, to which the next event may belong.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether an event belongs to the line that is open.
    #[must_use]
    pub fn fits(&self, told: &Told) -> bool {
        self.open.as_ref().zip(foldable(told)).is_some_and(|(open, redriven)| open.run.fits(told, redriven, self.first))
    }

    /// Takes an event, and gives the lines that are complete by it.
    pub fn add(&mut self, told: Told, complete: &mut Vec<Line>) {
        let fits = self.fits(&told);
        match (foldable(&told), &mut self.open) {
            (Some(redriven), Some(open)) if fits => {
                open.run.add(&told, redriven, self.first);
                open.only = None;
            }
            (Some(redriven), _) => {
                let run = Run::of(&told, redriven);
                complete.extend(self.close());
                self.open = Some(Open { run, only: Some(Box::new(told)) });
            }
            (None, _) => {
                complete.extend(self.close());
                complete.push(Line::Event(Box::new(told)));
            }
        }
    }

    /// The line that was open.
    pub fn close(&mut self) -> Option<Line> {
        let Open { run, only } = self.open.take()?;
        Some(only.map_or_else(|| Line::Redrive(Box::new(run)), Line::Event))
    }
}

/// Of an event that can stand in one line with others. One with another value than its letter stands alone.
fn foldable(told: &Told) -> Option<&Redriven> {
    match &told.event {
        Audited::Redriven(redriven) => Some(&**redriven).filter(|redriven| redriven.edit.is_none()),
        Audited::Gate(_) => None,
    }
}

impl Run {
    fn of(told: &Told, redriven: &Redriven) -> Self {
        let Redriven { flow, source, by, reason, .. } = redriven;
        let end = End::of(told, redriven);
        Self {
            by: by.clone(),
            reason: reason.clone(),
            topic: Arc::clone(&source.topic),
            letters: 1,
            flows: [(flow.clone(), 1)].into(),
            items: [(source.partition, (source.offset, source.offset))].into(),
            first: end,
            last: end,
            is_cut: false,
            places: [((told.partition, source.partition), source.offset)].into(),
        }
    }

    /// `first`: which events come first.
    fn fits(&self, told: &Told, redriven: &Redriven, first: First) -> bool {
        let Redriven { source, by, reason, at, .. } = redriven;
        let place = self.places.get(&(told.partition, source.partition));
        let (is_next, apart) = match first {
            First::Oldest => (place.is_none_or(|place| source.offset > *place), apart(*at, self.last.at)),
            First::Newest => (place.is_none_or(|place| source.offset < *place), apart(*at, self.first.at)),
        };
        is_next && apart <= NEXT && *by == self.by && *reason == self.reason && source.topic == self.topic
    }

    fn add(&mut self, told: &Told, redriven: &Redriven, first: First) {
        let source = &redriven.source;
        self.letters += 1;
        *self.flows.entry(redriven.flow.clone()).or_default() += 1;
        let (least, most) = self.items.entry(source.partition).or_insert((source.offset, source.offset));
        (*least, *most) = (source.offset.min(*least), source.offset.max(*most));
        self.places.insert((told.partition, source.partition), source.offset);
        let end = End::of(told, redriven);
        match first {
            First::Oldest => self.last = end,
            First::Newest => self.first = end,
        }
    }
}

/// Events of several partitions do not come quite in the order of who redrives.
fn apart(one: Timestamp, other: Timestamp) -> Duration {
    one.since(other).max(other.since(one))
}

impl End {
    fn of(told: &Told, redriven: &Redriven) -> Self {
        Self { at: redriven.at, partition: told.partition, offset: told.offset }
    }
}

/// Makes lines of what comes while somebody watches. A line is held back while its redrive goes on, but not for long.
#[derive(Debug)]
pub struct Following {
    fold: Fold,
    began: Option<Instant>,
    joined: Option<Instant>,
}

/// A redrive that goes on has its next events within this time.
const QUIET: Duration = Duration::from_millis(500);

/// How long a line is held back at most.
const LONGEST: Duration = Duration::from_secs(2);

impl Default for Following {
    fn default() -> Self {
        Self { fold: Fold::new(First::Oldest), began: None, joined: None }
    }
}

impl Following {
    /// What is to be shown now, of these events and of those that came before.
    pub fn hear(&mut self, events: Vec<Told>, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        for told in events {
            if !self.fold.fits(&told) {
                self.began = Some(now);
            }
            self.joined = Some(now);
            self.fold.add(told, &mut lines);
        }
        let is_for =
            |since: Option<Instant>| since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        if is_for(self.joined) >= QUIET || is_for(self.began) >= LONGEST {
            lines.extend(self.fold.close());
        }
        lines
    }

    /// What was held back.
    pub fn end(&mut self) -> Option<Line> {
        self.fold.close()
    }
}

//! What is judged, by what, and what comes of it.

use crate::find::Found;
use crate::follow::Transition;
use crate::gather::{Event, Gathered, Sources, Topics};
use crate::order::{Link, Withdraw};
use crate::record::{Log, Record};
use crate::report::Sums;
use crate::settle::{Fate, Passing};
use crate::states::GateState;
use crate::walk::Walk;
use crate::{Fault, Place};

/// Where something was delivered: its offset, the segment, the event.
pub(crate) type Moment = (i64, usize, usize);

/// What all flows are judged by.
pub(crate) struct Court<'a> {
    pub log: &'a Log,
    pub topics: Topics<'a>,
    pub gathered: &'a Gathered<'a>,
    /// By event.
    pub fates: Vec<Fate>,
    pub found: Found<'a>,
    /// Discarded records by where they come from.
    pub discarded: Sources,
}

/// One flow.
pub(crate) struct Case<'a> {
    pub flow: usize,
    pub walk: &'a Walk,
    pub transitions: &'a [Transition],
    pub gate: Option<&'a GateState>,
    /// The flow's partition of the records topic.
    pub partition: i32,
}

/// What came of a case.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub sums: Sums,
    pub faults: Vec<Fault>,
    /// How far the queue is passed.
    pub watermark: u64,
    /// Events that are held at the end and that nothing newer will replace, and their entries' numbers: they must be in the queue
    /// topic.
    pub held: Vec<(usize, u64)>,
    /// Held events that have no fate although nothing replaced them: event, whether held under `keep: latest`.
    pub missing: Vec<(usize, bool)>,
    /// What is delivered rightly, withdraws aside, in home order.
    pub chain: Vec<Link>,
    pub withdraws: Vec<Withdraw>,
    /// What was released by samples of named records.
    pub taken: Vec<Link>,
    /// If there were such samples: when everything else was delivered.
    pub moments: Vec<Moment>,
    /// Missing, and rightly so if this withdraw or newer event came in time.
    pub doubtful: Vec<(usize, Passing, usize)>,
}

impl Court<'_> {
    pub(crate) fn place(&self, event: usize) -> Place {
        self.topics.event(self.gathered.events[event].source)
    }

    pub(crate) fn delivered_at(&self, record: &Record) -> Place {
        self.topics.place("records", record)
    }

    pub(crate) fn discards(&self, event: &Event<'_>) -> &[usize] {
        self.discarded.get(&(event.source.partition, event.source.offset)).map_or(&[], Vec::as_slice)
    }
}

impl Judgement {
    /// Another record of an event that was delivered already.
    pub(crate) fn copy(&mut self, court: &Court<'_>, event: usize, at: Place) {
        match court.fates[event] {
            Fate::Live | Fate::Refused | Fate::TurnedAway => self.sums.delivered_live += 1,
            Fate::Held { .. } | Fate::Replaced { .. } | Fate::Passed(_) | Fate::Lost { .. } | Fate::Taken(_) => {
                self.sums.released.count(court.gathered.events[event].kind);
            }
        }
        let first = court.found.delivered[event].as_ref().map(|first| court.delivered_at(first.record));
        let event = court.place(event);
        self.faults.push(Fault::Doubled { first: first.unwrap_or_else(|| at.clone()), event, at });
    }
}

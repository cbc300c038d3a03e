//! Compares one event's fate with the records that are found of it.

use crate::Fault;
use crate::court::{Case, Court, Judgement};
use crate::find::{Delivery, Form, TIMESTAMP};
use crate::order::{Link, Withdraw};
use crate::orders::Cause;
use crate::record::Record;
use crate::report::Kind;
use crate::settle::{End, Fate, MAX_AGE, Passing};
use crate::succession::State;
use crate::time::milliseconds;
use crate::wanted::Taken;

/// An event as the rules have it.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub event: usize,
    /// In which it came.
    pub segment: usize,
    pub fate: Fate,
}

impl Court<'_> {
    /// Judges a delivered event, and puts it into the chain if it is there rightly.
    pub(crate) fn delivered(
        &self,
        case: &Case<'_>,
        expected: Expected,
        delivery: &Delivery<'_>,
        judgement: &mut Judgement,
    ) {
        let Expected { event: index, segment, fate } = expected;
        let place = || (self.place(index), self.delivered_at(delivery.record));
        let fault = self.undeliverable(index, fate, delivery);
        let fine = fault.is_none();
        judgement.faults.extend(fault);
        if let Some(what) = self.altered(case, expected, delivery) {
            let (event, at) = place();
            judgement.faults.push(Fault::Altered { event, at, what });
        }
        if delivery.record.partition != case.partition {
            let (event, at) = place();
            judgement.faults.push(Fault::WrongPartition { event, at, expected: case.partition });
        } else if fine && matches!(fate, Fate::Taken(_)) {
            judgement.taken.push(Link { event: index, offset: delivery.record.offset });
        } else if fine {
            if !case.walk.named.is_empty() {
                let moment = if let Fate::Passed(passing) = fate { passing.segment } else { segment };
                judgement.moments.push((delivery.record.offset, moment, index));
            }
            let link = Link { event: index, offset: delivery.record.offset };
            if self.gathered.events[index].kind == Kind::Withdraw {
                judgement.withdraws.push(Withdraw { link, segment });
            } else {
                judgement.chain.push(link);
            }
        }
    }

    /// Why an event should not have been delivered, or not there.
    fn undeliverable(&self, index: usize, fate: Fate, delivery: &Delivery<'_>) -> Option<Fault> {
        let place = || (self.place(index), self.delivered_at(delivery.record));
        let in_pause = || {
            let (event, at) = place();
            Some(Fault::DeliveredInPause { event, at })
        };
        let withdrawn = |by| {
            let (event, at) = place();
            Some(Fault::WithdrawnDelivered { event, at, by: self.place(by) })
        };
        match fate {
            Fate::Refused => {
                let (event, at) = place();
                Some(Fault::Doubled { first: event.clone(), event, at })
            }
            Fate::TurnedAway | Fate::Passed(Passing { end: End::Removed(_), .. }) => {
                let (event, at) = place();
                Some(Fault::DiscardedDelivered { event, at })
            }
            Fate::Held { .. } => in_pause(),
            Fate::Lost { .. } => {
                let (event, at) = place();
                Some(Fault::LostDelivered { event, at })
            }
            Fate::Replaced { by } if self.gathered.events[by].kind == Kind::Withdraw => withdrawn(by),
            Fate::Replaced { by } => {
                let (event, at) = place();
                Some(Fault::ReplacedDelivered { event, at, by: self.place(by) })
            }
            Fate::Passed(_) | Fate::Taken(_) if delivery.form == Form::Live && delivery.altered.is_none() => in_pause(),
            Fate::Passed(Passing { withdrawn_by: Some(by), .. }) | Fate::Taken(Taken { withdraw: Some(by), .. })
                if self.is_behind(delivery, by) =>
            {
                withdrawn(by)
            }
            Fate::Passed(Passing { superseded_by: Some(by), .. }) | Fate::Taken(Taken { newer: Some(by), .. })
                if self.is_behind(delivery, by) =>
            {
                let (event, at) = place();
                Some(Fault::ReplacedDelivered { event, at, by: self.place(by) })
            }
            Fate::Passed(_) | Fate::Taken(_) | Fate::Live => None,
        }
    }

    fn is_behind(&self, delivery: &Delivery<'_>, other: usize) -> bool {
        self.found.delivered[other].as_ref().is_some_and(|other| {
            other.record.partition == delivery.record.partition && other.record.offset < delivery.record.offset
        })
    }

    /// What differs between an event and its delivered record.
    fn altered(&self, case: &Case<'_>, expected: Expected, delivery: &Delivery<'_>) -> Option<&'static str> {
        if delivery.altered.is_some() {
            return delivery.altered;
        }
        let (source, record) = (self.gathered.events[expected.event].source, delivery.record);
        if record.timestamp_ms != source.timestamp_ms {
            let original = record.last_header(TIMESTAMP).filter(|_| delivery.added == 1 || delivery.added == 4);
            let named = original.and_then(|text| text.parse().ok().or_else(|| milliseconds(text)));
            if named != Some(source.timestamp_ms) {
                return Some("its timestamp");
            }
        }
        match (expected.fate, delivery.form) {
            (Fate::Live, Form::Released) => Some("it has the headers of a release, but was never held"),
            (fate @ (Fate::Passed(_) | Fate::Taken(_)), Form::Released) => {
                let cause = record.last_header("flowgate-release").unwrap_or_default();
                let drain = match fate {
                    Fate::Passed(passing) => Some(&case.walk.segments[passing.segment]),
                    _ => None,
                };
                let right = match drain.filter(|segment| segment.state != State::Paused).map(|of| of.drain.cause) {
                    None => cause == "sample",
                    Some(Cause::Resume) => cause == "resume",
                    Some(Cause::Timer) => cause == "timer",
                    Some(Cause::Either) => cause == "resume" || cause == "timer",
                };
                let began = case.walk.segments[expected.segment].named.map(|at| &case.transitions[at]);
                let pause = began.and_then(|began| began.pause_id.as_deref());
                let held = record.last_header("flowgate-held-ms").and_then(|text| text.parse::<u64>().ok());
                if !right {
                    Some("flowgate-release names the wrong cause")
                } else if pause.is_none() || record.last_header("flowgate-pause-id") != pause {
                    Some("flowgate-pause-id does not name the pause that held it")
                } else {
                    held.is_none().then_some("flowgate-held-ms is no number")
                }
            }
            _ => None,
        }
    }

    pub(crate) fn discarded(&self, index: usize, fate: Fate, judgement: &mut Judgement) {
        let event = &self.gathered.events[index];
        let delivery = self.found.delivered[index].as_ref();
        for (nth, at) in self.discards(event).iter().enumerate() {
            let record = &self.log.discarded[*at];
            let at = self.topics.place("discarded", record);
            let place = self.place(index);
            if !record.headers.starts_with(&event.source.headers) || !is_same(record, event.source) {
                let what = "its key, its value or its headers";
                judgement.faults.push(Fault::Altered { event: place.clone(), at: at.clone(), what });
            }
            // A word of `flowgate-reason`, where it was to be discarded.
            let reason = match fate {
                Fate::TurnedAway => {
                    judgement.sums.turned_away.count(event.kind);
                    Some("turned_away")
                }
                Fate::Passed(Passing { end: End::Removed(reason), .. }) => {
                    judgement.sums.removed.count(event.kind);
                    Some(reason)
                }
                Fate::Passed(Passing { end: End::Either, .. }) => {
                    judgement.sums.removed.count(event.kind);
                    Some(MAX_AGE)
                }
                Fate::Passed(_) | Fate::Held { .. } | Fate::Replaced { .. } | Fate::Lost { .. } | Fate::Taken(_) => {
                    judgement.sums.removed.count(event.kind);
                    None
                }
                Fate::Live | Fate::Refused => None,
            };
            match reason {
                Some(reason) => {
                    if let Some(what) = mislabelled(record, reason, event.source) {
                        judgement.faults.push(Fault::Altered { event: place.clone(), at: at.clone(), what });
                    }
                }
                None => judgement.faults.push(Fault::WronglyDiscarded { event: place.clone(), at: at.clone() }),
            }
            let first = match (nth, delivery) {
                (0, None) => continue,
                (0, Some(delivery)) => self.delivered_at(delivery.record),
                _ => self.topics.place("discarded", &self.log.discarded[self.discards(event)[0]]),
            };
            judgement.faults.push(Fault::Doubled { event: place, first, at });
        }
    }
}

/// What a discarded record says wrongly of itself.
fn mislabelled(record: &Record, reason: &str, source: &Record) -> Option<&'static str> {
    if record.last_header("flowgate-reason") != Some(reason) {
        return Some("flowgate-reason names another reason");
    }
    let timestamp = record.last_header(TIMESTAMP).and_then(|text| text.parse::<i64>().ok());
    (timestamp != Some(source.timestamp_ms)).then_some("flowgate-timestamp is not the event's")
}

fn is_same(record: &Record, source: &Record) -> bool {
    record.key == source.key && record.value == source.value
}

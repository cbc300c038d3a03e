//! Gives every event of a flow its fate, by the rules.

use std::collections::HashMap;

use crate::errands::PURGE;
use crate::gather::Gathered;
use crate::report::Kind;
use crate::succession::State;
use crate::walk::{Arrival, Item, Passed, Segment, Walk};
use crate::wanted::Taken;

/// What should become of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Delivered as it came.
    Live,
    /// A dead letter, although it can be understood.
    Refused,
    TurnedAway,
    /// Still in the queue; `superseded`: a newer event will replace it as soon as the drain comes to it.
    Held {
        superseded: bool,
    },
    /// Passed (or, in a drain under way, as soon as it is), and a newer event (by index) had taken its place.
    Replaced {
        by: usize,
    },
    /// Passed.
    Passed(Passing),
    /// Somebody deleted it, and the loss was accepted; `replaced`: a newer event had taken its place by then.
    Lost {
        replaced: bool,
    },
    /// Released by a sample of named records, ahead of what passes it.
    Taken(Taken),
}

/// How an entry is passed that nothing is known to have replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passing {
    pub end: End,
    /// In which segment.
    pub segment: usize,
    /// This withdraw of the record came in the very segment in which the entry was passed: whether it found the entry
    /// still held is left to timing. Only the order of the delivered records tells.
    pub withdrawn_by: Option<usize>,
    /// This newer event came in the very segment in which the entry was passed, while the flow was paused: the same is left
    /// to timing.
    pub superseded_by: Option<usize>,
    /// The drain is still under way, and may not have come to it.
    pub perhaps: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Released,
    /// For this reason, a word of `flowgate-reason`.
    Removed(&'static str),
    /// Released or removed for its age: when it was held is not known well enough.
    Either,
}

impl Passing {
    /// Whether something that takes its place may have come before it was passed.
    pub(crate) fn may_be_replaced(&self) -> bool {
        self.withdrawn_by.is_some() || self.superseded_by.is_some()
    }
}

impl Fate {
    /// Whether the rules say for certain that it is delivered.
    pub(crate) fn must_be_delivered(self) -> bool {
        match self {
            Self::Live => true,
            Self::Passed(passing) => passing.end == End::Released && !passing.may_be_replaced() && !passing.perhaps,
            _ => false,
        }
    }

    /// Whether the rules allow that it is delivered.
    pub(crate) fn may_be_delivered(self) -> bool {
        match self {
            Self::Live => true,
            Self::Passed(passing) => !matches!(passing.end, End::Removed(_)),
            _ => false,
        }
    }
}

/// The reason of what was held for longer than a resume allows.
pub(crate) const MAX_AGE: &str = "max_age";

/// Two gates' clocks are each within 60 s of the broker's.
const CLOCK_SLACK_MS: i64 = 120_000;

/// For each event of the flow, in home order, its fate.
pub(crate) fn settle(gathered: &Gathered<'_>, flow: usize, walk: &Walk) -> Vec<Fate> {
    let events = &gathered.flows[flow].events;
    let mut fates: Vec<Fate> = walk
        .arrivals
        .iter()
        .map(|(arrival, _)| match arrival {
            Arrival::Delivered => Fate::Live,
            Arrival::TurnedAway => Fate::TurnedAway,
            Arrival::Held => Fate::Held { superseded: false },
            Arrival::Refused => Fate::Refused,
        })
        .collect();
    // From the newest to the oldest: who replaces an entry is known when it is met.
    let mut newest: HashMap<(Kind, &str), &Item> = HashMap::new();
    let mut withdraws: HashMap<&str, &Item> = HashMap::new();
    let mut place = events.len();
    for item in walk.items.iter().rev() {
        let event = &gathered.events[item.event];
        let record = &*event.record;
        if item.withdraw {
            withdraws.insert(record, item);
            continue;
        }
        while place > 0 && events[place - 1] >= item.event {
            place -= 1;
        }
        let newer = newest.get(&(event.kind, record)).filter(|_| !item.all).copied();
        fates[place] = fate(walk, item, newer, withdraws.get(record).copied());
        if !item.all {
            newest.insert((event.kind, record), item);
        }
    }
    fates
}

fn fate(walk: &Walk, item: &Item, newer: Option<&Item>, withdraw: Option<&Item>) -> Fate {
    let (segment, perhaps) = match item.passed {
        Passed::No => return Fate::Held { superseded: newer.is_some() || withdraw.is_some() },
        Passed::In(segment) => (segment, false),
        Passed::Perhaps => (walk.segments.len() - 1, true),
        Passed::Lost(segment) => {
            let replaced = [newer, withdraw].into_iter().flatten().any(|by| by.segment < segment);
            return Fate::Lost { replaced };
        }
    };
    let by = [newer, withdraw].into_iter().flatten().filter(|by| by.segment < segment).map(|by| by.event).min();
    if let Some(by) = by {
        return Fate::Replaced { by };
    }
    let meanwhile = |by: Option<&Item>| by.filter(|by| by.segment == segment).map(|by| by.event);
    let (withdrawn_by, superseded_by) = (meanwhile(withdraw), meanwhile(newer));
    let Some(end) = end(walk, item, &walk.segments[segment]) else {
        // Only what is replaced can have been passed here: in a gap that the cleaner made beyond the line of a purge.
        let by = withdrawn_by.into_iter().chain(superseded_by).min();
        return by.map_or(Fate::Held { superseded: false }, |by| Fate::Replaced { by });
    };
    Fate::Passed(Passing { end, segment, withdrawn_by, superseded_by, perhaps })
}

/// How an entry is passed in a segment that nothing replaced; `None`: it should not be passed there.
fn end(walk: &Walk, item: &Item, passing: &Segment) -> Option<End> {
    let Segment { state, drain, errands, .. } = passing;
    if errands.purge(item.number) {
        return Some(End::Removed(PURGE));
    }
    if *state == State::Paused {
        return errands.counted().map(|_| End::Released);
    }
    Some(match (drain.line, drain.max_age_ms) {
        (Some(line), _) if item.number <= line.entry => End::Removed(line.reason),
        (_, Some(limit)) => aged(walk, item, passing, limit),
        (_, None) => End::Released,
    })
}

/// An entry was held between the transition before it and the one behind it: that bounds its age.
fn aged(walk: &Walk, item: &Item, draining: &Segment, limit_ms: i64) -> End {
    let since = walk.segments[item.segment].at_ms;
    let until = walk.segments.get(item.segment + 1).and_then(|segment| segment.at_ms);
    let (Some((first, last)), Some(since), Some(until)) = (draining.drain.ordered_ms, since, until) else {
        return End::Either;
    };
    if last - since <= limit_ms - CLOCK_SLACK_MS {
        End::Released
    } else if first - until > limit_ms + CLOCK_SLACK_MS {
        End::Removed(MAX_AGE)
    } else {
        End::Either
    }
}

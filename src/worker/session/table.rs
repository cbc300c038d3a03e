//! What a worker knows of its partitions, where its readers are, and what waits for a turn. Calls that wait to be made, and
//! whose the name is, are the worker's own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::carried::Carried;
use super::map::Map;
use super::outgoing::Origin;
use super::owned::Owned;
use super::pace::Pace;
use super::rebuilding::Rebuilding;
use super::refusal::Refused;
use super::shape::Shape;
use super::wait::{ClockAlarm, Looked};
use crate::broker::Record;
use crate::flow::FlowId;
use crate::time::Timestamp;
use crate::worker::facts::tracked::Tracked;

#[derive(Default)]
pub struct Table {
    pub shape: Shape,
    /// An assignment came, be it empty.
    pub joined: bool,
    /// When the group has given the worker its place, it is made to look at who has what.
    pub knocks: bool,
    pub owned: BTreeMap<i32, Owned>,
    /// Everything below it in the control topic was gathered since the reader was last put back.
    pub control_scan: i64,
    /// What is read for indexes that are behind.
    pub rebuilding: Rebuilding,
    /// The queue topics being read, and whose they are.
    pub reading: Map<Arc<str>, (i32, FlowId)>,
    /// The flows whose queues are to be read next, in the order in which they asked.
    pub to_read: VecDeque<(i32, FlowId)>,
    /// The draining flows of which something was read and not passed yet, and some of which all was passed since: few, however
    /// many drain.
    pub at_hand: BTreeSet<(i32, FlowId)>,
    /// Records that the broker refused, each to be treated in a turn of its own (`decide/alone.rs`).
    pub refused: BTreeMap<Origin, Refused>,
    /// The clock disagrees with the broker's: nothing is done for a while ([`ClockAlarm::LENGTH`]), and then it is looked at again.
    pub clock_alarm: Option<ClockAlarm>,
    /// How many milliseconds our clock is ahead of the broker's; 0 as long as that is less than what is allowed.
    pub clock_ahead: i64,
    /// Commands below it are known to be there, from before the reader was put back or because the topic was asked for its
    /// end: no timer and no event comes before they are gathered.
    pub control_floor: i64,
    /// Events that no turn has taken yet.
    pub carried: Carried,
    /// Commands that were read and that no turn has taken yet: the next one begins with them.
    pub commands_ahead: Vec<Record>,
    /// The first of them is for every flow, and the turn before had no room for all of them: it comes before everything else.
    pub every_under_way: bool,
    /// A change of assignment that came while a transaction was open.
    pub change: Option<Change>,
    /// When the member was last polled.
    pub member_polled: Timestamp,
    /// When the control topic was last asked.
    pub floor_asked: Option<Timestamp>,
    /// Queue topics that this worker has made: what is in them and not in a committed state was aborted.
    pub created: BTreeSet<String>,
    /// Queue topics that could not be written to, and how often in a row the cluster said that they do not exist.
    pub missing: BTreeMap<String, u32>,
    /// Unreadable commands whose dead letters were refused with their values.
    pub refused_commands: BTreeSet<i64>,
    /// The group has moved on: what is ours has to be asked before anything else, the clean stop too.
    pub stale: bool,
    /// `None`: not since a partition was taken over.
    pub looked_for_orphans: Option<Looked>,
    /// The turn before waited for the last entries of a drain: this one does not.
    pub waited: bool,
    pub pace: Pace,
    /// The draining flow that comes first in the next turn, where not all of them found room in the last one.
    pub next_to_drain: Option<(i32, FlowId)>,
}

impl Table {
    pub fn tracked(&mut self, partition: i32, flow: &FlowId) -> Option<&mut Tracked> {
        self.owned.get_mut(&partition)?.facts.flow_mut(flow)
    }

    /// The flow, while its partition is active.
    pub fn active_flow(&self, partition: i32, flow: &FlowId) -> Option<&Tracked> {
        self.owned.get(&partition).filter(|owned| owned.is_active())?.facts.flow(flow)
    }

    pub fn known_flows(&self) -> usize {
        self.owned.values().map(|owned| owned.facts.flows().len()).sum()
    }

    /// Flows of which entries are passed, in partitions that are active.
    pub fn draining(&self) -> impl Iterator<Item = &Tracked> {
        self.owned.values().flat_map(Owned::draining)
    }

    /// Flows of which named records are looked for, in partitions that are active.
    pub fn searching(&self) -> impl Iterator<Item = (i32, &Tracked)> {
        let active = self.owned.iter().filter(|(_, owned)| owned.is_active());
        active.flat_map(|(number, owned)| {
            owned.facts.searching().iter().filter_map(|id| Some((*number, owned.facts.flow(id)?)))
        })
    }

    /// How many drains have a rate, in partitions that are active.
    pub fn limited_drains(&self) -> usize {
        self.owned.values().filter(|owned| owned.is_active()).map(|owned| owned.facts.limited_drains()).sum()
    }

    /// Those of [`Table::at_hand`] of which all was passed are not at hand any more.
    pub fn clear_at_hand(&mut self) {
        let owned = &self.owned;
        self.at_hand.retain(|(partition, flow)| {
            let tracked = owned.get(partition).and_then(|owned| owned.facts.flow(flow));
            let backlog = tracked.and_then(|tracked| tracked.backlog.as_ref());
            backlog.is_some_and(|backlog| !backlog.buffer.is_empty())
        });
    }

    /// Whether some deadline or warning has come due since then.
    pub fn is_timer_due(&self, since: Option<Timestamp>, now: Timestamp) -> bool {
        let come = |owned: &Owned, by: Option<Timestamp>| by.map_or(0, |by| owned.due(by).count());
        self.owned.values().any(|owned| owned.is_active() && come(owned, Some(now)) > come(owned, since))
    }
}

/// A change of assignment that the member has reported.
pub enum Change {
    Assigned(Vec<i32>),
    /// `lost`: the group has given them to others already.
    Revoked {
        partitions: Vec<i32>,
        lost: bool,
    },
}

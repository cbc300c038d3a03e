//! What every judge of events begins with: events, their transitions, their fates by the rules, and where they were found.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::find::{Found, find};
use crate::follow::{Followed, Transition};
use crate::gather::{Gathered, Topics};
use crate::named::{may_be_taken, named, take};
use crate::record::Log;
use crate::reject::Rejected;
use crate::settle::{Fate, settle};
use crate::states::{GateState, states};
use crate::walk::{Walk, walk};
use crate::{Anomaly, follow, reject};

pub(crate) struct Examined<'a> {
    pub rejected: Rejected,
    pub gathered: Gathered<'a>,
    pub followed: Followed,
    /// The last public state of each flow; `None`: it was forgotten.
    pub gates: BTreeMap<String, Option<GateState>>,
    /// By flow.
    pub walks: Vec<Walk>,
    /// By event.
    pub fates: Vec<Fate>,
    pub found: Found<'a>,
}

impl<'a> Examined<'a> {
    pub(crate) fn of(log: &'a Log, topics: Topics<'_>, anomalies: &mut Vec<Anomaly>) -> Self {
        let rejected = reject::sources(log, topics, anomalies);
        let mut gathered = Gathered::read(log, &rejected.dead_events);
        let followed = follow::follow(log, topics, &rejected.dead_commands);
        let gates = states(log, topics, anomalies);
        for name in followed.transitions.keys() {
            gathered.flow(Cow::Owned(name.clone()));
        }
        let mut fates = vec![Fate::Live; gathered.events.len()];
        let mut walks: Vec<Walk> = Vec::with_capacity(gathered.flows.len());
        for (index, flow) in gathered.flows.iter().enumerate() {
            let gate = gates.get(&*flow.name).and_then(Option::as_ref);
            let transitions = followed.of(&flow.name);
            let mut walk = walk(&gathered, index, transitions, gate.map(|gate| gate.last_entry));
            walk.named = named(&gathered, &walk, transitions);
            for (event, fate) in flow.events.iter().zip(settle(&gathered, index, &walk)) {
                fates[*event] = fate;
            }
            walks.push(walk);
        }
        let mut may_be = Cow::Borrowed(&fates[..]);
        for walk in walks.iter().filter(|walk| !walk.named.is_empty()) {
            may_be_taken(walk, may_be.to_mut());
        }
        let found = find(&gathered, &may_be, &log.records);
        drop(may_be);
        for (flow, walk) in gathered.flows.iter().zip(&walks).filter(|(_, walk)| !walk.named.is_empty()) {
            take(walk, followed.of(&flow.name), &found, &mut fates);
        }
        Self { rejected, gathered, followed, gates, walks, fates, found }
    }
}

impl Followed {
    /// The transitions of a flow.
    pub(crate) fn of(&self, flow: &str) -> &[Transition] {
        self.transitions.get(flow).map_or(&[], Vec::as_slice)
    }
}

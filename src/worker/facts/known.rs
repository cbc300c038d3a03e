//! The flows of a partition. Most of them were never paused: of such a flow only its id is kept, and when it was first seen.

use super::tracked::Tracked;
use crate::flow::{Flow, FlowId};
use crate::schema::Unknown;
use crate::time::Timestamp;
use crate::worker::session::map::Map;

#[derive(Default)]
pub struct Known {
    /// Flows that are more than their first event made of them.
    tracked: Map<FlowId, Box<Tracked>>,
    /// All others, and when their first event came.
    fresh: Map<FlowId, Timestamp>,
}

/// How a flow is known.
#[derive(Clone, Copy)]
pub enum Seen<'a> {
    /// Live, and never anything else.
    Fresh,
    Tracked(&'a Flow),
}

impl Known {
    pub fn len(&self) -> usize {
        self.tracked.len() + self.fresh.len()
    }

    /// The flow, unless nothing is known of it but its first event.
    pub fn get(&self, flow: &FlowId) -> Option<&Tracked> {
        self.tracked.get(flow).map(|tracked| &**tracked)
    }

    pub(super) fn get_mut(&mut self, flow: &FlowId) -> Option<&mut Tracked> {
        self.tracked.get_mut(flow).map(|tracked| &mut **tracked)
    }

    /// How the flow is known, if it is.
    pub fn seen(&self, flow: &str) -> Option<Seen<'_>> {
        match self.tracked.get(flow) {
            Some(tracked) => Some(Seen::Tracked(tracked.flow())),
            None => self.fresh.contains_key(flow).then_some(Seen::Fresh),
        }
    }

    /// The flow as its state says, with the fields that this gate does not know.
    pub fn state(&self, flow: &FlowId) -> Option<(Flow, Unknown)> {
        match self.tracked.get(flow) {
            Some(tracked) => Some((tracked.flow().clone(), tracked.unknown().clone())),
            None => self.fresh.get(flow).map(|at| (Flow::new(flow.clone(), *at), Unknown::default())),
        }
    }

    /// Every flow that is known.
    pub fn ids(&self) -> impl Iterator<Item = &FlowId> {
        self.tracked.keys().chain(self.fresh.keys())
    }

    /// Flows of which more is known than their first event.
    pub fn tracked(&self) -> impl Iterator<Item = (&FlowId, &Tracked)> {
        self.tracked.iter().map(|(id, tracked)| (id, &**tracked))
    }

    /// Takes a flow in as its state says; what was built around it is dropped.
    pub(super) fn restore(&mut self, flow: Flow, unknown: Unknown) {
        self.remove(flow.id.as_str());
        self.update(flow, unknown, Tracked::restored);
    }

    /// Takes in a flow's new state: what is built around it stays, or is made by `make`. `None` where nothing is, or is to be.
    pub(super) fn update(
        &mut self,
        flow: Flow,
        unknown: Unknown,
        make: impl FnOnce(Flow, Unknown) -> Tracked,
    ) -> Option<&mut Tracked> {
        use std::collections::hash_map::Entry;
        match self.tracked.entry(flow.id.clone()) {
            Entry::Vacant(_) if flow.is_new() && unknown.is_empty() => {
                self.fresh.insert(flow.id, flow.updated_at);
                None
            }
            Entry::Vacant(place) => {
                self.fresh.remove(flow.id.as_str());
                Some(place.insert(Box::new(make(flow, unknown))))
            }
            Entry::Occupied(place) => {
                let tracked = place.into_mut();
                tracked.update(flow, unknown);
                Some(tracked)
            }
        }
    }

    pub(super) fn remove(&mut self, flow: &str) {
        self.tracked.remove(flow);
        self.fresh.remove(flow);
    }
}

//! Queues are searched for the records that samples name: in the background, by the reader of the drains.

use std::sync::Arc;

use super::Worker;
use super::clients::{in_hand, log_of};
use super::failed::Failed;
use super::session::backlog::Reading;
use super::session::chore::Chore;
use super::session::shape::ONLY;
use super::session::table::Table;
use super::session::wait::{Blocked, left};
use crate::broker::{Broker, Reader};
use crate::flow::FlowId;
use crate::time::Timestamp;

impl<B: Broker> Worker<B> {
    /// Whether what a search is to read next is there. What somebody deleted cannot be found: the rest is searched.
    pub(super) fn look_at_search(&mut self, partition: i32, flow: &FlowId, now: Timestamp) -> Result<(), Failed> {
        let Some(search) = self.table.tracked(partition, flow).and_then(|of| of.search.as_mut()) else {
            return Ok(());
        };
        let topic = Arc::clone(&search.topic);
        let clients = in_hand(&mut self.clients)?;
        let marks = log_of(&mut clients.latest, &topic)?;
        let position = clients.queues.position(&topic, ONLY)?;
        let Some(search) = self.table.tracked(partition, flow).and_then(|of| of.search.as_mut()) else {
            return Ok(());
        };
        search.looked_at = Some(now);
        let Some(marks) = marks else {
            tracing::warn!(%flow, %topic, "a queue that is to be searched is not there; looking again");
            search.missed += 1;
            if search.missed >= Blocked::GONE {
                search.end();
            }
            return Ok(());
        };
        search.missed = 0;
        let is_read = search.reading == Reading::On && position.is_some_and(|position| position >= marks.end);
        if marks.low >= marks.end || is_read {
            // No entry is left.
            search.end();
            self.stop_reading(topic);
        } else if search.reading == Reading::No {
            search.offset = if marks.reach(search.offset) { search.offset } else { marks.low };
            self.table.ask_to_read(partition, flow);
        }
        Ok(())
    }

    /// Searches that do not come on are looked at from time to time.
    pub(super) fn look_at_searches(&mut self, now: Timestamp) {
        for (partition, flow, again) in self.table.searches_to_look_at(now) {
            match again {
                true => self.table.ask_to_read(partition, &flow),
                false => self.chores.push_back(Chore::LookAtQueue { partition, flow }),
            }
        }
    }
}

impl Table {
    /// Those of which the queue is to be looked at, and those that begin again: `true`.
    fn searches_to_look_at(&mut self, now: Timestamp) -> Vec<(i32, FlowId, bool)> {
        let mut due = Vec::new();
        for (partition, owned) in &mut self.owned {
            for flow in owned.facts.searching().clone() {
                let Some(tracked) = owned.facts.flow_mut(&flow) else { continue };
                if tracked.search_again() {
                    due.push((*partition, flow, true));
                    continue;
                }
                let Some(search) = &mut tracked.search else { continue };
                let looked = *search.looked_at.get_or_insert(now);
                if !search.is_done() && left(looked, Blocked::LENGTH, now).is_none() {
                    search.looked_at = Some(now);
                    due.push((*partition, flow, false));
                }
            }
        }
        due
    }
}

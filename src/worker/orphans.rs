//! Queue topics that nothing needs any more and that are still there: their deletion failed, or whoever was to ask for it
//! died before. The owner of the flow's home partition looks for them after a take-over and then every hour.
//!
//! Nothing fences a deletion, so only what the committed state gives up is deleted, however late the request arrives: a
//! number below the flow's, or the flow's own once it is retired. A topic with a higher number was made for a turn that
//! did not hold; it is empty, and the next held event uses it.

use std::time::Duration;

use super::Worker;
use super::clients::in_hand;
use super::failed::Failed;
use super::session::chore::Chore;
use super::session::owned::Owned;
use super::session::table::Table;
use super::session::wait::{Looked, left};
use crate::broker::{Admin, Broker};
use crate::flow::{FlowId, Queue};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// How often an owner looks.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// How soon it looks again when something was left: a call failed, or there was more than one request deletes.
pub(super) const SOON: Duration = Duration::from_secs(60);

/// How many topics one request deletes.
const AT_ONCE: usize = 50;

impl Table {
    pub(super) fn is_time_for_orphans(&self, now: Timestamp) -> bool {
        match self.looked_for_orphans {
            Some(looked) => left(looked.at, looked.lasts, now).is_none(),
            None => self.owned.values().any(Owned::is_active),
        }
    }

    /// Whether the topic is a queue topic of a flow of ours, and given up by its committed state.
    fn is_orphan(&self, topic: &str, topics: &Topics) -> bool {
        let Some((flow, number)) = topics.queue_of(topic) else { return false };
        let is_of = |flow: &FlowId| topics.queue(flow, number) == topic;
        let queue = match flow {
            Some(flow) if is_of(&flow) => {
                self.active_flow(self.shape.home(&flow), &flow).map(|tracked| &tracked.flow().queue)
            }
            Some(_) => None,
            // A hash stands for a flow id that is too long for the name of a topic.
            None => {
                let active = self.owned.values().filter(|owned| owned.is_active());
                let mut flows = active.flat_map(|owned| owned.facts.flows().tracked());
                flows.find(|(flow, _)| is_of(flow)).map(|(_, tracked)| &tracked.flow().queue)
            }
        };
        let gives_up = |queue: &Queue| {
            let is_in_use = queue.topic.as_deref() == Some(topic);
            // Where a topic with held events was missing when it was last needed, it may come back.
            number <= queue.number && !is_in_use && queue.watermark.offset != Queue::NOWHERE
        };
        queue.is_some_and(gives_up)
    }
}

impl<B: Broker> Worker<B> {
    pub(super) fn find_orphans(&mut self, now: Timestamp) -> Result<(), Failed> {
        let topics = &self.options.topics;
        let names = match in_hand(&mut self.clients)?.admin.topics(&topics.queue_prefix()) {
            Ok(names) => names,
            Err(error) => {
                self.table.looked_for_orphans = Some(Looked { at: now, lasts: SOON });
                return Err(error.into());
            }
        };
        let mut orphans: Vec<String> = names.into_iter().filter(|name| self.table.is_orphan(name, topics)).collect();
        let lasts = if orphans.len() > AT_ONCE { SOON } else { EVERY };
        self.table.looked_for_orphans = Some(Looked { at: now, lasts });
        orphans.truncate(AT_ONCE);
        if !orphans.is_empty() {
            tracing::info!(?orphans, "deleting queue topics that were left behind");
            self.chores.push_back(Chore::DeleteTopics { topics: orphans });
        }
        Ok(())
    }
}

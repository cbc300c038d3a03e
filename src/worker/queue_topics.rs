//! Makes the queue topics of first held events: in one request, before the turn's transaction.

use std::collections::BTreeMap;

use super::clients::in_hand;
use super::options::Options;
use super::phase::{Phase, Step};
use super::session::shape::ONLY;
use super::session::turn::Turn;
use super::stop::Stop;
use super::{BACKOFF, Worker};
use crate::broker::{Action, Admin, Broker, Code, NewTopic, Reader};
use crate::flow::FlowId;
use crate::time::Timestamp;
use crate::topics;

impl<B: Broker> Worker<B> {
    /// Makes the queue topics of first held events: all in one request, before the transaction.
    pub(super) fn create(&mut self, mut turn: Box<Turn>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if let Some((partition, flow)) = turn.probes.last().cloned() {
            return self.probe(turn, partition, flow);
        }
        let topics: Vec<NewTopic> = {
            let names = turn
                .decision
                .new_topics
                .iter()
                .filter_map(|(partition, flow)| turn.decision.queue_topic(*partition, flow));
            names.map(|name| self.queue_settings(name)).collect()
        };
        let answers = match in_hand(&mut self.clients)?.admin.create_topics(&topics) {
            Ok(answers) => answers,
            Err(error) if error.action == Action::Stop => return Err(Stop::from(error)),
            Err(error) => topics.iter().map(|_| Err(error.clone())).collect(),
        };
        turn.made_topics.extend(topics.iter().map(|topic| topic.name.clone()));
        let mut refused: BTreeMap<i32, String> = BTreeMap::new();
        for ((partition, flow), answer) in std::mem::take(&mut turn.decision.new_topics).into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    let name = turn.decision.queue_topic(partition, &flow).unwrap_or_default().to_owned();
                    self.table.missing.remove(&name);
                    self.table.created.insert(name);
                }
                Err(error) if error.code == Code::TopicExists => {
                    let name = turn.decision.queue_topic(partition, &flow).unwrap_or_default();
                    // Made for a turn of ours that did not hold: all that is in it was aborted.
                    if !self.table.created.contains(name) {
                        turn.probes.push((partition, flow));
                    }
                }
                Err(error) => {
                    self.stats.trouble(&error);
                    refused.insert(partition, format!("the queue topic of flow `{flow}` cannot be made: {error}"));
                }
            }
        }
        if refused.is_empty() {
            let phase = if turn.probes.is_empty() { Phase::Leaders(turn) } else { Phase::Create(turn) };
            return Ok((phase, Step::Progress));
        }
        for (partition, reason) in refused {
            self.hold_back(partition, reason, now);
        }
        self.rewind();
        Ok((Phase::Chores, Step::Progress))
    }

    /// A topic that exists already is used if nothing was ever in it (a crash may leave one behind), else its number is
    /// passed over: names are never used again.
    fn probe(&mut self, mut turn: Box<Turn>, partition: i32, flow: FlowId) -> Result<(Phase<B>, Step), Stop> {
        let Some(name) = turn.decision.queue_topic(partition, &flow).map(str::to_owned) else {
            turn.probes.pop();
            return Ok((Phase::Create(turn), Step::Progress));
        };
        let marks = match in_hand(&mut self.clients)?.latest.watermarks(&name, ONLY) {
            Ok(marks) => marks,
            Err(error) if error.action == Action::Stop => return Err(Stop::from(error)),
            Err(error) => {
                self.stats.trouble(&error);
                self.rewind();
                return Ok((Phase::Chores, Step::Waiting(BACKOFF)));
            }
        };
        turn.probes.pop();
        if marks.end == 0 {
            self.table.created.insert(name);
        } else {
            let topics = &self.options.topics;
            if let Some(staged) = turn.decision.staged_mut(partition, &flow) {
                staged.flow.queue.number += 1;
                staged.flow.queue.topic = Some(topics.queue(&flow, staged.flow.queue.number));
            }
            turn.decision.new_topics.push((partition, flow));
        }
        let done = turn.probes.is_empty() && turn.decision.new_topics.is_empty();
        Ok((if done { Phase::Leaders(turn) } else { Phase::Create(turn) }, Step::Progress))
    }

    fn queue_settings(&self, name: &str) -> NewTopic {
        let Options { queue_segment, replication_factor, .. } = self.options;
        let shape = &self.table.shape;
        let mut topic = topics::queue(name, queue_segment, replication_factor, shape.max_message_bytes);
        shape.timestamp_bounds.fit(&mut topic);
        topic
    }
}

//! Makes a turn hold: queue topics, records, offsets, commit; and finds out what became of it when the answer is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::table::{ClockAlarm, Map, Origin, Special, Treatment};
use super::turn::{To, Turn, Write, name_of, queue_topic};
use super::{After, BACKOFF, Phase, Step, Stop, Transaction, Worker, in_hand};
use crate::broker::murmur2::partition_for;
use crate::broker::{
    Abort, Action, Admin, Broker, Code, Commit, Delivered, Error, Member, NewTopic, Offset, Outgoing, Producer, Reader,
    Topic, Transaction as _,
};
use crate::flow::{FlowId, Partition};
use crate::schema::{self, Document};
use crate::time::Timestamp;
use crate::topics::HEADER_ROOM;

/// How long one poll for deliveries waits.
const ACKS: Duration = Duration::from_millis(10);

/// How long one look at committed offsets waits for those that are pending.
const READ_BACK: Duration = Duration::from_millis(500);

/// How far the clock may be from the broker's (promise P5).
const CLOCKS: Duration = Duration::from_secs(60);

/// How long to ask for the leaders of new topics before the turn is given up.
const LEADERS: Duration = Duration::from_secs(10);

impl<B: Broker> Worker<B> {
    pub(super) fn begin_turn(&mut self, turn: Turn) -> Phase<B> {
        match turn.new_topics.is_empty() {
            true => Phase::Leaders(Box::new(turn)),
            false => Phase::Create(Box::new(turn)),
        }
    }

    /// Makes the queue topics of first held events: all in one request, before the transaction.
    pub(super) fn create(&mut self, mut turn: Box<Turn>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if let Some((partition, flow)) = turn.probes.last().cloned() {
            return self.probe(turn, partition, flow);
        }
        let topics: Vec<NewTopic> = {
            let names = turn.new_topics.iter().filter_map(|(partition, flow)| queue_topic(&turn, *partition, flow));
            names.map(|name| self.queue_settings(name)).collect()
        };
        let answers = match in_hand(&mut self.clients)?.admin.create_topics(&topics) {
            Ok(answers) => answers,
            Err(error) if error.action == Action::Stop => return Err(Stop::from(error)),
            Err(error) => topics.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut refused: BTreeMap<i32, String> = BTreeMap::new();
        for ((partition, flow), answer) in std::mem::take(&mut turn.new_topics).into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    let name = queue_topic(&turn, partition, &flow).unwrap_or_default().to_owned();
                    self.table.created.insert(name);
                }
                Err(error) if error.code == Code::TopicExists => {
                    let name = queue_topic(&turn, partition, &flow).unwrap_or_default();
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
        let Some(name) = queue_topic(&turn, partition, &flow).map(str::to_owned) else {
            turn.probes.pop();
            return Ok((Phase::Create(turn), Step::Progress));
        };
        let marks = match in_hand(&mut self.clients)?.latest.watermarks(&name, super::ONLY) {
            Ok(marks) => marks,
            Err(error) if error.action == Action::Stop => return Err(Stop::from(error)),
            Err(error) => {
                self.stats.trouble(&error);
                self.rewind();
                return Ok((Phase::Chores, Step::Waiting(BACKOFF)));
            }
        };
        turn.probes.pop();
        if marks.end > 0 {
            let topics = &self.options.topics;
            if let Some(staged) = turn.partitions.get_mut(&partition).and_then(|of| of.flows.get_mut(&flow)) {
                staged.flow.queue.number += 1;
                staged.flow.queue.topic = Some(topics.queue(&flow, staged.flow.queue.number));
            }
            turn.new_topics.push((partition, flow));
        }
        let done = turn.probes.is_empty() && turn.new_topics.is_empty();
        Ok((if done { Phase::Leaders(turn) } else { Phase::Create(turn) }, Step::Progress))
    }

    /// Compacted, so that replaced events go; never aged out; and with records deleted up to an offset, which a topic
    /// that is only compacted refuses.
    fn queue_settings(&self, name: &str) -> NewTopic {
        let segment = self.options.queue_segment.as_millis().to_string();
        let config = [
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "CreateTime"),
            ("message.timestamp.before.max.ms", "9223372036854775807"),
            ("message.timestamp.after.max.ms", "9223372036854775807"),
            // The cleaner leaves the segment alone that is being written: by default 1 GiB or 7 days of it.
            ("segment.bytes", "67108864"),
            ("segment.ms", &segment),
            ("max.compaction.lag.ms", &segment),
        ];
        let mut config: BTreeMap<String, String> =
            config.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if let Some(largest) = self.table.shape.max_message_bytes {
            config.insert("max.message.bytes".to_owned(), (largest + HEADER_ROOM).to_string());
        }
        NewTopic { name: name.to_owned(), partitions: 1, replication_factor: self.options.replication_factor, config }
    }

    /// Waits until the producer knows who leads every topic of the turn, then opens the transaction.
    pub(super) fn leaders(&mut self, mut turn: Box<Turn>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if turn.compression != self.compression {
            return Ok((Phase::Replace(After::Leaders(turn)), Step::Progress));
        }
        if !turn.sealed {
            turn.seal(self.table.shape.audit);
        }
        let Some(mut producer) = self.producer.take() else {
            return Ok((Phase::Replace(After::Leaders(turn)), Step::Progress));
        };
        let new = match self.new_handles(&mut producer, &turn) {
            Ok(new) => new,
            Err(error) => return self.trouble(error, Phase::Replace(After::Rewind)),
        };
        if !new.is_empty() {
            let handles: Vec<Topic> = new.iter().map(|(_, topic)| *topic).collect();
            let known = producer.leaders_known(&handles);
            if matches!(known, Ok(true)) {
                self.handles.extend(new);
            } else {
                self.producer = Some(producer);
                if let Err(error) = &known {
                    self.stats.trouble(error);
                }
                if now.since(turn.decided_at) >= LEADERS {
                    tracing::warn!("no leaders for the topics of a turn; it is given up");
                    let of_new = |name: &str| new.iter().any(|(new, _)| new == name);
                    let without: BTreeSet<i32> = turn
                        .partitions
                        .iter()
                        .filter(|(_, staged)| {
                            staged.flows.values().any(|of| of.flow.queue.topic.as_deref().is_some_and(of_new))
                        })
                        .map(|(partition, _)| *partition)
                        .collect();
                    for partition in without {
                        self.hold_back(partition, "a queue topic has no leader".to_owned(), now);
                    }
                    self.rewind();
                    return Ok((Phase::Chores, Step::Waiting(BACKOFF)));
                }
                return match known {
                    Err(error) if error.action == Action::Stop => Err(Stop::from(error)),
                    _ => Ok((Phase::Leaders(turn), Step::Waiting(Duration::from_millis(5)))),
                };
            }
        }
        match producer.begin() {
            Ok(transaction) => {
                turn.begun_at = now;
                self.begun_at = now;
                Ok((Phase::Send(turn, transaction, 0), Step::Progress))
            }
            Err((producer, error)) if error.action == Action::Retry => {
                self.producer = Some(producer);
                self.stats.trouble(&error);
                Ok((Phase::Leaders(turn), Step::Waiting(BACKOFF)))
            }
            Err((_, error)) if error.action == Action::Stop => Err(Stop::from(error)),
            Err((_, error)) => {
                self.stats.trouble(&error);
                Ok((Phase::Replace(After::Rewind), Step::Waiting(BACKOFF)))
            }
        }
    }

    fn new_handles(&self, producer: &mut B::Producer, turn: &Turn) -> Result<Vec<(String, Topic)>, Error> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        for write in &turn.writes {
            let name = match &write.to {
                To::Queue(partition, flow) => queue_topic(turn, *partition, flow),
                other => name_of(other, &self.options.topics),
            };
            names.extend(name);
        }
        let new = names.into_iter().filter(|name| !self.handles.contains_key(*name));
        new.map(|name| Ok((name.to_owned(), producer.topic(name)?))).collect()
    }

    /// Hands every record to the client; none of them is in the way of another turn.
    pub(super) fn send(
        &mut self,
        turn: Box<Turn>,
        mut transaction: Transaction<B>,
        mut next: usize,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        let mut queues: Map<(i32, &FlowId), Topic> = Map::default();
        while let Some(write) = turn.writes.get(next) {
            let topic = match &write.to {
                To::Queue(partition, flow) => match queues.get(&(*partition, flow)) {
                    Some(topic) => Some(*topic),
                    None => {
                        let name = queue_topic(&turn, *partition, flow);
                        let topic = name.and_then(|name| self.handles.get(name)).copied();
                        if let Some(topic) = topic {
                            queues.insert((*partition, flow), topic);
                        }
                        topic
                    }
                },
                other => name_of(other, &self.options.topics).and_then(|name| self.handles.get(name)).copied(),
            };
            let Some(topic) = topic else { return Err(Stop::broken("a topic of the turn has no handle")) };
            let record = Outgoing {
                topic,
                partition: write.partition,
                timestamp: write.timestamp,
                key: write.key.as_deref(),
                value: write.value.as_deref(),
                headers: &write.headers,
            };
            let tag = u64::try_from(next).unwrap_or(u64::MAX - 1);
            match transaction.send(&record, tag) {
                Ok(()) => next += 1,
                Err(error) if error.code == Code::QueueFull => {
                    transaction.poll(ACKS);
                    return Ok((Phase::Send(turn, transaction, next), Step::Progress));
                }
                Err(error) => return self.failed(&turn, transaction, &[(tag, error)], now),
            }
        }
        drop(queues);
        Ok((Phase::Acks(turn, transaction), Step::Progress))
    }

    pub(super) fn acks(
        &mut self,
        turn: Box<Turn>,
        mut transaction: Transaction<B>,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        let progress = transaction.poll(ACKS);
        if progress.in_flight > 0 && progress.failed == 0 {
            return Ok((Phase::Acks(turn, transaction), Step::Progress));
        }
        let deliveries = transaction.deliveries();
        if progress.failed > 0 {
            let failed: Vec<(u64, Error)> =
                deliveries.into_iter().filter_map(|Delivered { tag, outcome }| Some((tag, outcome.err()?))).collect();
            return self.failed(&turn, transaction, &failed, now);
        }
        self.note_clock(&turn, &deliveries, now);
        if turn.touches_deadline && self.clock_is_off(&turn, &deliveries, now) {
            self.table.clock_alarm = Some(ClockAlarm { since: now });
            return Ok((Phase::Abort(transaction), Step::Progress));
        }
        Ok((Phase::Offsets(turn, transaction), Step::Progress))
    }

    /// Takes note of how far our clock is from the broker's.
    fn note_clock(&mut self, turn: &Turn, deliveries: &[Delivered], now: Timestamp) {
        let of_state = deliveries.iter().filter(|delivered| turn.state_tags.contains(&delivered.tag));
        if let Some(stored) = of_state.filter_map(|delivered| delivered.outcome.as_ref().ok()).next() {
            let ahead = (turn.decided_at.0 - stored.timestamp.0).max(0);
            let behind = (stored.timestamp.0 - now.0).max(0);
            self.stats.clock_ahead = Some(ahead - behind);
        }
    }

    /// Whether the broker stamped the state records with a time too far from the one that the turn was decided by.
    fn clock_is_off(&self, turn: &Turn, deliveries: &[Delivered], now: Timestamp) -> bool {
        deliveries.iter().filter(|delivered| turn.state_tags.contains(&delivered.tag)).any(|delivered| {
            let Ok(stored) = &delivered.outcome else { return false };
            // The broker's time lies between deciding and now, if the clocks agree.
            let behind = turn.decided_at.since(stored.timestamp);
            let ahead = stored.timestamp.since(now);
            let off = behind > CLOCKS || ahead > CLOCKS;
            if off {
                tracing::error!(ours = %now, brokers = %stored.timestamp, "the clock is off: no deadline is set or fired");
            }
            off
        })
    }

    /// A record was refused: abort, and give it the treatment that it needs.
    fn failed(
        &mut self,
        turn: &Turn,
        transaction: Transaction<B>,
        failed: &[(u64, Error)],
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        for (tag, error) in failed {
            self.stats.trouble(error);
            if let Some(stop) = self.fenced_by_equal(turn.begun_at, error, now) {
                return Err(stop);
            }
            let origin = usize::try_from(*tag).ok().and_then(|tag| turn.writes.get(tag)).map(|write| &write.origin);
            match origin {
                Some(Origin::Command { offset }) if Treatment::is_refusal(error.code) => {
                    tracing::warn!(offset, %error, "the dead letter of a command was refused");
                    self.table.bare_commands.insert(*offset);
                }
                Some(origin) if Treatment::is_refusal(error.code) && *origin != Origin::Own => {
                    let special = self.table.special.as_ref().filter(|of| turn.special && of.origin == *origin);
                    let before = special.map(|special| special.treatment);
                    let Some(treatment) = Treatment::next(error.code, before) else {
                        return Err(Stop::topics(format!(
                            "`{}` does not even take a dead letter without its value, key and headers ({error}): see \
                             `flowgate topics check`",
                            self.options.topics.dead_letters
                        )));
                    };
                    tracing::warn!(?origin, ?treatment, %error, "a record was refused");
                    self.table.special = Some(Special { origin: origin.clone(), treatment });
                    break;
                }
                _ if error.action == Action::Stop => return Err(Stop::from(error.clone())),
                _ if error.code == Code::UnknownTopic => {
                    let write = usize::try_from(*tag).ok().and_then(|tag| turn.writes.get(tag));
                    if let Some(Write { to: To::Queue(partition, flow), .. }) = write {
                        let reason = format!("the queue topic of flow `{flow}` is gone");
                        self.hold_back(*partition, reason, now);
                    }
                }
                _ => {}
            }
        }
        Ok((Phase::Abort(transaction), Step::Progress))
    }

    /// One offset for every partition that the turn acts for: that is what fences a zombie.
    pub(super) fn offsets(
        &mut self,
        turn: Box<Turn>,
        mut transaction: Transaction<B>,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        let topic: Arc<str> = self.options.topics.enrollments.as_str().into();
        let offsets: Vec<Offset> = turn
            .partitions
            .iter()
            .map(|(partition, staged)| Offset {
                topic: Arc::clone(&topic),
                partition: *partition,
                offset: staged.position,
                metadata: turn.name.clone(),
            })
            .collect();
        let sent = match in_hand(&mut self.clients)?.member.group() {
            Ok(group) => transaction.send_offsets(&offsets, &group),
            Err(error) => Err(Error { action: Action::Abort, ..error }),
        };
        match sent {
            Ok(()) => Ok((Phase::Commit(turn, transaction), Step::Progress)),
            Err(error) => {
                self.stats.trouble(&error);
                if let Some(stop) = self.fenced_by_equal(turn.begun_at, &error, now) {
                    return Err(stop);
                }
                self.table.stale |= error.code == Code::StaleGeneration;
                match error.action {
                    Action::Retry => Ok((Phase::Offsets(turn, transaction), Step::Waiting(BACKOFF))),
                    Action::Abort => Ok((Phase::Abort(transaction), Step::Progress)),
                    Action::Rebuild => Ok((Phase::Replace(After::Rewind), Step::Progress)),
                    Action::Stop => Err(Stop::from(error)),
                }
            }
        }
    }

    pub(super) fn commit(
        &mut self,
        turn: Box<Turn>,
        transaction: Transaction<B>,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        match transaction.commit() {
            Commit::Done(producer) => {
                self.producer = Some(producer);
                self.publish(*turn, now)
            }
            Commit::DoneReplace => Ok((Phase::Replace(After::Publish(turn)), Step::Progress)),
            Commit::Retry(transaction, error) => {
                self.stats.trouble(&error);
                Ok((Phase::Commit(turn, transaction), Step::Waiting(BACKOFF)))
            }
            Commit::Abort(transaction, error) => {
                self.stats.trouble(&error);
                Ok((Phase::Abort(transaction), Step::Progress))
            }
            Commit::Unknown(error) => {
                self.stats.trouble(&error);
                if let Some(stop) = self.fenced_by_equal(turn.begun_at, &error, now) {
                    return Err(stop);
                }
                Ok((Phase::Replace(After::ReadBack(turn)), Step::Progress))
            }
        }
    }

    /// Another process under our id, unless the transaction had outlived its time: then the broker fenced us itself.
    fn fenced_by_equal(&self, begun_at: Timestamp, error: &Error, now: Timestamp) -> Option<Stop> {
        let in_time = now.since(begun_at) < self.options.transaction_timeout;
        (error.code == Code::Fenced && in_time).then(|| Stop::FencedByEqual(self.options.transactional_id()))
    }

    pub(super) fn abort(&mut self, transaction: Transaction<B>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        match transaction.abort() {
            Abort::Done(producer) => {
                self.stats.aborts += 1;
                self.producer = Some(producer);
                self.rewind();
                Ok((Phase::Chores, Step::Progress))
            }
            Abort::Replace(error) => {
                self.stats.aborts += 1;
                if let Some(error) = error {
                    self.stats.trouble(&error);
                    // Records that were only purged do not say why; the abort does. A new producer would fence the equal
                    // in its turn, and so on for ever.
                    if let Some(stop) = self.fenced_by_equal(self.begun_at, &error, now) {
                        return Err(stop);
                    }
                }
                Ok((Phase::Replace(After::Rewind), Step::Progress))
            }
            Abort::Retry(transaction, error) => {
                self.stats.trouble(&error);
                Ok((Phase::Abort(transaction), Step::Waiting(BACKOFF)))
            }
        }
    }

    /// The new producer has ended whatever was under way: the offsets say whose turn holds.
    pub(super) fn read_back(&mut self, turn: Box<Turn>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let partitions: Vec<i32> = turn.partitions.keys().copied().collect();
        match in_hand(&mut self.clients)?.member.committed(&partitions, READ_BACK) {
            Ok(committed) => {
                let holds = committed.iter().flatten().any(|committed| committed.metadata == turn.name);
                if holds {
                    return self.publish(*turn, now);
                }
                self.stats.aborts += 1;
                self.rewind();
                Ok((Phase::Chores, Step::Progress))
            }
            Err(error) => self.trouble(error, Phase::ReadBack(turn)),
        }
    }
}

impl Turn {
    /// Adds what the transaction says of itself: changed states, partition records, the audit.
    fn seal(&mut self, audit_partitions: i32) {
        self.sealed = true;
        let own = |to: To, partition: i32, key: Bytes, value: Vec<u8>| Write {
            to,
            partition,
            timestamp: None,
            key: Some(key),
            value: Some(value.into()),
            headers: Vec::new(),
            origin: Origin::Own,
        };
        let tag = |writes: &Vec<Write>| u64::try_from(writes.len()).unwrap_or(u64::MAX);
        let first = tag(&self.writes);
        for (partition, staged) in &mut self.partitions {
            for (id, of) in staged.flows.iter_mut().filter(|(_, of)| of.changed) {
                of.flow.updated_at = self.decided_at;
                let mut document = Document { body: of.flow.clone(), unknown: std::mem::take(&mut of.unknown) };
                let value = schema::state::write(&mut document);
                of.unknown = document.unknown;
                let key = Bytes::copy_from_slice(id.as_str().as_bytes());
                self.writes.push(own(To::State, *partition, key, value));
            }
            if staged.record_changed {
                let mut document =
                    Document { body: Partition::clone(&staged.record), unknown: std::mem::take(&mut staged.unknown) };
                let value = schema::partition::write(&mut document);
                staged.unknown = document.unknown;
                self.writes.push(own(To::State, *partition, Bytes::new(), value));
            }
        }
        self.state_tags = first..tag(&self.writes);
        for event in &self.audit {
            let id = event.flow.as_ref().map(|flow| flow.as_str().as_bytes()).unwrap_or_default();
            let partition = partition_for(id, audit_partitions.max(1));
            self.writes.push(own(To::Audit, partition, Bytes::copy_from_slice(id), schema::audit::write(event)));
        }
    }
}

//! Writes a turn: waits for the leaders of its topics, sends the records of each slice, and waits until all of them are
//! acknowledged.

use std::collections::BTreeSet;
use std::time::Duration;

use super::phase::{After, Open, Phase, Step, Transaction};
use super::session::map::Map;
use super::session::outgoing::{To, name_of};
use super::session::refusal::Treatment;
use super::session::turn::Turn;
use super::session::wait::ClockAlarm;
use super::stop::Stop;
use super::{BACKOFF, Worker};
use crate::broker::{Action, Broker, Code, Delivered, Error, Outgoing, Producer, Topic, Transaction as _};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// How long one look for deliveries waits.
const ACKS: Duration = Duration::from_millis(5);

/// How many milliseconds the clock may be from the broker's (promise P5).
const CLOCKS: i64 = 60_000;

/// How long to ask for the leaders of topics made for a turn before it is given up.
const LEADERS: Duration = Duration::from_secs(10);

/// The same for topics that were there before it. A queue topic without a leader keeps its own partition waiting,
/// and the others no longer than this.
const KNOWN_LEADERS: Duration = Duration::from_secs(2);

impl<B: Broker> Worker<B> {
    pub(super) fn begin_turn(&mut self, mut turn: Turn) -> Phase<B> {
        let (made, new): (Vec<_>, Vec<_>) =
            std::mem::take(&mut turn.decision.new_topics).into_iter().partition(|(partition, flow)| {
                turn.decision.queue_topic(*partition, flow).is_some_and(|name| self.table.created.contains(name))
            });
        // Made for a turn that did not hold: asked for again, a slow cluster would take its time again.
        let made =
            made.iter().filter_map(|(partition, flow)| turn.decision.queue_topic(*partition, flow).map(str::to_owned));
        turn.made_topics = made.collect();
        turn.decision.new_topics = new;
        match turn.decision.new_topics.is_empty() {
            true => Phase::Leaders(Box::new(turn)),
            false => Phase::Create(Box::new(turn)),
        }
    }

    /// Waits until the producer knows who leads every topic of the turn, then opens the transaction.
    pub(super) fn leaders(&mut self, mut turn: Box<Turn>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if (turn.compression, self.batch_bytes) != self.made_with || self.knows_too_many_topics(&turn, now) {
            return Ok((Phase::Replace(After::Leaders(turn)), Step::Progress));
        }
        let Some(mut producer) = self.producer.take() else {
            return Ok((Phase::Replace(After::Leaders(turn)), Step::Progress));
        };
        let new = match self.new_handles(&mut producer, &turn) {
            Ok(new) => new,
            Err(error) => return self.trouble(error, Phase::Replace(After::Rewind)),
        };
        let (made, known): (Vec<_>, Vec<_>) = new.into_iter().partition(|(name, _)| turn.made_topics.contains(name));
        for (topics, patience) in [(known, KNOWN_LEADERS), (made, LEADERS)] {
            if topics.is_empty() {
                continue;
            }
            let handles: Vec<Topic> = topics.iter().map(|(_, topic)| *topic).collect();
            match producer.leaders_known(&handles) {
                Ok(true) => self.writable.extend(topics, now),
                answer => {
                    self.producer = Some(producer);
                    return self.without_leaders(turn, &topics, patience, answer.err(), now);
                }
            }
        }
        turn.one_slice |= !self.knows_own_topics(&mut producer, now);
        if self.is_too_old(&turn, now) {
            self.producer = Some(producer);
            self.drop_turn(&turn, now);
            self.rewind();
            return Ok((Phase::Chores, Step::Progress));
        }
        match producer.begin() {
            Ok(transaction) => {
                turn.begun_at = now;
                self.begun_at = now;
                Ok((Phase::Send(Box::new(Open { turn, transaction, polls_ahead: true }), 0), Step::Progress))
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

    /// Whether a turn with much to do is better written by a producer that has not met so many topics.
    fn knows_too_many_topics(&self, turn: &Turn, now: Timestamp) -> bool {
        let (budget, decision) = (self.budget(), &turn.decision);
        let is_large = decision.taken.and(decision.drained).entries >= budget.slice;
        is_large && self.writable.are_idle(budget.idle_topics, now)
    }

    /// Asks again, until the patience is over: then the partitions whose queue topics these are wait, and nobody else.
    fn without_leaders(
        &mut self,
        turn: Box<Turn>,
        topics: &[(String, Topic)],
        patience: Duration,
        error: Option<Error>,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        if let Some(error) = &error {
            self.stats.trouble(error);
        }
        let queues = queue_topics_among(&turn, topics);
        let patience = match () {
            // Without those of the gate itself no turn can be.
            () if queues.is_empty() => LEADERS,
            // The cluster has said already that one of them is gone.
            () if queues.iter().any(|(_, topic)| self.table.missing.contains_key(topic)) => Duration::ZERO,
            () => patience,
        };
        let too_old = self.is_too_old(&turn, now);
        if now.since(turn.decision.at) >= patience || too_old {
            tracing::warn!("no leaders for the topics of a turn; it is given up");
            if queues.is_empty() && too_old {
                self.drop_turn(&turn, now);
            }
            for (partition, topic) in queues {
                self.find_queue(partition, &topic, format!("`{topic}` has no leader"), now);
            }
            self.rewind();
            return Ok((Phase::Chores, Step::Waiting(BACKOFF)));
        }
        match error {
            Some(error) if error.action == Action::Stop => Err(Stop::from(error)),
            _ => Ok((Phase::Leaders(turn), Step::Waiting(Duration::from_millis(5)))),
        }
    }

    fn new_handles(&self, producer: &mut B::Producer, turn: &Turn) -> Result<Vec<(String, Topic)>, Error> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if turn.decision.has_own_records() {
            names.extend([self.options.topics.state.as_str(), self.options.topics.audit.as_str()]);
        }
        names.extend(turn.decision.writes.iter().filter_map(|write| turn.topic(&write.to, &self.options.topics)));
        self.without_handle(producer, names)
    }

    /// Those of these topics that the producer has not been seen to know yet.
    fn without_handle<'a>(
        &self,
        producer: &mut B::Producer,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<(String, Topic)>, Error> {
        let new = names.into_iter().filter(|name| !self.writable.has(name));
        new.map(|name| Ok((name.to_owned(), producer.topic(name)?))).collect()
    }

    /// Hands every record to the client; none of them is in the way of another turn.
    pub(super) fn send(
        &mut self,
        mut open: Box<Open<B>>,
        mut next: usize,
        now: Timestamp,
    ) -> Result<(Phase<B>, Step), Stop> {
        let Open { turn, transaction, .. } = &mut *open;
        let mut topics: Map<&To, Topic> = Map::default();
        while let Some(write) = turn.decision.writes.get(next) {
            let topic = match topics.get(&write.to) {
                Some(topic) => *topic,
                None => {
                    let name = turn.topic(&write.to, &self.options.topics);
                    let Some(topic) = name.and_then(|name| self.writable.take(name, now)) else {
                        return Err(Stop::broken("a topic of the turn has no handle"));
                    };
                    topics.insert(&write.to, topic);
                    topic
                }
            };
            let record = Outgoing {
                topic,
                partition: write.partition,
                timestamp: write.timestamp,
                key: write.key.as_deref(),
                value: write.value.as_deref(),
                headers: &write.headers,
            };
            let tag = turn.tag(next, write);
            match transaction.send(&record, tag) {
                Ok(()) => next += 1,
                Err(error) if error.code == Code::QueueFull => {
                    transaction.flush(ACKS);
                    return Ok((Phase::Send(open, next), Step::Progress));
                }
                Err(error) => {
                    let Open { turn, transaction, .. } = *open;
                    return self.failed(&turn, transaction, &[(tag, error)], now);
                }
            }
        }
        drop(topics);
        turn.forget_writes();
        if transaction.poll().failed > 0 {
            return self.acks(open, now);
        }
        if turn.sealed_at.is_none() {
            return Ok(self.after_slice(open, now));
        }
        Ok((Phase::Acks(open), Step::Progress))
    }

    /// Whether the producer can write to every topic of the gate itself; if not, a turn ends with its first slice, whose
    /// topics it can write to.
    fn knows_own_topics(&mut self, producer: &mut B::Producer, now: Timestamp) -> bool {
        let own = [To::Records, To::Discarded, To::DeadLetters, To::Enrollments, To::State, To::Audit];
        let names = own.iter().filter_map(|to| name_of(to, &self.options.topics));
        let asked = self.without_handle(producer, names).and_then(|missing| {
            let handles: Vec<Topic> = missing.iter().map(|(_, topic)| *topic).collect();
            Ok((handles.is_empty() || producer.leaders_known(&handles)?, missing))
        });
        match asked {
            Ok((true, missing)) => {
                self.writable.extend(missing, now);
                true
            }
            Ok((false, _)) => false,
            Err(error) => {
                self.stats.trouble(&error);
                false
            }
        }
    }

    pub(super) fn acks(&mut self, mut open: Box<Open<B>>, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        if self.may_poll_ahead(&open) {
            return self.poll_ahead(open, now);
        }
        open.polls_ahead = true;
        let progress = open.transaction.flush(ACKS);
        if progress.in_flight > 0 && progress.failed == 0 {
            return Ok((Phase::Acks(open), Step::Progress));
        }
        let deliveries = open.transaction.deliveries();
        if progress.failed > 0 {
            let failed: Vec<(u64, Error)> =
                deliveries.into_iter().filter_map(|Delivered { tag, outcome }| Some((tag, outcome.err()?))).collect();
            let Open { turn, transaction, .. } = *open;
            return self.failed(&turn, transaction, &failed, now);
        }
        match self.clock_agrees(&open.turn, &deliveries, now) {
            true => Ok((Phase::Offsets(open), Step::Progress)),
            false => Ok((Phase::Abort(open.transaction), Step::Progress)),
        }
    }

    /// Takes note of how far our clock is from the broker's. `false`: too far for what the turn decided by it.
    fn clock_agrees(&mut self, turn: &Turn, deliveries: &[Delivered], now: Timestamp) -> bool {
        let Some(ahead) = clock_ahead(turn, deliveries, now) else { return true };
        self.stats.clock_ahead = Some(ahead);
        let is_far = |from: i64| (ahead - from).abs() > CLOCKS;
        if !is_far(0) {
            self.table.clock_alarm = None;
        }
        // Small differences are not corrected: they may as well be the time that the record took.
        self.table.clock_ahead = if is_far(0) { ahead } else { 0 };
        if turn.decision.needs_clock && is_far(0) {
            tracing::error!(ours = %now, ahead, "the clock is off: nothing is decided that depends on it");
            self.table.clock_alarm = Some(ClockAlarm { since: now });
            return false;
        }
        if turn.decision.stamped.is_some_and(is_far) {
            tracing::warn!(ours = %now, ahead, "the clock is off: what was held is stamped again with the broker's");
            return false;
        }
        true
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
            match () {
                () if Treatment::is_refusal(error.code) => {}
                () if error.action == Action::Stop => return Err(Stop::from(error.clone())),
                () if error.code == Code::UnknownTopic => {
                    if let Some((_, To::Queue(partition, flow))) = turn.tagged(*tag)
                        && let Some(topic) = turn.decision.queue_topic(*partition, flow)
                    {
                        let reason = format!("the queue topic of flow `{flow}` is gone");
                        self.find_queue(*partition, topic, reason, now);
                    }
                }
                () => {}
            }
        }
        if let Some(limit) = self.limit_below_batches(turn, failed) {
            self.batch_bytes = limit;
            return Ok((Phase::Abort(transaction), Step::Progress));
        }
        if !self.note_refused(turn, failed, now) {
            let why = failed.first().map_or("", |(_, error)| error.detail.as_str());
            return Err(Stop::topics(format!(
                "`{}` does not even take a dead letter without its value, key and headers ({why}): see \
                 `flowgate topics check`",
                self.options.topics.dead_letters
            )));
        }
        // A broker that has just come back may answer that topics do not exist, and the producer believes it until it asks
        // again. A new one asks at once.
        let misses_a_topic = failed.iter().any(|(_, error)| error.code == Code::UnknownTopic);
        if misses_a_topic && !mutant::is(Mutant::ProducerKeptThatMissesATopic) {
            self.stats.aborts += 1;
            return Ok((Phase::Replace(After::Rewind), Step::Progress));
        }
        Ok((Phase::Abort(transaction), Step::Progress))
    }
}

/// The queue topics of a turn that are among these, each with its home partition.
fn queue_topics_among(turn: &Turn, names: &[(String, Topic)]) -> BTreeSet<(i32, String)> {
    let among = |topic: &String| names.iter().any(|(name, _)| name == topic);
    let flows = turn.decision.partitions.iter().flat_map(|(partition, staged)| {
        staged.flows.values().filter_map(|of| Some((*partition, of.flow.queue.topic.clone()?)))
    });
    flows.filter(|(_, topic)| among(topic)).collect()
}

/// How many milliseconds our clock is ahead of the one that stamped the turn's state records; 0 if the broker's time lies
/// between making them and now. The farthest of them counts.
fn clock_ahead(turn: &Turn, deliveries: &[Delivered], now: Timestamp) -> Option<i64> {
    let sealed_at = turn.sealed_at?;
    let stored = deliveries.iter().filter_map(|delivered| delivered.outcome.as_ref().ok());
    let ahead = stored.map(|stored| {
        let ahead = (sealed_at.0 - stored.timestamp.0).max(0);
        let behind = (stored.timestamp.0 - now.0).max(0);
        ahead - behind
    });
    ahead.max_by_key(|ahead| ahead.abs())
}

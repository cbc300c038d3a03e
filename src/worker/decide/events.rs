//! The events of a turn, in their order: each is delivered, held, turned away, sent to its home, or a dead letter.

use super::decider::Decider;
use crate::broker::Record;
use crate::broker::murmur2::{murmur2, partition_of};
use crate::flow::arrive::{Entry, Fate};
use crate::flow::{DefaultPause, Event, Flow, FlowId, Kind, State, Transition};
use crate::mutant::{self, Mutant};
use crate::schema::headers::{self, Discarded, Source};
use crate::schema::{self, Unknown};
use crate::worker::facts::known::Seen;
use crate::worker::session::decision::StagedFlow;
use crate::worker::session::fed::Fed;
use crate::worker::session::outgoing::{Origin, To, Write};
use crate::worker::session::owned::Owned;
use crate::worker::session::shape::ONLY;
use crate::worker::session::wait::Blocked;
use crate::worker::traced::{self, Hold};

/// What may be held in one turn for a flow that drains without a rate. The next turn reads it all back before it takes an
/// event of the flow.
const HOT_EVENTS: usize = 20_000;
const HOT_BYTES: usize = 16 * 1024 * 1024;

/// Queue topics made for a turn that answers a command: 500 of them take seconds (measured).
const TOPICS_WITH_AN_ANSWER: usize = 16;

impl Decider<'_> {
    pub(super) fn events(&mut self, events: Vec<Record>) {
        let table = self.table;
        for record in events {
            let Some(owned) = table.takes_events(record.partition) else { continue };
            if self.decision.reread.contains(&record.partition) {
                continue;
            }
            if self.decision.stopped.contains(&record.partition) {
                self.decision.carried.push(record);
                continue;
            }
            if mutant::is(Mutant::NeighbourHeldBackByADrain) && !owned.facts.draining().is_empty() {
                self.decision.reread_all = true;
                continue;
            }
            let position =
                self.decision.partitions.get(&record.partition).map_or(owned.facts.position(), |of| of.position);
            if record.offset < position {
                continue;
            }
            let left = match table.is_refused(|| Origin::of(&record)) {
                true => Some(record),
                false => self.event(record, owned),
            };
            if let Some(record) = left {
                self.decision.stopped.insert(record.partition);
                if mutant::is(Mutant::CarriedEventDropped) {
                    self.decision.partition(record.partition, owned).position = record.offset + 1;
                    continue;
                }
                self.decision.carried.push(record);
            }
        }
    }

    /// Whether an event of this flow is to be held in a topic that this turn cannot write to, or has no room for.
    fn waits_for_topic(&self, flow: &Flow, is_written: bool, kind: Kind) -> bool {
        if !flow.would_hold(kind) {
            return false;
        }
        if !is_written && self.decision.touched >= self.budget.touched() {
            return true;
        }
        match (&flow.queue.topic, self.writable) {
            (None, None) => self.decision.new_topics.len() >= self.new_topics(),
            (Some(_), None) => false,
            (None, Some(_)) => true,
            // One that was found to be gone is given up where another can be made: in a first slice.
            (Some(topic), Some(writable)) => !writable.has(topic) || self.table.missing.contains_key(topic),
        }
    }

    /// How many queue topics this turn may have made: few if it answers a command, for whoever sent that waits for them too. With none
    /// at all, events would wait for as long as commands come.
    fn new_topics(&self) -> usize {
        let answers = self.decision.stats.commands > 0;
        if answers { self.budget.topics.min(TOPICS_WITH_AN_ANSWER) } else { self.budget.topics }
    }

    /// Takes the next event of its partition. One that has to wait for its queue topic comes back, and nothing is staged for
    /// it: it and all that follow in its partition are for the next turn.
    pub(super) fn event(&mut self, record: Record, owned: &Owned) -> Option<Record> {
        let partition = record.partition;
        let seen = match schema::event::see(record.value.as_deref()) {
            Ok(seen) => seen,
            Err(unreadable) => {
                self.pass_over(&record, owned);
                if !mutant::is(Mutant::BadInputSkipped) {
                    self.dead_letter(&record, &unreadable);
                }
                return None;
            }
        };
        let hash = murmur2(seen.flow.as_str().as_bytes());
        let home = partition_of(hash, self.table.shape.enrollments);
        if home != partition && !mutant::is(Mutant::ReroutedEventDeliveredWhereItCame) {
            self.pass_over(&record, owned);
            self.decision.stats.rerouted += 1;
            self.trace(&record, traced::Fate::Rerouted, || (Some(seen.flow.to_id()), None));
            self.forward(record, To::Enrollments, home);
            return None;
        }
        let staged = self.decision.staged(partition, seen.flow.as_str()).filter(|_| {
            !mutant::is(Mutant::PauseOfAnUnrecordedFlowForgotten)
                || owned.facts.flows().seen(seen.flow.as_str()).is_some()
                || self.records_another_flow()
        });
        let known = match staged {
            Some(staged) => Some(Seen::Tracked(&staged.flow)),
            None if self.decision.is_forgotten(partition, seen.flow.as_str()) => None,
            None => owned.facts.flows().seen(seen.flow.as_str()),
        };
        let default = match known {
            None => self.default(partition, owned),
            Some(_) => None,
        };
        // Whether it is in force depends on what time it is.
        let asks_default = default.is_some();
        let default = default.filter(|default| default.is_in_force(self.now));
        // One that is first seen while every flow is paused is paused before its first event.
        let new = default.map(|default| {
            let mut flow = Flow::new(seen.flow.to_id(), self.now);
            let paused = flow.begin_default(default, self.now, &self.options.limits);
            (flow, paused, default.command)
        });
        let is_written = staged.is_some_and(|staged| !staged.fed.is_empty());
        let flow = match known {
            Some(Seen::Tracked(flow)) => Some(flow),
            Some(Seen::Fresh) => None,
            None => new.as_ref().map(|(flow, ..)| flow),
        };
        if flow.is_some_and(|flow| self.waits_for_topic(flow, is_written, seen.kind)) {
            return Some(record);
        }
        // Most events by far: a live flow that nothing of this turn concerns. No state is touched for them.
        let untouched = match known {
            _ if staged.is_some() => false,
            Some(Seen::Fresh) => true,
            Some(Seen::Tracked(flow)) => matches!(flow.state, State::Live) && !has_its_state_written(flow),
            // One flow more than are recorded: it passes all the same.
            None => new.is_none() && !self.records_another_flow(),
        };
        let is_first = known.is_none();
        self.decision.needs_clock |= asks_default;
        if untouched {
            self.decision.stats.unrecorded += u64::from(is_first);
            self.pass_over(&record, owned);
            self.trace(&record, traced::Fate::Delivered, || (Some(seen.flow.to_id()), None));
            self.deliver(record, hash);
            return None;
        }
        let event = seen.to_event();
        if is_first {
            self.introduce(&record, owned, &event);
        }
        if let Some((flow, paused, command)) = new {
            self.pause_new(partition, flow, paused, command);
        }
        self.pass_over(&record, owned);
        self.arrive(record, owned, &event, hash);
        None
    }

    /// Whether a flow that nothing is known of is recorded: beyond a number of them they would be more than memory has room
    /// for. A command makes any flow known.
    fn records_another_flow(&self) -> bool {
        self.table.known_flows() + self.decision.new_flows < self.options.max_known_flows
    }

    /// The turn has taken everything of the partition up to this event.
    pub(super) fn pass_over(&mut self, record: &Record, owned: &Owned) {
        self.decision.partition(record.partition, owned).position = record.offset + 1;
        self.decision.taken.entries += 1;
        self.decision.taken.bytes += record.size();
    }

    /// The first event of a flow makes it known. The event itself is the first that comes after.
    fn introduce(&mut self, record: &Record, owned: &Owned, event: &Event) {
        let flow = Flow::new(event.flow.clone(), self.now);
        self.decision.new_flows += 1;
        let staged = self.decision.partition(record.partition, owned);
        staged.position = record.offset;
        let staged_flow = StagedFlow { changed: true, ..StagedFlow::new(flow, Unknown::default()) };
        staged.flows.insert(event.flow.clone(), staged_flow);
        self.note_own_transition(record.partition, &event.flow, (Transition::Seen, None), None);
    }

    /// It was introduced while every flow is paused.
    fn pause_new(&mut self, partition: i32, flow: Flow, paused: Transition, command: i64) {
        let (id, pause) = (flow.id.clone(), flow.pause().map(|pause| pause.id.clone()));
        let Some(staged) = self.decision.staged_mut(partition, &id) else { return };
        staged.flow = flow;
        self.decision.needs_clock |= paused.is_by_the_clock();
        self.note_own_transition(partition, &id, (paused, pause), Some(command));
    }

    /// What pauses a flow that is first seen, as this turn leaves it.
    fn default<'a>(&'a self, partition: i32, owned: &'a Owned) -> Option<&'a DefaultPause> {
        let staged = self.decision.partitions.get(&partition);
        let record = staged.map_or_else(|| owned.facts.record(), |staged| &staged.record);
        record.default.as_ref()
    }

    /// Gives a queue topic up that somebody deleted: the next held event makes another one.
    fn forsake_missing(&mut self, partition: i32, owned: &Owned, flow: &FlowId) {
        let Some(staged) = self.decision.flow(partition, owned, flow) else { return };
        let Some(topic) = &staged.flow.queue.topic else { return };
        let Some(times) = self.table.missing.get(topic) else { return };
        // Should it be there after all, nobody needs it any more.
        let unneeded = staged.flow.queue.is_passed().then(|| topic.clone());
        if unneeded.is_none() && *times < Blocked::GONE {
            return;
        }
        staged.flow.forsake_queue();
        staged.changed = true;
        self.decision.retired.extend(unneeded);
    }

    /// `hash` is that of its flow id.
    fn arrive(&mut self, record: Record, owned: &Owned, event: &Event, hash: i32) {
        let partition = record.partition;
        if !self.table.missing.is_empty() {
            self.forsake_missing(partition, owned, &event.flow);
        }
        let Some(staged) = self.decision.flow(partition, owned, &event.flow) else { return };
        let fate = staged.flow.arrive(event);
        match fate {
            Fate::Deliver => {
                staged.changed |= !matches!(staged.flow.state, State::Live) || has_its_state_written(&staged.flow);
                self.trace(&record, traced::Fate::Delivered, || (Some(event.flow.clone()), None));
                self.deliver(record, hash);
            }
            Fate::TurnAway { pause } => {
                staged.changed = true;
                self.decision.stats.turned_away += 1;
                self.trace(&record, traced::Fate::TurnedAway, || (Some(event.flow.clone()), None));
                let detail = format!("pause `{pause}` turns new records away");
                let source = Source::of(&record);
                let headers =
                    headers::discarded(&record.headers, Discarded::TurnedAway, &detail, &source, record.timestamp);
                let partition = partition_of(hash, self.table.shape.discarded);
                let origin = Origin::of(&record);
                self.discard(partition, (record.key, record.value), headers, origin);
            }
            Fate::Hold(entry) => {
                self.decision.stats.held += 1;
                let since = self.brokers_now();
                self.trace(&record, traced::Fate::Held, || {
                    let hold = Hold { pause: entry.pause.to_string(), entry: entry.number, since };
                    (Some(event.flow.clone()), Some(hold))
                });
                self.hold(&record, event, &entry);
            }
            Fate::Withdraw(entry) => {
                staged.withdrawn.insert(event.record.clone(), entry.number);
                for key in schema::entry::tombstones(&event.record) {
                    self.decision.write(Write {
                        to: To::Queue(partition, event.flow.clone()),
                        partition: ONLY,
                        timestamp: None,
                        key: Some(key.into()),
                        value: None,
                        headers: Vec::new(),
                        origin: Origin::of(&record),
                    });
                }
                self.hold(&record, event, &entry);
                self.trace(&record, traced::Fate::Delivered, || (Some(event.flow.clone()), None));
                self.deliver(record, hash);
            }
        }
    }

    fn deliver(&mut self, record: Record, hash: i32) {
        self.decision.stats.delivered += 1;
        let partition = partition_of(hash, self.table.shape.records);
        self.forward(record, To::Records, partition);
    }

    fn hold(&mut self, record: &Record, event: &Event, entry: &Entry) {
        self.decision.stamped = Some(self.table.clock_ahead);
        let mark = schema::entry::Mark {
            number: entry.number,
            enrolls: entry.enrolls,
            advances: entry.advances,
            latest: entry.latest,
            held_at: self.brokers_now(),
            pause_id: &entry.pause,
        };
        // Queue topics take any timestamp and keep it for ever; should one not, the original goes along as a header.
        let timestamp = Some(record.timestamp).filter(|own| own.0 >= 0 && !self.time_of_writing);
        let written = match timestamp {
            Some(_) => schema::entry::write(event, record, &mark),
            None => {
                let mut record = record.clone();
                record.headers.push(headers::timestamp(record.timestamp));
                schema::entry::write(event, &record, &mark)
            }
        };
        let partition = record.partition;
        let write = Write {
            to: To::Queue(partition, event.flow.clone()),
            partition: ONLY,
            timestamp,
            key: Some(written.key.into()),
            value: record.value.clone(),
            headers: written.headers,
            origin: Origin::of(record),
        };
        let bytes = write.size();
        self.decision.write(write);
        let Some(staged) =
            self.decision.partitions.get_mut(&partition).and_then(|staged| staged.flows.get_mut(&event.flow))
        else {
            return;
        };
        staged.changed = true;
        self.decision.touched += usize::from(staged.fed.is_empty());
        staged.fed_bytes += bytes;
        staged.fed.push(Fed {
            number: entry.number,
            kind: event.kind,
            record: event.record.clone(),
            latest: entry.latest,
        });
        let unlimited = staged.flow.drain().is_some_and(|drain| drain.max_rate.is_none());
        self.decision.outrun |= unlimited && (staged.fed.len() >= HOT_EVENTS || staged.fed_bytes >= HOT_BYTES);
        if staged.flow.queue.topic.is_none() {
            if staged.flow.queue.number == 0 || !mutant::is(Mutant::QueueTopicNumberNotRaised) {
                staged.flow.queue.number += 1;
            }
            staged.flow.queue.topic = Some(self.options.topics.queue(&event.flow, staged.flow.queue.number));
            self.decision.new_topics.push((partition, event.flow.clone()));
        }
    }
}

/// Whether the state of a live flow is written with its events: never, but for a mutant.
fn has_its_state_written(flow: &Flow) -> bool {
    mutant::is(Mutant::StateWrittenForALiveEvent) && !flow.commands.is_empty()
}

//! Takes a partition over, one call at a time, while the worker's other partitions go on.
//!
//! 1. *barrier*: the committed offset, as soon as no transaction has one pending: the previous owner's last word;
//! 2. *end*: where `flow.state` ends, open transactions or not;
//! 3. *fold*: read it as committed until that end; the newest document of each flow counts;
//! 4. *verify*: offset and partition record have to agree about where the input goes on;
//! 5. *commands*: everything in the control topic up to its end now comes before timers and events.
//!
//! All partitions that join fold at the same time: one reader brings the states of all of them, each to its own.

use std::time::Duration;

use super::clients::in_hand;
use super::facts::Facts;
use super::failed::Failed;
use super::gather::Onward;
use super::phase::{Phase, Step};
use super::session::chore::Chore;
use super::session::joining::{At, Joining};
use super::session::owned::{Owned, Stage};
use super::session::shape::ONLY;
use super::session::table::Table;
use super::stop::Stop;
use super::{BACKOFF, Worker};
use crate::broker::{Action, Broker, Code, Error, Member, PollLimit, Polled, Reader, Record, Watermarks};
use crate::flow::Partition;
use crate::mutant::{self, Mutant};
use crate::schema;
use crate::time::Timestamp;

/// How long one call waits for the previous owner; the other partitions of this worker wait with it.
const BARRIER: Duration = Duration::from_millis(100);

const FOLD: PollLimit = PollLimit { records: 10_000, bytes: 16 * 1024 * 1024, wait: Duration::from_millis(20) };

/// What follows a stage.
enum Joined {
    /// This stage, in the next gathering.
    At(At),
    /// This stage, after a while: what was found may be a moment's.
    Doubted(At),
    Restored,
}

/// A partition that is being taken over, taken out of the table for one stage.
struct Taken {
    partition: i32,
    owned: Owned,
    joining: Joining,
}

impl<B: Broker> Worker<B> {
    /// One stage of taking this partition over.
    pub(super) fn join(&mut self, partition: i32, now: Timestamp) -> Result<Onward<B>, Failed> {
        let Some(mut owned) = self.table.owned.remove(&partition) else { return Ok(Onward::Next) };
        let Stage::Joining(joining) = std::mem::replace(&mut owned.stage, Stage::Introducing) else {
            self.table.owned.insert(partition, owned);
            return Ok(Onward::Next);
        };
        let mut taken = Taken { partition, owned, joining };
        let joined = self.stage(&mut taken, now);
        let Taken { mut owned, mut joining, .. } = taken;
        let on = match joined {
            Ok(Joined::Restored) => {
                self.table.owned.insert(partition, owned);
                // Commands are read again from where this partition needs them; nothing was gathered yet.
                if !mutant::is(Mutant::ControlReaderNotMovedBackAtAJoin) {
                    self.chores.push_back(Chore::ReadControl { from: None });
                }
                return Ok(Onward::Leave(Phase::Chores, Step::Progress));
            }
            Ok(Joined::At(at)) => {
                joining.at = at;
                Ok(Onward::Step(Step::Progress))
            }
            Ok(Joined::Doubted(at)) => {
                joining.at = at;
                Ok(Onward::Step(Step::Waiting(BACKOFF)))
            }
            Err(failed) => Err(failed),
        };
        owned.stage = Stage::Joining(joining);
        self.table.owned.insert(partition, owned);
        on
    }

    fn stage(&mut self, taken: &mut Taken, now: Timestamp) -> Result<Joined, Failed> {
        let (topics, found) = (&self.options.topics, self.table.shape.found);
        if taken.partition >= found {
            let more = format!("`{}` had {found} partitions and now has more", topics.enrollments);
            return Err(match topics.forwards {
                // Flows stay at home in those that there were.
                true => Error::new(Action::Rebuild, Code::Other, more).into(),
                false => Failed::Stop(Stop::topics(format!(
                    "{more}: flows would change their homes. Nothing is lost; docs/migrating.md is the way to more partitions, and \
                     says what to do now"
                ))),
            });
        }
        match taken.joining.at {
            At::Barrier => self.barrier(taken),
            At::End => self.end(taken),
            At::Assign => self.read_states(taken),
            At::Fold => self.fold_states(taken),
            At::Input => self.input(taken, now),
            At::PinsEnd => self.read_pins(taken),
            At::Pins => self.fold_pins(taken),
            At::Commands => self.commands_end(taken, now),
        }
    }

    /// The previous owner's last word.
    fn barrier(&mut self, taken: &mut Taken) -> Result<Joined, Failed> {
        let member = &mut in_hand(&mut self.clients)?.member;
        taken.joining.committed = member.committed(&[taken.partition], BARRIER)?.pop().flatten();
        Ok(Joined::At(At::End))
    }

    fn end(&mut self, taken: &mut Taken) -> Result<Joined, Failed> {
        // By clients that fetch nothing just then: behind a fetch every question waits until that is answered.
        let latest = &mut in_hand(&mut self.clients)?.latest;
        let marks = latest.watermarks(&self.options.topics.state, taken.partition)?;
        (taken.joining.low, taken.joining.end) = (marks.low, marks.end);
        Ok(Joined::At(At::Assign))
    }

    fn read_states(&mut self, taken: &mut Taken) -> Result<Joined, Failed> {
        let stable = &mut in_hand(&mut self.clients)?.stable;
        stable.assign(&self.options.topics.state, taken.partition, taken.joining.low)?;
        Ok(Joined::At(At::Fold))
    }

    fn fold_states(&mut self, taken: &mut Taken) -> Result<Joined, Failed> {
        let state = &self.options.topics.state;
        let stable = &mut in_hand(&mut self.clients)?.stable;
        if stable.position(state, taken.partition)?.unwrap_or_default() < taken.joining.end {
            let mut records = Vec::new();
            let polled = stable.poll(FOLD, &mut records);
            // Also of a poll that failed: its reader has gone on behind what it brought.
            for record in &records {
                match record.partition == taken.partition {
                    true => {
                        let folded = fold(&mut taken.owned, record);
                        taken.joining.note(record.key.as_deref().unwrap_or_default(), folded);
                    }
                    false => self.table.fold(record),
                }
            }
            if let Polled::OutOfRange { partition: moved, .. } = polled? {
                // The cleaner moved the beginning meanwhile.
                let Some(other) = self.table.folding(moved) else { return Ok(Joined::At(At::End)) };
                other.at = At::End;
                return Ok(Joined::At(At::Fold));
            }
        }
        if stable.position(state, taken.partition)?.unwrap_or_default() < taken.joining.end {
            return Ok(Joined::At(At::Fold));
        }
        stable.unassign(state, taken.partition)?;
        match taken.joining.illegible.pop_first() {
            Some((_, stop)) => Err(stop.into()),
            None => Ok(Joined::At(At::Input)),
        }
    }

    fn input(&mut self, taken: &mut Taken, now: Timestamp) -> Result<Joined, Failed> {
        let clients = in_hand(&mut self.clients)?;
        let marks = clients.latest.watermarks(&self.options.topics.enrollments, taken.partition)?;
        let commands = clients.stable.watermarks(&self.options.topics.control, ONLY)?;
        match self.verify(taken, marks, commands, now) {
            Ok(()) if taken.joining.recorded || taken.partition == 0 => Ok(Joined::At(At::Commands)),
            Ok(()) => Ok(Joined::At(At::PinsEnd)),
            Err(stop @ Stop::PositionsLost(_)) if taken.joining.may_be_wrong(now) => {
                tracing::warn!(%stop, "looking again");
                Ok(Joined::Doubted(At::Barrier))
            }
            Err(stop) => Err(stop.into()),
        }
    }

    /// A first start: partition 0 may say what the others are pinned to.
    fn read_pins(&mut self, taken: &mut Taken) -> Result<Joined, Failed> {
        let (state, clients) = (&self.options.topics.state, in_hand(&mut self.clients)?);
        let marks = clients.latest.watermarks(state, 0)?;
        taken.joining.end = marks.end;
        clients.stable.assign(state, 0, marks.low)?;
        Ok(Joined::At(At::Pins))
    }

    fn fold_pins(&mut self, taken: &mut Taken) -> Result<Joined, Failed> {
        let (state, stable) = (&self.options.topics.state, &mut in_hand(&mut self.clients)?.stable);
        let mut records = Vec::new();
        let polled = stable.poll(FOLD, &mut records);
        let pins = records.iter().filter(|record| record.partition == 0 && record.key.as_deref() == Some(b""));
        for pin in pins {
            // The newest is what counts.
            let read = pin.value.as_deref().map(schema::partition::read);
            taken.joining.pinned = read.map(|read| {
                let broken =
                    |error| Stop::broken(format!("the partition record of `{state}`/0 cannot be read: {error}"));
                read.map(|pinned| Box::new(pinned.body)).map_err(broken)
            });
        }
        // Also of a poll that failed: its reader has gone on behind what it brought.
        if let Polled::OutOfRange { partition: 0, .. } = polled? {
            // The cleaner moved the beginning meanwhile.
            stable.unassign(state, 0)?;
            return Ok(Joined::At(At::PinsEnd));
        }
        let position = stable.position(state, 0)?.unwrap_or_default();
        if position < taken.joining.end {
            return Ok(Joined::At(At::Pins));
        }
        stable.unassign(state, 0)?;
        if let Some(first) = taken.joining.pinned.take() {
            // A partition that was added later must not begin: flows would change their homes.
            taken.owned.facts.pin(*first?);
            self.take_pins(&mut taken.owned.facts)?;
        }
        Ok(Joined::At(At::Commands))
    }

    /// Everything in the control topic up to its end now comes before timers and events.
    fn commands_end(&mut self, taken: &mut Taken, now: Timestamp) -> Result<Joined, Failed> {
        let stable = &mut in_hand(&mut self.clients)?.stable;
        taken.owned.control_end = stable.watermarks(&self.options.topics.control, ONLY)?.end;
        let Taken { partition, owned, .. } = taken;
        for flow in owned.facts.complete() {
            owned.count_index(&flow);
            let Some(tracked) = owned.facts.flow_mut(&flow) else { continue };
            // Not both: what searches passes nothing.
            if tracked.take_drain_over(now) || tracked.take_search_over(self.options.turn.search()) {
                self.table.to_read.push_back((*partition, flow));
            }
        }
        tracing::info!(partition, flows = owned.facts.flows().len(), input = owned.facts.position(), "restored");
        Ok(Joined::Restored)
    }

    /// Where the input goes on: the group's offset and the partition record have to tell the same.
    fn verify(
        &mut self,
        taken: &mut Taken,
        marks: Watermarks,
        commands: Watermarks,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let partition = taken.partition;
        if taken.joining.recorded {
            self.take_pins(&mut taken.owned.facts)?;
        }
        let (shape, facts, joining) = (&self.table.shape, &mut taken.owned.facts, &taken.joining);
        let lost = |what: String| Err(Stop::PositionsLost(format!("partition {partition}: {what}")));
        if !joining.recorded {
            return match &joining.committed {
                Some(committed) => lost(format!(
                    "the group has committed offset {}, but `{}` has no record of the partition",
                    committed.offset, self.options.topics.state
                )),
                None => {
                    let commands = match mutant::is(Mutant::CommandsBeforeTheFirstStartSkipped) {
                        true => commands.end,
                        false => commands.low,
                    };
                    let record = Partition::new(shape.enrollments, shape.records, commands, marks.low, now);
                    let forwarded = self.options.topics.forwards.then(|| self.options.topics.records.clone());
                    facts.begin(Partition { forwarded, ..record });
                    Ok(())
                }
            };
        }
        let record = facts.record();
        if record.control > commands.end {
            return lost(format!(
                "commands were read up to {}, and `{}` ends at {}",
                record.control, self.options.topics.control, commands.end
            ));
        }
        let position = match &joining.committed {
            None if record.clean || mutant::is(Mutant::ExpiredPositionsTakenFromTheRecord) => record.input,
            None => {
                return lost(format!(
                    "the group has no committed offset, and the last stop was not a clean one (the record says {} at {})",
                    record.input, record.input_at
                ));
            }
            Some(committed) if mutant::is(Mutant::PositionBehindTheRecordAccepted) => committed.offset,
            Some(committed) if committed.offset < record.input => {
                return lost(format!(
                    "the group's committed offset {} lies before {}, which the record says was reached",
                    committed.offset, record.input
                ));
            }
            Some(committed) if record.clean && committed.offset != record.input => {
                return lost(format!(
                    "the group's committed offset {} is not {}, where the gate stopped cleanly",
                    committed.offset, record.input
                ));
            }
            Some(committed) => committed.offset,
        };
        if !marks.reach(position) {
            return lost(format!("offset {position} is not in its log ({} to {})", marks.low, marks.end));
        }
        facts.go_on_from(position);
        Ok(())
    }

    /// Homes depend on the partition counts: those of the first start hold for good. Whatever is forwarded has its homes under
    /// another prefix: then partitions that were added are in nobody's way.
    fn take_pins(&mut self, facts: &mut Facts) -> Result<(), Stop> {
        let (topics, shape) = (&self.options.topics, &mut self.table.shape);
        let record = facts.record();
        match &record.forwarded {
            Some(topic) if !topics.forwards || *topic != topics.records => {
                let prefix = topic.strip_suffix(".enrollments").unwrap_or(topic);
                return Err(Stop::topics(format!(
                    "`{}` moves to the prefix `{prefix}`, and what is delivered goes to `{topic}` for good: set `forward_to = {prefix}` \
                     (docs/migrating.md)",
                    topics.prefix
                )));
            }
            None if topics.forwards => facts.forward(&topics.records, shape.records),
            Some(_) | None => {}
        }
        let record = facts.record();
        if topics.forwards {
            // What was added has no homes, here or under the other prefix.
            shape.enrollments = record.enrollments.min(shape.found);
            shape.records = record.records.min(shape.records);
        }
        for (topic, pinned, found) in [
            (&topics.enrollments, record.enrollments, shape.enrollments),
            (&topics.records, record.records, shape.records),
        ] {
            if pinned != found {
                return Err(Stop::topics(format!(
                    "`{topic}` has {found} partitions and had {pinned} when the gate began: flows would change their homes. Nothing is \
                     lost; docs/migrating.md is the way to another number, and says what to do now"
                )));
            }
        }
        Ok(())
    }
}

impl Table {
    /// The joining of another partition, if it is being folded.
    fn folding(&mut self, partition: i32) -> Option<&mut Joining> {
        match &mut self.owned.get_mut(&partition)?.stage {
            Stage::Joining(joining) if joining.at == At::Fold => Some(joining),
            Stage::Joining(_) | Stage::Introducing | Stage::Active => None,
        }
    }

    /// Takes in a record of another partition that is being folded.
    fn fold(&mut self, record: &Record) {
        if self.folding(record.partition).is_none() {
            return;
        }
        let Some(owned) = self.owned.get_mut(&record.partition) else { return };
        let folded = fold(owned, record);
        if let Some(joining) = self.folding(record.partition) {
            joining.note(record.key.as_deref().unwrap_or_default(), folded);
        }
    }
}

/// Takes in one record of `flow.state`: an empty key is the partition record (`true`), any other a flow.
fn fold(owned: &mut Owned, record: &Record) -> Result<bool, Stop> {
    let at = || format!("{}/{}/{}", record.topic, record.partition, record.offset);
    let malformed = |error: schema::Malformed| {
        Stop::broken(format!(
            "{} cannot be read: {error}; if a newer flowgate wrote it, run that one; else restore the record",
            at()
        ))
    };
    let key = record.key.as_deref().unwrap_or_default();
    if key.is_empty() {
        if let Some(value) = record.value.as_deref() {
            let document = schema::partition::read(value).map_err(malformed)?;
            owned.facts.restore_record(document.body, document.unknown);
        }
        return Ok(record.value.is_some());
    }
    match record.value.as_deref() {
        Some(value) => {
            let document = schema::state::read(value).map_err(malformed)?;
            owned.facts.restore_flow(document.body, document.unknown);
        }
        None => {
            if let Ok(text) = std::str::from_utf8(key) {
                owned.facts.forget_flow(text);
            }
        }
    }
    Ok(false)
}

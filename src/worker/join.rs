//! Takes a partition over, one call at a time, while the worker's other partitions go on.
//!
//! 1. *barrier*: the committed offset, as soon as no transaction has one pending: the previous owner's last word;
//! 2. *end*: where `flow.state` ends, open transactions or not;
//! 3. *fold*: read it as committed until that end; the newest document of each flow counts;
//! 4. *verify*: offset and partition record have to agree about where the input goes on;
//! 5. *commands*: everything in the control topic up to its end now comes before timers and events.
//!
//! All partitions that join fold at the same time: one reader brings the states of all of them, each to its own.

use std::sync::Arc;
use std::time::Duration;

use super::chores::Chore;
use super::gather::Gather;
use super::table::{Bucket, Owned, Reading, Stage, Table, left};
use super::{Phase, Step, Stop, Worker, in_hand};
use crate::broker::{Broker, Committed, Member, PollLimit, Polled, Reader, Record, Watermarks};
use crate::flow::{FlowId, Partition};
use crate::mutant::{self, Mutant};
use crate::schema;
use crate::time::Timestamp;

#[derive(Default)]
pub(super) struct Joining {
    at: At,
    committed: Option<Committed>,
    /// The partition record, once read.
    recorded: bool,
    low: i64,
    end: i64,
    pinned: Option<(i32, i32)>,
    /// When offset and record were first found to disagree.
    doubted: Option<Timestamp>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Barrier,
    End,
    Assign,
    Fold,
    Input,
    /// A first start: what the other partitions were pinned to, as partition 0 has it.
    PinsEnd,
    Pins,
    Commands,
}

impl Joining {
    /// A disagreement counts when it is still there a while after it was found, and was read anew: what was read before
    /// may be old, if this process has hung since.
    fn may_be_wrong(&mut self, now: Timestamp) -> bool {
        let doubted = self.doubted.filter(|doubted| *doubted <= now).unwrap_or(now);
        self.doubted = Some(doubted);
        left(doubted, PATIENCE, now).is_some()
    }

    /// Who goes first: all of them are asked where they end, then all are read together, then judged. The pins of
    /// partition 0 are read by the same reader as its states: never both at once.
    pub fn rank(&self) -> u8 {
        match self.at {
            At::Pins => 0,
            // Others need not wait for what has to be looked at again.
            At::Barrier if self.doubted.is_some() => 5,
            At::Barrier | At::End | At::Assign => 1,
            At::Fold => 2,
            At::Input | At::Commands => 3,
            At::PinsEnd => 4,
        }
    }
}

/// How long one call waits for the previous owner; the other partitions of this worker wait with it.
const BARRIER: Duration = Duration::from_millis(100);

/// For how long a disagreement is looked at again: a coordinator that moves can pretend there is no offset (KAFKA-20416).
const PATIENCE: Duration = Duration::from_secs(5);

const FOLD: PollLimit = PollLimit { records: 10_000, bytes: 16 * 1024 * 1024, wait: Duration::from_millis(20) };

impl<B: Broker> Worker<B> {
    /// One call for this partition; then the gathering goes on with the others.
    pub(super) fn join(&mut self, partition: i32, gather: Gather, now: Timestamp) -> Result<(Phase<B>, Step), Stop> {
        let Some(mut owned) = self.table.owned.remove(&partition) else {
            return Ok((Phase::Gather(gather), Step::Progress));
        };
        let Stage::Joining(mut joining) = std::mem::replace(&mut owned.stage, Stage::Introducing) else {
            self.table.owned.insert(partition, owned);
            return Ok((Phase::Gather(gather), Step::Progress));
        };
        let result = self.join_step(partition, &mut owned, &mut joining, now);
        let done = matches!(result, Ok(Joined::Done));
        if !done {
            owned.stage = Stage::Joining(joining);
        }
        self.table.owned.insert(partition, owned);
        match result {
            Ok(Joined::Further) => Ok((Phase::Gather(gather), Step::Progress)),
            Ok(Joined::NotYet) => Ok((Phase::Gather(gather), Step::Waiting(super::BACKOFF))),
            Ok(Joined::Done) => {
                // Commands are read again from where this partition needs them; nothing was gathered yet.
                if !mutant::is(Mutant::ControlReaderNotMovedBackAtAJoin) {
                    self.chores.push_back(Chore::ReadControl { from: None });
                }
                Ok((Phase::Chores, Step::Progress))
            }
            Err(Failed::Broker(error)) => self.trouble(error, Phase::Gather(gather)),
            Err(Failed::Stop(stop)) => Err(stop),
        }
    }

    fn join_step(
        &mut self,
        partition: i32,
        owned: &mut Owned,
        joining: &mut Joining,
        now: Timestamp,
    ) -> Result<Joined, Failed> {
        let state = self.options.topics.state.clone();
        let control = self.options.topics.control.clone();
        let enrollments = self.table.shape.enrollments;
        if partition >= enrollments {
            return Err(Failed::Stop(Stop::topics(format!(
                "`{}` had {enrollments} partitions and now has more: flows would change their homes; drain every flow \
                 and begin under a new prefix",
                self.options.topics.enrollments
            ))));
        }
        let clients = in_hand(&mut self.clients).map_err(Failed::Stop)?;
        match joining.at {
            At::Barrier => {
                joining.committed = clients.member.committed(&[partition], BARRIER)?.pop().flatten();
                joining.at = At::End;
            }
            At::End => {
                // By clients that fetch nothing just then: behind a fetch every question waits until that is answered.
                let marks = clients.latest.watermarks(&state, partition)?;
                (joining.low, joining.end) = (marks.low, marks.end);
                joining.at = At::Assign;
            }
            At::Assign => {
                clients.stable.assign(&state, partition, joining.low)?;
                joining.at = At::Fold;
            }
            At::Fold => {
                let read = clients.stable.position(&state, partition)?.unwrap_or_default();
                if read < joining.end {
                    let mut records = Vec::new();
                    let polled = clients.stable.poll(FOLD, &mut records);
                    // Also of a poll that failed: its reader has gone on behind what it brought.
                    for record in &records {
                        if record.partition == partition {
                            joining.recorded |= fold(owned, record).map_err(Failed::Stop)?;
                        } else {
                            self.table.fold(record).map_err(Failed::Stop)?;
                        }
                    }
                    if let Polled::OutOfRange { partition: moved, .. } = polled? {
                        // The cleaner moved the beginning meanwhile.
                        match self.table.folding(moved) {
                            Some(other) => other.at = At::End,
                            None => joining.at = At::End,
                        }
                        return Ok(Joined::Further);
                    }
                }
                let read = clients.stable.position(&state, partition)?.unwrap_or_default();
                if read < joining.end {
                    return Ok(Joined::Further);
                }
                clients.stable.unassign(&state, partition)?;
                joining.at = At::Input;
            }
            At::Input => {
                let marks = clients.latest.watermarks(&self.options.topics.enrollments, partition)?;
                let commands = clients.stable.watermarks(&control, super::ONLY)?;
                match self.verify(partition, owned, joining, marks, commands, now) {
                    Ok(()) if joining.recorded || partition == 0 => joining.at = At::Commands,
                    Ok(()) => joining.at = At::PinsEnd,
                    Err(stop @ Stop::PositionsLost(_)) if joining.may_be_wrong(now) => {
                        tracing::warn!(%stop, "looking again");
                        joining.at = At::Barrier;
                        return Ok(Joined::NotYet);
                    }
                    Err(stop) => return Err(Failed::Stop(stop)),
                }
            }
            At::PinsEnd => {
                let marks = clients.latest.watermarks(&state, 0)?;
                joining.end = marks.end;
                clients.stable.assign(&state, 0, marks.low)?;
                joining.at = At::Pins;
            }
            At::Pins => {
                let mut records = Vec::new();
                clients.stable.poll(FOLD, &mut records)?;
                let position = clients.stable.position(&state, 0)?.unwrap_or_default();
                let pins = records.iter().filter(|record| record.partition == 0 && record.key.as_deref() == Some(b""));
                for value in pins.filter_map(|record| record.value.as_deref()) {
                    let pinned = schema::partition::read(value).map_err(|error| {
                        Failed::Stop(Stop::broken(format!(
                            "the partition record of `{state}`/0 cannot be read: {error}"
                        )))
                    })?;
                    joining.pinned = Some((pinned.body.enrollments, pinned.body.records));
                }
                if position < joining.end {
                    return Ok(Joined::Further);
                }
                clients.stable.unassign(&state, 0)?;
                if let Some((enrollments, records)) = joining.pinned {
                    // A partition that was added later must not begin: flows would change their homes.
                    let record = Arc::make_mut(&mut owned.record);
                    record.enrollments = enrollments;
                    record.records = records;
                    self.check_pins(&owned.record).map_err(Failed::Stop)?;
                }
                joining.at = At::Commands;
            }
            At::Commands => {
                owned.control_end = clients.stable.watermarks(&control, super::ONLY)?.end;
                owned.scanned = owned.record.control;
                self.restore(partition, owned, now);
                tracing::info!(partition, flows = owned.flows.len(), input = owned.position, "restored");
                return Ok(Joined::Done);
            }
        }
        Ok(Joined::Further)
    }

    /// Where the input goes on: the group's offset and the partition record have to tell the same.
    fn verify(
        &self,
        partition: i32,
        owned: &mut Owned,
        joining: &Joining,
        marks: Watermarks,
        commands: Watermarks,
        now: Timestamp,
    ) -> Result<(), Stop> {
        let shape = &self.table.shape;
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
                    let new = Partition::new(shape.enrollments, shape.records, commands, marks.low, now);
                    owned.record = Arc::new(new);
                    owned.position = marks.low;
                    Ok(())
                }
            };
        }
        let record = &owned.record;
        self.check_pins(record)?;
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
        owned.position = position;
        Ok(())
    }

    /// Homes depend on the partition counts: those of the first start hold for good.
    fn check_pins(&self, record: &Partition) -> Result<(), Stop> {
        let (topics, shape) = (&self.options.topics, &self.table.shape);
        for (topic, pinned, found) in [
            (&topics.enrollments, record.enrollments, shape.enrollments),
            (&topics.records, record.records, shape.records),
        ] {
            if pinned != found {
                return Err(Stop::topics(format!(
                    "`{topic}` has {found} partitions and had {pinned} when the gate began: flows would change their \
                     homes; restore the number, or drain every flow and begin under a new prefix"
                )));
            }
        }
        Ok(())
    }

    /// Timers, drains and indexes of what was found.
    fn restore(&mut self, partition: i32, owned: &mut Owned, now: Timestamp) {
        let flows: Vec<FlowId> = owned.flows.tracked().map(|(flow, _)| flow.clone()).collect();
        for flow in flows {
            super::publish::arm(owned, &flow, self.options.queue_ttl);
            owned.count_index(&flow);
            if let Some(tracked) = owned.flows.get_mut(&flow)
                && super::publish::start_drain(tracked, now)
                && let may_be_read = tracked.may_be_read()
                && let Some(backlog) = &mut tracked.backlog
            {
                backlog.bucket = Bucket::taken_over(tracked.flow.updated_at, now);
                if may_be_read {
                    backlog.reading = Reading::Waits;
                    self.table.to_read.push_back((partition, flow));
                }
            }
        }
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
    fn fold(&mut self, record: &Record) -> Result<(), Stop> {
        if self.folding(record.partition).is_some()
            && let Some(owned) = self.owned.get_mut(&record.partition)
            && fold(owned, record)?
            && let Some(joining) = self.folding(record.partition)
        {
            joining.recorded = true;
        }
        Ok(())
    }
}

enum Joined {
    Further,
    NotYet,
    Done,
}

enum Failed {
    Broker(crate::broker::Error),
    Stop(Stop),
}

impl From<crate::broker::Error> for Failed {
    fn from(error: crate::broker::Error) -> Self {
        Self::Broker(error)
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
            owned.record = Arc::new(document.body);
            owned.unknown = document.unknown;
        }
        return Ok(record.value.is_some());
    }
    match record.value.as_deref() {
        Some(value) => {
            let document = schema::state::read(value).map_err(malformed)?;
            owned.flows.restore(document.body, document.unknown);
        }
        None => {
            if let Ok(text) = std::str::from_utf8(key) {
                owned.flows.remove(text);
            }
        }
    }
    Ok(false)
}

//! Committed offsets while nobody runs: what the next owner has to make of them; how they are lost, when a gate has to stop
//! for that, and how an operator restores them.

use std::time::Duration;

use flowgate::broker::{Admin, Broker, Isolation, Offset};
use flowgate::client::positions;
use flowgate::schema::topics::Topics;
use flowgate::worker::Stop;
use serde_json::Value;

use crate::down::Down;
use crate::machine::SESSION;
use crate::plan::{Loss, PARTITIONS};
use crate::world::World;

/// Offsets of a group expire when nobody was in it for so long.
const EXPIRY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The exit code of a gate that cannot go on from its positions.
const POSITIONS_LOST: u8 = 9;

/// What a partition record says of the input.
struct Record {
    input: i64,
    clean: bool,
}

impl World {
    /// Takes note of what waits, if nobody runs and nothing can change what is committed.
    pub(crate) fn note_down(&mut self) -> Result<(), String> {
        let nobody = self.machines.iter().all(|of| of.worker.is_none() && of.zombies.is_empty());
        let Topics { group, enrollments, control, .. } = &self.topics;
        let committed = |partition| Some(self.memory.committed(group, enrollments, partition)?.offset);
        let positions: Option<Vec<i64>> = (0..PARTITIONS).map(committed).collect();
        let known = nobody && self.memory.is_quiet() && self.lost.is_empty();
        if let Some(positions) = positions.filter(|_| known) {
            let marks = self.memory.watermarks(control, 0, Isolation::ReadUncommitted);
            let control_end = marks.map_err(|error| error.to_string())?.end;
            self.downs.push(Down { at: self.memory.now(), control_end, positions });
            self.counted.restarts += 1;
        }
        Ok(())
    }

    /// Does something to the group's offsets, if nobody runs and everything is at rest.
    ///
    /// # Errors
    /// A sentence, of the broker.
    pub(crate) fn lose(&mut self, loss: Loss) -> Result<(), String> {
        let nobody = self.machines.iter().all(|of| of.worker.is_none() && of.zombies.is_empty());
        if !nobody || !self.lost.is_empty() || !self.memory.is_quiet() || !self.everything_is_decided()? {
            return Ok(());
        }
        if !self.memory.is_deserted(&self.topics.group) {
            return Ok(());
        }
        let before: Vec<Option<i64>> = (0..PARTITIONS).map(|partition| self.committed(partition)).collect();
        match loss {
            Loss::Expired => {
                self.wait(EXPIRY);
                self.memory.forget_offsets(&self.topics.group);
                self.counted.losses[0] += 1;
            }
            Loss::SetBack { partition, by } => {
                let known = self.committed(partition).is_some();
                if let Some(record) = self.record(partition)?.filter(|record| known && record.input > 0) {
                    self.set_offset(partition, (record.input - by).max(0))?;
                    self.counted.losses[1] += 1;
                }
            }
            Loss::SetAhead { partition } if self.committed(partition).is_some() => {
                let end = self.watermark(&self.topics.enrollments, partition, Isolation::ReadUncommitted)?.1;
                // Far enough that no event is there when a gate comes.
                self.set_offset(partition, end + 1_000_000)?;
                self.counted.losses[2] += 1;
            }
            Loss::SetAhead { .. } => {}
        }
        for (partition, before) in (0..PARTITIONS).zip(before) {
            let must_stop = self.must_stop(partition)?;
            match before {
                Some(before) if must_stop => drop(self.lost.insert(partition, before)),
                Some(_) => self.counted.gone_on_cleanly += u64::from(matches!(loss, Loss::Expired)),
                None => {}
            }
        }
        Ok(())
    }

    /// Whether a gate has to stop that takes this partition over (docs/contract.md, "Where the input goes on"): a clean record without an offset goes on,
    /// neither record nor offset is a first start, and every other disagreement stops.
    fn must_stop(&self, partition: i32) -> Result<bool, String> {
        let (low, end) = self.watermark(&self.topics.enrollments, partition, Isolation::ReadUncommitted)?;
        let position = match (self.record(partition)?, self.committed(partition)) {
            (None, None) => return Ok(false),
            (None, Some(_)) => return Ok(true),
            (Some(record), None) if record.clean => record.input,
            (Some(_), None) => return Ok(true),
            (Some(record), Some(offset)) if record.clean && offset != record.input => return Ok(true),
            (Some(record), Some(offset)) if offset < record.input => return Ok(true),
            (Some(_), Some(offset)) => offset,
        };
        Ok(!(low..=end).contains(&position))
    }

    /// Whether a process stopped for one of the partitions for which it has to, with the right exit code.
    pub(crate) fn is_lost(&self, stop: &Stop) -> bool {
        let told = stop.to_string();
        let names = |partition: &i32| told.contains(&format!("partition {partition}:"));
        stop.exit_code() == POSITIONS_LOST && self.lost.keys().any(names)
    }

    /// If somebody stopped for its positions: an operator stops the others too and sets the offsets as they were.
    ///
    /// # Errors
    /// A sentence: it could not be done.
    pub(crate) fn restore_positions(&mut self) -> Result<(), String> {
        if !std::mem::take(&mut self.restoring) {
            return Ok(());
        }
        for machine in &mut self.machines {
            (machine.worker, machine.frozen) = (None, false);
        }
        self.bury_zombies();
        self.wait(SESSION + Duration::from_secs(1));
        for (partition, offset) in std::mem::take(&mut self.lost) {
            let restored = positions::restore(&self.memory, &self.topics, partition, offset);
            restored.map_err(|error| format!("the offset of partition {partition} is not restored: {error}"))?;
        }
        Ok(())
    }

    fn set_offset(&self, partition: i32, offset: i64) -> Result<(), String> {
        let (topic, metadata) = (self.topics.enrollments.as_str().into(), "somebody".to_owned());
        let offset = Offset { topic, partition, offset, metadata };
        let set = self.memory.admin().and_then(|mut admin| admin.set_group_offset(&self.topics.group, &offset));
        set.map_err(|error| error.to_string())
    }

    fn committed(&self, partition: i32) -> Option<i64> {
        Some(self.memory.committed(&self.topics.group, &self.topics.enrollments, partition)?.offset)
    }

    fn watermark(&self, topic: &str, partition: i32, isolation: Isolation) -> Result<(i64, i64), String> {
        let marks = self.memory.watermarks(topic, partition, isolation).map_err(|error| error.to_string())?;
        Ok((marks.low, marks.end))
    }

    /// Whether no transaction is open in the states.
    fn everything_is_decided(&self) -> Result<bool, String> {
        let mut decided = true;
        for partition in 0..PARTITIONS {
            let end = |isolation| self.watermark(&self.topics.state, partition, isolation).map(|(_, end)| end);
            decided &= end(Isolation::ReadCommitted)? == end(Isolation::ReadUncommitted)?;
        }
        Ok(decided)
    }

    /// The newest partition record.
    fn record(&self, partition: i32) -> Result<Option<Record>, String> {
        let records = self.memory.dump(&self.topics.state, partition, Isolation::ReadCommitted);
        let records = records.map_err(|error| error.to_string())?;
        let newest = records.iter().rev().find(|record| record.key.as_deref() == Some(b""));
        let Some(value) = newest.and_then(|record| record.value.as_deref()) else { return Ok(None) };
        let document: Value = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let (input, clean) = (document["input_position"].as_i64(), document["clean"].as_bool());
        let missing = || format!("the record of partition {partition} lacks a field");
        Ok(Some(Record { input: input.ok_or_else(missing)?, clean: clean.ok_or_else(missing)? }))
    }
}

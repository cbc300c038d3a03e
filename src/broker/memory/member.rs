//! A group member's client side.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Operation;
use super::group::Group;
use super::group_member::MemberId;
use super::handle::Memory;
use super::latency::Fetching;
use super::log::{Budget, Seen};
use super::topic::invalid;
use crate::broker::{
    self as port, Action, Code, Committed, Error, GroupMetadata, Isolation, MemberOptions, PollLimit, Polled, Record,
    Result, Standing,
};

pub struct Member {
    memory: Memory,
    options: MemberOptions,
    id: MemberId,
    /// As of the last acknowledged change.
    generation: Option<i32>,
    /// The generation whose whole assignment has been reported, or the last one without this member.
    seen: i32,
    /// The partitions it has, with where it reads those in fetch.
    positions: BTreeMap<i32, Option<Fetching>>,
    waiting: Option<Change>,
    /// Where the next poll begins, so that no partition starves another.
    turn: i32,
    left: bool,
}

/// A reported change that waits for `acknowledge`.
enum Change {
    Assigned { generation: i32 },
    Revoked { partitions: Vec<i32>, generation: i32 },
    Lost,
}

/// What [`GroupMetadata`] holds here.
pub(super) struct Identity {
    pub group: Arc<str>,
    pub member: MemberId,
    pub generation: i32,
}

impl Member {
    pub(super) fn join(memory: &Memory, options: &MemberOptions) -> Result<Self> {
        memory.check(Operation::Join, &options.group)?;
        let (id, seen) = memory.lock().join(options);
        let options = options.clone();
        let (generation, waiting, positions) = Default::default();
        Ok(Self { memory: memory.clone(), options, id, generation, seen, positions, waiting, turn: 0, left: false })
    }

    fn place(&self, partition: i32) -> (Arc<str>, i32) {
        (self.options.topic.as_str().into(), partition)
    }

    /// The change of assignment that the group has for this member, if any.
    fn change(&mut self, group: &mut Group) -> Option<Polled> {
        let generation = group.generation;
        let Some(member) = group.members.get_mut(&self.id) else {
            self.waiting = Some(Change::Lost);
            return Some(Polled::Revoked { partitions: self.positions.keys().copied().collect(), lost: true });
        };
        if generation == self.seen {
            return None;
        }
        let gone = self.positions.keys().filter(|partition| !member.assignment.contains(partition));
        let partitions: Vec<i32> = gone.copied().collect();
        if !partitions.is_empty() {
            self.waiting = Some(Change::Revoked { partitions: partitions.clone(), generation });
            return Some(Polled::Revoked { partitions, lost: false });
        }
        let new = member.assignment.iter().filter(|partition| !self.positions.contains_key(partition));
        let partitions: Vec<i32> = new.copied().collect();
        member.held.extend(&partitions);
        self.positions.extend(partitions.iter().map(|&partition| (partition, None)));
        self.seen = generation;
        self.waiting = Some(Change::Assigned { generation });
        Some(Polled::Assigned(partitions))
    }
}

impl port::Member for Member {
    fn poll(&mut self, limit: PollLimit, records: &mut Vec<Record>) -> Result<Polled> {
        self.memory.check(Operation::Poll, &self.options.group)?;
        let memory = self.memory.clone();
        let mut state = memory.lock();
        let state = &mut *state;
        let now = state.now;
        if let Some(group) = state.groups.get_mut(&self.options.group) {
            if let Some(member) = group.members.get_mut(&self.id) {
                member.last_poll = now;
            }
            if group.is_fenced(self.id, &self.options) {
                return Err(fenced());
            }
            if self.waiting.is_some() {
                return Ok(Polled::Records);
            }
            if let Some(change) = self.change(group) {
                return Ok(change);
            }
        }
        let topic = state.topics.named(&self.options.topic)?;
        let mut budget = Budget::new(limit);
        let order: Vec<i32> =
            self.positions.range(self.turn..).chain(self.positions.range(..self.turn)).map(|(&p, _)| p).collect();
        let before = records.len();
        for partition in order {
            let Some(Some(fetching)) = self.positions.get_mut(&partition) else { continue };
            let log = topic.log(partition)?;
            let place = (&topic.name, partition);
            match state.pace.read(log, place, fetching, Isolation::ReadCommitted, &mut budget, records) {
                Seen::End | Seen::Withheld => {}
                Seen::Full => {
                    self.turn = partition + 1;
                    break;
                }
                // What was read already comes first; the next poll begins with this.
                Seen::OutOfRange { .. } if records.len() > before => {
                    self.turn = partition;
                    break;
                }
                Seen::OutOfRange { low } => {
                    self.positions.insert(partition, None);
                    return Ok(Polled::OutOfRange { topic: topic.name.clone(), partition, low });
                }
            }
        }
        Ok(Polled::Records)
    }

    fn acknowledge(&mut self) -> Result<()> {
        self.memory.check(Operation::Acknowledge, &self.options.group)?;
        let mut state = self.memory.lock();
        match self.waiting.take() {
            None => {}
            Some(Change::Assigned { generation }) => self.generation = Some(generation),
            Some(Change::Revoked { partitions, generation }) => {
                self.positions.retain(|partition, _| !partitions.contains(partition));
                self.generation = Some(generation);
                state.give_up(&self.options.group, self.id, &partitions);
            }
            Some(Change::Lost) => {
                self.positions.clear();
                self.generation = None;
                (self.id, self.seen) = state.join(&self.options);
            }
        }
        Ok(())
    }

    fn fetch_from(&mut self, partition: i32, offset: i64) -> Result<()> {
        self.memory.check(Operation::FetchFrom, &format!("{}/{partition}", self.options.topic))?;
        if self.waiting.is_some() {
            return Err(Error::new(Action::Retry, Code::Busy, "a change of assignment waits to be acknowledged"));
        }
        if offset < 0 {
            return Err(invalid(format!("offset {offset}")));
        }
        match self.positions.get_mut(&partition) {
            Some(fetching) => *fetching = Some(self.memory.lock().pace.begin(offset)),
            None => return Err(invalid(format!("partition {partition} is not assigned"))),
        }
        Ok(())
    }

    fn pause(&mut self, partition: i32) -> Result<()> {
        match self.positions.get_mut(&partition) {
            Some(fetching) => *fetching = None,
            None => return Err(invalid(format!("partition {partition} is not assigned"))),
        }
        Ok(())
    }

    fn position(&mut self, partition: i32) -> Result<Option<i64>> {
        Ok(self.positions.get(&partition).copied().flatten().map(|fetching| fetching.position))
    }

    fn committed(&mut self, partitions: &[i32], _limit: Duration) -> Result<Vec<Option<Committed>>> {
        self.memory.check(Operation::Committed, &self.options.group)?;
        let state = self.memory.lock();
        let Some(group) = state.groups.get(&self.options.group) else { return Ok(vec![None; partitions.len()]) };
        let places: Vec<_> = partitions.iter().map(|&partition| self.place(partition)).collect();
        if places.iter().any(|place| group.is_pending(place)) {
            return Err(Error::new(Action::Retry, Code::Busy, "a transaction has offsets pending"));
        }
        Ok(places.iter().map(|place| group.committed(place).cloned()).collect())
    }

    fn group(&self) -> Result<GroupMetadata> {
        let Some(generation) = self.generation else {
            return Err(Error::new(Action::Retry, Code::Busy, "not assigned yet"));
        };
        // As librdkafka: it has joined the newer generation by itself, and what is to be given up is still the member's.
        let state = self.memory.lock();
        let known = state.groups.get(&self.options.group).filter(|group| group.members.contains_key(&self.id));
        let generation = known.map_or(generation, |group| group.generation.max(generation));
        let group = self.options.group.as_str().into();
        Ok(GroupMetadata::new(Identity { group, member: self.id, generation }))
    }

    fn standing(&mut self) -> Result<Standing> {
        self.memory.check(Operation::Standing, &self.options.group)?;
        let state = self.memory.lock();
        let Some(group) = state.groups.get(&self.options.group) else {
            return Ok(Standing { belongs: false, namesake: Some(false) });
        };
        if group.is_fenced(self.id, &self.options) {
            return Err(fenced());
        }
        let tells = self.options.instance_id.is_none();
        Ok(Standing {
            belongs: self.generation.is_some() && group.members.contains_key(&self.id),
            // As little as Kafka's client: there a place has one member, and who that is nobody is told.
            namesake: tells.then(|| group.has_namesake(self.id, &self.options.client_id)),
        })
    }

    fn leave(mut self) -> Result<()> {
        self.memory.check(Operation::Leave, &self.options.group)?;
        self.left = true;
        self.memory.lock().leave(&self.options.group, self.id);
        Ok(())
    }
}

fn fenced() -> Error {
    Error::new(Action::Rebuild, Code::InstanceFenced, "another member has this one's instance id")
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.left {
            self.memory.lock().bury(self.id);
        }
    }
}

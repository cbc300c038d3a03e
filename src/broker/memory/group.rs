//! A consumer group: members, generations, and offsets, committed and pending.
//!
//! A generation begins once every member that the group still counts on has answered, as in Kafka's join phase: a
//! silent one (crashed or frozen) is waited for until its session ends. The assignment is cooperative: a partition that
//! is to move stays with its owner until the owner has acknowledged giving it up, which begins a further generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assign;
use super::group_member::{GroupMember, MemberId};
use crate::broker::{Action, Code, Committed, Error, MemberOptions, Result};
use crate::time::Timestamp;

type Place = (Arc<str>, i32);

#[derive(Default)]
pub(super) struct Group {
    pub generation: i32,
    /// Something changed that needs a new generation, which has not begun yet.
    pub due: bool,
    pub members: BTreeMap<MemberId, GroupMember>,
    offsets: BTreeMap<Place, Stored>,
    /// By transaction number.
    pending: BTreeMap<Place, BTreeMap<u64, Stored>>,
    /// Counts offset commits: of two, the one written later wins, not the one decided later.
    writes: u64,
    /// Members that were thrown out because they did not poll.
    pub thrown_out: u64,
}

struct Stored {
    write: u64,
    committed: Committed,
}

pub(super) fn stale(detail: &str) -> Error {
    Error::new(Action::Abort, Code::StaleGeneration, detail)
}

impl Group {
    pub fn check(&self, member: MemberId, generation: i32) -> Result<()> {
        if !self.members.contains_key(&member) {
            return Err(stale("the group does not know this member (any more)"));
        }
        if self.generation != generation {
            let detail = format!("the group is in generation {}, not {generation}", self.generation);
            return Err(stale(&detail));
        }
        Ok(())
    }

    pub fn add_pending(&mut self, transaction: u64, place: Place, committed: Committed) {
        self.writes += 1;
        let stored = Stored { write: self.writes, committed };
        self.pending.entry(place).or_default().insert(transaction, stored);
    }

    /// Drops a transaction's pending offset, or makes it the group's.
    pub fn decide(&mut self, transaction: u64, place: Place, committed: bool) {
        let Some(waiting) = self.pending.get_mut(&place) else { return };
        let stored = waiting.remove(&transaction);
        if waiting.is_empty() {
            self.pending.remove(&place);
        }
        let newest = self.offsets.get(&place).map_or(0, |stored| stored.write);
        if let Some(stored) = stored.filter(|stored| committed && stored.write > newest) {
            self.offsets.insert(place, stored);
        }
    }

    pub fn is_pending(&self, place: &Place) -> bool {
        self.pending.contains_key(place)
    }

    pub fn committed(&self, place: &Place) -> Option<&Committed> {
        self.offsets.get(place).map(|stored| &stored.committed)
    }

    /// Sets an offset from outside, which only a group without members lets happen.
    pub fn set(&mut self, place: Place, committed: Committed) -> Result<()> {
        if !self.members.is_empty() {
            let detail = format!("the group has {} members: its offsets are theirs", self.members.len());
            return Err(Error::new(Action::Stop, Code::Busy, detail));
        }
        self.writes += 1;
        self.offsets.insert(place, Stored { write: self.writes, committed });
        Ok(())
    }

    pub fn forget_offsets(&mut self) {
        self.offsets.clear();
    }

    /// Whether another process than this member's has the name; dead ones have none here.
    pub fn has_namesake(&self, member: MemberId, client_id: &str) -> bool {
        self.members.iter().any(|(&id, other)| id != member && other.options.client_id == client_id)
    }

    /// Whether another member has taken this static one's place.
    pub fn is_fenced(&self, member: MemberId, options: &MemberOptions) -> bool {
        self.holder(options).is_some_and(|holder| holder != member)
    }

    /// The member that has the instance id of these options.
    pub fn holder(&self, options: &MemberOptions) -> Option<MemberId> {
        let instance_id = options.instance_id.as_ref()?;
        let mut members = self.members.iter();
        members.find(|(_, member)| member.options.instance_id.as_ref() == Some(instance_id)).map(|(id, _)| *id)
    }

    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.members.values().map(GroupMember::deadline).min()
    }

    /// Removes the members whose time is over.
    pub fn expel_overdue(&mut self, now: Timestamp) {
        let before = self.members.len();
        self.members.retain(|_, member| {
            let stays = member.deadline() > now;
            self.thrown_out += u64::from(!stays && member.silent.is_none());
            stays
        });
        self.due |= self.members.len() < before;
    }

    /// Begins a new generation if one is due and nobody is waited for.
    pub fn advance(&mut self, partitions: impl Fn(&str) -> i32) {
        if !self.due || self.members.values().any(|member| member.silent.is_some()) {
            return;
        }
        self.due = false;
        self.generation += 1;
        let topics: BTreeSet<String> = self.members.values().map(|member| member.options.topic.clone()).collect();
        for topic in topics {
            let mut members: Vec<&mut GroupMember> =
                self.members.values_mut().filter(|member| member.options.topic == topic).collect();
            assign::assign(partitions(&topic), &mut members);
        }
    }
}

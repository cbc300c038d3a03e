//! Consumer groups: members, generations, and offsets, committed and pending.
//!
//! A generation begins once every member that the group still counts on has answered, as in Kafka's join phase: a
//! silent one (crashed or frozen) is waited for until its session ends. The assignment is cooperative: a partition that
//! is to move stays with its owner until the owner has acknowledged giving it up, which begins a further generation.
//!
//! Who joins under an instance id that a member has already takes its place: the other one is not known any more, and if
//! nothing else is due, the generation stays, with what that place has in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::assign;
use super::state::State;
use crate::broker::{Action, Code, Committed, Error, MemberOptions, Result};
use crate::time::Timestamp;

pub(super) type MemberId = u64;
type Place = (Arc<str>, i32);

#[derive(Default)]
pub(super) struct Group {
    pub generation: i32,
    /// Something changed that needs a new generation, which has not begun yet.
    due: bool,
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

/// A member as the group sees it.
pub(super) struct GroupMember {
    pub options: MemberOptions,
    pub last_poll: Timestamp,
    /// Since when nothing was heard of it.
    pub silent: Option<Timestamp>,
    /// It polls without being seen to: the driver lets much time pass at once.
    pub polling: bool,
    /// Nobody else gets these: it was told that it has them, and has not yet acknowledged to give them up.
    pub held: BTreeSet<i32>,
    /// What it has in the current generation.
    pub assignment: BTreeSet<i32>,
}

impl GroupMember {
    fn deadline(&self) -> Timestamp {
        match self.silent {
            // A frozen process notices nothing, its poll interval neither.
            Some(since) => since.after(self.options.session_timeout),
            None if self.polling => Timestamp(i64::MAX),
            None => self.last_poll.after(self.options.max_poll_interval),
        }
    }
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
    fn holder(&self, options: &MemberOptions) -> Option<MemberId> {
        let instance_id = options.instance_id.as_ref()?;
        let mut members = self.members.iter();
        members.find(|(_, member)| member.options.instance_id.as_ref() == Some(instance_id)).map(|(id, _)| *id)
    }

    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.members.values().map(GroupMember::deadline).min()
    }

    /// Removes the members whose time is over.
    fn expel_overdue(&mut self, now: Timestamp) {
        let before = self.members.len();
        self.members.retain(|_, member| {
            let stays = member.deadline() > now;
            self.thrown_out += u64::from(!stays && member.silent.is_none());
            stays
        });
        self.due |= self.members.len() < before;
    }

    /// Begins a new generation if one is due and nobody is waited for.
    fn advance(&mut self, partitions: impl Fn(&str) -> i32) {
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

impl State {
    /// Gives the new member's id and the generation that does not know it yet.
    pub fn join(&mut self, options: &MemberOptions) -> (MemberId, i32) {
        self.members += 1;
        let group = self.groups.entry(options.group.clone()).or_default();
        let replaced = group.holder(options).and_then(|holder| group.members.remove(&holder));
        // What the place has in a generation that stands is told to the one who comes.
        let stands = replaced.is_some() && !group.due;
        let generation = if stands { group.generation - 1 } else { group.generation };
        let assignment = replaced.map(|replaced| replaced.assignment).unwrap_or_default();
        let (last_poll, silent, polling, held) = (self.now, None, false, BTreeSet::new());
        let member = GroupMember { options: options.clone(), last_poll, silent, polling, held, assignment };
        group.members.insert(self.members, member);
        group.due |= !stands;
        self.advance_group(&options.group);
        (self.members, generation)
    }

    /// The place of a static member stays its own until its session ends.
    pub fn leave(&mut self, group: &str, member: MemberId) {
        let known = self.groups.get(group).and_then(|group| group.members.get(&member));
        if known.is_some_and(|member| member.options.instance_id.is_some()) {
            self.bury(member);
            return;
        }
        if let Some(state) = self.groups.get_mut(group) {
            state.due |= state.members.remove(&member).is_some();
            self.advance_group(group);
        }
    }

    /// The member gives up what it was told to, and the group goes on to whoever waits for it.
    pub fn give_up(&mut self, group: &str, member: MemberId, partitions: &[i32]) {
        if let Some(state) = self.groups.get_mut(group)
            && let Some(member) = state.members.get_mut(&member)
        {
            for partition in partitions {
                member.held.remove(partition);
                member.assignment.remove(partition);
            }
            state.due = true;
            self.advance_group(group);
        }
    }

    /// Nothing is heard of these members from now on, or (`silent` false) they are heard of again.
    pub fn set_silent(&mut self, silent: bool, which: impl Fn(MemberId, &MemberOptions) -> bool) {
        let now = self.now;
        for group in self.groups.values_mut() {
            for (&id, member) in &mut group.members {
                if which(id, &member.options) {
                    member.silent = silent.then(|| member.silent.unwrap_or(now));
                    // A thawed process looks at its poll interval only when it polls.
                    member.last_poll = now;
                }
            }
        }
        self.advance_groups(|_| true);
    }

    /// These members poll from now on although nobody sees it, or (`polling` false) have polled until now.
    pub fn set_polling(&mut self, polling: bool, client_id: &str) {
        let now = self.now;
        for group in self.groups.values_mut() {
            for member in group.members.values_mut().filter(|member| member.options.client_id == client_id) {
                member.polling = polling;
                member.last_poll = now;
            }
        }
    }

    /// The member's process is dead: silent, and no process of the same name that is thawed is this one.
    pub fn bury(&mut self, member: MemberId) {
        self.set_silent(true, |id, _| id == member);
        for group in self.groups.values_mut() {
            if let Some(member) = group.members.get_mut(&member) {
                member.options.client_id.clear();
            }
        }
    }

    fn advance_group(&mut self, group: &str) {
        if let Some(group) = self.groups.get_mut(group) {
            let topics = &self.topics;
            group.advance(|topic| topics.named(topic).map_or(0, super::topic::TopicLogs::partitions));
        }
    }

    fn advance_groups(&mut self, which: impl Fn(&Group) -> bool) {
        let topics = &self.topics;
        for group in self.groups.values_mut().filter(|group| which(group)) {
            group.advance(|topic| topics.named(topic).map_or(0, super::topic::TopicLogs::partitions));
        }
    }

    /// Groups that subscribe to `topic` get to know that it came or went.
    pub fn topic_changed(&mut self, topic: &str) {
        for group in self.groups.values_mut() {
            group.due |= group.members.values().any(|member| member.options.topic == topic);
        }
        self.advance_groups(|_| true);
    }

    pub fn next_member_deadline(&self) -> Option<Timestamp> {
        self.groups.values().filter_map(Group::next_deadline).min()
    }

    pub fn expel_overdue(&mut self) {
        let now = self.now;
        for group in self.groups.values_mut() {
            group.expel_overdue(now);
        }
        self.advance_groups(|_| true);
    }
}

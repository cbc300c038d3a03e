//! Who comes into a group and goes, and who is heard of.
//!
//! Who joins under an instance id that a member has already takes its place: the other one is not known any more, and if
//! nothing else is due, the generation stays, with what that place has in it.

use std::collections::BTreeSet;

use super::group::Group;
use super::group_member::{GroupMember, MemberId};
use super::state::State;
use super::topic::TopicLogs;
use crate::broker::MemberOptions;
use crate::time::Timestamp;

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
            group.advance(|topic| topics.named(topic).map_or(0, TopicLogs::partitions));
        }
    }

    fn advance_groups(&mut self, which: impl Fn(&Group) -> bool) {
        let topics = &self.topics;
        for group in self.groups.values_mut().filter(|group| which(group)) {
            group.advance(|topic| topics.named(topic).map_or(0, TopicLogs::partitions));
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

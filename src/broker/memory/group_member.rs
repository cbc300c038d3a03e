//! A member as its group sees it.

use std::collections::BTreeSet;

use crate::broker::MemberOptions;
use crate::time::Timestamp;

pub(super) type MemberId = u64;

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
    pub fn deadline(&self) -> Timestamp {
        match self.silent {
            // A frozen process notices nothing, its poll interval neither.
            Some(since) => since.after(self.options.session_timeout),
            None if self.polling => Timestamp(i64::MAX),
            None => self.last_poll.after(self.options.max_poll_interval),
        }
    }
}

//! What is known of one flow.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Answered, CommandId, Counts, FlowId, PerKind, Rate, RecordId, Taken};
use crate::time::Timestamp;

/// One flow, everything the gate remembers of it. It is also the flow's public state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub id: FlowId,
    pub state: State,
    /// Totals since the flow is known.
    pub counts: Counts,
    /// The totals as they were when the last pause began: the difference is that pause's.
    pub at_pause: Counts,
    /// Withdraws that came while the flow was not live. In no sum: each of them is delivered live.
    pub withdrawn: u64,
    pub queue: Queue,
    /// What is released of a paused flow all the same; `None` unless paused.
    pub sample: Option<Sample>,
    /// The last [`Flow::REMEMBERED_COMMANDS`] commands, oldest first: a repeated one gets the same answer.
    pub commands: VecDeque<Answered>,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Events pass straight through.
    Live,
    /// Nothing is delivered but withdraws and ordered samples; events are held, or new records turned away.
    Paused(Pause),
    /// What is held is being passed, in order; what arrives is held behind it.
    Resuming {
        /// The pause that ended, for people: nothing is decided by it any more.
        pause: Pause,
        drain: Drain,
    },
}

/// Names a pause; unique among all pauses of a prefix.
pub type PauseId = String;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub id: PauseId,
    /// Made by a command for `*`.
    pub by_all: bool,
    /// When the pause took effect; updates do not move it, so the cap holds whatever commands arrive.
    pub paused_at: Timestamp,
    /// The deadline, at most `paused_at` + `max_pause`.
    pub resumes_at: Timestamp,
    pub new_records: NewRecords,
    pub keep: Keep,
    pub on_expiry: OnExpiry,
    /// Records a second at which the drain goes that the deadline starts; `None` is no limit.
    pub expiry_rate: Option<Rate>,
    /// Who issued it.
    pub by: String,
    pub reason: Option<String>,
    /// The last warning that was given before the deadline, or that would have come when the deadline was set already.
    pub warned: Option<Warning>,
}

/// How long before its deadline the audit says that a pause is about to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Warning {
    Day,
    Hour,
}

impl Warning {
    pub const ALL: [Self; 2] = [Self::Day, Self::Hour];

    /// How long before.
    #[must_use]
    pub fn ahead(self) -> Duration {
        match self {
            Self::Day => Duration::from_secs(24 * 60 * 60),
            Self::Hour => Duration::from_secs(60 * 60),
        }
    }

    /// The last one whose moment has come; `None`: the deadline is further away than that.
    #[must_use]
    pub fn reached(deadline: Timestamp, now: Timestamp) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|warning| deadline.before(warning.ahead()) <= now)
    }
}

/// What becomes of records that enroll during a pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewRecords {
    #[default]
    Queue,
    /// Turned away: they go to the discarded topic.
    Discard,
}

/// Which entries of one record are delivered at the resume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The newest enroll and the newest advance.
    #[default]
    Latest,
    All,
}

/// What the deadline does with what is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExpiry {
    #[default]
    Resume,
    Discard,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// The command that ordered it; `None` for the timer.
    pub command: Option<CommandId>,
    pub cause: Cause,
    pub release: Release,
    /// Records a second; `None` is no limit.
    pub max_rate: Option<Rate>,
    /// Entries held for longer, as of [`Drain::as_of`], are removed instead of released.
    pub max_age: Option<Duration>,
    /// When the drain was ordered.
    pub as_of: Timestamp,
    /// The last entry it is to pass; `None`: until nothing is held.
    pub through_entry: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Resume,
    Timer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    #[default]
    All,
    /// What was held when it was ordered is removed; what came after is delivered.
    None,
}

/// Where the held events of a flow are, and how far they have been passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// The number of the newest topic made for this flow; 0 before the first. Topic names are never used again.
    pub number: u32,
    /// The topic in use; `None` before the first held event and after the topic was retired.
    pub topic: Option<String>,
    /// The number the next entry gets, from 1 on; goes on from one topic to the next.
    pub next_entry: u64,
    /// How many of the entries so far were enrolls.
    pub enrolls: u64,
    /// How many of the entries so far were advances.
    pub advances: u64,
    pub watermark: Watermark,
    /// Drawn by the end of a pause, and lifted by the next pause.
    pub discard_through: Option<Line>,
    /// Drawn by a purge, and lifted by nothing: it is gone when the watermark has reached it.
    pub purge_through: Option<Purge>,
    /// Entries beyond the watermark that were released by name.
    pub taken: Taken,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            number: 0,
            topic: None,
            next_entry: 1,
            enrolls: 0,
            advances: 0,
            watermark: Watermark::default(),
            discard_through: None,
            purge_through: None,
            taken: Taken::default(),
        }
    }
}

impl Queue {
    /// The offset that a drain has to go on from when the topic of what it had not passed is gone: beyond every log, so
    /// that what comes into the next topic is never taken for it.
    pub const NOWHERE: i64 = (1 << 53) - 1;

    /// The number of the newest entry; 0 before the first.
    #[must_use]
    pub fn last_entry(&self) -> u64 {
        self.next_entry - 1
    }

    /// The watermark when everything has been passed, the next entry being looked for from `offset` on.
    #[must_use]
    pub fn end(&self, offset: i64) -> Watermark {
        Watermark { entry: self.last_entry(), enrolls: self.enrolls, advances: self.advances, offset }
    }

    /// Whether every entry has been passed. Withdraws are entries too: this is not the same as nothing held.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.watermark.entry >= self.last_entry()
    }
}

/// Everything up to here has its fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermark {
    /// The number of the last entry passed.
    pub entry: u64,
    /// How many of the entries up to it were enrolls.
    pub enrolls: u64,
    /// How many of the entries up to it were advances.
    pub advances: u64,
    /// The first offset of the queue topic that may still be needed: what lies below may be deleted.
    pub offset: i64,
}

impl Watermark {
    /// How many of each kind lie between an earlier one and this.
    pub(super) fn beyond(&self, earlier: &Self) -> PerKind {
        let of = |mark: &Self| PerKind { enroll: mark.enrolls, advance: mark.advances };
        of(self).minus(of(earlier))
    }
}

/// A line in the queue: what lies up to it is removed, not released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub entry: u64,
    pub reason: LineReason,
    /// The command that drew it; `None` for the timer.
    pub command: Option<CommandId>,
}

/// What lies up to an entry is purged: removed, whatever becomes of the pause meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    pub entry: u64,
    /// Who ordered it.
    pub command: CommandId,
    /// What it has removed so far.
    pub removed: PerKind,
}

/// Some of what is held is released while the flow stays paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Who ordered it.
    pub command: CommandId,
    pub wanted: Wanted,
    /// What it has released so far.
    pub released: PerKind,
}

/// What a sample is to release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// So many more from the head of the queue.
    Count { left: u64 },
    /// What is held of these records up to this entry, wherever it stands.
    Records { ids: Vec<RecordId>, through_entry: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineReason {
    /// `resume` with `release: none`.
    ReleaseNone,
    /// The deadline of a pause with `on_expiry: discard`.
    Expired,
}

/// A change of a flow that the audit tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The first event or pause of a flow.
    Seen,
    /// Live -> paused.
    Paused,
    /// Paused, with other options.
    Updated,
    /// Paused -> resuming.
    Resumed(Cause),
    /// Resuming, with other orders.
    Redirected,
    /// Resuming -> paused.
    Repaused,
    /// Resuming -> live: everything held has its fate.
    WentLive,
    /// Paused: what is held is being removed.
    Purging,
    /// Everything up to the line of a purge has its fate.
    Purged(Done),
    /// Paused: some of what is held is being released.
    Sampling,
    /// What was ordered is released, or nothing was left, or the pause ended.
    Sampled(Done),
    /// What somebody deleted is counted as lost, and the watermark is behind it.
    LossAccepted(Loss),
    /// Paused, and about to resume by the timer.
    Expiring(Warning),
    /// It is not known any more.
    Forgotten,
}

/// What was lost: it goes from this entry on to the watermark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub done: Done,
    pub first_entry: u64,
}

/// What an order has done, now that it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    pub command: CommandId,
    pub count: PerKind,
}

impl Transition {
    /// Whether it sets a deadline or comes from one, so that the clock has to be right.
    #[must_use]
    pub fn is_by_the_clock(&self) -> bool {
        match self {
            Self::Paused | Self::Updated | Self::Repaused | Self::Resumed(Cause::Timer) | Self::Expiring(_) => true,
            Self::Seen
            | Self::Resumed(Cause::Resume)
            | Self::Redirected
            | Self::WentLive
            | Self::Purging
            | Self::Purged(_)
            | Self::Sampling
            | Self::Sampled(_)
            | Self::LossAccepted(_)
            | Self::Forgotten => false,
        }
    }
}

impl Flow {
    /// How many commands a flow remembers (promise P6).
    pub const REMEMBERED_COMMANDS: usize = 64;

    /// A flow at its first event or pause: live, with nothing held.
    #[must_use]
    pub fn new(id: FlowId, now: Timestamp) -> Self {
        Self {
            id,
            state: State::Live,
            counts: Counts::default(),
            at_pause: Counts::default(),
            withdrawn: 0,
            queue: Queue::default(),
            sample: None,
            commands: VecDeque::new(),
            updated_at: now,
        }
    }

    /// Whether it is as its first event made it: nothing is to be remembered but its id and when that came.
    #[must_use]
    pub fn is_new(&self) -> bool {
        matches!(self.state, State::Live) && *self == Self::new(self.id.clone(), self.updated_at)
    }

    /// When its pause ends by itself; `None` unless paused.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.state {
            State::Paused(pause) => Some(pause.resumes_at),
            State::Live | State::Resuming { .. } => None,
        }
    }

    /// When the flow wants [`Flow::strike`] to be called: for a warning, or for its deadline. `None` unless paused.
    #[must_use]
    pub fn next_moment(&self) -> Option<Timestamp> {
        let State::Paused(pause) = &self.state else { return None };
        let next = Warning::ALL.into_iter().find(|warning| pause.warned < Some(*warning));
        Some(next.map_or(pause.resumes_at, |warning| pause.resumes_at.before(warning.ahead())))
    }

    #[must_use]
    pub fn drain(&self) -> Option<&Drain> {
        match &self.state {
            State::Resuming { drain, .. } => Some(drain),
            State::Live | State::Paused(_) => None,
        }
    }

    /// Records a second that its drain releases; `None` is no limit.
    #[must_use]
    pub fn max_rate(&self) -> Option<Rate> {
        self.drain().and_then(|drain| drain.max_rate)
    }

    /// The pause in force, or the one whose backlog is being passed.
    #[must_use]
    pub fn pause(&self) -> Option<&Pause> {
        match &self.state {
            State::Live => None,
            State::Paused(pause) | State::Resuming { pause, .. } => Some(pause),
        }
    }

    /// The word of the state on the wire and in metrics.
    #[must_use]
    pub fn state_word(&self) -> &'static str {
        match &self.state {
            State::Live => "live",
            State::Paused(_) => "paused",
            State::Resuming { .. } => "resuming",
        }
    }
}

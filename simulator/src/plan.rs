//! A schedule: everything that will happen, as data. Each operation makes sense whatever came before it, so that any of
//! them can be left out: that is how a failing schedule is made small.

use std::fmt;

use serde_json::Value;

/// Workers at most, each on a machine of its own.
pub const MACHINES: usize = 3;

pub const PARTITIONS: i32 = 3;

/// Some of them share a home.
pub const FLOWS: [&str; 6] = ["welcome", "b", "f", "cart", "naïve 流", "again"];

#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub shape: Shape,
    pub ops: Vec<Op>,
}

/// What the workers and the broker are told at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub turn_records: usize,
    pub turn_bytes: usize,
    pub turn_backlog: usize,
    pub turn_topics: usize,
    pub turn_slice: usize,
    pub index_bytes: usize,
    /// Seconds.
    pub queue_ttl: u64,
    /// Seconds.
    pub max_pause: u64,
    /// The broker takes records of so many bytes downstream.
    pub records_bytes: Option<u32>,
    /// Pauses that are left at the end are ended by their timers, not by an operator.
    pub patient: bool,
    pub lag: Lag,
    /// The group keeps the places of the machines' processes under their names.
    pub places: bool,
    /// Whoever is not stepped while time passes does not poll either, and the group throws it out after five minutes. Else
    /// that happens only to those in the middle of a turn.
    pub hangs: bool,
}

/// How slowly readers and members are shown what is in the logs, up to these; both 0: at once.
#[derive(Clone, Copy, Debug)]
pub struct Lag {
    /// Polls that bring nothing after a partition was given a position.
    pub empty_polls: u64,
    /// Records of a partition in a poll.
    pub records: u64,
}

#[derive(Clone, Debug)]
pub enum Op {
    Send(Event),
    /// Many events of one flow, each of a record of its own.
    Burst {
        flow: &'static str,
        kind: &'static str,
        first: u32,
        count: u32,
    },
    Command {
        id: String,
        flow: String,
        action: &'static str,
        more: Value,
    },
    /// Something in the control topic that is no command.
    Noise(&'static str),
    /// One of the machines goes on by so many steps.
    Step {
        machine: usize,
        steps: u64,
    },
    /// It goes on until it is about to begin this phase, but not for ever.
    StepTo {
        machine: usize,
        phase: &'static str,
    },
    /// A process starts; one that hangs there is left behind as a zombie.
    Start {
        machine: usize,
    },
    Crash {
        machine: usize,
    },
    /// SIGTERM.
    Stop {
        machine: usize,
    },
    /// It hangs, sending no heartbeats.
    Freeze {
        machine: usize,
    },
    /// It wakes up, and zombies of that machine with it.
    Thaw {
        machine: usize,
    },
    /// A zombie of that machine takes so many steps.
    Zombie {
        machine: usize,
        steps: u64,
    },
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The machine's clock differs from the broker's by so many milliseconds from now on.
    Clock {
        machine: usize,
        ahead: i64,
    },
    /// The cleaner runs over the queues and the state, up to so many quarters of each log.
    Clean {
        quarters: i64,
        tombstones: bool,
    },
    /// Retention takes what is too old from every topic, and everything that was read from the enrollments.
    Retain,
    /// Markers that lag are written.
    Markers,
    /// Late requests arrive.
    Strays,
    /// A later call meets a fault.
    Arm(Armed),
    /// Processes that start from now on let a pause last so many seconds.
    MaxPause(u64),
    /// The group's offsets go or change, if nobody runs.
    Lose(Loss),
    /// Somebody deletes so many quarters of a flow's queue from its beginning, or the whole topic.
    Delete {
        flow: &'static str,
        quarters: Option<i64>,
    },
}

/// What becomes of committed offsets.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// Nobody runs for a week: all of them are gone.
    Expired,
    /// That of a partition lies before its partition record's, by so much if there is so much.
    SetBack { partition: i32, by: i64 },
    /// That of a partition lies behind the end of its log.
    SetAhead { partition: i32 },
}

/// An upstream's headers.
pub type Headers = &'static [(&'static str, Option<&'static str>)];

/// The length of what is too large for `flow.records` in some seeds, even compressed; other padding is shorter.
pub const NOISE: usize = 4_000;

/// The length of what is too large for `flow.records` in some seeds, unless it is compressed.
pub const LARGE: usize = 3_000;

#[derive(Clone, Debug)]
pub struct Event {
    pub flow: &'static str,
    pub value: Vec<u8>,
    /// As the Java client would choose, unless given.
    pub partition: Option<i32>,
    pub key: bool,
    /// Milliseconds since 1970; else the time of sending.
    pub timestamp: Option<i64>,
    pub headers: Headers,
}

impl Event {
    /// In how many ways it is not what the gate likes best.
    #[must_use]
    pub fn oddities(&self) -> usize {
        let large = self.value.len() >= LARGE;
        let odd = [self.partition.is_some(), !self.key, self.timestamp.is_some(), !self.headers.is_empty(), large];
        odd.into_iter().filter(|odd| *odd).count()
    }
}

/// A fault that waits for its call.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    pub kind: Kind,
    /// Calls that go well before.
    pub after: u32,
}

/// What can go wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    CommitLostAnswer,
    CommitLostRequest,
    CommitSlowAnswer,
    CommitRefused,
    CommitRetried,
    CommitMarkersLag,
    AbortReplaced,
    AbortMarkersLag,
    SendRefused,
    /// A broker that has just come back says that a topic does not exist, and the producer believes it for good.
    SendMissesATopic,
    OffsetsStale,
    OffsetsRetried,
    OffsetsUnanswered,
    CreateDenied,
    CreateRefused,
    CreateTimedOut,
    CreateUnanswered,
    LeadersUnknown,
    PollFails,
    PollFatal,
    /// The group takes an earlier join of the member's own for another process's.
    PollFenced,
    ReaderPollFails,
    ReaderPollFatal,
    AssignFatal,
    WatermarksFail,
    CommittedBusy,
    StandingUnknown,
    FetchFromFails,
    InitialiseBusy,
    InitialiseUnanswered,
    ProveFails,
    ProveLost,
    ProveReplaced,
    JoinFails,
    AcknowledgeFails,
    BeginFails,
    AbortRetried,
    AbortLost,
    PartitionsFail,
    DeleteRecordsPostponed,
    DeleteTopicsPostponed,
    DeleteFails,
    /// The answer takes longer than a session lasts.
    LateCommit,
    LateOffsets,
    LatePoll,
    LateDelete,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(event) => {
                let value = String::from_utf8_lossy(&event.value);
                let shown: String = value.chars().take(120).collect();
                write!(f, "send {shown}")?;
                if let Some(partition) = event.partition {
                    write!(f, " to partition {partition}")?;
                }
                if let Some(timestamp) = event.timestamp {
                    write!(f, " stamped {timestamp}")?;
                }
                if !event.key {
                    f.write_str(" without key")?;
                }
                event.headers.iter().try_for_each(|(name, value)| write!(f, " {name}={}", value.unwrap_or("null")))
            }
            Self::Burst { flow, kind, first, count } => write!(f, "send {count} {kind}s of {flow}, from {first}"),
            Self::Command { id, flow, action, more } => write!(f, "command {id}: {action} {flow} {more}"),
            Self::Noise(text) => write!(f, "noise in the control topic: {text}"),
            Self::Step { machine, steps } => write!(f, "machine {machine}: {steps} steps"),
            Self::StepTo { machine, phase } => write!(f, "machine {machine}: on to `{phase}`"),
            Self::Start { machine } => write!(f, "machine {machine}: start"),
            Self::Crash { machine } => write!(f, "machine {machine}: crash"),
            Self::Stop { machine } => write!(f, "machine {machine}: SIGTERM"),
            Self::Freeze { machine } => write!(f, "machine {machine}: freeze"),
            Self::Thaw { machine } => write!(f, "machine {machine}: thaw"),
            Self::Zombie { machine, steps } => write!(f, "machine {machine}: its zombies take {steps} steps"),
            Self::Wait(millis) => write!(f, "{millis} ms pass"),
            Self::Clock { machine, ahead } => write!(f, "machine {machine}: clock {ahead} ms ahead"),
            Self::Clean { quarters, tombstones } => {
                write!(f, "the cleaner runs over {quarters}/4, tombstones {}", if *tombstones { "too" } else { "stay" })
            }
            Self::Retain => f.write_str("retention runs"),
            Self::Markers => f.write_str("lagging markers are written"),
            Self::Strays => f.write_str("late requests arrive"),
            Self::MaxPause(seconds) => write!(f, "whoever starts lets a pause last {seconds} s"),
            Self::Lose(Loss::Expired) => f.write_str("nobody runs for a week: offsets expire"),
            Self::Lose(Loss::SetBack { partition, by }) => {
                write!(f, "offset of partition {partition} set back by {by}")
            }
            Self::Lose(Loss::SetAhead { partition }) => write!(f, "offset of partition {partition} set behind the end"),
            Self::Delete { flow, quarters: Some(quarters) } => {
                write!(f, "somebody deletes {quarters}/4 of the queue of {flow}")
            }
            Self::Delete { flow, quarters: None } => write!(f, "somebody deletes the queue topic of {flow}"),
            Self::Arm(Armed { kind, after }) => write!(f, "to come: {kind:?} after {after} calls"),
        }
    }
}

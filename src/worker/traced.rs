//! What turns that hold have done with events and commands that belong to recorded traces: facts, for whoever makes spans of them. A
//! worker without [`super::Options::sampling`] notes none.

use std::sync::Arc;

use crate::flow::{CommandId, FlowId};
use crate::schema::trace_parent::TraceParent;
use crate::time::Timestamp;

/// A turn in which there was at least one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedTurn {
    pub name: String,
    pub worker: usize,
    /// When it began to gather, and when its commit was known.
    pub began: Timestamp,
    pub ended: Timestamp,
    /// How many events it has delivered, held and released in all, traced or not.
    pub delivered: u64,
    pub held: u64,
    pub released: u64,
    pub events: Vec<TracedEvent>,
    pub commands: Vec<TracedCommand>,
    /// Events and commands beyond what is noted of one turn.
    pub missed: u64,
}

/// An event of a recorded trace, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedEvent {
    pub parent: TraceParent,
    /// Where it stands in the input.
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
    /// `None`: it could not be read.
    pub flow: Option<FlowId>,
    pub fate: Fate,
    /// `None`: it was not held, before this turn or by it.
    pub hold: Option<Hold>,
}

/// What became of an event in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    Held,
    /// Delivered, after it was held.
    Released,
    /// A newer event of its record has taken its place.
    Replaced,
    /// Held, and not delivered because somebody ordered so.
    Removed,
    /// Not held, because the pause takes no new records.
    TurnedAway,
    /// Written to its home partition, where it comes again.
    Rerouted,
    DeadLettered,
}

impl Fate {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Released => "released",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::TurnedAway => "turned_away",
            Self::Rerouted => "rerouted",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// As an entry of its flow's queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub pause: String,
    pub entry: u64,
    pub since: Timestamp,
}

/// A command, and what a partition has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedCommand {
    /// `None`: whoever sent it was in no trace that is recorded. It is noted all the same: there are few of them.
    pub parent: Option<TraceParent>,
    pub id: CommandId,
    /// `invalid`: it is none of those that there are.
    pub action: String,
    /// `None`: every flow.
    pub flow: Option<FlowId>,
    pub partition: i32,
    /// Where it stands in the control topic.
    pub offset: i64,
    /// When it was given, as whoever gave it says, or else when the broker stored it.
    pub issued_at: Timestamp,
    pub verdict: &'static str,
}

/// Those of one turn, while it is decided.
#[derive(Debug, Default)]
pub struct Traced {
    pub events: Vec<TracedEvent>,
    pub commands: Vec<TracedCommand>,
    pub missed: u64,
}

/// Noted of one turn: a turn takes 100,000 events.
const MOST: usize = 1_000;

/// Turns that wait to be taken. Who does not take them loses the oldest.
pub(super) const TURNS: usize = 64;

impl Traced {
    pub fn event(&mut self, event: TracedEvent) {
        if self.events.len() < MOST { self.events.push(event) } else { self.missed += 1 }
    }

    pub fn command(&mut self, command: TracedCommand) {
        if self.commands.len() < MOST { self.commands.push(command) } else { self.missed += 1 }
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.commands.is_empty()
    }
}

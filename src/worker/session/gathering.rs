//! What is polled for the first slice of a turn, and how far that has come.

use super::table::Table;
use crate::broker::Record;
use crate::time::Timestamp;

/// What a turn is made from.
#[derive(Default)]
pub struct Gathered {
    pub commands: Vec<Record>,
    pub events: Vec<Record>,
    /// Partitions without events whose reader has passed gaps, and to where.
    pub passed: Vec<(i32, i64)>,
    /// More commands wait than a turn takes: they come before everything else.
    pub only_commands: bool,
}

/// The polling for the first slice of a turn, under way.
pub struct Gather {
    pub next: Next,
    pub began: Option<Timestamp>,
    pub gathered: Gathered,
    /// How far the control topic was read for this turn.
    pub scan: i64,
    /// A turn takes no more commands than were gathered.
    pub full_of_commands: bool,
    /// When held entries were first asked for, and whether this turn waits for the last of them.
    pub backlog_began: Option<Timestamp>,
    pub waits: bool,
    /// The turn before could not take every command that was known to be there.
    pub was_behind: bool,
    /// Where the control topic ends was asked, and not answered: once is enough for one turn.
    pub unanswered: bool,
    /// Topics that it began to read for indexes.
    pub indexes_begun: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Join,
    Commands,
    /// Where the control topic ends.
    End,
    /// How far the control reader is, past gaps at the end too.
    Scan,
    Backlog,
    /// What is read for indexes that are behind.
    Indexes,
    Events,
    /// How far the member is in a partition that brings nothing, past gaps.
    Position(i32),
}

impl Gather {
    pub fn new(table: &Table) -> Self {
        let scan = table.control_scan;
        Self {
            next: Next::Join,
            began: None,
            gathered: Gathered::default(),
            scan,
            full_of_commands: false,
            backlog_began: None,
            waits: false,
            was_behind: scan < table.control_floor,
            unanswered: false,
            indexes_begun: 0,
        }
    }
}

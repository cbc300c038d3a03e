//! Reads the control topic for a turn. A turn takes a bounded number of commands; if more of them wait, it holds nothing
//! else, and the next one goes on where it stopped: no timer and no event comes before a command that was recorded earlier.
//!
//! That nothing more comes does not prove that nothing waits. So the end of the topic is asked for before a timer fires, and
//! when a turn is full of commands; up to there everything is applied first, and what was recorded later waits for the next
//! turn: commands that keep coming hold nobody up.

use std::time::Duration;

use super::clients::in_hand;
use super::failed::Failed;
use super::gather::Onward;
use super::phase::{Phase, Step};
use super::session::chore::Chore;
use super::session::gathering::{Gather, Next};
use super::session::owned::Stage;
use super::session::shape::ONLY;
use super::session::table::Table;
use super::session::wait::left;
use super::{BACKOFF, Worker};
use crate::broker::{Action, Broker, PollLimit, Polled, Reader, sizes};
use crate::mutant::{self, Mutant};
use crate::time::Timestamp;

/// The member is polled at least so often, however many commands wait.
const MEMBER: Duration = Duration::from_secs(1);

impl Table {
    /// Whether the member has to be polled before anything else: for a while it was not, or the group has moved on.
    fn member_waits(&self, now: Timestamp) -> bool {
        self.stale || left(self.member_polled, MEMBER, now).is_none()
    }
}

impl<B: Broker> Worker<B> {
    pub(super) fn gather_commands(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        let budget = self.budget();
        let commands = &mut gather.gathered.commands;
        let before = commands.len();
        // What the turn before has left, or came between its slices, comes first.
        commands.append(&mut self.table.commands_ahead);
        // One for every flow that is under way needs no more of them.
        let goes_on = std::mem::take(&mut self.table.every_under_way);
        let bytes = sizes(commands);
        let limit = PollLimit {
            records: budget.commands.saturating_sub(commands.len()),
            bytes: budget.bytes.saturating_sub(bytes),
            wait: Duration::ZERO,
        };
        if !goes_on && limit.records > 0 && limit.bytes > 0 {
            let polled = in_hand(&mut self.clients)?.control.poll(limit, commands)?;
            if let Polled::OutOfRange { low, .. } = polled {
                if !gather.gathered.events.is_empty() || !gather.gathered.commands.is_empty() {
                    // What was gathered goes with the gathering.
                    self.rewind();
                }
                self.go_on_from_command(low);
                return Ok(Onward::Leave(Phase::Chores, Step::Progress));
            }
        }
        let new = &gather.gathered.commands[before..];
        gather.scan = new.last().map_or(gather.scan, |last| gather.scan.max(last.offset + 1));
        if goes_on {
            return Ok(self.only_commands(gather, now));
        }
        let all = &gather.gathered.commands;
        gather.full_of_commands = all.len() >= budget.commands || sizes(all) >= budget.bytes;
        let introducing = self.table.owned.values().any(|owned| matches!(owned.stage, Stage::Introducing));
        let behind = gather.scan < self.table.control_floor;
        gather.next = match gather.full_of_commands {
            true if behind => return Ok(self.only_commands(gather, now)),
            true if gather.was_behind => self.next_for_timers(gather, now),
            true => Next::End,
            // More may wait.
            false if gather.gathered.commands.len() > before => Next::Commands,
            false if introducing || behind => Next::Scan,
            false => self.next_for_timers(gather, now),
        };
        Ok(Onward::Step(Step::Progress))
    }

    /// Retention deleted commands that nobody was up to take: what is left is applied.
    pub(super) fn go_on_from_command(&mut self, low: i64) {
        tracing::warn!(low, "commands were deleted before they could be applied");
        self.chores.push_back(Chore::ReadControl { from: Some(low) });
    }

    /// The turn is for commands alone.
    fn only_commands(&mut self, gather: &mut Gather, now: Timestamp) -> Onward<B> {
        gather.gathered.only_commands = !mutant::is(Mutant::EventsWhileMoreCommandsWait);
        if self.table.member_waits(now) {
            // The group is heard of by the member's poll alone. What that brings is read again.
            gather.next = Next::Events;
            return Onward::Step(Step::Progress);
        }
        Onward::Decide
    }

    /// What follows the commands: the question whether there are more, if a timer has become due since it was asked.
    fn next_for_timers(&self, gather: &Gather, now: Timestamp) -> Next {
        match !gather.unanswered && self.table.is_timer_due(self.table.floor_asked, now) {
            true => Next::End,
            false => Next::Backlog,
        }
    }

    /// Where the control topic ends now.
    pub(super) fn gather_end(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        // By a client that does not wait for commands just now.
        let marks = in_hand(&mut self.clients)?.stable.watermarks(&self.options.topics.control, ONLY);
        match marks {
            Ok(marks) => {
                self.table.floor_asked = Some(now);
                self.table.control_floor = self.table.control_floor.max(marks.end);
                gather.next = Next::Scan;
                Ok(Onward::Step(Step::Progress))
            }
            Err(error) if error.action == Action::Retry => {
                self.stats.trouble(&error);
                if gather.full_of_commands {
                    return Ok(match self.only_commands(gather, now) {
                        Onward::Decide => Onward::DecideAndWait(BACKOFF),
                        _ => Onward::Step(Step::Waiting(BACKOFF)),
                    });
                }
                // Timers wait for the answer, and nothing else does.
                gather.unanswered = true;
                gather.next = Next::Backlog;
                Ok(Onward::Step(Step::Waiting(BACKOFF)))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// How far the reader is, past gaps too.
    pub(super) fn gather_scan(&mut self, gather: &mut Gather, now: Timestamp) -> Result<Onward<B>, Failed> {
        let position = in_hand(&mut self.clients)?.control.position(&self.options.topics.control, ONLY)?;
        let ends = || self.table.owned.values().map(|owned| owned.control_end).max();
        let position = match mutant::is(Mutant::EmptyPollTakenForAllCommandsRead) {
            true => ends(),
            false => position,
        };
        gather.scan = gather.scan.max(position.unwrap_or_default());
        let behind = gather.scan < self.table.control_floor;
        // What does not come for long must not keep the member from its poll, nor a stop from being seen.
        if behind && (gather.full_of_commands || self.table.member_waits(now)) {
            return Ok(self.only_commands(gather, now));
        }
        if behind {
            // What is known to be there comes before any timer and any event. An abort puts the reader back, too.
            gather.next = Next::Commands;
            return Ok(Onward::Step(Step::Waiting(Duration::from_millis(5))));
        }
        gather.next = self.next_for_timers(gather, now);
        Ok(Onward::Step(Step::Progress))
    }
}

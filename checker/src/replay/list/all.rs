//! What commands for `*` make of the list.
//!
//! They are played like everything else, where they stand among the flow's own happenings. What nobody ordered and stands at
//! the same place of the input may have come before such a command or behind it: as long as that is open, the command waits.

use super::{List, Owed, State};
use crate::replay::audit::{Cause, Happening};
use crate::replay::difference::Departure;
use crate::replay::everyone::Everyone;
use crate::replay::orders::Order;

impl<'a> List<'a> {
    /// Plays the commands for `*` that come before the next happening of the flow, or before the event at an offset.
    pub(super) fn play_all(&mut self, next: Option<&Happening>, event: i64) {
        while let Some(command) = self.everyone().get(self.next_all) {
            let is_reached = next.map_or(command.input <= event, |next| !is_behind(command, next));
            if !is_reached || self.script.broken_off {
                return;
            }
            // A sample ends before its pause does.
            let is_of_it = |next: &Happening| next.offset == Some(command.offset) && next.word != "sampled";
            let is_open = next.is_some_and(|next| !is_of_it(next) && !is_ahead(command, next));
            if is_open && self.made.contains(&command.offset) {
                return;
            }
            if let Some(word) = self.effect(command) {
                match next {
                    Some(next) if next.offset == Some(command.offset) && next.word == word => {
                        self.due = Some(command.offset);
                    }
                    _ if is_open => return,
                    _ => {
                        let why = format!("is for `*`, and the flow is not {word}");
                        self.script.contradictions.push(Departure::Audit { at: command.at.clone(), why });
                    }
                }
            }
            self.default = command.default.as_ref();
            self.next_all += 1;
        }
    }

    /// The word of the transition that a command for `*` makes.
    fn effect(&self, command: &Everyone) -> Option<&'static str> {
        match (&command.order, self.state) {
            _ if !self.known => None,
            (Order::Pause(_), State::Live) => Some("paused"),
            (Order::Pause(_), State::Resuming) => Some("repaused"),
            (Order::Pause(_), State::Paused) => self.by_all.then_some("updated"),
            (Order::Resume(_), State::Paused) => self.by_all.then_some("resumed"),
            (Order::Resume(order), State::Resuming) => (self.by_all && order.says_anything()).then_some("redirected"),
            (Order::Resume(_), State::Live) => None,
        }
    }

    /// Takes a transition that a command for `*` has made. Returns the word for what it makes of the list.
    pub(super) fn order_all(&mut self, order: Order, happening: &Happening) -> &'static str {
        let is_first = self.owed.take().is_some();
        if !is_first && self.due.take() != happening.offset {
            return "nothing that a command for `*` makes there";
        }
        match (order, self.default) {
            (Order::Pause(_), Some(default)) => {
                let id = if is_first { default.pause_id() } else { format!("pause-{}", default.newest) };
                let word = self.order_pause(default.order, true);
                if happening.offset != Some(default.newest) {
                    self.contradiction(happening, "names another command than the newest for `*`".to_owned());
                } else if word != "updated" && happening.pause.as_deref() != Some(&*id) {
                    self.contradiction(happening, format!("does not name its pause {id}"));
                }
                word
            }
            (Order::Pause(_), None) => "nothing that the list knows",
            (Order::Resume(order), _) => self.order_resume(order, happening.at_ms),
        }
    }

    /// The flow is first seen: under a default it is paused next.
    pub(super) fn first_seen(&mut self, happening: &Happening) {
        let holds = self.default.map(|default| default.holds(happening.at_ms));
        let owed = Owed { at: happening.at.clone(), certain: holds == Some(Some(true)) };
        self.owed = Some(owed).filter(|_| holds.is_some_and(|holds| holds != Some(false)));
    }

    /// An event comes of which the audit does not say that the flow was seen: under a default that cannot be.
    pub(super) fn pass_unseen(&mut self, offset: i64) {
        let holds = self.default.zip(self.clock.behind(offset)).and_then(|(default, at_ms)| default.holds(at_ms));
        if let (Some(true), Some(command)) =
            (holds, self.next_all.checked_sub(1).and_then(|at| self.everyone().get(at)))
        {
            let why = format!("is for `*`, and an event at {offset} finds the flow neither seen nor paused");
            self.script.contradictions.push(Departure::Audit { at: command.at.clone(), why });
        }
    }

    fn everyone(&self) -> &'a [Everyone] {
        self.flow.everyone
    }

    /// Something else than its first pause comes to a flow.
    pub(super) fn settle_owed(&mut self, next: Option<&Happening>) {
        if next.is_some_and(|next| matches!(next.cause, Cause::ForAll(_)) && next.word == "paused") {
            return;
        }
        if let Some(owed) = self.owed.take().filter(|owed| owed.certain) {
            let why = "is not followed by the pause of the default".to_owned();
            self.script.contradictions.push(Departure::Audit { at: owed.at, why });
        }
    }
}

/// Whether a command comes behind a happening for certain.
fn is_behind(command: &Everyone, happening: &Happening) -> bool {
    happening.position.input < command.input || happening.turn.is_some_and(|turn| turn < command.offset)
}

/// Whether a command comes ahead of a happening for certain. (A flow is first seen by a command, or by the very event.)
fn is_ahead(command: &Everyone, happening: &Happening) -> bool {
    let seen_by_event = happening.turn.is_none() && happening.word == "seen";
    happening.position.input > command.input
        || seen_by_event
        || happening.turn.is_some_and(|turn| turn > command.offset)
}

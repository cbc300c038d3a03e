//! What a transition makes of the list.

use super::{List, Pause, State};
use crate::replay::audit::{Cause, Happening};
use crate::replay::difference::Departure;
use crate::replay::orders::{Order, PauseOrder, ResumeOrder};

impl List<'_> {
    /// The next one in the audit.
    pub(super) fn next(&mut self, happening: &Happening) {
        if let Cause::Answer { expect, errand } = &happening.cause {
            self.answer(happening, expect.as_ref(), errand.as_ref());
            return;
        }
        self.known = happening.word != "forgotten";
        if std::mem::take(&mut self.forgotten) && happening.word != "seen" {
            self.contradiction(happening, "comes to a flow that was forgotten and not seen again".to_owned());
        }
        self.settle_owed(Some(happening));
        if self.script.broken_off {
            return;
        }
        if happening.word == "seen" {
            self.first_seen(happening);
            return;
        }
        if self.command.is_none() || self.command != happening.offset {
            self.pauses.1.clone_from(&self.pauses.0);
            self.command = happening.offset;
        }
        self.happen(happening);
        self.pauses.0 = happening.pause.clone().filter(|_| self.state != State::Live);
    }

    fn happen(&mut self, happening: &Happening) {
        if happening.position.entry != self.entries {
            let why = format!("says entry {}, the list has {}", happening.position.entry, self.entries);
            self.contradiction(happening, why);
            self.entries = happening.position.entry;
        }
        let watermark = happening.position.watermark;
        // What is accepted as lost is not passed.
        let is_loss = happening.word == "loss_accepted";
        let passed = if is_loss { happening.first.map_or(0, |first| first.saturating_sub(1)) } else { watermark };
        if passed < self.watermark || passed > watermark || watermark > self.entries {
            self.contradiction(happening, format!("has the impossible watermark {watermark}"));
        } else if !self.passes() && passed != self.watermark {
            self.contradiction(happening, "says that entries were passed, but nothing was released".to_owned());
        }
        if self.passes() && self.pass(passed) {
            self.contradiction(happening, "passed more than was ordered".to_owned());
        }
        if is_loss {
            self.lose(watermark);
        }
        self.watermark = watermark;
        self.close(false);
        let ends = ["resumed", "expired", "purging", "purged"].contains(&happening.word.as_str());
        if std::mem::take(&mut self.cut_off) && !ends {
            self.contradiction(happening, "comes behind the end of a sample that was not done".to_owned());
        }
        let before = self.state;
        let word = match (&happening.cause, before) {
            _ if matches!(happening.word.as_str(), "purged" | "sampled") => self.end_errand(happening),
            (Cause::Command(Order::Pause(order)), _) => self.order_pause(*order, false),
            (Cause::Command(Order::Resume(order)), State::Paused | State::Resuming) => {
                self.order_resume(*order, happening.at_ms)
            }
            (Cause::ForAll(order), _) => self.order_all(*order, happening),
            (Cause::Errand(errand), _) => self.order_errand(errand, happening),
            (Cause::NoCommand, State::Paused) if happening.word == "expired" => {
                self.state = State::Resuming;
                self.max_age = None;
                self.doom(self.pause.discard_at_expiry);
                "expired"
            }
            // A lowered limit moves the deadline, which the list does not know.
            (Cause::NoCommand, State::Paused) if happening.word == "updated" => "updated",
            (Cause::NoCommand, State::Paused) if happening.word == "expiring" => "expiring",
            (Cause::NoCommand, State::Resuming) if happening.word == "live" => {
                self.go_live(happening);
                "live"
            }
            _ => "nothing that the list knows",
        };
        if before == State::Paused && self.state == State::Resuming && self.sample.take().is_some() {
            self.contradiction(happening, "ends a pause whose sample has not ended".to_owned());
        }
        if word != happening.word {
            self.contradiction(happening, format!("{:?} while {before:?}: the list makes it {word}", happening.word));
            self.script.broken_off = true;
        }
    }

    fn go_live(&mut self, happening: &Happening) {
        if self.watermark != self.entries {
            self.contradiction(happening, "went live before everything was passed".to_owned());
        }
        if self.purge.take().is_some() {
            self.contradiction(happening, "went live before the end of a purge".to_owned());
        }
        self.state = State::Live;
        self.held.clear();
        self.places.clear();
        self.passed = 0;
    }

    pub(super) fn contradiction(&mut self, happening: &Happening, why: String) {
        self.script.contradictions.push(Departure::Audit { at: happening.at.clone(), why });
    }

    pub(super) fn order_pause(&mut self, order: PauseOrder, by_all: bool) -> &'static str {
        let before = std::mem::replace(&mut self.state, State::Paused);
        (self.paused_once, self.by_all) = (true, by_all);
        if before != State::Paused || by_all {
            self.pause = Pause::default();
        }
        if before != State::Paused {
            // What `release: none` was to discard is held again like the rest.
            self.doom(false);
        }
        let pause = &mut self.pause;
        pause.turn_away = order.turn_away.unwrap_or(pause.turn_away);
        pause.keep_all = order.keep_all.unwrap_or(pause.keep_all);
        pause.discard_at_expiry = order.discard_at_expiry.unwrap_or(pause.discard_at_expiry);
        match before {
            State::Live => "paused",
            State::Paused => "updated",
            State::Resuming => "repaused",
        }
    }

    pub(super) fn order_resume(&mut self, order: ResumeOrder, at_ms: i64) -> &'static str {
        let before = std::mem::replace(&mut self.state, State::Resuming);
        if before == State::Paused {
            self.max_age = None;
            self.doom(order.discard.unwrap_or(false));
        } else if let Some(discard) = order.discard {
            self.doom(discard);
        }
        if let Some(limit) = order.max_age_ms {
            self.max_age = Some((limit, at_ms));
        }
        if before == State::Paused { "resumed" } else { "redirected" }
    }

    /// Whether what is held now is to be discarded.
    fn doom(&mut self, doomed: bool) {
        for held in &mut self.held[self.passed..] {
            held.doomed = doomed;
        }
    }
}

//! Which orders are in force after a transition: what its command says, and what stays.
//!
//! Absent options take their defaults in a new pause, in a re-pause and in a new drain, and stay in an update.

use serde_json::Value;

use crate::follow::Transition;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PauseOptions {
    /// `new_records: discard`
    pub discard: bool,
    /// `keep: all`
    pub all: bool,
    /// `on_expiry: discard`
    pub discard_at_expiry: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DrainOrders {
    pub line: Option<Line>,
    pub max_age_ms: Option<i64>,
    /// When the drain was ordered first and last. Ages are measured when the limit was given (docs/contract.md, "The life of a held
    /// event"); any time between these is taken for right here.
    pub ordered_ms: Option<(i64, i64)>,
    pub cause: Cause,
}

/// What lies up to an entry is removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub entry: u64,
    /// The word of `flowgate-reason`.
    pub reason: &'static str,
}

/// What the headers of a release may name as its cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cause {
    #[default]
    Resume,
    Timer,
    /// A timer's drain that got other orders. It names the timer to its end (docs/commands.md, "resume"); both are taken for right
    /// here.
    Either,
}

/// The orders in force after a transition.
pub(crate) fn orders(before: (PauseOptions, DrainOrders), transition: &Transition) -> (PauseOptions, DrainOrders) {
    let (mut pause, mut drain) = before;
    let word = |name: &str| transition.command.as_ref().and_then(|command| command.get(name)).and_then(Value::as_str);
    let entry = transition.position.entry;
    match transition.word.as_str() {
        "paused" | "repaused" => {
            pause = PauseOptions::default();
            pause.update(word);
            // A re-pause lifts the line.
            drain = DrainOrders::default();
        }
        "updated" => {
            if transition.for_all {
                // What all of them order together is all that is ordered.
                pause = PauseOptions::default();
            }
            pause.update(word);
        }
        "resumed" | "redirected" => {
            if transition.word == "resumed" {
                drain = DrainOrders::default();
            }
            match word("release") {
                Some("none") => drain.line = Some(Line { entry, reason: "release_none" }),
                Some("all") => drain.line = None,
                _ => {}
            }
            let age = transition.command.as_ref().and_then(|command| command.get("max_age_seconds"));
            if let Some(seconds) = age.and_then(Value::as_i64) {
                drain.max_age_ms = Some(seconds.saturating_mul(1000));
            }
            if drain.cause == Cause::Timer {
                drain.cause = Cause::Either;
            }
            drain.ordered(transition.at_ms);
        }
        "expired" => {
            let line = pause.discard_at_expiry.then_some(Line { entry, reason: "expired" });
            drain = DrainOrders { line, cause: Cause::Timer, ..DrainOrders::default() };
            drain.ordered(transition.at_ms);
        }
        _ => {}
    }
    (pause, drain)
}

impl PauseOptions {
    /// Takes what a command says; what it does not say stays.
    fn update<'a>(&mut self, word: impl Fn(&str) -> Option<&'a str>) {
        let set = |option: &mut bool, given: Option<&str>, yes: &str| {
            if let Some(given) = given {
                *option = given == yes;
            }
        };
        set(&mut self.discard, word("new_records"), "discard");
        set(&mut self.all, word("keep"), "all");
        set(&mut self.discard_at_expiry, word("on_expiry"), "discard");
    }
}

impl DrainOrders {
    fn ordered(&mut self, at_ms: Option<i64>) {
        self.ordered_ms = at_ms.map(|at| (self.ordered_ms.map_or(at, |(first, _)| first), at));
    }
}

//! What public states say of pauses and drains, against what commands made of them.

use serde_json::Value;

use super::circumstances::Circumstances;
use super::deadlines::of_default;
use super::documents::{Drain, Line, Pause, State, Told};
use super::errands::Errands;
use super::story::{Commands, Story, Wrong};
use crate::gather::Topics;
use crate::states::Counts;
use crate::time::milliseconds;

/// Every public state has the options of its pause, the orders of its drain, the line up to which is discarded and the
/// counts with which its pause began as the transitions before it made them.
pub(super) fn orders(
    story: &Story<'_>,
    commands: &Commands<'_>,
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let transitions: Vec<&Told> =
        story.audit.iter().map(|(_, told)| *told).filter(|told| told.transition.is_some()).collect();
    let has_all = transitions.iter().any(|told| commands.is_for_all(told));
    let mut next = 0;
    let mut orders = Orders::default();
    let (mut counts, mut at_pause) = (Some(Counts::default()), Some(Counts::default()));
    for (record, state) in &story.states {
        // Without them nobody can tell which transitions a state knows of.
        let Some(answered) = &state.commands else { return };
        let newest = answered.last().map_or(-1, |answered| answered.offset);
        let is_known = |told: &&Told| told.command_offset.is_some_and(|offset| offset <= newest);
        let known = transitions[next..].iter().rposition(is_known).map_or(next, |last| next + last + 1);
        for told in &transitions[next..known] {
            orders.change(told, commands, circumstances);
        }
        let caught_up = orders.catch_up((&transitions, known), state, commands, circumstances);
        let is_pause = |told: &&Told| matches!(told.transition.as_deref(), Some("paused" | "repaused"));
        let told = &transitions[next..caught_up];
        let paused = told.iter().any(is_pause);
        let has_lost = told.iter().any(|told| told.transition.as_deref() == Some("loss_accepted"));
        next = caught_up;
        let before = at_pause;
        if paused {
            // Commands come first in a turn: nothing is counted between the state before and the pause, but what a command accepts
            // as lost.
            at_pause = counts.filter(|_| circumstances.every_state && !has_lost);
        }
        if orders.are_those_of(state) {
            let begun = match at_pause {
                // No state names the commands for `*` that it knows of: a pause by one may be of this turn or of the next.
                Some(_) if has_all && [counts, before, state.counts].contains(&state.at_pause) => state.at_pause,
                at_pause => at_pause.or(state.at_pause),
            };
            let errands = orders.errands.differ(state).map(str::to_owned);
            let differs = orders.differ(state).or(errands).or((state.at_pause != begun).then(|| "at_pause".to_owned()));
            if let Some(field) = differs {
                let why = format!("its {field} is not what commands and transitions made it");
                wrong(&Some(state.flow_id.clone()), topics.place("state", record), why);
            }
        }
        (counts, at_pause) = (state.counts, state.at_pause);
    }
}

/// Two gates' clocks are each within 60 s of the broker's.
const CLOCKS_APART_MS: i64 = 120_000;

#[derive(Clone, Debug, Default)]
struct Orders {
    state: &'static str,
    pause_id: Option<String>,
    pause: PauseOptions,
    drain: DrainOrders,
    line: Option<(u64, &'static str, Option<String>)>,
    errands: Errands,
}

#[derive(Clone, Debug, Default)]
struct PauseOptions {
    new_records: String,
    keep: String,
    on_expiry: String,
    expiry_rate: Option<f64>,
    by: Option<String>,
    reason: Option<String>,
    by_all: bool,
    /// Where a default has set its deadline.
    ends: Option<(i64, i64)>,
}

#[derive(Clone, Debug, Default)]
struct DrainOrders {
    command_id: Option<String>,
    cause: &'static str,
    release: String,
    max_rate: Option<f64>,
    max_age_seconds: Option<i64>,
    as_of: Option<i64>,
}

impl Orders {
    fn are_those_of(&self, state: &State) -> bool {
        let live = if self.state.is_empty() { "live" } else { self.state };
        state.state == live && (live == "live" || state.pause.as_ref().map(|pause| &pause.id) == self.pause_id.as_ref())
    }

    /// Behind the newest command only what nobody ordered of this flow can have made a state what it is: as much of that as explains all
    /// of it or, if nothing does, its state and its pause. What came later cannot explain it, and what came earlier must, by
    /// clocks that may have been off. Returns where the next transition is.
    fn catch_up(
        &mut self,
        (transitions, next): (&[&Told], usize),
        state: &State,
        commands: &Commands<'_>,
        circumstances: Circumstances,
    ) -> usize {
        let off_ms = 2 * circumstances.clock_off_ms;
        let is_unordered = |told: &&&Told| told.command_offset.is_none() || commands.is_for_all(told);
        let unordered = transitions[next..].iter().take_while(is_unordered);
        let all = next + unordered.clone().count();
        let written = state.updated_at_ms();
        // For how long a transition lies behind the state, by their clocks.
        let behind = |told: &Told| milliseconds(&told.at).zip(written).map(|(at, written)| at - written);
        let is_earlier = |told: &Told| behind(told).is_some_and(|behind| behind < -off_ms);
        let (mut ahead, mut best, mut in_time) = (self.clone(), None, true);
        for (at, told) in unordered.map(Some).chain([None]).enumerate() {
            if ahead.are_those_of(state) {
                let explains = || ahead.differ(state).is_none() && ahead.errands.differ(state).is_none();
                if in_time && !told.is_some_and(|told| is_earlier(told)) && explains() {
                    *self = ahead;
                    return next + at;
                }
                if best.is_none() || in_time && written.is_some() {
                    best = Some((ahead.clone(), next + at));
                }
            }
            if let Some(told) = told {
                ahead.change(told, commands, circumstances);
                in_time &= behind(told).is_none_or(|behind| behind <= off_ms);
            }
        }
        let (orders, at) = best.unwrap_or((ahead, all));
        *self = orders;
        at
    }

    fn change(&mut self, told: &Told, commands: &Commands<'_>, circumstances: Circumstances) {
        let (command, for_all) = (commands.of(told), commands.is_for_all(told));
        self.errands.change(told, command);
        let entry = told.position.map_or(0, |position| position.entry);
        let text = |name: &str| command.and_then(|command| command.get(name)?.as_str()).map(str::to_owned);
        match told.transition.as_deref().unwrap_or_default() {
            word @ ("paused" | "repaused" | "updated") => {
                let by_all = match word {
                    // A limit that was lowered makes no pause the flow's own.
                    "updated" => self.pause.by_all && (for_all || told.command_offset.is_none()),
                    _ => for_all,
                };
                if word != "updated" {
                    self.line = None;
                }
                if word != "updated" || for_all {
                    self.pause = PauseOptions::default();
                }
                self.state = "paused";
                self.pause.update(command);
                self.pause.by_all = by_all;
                self.pause.ends = of_default(command, circumstances);
            }
            "resumed" => {
                self.state = "resuming";
                self.drain = DrainOrders { cause: "resume", as_of: milliseconds(&told.at), ..DrainOrders::default() };
                self.drain.change(command, told);
                self.line = None;
            }
            "redirected" => self.drain.change(command, told),
            "expired" => {
                self.state = "resuming";
                let discards = self.pause.on_expiry == "discard";
                self.drain = DrainOrders {
                    cause: "timer",
                    release: if discards { "none" } else { "all" }.to_owned(),
                    max_rate: self.pause.expiry_rate,
                    as_of: milliseconds(&told.at),
                    ..DrainOrders::default()
                };
                self.line = discards.then_some((entry, "expired", None));
            }
            "live" => (self.state, self.line) = ("live", None),
            _ => return,
        }
        if matches!(told.transition.as_deref(), Some("resumed" | "redirected")) {
            match text("release").as_deref() {
                Some("none") => self.line = Some((entry, "release_none", text("command_id"))),
                Some(_) => self.line = None,
                None => {}
            }
        }
        self.pause_id.clone_from(&told.pause_id);
    }

    /// The field that differs.
    fn differ(&self, state: &State) -> Option<String> {
        let line = state.queue.as_ref().map(|queue| queue.discard_through.as_ref().map(Line::parts));
        let ours = self.line.as_ref().map(|(entry, reason, command)| (*entry, *reason, command.as_deref()));
        let line = line.filter(|line| *line != ours).map(|_| "queue.discard_through");
        if state.state == "live" {
            return line.map(str::to_owned);
        }
        let pause =
            state.pause.as_ref().and_then(|pause| self.pause.differ(pause)).map(|field| format!("pause.{field}"));
        let drain = match (self.state, &state.drain) {
            ("resuming", Some(drain)) => self.drain.differ(drain).map(|field| format!("drain.{field}")),
            ("resuming", None) | (_, Some(_)) => Some("drain".to_owned()),
            (_, None) => None,
        };
        pause.or(drain).or(line.map(str::to_owned))
    }
}

impl PauseOptions {
    fn default_words(&mut self) {
        for (word, default) in
            [(&mut self.new_records, "queue"), (&mut self.keep, "latest"), (&mut self.on_expiry, "resume")]
        {
            if word.is_empty() {
                default.clone_into(word);
            }
        }
    }

    /// Takes what a command says; what it does not say stays.
    fn update(&mut self, command: Option<&Value>) {
        let text = |name: &str| command.and_then(|command| command.get(name)?.as_str()).map(str::to_owned);
        self.default_words();
        for (word, given) in [
            (&mut self.new_records, text("new_records")),
            (&mut self.keep, text("keep")),
            (&mut self.on_expiry, text("on_expiry")),
        ] {
            if let Some(given) = given {
                *word = given;
            }
        }
        self.expiry_rate = number(command, "expiry_rate").or(self.expiry_rate);
        self.by = text("issued_by").or(self.by.take());
        self.reason = text("reason").or(self.reason.take());
    }

    fn differ(&self, pause: &Pause) -> Option<&'static str> {
        pause.keep.as_ref()?;
        let words = [
            ("new_records", pause.new_records.as_ref(), &self.new_records),
            ("keep", pause.keep.as_ref(), &self.keep),
            ("on_expiry", pause.on_expiry.as_ref(), &self.on_expiry),
        ];
        let word = words.into_iter().find(|(_, told, ours)| *told != Some(*ours)).map(|(field, ..)| field);
        let ends = milliseconds(&pause.resumes_at);
        let others = [
            ("expiry_rate", pause.expiry_rate == self.expiry_rate),
            ("by", pause.by == self.by),
            ("reason", pause.reason == self.reason),
            ("resumes_at", self.ends.zip(ends).is_none_or(|(bounds, ends)| self.may_end(bounds, ends))),
            ("by_all", pause.by_all.unwrap_or_default() == self.by_all),
        ];
        word.or(others.into_iter().find(|(_, same)| !same).map(|(field, _)| field))
    }

    /// Where a default has paused it the longest pause may be sooner, by a clock that is behind the one that set the default.
    fn may_end(&self, (first, last): (i64, i64), ends: i64) -> bool {
        (first..=last).contains(&ends) || self.by_all && (first - CLOCKS_APART_MS..first).contains(&ends)
    }
}

impl DrainOrders {
    /// Takes what a resume says; what it does not say stays.
    fn change(&mut self, command: Option<&Value>, told: &Told) {
        let text = |name: &str| command.and_then(|command| command.get(name)?.as_str()).map(str::to_owned);
        self.command_id = text("command_id");
        if let Some(release) = text("release") {
            self.release = release;
        } else if self.release.is_empty() {
            "all".clone_into(&mut self.release);
        }
        self.max_rate = number(command, "max_rate").or(self.max_rate);
        if let Some(age) = command.and_then(|command| command.get("max_age_seconds")?.as_i64()) {
            self.max_age_seconds = Some(age);
            self.as_of = milliseconds(&told.at);
        }
    }

    fn differ(&self, drain: &Drain) -> Option<&'static str> {
        drain.cause.as_ref()?;
        let fields = [
            ("command_id", drain.command_id == self.command_id),
            ("cause", drain.cause.as_deref() == Some(self.cause)),
            ("release", drain.release.as_ref() == Some(&self.release)),
            ("max_rate", drain.max_rate == self.max_rate),
            ("max_age_seconds", drain.max_age_seconds == self.max_age_seconds),
            ("as_of", drain.as_of.as_deref().and_then(milliseconds) == self.as_of),
        ];
        fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
    }
}

fn number(command: Option<&Value>, name: &str) -> Option<f64> {
    command?.get(name)?.as_f64()
}

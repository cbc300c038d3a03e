//! Without a terminal: a line a day, without escape codes. Nobody can press keys, so the scripted operator pauses.

use std::io::Write;
use std::time::Duration;

use super::super::Failure;
use super::super::backend::{Backend, Way};
use super::super::calendar::DAY;
use super::super::play::Play;
use super::super::show::{day as date, span, thousands};
use super::super::signals::Signals;
use super::super::watch::{Fates, Watched};
use crate::flow::State;
use crate::legible::legible;
use crate::time::Timestamp;

/// How long a signal may have to wait.
const NAP: Duration = Duration::from_millis(20);

pub(super) fn run<B: Backend>(out: &mut dyn Write, setup: B::Setup, day: Duration) -> Result<(), Failure> {
    let signals = Signals::watch(0)?;
    let mut play = Play::<B>::start(setup, Way::Daily { day })?;
    play.console()?.tell();
    let mut midnight = play.first_day().after(DAY);
    let mut told = String::new();
    let mut data_ended = false;
    while !signals.have_ended() {
        let next = play.next_moment().map_or(midnight, |moment| moment.min(midnight));
        let due = play.due();
        if due < next {
            // Somebody may order something at the console meanwhile.
            play.run_until(due)?;
            std::thread::sleep(day.min(NAP));
            continue;
        }
        play.run_until(next)?;
        if next < midnight {
            continue;
        }
        let line = describe(&play);
        // After the data has ended most days are alike.
        if !data_ended || line != told {
            writeln!(out, "{}  {line}", date(midnight.before(DAY)))?;
        }
        if !data_ended && midnight > play.end_of_data() {
            data_ended = true;
            writeln!(out, "The data ends here; timers still run. End with Ctrl-C.")?;
        }
        out.flush()?;
        told = line;
        midnight = midnight.after(DAY);
    }
    Ok(())
}

/// How it stands at the end of a day.
fn describe<B: Backend>(play: &Play<B>) -> String {
    let flows = play.session.watch.flows();
    let sum = |of: fn(Fates) -> u64| thousands(flows.values().map(Watched::fates).map(of).sum());
    let mut line = format!(
        "in {}  delivered {}  held {}  released {}  replaced {}  removed {}  turned away {}",
        sum(|fates| fates.input),
        sum(|fates| fates.delivered),
        sum(|fates| fates.held),
        sum(|fates| fates.released),
        sum(|fates| fates.replaced),
        sum(|fates| fates.removed),
        sum(|fates| fates.turned_away),
    );
    for (name, watched) in flows {
        if let Some(state) = watched.state.as_ref().and_then(|flow| describe_state(&flow.state, play.now())) {
            line.push_str(&format!("  {} {state}", legible(name)));
        }
    }
    line
}

fn describe_state(state: &State, now: Timestamp) -> Option<String> {
    match state {
        State::Live => None,
        State::Paused(pause) => Some(format!("paused (resumes in {})", span(pause.resumes_at.since(now)))),
        State::Resuming { .. } => Some("resuming".to_owned()),
    }
}

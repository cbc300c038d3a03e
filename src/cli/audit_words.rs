//! An event of the audit, as somebody reads it who is woken by it.

use super::listing::whole;
use crate::client::audited::{Audited, Told};
use crate::client::folded::Run;
use crate::duration;
use crate::flow::{AuditEvent, Cause, Done, Happening, Loss, PerKind, Transition};
use crate::schema::redriven::Redriven;
use crate::schema::topics::Topics;

/// One sentence. Who has ordered it stands beside it.
pub fn told(told: &Told) -> String {
    match &told.event {
        Audited::Redriven(redriven) => redrove(redriven),
        Audited::Gate(event) => by_gate(told, event),
    }
}

fn redrove(redriven: &Redriven) -> String {
    let Redriven { source, to, reason, edit, .. } = redriven;
    let edited = if edit.is_some() { ", with another value" } else { "" };
    let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("letter {source} is event {to} now{edited}{why}")
}

/// Flows, and partitions of letters, that one line names.
const NAMED: usize = 3;

/// One sentence for all letters of a redrive.
pub fn redrove_all(run: &Run, topics: &Topics) -> String {
    let letters = match &*run.topic {
        topic if topic == topics.discarded => "discarded events".to_owned(),
        topic if topic == topics.dead_letters => "dead letters".to_owned(),
        topic => format!("letters of {topic}"),
    };
    let or_more = if run.is_cut { " or more" } else { "" };
    let flows = match run.flows.first_key_value() {
        Some((flow, _)) if run.flows.len() == 1 => flow.to_string(),
        _ => {
            let named = run.flows.iter().take(NAMED).map(|(flow, count)| format!("{flow}: {count}"));
            format!("{} flows ({})", run.flows.len(), some(named, run.flows.len()))
        }
    };
    let items = run.items.iter().take(NAMED).map(|(partition, (first, last))| match first == last {
        true => format!("{partition}/{first}"),
        false => format!("{partition}/{first}..{partition}/{last}"),
    });
    let items = some(items, run.items.len());
    let why = run.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
    format!("redriven {}{or_more} {letters} of {flows}, {items}{why}", run.letters)
}

/// The first ones of so many, and that there are others.
fn some(named: impl Iterator<Item = String>, of: usize) -> String {
    let more = if of > NAMED { ", ..." } else { "" };
    named.collect::<Vec<_>>().join(", ") + more
}

fn by_gate(told: &Told, event: &AuditEvent) -> String {
    match &event.happening {
        Happening::Answer { command, outcome, repeated, .. } => {
            let again = if *repeated { ", again" } else { "" };
            let partition = match event.flow {
                Some(_) => String::new(),
                None => format!(" in partition {}", event.partition),
            };
            format!("command {}: {}{partition}{again}: {}", command.id, outcome.verdict.word(), outcome.detail)
        }
        Happening::Transition { transition, pause, .. } => {
            let last_entry = event.position.watermark;
            let words = of(transition, pause.as_deref(), last_entry);
            match told.ordered.as_ref().and_then(|ordered| ordered.reason.as_ref()) {
                Some(reason) if !reason.is_empty() => format!("{words}: {reason}"),
                _ => words,
            }
        }
    }
}

/// `last_entry`: everything up to it has its fate.
fn of(transition: &Transition, pause: Option<&str>, last_entry: u64) -> String {
    let named = pause.map_or_else(String::new, |pause| format!(" ({pause})"));
    match transition {
        Transition::Seen => "first seen".to_owned(),
        Transition::Paused => format!("paused{named}"),
        Transition::Updated => format!("the pause was changed{named}"),
        Transition::Resumed(Cause::Resume) => format!("resumed{named}"),
        Transition::Resumed(Cause::Timer) => format!("resumed by the timer, at the end of its pause{named}"),
        Transition::Redirected => "the resume was changed".to_owned(),
        Transition::Repaused => format!("paused again while it was resuming{named}"),
        Transition::WentLive => "live again: all that was held has been passed".to_owned(),
        Transition::Purging => "what is held is being purged".to_owned(),
        Transition::Purged(Done { command, count }) => format!("purged {} for command {command}", events(*count)),
        Transition::Sampling => "some of what is held is being released".to_owned(),
        Transition::Sampled(Done { command, count }) => {
            format!("released {} for command {command}", events(*count))
        }
        Transition::LossAccepted(Loss { done: Done { command, count }, first_entry }) => {
            let lost = events(*count);
            format!("goes on without {lost}, entries {first_entry} to {last_entry}, by command {command}")
        }
        Transition::Expiring(warning) => {
            let ahead = duration::show(whole(warning.ahead()));
            format!("the pause ends by itself within {ahead}{named}")
        }
        Transition::Forgotten => "forgotten: it is not known any more".to_owned(),
    }
}

/// `20 events (18 enroll, 2 advance)`.
fn events(count: PerKind) -> String {
    let noun = if count.total() == 1 { "event" } else { "events" };
    format!("{} {noun} ({} enroll, {} advance)", count.total(), count.enroll, count.advance)
}

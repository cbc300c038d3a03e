//! Whether commands that say what they expect of a flow were answered rightly.
//!
//! What is expected is compared with the flow as the transitions before the command left it. A command that expects
//! something else is rejected, whatever it orders; one that does not is never rejected for that.

use serde_json::Value;

use crate::Fault;
use crate::follow::{Transition, Verdict};
use crate::gather::Gathered;
use crate::walk::Walk;

const CHANGED: &str = "changed meanwhile: ";

/// Judges the answers to one flow's commands.
pub(crate) fn expect(
    verdicts: &[Verdict],
    transitions: &[Transition],
    walk: &Walk,
    gathered: &Gathered<'_>,
    faults: &mut Vec<Fault>,
) {
    for verdict in verdicts {
        let said = verdict.detail.starts_with(CHANGED);
        let expect = verdict.command.as_ref().and_then(|command| command.get("expect"));
        let fits = expect.is_none_or(|expect| {
            if let Some(why) = misplaced(verdict, walk, gathered) {
                faults.push(Fault::Audit { at: verdict.place.clone(), why });
            }
            is_well_formed(expect) && fits(expect, pause(verdict, transitions), verdict.position.entry + 1)
        });
        let rejected = verdict.outcome == "rejected";
        let why = match (fits, rejected, said) {
            (false, false, _) => "is not rejected, although the flow is not what its command expects",
            (false, true, false) if !verdict.invalid => {
                "rejects a command for something else, although the flow is not what it expects"
            }
            (true, _, true) => "says that the flow changed meanwhile, and it is what the command expects",
            _ => continue,
        };
        faults.push(Fault::Command { at: verdict.place.clone(), why: why.to_owned() });
    }
}

/// Whether an `expect` has no other members than it may have, each of its type.
fn is_well_formed(expect: &Value) -> bool {
    expect.as_object().is_some_and(|members| {
        members.iter().all(|(name, value)| match name.as_str() {
            "pause_id" => value.is_string() || value.is_null(),
            "next_entry" => value.as_u64().is_some_and(|entry| entry > 0),
            _ => false,
        })
    })
}

fn fits(expect: &Value, pause: Option<&str>, next_entry: u64) -> bool {
    expect.get("pause_id").is_none_or(|expected| expected.as_str() == pause)
        && expect.get("next_entry").is_none_or(|expected| expected.as_u64() == Some(next_entry))
}

/// The pause in force before a command, or the one that ended; `None`: the flow was live.
fn pause<'a>(verdict: &Verdict, transitions: &'a [Transition]) -> Option<&'a str> {
    let before = |transition: &&Transition| {
        let earlier =
            transition.place.partition == verdict.place.partition && transition.place.offset < verdict.place.offset;
        earlier && transition.offset != Some(verdict.offset)
    };
    let last = transitions.iter().rev().find(before)?;
    // What makes a flow live, or known, may name the pause that ended.
    if matches!(last.word.as_str(), "live" | "seen" | "forgotten") { None } else { last.pause_id.as_deref() }
}

/// Why an answer cannot stand where it says: the events before it make another number of entries.
fn misplaced(verdict: &Verdict, walk: &Walk, gathered: &Gathered<'_>) -> Option<String> {
    let before = walk.items.partition_point(|item| gathered.events[item.event].source.offset < verdict.position.input);
    let numbers = walk.items[..before].iter().rev().map(|item| item.number);
    let made = numbers.clone().find(|number| *number > 0).unwrap_or_default();
    // Which withdraws of a drain are entries, only the next transition tells: here it may be one or the other.
    let told = verdict.position.entry;
    let open = walk.items[..before].last().is_some_and(|item| item.is_optional());
    (told != made && !open).then(|| format!("says entry {told}, but the events before it make {made}"))
}

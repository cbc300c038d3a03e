//! Which public states there are: none that says nothing new (P9), none that no transition made.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::documents::{State, Told};
use super::story::Wrong;
use crate::gather::Topics;
use crate::record::{Log, Record};

/// A flow that was never paused has its state written once, when it is first seen, and no live flow has it written again
/// where nothing has changed.
pub(super) fn costs(log: &Log, told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let touched: HashSet<&str> = {
        let others = told.iter().filter(|(_, told)| told.transition.as_deref() != Some("seen"));
        others.filter_map(|(_, told)| told.flow_id.as_deref()).collect()
    };
    // One that is forgotten and seen again in the same transaction leaves no tombstone.
    let mut lives: HashMap<&str, u64> = HashMap::new();
    for flow in told.iter().filter(|(_, told)| told.transition.as_deref() == Some("forgotten")) {
        *lives.entry(flow.1.flow_id.as_deref().unwrap_or_default()).or_default() += 1;
    }
    // One that a command for `*` pauses and another one resumes in the same transaction is as it was.
    let is_for_all = |record: &&Record| {
        let command = record.value.as_deref().and_then(|value| serde_json::from_slice::<Value>(value).ok());
        command.is_some_and(|command| command["flow_id"] == "*")
    };
    let for_all: HashSet<i64> = log.control.iter().filter(is_for_all).map(|record| record.offset).collect();
    let mut returns: HashMap<&str, u64> = HashMap::new();
    let paused = told.iter().filter(|(_, told)| told.transition.as_deref() == Some("paused"));
    for (_, told) in paused.filter(|(_, told)| told.command_offset.is_some_and(|offset| for_all.contains(&offset))) {
        *returns.entry(told.flow_id.as_deref().unwrap_or_default()).or_default() += 1;
    }
    let mut newest: HashMap<&[u8], Value> = HashMap::new();
    for record in &log.state {
        let Some(key) = record.key.as_deref().filter(|key| !key.is_empty()) else { continue };
        let Ok(flow) = std::str::from_utf8(key) else { continue };
        let Some(value) = record.value.as_deref() else {
            // It was forgotten, and begins again.
            newest.remove(key);
            lives.entry(flow).and_modify(|lives| *lives = lives.saturating_sub(1));
            continue;
        };
        let Ok(mut state) = serde_json::from_slice::<Value>(value) else { continue };
        if let Some(fields) = state.as_object_mut() {
            fields.remove("updated_at");
        }
        let before = newest.get(key);
        let again = before.is_some_and(|before| *before == state) && state["state"] == "live";
        let another_life = lives.get_mut(flow).filter(|lives| **lives > 0);
        let has_returned = returns.get_mut(flow).filter(|returns| **returns > 0);
        if let (true, Some(lives)) = (again, another_life) {
            *lives -= 1;
        } else if let (true, Some(returns)) = (again, has_returned) {
            *returns -= 1;
        } else if again || before.is_some() && !touched.contains(flow) {
            let why = "the state of a live flow is written again".to_owned();
            wrong(&Some(flow.to_owned()), topics.place("state", record), why);
        }
        newest.insert(key, state);
    }
}

/// Every public state is what some transition made of the flow, in the order of the transitions. (The cleaner, and turns
/// with several transitions, leave some of them out.)
pub(super) fn sequence(
    states: &[(&Record, State)],
    told: &[(&Record, Told)],
    topics: Topics<'_>,
    wrong: &mut Wrong<'_>,
) {
    let mut made: HashMap<&str, Vec<(&str, Option<&str>)>> = HashMap::new();
    for (_, event) in told {
        let (Some(word), Some(flow)) = (event.transition.as_deref(), event.flow_id.as_deref()) else { continue };
        let pause = event.pause_id.as_deref();
        let made = made.entry(flow).or_default();
        let before = made.last().copied();
        made.push(match word {
            "paused" | "updated" | "repaused" => ("paused", pause),
            "resumed" | "expired" | "redirected" => ("resuming", pause),
            "purging" | "purged" | "sampling" | "sampled" | "loss_accepted" | "expiring" => {
                before.unwrap_or(("paused", pause))
            }
            "forgotten" => ("forgotten", None),
            _ => ("live", None),
        });
    }
    for (record, state) in states {
        let public = (state.state.as_str(), state.pause.as_ref().map(|pause| pause.id.as_str()));
        let known = made.get_mut(state.flow_id.as_str()).is_some_and(|made| {
            let skipped = made.iter().position(|made| *made == public);
            drop(made.drain(..skipped.unwrap_or(0)));
            skipped.is_some()
        });
        if !known {
            let why = format!("says {} where no transition made it so", state.state);
            wrong(&Some(state.flow_id.clone()), topics.place("state", record), why);
        }
    }
}

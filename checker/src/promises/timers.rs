//! Timers and deadlines (P5).

use std::collections::{HashMap, HashSet};

use super::circumstances::Circumstances;
use super::deadlines::{begun_by, ordered};
use super::documents::{State, Told};
use super::story::{Commands, Wrong};
use crate::gather::Topics;
use crate::record::Record;
use crate::time::milliseconds;

/// No pause ends before its deadline by its timer, none ends twice, and no deadline lies beyond the cap.
pub(super) fn timers(
    told: &[(&Record, Told)],
    commands: &Commands<'_>,
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let mut deadlines: HashMap<(&str, &str), i64> = HashMap::new();
    let mut begun: HashMap<(&str, &str), i64> = HashMap::new();
    let mut ended: HashSet<(&str, &str)> = HashSet::new();
    for (record, event) in told {
        let (Some(word), Some(flow), Some(pause)) = (&event.transition, &event.flow_id, &event.pause_id) else {
            continue;
        };
        let (Some(at), key) = (milliseconds(&event.at), (flow.as_str(), pause.as_str())) else { continue };
        match word.as_str() {
            "paused" | "repaused" | "updated" => {
                let order = commands.of(event);
                let begins = begun_by(order, at);
                match ordered(order, at) {
                    Some(deadline) => drop(deadlines.insert(key, deadline)),
                    // An update leaves it, by a command or not; where the limit was lowered it may come sooner.
                    None if word == "updated" && !commands.is_for_all(event) => {
                        let cap = begun.get(&key).map(|begun| begun + circumstances.least_max_pause_ms);
                        if let (Some(deadline), Some(cap)) = (deadlines.get_mut(&key), cap) {
                            *deadline = cap.min(*deadline);
                        }
                    }
                    None => drop(deadlines.insert(key, begins + circumstances.least_max_pause_ms)),
                }
                if word != "updated" {
                    begun.insert(key, begins);
                }
            }
            "expired" | "resumed" => {
                if !ended.insert(key) {
                    wrong(&event.flow_id, topics.place("audit", record), format!("pause {pause} ends a second time"));
                }
                let early = deadlines.get(&key).is_some_and(|deadline| at < deadline - circumstances.clocks_apart_ms);
                if word == "expired" && early {
                    let why = format!("pause {pause} is ended by its timer before its deadline");
                    wrong(&event.flow_id, topics.place("audit", record), why);
                }
            }
            _ => {}
        }
    }
}

/// Whatever commands came: a pause keeps the time at which it began, and no deadline lies beyond the longest pause from
/// there.
pub(super) fn caps(
    states: &[(&Record, State)],
    told: &[(&Record, Told)],
    topics: Topics<'_>,
    circumstances: Circumstances,
    wrong: &mut Wrong<'_>,
) {
    let begun: HashMap<(&str, &str), i64> = told
        .iter()
        .filter(|(_, told)| matches!(told.transition.as_deref(), Some("paused" | "repaused")))
        .filter_map(|(_, told)| Some(((told.flow_id.as_deref()?, told.pause_id.as_deref()?), milliseconds(&told.at)?)))
        .collect();
    for (record, state) in states {
        let State { flow_id: flow, pause: Some(pause), .. } = state else { continue };
        let Some(begun) = begun.get(&(flow.as_str(), pause.id.as_str())) else { continue };
        let (paused_at, resumes_at) = (milliseconds(&pause.paused_at), milliseconds(&pause.resumes_at));
        if paused_at != Some(*begun) {
            let why = format!("pause {} says that it began at {}, not when it did", pause.id, pause.paused_at);
            wrong(&Some(flow.clone()), topics.place("state", record), why);
        } else if resumes_at.is_none_or(|resumes_at| resumes_at > begun + circumstances.max_pause_ms) {
            let why = format!("pause {} has its deadline at {}, beyond the longest pause", pause.id, pause.resumes_at);
            wrong(&Some(flow.clone()), topics.place("state", record), why);
        }
    }
}

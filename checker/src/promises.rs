//! Promises that are not about single events: timers (P5), commands that repeat (P6), and what a live flow costs (P9), as
//! far as topics show them.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::anomaly::{Anomaly, Fault, Place};
use crate::gather::Topics;
use crate::record::{Log, Record};
use crate::time::milliseconds;

/// What the checker cannot read from the topics.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// How far the clocks of two gates may have been apart, in milliseconds.
    pub clocks_apart_ms: i64,
    /// The longest pause, in milliseconds.
    pub max_pause_ms: i64,
}

/// Commands of a flow that the gate remembers, and so those whose repetition is certain to be known.
const REMEMBERED: usize = 64;

#[derive(Deserialize)]
struct Told {
    flow_id: Option<String>,
    at: String,
    transition: Option<String>,
    pause_id: Option<String>,
    command: Option<Value>,
    command_offset: Option<i64>,
    outcome: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    repeated: bool,
}

/// What is wrong, in the order of the audit.
#[must_use]
pub fn promises(log: &Log, circumstances: Circumstances) -> Vec<Anomaly> {
    let topics = Topics { prefix: &log.prefix };
    let mut told: Vec<(&Record, Told)> = Vec::new();
    for record in &log.audit {
        // What cannot be read is the checker's business.
        told.extend(
            serde_json::from_slice(record.value.as_deref().unwrap_or_default()).ok().map(|told| (record, told)),
        );
    }
    told.sort_by_key(|(record, _)| (record.partition, record.offset));
    let mut anomalies = Vec::new();
    let mut wrong = |flow: &Option<String>, at: Place, why: String| {
        anomalies.push(Anomaly { flow: flow.clone(), fault: Fault::Audit { at, why } });
    };
    timers(&told, topics, circumstances, &mut wrong);
    caps(log, &told, topics, circumstances, &mut wrong);
    repetitions(&told, topics, &mut wrong);
    costs(log, &told, topics, &mut wrong);
    anomalies
}

type Wrong<'a> = dyn FnMut(&Option<String>, Place, String) + 'a;

/// No pause ends before its deadline by its timer, none ends twice, and no deadline lies beyond the cap.
fn timers(told: &[(&Record, Told)], topics: Topics<'_>, circumstances: Circumstances, wrong: &mut Wrong<'_>) {
    let commands: HashMap<i64, &Value> =
        told.iter().filter_map(|(_, told)| Some((told.command_offset?, told.command.as_ref()?))).collect();
    let mut deadlines: HashMap<(&str, &str), i64> = HashMap::new();
    let mut ended: HashSet<(&str, &str)> = HashSet::new();
    for (record, event) in told {
        let (Some(word), Some(flow), Some(pause)) = (&event.transition, &event.flow_id, &event.pause_id) else {
            continue;
        };
        let (Some(at), key) = (milliseconds(&event.at), (flow.as_str(), pause.as_str())) else { continue };
        match word.as_str() {
            "paused" | "repaused" | "updated" => {
                let order = event.command_offset.and_then(|offset| commands.get(&offset));
                let until = order.and_then(|order| milliseconds(order.get("until")?.as_str()?));
                let length = order.and_then(|order| order.get("for_seconds")?.as_i64());
                match until.or(length.map(|seconds| at + seconds * 1000)) {
                    Some(deadline) => drop(deadlines.insert(key, deadline)),
                    // An update leaves it; where the limit was lowered it may come sooner.
                    None if word == "updated" => {
                        let capped = event.command_offset.is_none();
                        if capped {
                            deadlines.remove(&key);
                        }
                    }
                    None => drop(deadlines.insert(key, at + circumstances.max_pause_ms)),
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

#[derive(Deserialize)]
struct State {
    flow_id: String,
    pause: Option<Pause>,
}

#[derive(Deserialize)]
struct Pause {
    id: String,
    paused_at: String,
    resumes_at: String,
}

/// Whatever commands came: a pause keeps the time at which it began, and no deadline lies beyond the longest pause from
/// there.
fn caps(log: &Log, told: &[(&Record, Told)], topics: Topics<'_>, circumstances: Circumstances, wrong: &mut Wrong<'_>) {
    let begun: HashMap<(&str, &str), i64> = told
        .iter()
        .filter(|(_, told)| matches!(told.transition.as_deref(), Some("paused" | "repaused")))
        .filter_map(|(_, told)| Some(((told.flow_id.as_deref()?, told.pause_id.as_deref()?), milliseconds(&told.at)?)))
        .collect();
    for record in &log.state {
        let state = serde_json::from_slice::<State>(record.value.as_deref().unwrap_or_default());
        let Some((flow, pause)) = state.ok().and_then(|state| Some((state.flow_id, state.pause?))) else { continue };
        let Some(begun) = begun.get(&(flow.as_str(), pause.id.as_str())) else { continue };
        let (paused_at, resumes_at) = (milliseconds(&pause.paused_at), milliseconds(&pause.resumes_at));
        if paused_at != Some(*begun) {
            let why = format!("pause {} says that it began at {}, not when it did", pause.id, pause.paused_at);
            wrong(&Some(flow), topics.place("state", record), why);
        } else if resumes_at.is_none_or(|resumes_at| resumes_at > begun + circumstances.max_pause_ms) {
            let why = format!("pause {} has its deadline at {}, beyond the longest pause", pause.id, pause.resumes_at);
            wrong(&Some(flow), topics.place("state", record), why);
        }
    }
}

/// The same command twice is the same as once, and gets the same answer.
fn repetitions(told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut answers: BTreeMap<(&str, &str), Vec<(&Record, &Told)>> = BTreeMap::new();
    let mut ids: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (record, event) in told {
        let id = event.command.as_ref().and_then(|command| command.get("command_id")?.as_str());
        let (Some(id), Some(_)) = (id, &event.outcome) else { continue };
        let flow = event.flow_id.as_deref().unwrap_or_default();
        answers.entry((flow, id)).or_default().push((record, event));
        ids.entry(flow).or_default().insert(id);
    }
    for ((flow, id), answers) in answers {
        let Some(((_, first), rest)) = answers.split_first() else { continue };
        if ids.get(flow).is_some_and(|ids| ids.len() > REMEMBERED) {
            continue;
        }
        for (record, event) in rest {
            if !event.repeated {
                let why = format!("command {id} is applied a second time");
                wrong(&event.flow_id, topics.place("audit", record), why);
            } else if (&event.outcome, &event.detail) != (&first.outcome, &first.detail) {
                let why = format!("command {id} gets another answer the second time");
                wrong(&event.flow_id, topics.place("audit", record), why);
            }
        }
    }
}

/// A flow that was never paused has its state written once, when it is first seen.
fn costs(log: &Log, told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let touched: HashSet<&str> = {
        let others = told.iter().filter(|(_, told)| told.transition.as_deref() != Some("seen"));
        others.filter_map(|(_, told)| told.flow_id.as_deref()).collect()
    };
    let mut seen: HashSet<&[u8]> = HashSet::new();
    for record in &log.state {
        let Some(key) = record.key.as_deref().filter(|key| !key.is_empty()) else { continue };
        let Ok(flow) = std::str::from_utf8(key) else { continue };
        if !touched.contains(flow) && !seen.insert(key) {
            let why = "the state of a flow that was always live is written again".to_owned();
            wrong(&Some(flow.to_owned()), topics.place("state", record), why);
        }
    }
}

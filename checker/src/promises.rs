//! Promises that are not about single events: timers (P5), commands that repeat (P6), what a live flow costs (P9), and
//! that public states follow the audit, as far as topics show them.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
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
    /// The longest pause, in milliseconds, that any gate allowed.
    pub max_pause_ms: i64,
    /// The longest pause, in milliseconds, that every gate allowed.
    pub least_max_pause_ms: i64,
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
    let mut told: Vec<(&Record, Told)> = read(&log.audit);
    told.sort_by_key(|(record, _)| (record.partition, record.offset));
    let states: Vec<(&Record, State)> = read(&log.state);
    let mut anomalies = Vec::new();
    let mut wrong = |flow: &Option<String>, at: Place, why: String| {
        anomalies.push(Anomaly { flow: flow.clone(), fault: Fault::Audit { at, why } });
    };
    timers(&told, topics, circumstances, &mut wrong);
    caps(&states, &told, topics, circumstances, &mut wrong);
    repetitions(&told, topics, &mut wrong);
    costs(log, &told, topics, &mut wrong);
    sequence(&states, &told, topics, &mut wrong);
    anomalies
}

/// What can be read. The rest is the checker's business.
fn read<T: DeserializeOwned>(records: &[Record]) -> Vec<(&Record, T)> {
    let read = |record: &Record| serde_json::from_slice(record.value.as_deref()?).ok();
    records.iter().filter_map(|record| Some((record, read(record)?))).collect()
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
                    None => drop(deadlines.insert(key, at + circumstances.least_max_pause_ms)),
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
    state: String,
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
fn caps(
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

/// The same command twice is the same as once, and gets the same answer, unless too many others came between them.
fn repetitions(told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut firsts: HashMap<(&str, &str), (usize, &Told)> = HashMap::new();
    for (record, event) in told {
        let id = event.command.as_ref().and_then(|command| command.get("command_id")?.as_str());
        let (Some(id), Some(_)) = (id, &event.outcome) else { continue };
        let flow = event.flow_id.as_deref().unwrap_or_default();
        let count = counts.entry(flow).or_default();
        let why = match firsts.get(&(flow, id)) {
            Some((number, first)) if *count - number <= REMEMBERED => match event.repeated {
                false => Some("is applied a second time"),
                true if (&event.outcome, &event.detail) != (&first.outcome, &first.detail) => {
                    Some("gets another answer the second time")
                }
                true => None,
            },
            before => {
                let never = event.repeated && before.is_none();
                firsts.insert((flow, id), (*count, event));
                *count += 1;
                never.then_some("is taken for a repetition, and is none")
            }
        };
        if let Some(why) = why {
            wrong(&event.flow_id, topics.place("audit", record), format!("command {id} {why}"));
        }
    }
}

/// A flow that was never paused has its state written once, when it is first seen, and no live flow has it written again
/// where nothing has changed.
fn costs(log: &Log, told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let touched: HashSet<&str> = {
        let others = told.iter().filter(|(_, told)| told.transition.as_deref() != Some("seen"));
        others.filter_map(|(_, told)| told.flow_id.as_deref()).collect()
    };
    let mut newest: HashMap<&[u8], Value> = HashMap::new();
    for record in &log.state {
        let Some(key) = record.key.as_deref().filter(|key| !key.is_empty()) else { continue };
        let Ok(flow) = std::str::from_utf8(key) else { continue };
        let value = record.value.as_deref().unwrap_or_default();
        let Ok(mut state) = serde_json::from_slice::<Value>(value) else { continue };
        if let Some(fields) = state.as_object_mut() {
            fields.remove("updated_at");
        }
        let before = newest.get(key);
        let again = before.is_some_and(|before| *before == state) && state["state"] == "live";
        if again || before.is_some() && !touched.contains(flow) {
            let why = "the state of a live flow is written again".to_owned();
            wrong(&Some(flow.to_owned()), topics.place("state", record), why);
        }
        newest.insert(key, state);
    }
}

/// Every public state is what some transition made of the flow, in the order of the transitions. (The cleaner, and turns
/// with several transitions, leave some of them out.)
fn sequence(states: &[(&Record, State)], told: &[(&Record, Told)], topics: Topics<'_>, wrong: &mut Wrong<'_>) {
    let mut made: HashMap<&str, Vec<(&str, Option<&str>)>> = HashMap::new();
    for (_, event) in told {
        let (Some(word), Some(flow)) = (event.transition.as_deref(), event.flow_id.as_deref()) else { continue };
        let pause = event.pause_id.as_deref();
        made.entry(flow).or_default().push(match word {
            "paused" | "updated" | "repaused" => ("paused", pause),
            "resumed" | "expired" | "redirected" => ("resuming", pause),
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

//! Reads commands and audit: which transition took effect where, and whether every command was answered.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use crate::defaults::Defaults;
use crate::gather::{Sources, Topics};
use crate::record::{Log, Record};
use crate::redriven::is_redriven;
use crate::report::{Commands, PerKind};
use crate::time::milliseconds;
use crate::told::{Answer, Position};
use crate::{Anomaly, Fault, Place, home};

/// A transition of a flow, as the audit tells it.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub word: String,
    pub at_ms: Option<i64>,
    /// By the clock of the gate that told it.
    pub told_ms: Option<i64>,
    pub position: Position,
    pub pause_id: Option<String>,
    /// Where the command stands that caused it; `None`: nobody's command.
    pub offset: Option<i64>,
    /// That command's document. Of a `pause` of `*`: what all of them together made of the default.
    pub command: Option<Value>,
    /// The command is for `*`.
    pub for_all: bool,
    /// Of a purge or a sample that ends, and of a loss that was accepted.
    pub done: Done,
    /// Of a warning: how far ahead it says the deadline is.
    pub within_seconds: Option<i64>,
    /// Of a loss that was accepted: where it begins.
    pub first_entry: Option<u64>,
    pub place: Place,
}

/// What the end of a purge or a sample says of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    pub command_id: Option<String>,
    pub count: Option<PerKind>,
}

/// The answer to a command for one flow, as far as its `expect` is judged by it.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub offset: i64,
    pub position: Position,
    pub outcome: String,
    pub detail: String,
    /// As it stands in the control topic or, where retention has taken it, in the answer.
    pub command: Option<Value>,
    /// The gate could not do what it orders, whatever is expected.
    pub invalid: bool,
    pub place: Place,
}

#[derive(Deserialize)]
struct Document {
    version: u64,
    event: String,
    flow_id: Option<String>,
    partition: i32,
    at: String,
    position: Position,
    transition: Option<String>,
    pause_id: Option<String>,
    command: Option<Value>,
    command_offset: Option<i64>,
    outcome: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    repeated: bool,
    command_id: Option<String>,
    count: Option<PerKind>,
    within_seconds: Option<i64>,
    first_entry: Option<u64>,
}

/// What control topic and audit say.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// By flow, in the order in which they took effect.
    pub transitions: BTreeMap<String, Vec<Transition>>,
    /// By flow, in order; without those that repeat an earlier one.
    pub verdicts: BTreeMap<String, Vec<Verdict>>,
    /// What was answered to commands for `*`.
    pub defaults: Defaults,
    pub commands: Commands,
    pub anomalies: Vec<Anomaly>,
}

/// Follows the control topic and the audit. `dead`: dead letters of commands, by partition and offset.
pub(crate) fn follow(log: &Log, topics: Topics<'_>, dead: &Sources) -> Followed {
    let mut followed = Followed::default();
    let control: HashMap<i64, &Record> = log.control.iter().map(|record| (record.offset, record)).collect();
    let mut answers: HashMap<i64, Vec<Answer>> = HashMap::new();
    let mut pending = Vec::new();
    let mut records: Vec<&Record> = log.audit.iter().filter(|record| !is_redriven(record)).collect();
    records.sort_by_key(|record| (record.partition, record.offset));
    for record in records {
        let place = topics.place("audit", record);
        let document = record.value.as_deref().map(serde_json::from_slice::<Document>);
        let document = match document {
            Some(Ok(document)) if document.version == 1 => document,
            Some(Ok(document)) => {
                followed.audit(None, place, format!("version {} is unknown", document.version));
                continue;
            }
            Some(Err(error)) => {
                followed.audit(None, place, format!("cannot be read: {error}"));
                continue;
            }
            None => {
                followed.audit(None, place, "has no value".to_owned());
                continue;
            }
        };
        // The broker's stamp: a gate's clock may be off.
        let at_ms = Some(record.timestamp_ms);
        let told_ms = milliseconds(&document.at);
        followed.defaults.note(document.partition, document.position.input, record.timestamp_ms);
        if told_ms.is_none() {
            followed.audit(document.flow_id.clone(), place.clone(), format!("at {:?} is no time", document.at));
        }
        match (document.event.as_str(), document.transition, document.command_offset) {
            ("transition", Some(word), offset) => {
                let Some(flow) = document.flow_id else {
                    followed.audit(None, place, "a transition without a flow".to_owned());
                    continue;
                };
                if home(&flow, log.enrollment_partitions) != document.partition {
                    let why = format!("says partition {}, which is not the flow's home", document.partition);
                    followed.audit(Some(flow.clone()), place.clone(), why);
                }
                let done = Done { command_id: document.command_id, count: document.count };
                let transition = Transition {
                    word,
                    at_ms,
                    told_ms,
                    position: document.position,
                    pause_id: document.pause_id,
                    offset,
                    command: None,
                    for_all: false,
                    done,
                    within_seconds: document.within_seconds,
                    first_entry: document.first_entry,
                    place,
                };
                pending.push((flow, transition));
            }
            ("answer", _, Some(offset)) => {
                let outcome = document.outcome.unwrap_or_default();
                let invalid = document.command.as_ref().is_some_and(|command| command.get("invalid").is_some());
                let (flow_id, position) = (document.flow_id.clone(), document.position);
                if let (Some(flow), false) = (document.flow_id, document.repeated) {
                    let command = control.get(&offset).and_then(|record| read(record)).or(document.command.clone());
                    let detail = document.detail.unwrap_or_default();
                    let (outcome, place) = (outcome.clone(), place.clone());
                    let verdict = Verdict { offset, position, outcome, detail, command, invalid, place };
                    followed.verdicts.entry(flow).or_default().push(verdict);
                }
                answers.entry(offset).or_default().push(Answer {
                    flow_id,
                    partition: document.partition,
                    position,
                    told_ms,
                    outcome,
                    repeated: document.repeated,
                    place,
                    document: document.command,
                });
            }
            (event, ..) => followed.audit(document.flow_id, place, format!("the event {event:?} lacks a field")),
        }
    }
    followed.defaults.fold(log, &answers, |offset| cause(offset, &control, &answers));
    for (flow, mut transition) in pending {
        // An update may have none: configuration that lowers the longest pause brings deadlines down.
        let by_command = matches!(
            transition.word.as_str(),
            "paused" | "resumed" | "redirected" | "repaused" | "purging" | "sampling" | "loss_accepted" | "forgotten"
        );
        if transition.offset.is_none() && by_command {
            followed.audit(Some(flow.clone()), transition.place.clone(), "names no command as its cause".to_owned());
        }
        if let Some(offset) = transition.offset {
            transition.command = cause(offset, &control, &answers);
            transition.for_all = transition.command.as_ref().is_some_and(|command| command["flow_id"] == "*");
            if let Some(why) = unfounded(&flow, &transition, answers.get(&offset), log.enrollment_partitions) {
                followed.audit(Some(flow.clone()), transition.place.clone(), format!("command {offset}: {why}"));
            }
            if transition.for_all
                && let Some(default) = followed.defaults.paused_by(home(&flow, log.enrollment_partitions), offset)
            {
                transition.command = Some(default.command.clone());
            }
        }
        followed.transitions.entry(flow).or_default().push(transition);
    }
    followed.answers(log, topics, dead, &answers);
    followed
}

/// The command at an offset: from the control topic, or, where retention has taken it, from its answer.
fn cause(offset: i64, control: &HashMap<i64, &Record>, answers: &HashMap<i64, Vec<Answer>>) -> Option<Value> {
    match control.get(&offset) {
        Some(record) => read(record),
        None => answers.get(&offset)?.iter().find_map(|answer| answer.document.clone()),
    }
}

/// A command's document.
fn read(record: &Record) -> Option<Value> {
    serde_json::from_slice(record.value.as_deref()?).ok()
}

/// Why a command cannot have caused a transition.
fn unfounded(flow: &str, transition: &Transition, answers: Option<&Vec<Answer>>, partitions: i32) -> Option<String> {
    let Some(command) = &transition.command else { return Some("is not in the control topic".to_owned()) };
    let target = command.get("flow_id").and_then(Value::as_str).unwrap_or_default();
    if target != flow && target != "*" {
        return Some(format!("is for flow {target:?}"));
    }
    let action = command.get("action").and_then(Value::as_str).unwrap_or_default();
    let fits = match transition.word.as_str() {
        "paused" | "updated" | "repaused" => action == "pause",
        "resumed" | "redirected" => action == "resume",
        "purging" | "purged" => action == "purge",
        "sampling" => action == "release",
        // A sample ends with its pause, and before a purge.
        "sampled" => action == "resume" || action == "purge",
        "loss_accepted" => action == "accept_loss",
        "forgotten" => action == "forget",
        "seen" => true,
        _ => false,
    };
    if !fits {
        return Some(format!("{action:?} cannot cause {:?}", transition.word));
    }
    let home = home(flow, partitions);
    let is_applied = |answer: &Answer| answer.partition == home && answer.outcome == "applied" && !answer.repeated;
    let applied = answers.is_some_and(|all| all.iter().any(is_applied));
    (!applied && transition.word != "seen").then(|| "took effect without being answered as applied".to_owned())
}

impl Followed {
    fn audit(&mut self, flow: Option<String>, at: Place, why: String) {
        self.anomalies.push(Anomaly { flow, fault: Fault::Audit { at, why } });
    }
}

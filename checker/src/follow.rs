//! Reads commands and audit: which transition took effect where, and whether every command was answered.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use crate::gather::{Sources, Topics};
use crate::record::{Log, Record};
use crate::report::Commands;
use crate::time::milliseconds;
use crate::{Anomaly, Fault, Place, home};

/// A transition of a flow, as the audit tells it.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    pub word: String,
    pub at_ms: Option<i64>,
    pub position: Position,
    pub pause_id: Option<String>,
    /// The document of the command that caused it; `None`: nobody's command.
    pub command: Option<Value>,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Position {
    pub input: i64,
    #[serde(default)]
    pub control: i64,
    pub entry: u64,
    pub watermark: u64,
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
    #[serde(default)]
    repeated: bool,
}

/// What control topic and audit say.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// By flow, in the order in which they took effect.
    pub transitions: BTreeMap<String, Vec<Transition>>,
    pub commands: Commands,
    pub anomalies: Vec<Anomaly>,
}

struct Answer {
    partition: i32,
    outcome: String,
    repeated: bool,
    place: Place,
    document: Option<Value>,
}

/// Follows the control topic and the audit. `dead`: dead letters of commands, by partition and offset.
pub(crate) fn follow(log: &Log, topics: Topics<'_>, dead: &Sources) -> Followed {
    let mut followed = Followed::default();
    let control: HashMap<i64, &Record> = log.control.iter().map(|record| (record.offset, record)).collect();
    let mut answers: HashMap<i64, Vec<Answer>> = HashMap::new();
    let mut pending = Vec::new();
    let mut records: Vec<&Record> = log.audit.iter().collect();
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
        if milliseconds(&document.at).is_none() {
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
                let (position, pause_id) = (document.position, document.pause_id);
                pending.push((flow, offset, Transition { word, at_ms, position, pause_id, command: None, place }));
            }
            ("answer", _, Some(offset)) => answers.entry(offset).or_default().push(Answer {
                partition: document.partition,
                outcome: document.outcome.unwrap_or_default(),
                repeated: document.repeated,
                place,
                document: document.command,
            }),
            (event, ..) => followed.audit(document.flow_id, place, format!("the event {event:?} lacks a field")),
        }
    }
    for (flow, offset, mut transition) in pending {
        // An update may have none: configuration that lowers the longest pause brings deadlines down.
        let by_command = matches!(transition.word.as_str(), "paused" | "resumed" | "redirected" | "repaused");
        if offset.is_none() && by_command {
            followed.audit(Some(flow.clone()), transition.place.clone(), "names no command as its cause".to_owned());
        }
        if let Some(offset) = offset {
            transition.command = cause(offset, &control, &answers);
            if let Some(why) = unfounded(&flow, &transition, answers.get(&offset), log.enrollment_partitions) {
                followed.audit(Some(flow.clone()), transition.place.clone(), format!("command {offset}: {why}"));
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
        Some(record) => serde_json::from_slice(record.value.as_deref()?).ok(),
        None => answers.get(&offset)?.iter().find_map(|answer| answer.document.clone()),
    }
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
        "seen" => true,
        _ => false,
    };
    if !fits {
        return Some(format!("{action:?} cannot cause {:?}", transition.word));
    }
    let home = home(flow, partitions);
    let applied =
        answers.is_some_and(|all| all.iter().any(|answer| answer.partition == home && answer.outcome == "applied"));
    // What `*` left behind as a default may pause a flow long after it was answered, by another partition's record.
    (!applied && target != "*" && transition.word != "seen")
        .then(|| "took effect without being answered as applied".to_owned())
}

impl Followed {
    fn audit(&mut self, flow: Option<String>, at: Place, why: String) {
        self.anomalies.push(Anomaly { flow, fault: Fault::Audit { at, why } });
    }

    /// Every command has exactly one answer from each partition that it concerns, or one dead letter.
    fn answers(&mut self, log: &Log, topics: Topics<'_>, dead: &Sources, answers: &HashMap<i64, Vec<Answer>>) {
        for record in &log.control {
            self.commands.read += 1;
            let letters = dead.get(&(record.partition, record.offset)).map_or(0, Vec::len);
            let command = record.value.as_deref().and_then(|value| serde_json::from_slice::<Value>(value).ok());
            let flow = command.as_ref().and_then(|command| command.get("flow_id")).and_then(Value::as_str);
            let given = answers.get(&record.offset).map_or(&[][..], Vec::as_slice);
            let why = match (letters, given.len()) {
                (0, 0) => Some("neither answered nor a dead letter".to_owned()),
                (1, 0) => {
                    self.commands.dead += 1;
                    None
                }
                (0, _) => self.tally(flow, given, log.enrollment_partitions),
                (letters, answers) => Some(format!("has {letters} dead letters and {answers} answers")),
            };
            if let Some(why) = why {
                let at = topics.place("control", record);
                self.anomalies.push(Anomaly { flow: flow.map(str::to_owned), fault: Fault::Command { at, why } });
            }
        }
    }

    fn tally(&mut self, flow: Option<&str>, given: &[Answer], partitions: i32) -> Option<String> {
        let mut answered = Vec::new();
        let mut why = None;
        for answer in given {
            match answer.outcome.as_str() {
                "applied" => self.commands.applied += 1,
                "unchanged" => self.commands.unchanged += 1,
                "rejected" => self.commands.rejected += 1,
                word => why = Some(format!("{} has the outcome {word:?}", answer.place)),
            }
            self.commands.repeated += u64::from(answer.repeated);
            if answered.contains(&answer.partition) {
                why = Some(format!("partition {} answers it twice, again at {}", answer.partition, answer.place));
            }
            if flow.is_some_and(|flow| is_flow(flow) && home(flow, partitions) != answer.partition) {
                why = Some(format!("partition {} answers it, which is not its flow's home", answer.partition));
            }
            answered.push(answer.partition);
        }
        why
    }
}

/// Whether a command's flow id names one flow.
fn is_flow(flow: &str) -> bool {
    (1..=100).contains(&flow.len()) && flow != "*"
}

//! Whether every command was answered, by whom, and by nobody else.

use std::collections::HashMap;

use serde_json::Value;

use crate::follow::Followed;
use crate::gather::{Sources, Topics};
use crate::record::Log;
use crate::told::Answer;
use crate::{Anomaly, Fault, home};

impl Followed {
    /// Every command has exactly one answer from each partition that it concerns, or one dead letter.
    pub(crate) fn answers(
        &mut self,
        log: &Log,
        topics: Topics<'_>,
        dead: &Sources,
        answers: &HashMap<i64, Vec<Answer>>,
    ) {
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
                (0, _) => self.tally(command.as_ref(), given, log.enrollment_partitions),
                (letters, answers) => Some(format!("has {letters} dead letters and {answers} answers")),
            };
            if let Some(why) = why {
                let at = topics.place("control", record);
                self.anomalies.push(Anomaly { flow: flow.map(str::to_owned), fault: Fault::Command { at, why } });
            }
        }
    }

    fn tally(&mut self, command: Option<&Value>, given: &[Answer], partitions: i32) -> Option<String> {
        let flow = command.and_then(|command| command.get("flow_id")).and_then(Value::as_str);
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
            why = why.or_else(|| misplaced(flow, answer, partitions));
            answered.push(answer.partition);
        }
        let (Some("*"), Some(command)) = (flow, command) else { return why };
        let silent = (0..partitions).find(|partition| !answered.contains(partition));
        why.or_else(|| silent.map(|partition| format!("partition {partition} does not answer it")))
            .or_else(|| given.iter().find_map(|answer| impossible(command, answer)))
    }
}

/// Why it is not for this partition to answer.
fn misplaced(flow: Option<&str>, answer: &Answer, partitions: i32) -> Option<String> {
    let of = |why: &str| Some(format!("partition {} answers it, {why}", answer.partition));
    match flow {
        Some("*") if !(0..partitions).contains(&answer.partition) => of("which does not exist"),
        Some("*") if answer.flow_id.is_some() => of("and names a flow, although it is for all of them"),
        Some("*") => None,
        Some(flow) if is_flow(flow) => {
            (home(flow, partitions) != answer.partition).then(|| of("which is not its flow's home"))?
        }
        _ => (answer.partition != 0).then(|| of("although it is for no flow"))?,
    }
}

/// Whether a command's flow id names one flow.
fn is_flow(flow: &str) -> bool {
    (1..=100).contains(&flow.len()) && flow != "*"
}

/// Why no partition can answer so to a command for `*`.
fn impossible(command: &Value, answer: &Answer) -> Option<String> {
    let action = command.get("action").and_then(Value::as_str).unwrap_or_default();
    let of = |why: &str| Some(format!("partition {} answers that it is {}, {why}", answer.partition, answer.outcome));
    match (action, answer.outcome.as_str()) {
        (_, "rejected") => None,
        _ if command.get("expect").is_some() => of("although it expects something of one flow"),
        ("pause", "applied") | ("resume", "applied" | "unchanged") => None,
        ("pause", _) => of("although a pause changes the default"),
        _ => of("although it is for one flow"),
    }
}

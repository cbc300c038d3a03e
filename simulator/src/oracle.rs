//! The last word: the independent checker over all topics, and the list model that plays everything again.

use std::collections::HashMap;

use flowgate::flow::State;
use flowgate_checker::{Circumstances, Log, Record, Report};
use serde_json::Value;

use crate::down::Down;
use crate::world::START;

/// What both oracles found in order.
pub struct Verdict {
    pub report: Report,
    pub deliveries: u64,
    /// Deliveries that the list model accounts for.
    pub compared: u64,
}

/// # Errors
/// The anomalies, a line each.
pub fn judge(log: &Log, circumstances: Circumstances, downs: &[Down]) -> Result<Verdict, String> {
    let report = flowgate_checker::check(log);
    let mut lines: Vec<String> = report.anomalies.iter().map(ToString::to_string).collect();
    if lines.is_empty() && !report.is_green() {
        lines.push(format!("a sum does not close: {:?}", report.flows));
    }
    lines.extend(flowgate_checker::promises(log, circumstances).iter().map(ToString::to_string));
    lines.extend(waited(log, downs));
    lines.extend(timers_waited(log, downs));
    lines.extend(kept(log));
    let replay = flowgate_checker::replay(log);
    lines.extend(replay.differences.iter().map(|difference| format!("the list says: {difference}")));
    if lines.is_empty() {
        return Ok(Verdict { report, deliveries: replay.deliveries, compared: replay.compared });
    }
    lines.sort();
    Err(lines.join("\n"))
}

/// Promise P3: a gate that was down applies every command that waits before it touches one event.
fn waited<'a>(log: &'a Log, downs: &'a [Down]) -> impl Iterator<Item = String> + 'a {
    let answers = log.audit.iter().filter_map(|record| {
        let told: Value = serde_json::from_slice(record.value.as_deref()?).ok()?;
        // What a pause of every flow makes of a flow that is seen later comes later.
        let told = Some(told).filter(|told| told["event"] == "answer")?;
        let (command, partition) = (told["command_offset"].as_i64()?, told["partition"].as_u64()?);
        Some((command, usize::try_from(partition).ok()?, told["position"]["input"].as_i64()?))
    });
    answers.flat_map(move |(command, partition, input)| {
        let waited = downs.iter().filter(move |down| command < down.control_end);
        let began = waited.filter_map(move |down| down.positions.get(partition)).min();
        began.filter(|began| input > **began).map(|began| {
            format!(
                "P3: command {command} waited while no gate ran, and took effect at {input} of partition {partition}: the \
                 next owner began at {began}"
            )
        })
    })
}

fn document(record: &Record) -> Option<Value> {
    serde_json::from_slice(record.value.as_deref()?).ok()
}

/// The same of timers: a command that waited, recorded before the deadline, comes before the end that the timer would make.
fn timers_waited(log: &Log, downs: &[Down]) -> Vec<String> {
    let mut deadlines: HashMap<(String, String), i64> = HashMap::new();
    for value in log.state.iter().filter_map(|record| record.value.as_deref()) {
        let Ok(state) = flowgate::schema::state::read(value) else { continue };
        if let State::Resuming { pause, .. } = &state.body.state {
            deadlines.insert((state.body.id.as_str().to_owned(), pause.id.clone()), pause.resumes_at.0);
        }
    }
    let recorded: HashMap<i64, i64> = log.control.iter().map(|record| (record.offset, record.timestamp_ms)).collect();
    let mut audit: Vec<(&Record, Value)> =
        log.audit.iter().filter_map(|record| Some((record, document(record)?))).collect();
    audit.sort_by_key(|(record, _)| (record.partition, record.offset));
    let mut expired: HashMap<String, (i64, i64)> = HashMap::new();
    let mut wrong = Vec::new();
    for (record, told) in &audit {
        let Some(flow) = told["flow_id"].as_str() else { continue };
        if told["transition"] == "expired" {
            let pause = told["pause_id"].as_str().unwrap_or_default();
            if let Some(deadline) = deadlines.get(&(flow.to_owned(), pause.to_owned())) {
                expired.insert(flow.to_owned(), (*deadline, record.timestamp_ms));
            }
        }
        let (Some(offset), Some((deadline, at))) = (told["command_offset"].as_i64(), expired.get(flow)) else {
            continue;
        };
        // What happened in the very millisecond may have come before.
        let waited = downs.iter().any(|down| offset < down.control_end && down.at.0 < *at);
        if waited && recorded.get(&offset).is_some_and(|recorded| recorded < deadline) {
            wrong
                .push(format!("P3: command {offset} waited while no gate ran, and the timer of {flow} came before it"));
        }
    }
    wrong
}

/// Nothing is delivered with a timestamp that retention would not let stand for a week.
fn kept(log: &Log) -> impl Iterator<Item = String> + '_ {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    // The topic keeps records for 30 days.
    let oldest = START.0 - (30 - 8) * DAY_MS;
    log.records.iter().filter(move |record| record.timestamp_ms < oldest).map(|record| {
        format!("record {} of partition {} is delivered with a timestamp of long ago", record.offset, record.partition)
    })
}

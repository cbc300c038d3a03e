//! The last word: the independent checker over all topics, and the list model that plays everything again.

use flowgate_checker::{Circumstances, Log, Report};
use serde_json::Value;

use crate::world::Down;

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

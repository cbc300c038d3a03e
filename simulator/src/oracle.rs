//! The last word: the independent checker over all topics, and the list model that plays everything again.

use flowgate_checker::{Circumstances, Log, Report};

/// What both oracles found in order.
pub struct Verdict {
    pub report: Report,
    pub deliveries: u64,
    /// Deliveries that the list model accounts for.
    pub compared: u64,
}

/// # Errors
/// The anomalies, a line each.
pub fn judge(log: &Log, circumstances: Circumstances) -> Result<Verdict, String> {
    let report = flowgate_checker::check(log);
    let mut lines: Vec<String> = report.anomalies.iter().map(ToString::to_string).collect();
    if lines.is_empty() && !report.is_green() {
        lines.push(format!("a sum does not close: {:?}", report.flows));
    }
    lines.extend(flowgate_checker::promises(log, circumstances).iter().map(ToString::to_string));
    let replay = flowgate_checker::replay(log);
    lines.extend(replay.differences.iter().map(|difference| format!("the list says: {difference}")));
    if lines.is_empty() {
        return Ok(Verdict { report, deliveries: replay.deliveries, compared: replay.compared });
    }
    lines.sort();
    Err(lines.join("\n"))
}

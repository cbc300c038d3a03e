//! The last word: the independent checker over all topics.

use flowgate_checker::Log;

/// # Errors
/// The anomalies, a line each.
pub fn judge(log: &Log) -> Result<flowgate_checker::Report, String> {
    let report = flowgate_checker::check(log);
    if report.is_green() {
        return Ok(report);
    }
    let mut lines: Vec<String> = report.anomalies.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        lines.push(format!("a sum does not close: {:?}", report.flows));
    }
    lines.sort();
    Err(lines.join("\n"))
}

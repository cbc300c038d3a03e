//! What is written for whoever watches gates: the page of the metrics is what a gate serves, and the runbook has a section for
//! everything that sends somebody there: each alert, each exit code, each reason for which something is blocked.
#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[path = "watching/metrics.rs"]
mod metrics;
#[path = "watching/rules.rs"]
mod rules;
#[path = "watching/runbook.rs"]
mod runbook;

use std::path::Path;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// What a gate serves, with TLS for HTTP.
fn served() -> metrics::Metrics {
    let gate = flowgate::metrics::Metrics::new().unwrap();
    gate.http_certificate_ends(Some(flowgate::time::Timestamp(0)));
    metrics::served(&gate.text())
}

/// The values of the label `reason` of `flowgate_blocked`, as a gate serves them.
fn reasons() -> Vec<String> {
    let served = served();
    served["flowgate_blocked"].labels["reason"].iter().cloned().collect()
}

#[test]
fn the_page_of_the_metrics_is_what_a_gate_serves() {
    let served = served();
    none(&metrics::faults(&metrics::page(&text("docs/metrics.md")), &served));
}

#[test]
fn what_rules_and_dashboard_ask_for_is_served() {
    let served = served();
    for name in ["deploy/prometheus/flowgate.rules.yml", "deploy/grafana/flowgate.json"] {
        none(&metrics::unknown(name, &text(name), &served));
    }
}

#[test]
fn each_alert_says_what_it_must() {
    let alerts = rules::alerts(&text("deploy/prometheus/flowgate.rules.yml"));
    assert!(alerts.len() > 20, "{}", alerts.len());
    none(&rules::faults(&alerts, &text("deploy/prometheus/flowgate.test.yml")));
}

#[test]
fn the_runbook_has_a_section_for_whatever_sends_somebody_there() {
    let sections = runbook::anchors(&text("docs/runbook.md"));
    let alerts = rules::alerts(&text("deploy/prometheus/flowgate.rules.yml"));
    let mut wanted = runbook::wanted(&alerts, &reasons());
    wanted.extend(runbook::exit_codes(&text("src/cli/failure.rs")).into_iter().map(|code| format!("exit-code-{code}")));
    none(&runbook::missing(&wanted, &sections));
    none(&runbook::empty(&text("docs/runbook.md"), &wanted));
}

#[test]
fn the_runbook_names_every_exit_code_of_the_readme() {
    let readme = text("README.md").replace('\n', " ");
    let codes = runbook::exit_codes(&text("src/cli/failure.rs"));
    assert_eq!(codes, (1..=9).collect::<Vec<u8>>());
    let line = readme.split("Exit codes: 0 done;").nth(1).unwrap().split('.').next().unwrap();
    none(&codes.iter().filter(|code| !line.contains(&format!(" {code} "))).map(u8::to_string).collect::<Vec<_>>());
}

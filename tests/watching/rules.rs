//! The alerts of a file of rules.

use saphyr::{LoadableYamlNode as _, Yaml};

#[derive(Clone, Debug, Default)]
pub struct Alert {
    pub name: String,
    pub severity: String,
    pub summary: String,
    pub description: String,
    pub runbook_url: String,
}

pub fn alerts(text: &str) -> Vec<Alert> {
    let documents = Yaml::load_from_str(text).unwrap();
    let groups = documents[0]["groups"].as_vec().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_vec().unwrap());
    let word = |node: &Yaml<'_>, path: &[&str]| {
        let found = path.iter().try_fold(node, |node, name| node.as_mapping_get(name));
        found.and_then(|found| found.as_str()).unwrap_or_default().to_owned()
    };
    let alert = |rule: &Yaml<'_>| Alert {
        name: word(rule, &["alert"]),
        severity: word(rule, &["labels", "severity"]),
        summary: word(rule, &["annotations", "summary"]),
        description: word(rule, &["annotations", "description"]),
        runbook_url: word(rule, &["annotations", "runbook_url"]),
    };
    rules.map(alert).filter(|alert| !alert.name.is_empty()).collect()
}

/// Alerts that say too little, or of which no test says that they fire, and that they do not.
pub fn faults(alerts: &[Alert], tests: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for alert in alerts {
        let Alert { name, severity, summary, description, runbook_url } = alert;
        let mut must = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{name}: {what}"));
            }
        };
        must(["page", "ticket"].contains(&severity.as_str()), "its severity is page or ticket");
        must(!summary.is_empty() && !description.is_empty(), "it has a summary and a description");
        must(runbook_url.contains("docs/runbook.md#"), "its runbook_url is a section of docs/runbook.md");
        must(tests.contains(&format!("alertname: {name}\n        exp_alerts:\n")), "no test has it firing");
        must(tests.contains(&format!("alertname: {name}, exp_alerts: []")), "no test has it not firing");
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "groups:\n- rules:\n  - record: a:b\n    expr: 1\n  - alert: A\n    expr: 1\n    labels: {severity: page}\n    annotations:\n      \
        summary: s\n      description: d\n      runbook_url: docs/runbook.md#a\n";
    const TEST: &str = "- {alertname: A, exp_alerts: []}\n        alertname: A\n        exp_alerts:\n";

    #[test]
    fn alerts_are_read() {
        let alerts = alerts(RULE);
        assert_eq!(alerts.len(), 1);
        assert_eq!((alerts[0].name.as_str(), alerts[0].severity.as_str()), ("A", "page"));
        assert_eq!(faults(&alerts, TEST), Vec::<String>::new());
    }

    #[test]
    fn what_an_alert_leaves_out_is_found() {
        for (from, to) in [("page", "loud"), ("summary: s", "x: s"), ("runbook.md#a", "other.md")] {
            assert_eq!(faults(&alerts(&RULE.replace(from, to)), TEST).len(), 1, "{from}");
        }
        assert_eq!(faults(&alerts(RULE), "").len(), 2);
    }
}

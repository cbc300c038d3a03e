//! Metrics, as a page has them and as a gate serves them.

use std::collections::{BTreeMap, BTreeSet};

/// A metric: its type, and the values of each of its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metric {
    pub kind: String,
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

pub type Metrics = BTreeMap<String, Metric>;

/// Of the text format. What a histogram is made of is the histogram.
pub fn served(text: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for (name, kind) in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')) {
        metrics.insert(name.to_owned(), Metric { kind: kind.to_owned(), ..Metric::default() });
    }
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let metric = metrics.get_mut(base(name)).unwrap_or_else(|| panic!("{line}"));
        let labels = rest.split_once('}').unwrap().0;
        for (label, value) in labels.split(',').filter_map(|label| label.split_once('=')).filter(|(of, _)| *of != "le")
        {
            metric.labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    metrics
}

fn base(name: &str) -> &str {
    ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|part| name.strip_suffix(part))
        .filter(|name| name.ends_with("_seconds"))
        .unwrap_or(name)
}

/// A row of the page.
pub struct Row {
    pub name: String,
    pub metric: Metric,
    pub meaning: String,
}

/// Of `| name | type | unit | labels | meaning |`.
pub fn page(text: &str) -> Vec<Row> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", name, kind, _, labels, meaning, ""] = cells[..] else { panic!("five cells: {line}") };
        let labels = labels.split(';').filter(|label| !label.trim().is_empty()).map(|label| {
            let (label, values) = label.split_once(':').unwrap_or((label, ""));
            let values = values.split(',').map(|value| value.trim().trim_matches('`').to_owned());
            (label.trim().trim_matches('`').to_owned(), values.filter(|value| !value.is_empty()).collect())
        });
        let metric = Metric { kind: kind.to_owned(), labels: labels.collect() };
        Row { name: name.trim_matches('`').to_owned(), metric, meaning: meaning.to_owned() }
    };
    rows.map(row).collect()
}

/// Where the page and the gate do not agree.
pub fn faults(page: &[Row], served: &Metrics) -> Vec<String> {
    let mut faults = Vec::new();
    for Row { name, metric, meaning } in page {
        let Some(is) = served.get(name) else {
            faults.push(format!("{name}: no gate serves it"));
            continue;
        };
        // The version is another one in the next release.
        let mut is = is.clone();
        if let Some(version) = is.labels.get_mut("version") {
            version.clear();
        }
        if is != *metric {
            faults.push(format!("{name}: a gate serves {is:?}, the page has {metric:?}"));
        }
        if meaning.is_empty() {
            faults.push(format!("{name}: the page does not say what it means"));
        }
    }
    let named: BTreeSet<&String> = page.iter().map(|row| &row.name).collect();
    faults.extend(served.keys().filter(|name| !named.contains(name)).map(|name| format!("{name}: not in the page")));
    faults
}

/// Metrics that a text names and no gate serves. Names with a colon are those that rules record.
pub fn unknown(file: &str, text: &str, served: &Metrics) -> Vec<String> {
    let words = text.split(|of: char| !of.is_ascii_alphanumeric() && of != '_' && of != ':');
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("flowgate_") && !word.contains(':')).collect();
    asked.into_iter().filter(|name| !served.contains_key(base(name))).map(|name| format!("{file}: {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVED: &str = "# TYPE flowgate_a_total counter\nflowgate_a_total{why=\"x\"} 1\nflowgate_a_total{why=\"y\"} 0\n\
        # TYPE flowgate_b_seconds histogram\nflowgate_b_seconds_bucket{le=\"1\"} 0\nflowgate_b_seconds_sum 0\n";

    fn faults_of(rows: &str) -> Vec<String> {
        faults(&page(rows), &served(SERVED))
    }

    #[test]
    fn a_page_that_agrees_has_no_fault() {
        let rows = "| `flowgate_a_total` | counter | | `why`: `x`, `y` | a |\n| `flowgate_b_seconds` | histogram | seconds | | b |";
        assert_eq!(faults_of(rows), Vec::<String>::new());
    }

    #[test]
    fn what_the_page_says_wrong_or_leaves_out_is_found() {
        let b = "| `flowgate_b_seconds` | histogram | seconds | | b |";
        for (row, fault) in [
            ("| `flowgate_a_total` | gauge | | `why`: `x`, `y` | a |", "flowgate_a_total: a gate serves"),
            ("| `flowgate_a_total` | counter | | `why`: `x` | a |", "flowgate_a_total: a gate serves"),
            ("| `flowgate_a_total` | counter | | `why`: `x`, `y` | |", "flowgate_a_total: the page does not say"),
            ("| `flowgate_c` | gauge | | | c |", "flowgate_c: no gate serves it"),
            ("", "flowgate_a_total: not in the page"),
        ] {
            let found = faults_of(&format!("{row}\n{b}"));
            assert!(found.iter().any(|found| found.starts_with(fault)), "{row}: {found:?}");
        }
    }

    #[test]
    fn what_nobody_serves_is_unknown() {
        let served = served(SERVED);
        assert_eq!(
            unknown("f", "sum(flowgate_a_total) / flowgate_b_seconds_bucket + job:flowgate_x:rate5m", &served),
            Vec::<String>::new()
        );
        assert_eq!(unknown("f", "flowgate_a", &served), ["f: flowgate_a"]);
    }
}

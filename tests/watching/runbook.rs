//! The sections of the runbook.

use super::rules::Alert;

/// How the sections of a page are linked to: as GitHub and mdBook make it of their headings.
pub fn anchors(page: &str) -> Vec<String> {
    headings(page).map(|(_, heading)| anchor(heading)).collect()
}

fn headings(page: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    page.lines().enumerate().filter_map(move |(n, line)| {
        code ^= line.starts_with("```");
        line.strip_prefix('#').filter(|_| !code).map(|rest| (n, rest.trim_start_matches('#').trim()))
    })
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|of| of.is_alphanumeric() || " -_".contains(*of));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// What the alerts link to, each reason of one that names it so; and each alert's own name, but where it links to a reason.
pub fn wanted(alerts: &[Alert], reasons: &[String]) -> Vec<String> {
    let link =
        |alert: &Alert| alert.runbook_url.rsplit_once('#').map_or_else(String::new, |(_, anchor)| anchor.to_owned());
    let each = |anchor: String| match anchor.split_once("{{") {
        Some((start, _)) => reasons.iter().map(|reason| format!("{start}{reason}")).collect(),
        None => vec![anchor],
    };
    let mut wanted: Vec<String> = alerts.iter().map(link).flat_map(each).collect();
    wanted.extend(reasons.iter().map(|reason| format!("blocked-{reason}")));
    wanted.sort();
    wanted.dedup();
    wanted
}

/// The numbers in the list of exit codes.
pub fn exit_codes(source: &str) -> Vec<u8> {
    let list = source.split("pub mod exit {").nth(1).unwrap().split('}').next().unwrap();
    list.lines().filter_map(|line| line.split_once(": u8 = ")?.1.trim_end_matches(';').parse().ok()).collect()
}

pub fn missing(wanted: &[String], sections: &[String]) -> Vec<String> {
    let missing = wanted.iter().filter(|anchor| !sections.contains(anchor));
    missing.map(|anchor| format!("docs/runbook.md has no section #{anchor}")).collect()
}

/// Sections that do not say all of what somebody who is woken needs.
pub fn empty(page: &str, wanted: &[String]) -> Vec<String> {
    let lines: Vec<&str> = page.lines().collect();
    let starts: Vec<(usize, &str)> = headings(page).collect();
    let mut faults = Vec::new();
    for (at, (n, heading)) in starts.iter().enumerate().filter(|(_, (_, of))| wanted.contains(&anchor(of))) {
        let end = starts.get(at + 1).map_or(lines.len(), |(next, _)| *next);
        let section = lines[*n..end].join("\n");
        for part in ["**Means**", "**See**", "**Do**", "**Call**"] {
            if !section.contains(part) {
                faults.push(format!("docs/runbook.md: {heading}: {part} is missing"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(runbook_url: &str) -> Alert {
        Alert { runbook_url: runbook_url.to_owned(), ..Alert::default() }
    }

    #[test]
    fn sections_are_found_but_not_in_code() {
        assert_eq!(
            anchors("# The book\n## Blocked: `too_slow`\n```\n# no\n```\n### Exit code 4"),
            ["the-book", "blocked-too_slow", "exit-code-4"]
        );
    }

    #[test]
    fn what_has_no_section_is_missing() {
        let alerts = [alert("x/docs/runbook.md#a"), alert("docs/runbook.md#blocked-{{ $labels.reason }}")];
        let wanted = wanted(&alerts, &["clock".to_owned(), "brokers".to_owned()]);
        assert_eq!(wanted, ["a", "blocked-brokers", "blocked-clock"]);
        assert_eq!(
            missing(&wanted, &anchors("# A\n# Blocked: clock")),
            ["docs/runbook.md has no section #blocked-brokers"]
        );
    }

    #[test]
    fn a_section_that_leaves_something_out_is_found() {
        let whole = "## A\n**Means** x **See** x **Do** x **Call** x\n## B\n";
        assert_eq!(empty(whole, &["a".to_owned()]), Vec::<String>::new());
        assert_eq!(empty(&whole.replace("**Do**", "do"), &["a".to_owned()]), ["docs/runbook.md: A: **Do** is missing"]);
    }

    #[test]
    fn exit_codes_are_read() {
        assert_eq!(exit_codes("pub mod exit {\n    pub const A: u8 = 1;\n    pub const B: u8 = 9;\n}\n"), [1, 9]);
    }
}

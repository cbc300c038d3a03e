//! What came out, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::Result;
use crate::case::Case;
use crate::contestant::Contestant;
use crate::figures::{Figures, Latency, Measure};
use crate::usage;

/// Above this load others take part.
const QUIET: f64 = 0.5;

pub struct Report {
    rounds: u32,
    load: Option<f64>,
    results: Vec<CaseResult>,
}

struct CaseResult {
    case: Case,
    /// In the order of their turns, each with its rounds.
    contestants: Vec<(String, Vec<Figures>)>,
}

impl Report {
    pub fn new(rounds: u32) -> Self {
        Self { rounds, load: usage::load(), results: Vec::new() }
    }

    /// What to say before anything is measured.
    pub fn caution(&self) -> Option<String> {
        let load = self.load.filter(|load| *load > QUIET)?;
        Some(format!(
            "caution: the load of this machine is {load} before anything was started: only ratios mean anything, and those little"
        ))
    }

    pub fn add(&mut self, case: Case, contestant: &Contestant, figures: Figures) {
        if self.results.last().is_none_or(|last| last.case != case) {
            self.results.push(CaseResult { case, contestants: Vec::new() });
        }
        let Some(CaseResult { contestants, .. }) = self.results.last_mut() else { return };
        let name = contestant.to_string();
        match contestants.iter_mut().find(|(other, _)| *other == name) {
            Some((_, rounds)) => rounds.push(figures),
            None => contestants.push((name, vec![figures])),
        }
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, format!("{:#}\n", self.json()))?)
    }

    fn json(&self) -> Value {
        let cases = self.results.iter().map(|CaseResult { case, contestants }| {
            let of = |(name, rounds): &(String, Vec<Figures>)| {
                let ratios = contestants.iter().filter(|(other, _)| other != name);
                let ratios = ratios.map(|(other, theirs)| (other.clone(), json!(ratio(rounds, theirs))));
                json!({
                    "name": name,
                    "median": {
                        "records_per_second": median(rounds, |of| of.records_per_second),
                        "first_seconds": median(rounds, |of| of.first_seconds),
                        "seconds": median(rounds, |of| of.seconds),
                        "cpu_seconds_per_million": median(rounds, |of| of.cpu_seconds_per_million),
                        "broker_cpu_seconds_per_million": median(rounds, |of| of.broker_cpu_seconds_per_million),
                        "peak_mib": median(rounds, |of| of.peak_mib),
                        "p50_ms": latency(rounds, |of| of.p50_ms),
                        "p99_ms": latency(rounds, |of| of.p99_ms),
                        "more": more(rounds).into_iter().collect::<BTreeMap<_, _>>(),
                    },
                    "times_faster_than": ratios.collect::<serde_json::Map<_, _>>(),
                    "rounds": rounds,
                })
            };
            json!({
                "case": case.to_string(),
                "flows": case.flows,
                "records": case.records,
                "contestants": contestants.iter().map(of).collect::<Vec<_>>(),
            })
        });
        json!({
            "processor": processor(),
            "processors": std::thread::available_parallelism().map_or(0, usize::from),
            "load_before": self.load,
            "rounds": self.rounds,
            "cases": cases.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "case",
            "who",
            "records/s",
            "x loop",
            "x limit",
            "x streams",
            "first ms",
            "CPU-s/M",
            "broker's",
            "peak MiB",
            "p50 ms",
            "p99 ms",
        ]);
        for CaseResult { case, contestants } in &self.results {
            for (name, rounds) in contestants {
                let beside = |other: &str| {
                    let theirs = contestants.iter().find(|(name, _)| name == other);
                    let theirs = theirs.filter(|_| !timed(rounds));
                    theirs.map_or_else(String::new, |(_, theirs)| format!("{:.2}", ratio(rounds, theirs)))
                };
                table.add_row([
                    case.to_string(),
                    name.clone(),
                    thousands(median(rounds, |of| of.records_per_second)),
                    beside("loop"),
                    beside("limit"),
                    beside("streams"),
                    format!("{:.0}", median(rounds, |of| of.first_seconds) * 1e3),
                    format!("{:.2}", median(rounds, |of| of.cpu_seconds_per_million)),
                    format!("{:.2}", median(rounds, |of| of.broker_cpu_seconds_per_million)),
                    format!("{:.0}", median(rounds, |of| of.peak_mib)),
                    latency(rounds, |of| of.p50_ms).map_or_else(String::new, |ms| format!("{ms:.0}")),
                    latency(rounds, |of| of.p99_ms).map_or_else(String::new, |ms| format!("{ms:.0}")),
                ]);
            }
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        write!(f, "{table}")?;
        match self.more() {
            Some(table) => write!(f, "\n\n{table}"),
            None => Ok(()),
        }
    }
}

impl Report {
    /// What single cases measure besides.
    fn more(&self) -> Option<Table> {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["case", "who", "measure", "median"]);
        for CaseResult { case, contestants } in &self.results {
            for (name, rounds) in contestants {
                for (measure, figure) in more(rounds) {
                    table.add_row([case.to_string(), name.clone(), measure.to_owned(), format!("{figure:.2}")]);
                }
            }
        }
        if let Some(column) = table.column_mut(3) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        (!table.is_empty()).then_some(table)
    }
}

/// The medians of what only this case measures.
fn more(rounds: &[Figures]) -> Vec<Measure> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let all = || rounds.iter().flat_map(|of| &of.more);
    let of = |name| middle(all().filter(|(other, _)| *other == name).map(|(_, figure)| *figure).collect());
    first.more.iter().map(|(name, _)| (*name, of(*name))).collect()
}

/// How many times faster, round by round: the median of that.
fn ratio(ours: &[Figures], theirs: &[Figures]) -> f64 {
    let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours.records_per_second / theirs.records_per_second);
    middle(ratios.collect())
}

fn median(rounds: &[Figures], figure: impl Fn(&Figures) -> f64) -> f64 {
    middle(rounds.iter().map(figure).collect())
}

/// Whether these rounds are about how long something takes, at a pace that is given.
fn timed(rounds: &[Figures]) -> bool {
    rounds.iter().any(|of| of.latency.is_some())
}

fn latency(rounds: &[Figures], figure: impl Fn(&Latency) -> f64) -> Option<f64> {
    timed(rounds).then(|| middle(rounds.iter().filter_map(|of| of.latency.as_ref()).map(figure).collect()))
}

fn middle(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    match (of.get(of.len() / 2), of.len() % 2) {
        (None, _) => f64::NAN,
        (Some(upper), 0) => f64::midpoint(*upper, of[of.len() / 2 - 1]),
        (Some(middle), _) => *middle,
    }
}

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).to_owned())
}

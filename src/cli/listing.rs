//! Flows as rows: of tables for people, of CSV for scripts.

use std::io::{BufWriter, Write};

use clap::{Args, ValueEnum};

use super::output::{Format, Output, json_line, json_list};
use super::table::stream;
use super::{Failure, exit, yaml};
use crate::client::states::Known;
use crate::duration;
use crate::flow::{Keep, NewRecords, OnExpiry, Pause, State};
use crate::legible::legible;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    #[default]
    Table,
    /// A table with more columns
    Wide,
    Json,
    /// JSON, a line for each flow
    Jsonl,
    Yaml,
    /// All columns, exact, with a line of their names
    Csv,
    /// Only the ids, a line each, with control characters as signs
    Name,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Listing {
    /// How to show it
    #[arg(long = "output", short = 'o', value_enum, default_value_t)]
    pub format: ListFormat,
    /// Without the line of column names: of table, wide and csv
    #[arg(long)]
    pub no_headers: bool,
}

impl Listing {
    /// The format that every command has, if it is one of those.
    pub fn plain(self) -> Option<Output> {
        let format = match self.format {
            ListFormat::Table => Format::Table,
            ListFormat::Wide => Format::Wide,
            ListFormat::Json => Format::Json,
            ListFormat::Jsonl => Format::Jsonl,
            ListFormat::Yaml => Format::Yaml,
            ListFormat::Csv | ListFormat::Name => return None,
        };
        Some(Output { format })
    }

    /// Columns of the table.
    pub fn header(self) -> &'static [&'static str] {
        if self.format == ListFormat::Wide { &HEADER } else { &HEADER[..NARROW] }
    }

    /// The cells of a flow, one for each of [`Listing::header`].
    pub fn row(self, known: &Known, now: Timestamp) -> Vec<String> {
        let mut row = narrow(known, now);
        if self.format == ListFormat::Wide {
            row.extend(wide(known));
        }
        row
    }

    /// Writes flows one by one. `terminal`: whether people would see signs that their terminal obeys.
    ///
    /// # Errors
    /// Of the output.
    pub fn write<'a>(
        self,
        out: &mut dyn Write,
        terminal: bool,
        mut flows: impl Iterator<Item = &'a Known> + Clone,
        now: Timestamp,
    ) -> Result<(), Failure> {
        // Standard output is written through at the end of every line.
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        match self.format {
            ListFormat::Table | ListFormat::Wide => {
                stream(&mut out, self.header(), !self.no_headers, flows.map(|known| self.row(known, now)))?;
            }
            ListFormat::Json => json_list(&mut out, flows.map(Known::json))?,
            ListFormat::Jsonl => flows.try_for_each(|known| json_line(&mut out, &known.json()))?,
            ListFormat::Yaml => yaml::write_list(&mut out, flows.map(Known::json))?,
            ListFormat::Csv => {
                if !self.no_headers {
                    csv_line(&mut out, terminal, &CSV)?;
                }
                flows.try_for_each(|known| csv_line(&mut out, terminal, &csv_row(known)))?;
            }
            ListFormat::Name => flows.try_for_each(|known| writeln!(out, "{}", legible(known.flow.id.as_str())))?,
        }
        Ok(out.flush()?)
    }
}

const HEADER: [&str; 15] = [
    "FLOW",
    "STATE",
    "HELD",
    "FOR",
    "RESUMES IN",
    "BY",
    "QUEUED",
    "RELEASED",
    "REPLACED",
    "REMOVED",
    "TURNED AWAY",
    "KEEP",
    "NEW RECORDS",
    "PARTITION",
    "REASON",
];

/// Columns of a table that is not wide.
const NARROW: usize = 6;

fn narrow(known: &Known, now: Timestamp) -> Vec<String> {
    let flow = &known.flow;
    vec![
        flow.id.to_string(),
        flow.state_word().to_owned(),
        flow.counts.held().total().to_string(),
        of_pause(known, "-", |pause| duration::show(whole(now.since(pause.paused_at)))),
        match &flow.state {
            State::Paused(pause) => duration::show(whole(pause.resumes_at.since(now))),
            State::Live | State::Resuming { .. } => "-".to_owned(),
        },
        of_pause(known, "-", |pause| pause.by.clone()),
    ]
}

fn wide(known: &Known) -> [String; HEADER.len() - NARROW] {
    let counts = &known.flow.counts;
    [
        counts.queued.total().to_string(),
        counts.released.total().to_string(),
        counts.replaced.total().to_string(),
        counts.removed.total().to_string(),
        counts.turned_away.total().to_string(),
        of_pause(known, "-", |pause| keep(pause.keep).to_owned()),
        of_pause(known, "-", |pause| new_records(pause.new_records).to_owned()),
        known.partition.to_string(),
        of_pause(known, "-", |pause| pause.reason.clone().unwrap_or_else(|| "-".to_owned())),
    ]
}

/// The columns of CSV. Others may come behind them, none goes or changes its place.
const CSV: [&str; 19] = [
    "flow_id",
    "state",
    "held",
    "queued",
    "released",
    "replaced",
    "removed",
    "lost",
    "turned_away",
    "paused_at",
    "resumes_at",
    "by",
    "reason",
    "new_records",
    "keep",
    "on_expiry",
    "expiry_rate",
    "partition",
    "updated_at",
];

fn csv_row(known: &Known) -> [String; CSV.len()] {
    let (flow, counts) = (&known.flow, &known.flow.counts);
    let of_pause = |text: fn(&Pause) -> String| of_pause(known, "", text);
    [
        flow.id.to_string(),
        flow.state_word().to_owned(),
        counts.held().total().to_string(),
        counts.queued.total().to_string(),
        counts.released.total().to_string(),
        counts.replaced.total().to_string(),
        counts.removed.total().to_string(),
        counts.lost.total().to_string(),
        counts.turned_away.total().to_string(),
        of_pause(|pause| pause.paused_at.to_string()),
        of_pause(|pause| pause.resumes_at.to_string()),
        of_pause(|pause| pause.by.clone()),
        of_pause(|pause| pause.reason.clone().unwrap_or_default()),
        of_pause(|pause| new_records(pause.new_records).to_owned()),
        of_pause(|pause| keep(pause.keep).to_owned()),
        of_pause(|pause| on_expiry(pause.on_expiry).to_owned()),
        of_pause(|pause| pause.expiry_rate.map(|rate| rate.to_string()).unwrap_or_default()),
        known.partition.to_string(),
        flow.updated_at.to_string(),
    ]
}

/// Exact for programs; a terminal is shown signs in place of what it would obey.
fn csv_line(out: &mut dyn Write, terminal: bool, cells: &[impl AsRef<str>]) -> Result<(), Failure> {
    let cannot = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => Failure::from(error),
        kind => Failure::new(exit::OTHER, format!("cannot be written as CSV: {kind:?}")),
    };
    let mut writer = csv::Writer::from_writer(&mut *out);
    match terminal {
        true => writer.write_record(cells.iter().map(|cell| legible(cell.as_ref()).into_owned())),
        false => writer.write_record(cells.iter().map(|cell| cell.as_ref().as_bytes())),
    }
    .map_err(cannot)?;
    Ok(writer.flush()?)
}

/// `none` where there is no pause.
fn of_pause(known: &Known, none: &str, text: impl Fn(&Pause) -> String) -> String {
    known.flow.pause().map_or_else(|| none.to_owned(), text)
}

fn keep(keep: Keep) -> &'static str {
    match keep {
        Keep::Latest => "latest",
        Keep::All => "all",
    }
}

fn new_records(new_records: NewRecords) -> &'static str {
    match new_records {
        NewRecords::Queue => "queue",
        NewRecords::Discard => "discard",
    }
}

fn on_expiry(on_expiry: OnExpiry) -> &'static str {
    match on_expiry {
        OnExpiry::Resume => "resume",
        OnExpiry::Discard => "discard",
    }
}

/// Nobody counts milliseconds of a pause.
pub fn whole(duration: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_secs(duration.as_secs())
}

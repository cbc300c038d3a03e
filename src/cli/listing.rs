//! Lists in each format: tables for people, JSON, YAML and CSV for scripts, and names.

use std::io::{BufWriter, Write};

use clap::{Args, ValueEnum};

use serde_json::Value;

use super::output::{Format, Output, json_line, json_list};
use super::table::{Layout, shortened, stream};
use super::{Failure, exit, yaml};
use crate::legible::legible;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    #[default]
    Table,
    /// A table with more columns
    Wide,
    Json,
    /// JSON, a line each
    Jsonl,
    Yaml,
    /// All columns, exact, with a line of their names
    Csv,
    /// Only the names, a line each, with control characters as signs
    Name,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Listing {
    /// How to show it; `flowgate schema` says how the JSON looks
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

    /// Whether people read it, rather than scripts.
    pub fn is_for_people(self) -> bool {
        matches!(self.format, ListFormat::Table | ListFormat::Wide)
    }

    /// Writes rows one by one: they are made anew each time they are needed, and none is kept. `terminal`: whether people would
    /// see signs that their terminal obeys.
    ///
    /// # Errors
    /// Of the output.
    pub fn write_rows<R: Row>(
        self,
        out: &mut dyn Write,
        terminal: bool,
        sheet: &Sheet<'_>,
        mut rows: impl Iterator<Item = R> + Clone,
    ) -> Result<(), Failure> {
        // Standard output is written through at the end of every line.
        let mut out = BufWriter::with_capacity(64 * 1024, out);
        match self.format {
            ListFormat::Table | ListFormat::Wide => self.write_table(&mut out, sheet, rows)?,
            ListFormat::Json => json_list(&mut out, rows.map(|row| row.document()))?,
            ListFormat::Jsonl => rows.try_for_each(|row| json_line(&mut out, &row.document()))?,
            ListFormat::Yaml => yaml::write_list(&mut out, rows.map(|row| row.document()))?,
            ListFormat::Csv => {
                if !self.no_headers {
                    csv_line(&mut out, terminal, sheet.csv)?;
                }
                rows.try_for_each(|row| csv_line(&mut out, terminal, &row.csv()))?;
            }
            ListFormat::Name => rows.try_for_each(|row| writeln!(out, "{}", legible(&row.name())))?,
        }
        Ok(out.flush()?)
    }

    fn write_table<R: Row>(
        self,
        out: &mut dyn Write,
        sheet: &Sheet<'_>,
        rows: impl Iterator<Item = R> + Clone,
    ) -> Result<(), Failure> {
        let (header, titles) = (sheet.header, !self.no_headers);
        let Some(columns) = sheet.columns else {
            return stream(out, header, titles, rows.map(|row| row.cells()));
        };
        let cells = rows.map(|row| row.cells());
        let room = Layout::of(header, cells.clone()).room_for_last(columns);
        let fitting = cells.map(|mut cells| {
            cells.last_mut().into_iter().for_each(|last| *last = shortened(last, room));
            cells
        });
        stream(out, header, titles, fitting)
    }
}

/// The columns of a list.
pub struct Sheet<'a> {
    pub header: &'a [&'a str],
    /// Of CSV. In a later version others may come behind them; none goes or changes its place.
    pub csv: &'a [&'a str],
    /// The last cell of a row is cut so that the row has no more columns than the terminal; `None`: nothing is cut.
    pub columns: Option<u16>,
}

/// One thing of a list.
pub trait Row {
    /// One for each column of the table.
    fn cells(&self) -> Vec<String>;

    /// One for each column of CSV.
    fn csv(&self) -> Vec<String>;

    /// For JSON and YAML.
    fn document(&self) -> Value;

    fn name(&self) -> String;
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

/// Nobody counts milliseconds of what people have done.
pub fn to_the_second(time: Timestamp) -> Timestamp {
    Timestamp(time.0.div_euclid(1000) * 1000)
}

/// Nobody counts milliseconds of a pause.
pub fn whole(duration: std::time::Duration) -> std::time::Duration {
    std::time::Duration::from_secs(duration.as_secs())
}

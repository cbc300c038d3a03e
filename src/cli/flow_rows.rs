//! Flows as rows: of tables for people, of CSV for scripts.

use std::io::Write;

use serde_json::Value;

use super::Failure;
use super::listing::{ListFormat, Listing, Row, Sheet, whole};
use crate::client::states::Known;
use crate::duration;
use crate::flow::{Keep, NewRecords, OnExpiry, Pause, State};
use crate::time::Timestamp;

impl Listing {
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
        flows: impl Iterator<Item = &'a Known> + Clone,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let sheet = Sheet { header: self.header(), csv: &CSV, columns: None };
        self.write_rows(out, terminal, &sheet, flows.map(|known| Flow { known, listing: self, now }))
    }
}

struct Flow<'a> {
    known: &'a Known,
    listing: Listing,
    now: Timestamp,
}

impl Row for Flow<'_> {
    fn cells(&self) -> Vec<String> {
        self.listing.row(self.known, self.now)
    }

    fn csv(&self) -> Vec<String> {
        csv_row(self.known).into()
    }

    fn document(&self) -> Value {
        self.known.json()
    }

    fn name(&self) -> String {
        self.known.flow.id.to_string()
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

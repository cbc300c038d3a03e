//! `flowgate flows`

use std::io::{BufWriter, Write};
use std::time::Duration;

use clap::ValueEnum;

use super::Failure;
use super::output::{Format, Output, json_list};
use super::table::stream;
use crate::broker::Broker;
use crate::client::states::{Known, States};
use crate::clock;
use crate::duration;
use crate::flow::{Keep, NewRecords, Pause, State};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only flows in this state; can be repeated
    #[arg(long, value_enum)]
    state: Vec<StateArg>,
    /// Only flows whose id contains this
    #[arg(long = "match", value_name = "TEXT")]
    text: Option<String>,
    /// Only flows with at least so many events held
    #[arg(long, value_name = "EVENTS")]
    min_held: Option<u64>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateArg {
    Live,
    Paused,
    Resuming,
}

impl StateArg {
    fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Paused => "paused",
            Self::Resuming => "resuming",
        }
    }
}

/// How long reading all states may take.
pub const READ: Duration = Duration::from_secs(60);

pub fn run<B: Broker>(args: &Args, broker: &B, topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
    let mut states = States::open(broker, topics)?;
    states.catch_up(READ)?;
    let shown = states.flows.values().filter(|known| args.wants(known));
    // Standard output is written through at the end of every line.
    let mut out = BufWriter::with_capacity(64 * 1024, out);
    match args.output.format {
        Format::Json => json_list(&mut out, shown.map(|known| known.json()))?,
        Format::Yaml => args.output.write(&mut out, &shown.map(|known| known.json()).collect(), |_| String::new())?,
        Format::Table | Format::Wide if shown.clone().next().is_none() => match states.flows.len() {
            0 => writeln!(out, "no flow is known under the prefix `{}`", topics.prefix)?,
            known => writeln!(out, "none of {known} flows is like that")?,
        },
        format => {
            let (now, count) = (clock::now(), if format == Format::Wide { HEADER.len() } else { NARROW });
            stream(&mut out, &HEADER[..count], true, shown.map(|known| row(known, count, now)))?;
        }
    }
    Ok(out.flush()?)
}

impl Args {
    fn wants(&self, known: &Known) -> bool {
        let flow = &known.flow;
        (self.state.is_empty() || self.state.iter().any(|state| state.word() == flow.state_word()))
            && self.text.as_ref().is_none_or(|text| flow.id.as_str().contains(text))
            && self.min_held.is_none_or(|least| flow.counts.held().total() >= least)
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

/// The first `count` columns.
fn row(known: &Known, count: usize, now: Timestamp) -> Vec<String> {
    let (flow, counts) = (&known.flow, &known.flow.counts);
    let pause = flow.pause();
    let of_pause = |text: &dyn Fn(&Pause) -> String| pause.map_or_else(|| "-".to_owned(), text);
    let mut row = Vec::with_capacity(count);
    row.extend([
        flow.id.to_string(),
        flow.state_word().to_owned(),
        counts.held().total().to_string(),
        of_pause(&|pause| duration::show(whole(now.since(pause.paused_at)))),
        match &flow.state {
            State::Paused(pause) => duration::show(whole(pause.resumes_at.since(now))),
            State::Live | State::Resuming { .. } => "-".to_owned(),
        },
        of_pause(&|pause| pause.by.clone()),
    ]);
    if count > NARROW {
        row.extend([
            counts.queued.total().to_string(),
            counts.released.total().to_string(),
            counts.replaced.total().to_string(),
            counts.removed.total().to_string(),
            counts.turned_away.total().to_string(),
            of_pause(&|pause| keep(pause.keep).to_owned()),
            of_pause(&|pause| new_records(pause.new_records).to_owned()),
            known.partition.to_string(),
            of_pause(&|pause| pause.reason.clone().unwrap_or_else(|| "-".to_owned())),
        ]);
    }
    row
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

/// Nobody counts milliseconds of a pause.
pub fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

//! `flowgate flows`

use std::cmp::Reverse;
use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::Failure;
use super::listing::{ListFormat, Listing};
use super::screen::Screen;
use super::selecting;
use crate::broker::Broker;
use crate::client::select::Selection;
use crate::client::states::{Known, States};
use crate::clock;
use crate::flow::State;
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
    #[arg(long, value_name = "TERMS", long_help = selecting::HELP, help = selecting::SHORT)]
    select: Vec<Selection>,
    /// What comes first: most events held, the next one to resume, or the first id
    #[arg(long, value_enum, default_value_t)]
    sort: SortArg,
    /// Go on showing what changes, until Ctrl-C: in a terminal the whole table, else a line for each change, of counts once a
    /// second
    #[arg(long, short = 'w')]
    pub watch: bool,
    #[command(flatten)]
    pub listing: Listing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateArg {
    Live,
    Paused,
    Resuming,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum SortArg {
    Held,
    #[value(name = "resumes_at", alias = "resumes-at")]
    ResumesAt,
    #[default]
    Id,
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

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut states = States::open(broker, topics)?;
    states.catch_up(READ)?;
    let now = clock::now();
    let shown = args.chosen(&states, now);
    if shown.is_empty() && matches!(args.listing.format, ListFormat::Table | ListFormat::Wide) {
        let why = match states.flows.len() {
            0 => format!("no flow is known under the prefix `{}`", topics.prefix),
            known => format!("none of {known} flows is like that"),
        };
        return Ok(writeln!(out, "{why}")?);
    }
    args.listing.write(out, screen.terminal, shown.into_iter(), now)
}

impl Args {
    pub fn wants(&self, known: &Known, now: Timestamp) -> bool {
        let flow = &known.flow;
        (self.state.is_empty() || self.state.iter().any(|state| state.word() == flow.state_word()))
            && self.text.as_ref().is_none_or(|text| flow.id.as_str().contains(text))
            && self.min_held.is_none_or(|least| flow.counts.held().total() >= least)
            && self.select.iter().all(|selection| selection.fits(&known.flow, now))
    }

    /// The flows that are wanted, in the order that is wanted; of equal ones the first id comes first.
    pub fn chosen<'a, B: Broker>(&self, states: &'a States<B>, now: Timestamp) -> Vec<&'a Known> {
        let mut chosen: Vec<&Known> = states.flows.values().filter(|known| self.wants(known, now)).collect();
        match self.sort {
            SortArg::Id => {}
            SortArg::Held => chosen.sort_by_key(|known| Reverse(known.flow.counts.held().total())),
            SortArg::ResumesAt => chosen.sort_by_key(|known| match &known.flow.state {
                State::Paused(pause) => (false, pause.resumes_at),
                // What does not resume by itself comes last.
                State::Live | State::Resuming { .. } => (true, Timestamp::default()),
            }),
        }
        chosen
    }
}

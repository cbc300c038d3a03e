//! `flowgate flows`

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::Value;

use super::Failure;
use super::output::{Output, table};
use crate::broker::Broker;
use crate::client::states::{Known, States};
use crate::clock;
use crate::duration;
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
    let shown: Vec<&Known> = states.flows.values().filter(|known| args.wants(known)).collect();
    let documents: Value = shown.iter().map(|known| known.json()).collect();
    let now = clock::now();
    args.output.write(out, &documents, |wide| match shown.is_empty() {
        true if states.flows.is_empty() => format!("no flow is known under the prefix `{}`", topics.prefix),
        true => format!("none of {} flows is like that", states.flows.len()),
        false => list(&shown, wide, now),
    })
}

impl Args {
    fn wants(&self, known: &Known) -> bool {
        let flow = &known.flow;
        (self.state.is_empty() || self.state.iter().any(|state| state.word() == flow.state_word()))
            && self.text.as_ref().is_none_or(|text| flow.id.as_str().contains(text))
            && self.min_held.is_none_or(|least| flow.counts.held().total() >= least)
    }
}

fn list(shown: &[&Known], wide: bool, now: Timestamp) -> String {
    let header = [
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
    let columns = if wide { header.len() } else { 6 };
    let rows = shown.iter().map(|known| {
        let (flow, counts) = (&known.flow, &known.flow.counts);
        let pause = flow.pause();
        let of_pause = |text: &dyn Fn(&crate::flow::Pause) -> String| pause.map_or_else(|| "-".to_owned(), text);
        let document: Value = if wide { known.json() } else { Value::Null };
        let word = |name: &str| document["pause"][name].as_str().unwrap_or("-").to_owned();
        let mut row = vec![
            flow.id.to_string(),
            flow.state_word().to_owned(),
            counts.held().total().to_string(),
            of_pause(&|pause| duration::show(whole(now.since(pause.paused_at)))),
            match &flow.state {
                State::Paused(pause) => duration::show(whole(pause.resumes_at.since(now))),
                State::Live | State::Resuming { .. } => "-".to_owned(),
            },
            of_pause(&|pause| pause.by.clone()),
            counts.queued.total().to_string(),
            counts.released.total().to_string(),
            counts.replaced.total().to_string(),
            counts.removed.total().to_string(),
            counts.turned_away.total().to_string(),
            word("keep"),
            word("new_records"),
            known.partition.to_string(),
            of_pause(&|pause| pause.reason.clone().unwrap_or_else(|| "-".to_owned())),
        ];
        row.truncate(columns);
        row
    });
    table(&header[..columns], rows)
}

/// Nobody counts milliseconds of a pause.
pub fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

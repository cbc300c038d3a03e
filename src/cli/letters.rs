//! `flowgate letters dead|discarded [FLOW]`: events that were not delivered.

use std::io::Write;

use clap::builder::PossibleValuesParser;

use super::Failure;
use super::columns::Columns;
use super::completions::flow_ids;
use super::left::{Left, nothing};
use super::letter_rows::{self, LetterRow, OR_MORE, UNKNOWN};
use super::listing::{ListFormat, Listing, Sheet};
use super::reach::{Reach, Since, grouped, limit};
use super::screen::Screen;
use super::send::flow_id;
use crate::broker::Broker;
use crate::client::letter_list::{self, Asked, List, Listed, Redriven};
use crate::client::letters::{Kind, Wanted};
use crate::client::redriven::Gap;
use crate::client::scan::{First, Page, Window};
use crate::clock;
use crate::flow::FlowId;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Events, and commands, that could not be understood or not be stored
    Dead {
        /// Only those that were set aside for this
        #[arg(long, value_name = "REASON", value_parser = PossibleValuesParser::new(Kind::Dead.reasons()))]
        reason: Option<String>,
        #[command(flatten)]
        args: Args,
    },
    /// Events that were not delivered on purpose: purged, turned away, expired
    Discarded {
        /// Only those that were set aside for this
        #[arg(long, value_name = "REASON", value_parser = PossibleValuesParser::new(Kind::Discarded.reasons()))]
        reason: Option<String>,
        /// Only those that this purge, or this resume, has discarded
        #[arg(long, value_name = "ID")]
        command: Option<String>,
        #[command(flatten)]
        args: Args,
    },
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this flow [default: of all]
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: Option<FlowId>,
    /// Only since then: so long ago, such as 2h, or a time, such as 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// How many at most: 1 to 100000
    #[arg(long, value_name = "LETTERS", default_value = "20", value_parser = limit())]
    limit: u32,
    /// The oldest first, instead of the newest
    #[arg(long)]
    oldest: bool,
    /// Only those that were redriven, as the audit says
    #[arg(long)]
    redriven: bool,
    /// Without those that were redriven, as the audit says
    #[arg(long, conflicts_with = "redriven")]
    not_redriven: bool,
    /// With the value of each event, in documents with key and headers too
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    listing: Listing,
}

pub fn run<B: Broker>(
    command: &Command,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (kind, args, wanted) = command.parts();
    let first = if args.oldest { First::Oldest } else { First::Newest };
    let since = args.since.map(|since| since.at(clock::now()));
    let (limit, bound) = (args.limit as usize, args.reach.bound());
    let asked = Asked { kind, wanted, redriven: args.redriven() };
    let List { page, gap } = screen.watched(|meter| {
        let window = Window { first, limit, since, from: None, bound, meter: meter.clone() };
        letter_list::look(broker, topics, &asked, &window)
    })?;
    match page.found.is_empty() && args.listing.is_for_people() {
        true => writeln!(out, "{}", nothing(kind.topic(topics), page.progress, since.is_some()))?,
        false => args.show(&page, screen, out)?,
    }
    let (which, others) = if args.oldest { ("oldest", "newer") } else { ("newest", "older") };
    let shown = page.found.len();
    let more = format!("the {which} {}; {others} ones with --limit", grouped(shown as u64));
    let left = Left { progress: page.progress, is_full: shown >= limit, more };
    left.tell((args.listing, args.reach), screen, out)?;
    gap.iter().for_each(|gap| screen.note(&args.fell_short(gap, &topics.audit)));
    Ok(())
}

impl Command {
    fn parts(&self) -> (Kind, &Args, Wanted) {
        match self {
            Self::Dead { reason, args } => {
                (Kind::Dead, args, Wanted { flow: args.flow.clone(), reason: reason.clone(), command: None })
            }
            Self::Discarded { reason, command, args } => {
                let (flow, reason, command) = (args.flow.clone(), reason.clone(), command.clone());
                (Kind::Discarded, args, Wanted { flow, reason, command })
            }
        }
    }
}

impl Args {
    fn redriven(&self) -> Redriven {
        match (self.redriven, self.not_redriven) {
            (false, false) if self.listing.format == ListFormat::Name => Redriven::Unasked,
            (false, false) => Redriven::Told,
            (only, _) => Redriven::Only(only),
        }
    }

    /// Why it is not known of some letters whether, or how often, they were redriven; `audit`: the topic.
    fn fell_short(&self, gap: &Gap, audit: &str) -> String {
        let why = match gap {
            Gap::Bound(progress) => self.reach.fell_short(*progress, ""),
            Gap::Deleted(Some(oldest)) => format!("it reaches back to {oldest} only"),
            Gap::Deleted(None) => "its beginning was deleted".to_owned(),
            Gap::OpenTransaction => "a transaction stays open in it; try again in a moment".to_owned(),
            Gap::Unreadable(error) => format!("it cannot be read: {error}"),
        };
        let signs = match self.listing.is_for_people() {
            true => format!(" (`{UNKNOWN}`, `{OR_MORE}`)"),
            false => String::new(),
        };
        format!("`{audit}` does not say of all letters whether they were redriven{signs}: {why}")
    }

    fn show(&self, page: &Page<Listed>, screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
        let columns = Columns { names: &letter_rows::NAMES, listing: self.listing, values: self.values };
        let sheet = Sheet { header: &columns.header(), csv: &columns.csv(), columns: columns.width(screen) };
        let rows = page.found.iter().map(|listed| LetterRow { listed, columns });
        self.listing.write_rows(out, screen.terminal, &sheet, rows)
    }
}

//! `flowgate audit [FLOW]`: what has happened to flows, and the answers to commands.

use std::io::Write;

use clap::builder::PossibleValuesParser;

use super::audit_rows::{AuditRow, CSV, header};
use super::completions::flow_ids;
use super::left::{Left, nothing};
use super::listing::{ListFormat, Listing, Row as _, Sheet};
use super::reach::{Reach, Since, grouped, limit};
use super::screen::Screen;
use super::send::flow_id;
use super::table::Layout;
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::audited::{Audited, Told};
use crate::client::meter::Meter;
use crate::client::scan::{First, Marks, Page, Window};
use crate::client::trail::{self, Follower, Wanted};
use crate::clock;
use crate::flow::FlowId;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this flow [default: of all]
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: Option<FlowId>,
    /// Only since then: so long ago, such as 2h, or a time, such as 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// Only answers to commands of exactly this issuer
    ///
    /// Of all events only answers say whose command it was: for what such a command brought about, leave this away or look for
    /// its id with --command.
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Only such events
    #[arg(long, value_name = "EVENT", value_parser = PossibleValuesParser::new(Audited::WORDS))]
    event: Option<String>,
    /// Only the answer to this command, and what it has done where that takes its time (a purge, a sample, a loss)
    #[arg(long, value_name = "ID")]
    command: Option<String>,
    /// How many of the newest at most: 1 to 100000
    #[arg(long, value_name = "EVENTS", default_value = "50", value_parser = limit())]
    limit: u32,
    /// Go on with what comes, until Ctrl-C: a line each, as a table, jsonl or csv
    #[arg(long, short = 'f')]
    follow: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    listing: Listing,
}

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    if args.follow {
        return args.follow(broker, topics, screen, out);
    }
    let page = screen.watched(|meter| args.look(broker, topics, None, meter))?;
    match page.found.is_empty() && args.listing.is_for_people() {
        true => writeln!(out, "{}", nothing(&topics.audit, page.progress, args.since.is_some()))?,
        false => args.show(&page.found, screen, out)?,
    }
    let shown = page.found.len();
    let more = format!("the newest {}; older ones with --limit", grouped(shown as u64));
    let left = Left { progress: page.progress, is_full: shown >= args.limit as usize, more };
    left.tell((args.listing, args.reach), screen, out)
}

impl Args {
    fn wanted(&self) -> Wanted {
        let Self { flow, by, event, command, .. } = self;
        Wanted { flow: flow.clone(), by: by.clone(), event: event.clone(), command: command.clone() }
    }

    /// The newest ones, in the order of time. `from`: what stands there and behind is left out.
    fn look<B: Broker>(
        &self,
        broker: &B,
        topics: &Topics,
        from: Option<Marks>,
        meter: &Meter,
    ) -> Result<Page<Told>, Failure> {
        let since = self.since.map(|since| since.at(clock::now()));
        let (limit, bound) = (self.limit as usize, self.reach.bound());
        let window = Window { first: First::Newest, limit, since, from, bound, meter: meter.clone() };
        let mut page = trail::look(broker, topics, &self.wanted(), &window)?;
        page.found.reverse();
        Ok(page)
    }

    fn show(&self, events: &[Told], screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
        let wide = self.listing.format == ListFormat::Wide;
        let sheet = Sheet { header: header(wide), csv: &CSV, columns: None };
        self.listing.write_rows(out, screen.terminal, &sheet, events.iter().map(|told| AuditRow { told, wide }))
    }

    fn follow<B: Broker>(
        &self,
        broker: &B,
        topics: &Topics,
        screen: &Screen,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        let format = self.listing.format;
        if matches!(format, ListFormat::Json | ListFormat::Yaml | ListFormat::Name) {
            let what = "`--follow` goes on without end, and shows a line for each event";
            return Err(Failure::new(exit::CONFIGURATION, what).hint("write `-o jsonl`, `-o csv` or no `-o`"));
        }
        screen.hear_signals()?;
        let mut follower = Follower::from_now_on(broker, topics, self.wanted())?;
        let page = self.look(broker, topics, Some(follower.began_at().clone()), &Meter::default())?;
        self.show(&page.found, screen, out)?;
        out.flush()?;
        let wide = format == ListFormat::Wide;
        let cells = |told: &Told| AuditRow { told, wide }.cells();
        let layout = Layout::of(header(wide), page.found.iter().map(cells));
        while !screen.is_ended() {
            for told in follower.poll()? {
                match self.listing.is_for_people() {
                    true => writeln!(out, "{}", layout.line(&cells(&told)))?,
                    false => Self::line(self.listing, &told, screen, out)?,
                }
                out.flush()?;
            }
        }
        Ok(())
    }

    fn line(listing: Listing, told: &Told, screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
        let sheet = Sheet { header: header(false), csv: &CSV, columns: None };
        let rows = std::slice::from_ref(told).iter().map(|told| AuditRow { told, wide: false });
        Listing { no_headers: true, ..listing }.write_rows(out, screen.terminal, &sheet, rows)
    }
}

//! `flowgate audit [FLOW]`: what has happened to flows, and the answers to commands.

use std::io::{BufWriter, Write};
use std::time::Instant;

use clap::builder::PossibleValuesParser;

use super::audit_rows::{AuditRow, CSV, cells, header};
use super::completions::flow_ids;
use super::left::{Left, nothing};
use super::listing::{ListFormat, Listing, Sheet};
use super::reach::{Reach, Since, grouped, limit};
use super::screen::Screen;
use super::send::flow_id;
use super::table::{Layout, stream};
use super::{Failure, exit};
use crate::broker::Broker;
use crate::client::audited::{Audited, Told};
use crate::client::folded::{Following, Line};
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
    ///
    /// In a table a redrive is one line, however many letters it had, and counts as one. In other formats each letter is an event.
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
    let (shown, progress) = match args.listing.is_for_people() {
        true => {
            let page = screen.watched(|meter| args.lines(broker, topics, None, meter))?;
            match page.found.is_empty() {
                true => writeln!(out, "{}", nothing(&topics.audit, page.progress, args.since.is_some()))?,
                false => args.show_lines(&page.found, topics, out)?,
            }
            (page.found.len(), page.progress)
        }
        false => {
            let page = screen.watched(|meter| args.look(broker, topics, None, meter))?;
            args.write(args.listing, &page.found, screen, out)?;
            (page.found.len(), page.progress)
        }
    };
    let more = format!("the newest {}; older ones with --limit", grouped(shown as u64));
    let left = Left { progress, is_full: shown >= args.limit as usize, more };
    left.tell((args.listing, args.reach), screen, out)
}

impl Args {
    fn wanted(&self) -> Wanted {
        let Self { flow, by, event, command, .. } = self;
        Wanted { flow: flow.clone(), by: by.clone(), event: event.clone(), command: command.clone() }
    }

    /// `from`: what stands there and behind is left out.
    fn window(&self, from: Option<Marks>, meter: &Meter) -> Window {
        let since = self.since.map(|since| since.at(clock::now()));
        let (limit, bound) = (self.limit as usize, self.reach.bound());
        Window { first: First::Newest, limit, since, from, bound, meter: meter.clone() }
    }

    /// The newest ones, in the order of time, each on its own.
    fn look<B: Broker>(
        &self,
        broker: &B,
        topics: &Topics,
        from: Option<Marks>,
        meter: &Meter,
    ) -> Result<Page<Told>, Failure> {
        let mut page = trail::look(broker, topics, &self.wanted(), &self.window(from, meter))?;
        page.found.reverse();
        Ok(page)
    }

    /// The newest ones, in the order of time, for people.
    fn lines<B: Broker>(
        &self,
        broker: &B,
        topics: &Topics,
        from: Option<Marks>,
        meter: &Meter,
    ) -> Result<Page<Line>, Failure> {
        let mut page = trail::lines(broker, topics, &self.wanted(), &self.window(from, meter))?;
        page.found.reverse();
        Ok(page)
    }

    fn show_lines(&self, lines: &[Line], topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
        let wide = self.is_wide();
        let mut out = BufWriter::new(out);
        let rows = lines.iter().map(|line| cells(line, topics, wide));
        stream(&mut out, header(wide), !self.listing.no_headers, rows)?;
        Ok(out.flush()?)
    }

    fn write(&self, listing: Listing, events: &[Told], screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
        let sheet = Sheet { header: header(false), csv: &CSV, columns: None };
        listing.write_rows(out, screen.terminal, &sheet, events.iter().map(|told| AuditRow { told, wide: false }))
    }

    fn is_wide(&self) -> bool {
        self.listing.format == ListFormat::Wide
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
        let from = Some(follower.began_at().clone());
        if !self.listing.is_for_people() {
            let page = self.look(broker, topics, from, &Meter::default())?;
            self.write(self.listing, &page.found, screen, out)?;
            out.flush()?;
            let listing = Listing { no_headers: true, ..self.listing };
            while !screen.is_ended() {
                for told in follower.poll()? {
                    self.write(listing, std::slice::from_ref(&told), screen, out)?;
                    out.flush()?;
                }
            }
            return Ok(());
        }
        let page = self.lines(broker, topics, from, &Meter::default())?;
        self.show_lines(&page.found, topics, out)?;
        out.flush()?;
        let wide = self.is_wide();
        let layout = Layout::of(header(wide), page.found.iter().map(|line| cells(line, topics, wide)));
        let mut tell = |line: &Line| -> Result<(), Failure> {
            writeln!(out, "{}", layout.line(&cells(line, topics, wide)))?;
            Ok(out.flush()?)
        };
        let mut following = Following::default();
        let ended = loop {
            if screen.is_ended() {
                break Ok(());
            }
            match follower.poll() {
                Ok(heard) => following.hear(heard, Instant::now()).iter().try_for_each(&mut tell)?,
                Err(error) => break Err(error.into()),
            }
        };
        following.end().iter().try_for_each(&mut tell)?;
        ended
    }
}

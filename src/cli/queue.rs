//! `flowgate queue FLOW`: the held events of a flow.

use std::io::Write;

use super::Failure;
use super::columns::Columns;
use super::completions::flow_ids;
use super::held_rows::{self, HeldRow};
use super::known::known;
use super::listing::{Listing, Sheet};
use super::queue_words::Looked;
use super::reach::{MOST, Reach, limit};
use super::release::record_id;
use super::screen::Screen;
use super::send::flow_id;
use crate::broker::Broker;
use crate::client::field::FieldIs;
use crate::client::held::{self, Page, Wanted};
use crate::client::meter::Meter;
use crate::client::scan::{First, Window};
use crate::client::states::Known;
use crate::clock;
use crate::flow::{FlowId, RecordId};
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[arg(value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: FlowId,
    /// Only events of this record
    #[arg(long, value_name = "ID", value_parser = record_id)]
    record: Option<RecordId>,
    /// Only events with this text in this field, such as /customer/country=DE; can be repeated: all have to hold
    ///
    /// The field is a JSON pointer (RFC 6901) into the value. Numbers and the like are compared as their JSON.
    #[arg(long = "where", value_name = "FIELD=TEXT")]
    fields: Vec<FieldIs>,
    /// The newest first, instead of the oldest
    #[arg(long)]
    newest: bool,
    /// How many at most: 1 to 100000 [default: 20 in a table, else 100000]
    #[arg(long, value_name = "EVENTS", value_parser = limit())]
    limit: Option<u32>,
    /// Only entries behind this number
    #[arg(long, value_name = "ENTRY")]
    after: Option<u64>,
    /// Only entries before this number, with `--newest`
    #[arg(long, value_name = "ENTRY", requires = "newest")]
    before: Option<u64>,
    /// With the value of each event, in documents with key and headers too
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    listing: Listing,
}

/// Entries that a table shows.
const USUAL: u32 = 20;

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let (known, page) = screen.watched(|meter| args.look(broker, topics, meter))?;
    let looked = Looked {
        flow: &known.flow,
        page: &page,
        reach: args.reach,
        newest: args.newest,
        filtered: args.record.is_some() || !args.fields.is_empty(),
        is_of_all: args.after.is_none() && args.before.is_none(),
        full: page.entries.len() >= args.limit(),
    };
    let (now, people) = (clock::now(), args.listing.is_for_people());
    if people && page.entries.is_empty() {
        looked.nothing(now).iter().try_for_each(|line| screen_line(out, line))?;
    } else {
        let columns = Columns { names: &held_rows::NAMES, listing: args.listing, values: args.values };
        let sheet = Sheet { header: &columns.header(), csv: &columns.csv(), columns: columns.width(screen) };
        let rows = page.entries.iter().map(|entry| HeldRow { entry, columns, now });
        args.listing.write_rows(out, screen.terminal, &sheet, rows)?;
        if people && !args.listing.no_headers {
            looked.some().iter().try_for_each(|line| screen_line(out, line))?;
        }
    }
    looked.beside(people).iter().for_each(|line| screen.note(line));
    Ok(())
}

fn screen_line(out: &mut dyn Write, line: &str) -> Result<(), Failure> {
    Ok(writeln!(out, "{}", crate::legible::legible(line))?)
}

impl Args {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(if self.listing.is_for_people() { USUAL } else { MOST }) as usize
    }

    /// Looks again where the flow may have gone on while its queue was looked at: what seems to be missing was passed then.
    fn look<B: Broker>(&self, broker: &B, topics: &Topics, meter: &Meter) -> Result<(Known, Page), Failure> {
        let mut state = known(broker, topics, &self.flow)?;
        loop {
            let page = self.look_once(broker, &state, meter)?;
            if page.missing.is_none() {
                return Ok((state, page));
            }
            let later = known(broker, topics, &self.flow)?;
            if later.flow.queue == state.flow.queue {
                return Ok((state, page));
            }
            state = later;
        }
    }

    fn look_once<B: Broker>(&self, broker: &B, known: &Known, meter: &Meter) -> Result<Page, Failure> {
        let (flow, bound) = (&known.flow, self.reach.bound());
        let wanted = Wanted { record: self.record.clone(), fields: self.fields.clone(), after: self.after };
        let first = if self.newest { First::Newest } else { First::Oldest };
        let from = self.before.map(|before| held::before(broker, flow, before, bound)).transpose()?;
        let window = Window { first, limit: self.limit(), since: None, from, bound, meter: meter.clone() };
        Ok(held::look(broker, flow, &wanted, &window)?)
    }
}

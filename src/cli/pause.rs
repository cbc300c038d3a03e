//! `flowgate pause FLOW...`

use std::io::Write;
use std::time::Duration;

use clap::ValueEnum;

use super::Failure;
use super::choose::{Choosing, Plan};
use super::send::{Asking, Order, commands, for_every, send, send_and_tell, target, tell};
use crate::broker::Broker;
use crate::duration;
use crate::flow::{Action, Expect, FlowId, Keep, NewRecords, OnExpiry, PauseEnd, PauseOrder, Rate};
use crate::legible::legible;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    choosing: Choosing,
    /// What becomes of records that enroll meanwhile [default: queue]
    #[arg(long, value_enum)]
    new_records: Option<NewRecordsArg>,
    /// The same as `--new-records discard`: they are turned away
    #[arg(long, conflicts_with = "new_records")]
    discard_new: bool,
    /// How long, from when it takes effect, such as 3d or 12h [default: the longest pause]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::whole_seconds, conflicts_with = "until")]
    duration: Option<Duration>,
    /// When it ends, such as 2026-12-24T18:00:00+01:00
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Which events of one record are delivered at the resume [default: latest]
    #[arg(long, value_enum)]
    keep: Option<KeepArg>,
    /// What the timer does with what is held [default: resume]
    #[arg(long, value_enum)]
    on_expiry: Option<OnExpiryArg>,
    /// Records a second at which the timer's resume goes, such as 500 or 0.5 [default: no limit]
    #[arg(long, value_name = "RECORDS")]
    expiry_rate: Option<Rate>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NewRecordsArg {
    Queue,
    Discard,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum KeepArg {
    Latest,
    All,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnExpiryArg {
    Resume,
    Discard,
}

/// A time as people write it, with its zone.
pub fn time(text: &str) -> Result<Timestamp, String> {
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.map(|time| Timestamp(time.timestamp_millis()))
        .map_err(|_| "write date, time and zone, such as 2026-12-24T18:00:00+01:00 or 2026-12-24T17:00:00Z".to_owned())
}

pub fn run<B: Broker>(args: &Args, broker: &B, topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
    let plan = Plan { verb: "pauses", already: "paused", takes: |_| true, needs_states: false };
    let order = args.order();
    if args.choosing.all {
        let chosen = args.choosing.every(&plan, broker, topics)?;
        let commands = vec![for_every(&args.asking, Action::Pause(order))];
        if args.choosing.dry_run {
            return chosen.rehearse(&commands, &args.asking, out);
        }
        return send_and_tell(commands, &args.asking, broker, topics, out);
    }
    let chosen = args.choosing.choose(&plan, &args.asking, broker, topics)?;
    let each = |flow: &FlowId| {
        // A pause may come at any time: what was looked at matters to what ends or discards something.
        Order { flow: flow.clone(), action: Action::Pause(order.clone()), expect: Expect::default() }
    };
    let orders = chosen.flows.iter().map(each).collect();
    if args.choosing.dry_run {
        return chosen.rehearse(&commands(&args.asking, orders), &args.asking, out);
    }
    let (sent, _) = send(&args.asking, orders, broker, topics)?;
    tell(&sent, &args.asking, out)?;
    if args.asking.output.is_for_people() {
        for sent in sent.iter().filter(|sent| sent.is_new) {
            let told = legible(target(&sent.command));
            writeln!(
                out,
                "`{told}` was not known: no event of it has come so far; `flowgate flows` lists the known ones"
            )?;
        }
    }
    Ok(())
}

impl Args {
    fn order(&self) -> PauseOrder {
        let discard = self.discard_new.then_some(NewRecords::Discard);
        PauseOrder {
            new_records: discard.or(self.new_records.map(|choice| match choice {
                NewRecordsArg::Queue => NewRecords::Queue,
                NewRecordsArg::Discard => NewRecords::Discard,
            })),
            end: self.until.map(PauseEnd::Until).or(self.duration.map(PauseEnd::For)),
            keep: self.keep.map(|choice| match choice {
                KeepArg::Latest => Keep::Latest,
                KeepArg::All => Keep::All,
            }),
            on_expiry: self.on_expiry.map(|choice| match choice {
                OnExpiryArg::Resume => OnExpiry::Resume,
                OnExpiryArg::Discard => OnExpiry::Discard,
            }),
            expiry_rate: self.expiry_rate,
        }
    }
}

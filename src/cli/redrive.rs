//! `flowgate redrive dead|discarded`

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::ValueEnum;
use serde_json::{Value, json};

use super::actor::who;
use super::completions::flow_ids;
use super::confirm::confirm;
use super::output::Output;
use super::screen::Screen;
use super::send::{flow_id, issuer, reason};
use super::{Failure, exit};
use crate::broker::{Broker, Code};
use crate::client::letters::{Item, Kind, Wanted};
use crate::client::meter::Part;
use crate::client::redrive::{Obstacle, Order, Report, Which, letters, preview, redrive};
use crate::clock::Clock;
use crate::flow::FlowId;
use crate::legible::legible;
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true).args(["item", "like_flow", "command", "letter_reason"]))]
pub struct Args {
    /// Of which letters: dead ones, or discarded ones
    #[arg(value_enum)]
    kind: KindArg,
    /// This letter, by partition and offset, as `flowgate letters` shows it; can be repeated
    #[arg(long, value_name = "P/O", conflicts_with_all = ["like_flow", "command", "letter_reason"])]
    item: Vec<Item>,
    /// All letters of this flow
    #[arg(id = "like_flow", long = "flow", value_name = "FLOW", value_parser = flow_id, add = flow_ids())]
    flow: Option<FlowId>,
    /// All letters that this purge or resume has discarded
    #[arg(long, value_name = "ID")]
    command: Option<String>,
    /// All letters with this reason, such as `purge` or `missing_field`
    #[arg(id = "letter_reason", long = "reason", value_name = "REASON")]
    letter_reason: Option<String>,
    /// The value that the only letter named by --item gets instead of its own; `-`: from standard input
    #[arg(long, value_name = "FILE", requires = "item")]
    edit: Option<PathBuf>,
    /// Letters too that were redriven before
    #[arg(long)]
    again: bool,
    /// Why, for whoever reads the audit
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    because: Option<String>,
    /// Who asks [default: user and host]
    #[arg(long, value_parser = issuer)]
    by: Option<String>,
    /// Show what would be redriven, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindArg {
    Dead,
    Discarded,
}

/// How long looking for the letters may take.
const LOOK: Duration = Duration::from_secs(600);

/// A value that is given instead must fit into the audit together with the one it replaces.
const LARGEST: usize = 256 * 1024;

pub fn run<B: Broker>(
    args: &Args,
    broker: &B,
    topics: &Topics,
    screen: &Screen,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let order = args.order()?;
    let found = screen.watched(|meter| preview(broker, topics, &order, LOOK, meter))?;
    let (kind, topic) = (order.kind.word(), order.kind.topic(topics));
    if let (Which::Items(_), Some((item, obstacle))) = (&order.which, found.obstacles.first()) {
        let more = match found.stopped {
            1 => String::new(),
            stopped => format!(" ({} more letters cannot be redriven either)", stopped - 1),
        };
        let what = format!(
            "{kind} letter {item} cannot be redriven: {}{more}. Nothing was written",
            obstacle.sentence(&topics.enrollments)
        );
        return Err(Failure::new(exit::OTHER, what).hint(hint(obstacle)));
    }
    if args.dry_run {
        return args.tell(&found, false, topics, out);
    }
    if found.letters == 0 {
        args.tell(&found, true, topics, out)?;
        let hint = format!("`flowgate letters {kind}` shows what is there");
        return Err(Failure::new(exit::OTHER, format!("no letter of `{topic}` is to be redriven")).hint(hint));
    }
    confirm(&question(&found, &order, topics), args.yes)?;
    let done = screen.watched(|meter| {
        let mut began = None;
        let mut show = |done| meter.show(&redriving(done, found.letters, began.get_or_insert((Instant::now(), done))));
        redrive(broker, topics, &order, found.seen(), &Clock::default(), meter, &mut show)
    });
    let done = done.map_err(|error| match error.code {
        Code::Fenced => Failure::new(exit::FENCED, "another redrive of this prefix has begun, which ended this one")
            .hint("let it end, then look by --dry-run at what is left"),
        _ => Failure::from(error),
    })?;
    args.tell(&done, true, topics, out)
}

/// How many letters were redriven; and when the first of them were, and how many those were.
fn redriving(done: u64, total: u64, (began, before): &(Instant, u64)) -> Part {
    Part { what: "redriven letters".into(), done, total, began: *began, before: *before, until: None }
}

impl Args {
    fn order(&self) -> Result<Order, Failure> {
        if self.edit.is_some() && self.item.len() != 1 {
            return Err(Failure::new(
                exit::CONFIGURATION,
                "`--edit` gives the value of one letter, and several are named",
            )
            .hint("name one with --item"));
        }
        let edit = self.edit.as_deref().map(value).transpose()?;
        let kind = match self.kind {
            KindArg::Dead => Kind::Dead,
            KindArg::Discarded => Kind::Discarded,
        };
        let which = match self.item.is_empty() {
            false => Which::Items(self.item.clone()),
            true => Which::Like(Wanted {
                flow: self.flow.clone(),
                reason: self.letter_reason.clone(),
                command: self.command.clone(),
            }),
        };
        let by = self.by.clone().unwrap_or_else(who);
        Ok(Order { kind, which, by, reason: self.because.clone(), again: self.again, edit })
    }

    /// Shows what would be done, or was.
    fn tell(&self, report: &Report, is_done: bool, topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
        let flows: serde_json::Map<String, Value> =
            report.flows.iter().map(|(flow, count)| (flow.to_string(), (*count).into())).collect();
        let obstacle = |(item, obstacle): &(Item, Obstacle)| json!({"item": item.to_string(), "obstacle": obstacle.word(), "detail": obstacle.sentence(&topics.enrollments)});
        let obstacles: Vec<Value> = report.obstacles.iter().map(obstacle).collect();
        let document = json!({
            "dry_run": self.dry_run,
            "letters": report.letters,
            "bytes": report.bytes,
            "flows": flows,
            "stopped": report.stopped,
            "obstacles": obstacles,
        });
        self.output.write(out, &document, |_| {
            let mut lines = vec![format!("{}{}", report.told(is_done), of_flows(report))];
            for (item, obstacle) in report.obstacles.iter().take(SHOWN) {
                lines.push(format!("{item} not: {}", obstacle.sentence(&topics.enrollments)));
            }
            if report.stopped > SHOWN as u64 {
                lines.push(format!("{} more not", report.stopped - SHOWN as u64));
            }
            lines.iter().map(|line| legible(line).into_owned()).collect::<Vec<_>>().join("\n")
        })
    }
}

/// Letters that are not redriven, and flows, of which a table or a question says more than their number.
const SHOWN: usize = 10;

fn value(file: &Path) -> Result<Bytes, Failure> {
    let cannot = |error: std::io::Error| {
        Failure::new(exit::CONFIGURATION, format!("`--edit`: `{}` cannot be read: {error}", file.display()))
            .hint("give a file with the whole value of the event, or `-` for standard input")
    };
    let mut value = Vec::new();
    let read = match file.as_os_str() == "-" {
        true => std::io::stdin().lock().read_to_end(&mut value),
        false => std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut value)),
    };
    read.map_err(cannot)?;
    // What an editor puts behind the last line is not meant.
    value.pop_if(|last| *last == b'\n');
    match value.len() > LARGEST {
        true => Err(Failure::new(
            exit::CONFIGURATION,
            format!(
                "`--edit`: the value has {} bytes; the audit keeps what it was and what it is, so give at most {LARGEST}",
                value.len()
            ),
        )),
        false => Ok(value.into()),
    }
}

fn of_flows(report: &Report) -> String {
    let named: Vec<String> = report.flows.iter().take(SHOWN).map(|(flow, count)| format!("{flow}: {count}")).collect();
    match (named.len(), report.flows.len()) {
        (0, _) => String::new(),
        (shown, all) if shown < all => format!(" ({}, and of {} more flows)", named.join(", "), all - shown),
        _ => format!(" ({})", named.join(", ")),
    }
}

/// What would happen, in a few sentences.
fn question(found: &Report, order: &Order, topics: &Topics) -> String {
    let (topic, enrollments) = (order.kind.topic(topics), &topics.enrollments);
    let mut question = format!(
        "This writes {} of `{topic}`{} into `{enrollments}` as new events, behind what has arrived there: where a flow is \
         paused they are held again, and under `keep: latest` each replaces what is held of its record and kind.",
        letters(found.letters),
        of_flows(found)
    );
    if found.stopped > 0 {
        question.push_str(&format!(
            " {} more that are like this are left out: --dry-run says why.",
            letters(found.stopped)
        ));
    }
    if order.edit.is_some() {
        question.push_str(" Its value is replaced by the one given; the audit keeps both.");
    }
    question
}

fn hint(obstacle: &Obstacle) -> &'static str {
    match obstacle {
        Obstacle::NotThere => "`flowgate letters` shows what is there",
        Obstacle::Before(_) => "give --again if it shall be there twice",
        Obstacle::WithoutValue => {
            "the record is where its source says, while that topic keeps it: publish it from there"
        }
        Obstacle::Command => "send the command again, mended",
        Obstacle::Unreadable(_) => "give a mended value with --edit FILE, and this letter alone with --item",
        Obstacle::Refused(_) => "see `flowgate topics check`",
    }
}

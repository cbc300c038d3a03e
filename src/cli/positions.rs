//! `flowgate positions [restore]`

use std::io::Write;

use clap::{ArgGroup, Subcommand};
use serde_json::{Value, json};

use super::flows::READ;
use super::output::Output;
use super::table::table;
use super::{Failure, exit};
use crate::broker::{Broker, Code};
use crate::client::positions::{Standing, Verdict, look, restore};
use crate::schema::topics::Topics;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Option<Restore>,
}

#[derive(Debug, Subcommand)]
enum Restore {
    /// Commit an offset of a partition whose position was lost, while no gate is up
    #[command(group(ArgGroup::new("to").required(true)))]
    Restore {
        #[arg(long)]
        partition: i32,
        /// The offset of the next event
        #[arg(long, group = "to")]
        offset: Option<i64>,
        /// The position that the partition record noted last
        #[arg(long, group = "to")]
        to_record: bool,
        /// Do it: without this it only says what would happen
        #[arg(long)]
        yes: bool,
    },
}

pub fn run<B: Broker>(args: &Args, broker: &B, topics: &Topics, out: &mut dyn Write) -> Result<(), Failure> {
    let standings = look(broker, topics, READ)?;
    match &args.command {
        None => show(&standings, args.output, out),
        Some(Restore::Restore { partition, offset, to_record: _, yes }) => {
            let standing = standings.iter().find(|standing| standing.partition == *partition).ok_or_else(|| {
                let what = format!("`{}` has no partition {partition}", topics.enrollments);
                Failure::new(exit::CONFIGURATION, what)
                    .hint(format!("it has 0 to {}", standings.len().saturating_sub(1)))
            })?;
            set(broker, topics, standing, *offset, *yes, out)
        }
    }
}

fn show(standings: &[Standing], output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    let document: Value = standings.iter().map(document).collect();
    output.write(out, &document, |_| {
        let rows = standings.iter().map(|standing| {
            let text = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
            let record = standing.record.as_ref();
            vec![
                standing.partition.to_string(),
                text(standing.committed.as_ref().map(|committed| committed.offset)),
                text(record.map(|record| record.input)),
                record.map_or_else(|| "-".to_owned(), |record| record.input_at.to_string()),
                record.map_or("-", |record| if record.clean { "yes" } else { "no" }).to_owned(),
                standing.log.low.to_string(),
                standing.log.end.to_string(),
                text(standing.lag()),
                words(&standing.verdict()),
            ]
        });
        let header = ["PARTITION", "COMMITTED", "RECORD", "NOTED AT", "CLEAN", "LOG FROM", "LOG TO", "LAG", "A GATE"];
        table(&header, rows)
    })?;
    let lost = standings.iter().filter(|standing| matches!(standing.verdict(), Verdict::Lost(_))).count();
    match lost {
        0 => Ok(()),
        _ => Err(Failure::new(exit::POSITIONS, format!("the position of {lost} partitions is lost"))
            .hint("stop every gate, then `flowgate positions restore --partition P --to-record`")),
    }
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::GoesOn(offset) => format!("goes on from {offset}"),
        Verdict::First(offset) => format!("starts at {offset}"),
        Verdict::Lost(why) => format!("stops: {why}"),
    }
}

fn document(standing: &Standing) -> Value {
    let record = standing.record.as_ref().map(|record| {
        json!({"input": record.input, "noted_at": record.input_at.to_string(), "clean": record.clean, "control": record.control})
    });
    let (lost, offset) = match standing.verdict() {
        Verdict::Lost(why) => (Some(why), None),
        Verdict::GoesOn(offset) | Verdict::First(offset) => (None, Some(offset)),
    };
    json!({
        "partition": standing.partition,
        "committed": standing.committed.as_ref().map(|committed| committed.offset),
        "record": record,
        "log": {"low": standing.log.low, "end": standing.log.end},
        "lag": standing.lag(),
        "goes_on_from": offset,
        "lost": lost,
    })
}

fn set<B: Broker>(
    broker: &B,
    topics: &Topics,
    standing: &Standing,
    offset: Option<i64>,
    yes: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let partition = standing.partition;
    if let Verdict::First(low) = standing.verdict() {
        let what =
            format!("partition {partition} has nothing to restore: no gate has read it, the first starts at {low}");
        return Err(Failure::new(exit::CONFIGURATION, what));
    }
    let Some(record) = &standing.record else {
        return Err(Failure::new(exit::POSITIONS, format!("partition {partition} has no record to go on from")).hint(
            format!(
                "restore `{}` from a copy; or, if nothing is paused, delete the group's offsets \
                 (kafka-consumer-groups --delete-offsets) to start anew from the beginning of the log",
                topics.state
            ),
        ));
    };
    let noted = record.input;
    // What was noted may have been deleted meanwhile: then the log begins later.
    let offset = offset.unwrap_or_else(|| noted.max(standing.log.low));
    if let Err(why) = standing.takes(offset) {
        return Err(Failure::new(exit::CONFIGURATION, format!("a gate would not go on from offset {offset}: {why}"))
            .hint(format!("give {noted} or more, within the log ({} to {})", standing.log.low, standing.log.end)));
    }
    writeln!(
        out,
        "partition {partition} goes on from offset {offset}; the record noted {noted} at {}, at most about a minute \
         before the last turn: events from {offset} on that were handled after it are handled again, and those between \
         {noted} and {offset} are not",
        record.input_at
    )?;
    if !yes {
        writeln!(out, "nothing was changed: add --yes to do it")?;
        return Ok(());
    }
    match restore(broker, topics, partition, offset) {
        Ok(()) => Ok(writeln!(out, "done")?),
        Err(error) if error.code == Code::Busy => {
            Err(Failure::new(exit::OTHER, format!("the offset was not set: {error}")).hint(
                "stop every gate first; one whose `instance` was given counts for its `session_timeout` after its end",
            ))
        }
        Err(error) => Err(error.into()),
    }
}

//! `flowgate schema [NAME]`: the JSON Schemas of this version, byte for byte as they are in `schemas/`.

use std::io::Write;

use clap::builder::PossibleValuesParser;
use serde_json::Value;

use super::Failure;
use super::screen::Screen;
use super::table::{Layout, cut};

/// Print the JSON Schema of a document: of what is in the topics, and of what `-o json` prints
///
/// Without NAME it lists all of them, with what each describes. Those of `-o json` and `-o jsonl` are called `cli/...`. A schema
/// refers to others by their place: `flow.json` in `cli/flows` is `cli/flow`, and `../flow-state.json` is `flow-state`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name of the list, such as `event` or `cli/flows`
    #[arg(value_parser = PossibleValuesParser::new(ALL.iter().map(|schema| schema.name)), hide_possible_values = true)]
    name: Option<String>,
}

pub struct Schema {
    /// The path within `schemas/`, without `.json`.
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! schemas {
    ($($name:literal),* $(,)?) => {
        &[$(Schema { name: $name, text: include_str!(concat!("../../schemas/", $name, ".json")) }),*]
    };
}

/// What is in the topics first, then what commands print.
pub const ALL: &[Schema] = schemas![
    "event",
    "command",
    "flow-state",
    "partition-record",
    "audit-event",
    "redriven",
    "cli/acls",
    "cli/answer",
    "cli/answers",
    "cli/audit-event",
    "cli/audit-events",
    "cli/capacity",
    "cli/change",
    "cli/commands",
    "cli/flow",
    "cli/flows",
    "cli/held-event",
    "cli/held-events",
    "cli/letter",
    "cli/letters",
    "cli/position",
    "cli/positions",
    "cli/redrive",
    "cli/settings",
    "cli/topics",
];

pub fn run(args: &Args, screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
    match ALL.iter().find(|schema| args.name.as_deref() == Some(schema.name)) {
        Some(schema) => Ok(out.write_all(schema.text.as_bytes())?),
        // Clap lets no other name pass.
        None => list(screen, out),
    }
}

fn list(screen: &Screen, out: &mut dyn Write) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> = ALL.iter().map(Schema::row).collect();
    let header = ["NAME", "TITLE", "DESCRIBES"];
    let layout = Layout::of(&header, rows.iter());
    let columns = if screen.terminal { usize::from(screen.size().0) } else { usize::MAX };
    writeln!(out, "{}", layout.line(&header))?;
    rows.iter().try_for_each(|row| Ok(writeln!(out, "{}", cut(&layout.line(row), columns))?))
}

impl Schema {
    /// Its name, its title, and the first sentence of its description.
    fn row(&self) -> Vec<String> {
        let schema: Value = serde_json::from_str(self.text).unwrap_or_default();
        let text = |field: &str| schema[field].as_str().unwrap_or_default().to_owned();
        let description = text("description");
        let first = description.split_once(". ").map_or(description.as_str(), |(first, _)| first);
        vec![self.name.to_owned(), text("title"), first.trim_end_matches('.').to_owned()]
    }
}

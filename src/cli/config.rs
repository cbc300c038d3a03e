//! `flowgate config check|show`

use std::io::Write;

use clap::Subcommand;
use serde_json::{Map, json};

use super::Failure;
use super::connect::kafka;
use super::global::USUAL;
use super::output::Output;
use super::table::table;
use crate::broker::Code;
use crate::config::{Settings, Sources, fields, kafka as kafka_settings};
use crate::legible::legible;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Tell every problem of the settings at once
    Check,
    /// Show every setting, what it is, and where it comes from; secrets are not shown
    Show {
        #[command(flatten)]
        output: Output,
    },
}

pub fn run(command: &Command, sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Check => check(sources, out),
        Command::Show { output } => show(sources, *output, out),
    }
}

fn check(sources: &Sources, out: &mut dyn Write) -> Result<(), Failure> {
    for warning in sources.warnings() {
        writeln!(out, "warning: {}", legible(warning))?;
    }
    let settings = Settings::load(sources)?;
    // librdkafka says at once which of its settings it does not take, before it connects anywhere.
    if let Err(error) = kafka(&settings).connect(std::time::Duration::ZERO)
        && error.code == Code::InvalidArgument
    {
        return Err(error.into());
    }
    writeln!(out, "the settings are fine")?;
    Ok(())
}

/// Also shows what is wrong: then more than ever somebody wants to know where a value comes from.
fn show(sources: &Sources, output: Output, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = Settings::load(sources);
    let mut rows: Vec<[String; 4]> = sources
        .shown()
        .map(|(name, value, origin)| {
            let of_file = name.strip_prefix(fields::KAFKA).is_some_and(|name| kafka_settings::of_file(name).is_some());
            let of_librdkafka = if of_file { "the file in which that setting stands" } else { "of librdkafka" };
            let meaning = fields::find(name).map_or(of_librdkafka, |field| field.meaning);
            [name.to_owned(), value.to_owned(), origin.to_string(), meaning.to_owned()]
        })
        .collect();
    if let Ok(settings) = &settings
        && !rows.iter().any(|[name, ..]| name == "instance")
    {
        let meaning = fields::find("instance").map_or("", |field| field.meaning);
        rows.push(["instance".into(), settings.instance.clone(), "host name and port".into(), meaning.into()]);
    }
    rows.sort();
    let fields = rows.iter().map(|[name, value, origin, _]| (name.clone(), json!({"value": value, "from": origin})));
    let document = fields.collect::<Map<_, _>>().into();
    let file = match sources.file() {
        Some(file) => format!("settings file: {}", legible(file)),
        None => format!("settings file: none; there is no {USUAL} here"),
    };
    output.write(out, &document, |wide| {
        let columns = if wide { 4 } else { 3 };
        let rows = rows.iter().map(|row| row[..columns].to_vec());
        format!("{}\n\n{file}", table(&["SETTING", "VALUE", "FROM", "MEANING"][..columns], rows))
    })?;
    settings?;
    Ok(())
}

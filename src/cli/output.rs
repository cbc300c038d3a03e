//! How things are shown: tables for people, JSON and YAML for scripts.

use std::io::Write;

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::Failure;
use crate::legible::{legible, legible_json};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    /// A table with more columns
    Wide,
    Json,
    Yaml,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Output {
    /// How to show it
    #[arg(long = "output", short = 'o', value_enum, default_value_t)]
    pub format: Format,
}

impl Output {
    /// Whether people read it, rather than scripts.
    pub fn is_for_people(self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// Writes `document` for scripts; `table` makes what people see.
    pub fn write(
        self,
        out: &mut dyn Write,
        document: &Value,
        table: impl FnOnce(bool) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => writeln!(out, "{}", table(false))?,
            Format::Wide => writeln!(out, "{}", table(true))?,
            Format::Json => writeln!(out, "{}", legible_json(&format!("{document:#}")))?,
            Format::Yaml => out.write_all(legible_json(&yaml(document)).as_bytes())?,
        }
        Ok(())
    }
}

/// A table without lines, as `kubectl` shows them.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| legible(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// YAML in which every text is quoted as in JSON, which YAML understands: no word of a flow can be taken for a number.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    node(value, 0, &mut text);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn node(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                text.push_str(&format!("{indent}{}:", key(name)));
                child(value, depth, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut inner = String::new();
                node(item, depth + 1, &mut inner);
                // The first line of the item stands behind the dash.
                text.push_str(&format!("{indent}- {}", inner.trim_start()));
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
        }
        plain => text.push_str(&plain.to_string()),
    }
}

fn child(value: &Value, depth: usize, text: &mut String) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    text.push(if nested { '\n' } else { ' ' });
    node(value, depth + 1, text);
    if !text.ends_with('\n') {
        text.push('\n');
    }
}

fn key(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_of_nested_things() {
        let value =
            json!({"flow_id": "a: b", "counts": {"held": 1}, "commands": [{"id": "1", "n": null}, []], "none": {}});
        let expected =
            "commands:\n  - id: \"1\"\n    n: null\n  - []\ncounts:\n  held: 1\nflow_id: \"a: b\"\nnone: {}\n";
        assert_eq!(yaml(&value), expected);
    }

    #[test]
    fn tables_have_no_lines_and_no_trailing_space() {
        let shown = table(&["FLOW", "STATE"], [vec!["welcome".into(), "live".into()]]);
        assert_eq!(shown, "FLOW     STATE\nwelcome  live");
    }
}

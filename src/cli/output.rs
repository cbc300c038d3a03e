//! How things are shown: tables for people, JSON and YAML for scripts.

use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Failure;
use crate::legible::legible_json;

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
            Format::Json => json(out, document)?,
            Format::Yaml => out.write_all(legible_json(&yaml(document)).as_bytes())?,
        }
        Ok(())
    }
}

fn json(out: &mut dyn Write, document: &Value) -> Result<(), Failure> {
    match document {
        Value::Array(items) => json_list(out, items.iter()),
        one => Ok(writeln!(out, "{}", legible_json(&format!("{one:#}")))?),
    }
}

/// A list as one document, an item at a time: it may be long.
///
/// # Errors
/// Of the output.
pub fn json_list<V: std::borrow::Borrow<Value>>(
    out: &mut dyn Write,
    items: impl Iterator<Item = V>,
) -> Result<(), Failure> {
    let mut before = "[\n  ";
    for item in items {
        // Line breaks within texts are escaped: those that are left are between values.
        let text = format!("{:#}", item.borrow()).replace('\n', "\n  ");
        write!(out, "{before}{}", legible_json(&text))?;
        before = ",\n  ";
    }
    Ok(out.write_all(if before.starts_with('[') { b"[]\n" } else { b"\n]\n" })?)
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
}

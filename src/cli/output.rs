//! How things are shown: tables for people, JSON, YAML and CSV for scripts.

use std::borrow::Borrow;
use std::io::Write;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Failure, yaml};
use crate::legible::legible_json;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    /// A table with more columns
    Wide,
    Json,
    /// JSON, a line each
    Jsonl,
    Yaml,
}

#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Output {
    /// How to show it; `flowgate schema` says how the JSON looks
    #[arg(long = "output", short = 'o', value_enum, default_value_t)]
    pub format: Format,
}

impl Output {
    /// Whether people read it, rather than scripts.
    pub fn is_for_people(self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// Writes `document` for scripts; `table` makes what people see.
    ///
    /// # Errors
    /// Of the output.
    pub fn write(
        self,
        out: &mut dyn Write,
        document: &Value,
        table: impl FnOnce(bool) -> String,
    ) -> Result<(), Failure> {
        match (self.format, document) {
            (Format::Table, _) => Ok(writeln!(out, "{}", table(false))?),
            (Format::Wide, _) => Ok(writeln!(out, "{}", table(true))?),
            (Format::Json, Value::Array(items)) => json_list(out, items.iter()),
            (Format::Json, one) => Ok(writeln!(out, "{}", legible_json(&format!("{one:#}")))?),
            (Format::Jsonl, Value::Array(items)) => items.iter().try_for_each(|item| json_line(out, item)),
            (Format::Jsonl, one) => json_line(out, one),
            (Format::Yaml, any) => yaml::write_one(out, any),
        }
    }
}

/// A list as one document, an item at a time: it may be long.
///
/// # Errors
/// Of the output.
pub fn json_list<V: Borrow<Value>>(out: &mut dyn Write, items: impl Iterator<Item = V>) -> Result<(), Failure> {
    let mut before = "[\n  ";
    for item in items {
        // Line breaks within texts are escaped: those that are left are between values.
        let text = format!("{:#}", item.borrow()).replace('\n', "\n  ");
        write!(out, "{before}{}", legible_json(&text))?;
        before = ",\n  ";
    }
    Ok(out.write_all(if before.starts_with('[') { b"[]\n" } else { b"\n]\n" })?)
}

/// # Errors
/// Of the output.
pub fn json_line(out: &mut dyn Write, value: &Value) -> Result<(), Failure> {
    Ok(writeln!(out, "{}", legible_json(&value.to_string()))?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_one_document_or_a_line_each() {
        let write = |format, value: &Value| {
            let mut out = Vec::new();
            Output { format }.write(&mut out, value, |_| String::new()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let list = json!([{"a": "x\ny", "b": []}, 1]);
        assert_eq!(write(Format::Json, &list), format!("{list:#}\n"));
        assert_eq!(write(Format::Json, &json!([])), "[]\n");
        assert_eq!(write(Format::Jsonl, &list), "{\"a\":\"x\\ny\",\"b\":[]}\n1\n");
        assert_eq!(write(Format::Jsonl, &json!([])), "");
        assert_eq!(write(Format::Jsonl, &json!({"a": [1, 2]})), "{\"a\":[1,2]}\n");
    }
}

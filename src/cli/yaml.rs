//! JSON as YAML, in which every text is quoted: no word of a flow can be taken for a number.

use std::fmt::Write as _;
use std::io::Write;

use saphyr::{Mapping, ScalarStyle, Yaml, YamlEmitter};
use serde_json::Value;

use super::{Failure, exit};
use crate::legible::legible_json;

/// Writes a list an item at a time, for it may be long.
///
/// # Errors
/// Of the output.
pub fn write_list<V: std::borrow::Borrow<Value>>(
    out: &mut dyn Write,
    items: impl Iterator<Item = V>,
) -> Result<(), Failure> {
    let mut empty = true;
    for item in items {
        write(out, &Yaml::Sequence(vec![yaml(item.borrow())]))?;
        empty = false;
    }
    if empty {
        writeln!(out, "[]")?;
    }
    Ok(())
}

/// # Errors
/// Of the output.
pub fn write_one(out: &mut dyn Write, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Array(items) => write_list(out, items.iter()),
        one => write(out, &yaml(one)),
    }
}

fn write(out: &mut dyn Write, yaml: &Yaml<'_>) -> Result<(), Failure> {
    let mut text = String::new();
    let emitted = YamlEmitter::new(&mut text).dump(yaml);
    emitted.map_err(|error| Failure::new(exit::OTHER, format!("cannot be written as YAML: {error}")))?;
    // The items of a list are one document together.
    Ok(writeln!(out, "{}", text.strip_prefix("---\n").unwrap_or(&text))?)
}

fn yaml(value: &Value) -> Yaml<'static> {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => Yaml::Sequence(items.iter().map(yaml).collect()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (key(name), yaml(value)));
            Yaml::Mapping(fields.collect::<Mapping<'_>>())
        }
        // Digit for digit, however many those are.
        plain => Yaml::Representation(plain.to_string().into(), ScalarStyle::Plain, None),
    }
}

fn key(name: &str) -> Yaml<'static> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    match plain {
        true => Yaml::Representation(name.to_owned().into(), ScalarStyle::Plain, None),
        false => quoted(name),
    }
}

/// As in JSON, whose escapes YAML has too; but for halves of surrogate pairs.
fn quoted(text: &str) -> Yaml<'static> {
    let json = Value::from(text).to_string();
    let mut inner = String::with_capacity(json.len());
    for c in json[1..json.len() - 1].chars() {
        match legible_json(c.encode_utf8(&mut [0; 4])).starts_with("\\u") {
            true if c > '\u{ffff}' => {
                let _ = write!(inner, "\\U{:08x}", u32::from(c));
            }
            true => {
                let _ = write!(inner, "\\u{:04x}", u32::from(c));
            }
            false => inner.push(c),
        }
    }
    Yaml::Representation(inner.into(), ScalarStyle::DoubleQuoted, None)
}

#[cfg(test)]
mod tests {
    use saphyr::LoadableYamlNode as _;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut out = Vec::new();
        write_one(&mut out, value).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nested_things() {
        let value =
            json!({"flow_id": "a: b", "counts": {"held": 1}, "commands": [{"id": "1", "n": null}, []], "none": {}});
        let expected =
            "commands:\n  - id: \"1\"\n    n: null\n  - []\ncounts:\n  held: 1\nflow_id: \"a: b\"\nnone: {}\n";
        assert_eq!(written(&value), expected);
        assert_eq!(written(&json!([{"a": 1, "b": 2}, {"a": 3}])), "- a: 1\n  b: 2\n- a: 3\n");
        assert_eq!(written(&json!([])), "[]\n");
    }

    #[test]
    fn any_text_is_read_back_and_shows_no_sign_that_a_terminal_obeys() {
        let evil = "a\n\r\t\"\\'\u{0}\u{1b}[2J\u{7f}\u{85}\u{9b}\u{202e}\u{feff}\u{e0041}é日 yes: - #";
        let text = written(&json!({evil: evil, "yes": "no", "one": "1"}));
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert!(!text.contains(['\u{202e}', '\u{feff}', '\u{e0041}']), "{text:?}");
        let read = Yaml::load_from_str(&text).unwrap();
        assert_eq!(read[0].as_mapping_get(evil).unwrap().as_str(), Some(evil));
        assert_eq!(read[0].as_mapping_get("yes").unwrap().as_str(), Some("no"));
        assert_eq!(read[0].as_mapping_get("one").unwrap().as_str(), Some("1"));
        let long = r#"{"n":123456789012345678901234567890}"#;
        assert_eq!(written(&serde_json::from_str(long).unwrap()), "n: 123456789012345678901234567890\n");
    }
}

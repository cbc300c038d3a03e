//! Goal: `examples/flowgate.toml` has every setting, with its real default and what the list of settings says of it.
//!
//! Method: its lines are read as a person reads them, a comment above each setting, and the production reader reads the file as it
//! stands, and once more with every `#` before a setting taken away.

use super::*;

const SAMPLE: &str = include_str!("../../../examples/flowgate.toml");
const EXAMPLE: &str = "No default; an example:";

/// A setting of the sample: the comment above it, in one line, and the value as the production reader has it.
struct Entry {
    comment: String,
    value: String,
}

/// `#name = value` of the sample, without the `#`.
fn setting(line: &str) -> Option<&str> {
    let line = line.strip_prefix('#')?;
    (!line.starts_with(' ') && line.contains(" = ")).then_some(line)
}

/// Everything set.
fn uncommented(sample: &str) -> String {
    sample.lines().map(|line| format!("{}\n", setting(line).unwrap_or(line))).collect()
}

/// The settings of our own, in their order.
fn entries(sample: &str) -> Vec<(String, Entry)> {
    let sources = text(&uncommented(sample));
    let (mut entries, mut comment, mut section) = (Vec::new(), Vec::new(), String::new());
    for line in sample.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, _)) = setting(line).and_then(|line| line.split_once(" = ")) {
            let name = format!("{section}{key}");
            if section != fields::KAFKA {
                let value = sources.get(&name).map(|given| given.value.clone()).unwrap_or_default();
                entries.push((name, Entry { comment: comment.join(" "), value }));
            }
        } else if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
            continue;
        }
        comment.clear();
    }
    entries
}

/// The comment that belongs above a setting.
fn wanted(field: &fields::Field) -> String {
    let (first, rest) = field.meaning.split_at(1);
    let example = if field.default.is_empty() { format!(" {EXAMPLE}") } else { String::new() };
    format!("{}{rest}.{example}", first.to_uppercase())
}

fn faults(sample: &str) -> Vec<String> {
    let entries = entries(sample);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    let mut faults = Vec::new();
    for field in fields::FIELDS {
        let (name, default, comment) = (field.name, field.default, wanted(field));
        let found: Vec<&Entry> = entries.iter().filter(|(other, _)| other == name).map(|(_, entry)| entry).collect();
        let [entry] = found[..] else {
            faults.push(format!("`{name}` is there {} times; default `{default}`; comment:\n{comment}", found.len()));
            continue;
        };
        if !default.is_empty() && entry.value != default {
            faults.push(format!("`{name}`: the default is `{default}`, not `{}`", entry.value));
        }
        if entry.comment != comment {
            faults.push(format!("`{name}`: the comment is\n{}\nand should be\n{comment}", entry.comment));
        }
    }
    let in_order: Vec<&str> =
        fields::FIELDS.iter().map(|field| field.name).filter(|name| names.contains(name)).collect();
    if names != in_order {
        faults.push(format!("these are in the order of the list, and no others: {in_order:?}"));
    }
    faults
}

#[test]
fn the_sample_has_every_setting_as_it_is() {
    let faults = faults(SAMPLE);
    assert!(faults.is_empty(), "examples/flowgate.toml:\n{}", faults.join("\n"));
}

#[test]
fn the_sample_sets_nothing() {
    let sources = text(SAMPLE);
    Settings::load(&sources).unwrap();
    let set: Vec<_> = sources.shown().filter(|(_, _, origin)| **origin != Origin::Default).collect();
    assert!(set.is_empty(), "{set:?}");
}

/// But for those that name files: these are not there, and stand for settings that are.
#[test]
fn every_line_of_the_sample_can_be_set() {
    let names_a_file = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        let is = |field: &str| field.rsplit('.').next() == Some(name);
        name.ends_with(".file\"") || fields::FIELDS.iter().any(|field| field.is_file && is(field.name))
    };
    let lines = uncommented(SAMPLE);
    let lines: String = lines.lines().filter(|line| !names_a_file(line)).map(|line| format!("{line}\n")).collect();
    Settings::load(&text(&lines)).unwrap();
}

/// Goal: the test above can be red, for each thing that a setting has.
#[test]
fn a_sample_that_is_behind_is_seen() {
    for (from, to, says) in [
        ("#workers = 1\n", "", "`workers` is there 0 times"),
        ("#workers = 1\n", "#workers = 2\n", "`workers`: the default is `1`, not `2`"),
        ("#workers = 1\n", "#workers = 1\n#workers_old = 1\n", "and no others"),
        ("# The longest pause", "# Some pause", "`max_pause`: the comment is\nSome pause"),
    ] {
        assert!(SAMPLE.contains(from), "{from}");
        let found = faults(&SAMPLE.replacen(from, to, 1));
        assert!(found.iter().any(|fault| fault.contains(says)), "{says}: {found:?}");
    }
}

//! Goal: every JSON that a command prints is as its schema says. Method: each of them, printed in both forms, is judged by
//! the schema; and so are documents with something more or less than it says.

use std::path::Path;

use clap::Parser as _;
use jsonschema::{Registry, Validator};
use serde_json::{Value, json};

use super::Place;
use super::flows::{hold, of, paused_now};
use crate::cli::{Cli, Command, Screen, config, schema};
use crate::config::Sources;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas");

fn schemas(folder: &str) -> Vec<Value> {
    let files = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

pub fn validator(name: &str) -> Validator {
    let all = [schemas(""), schemas("cli")].concat();
    let schema = all.iter().find(|schema| schema["$id"] == format!("flowgate:/schemas/{name}.json")).unwrap();
    let schema = schema.clone();
    let registry = all.into_iter().fold(Registry::new(), |registry, schema| {
        let uri = schema["$id"].as_str().unwrap().to_owned();
        registry.add(uri, schema).unwrap()
    });
    let registry = registry.prepare().unwrap();
    let options = jsonschema::options().should_validate_formats(true).offline();
    options.with_registry(&registry).build(&schema).unwrap()
}

#[track_caller]
pub fn judge(name: &str, value: &Value) {
    let judged = validator(name).validate(value).map_err(|error| error.to_string());
    judged.unwrap_or_else(|error| panic!("{name}: {error}: {value:#}"));
}

/// What the command prints as JSON, by the schema of the document, and by that of its lines.
#[track_caller]
pub fn printed(place: &Place, args: &[&str], document: &str, line: &str) -> Value {
    let value: Value = serde_json::from_str(&place.run(&[args, &["-o", "json"]].concat()).1).unwrap();
    judge(document, &value);
    let lines = place.run(&[args, &["-o", "jsonl"]].concat()).1;
    assert!(!lines.is_empty());
    for text in lines.lines() {
        judge(line, &serde_json::from_str(text).unwrap());
    }
    value
}

#[test]
fn every_schema_is_one() {
    let all = schemas("cli");
    assert!(all.len() >= 16, "{}", all.len());
    for schema in all {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{schema}");
        validator(
            schema["$id"].as_str().unwrap().strip_prefix("flowgate:/schemas/").unwrap().trim_end_matches(".json"),
        );
    }
}

/// What `flowgate schema` prints on a screen.
fn listed(screen: &Screen, arguments: &[&str]) -> String {
    let cli = Cli::try_parse_from(["flowgate", "schema"].iter().chain(arguments)).unwrap();
    let Command::Schema(args) = cli.command else { panic!("not `schema`") };
    let mut out = Vec::new();
    schema::run(&args, screen, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Goal: no schema is forgotten, and what is printed is the file. Method: the names are those of the files that are there.
#[test]
fn every_schema_is_printed_as_it_stands_in_its_file() {
    let names = |folder: &str, before: &str| -> Vec<String> {
        let files = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap().map(|entry| entry.unwrap().file_name());
        let names = files.filter_map(|file| Some(format!("{before}{}", file.to_str().unwrap().strip_suffix(".json")?)));
        names.collect()
    };
    let mut files = [names("", ""), names("cli", "cli/")].concat();
    let mut offered: Vec<&str> = schema::ALL.iter().map(|schema| schema.name).collect();
    files.sort();
    offered.sort_unstable();
    assert_eq!(offered, files, "`ALL` in src/cli/schema.rs has to name each file of schemas/");
    for name in files {
        let file = std::fs::read_to_string(Path::new(ROOT).join(format!("{name}.json"))).unwrap();
        assert!(listed(&Screen::default(), &[&name]) == file, "{name}");
    }
}

#[test]
fn the_list_of_schemas_says_what_each_describes() {
    let list = listed(&Screen::default(), &[]);
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), schema::ALL.len() + 1);
    for (line, says) in [
        (0, "NAME              TITLE                  DESCRIBES"),
        (1, "event             Enrollment event       A record enters a flow, is due to move on in it, or leaves it"),
        (16, "cli/flows         Flows                  `flowgate flows -o json`"),
    ] {
        assert_eq!(lines[line], says);
    }
    for (line, schema) in lines[1..].iter().zip(schema::ALL) {
        let cells: Vec<&str> = line.split("  ").filter(|cell| !cell.is_empty()).collect();
        assert!(cells.len() == 3 && cells[0] == schema.name, "{line}");
    }
    assert!(listed(&Screen::of_size((80, 24)), &[]).lines().all(|line| line.chars().count() < 80));
}

#[test]
fn a_schema_that_is_not_there_is_answered_with_the_nearest() {
    let error = Cli::try_parse_from(["flowgate", "schema", "cli/flowz"]).unwrap_err();
    let text = error.to_string();
    let names: Vec<&str> = schema::ALL.iter().map(|schema| schema.name).collect();
    let told = format!("error: invalid value 'cli/flowz' for '[NAME]'\n  [possible values: {}]\n", names.join(", "));
    assert!(error.exit_code() == 2 && text.starts_with(&told), "{text}");
    assert!(text.contains("similar value") && text.contains("'cli/flow'"), "{text}");
}

#[test]
fn what_commands_print_is_as_the_schemas_say() {
    let place = Place::new();
    place.memory.configure("flow.records", "retention.ms", "1000").unwrap();
    let topics = printed(&place, &["topics", "check"], "cli/topics", "cli/topics");
    assert_eq!(topics["differences"][0]["topic"], "flow.records");
    place.memory.configure("flow.records", "retention.ms", "-1").unwrap();
    printed(&place, &["topics", "create", "--partitions", "3"], "cli/topics", "cli/topics");
    printed(&place, &["positions"], "cli/positions", "cli/position");
    printed(&place, &["pause", "a", "--timeout", "0s"], "cli/answers", "cli/answer");
    let gate = place.gate();
    let applied = printed(&place, &["pause", "welcome", "--command-id", "c"], "cli/answers", "cli/answer");
    assert_eq!(applied[0]["outcome"], "applied");
    hold(&place, "welcome", 3);
    let sampled = ["release", "welcome", "--count", "1"];
    assert_eq!(printed(&place, &sampled, "cli/answers", "cli/answer")[0]["done"], json!({"enroll": 1, "advance": 0}));
    for state in ["paused", "live"] {
        let flow = printed(&place, &["flow", "welcome"], "cli/flow", "cli/flow");
        assert_eq!(flow["state"], state);
        printed(&place, &["flows"], "cli/flows", "cli/flow");
        printed(&place, &["positions"], "cli/positions", "cli/position");
        let resumed = printed(&place, &["resume", "welcome", "--wait"], "cli/answers", "cli/answer");
        assert_eq!(resumed[0]["drained"]["state"], "live");
    }
    let rejected = printed(&place, &["purge", "welcome", "--yes"], "cli/answers", "cli/answer");
    assert_eq!(rejected[0]["outcome"], "rejected");
    gate.stop().unwrap();

    let mut out = Vec::new();
    let output = crate::cli::output::Output { format: crate::cli::output::Format::Json };
    config::run(&config::Command::Show { output }, &Sources::new(), &mut out).unwrap();
    judge("cli/settings", &serde_json::from_slice(&out).unwrap());
}

#[test]
fn the_schemas_refuse_what_is_missing_and_what_nobody_has_told_of() {
    let flow = of(&paused_now("welcome", 3));
    judge("cli/flow", &flow);
    let answer = json!({"flow_id": "a", "command_id": "c", "offset": 1, "outcome": "applied", "detail": ""});
    judge("cli/answer", &answer);
    for (name, good, field) in [("cli/flow", &flow, "held"), ("cli/answer", &answer, "offset")] {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(field);
        assert!(!validator(name).is_valid(&less), "{name} without {field}");
    }
    let mut more = answer;
    more["more"] = json!(1);
    assert!(!validator("cli/answer").is_valid(&more));
    judge("cli/change", &json!({"flow_id": "a", "state": "forgotten"}));
    assert!(!validator("cli/change").is_valid(&json!({"flow_id": "a", "state": "gone"})));
}

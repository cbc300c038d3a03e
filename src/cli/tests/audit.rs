//! What has happened, as `flowgate audit` shows it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::flows::{Closed, hold, running};
use super::schemas::{judge, printed, validator};
use super::{Place, eventually};
use crate::broker::{Broker, Publication, Publisher};
use crate::cli::exit;
use crate::cli::screen::Screen;
use crate::client::audited::Audited;
use crate::clock;
use crate::flow::{AuditEvent, FlowId, Happening, Position, Transition};
use crate::schema;

/// FLOW, EVENT, BY/COMMAND and DETAIL of each row.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    table.lines().filter(|line| line.contains("Z  ")).map(cells).collect()
}

fn seen(place: &Place, flow: &str, partition: i32) {
    let event = AuditEvent {
        flow: Some(FlowId::new(flow).unwrap()),
        partition,
        at: place.memory.now(),
        position: Position::default(),
        happening: Happening::Transition { transition: Transition::Seen, pause: None, command: None },
    };
    let (topic, value) = (place.settings.topics.audit.as_str(), schema::audit::write(&event));
    let (key, value, partition) = (Some(flow.as_bytes()), Some(&value[..]), Some(partition));
    let mut publisher = place.memory.publisher().unwrap();
    publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] }).unwrap();
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

#[test]
fn the_audit_is_told_in_words() {
    let place = Place::new();
    assert_eq!(place.good(&["audit"]), "nothing is in `flow.audit`\n");
    let gate = place.gate();
    let by = ["--by", "ops@example.com", "--reason", "wrong\ncoupon"];
    place.good(&[&["pause", "welcome", "--command-id", "pause-it", "--for", "3d"], &by[..]].concat());
    hold(&place, "welcome", 3);
    place.good(&["purge", "welcome", "--through", "2", "--yes", "--command-id", "purge-3", "--by", "x"]);
    place.good(&["release", "welcome", "--count", "1", "--command-id", "sample-4", "--by", "x"]);
    place.good(&["resume", "welcome", "--wait", "--command-id", "resume-5", "--by", "x"]);
    place.run(&["purge", "welcome", "--yes", "--command-id", "purge-6", "--by", "y"]).0.unwrap_err();
    gate.stop().unwrap();

    let table = place.good(&["audit", "welcome"]);
    assert!(table.starts_with("AT ") && table.lines().next().unwrap().ends_with("BY/COMMAND       DETAIL"), "{table}");
    let rows = rows(&table);
    let starts: Vec<String> = rows.iter().map(|row| row[1..].join(" | ")).collect();
    let expected = [
        "seen | ops@example.com | first seen",
        "paused | ops@example.com | paused (pause-0): wrong\\ncoupon",
        "answer | ops@example.com | command pause-it: applied: ",
        "purging | x | what is held is being purged",
        "answer | x | command purge-3: applied: purging what is held up to entry 2, of 3 events held; the flow stays paused",
        "purged | purge-3 | purged 2 events (2 enroll, 0 advance) for command purge-3",
        "sampling | x | some of what is held is being released",
        "answer | x | command sample-4: applied: ",
        "sampled | sample-4 | released 1 event (1 enroll, 0 advance) for command sample-4",
        "resumed | x | resumed (pause-0)",
        "answer | x | command resume-5: applied: ",
        "live | - | live again: all that was held has been passed",
        "answer | y | command purge-6: rejected: ",
    ];
    let named = |word: &str| starts.iter().filter(|start| start.starts_with(word)).count();
    for expected in expected {
        assert!(starts.iter().any(|start| start.starts_with(expected)), "{expected}\n{starts:#?}");
    }
    assert_eq!((starts.len(), named("answer")), (expected.len(), 5), "{starts:#?}");

    let only = |args: &[&str]| self::rows(&place.good(&[&["audit"], args].concat())).len();
    assert_eq!(only(&["--by", "x"]), 3, "answers alone say who");
    assert_eq!(only(&["--event", "purged"]), 1);
    assert_eq!(only(&["--command", "purge-3"]), 2, "its answer, and what it has done");
    assert_eq!(only(&["--command", "purge-3", "--event", "answer"]), 1);
    let paused = self::rows(&place.good(&["audit", "--event", "paused"]));
    assert_eq!(paused[0][2], "ops@example.com", "the answer is read, if not shown");
    assert_eq!(place.good(&["audit", "nobody"]), "nothing in `flow.audit` is like that\n");
    let newest = place.good(&["audit", "--limit", "2"]);
    assert_eq!(newest.lines().last(), Some("the newest 2; older ones with --limit"));
    assert!(newest.lines().nth(2).unwrap().contains("purge-6: rejected"), "the newest comes last: {newest}");
}

#[test]
fn the_audit_as_documents() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome", "--command-id", "c1"]);
    place.good(&["pause", "welcome", "--command-id", "c1"]);
    place.good(&["pause", "--all", "--yes", "--command-id", "all"]);
    gate.stop().unwrap();
    let all = printed(&place, &["audit"], "cli/audit-events", "cli/audit-event");
    let all = all.as_array().unwrap();
    let ids: Vec<&str> = all.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(place.good(&["audit", "-o", "name"]), format!("{}\n", ids.join("\n")));
    let every = all.iter().find(|event| event["flow_id"] == Value::Null).unwrap();
    assert_eq!(every["command"]["command_id"], "all");
    assert!(place.good(&["audit", "-o", "yaml"]).starts_with("- at: "));
    let csv = place.good(&["audit", "-o", "csv"]);
    let mut read = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(read.headers().unwrap().iter().take(5).collect::<Vec<_>>(), ["id", "at", "flow_id", "event", "by"]);
    let lines: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), all.len());
    // What happens in one millisecond is told partition by partition.
    let told: Vec<_> = lines.iter().filter(|line| &line[2] == "welcome").collect();
    assert_eq!((&told[0][3], &told[1][3], &told[1][5], &told[1][7]), ("seen", "paused", "c1", ""));
    let wide = place.good(&["audit", "-o", "wide"]);
    assert!(wide.lines().next().unwrap().ends_with("ID   COMMAND OFFSET  PAUSE"), "{wide}");
    let told = rows(&wide);
    assert!(told.iter().any(|row| row[3].starts_with("command c1: applied, again: ")), "{wide}");
    assert!(told.iter().any(|row| row[0] == "*" && row[3].starts_with("command all: applied in partition ")), "{wide}");
}

/// Goal: events of all partitions come in the order of time, and what is older than a time does not.
#[test]
fn partitions_are_told_in_the_order_of_time() {
    let place = Place::new();
    let flows = [("a", 2), ("b", 0), ("c", 1), ("d", 0), ("e", 2)];
    for (flow, partition) in &flows[..3] {
        seen(&place, flow, *partition);
        place.a_moment_later();
    }
    let between = clock::now().after(Duration::from_secs(3600));
    place.shift.fetch_add(7_200_000, Ordering::SeqCst);
    eventually("two hours later", || place.memory.now() > between);
    for (flow, partition) in &flows[3..] {
        place.a_moment_later();
        seen(&place, flow, *partition);
    }
    let told = |args: &[&str]| {
        let rows = rows(&place.good(&[&["audit"], args].concat()));
        rows.iter().map(|row| row[0].clone()).collect::<String>()
    };
    assert_eq!(told(&[]), "abcde");
    assert_eq!(told(&["--limit", "3"]), "cde");
    assert_eq!(told(&["--since", &between.to_string()]), "de");
    assert_eq!(told(&["--since", "1h"]), "abcde", "the broker is two hours ahead");
    let later = between.after(Duration::from_secs(7200)).to_string();
    assert_eq!(place.good(&["audit", "--since", &later]), "nothing has come to `flow.audit` since then\n");
}

/// Goal: a follower tells each event once, from those that were there on, until it is ended. Method: commands while it follows.
#[test]
fn what_comes_is_followed() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome", "--command-id", "c1", "--by", "ops"]);
    let told = running(&place, &Screen::default(), &["audit", "-f", "welcome", "--limit", "1"], |written| {
        eventually("what was there", || written.text().contains("command c1: applied"));
        place.good(&["pause", "other", "--command-id", "c2"]);
        place.good(&["resume", "welcome", "--command-id", "c3", "--by", "ops"]);
        eventually("followed", || written.text().contains("command c3: applied"));
        eventually("to its end", || written.text().contains("live again"));
    });
    let events: Vec<String> = rows(&told).iter().map(|row| row[..3].join(" ")).collect();
    let mut sorted = events.clone();
    sorted.sort();
    assert_eq!(sorted, ["welcome answer ops", "welcome answer ops", "welcome live -", "welcome resumed ops"], "{told}");

    let lines = running(&place, &Screen::default(), &["audit", "-f", "-o", "jsonl", "--event", "paused"], |written| {
        eventually("what was there", || written.text().lines().count() == 2);
        place.good(&["pause", "third"]);
        eventually("followed", || written.text().lines().count() == 3);
    });
    lines.lines().for_each(|line| judge("cli/audit-event", &serde_json::from_str(line).unwrap()));
    let csv = running(&place, &Screen::default(), &["audit", "-f", "-o", "csv", "--event", "forgotten"], |written| {
        eventually("its columns", || written.text().starts_with("id,at,flow_id,"));
        place.event("fourth", "r");
        eventually("seen", || place.run(&["flow", "fourth"]).0.is_ok());
        place.good(&["resume", "third", "--wait"]);
        place.good(&["forget", "fourth"]);
        eventually("followed", || written.text().lines().count() == 2);
    });
    assert!(csv.lines().nth(1).unwrap().contains(",fourth,forgotten,"), "{csv}");

    let closed = place.run_on(&Screen::default(), &["audit", "-f"], &mut Closed).unwrap_err();
    assert_eq!(closed.code, 0, "{closed}");
    for format in ["json", "yaml", "name"] {
        let refused = place.run(&["audit", "-f", "-o", format]).0.unwrap_err();
        assert_eq!(refused.code, exit::CONFIGURATION);
        assert!(refused.hint.unwrap().contains("-o jsonl"));
    }
    gate.stop().unwrap();
}

#[test]
fn the_words_of_events_are_those_of_the_schema() {
    use clap::Parser as _;
    let event = |word: &str| {
        let mut event = serde_json::json!({
            "version": 1, "event": "transition", "transition": word, "flow_id": "a", "partition": 0,
            "at": "2026-01-01T00:00:00Z", "pause_id": null, "command_offset": null,
            "position": {"input": 0, "control": 0, "entry": 0, "watermark": 0}
        });
        if ["purged", "sampled", "loss_accepted"].contains(&word) {
            (event["command_id"], event["count"]) = ("c".into(), serde_json::json!({"enroll": 0, "advance": 0}));
        }
        if word == "loss_accepted" {
            event["first_entry"] = 1.into();
        }
        if word == "expiring" {
            event["within_seconds"] = 3600.into();
        }
        event
    };
    let validator = validator("audit-event");
    for word in Audited::WORDS.into_iter().filter(|word| !["answer", "redriven"].contains(word)) {
        let event = event(word);
        assert!(validator.is_valid(&event), "{word}");
        let read = schema::audit::read(event.to_string().as_bytes()).unwrap();
        let Happening::Transition { transition, .. } = read.happening else { panic!("{word}") };
        assert_eq!(transition.word(), word);
    }
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/audit-event.json")).unwrap();
    let words = schema["oneOf"][0]["properties"]["transition"]["enum"].as_array().unwrap().len();
    assert_eq!(Audited::WORDS.len(), words + 2);
    let error = crate::cli::Cli::try_parse_from(["flowgate", "audit", "--event", "gone"]).unwrap_err();
    assert!(error.to_string().contains("[possible values: seen, paused, "), "{error}");
}

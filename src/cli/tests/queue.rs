//! What a flow holds, as `flowgate queue` shows it.

use std::num::NonZeroU64;

use serde_json::{Value, json};

use super::flows::{hold, write};
use super::schemas::printed;
use super::{Place, eventually};
use crate::broker::{Admin, Broker, Header, Publication, Publisher};
use crate::cli::exit;
use crate::cli::screen::Screen;
use crate::client::states::{Known, States};
use crate::flow::{CommandId, PerKind, Purge};
use crate::schema::{Document, state};

/// Event by event, each seen to be held: their order is that of the list.
fn hold_all(place: &Place, flow: &str, events: &[Value]) {
    for (number, event) in events.iter().enumerate() {
        let mut event = event.clone();
        event["flow_id"] = json!(flow);
        place.send(None, &event.to_string());
        let entries = format!("of {} entries passed", number + 1);
        eventually("held", || place.good(&["flow", flow]).contains(&entries));
    }
}

fn names(place: &Place, args: &[&str]) -> Vec<u64> {
    let out = place.good(&[&["queue", "welcome", "-o", "name"], args].concat());
    out.lines().map(|line| line.parse().unwrap()).collect()
}

/// Without how long something was held, which depends on the machine.
fn timeless(table: &str) -> String {
    let is_time = |word: &str| word.len() > 1 && word.ends_with('s') && word[..word.len() - 1].parse::<u32>().is_ok();
    let words = |line: &str| {
        let words = line.split_whitespace().map(|word| if is_time(word) { "TIME" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    table.lines().map(words).collect::<Vec<_>>().join("\n")
}

fn known(place: &Place, flow: &str) -> Known {
    let mut states = States::open(&place.memory, &place.settings.topics).unwrap();
    states.catch_up(std::time::Duration::from_secs(30)).unwrap();
    states.flows.remove(flow).unwrap()
}

#[test]
fn held_events_are_shown_with_what_becomes_of_them() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome", "--command-id", "one"]);
    let evil = "r\u{1b}[2J\n日";
    hold_all(
        &place,
        "welcome",
        &[
            json!({"record_id": "r1"}),
            json!({"record_id": "r1", "kind": "advance"}),
            json!({"record_id": "r2", "a": "\u{9b}"}),
            json!({"record_id": "r1", "note": "newer"}),
            json!({"record_id": "r2", "kind": "withdraw"}),
            json!({"record_id": evil}),
        ],
    );
    let table = place.good(&["queue", "welcome"]);
    assert_eq!(
        timeless(&table),
        "ENTRY KIND RECORD HELD FOR FATE\n\
         1 enroll r1 TIME replaced\n\
         2 advance r1 TIME released\n\
         3 enroll r2 TIME replaced\n\
         4 enroll r1 TIME released\n\
         6 enroll r\\u{1b}[2J\\n日 TIME released\n\
         5 held events"
    );
    assert!(table.starts_with("ENTRY  KIND     RECORD") && !table.contains('\u{1b}'), "{table}");
    let bare = place.good(&["queue", "welcome", "--no-headers"]);
    assert_eq!(bare.lines().count(), 5, "{bare}");
    let wide = place.good(&["queue", "welcome", "-o", "wide", "--values", "--record", "r2"]);
    let wide = timeless(&wide);
    assert!(wide.starts_with("ENTRY KIND RECORD HELD FOR FATE PAUSE BYTES KEEP SOURCE VALUE\n"), "{wide}");
    assert!(
        wide.contains("3 enroll r2 TIME replaced pause-0 ") && wide.contains(" latest flow.enrollments/"),
        "{wide}"
    );
    assert!(
        wide.contains("\"a\":\"\\u{9b}\"") && wide.ends_with("1 of 5 held events; no other is like that"),
        "{wide}"
    );

    let document = printed(&place, &["queue", "welcome"], "cli/held-events", "cli/held-event");
    assert_eq!(document.as_array().unwrap().len(), 5);
    assert_eq!(document[4]["record_id"], evil);
    assert_eq!((&document[0]["fate"], &document[0]["keep"]), (&json!("replaced"), &json!("latest")));
    assert_eq!(document[0].get("value"), None);
    assert!(document[0]["bytes"].as_u64().unwrap() > 20);
    let yaml = place.good(&["queue", "welcome", "-o", "yaml"]);
    assert!(yaml.starts_with("- bytes: ") && yaml.contains("  entry: 6\n"), "{yaml}");
    assert_eq!(place.good(&["queue", "welcome", "-o", "name"]), "1\n2\n3\n4\n6\n");
    let csv = place.good(&["queue", "welcome", "-o", "csv", "--values"]);
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(rows.headers().unwrap().iter().take(4).collect::<Vec<_>>(), ["entry", "kind", "record_id", "held_at"]);
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[4][2], &rows[4][13], &rows[4][15], &rows[4][16]), (5, evil, "utf-8", "utf-8", "[]"));
    gate.stop().unwrap();
}

/// Goal: key, value and headers come out byte for byte, and a terminal gets as much of the value as fits.
#[test]
fn foreign_bytes_are_base64_and_long_values_are_cut_on_terminals() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    let mut publisher = place.memory.publisher().unwrap();
    let headers = [Header { name: b"\xff"[..].into(), value: None }, Header::new("trace", "1")];
    let value = format!(r#"{{"flow_id": "welcome", "record_id": "r1", "long": "{}"}}"#, "日".repeat(60));
    let (topic, value) = (place.settings.topics.enrollments.as_str(), Some(value.as_bytes()));
    let (partition, key) = (Some(0), Some(&b"\x00\xfe"[..]));
    publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &headers }).unwrap();
    assert!(publisher.flush(std::time::Duration::ZERO).unwrap().iter().all(Result::is_ok));
    eventually("held", || place.run(&["flow", "welcome"]).1.contains("held         1 ("));

    let shown = printed(&place, &["queue", "welcome", "--values"], "cli/held-events", "cli/held-event");
    assert_eq!(shown[0]["key"], json!({"encoding": "base64", "data": "AP4="}));
    assert_eq!(shown[0]["value"]["data"].as_str().unwrap().as_bytes(), value.unwrap());
    let name = json!({"encoding": "base64", "data": "/w=="});
    let one = json!({"encoding": "utf-8", "data": "1"});
    let trace = json!({"encoding": "utf-8", "data": "trace"});
    assert_eq!(shown[0]["headers"], json!([{"name": name, "value": null}, {"name": trace, "value": one}]));

    let (screen, mut out) = (Screen::of_size((90, 24)), Vec::new());
    place.run_on(&screen, &["queue", "welcome", "--values"], &mut out).unwrap();
    let cut = String::from_utf8(out).unwrap();
    let line = cut.lines().nth(1).unwrap();
    use unicode_width::UnicodeWidthStr as _;
    assert!(line.ends_with('…') && (86..=89).contains(&line.width()), "{line}");
    assert!(place.good(&["queue", "welcome", "--values"]).contains(&"日".repeat(60)), "nothing is cut for a pipe");
    gate.stop().unwrap();
}

/// Goal: what is wanted is found, and pages joined by the numbers they name are everything, both ways.
#[test]
fn filters_and_pages() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome", "--keep", "all"]);
    for number in 0..47 {
        let country = if number % 10 == 0 { "DE" } else { "FR" };
        let event = json!({
            "flow_id": "welcome", "record_id": format!("r{}", number % 23), "customer": {"country": country, "n": number}
        });
        place.send(None, &event.to_string());
    }
    eventually("held", || place.good(&["flow", "welcome"]).contains("held         47 ("));
    assert!(place.good(&["queue", "welcome", "-o", "json"]).matches("\"released\"").count() == 47, "keep: all");

    let (first, beside) = place.both(&["queue", "welcome"]);
    assert_eq!((first.lines().count(), beside.as_str()), (22, ""));
    assert_eq!(first.lines().last(), Some("20 of 47 held events; go on with --after 20"));
    let last = place.good(&["queue", "welcome", "--after", "40"]);
    assert_eq!(last.lines().last(), Some("7 of 47 held events; these are the last"));
    let newest = place.good(&["queue", "welcome", "--newest", "--limit", "3"]);
    assert!(newest.lines().nth(1).unwrap().starts_with("47 "), "{newest}");
    assert_eq!(newest.lines().last(), Some("3 of 47 held events; go on with --newest --before 45"));
    let all: Vec<u64> = (1..=47).collect();
    for limit in ["1", "9", "47"] {
        for newest in [false, true] {
            let (mut found, mut next) = (Vec::new(), Vec::new());
            loop {
                let mut args = vec!["queue", "welcome", "-o", "name", "--limit", limit];
                args.extend(next.iter().map(String::as_str));
                args.extend((newest && next.is_empty()).then_some("--newest"));
                let (out, beside) = place.both(&args);
                found.extend(out.lines().map(|line| line.parse::<u64>().unwrap()));
                let Some((_, on)) = beside.split_once("go on with ") else { break };
                next = on.split_whitespace().map(str::to_owned).collect();
            }
            if newest {
                found.reverse();
            }
            assert_eq!(found, all, "{limit} {newest}");
        }
    }

    assert_eq!(names(&place, &["--record", "r3"]), [4, 27]);
    assert_eq!(names(&place, &["--record", "r3", "--newest", "--limit", "1"]), [27]);
    assert_eq!(names(&place, &["--where", "/customer/country=DE"]), [1, 11, 21, 31, 41]);
    assert_eq!(names(&place, &["--where", "/customer/country=DE", "--where", "/customer/n=20"]), [21]);
    let some = place.good(&["queue", "welcome", "--where", "/customer/country=DE", "--limit", "2"]);
    let told = some.lines().last().unwrap();
    assert!(told.starts_with("2 of 47 held events, found in ") && told.ends_with(" offsets; go on with --after 11"));
    let none = place.good(&["queue", "welcome", "--where", "/customer/country=GB"]);
    assert_eq!(none, "`welcome` holds 47 events: none of them is like that\n");
    let none = place.good(&["queue", "welcome", "--after", "47"]);
    assert_eq!(none, "`welcome` holds 47 events: none of them has such a number\n");
    gate.stop().unwrap();
}

/// Goal: a command ends at its bound, says so beside its output, and the way on that it names leads to everything.
#[test]
fn a_bound_that_is_reached_is_told_with_the_way_on() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 30);
    let (out, beside) = place.both(&["queue", "welcome", "--record", "r29", "--scan", "10"]);
    assert_eq!(out, "`welcome` holds 30 events: none of those that were looked at is like that\n");
    let start = "looked through 10 of ";
    assert!(beside.starts_with(start) && beside.contains(" offsets, and no further: go on with --after "), "{beside}");
    assert!(beside.trim_end().ends_with(" looks through all of them"), "{beside}");
    let total: NonZeroU64 = beside.split("--scan ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert_eq!(names(&place, &["--record", "r29", "--scan", &total.to_string()]), [30]);
    let (mut after, mut found) = ("0".to_owned(), String::new());
    while found.is_empty() {
        let args = ["queue", "welcome", "-o", "name", "--record", "r29", "--scan", "10", "--after", &after];
        let (out, beside) = place.both(&args);
        found = out;
        let on = beside.split("--after ").nth(1).and_then(|on| on.split(',').next());
        after = on.map(str::to_owned).unwrap_or_default();
    }
    assert_eq!(found, "30\n");
    let unknown = place.good(&["queue", "welcome", "--limit", "2", "--scan", "10"]);
    assert!(timeless(&unknown).contains("1 enroll r0 TIME ?\n"), "{unknown}");
    assert!(unknown.contains("\n?: what is held behind these was not read to its end"), "{unknown}");
    let document = printed(&place, &["queue", "welcome", "--scan", "5"], "cli/held-events", "cli/held-event");
    assert_eq!(document[0]["fate"], Value::Null);
    gate.stop().unwrap();
}

#[test]
fn what_a_purge_will_remove_and_what_was_taken() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 4);
    place.good(&["release", "welcome", "--record", "r1"]);
    assert_eq!(names(&place, &[]), [1, 3, 4]);
    gate.stop().unwrap();
    let mut flow = known(&place, "welcome").flow;
    let command = CommandId::new("purge-3").unwrap();
    flow.queue.purge_through = Some(Purge { entry: 3, command, removed: PerKind::default() });
    let document = state::write(&mut Document::new(flow.clone())).into();
    write(&place, &[Known { flow, document, partition: 0 }]);
    let table = timeless(&place.good(&["queue", "welcome"]));
    let fates: Vec<&str> = table.lines().filter_map(|line| line.split("TIME ").nth(1)).collect();
    assert_eq!(fates, ["removed", "removed", "released"], "{table}");
}

#[test]
fn a_flow_that_holds_nothing_says_so() {
    let place = Place::new();
    let gate = place.gate();
    place.event("welcome", "r1");
    eventually("seen", || place.run(&["flow", "welcome"]).0.is_ok());
    assert_eq!(place.good(&["queue", "welcome"]), "`welcome` is live: it holds nothing\n");
    assert_eq!(place.good(&["queue", "welcome", "-o", "json"]), "[]\n");
    assert_eq!(place.good(&["queue", "welcome", "-o", "name"]), "");
    place.good(&["pause", "welcome"]);
    let told = place.good(&["queue", "welcome"]);
    assert!(told.starts_with("`welcome` is paused for ") && told.ends_with(", and holds nothing\n"), "{told}");
    gate.stop().unwrap();

    let unknown = place.run(&["queue", "wellcome\u{1b}"]).0.unwrap_err();
    assert_eq!(unknown.code, exit::OTHER);
    assert_eq!(
        unknown.to_string(),
        "no flow `wellcome\\u{1b}` is known under the prefix `flow`\n  hint: `flowgate flows --match TEXT` finds it; a flow \
         is known from its first event or pause on"
    );
}

#[test]
fn held_events_that_somebody_deleted_are_told() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", 3);
    let topic = known(&place, "welcome").flow.queue.topic.unwrap();
    place.memory.admin().unwrap().delete_records(&[(topic.clone(), 1)]).unwrap().remove(0).unwrap();
    let told = place.good(&["queue", "welcome"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!((lines.len(), lines[3]), (5, "2 of 3 held events"), "{told}");
    let way = "`welcome` can be resumed only without them, see `flowgate flow --accept-loss`";
    assert_eq!(lines[4], format!("held events that come before these were deleted by somebody: {way}"));
    place.memory.admin().unwrap().delete_topics(&[topic]).unwrap().remove(0).unwrap();
    let gone = format!("the queue topic `flow.queue.welcome.1` is gone, and with it 3 held events: {way}\n");
    assert_eq!(place.good(&["queue", "welcome"]), gone);
    assert_eq!(place.both(&["queue", "welcome", "-o", "jsonl"]), (String::new(), gone));
    gate.stop().unwrap();
}

#[test]
fn bad_values_are_refused_by_name() {
    use clap::Parser as _;
    for (args, told) in [
        (&["--where", "a=b"][..], "`a` does not begin with `/`; write a JSON pointer and a value, such as"),
        (&["--limit", "0"], "invalid value '0' for '--limit <EVENTS>': 0 is not in 1..=100000"),
        (&["--limit", "100001"], "100001 is not in 1..=100000"),
        (&["--before", "3"], "--newest"),
        (&["--record", ""], "it is empty; give 1 to 256 bytes"),
        (&["-o", "xml"], "[possible values: table, wide, json, jsonl, yaml, csv, name]"),
    ] {
        let error = crate::cli::Cli::try_parse_from(["flowgate", "queue", "welcome"].iter().chain(args)).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(told), "{error}");
    }
}

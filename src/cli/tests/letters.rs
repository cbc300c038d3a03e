//! What was not delivered, as `flowgate letters` shows it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::flows::hold;
use super::schemas::printed;
use super::{Place, eventually};
use crate::broker::{Broker, Publication, Publisher, Record};
use crate::clock;
use crate::schema::Reason;
use crate::schema::headers::dead_letter;
use crate::time::Timestamp;

/// As an upstream sends it, whatever it is.
fn send(place: &Place, key: Option<&[u8]>, value: Option<&[u8]>) {
    let mut publisher = place.memory.publisher().unwrap();
    let (topic, partition) = (place.settings.topics.enrollments.as_str(), Some(0));
    publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] }).unwrap();
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

/// Written as a gate would.
fn set_aside(place: &Place, partition: i32, record: &str) {
    let record = Record {
        topic: "flow.enrollments".into(),
        partition: 0,
        offset: 7,
        timestamp: Timestamp(1),
        key: Some(record.as_bytes().to_vec().into()),
        value: Some(record.as_bytes().to_vec().into()),
        headers: Vec::new(),
    };
    let headers = dead_letter(&record, Reason::NotJson, "the value is no JSON");
    let mut publisher = place.memory.publisher().unwrap();
    let (topic, partition) = (place.settings.topics.dead_letters.as_str(), Some(partition));
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &headers }).unwrap();
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

/// Bytes that no compression makes smaller.
fn noise(length: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + 3 + ((state >> 33) % 56) as u8)
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn dead_letters_say_what_is_wrong_with_them() {
    let place = Place::new();
    assert_eq!(place.good(&["letters", "dead"]), "nothing is in `flow.dead-letters`\n");
    assert_eq!(place.good(&["letters", "dead", "-o", "json"]), "[]\n");
    let gate = place.gate();
    let mut sent = 0;
    let mut send = |key: Option<&[u8]>, value: Option<&[u8]>| {
        send(&place, key, value);
        sent += 1;
        eventually("set aside", || place.count("flow.dead-letters") == sent);
    };
    send(Some(b"welcome"), None);
    send(Some(b"welcome"), Some(b"{not json\x1b"));
    send(None, Some(b"\xff\xfe"));
    send(None, Some(br#"{"flow_id": "other", "record_id": []}"#));
    // Neither the records nor the letters take it, however it is written.
    for topic in ["flow.records", "flow.dead-letters"] {
        place.memory.configure(topic, "max.message.bytes", "5000").unwrap();
    }
    let large = format!(r#"{{"flow_id": "welcome", "record_id": "r1", "pad": "{}"}}"#, noise(100_000));
    send(Some(b"welcome"), Some(large.as_bytes()));
    gate.stop().unwrap();

    let all = printed(&place, &["letters", "dead", "--values", "--oldest"], "cli/letters", "cli/letter");
    let reasons: Vec<&str> = all.as_array().unwrap().iter().map(|letter| letter["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["null_value", "not_json", "not_utf8", "wrong_type", "too_large"]);
    assert_eq!((&all[0]["value"], &all[0]["flow_id"]), (&json!(null), &json!("welcome")));
    assert_eq!(all[1]["value"], json!({"encoding": "utf-8", "data": "{not json\u{1b}"}));
    assert_eq!(all[2]["value"], json!({"encoding": "base64", "data": "//4="}));
    assert_eq!((&all[2]["key"], &all[2]["flow_id"]), (&json!(null), &json!(null)));
    assert_eq!((&all[3]["flow_id"], &all[3]["record_id"]), (&json!("other"), &json!(null)));
    assert_eq!((&all[4]["value"], &all[4]["bytes"]), (&json!(null), &json!(0)));
    assert_eq!(all[0]["source"]["topic"], "flow.enrollments");

    let table = place.good(&["letters", "dead", "--values"]);
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("ITEM") && lines[0].contains("SET ASIDE") && lines[0].ends_with("VALUE"), "{table}");
    assert_eq!(lines.len(), 6, "{table}");
    assert!(lines[1].contains("  too_large") && lines[1].ends_with("(no value)"), "the newest first: {table}");
    assert!(lines[3].contains("  -        -       -         not_utf8") && lines[3].ends_with("base64://4="), "{table}");
    assert!(lines[4].ends_with("{not json\\u{1b}") && lines[4].contains("  welcome  "), "{table}");
    let wide = place.good(&["letters", "dead", "-o", "wide", "--reason", "null_value"]);
    assert!(wide.lines().nth(1).unwrap().ends_with("  flow.enrollments/0/0  0      -            -"), "{wide}");
    let item = place.good(&["letters", "dead", "-o", "name", "--reason", "wrong_type"]);
    assert_eq!(item.trim_end(), all[3]["item"].as_str().unwrap());
    let csv = place.good(&["letters", "dead", "welcome", "-o", "csv", "--oldest"]);
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(csv.as_bytes()).records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[1][4], &rows[1][6]), (3, "not_json", "flow.enrollments"));
    assert_eq!(place.good(&["letters", "dead", "nobody"]), "nothing in `flow.dead-letters` is like that\n");
}

#[test]
fn what_a_purge_has_discarded_is_found_by_its_command() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome", "--command-id", "pause-it"]);
    hold(&place, "welcome", 3);
    place.good(&["purge", "welcome", "--through", "1", "--yes", "--command-id", "purge-1"]);
    place.good(&["purge", "welcome", "--yes", "--command-id", "purge-2"]);
    place.good(&["pause", "welcome", "--discard-new"]);
    place.event("welcome", "late");
    eventually("turned away", || place.count("flow.discarded") == 4);
    gate.stop().unwrap();

    let of = |args: &[&str]| {
        let all = ["letters", "discarded", "welcome", "--oldest"];
        let shown = printed(&place, &[&all[..], args].concat(), "cli/letters", "cli/letter");
        let records = shown.as_array().unwrap().iter().map(|letter| letter["record_id"].as_str().unwrap().to_owned());
        records.collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), ["r0", "r1", "r2", "late"]);
    assert_eq!(of(&["--command", "purge-1"]), ["r0"]);
    assert_eq!(of(&["--command", "purge-2", "--limit", "1"]), ["r1"]);
    assert_eq!(of(&["--reason", "turned_away"]), ["late"]);
    assert_eq!(of(&["--reason", "purge"]), ["r0", "r1", "r2"]);
    // A pause discards nothing, though the detail names it.
    let none = place.good(&["letters", "discarded", "--command", "pause-0"]);
    assert_eq!(none, "nothing in `flow.discarded` is like that\n");
    let table = place.good(&["letters", "discarded", "--reason", "purge", "--limit", "1"]);
    assert!(table.contains("purge   held when purge `purge-2` came\n"), "{table}");
}

/// Goal: what is older than a time is left out, and what is not looked through is told. Method: letters in two partitions, two
/// hours apart.
#[test]
fn since_when_and_how_much() {
    let place = Place::new();
    for (partition, record) in [(0, "a"), (1, "b"), (0, "c")] {
        place.a_moment_later();
        set_aside(&place, partition, record);
    }
    let between = clock::now().after(Duration::from_secs(3600));
    place.shift.fetch_add(7_200_000, Ordering::SeqCst);
    eventually("two hours later", || place.memory.now() > between);
    for (partition, record) in [(1, "d"), (0, "e")] {
        place.a_moment_later();
        set_aside(&place, partition, record);
    }
    let names = |args: &[&str]| {
        let args = [&["letters", "dead", "-o", "csv", "--no-headers", "--values", "--oldest"], args].concat();
        let rows = place.good(&args);
        rows.lines().map(|row| row.split(',').nth(11).unwrap().to_owned()).collect::<String>()
    };
    assert_eq!(names(&["--since", &between.to_string()]), "de");
    assert_eq!(names(&["--since", "1m"]).len(), 5, "the broker is two hours ahead");
    let later = between.after(Duration::from_secs(7200)).to_string();
    assert_eq!(
        place.good(&["letters", "dead", "--since", &later]),
        "nothing has come to `flow.dead-letters` since then\n"
    );

    let (table, beside) = place.both(&["letters", "dead", "--limit", "2"]);
    assert_eq!(table.lines().last(), Some("the newest 2; older ones with --limit"));
    assert_eq!(beside, "");
    let (names, beside) = place.both(&["letters", "dead", "--limit", "2", "-o", "name"]);
    assert_eq!((names.as_str(), beside.as_str()), ("0/2\n1/1\n", "the newest 2; older ones with --limit\n"));
    let (_, beside) = place.both(&["letters", "dead", "--limit", "5", "-o", "name"]);
    assert_eq!(beside, "");
    let (table, beside) = place.both(&["letters", "dead", "--scan", "2", "nobody"]);
    assert_eq!(table, "nothing in `flow.dead-letters` is like that so far\n");
    assert_eq!(
        beside,
        "looked through 2 of 5 offsets, and no further: give a later --since, or --scan 5 looks through all of them\n"
    );
}

#[test]
fn reasons_are_refused_that_no_letter_has() {
    use clap::Parser as _;
    for (args, told) in [
        (&["dead", "--reason", "purge"][..], "[possible values: null_value, not_utf8, "),
        (
            &["discarded", "--reason", "not_json"],
            "[possible values: turned_away, release_none, purge, max_age, expired]",
        ),
        (&["dead", "--command", "c"], "unexpected argument '--command'"),
        (&["dead", "--since", "yesterday"], "write how long ago, such as 2h or 3d, or a time with its zone"),
        (&["lost"], "unrecognized subcommand 'lost'"),
    ] {
        let error = crate::cli::Cli::try_parse_from(["flowgate", "letters"].iter().chain(args)).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains(told), "{error}");
    }
}

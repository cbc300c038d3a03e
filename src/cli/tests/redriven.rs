//! Letters that were redriven, as `flowgate letters` tells it, and as `flowgate audit` does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::flows::{hold, running};
use super::redrive::{left_open, purged, records};
use super::schemas::printed;
use super::{Place, eventually};
use crate::broker::{Admin, Broker, Publication, Publisher, Transaction as _};
use crate::cli::screen::Screen;
use crate::client::letter_list::{Asked, Redriven as Wish, look};
use crate::client::letters::{Kind, Letter, Wanted};
use crate::client::meter::Meter;
use crate::client::redriven::{Gap, Lookback};
use crate::client::scan::{Bound, First, Window};
use crate::flow::FlowId;
use crate::schema::headers::Source;
use crate::schema::redriven::{self, Redriven};
use crate::time::Timestamp;

const DISCARDED: [&str; 2] = ["letters", "discarded"];

fn letters(place: &Place, args: &[&str]) -> Vec<Value> {
    let shown = printed(place, &[&DISCARDED, args].concat(), "cli/letters", "cli/letter");
    shown.as_array().unwrap().clone()
}

fn items(letters: &[Value]) -> Vec<&str> {
    letters.iter().map(|letter| letter["item"].as_str().unwrap()).collect()
}

#[test]
fn letters_say_how_often_they_were_redriven() {
    let (place, gate) = purged(3);
    gate.stop().unwrap();
    let never = json!({"times": 0, "exact": true, "last": null});
    let all = letters(&place, &["--oldest"]);
    assert_eq!(all.iter().map(|letter| &letter["redriven"]).collect::<Vec<_>>(), [&never; 3]);
    let items = items(&all);

    place.good(&["redrive", "discarded", "--item", items[0], "--item", items[2], "--yes", "--by", "ops"]);
    place.good(&["redrive", "discarded", "--item", items[2], "--yes", "--again", "--by", "eve"]);
    let told = letters(&place, &["--oldest"]);
    let redriven = |index: usize| &told[index]["redriven"];
    assert_eq!(
        (&redriven(0)["times"], &redriven(0)["exact"], &redriven(0)["last"]["by"]),
        (&json!(1), &json!(true), &json!("ops"))
    );
    assert_eq!(redriven(1), &never);
    assert_eq!((&redriven(2)["times"], &redriven(2)["last"]["by"]), (&json!(2), &json!("eve")));
    let last = super::redrive::told(&place).iter().map(|told| told.at).max().unwrap();
    assert_eq!(redriven(2)["last"]["at"], last.to_string());

    let columns = |table: &str| {
        let of = |line: &str| {
            line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        table.lines().map(of).collect::<Vec<_>>()
    };
    let table = columns(&place.good(&["letters", "discarded", "--oldest"]));
    assert_eq!(table[0][4], "REDRIVEN");
    assert_eq!(table[1..].iter().map(|row| row[4].as_str()).collect::<Vec<_>>(), ["1", "-", "2"]);
    let wide = columns(&place.good(&["letters", "discarded", "--oldest", "-o", "wide"]));
    assert_eq!(wide[0][9..], ["REDRIVEN AT", "REDRIVEN BY"]);
    assert_eq!(
        (&wide[1][10], &wide[2][9], &wide[2][10], &wide[3][10]),
        (&"ops".to_owned(), &"-".to_owned(), &"-".to_owned(), &"eve".to_owned())
    );
    // What came to be later stands behind everything else, also behind values.
    let csv = place.good(&["letters", "discarded", "--oldest", "-o", "csv", "--values"]);
    let mut read = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(
        read.headers().unwrap().iter().skip(15).collect::<Vec<_>>(),
        ["headers", "redriven_times", "redriven_exact", "redriven_at", "redriven_by"]
    );
    let rows: Vec<csv::StringRecord> = read.records().map(Result::unwrap).collect();
    assert_eq!((&rows[1][16], &rows[1][17], &rows[1][18], &rows[1][19]), ("0", "true", "", ""));
    assert_eq!((&rows[2][16], &rows[2][18], &rows[2][19]), ("2", last.to_string().as_str(), "eve"));

    // A page is full though others lie between.
    let of = |args: &[&str]| place.good(&[&DISCARDED, args, &["-o", "name"]].concat());
    assert_eq!(of(&["--not-redriven", "--limit", "1"]), format!("{}\n", items[1]));
    assert_eq!(of(&["--redriven", "--oldest"]), format!("{}\n{}\n", items[0], items[2]));
    assert_eq!(of(&["--redriven", "--limit", "1"]), format!("{}\n", items[2]));
    place.good(&["redrive", "discarded", "--flow", "welcome", "--yes"]);
    assert_eq!(place.good(&["letters", "discarded", "--not-redriven"]), "nothing in `flow.discarded` is like that\n");
    let dead = place.good(&["letters", "dead", "--redriven"]);
    assert_eq!(dead, "nothing is in `flow.dead-letters`\n");
}

/// Every letter that was discarded.
fn all(place: &Place) -> Vec<Letter> {
    let asked = Asked { kind: Kind::Discarded, wanted: Wanted::default(), redriven: Wish::Unasked };
    let window =
        Window { first: First::Newest, limit: 1_000, since: None, from: None, bound: WHOLE, meter: Meter::default() };
    let list = look(&place.memory, &place.settings.topics, &asked, &window).unwrap();
    assert!(list.page.progress.is_whole && list.page.found.iter().all(|listed| listed.redrives.is_none()));
    list.page.found.into_iter().map(|listed| listed.letter).collect()
}

const WHOLE: Bound = Bound { records: 1_000_000, time: Duration::from_secs(30) };

/// Goal: a look that does not reach back far enough knows less, and nothing wrong. Method: the same letters, of which one was redriven
/// once, one twice and one never, by every bound from nothing to the whole audit.
#[test]
fn less_of_the_audit_says_less_and_nothing_wrong() {
    let (place, gate) = purged(3);
    place.good(&["redrive", "discarded", "--flow", "welcome", "--yes", "--by", "ops"]);
    place.good(&["pause", "other"]);
    gate.stop().unwrap();
    let letters = all(&place);
    let name = |letter: &Letter| letter.item().to_string();
    place.good(&["redrive", "discarded", "--item", &name(&letters[1]), "--yes", "--again", "--by", "eve"]);
    let truth = |letter: &Letter| if *letter == letters[1] { 2 } else { 1 };
    let (mut unknown, mut inexact) = (0, 0);
    for records in 0..100 {
        let bound = Bound { records, ..WHOLE };
        let meter = Meter::default();
        let looked_at = (&place.memory, &meter);
        let mut lookback = Lookback::new(looked_at, &place.settings.topics, Kind::Discarded, bound);
        for letter in &letters {
            match lookback.of(letter) {
                None => unknown += 1,
                Some(redrives) if redrives.is_exact => assert_eq!(redrives.times, truth(letter), "{records}"),
                Some(redrives) => {
                    assert!((1..=truth(letter)).contains(&redrives.times), "{records}");
                    let by = if truth(letter) == 2 { "eve" } else { "ops" };
                    assert_eq!(redrives.last.unwrap().by.as_ref(), by, "the newest is known first");
                    inexact += 1;
                }
            }
        }
        let gap = lookback.gap();
        match records {
            0 => assert!(matches!(gap, Some(Gap::Bound(progress)) if progress.scanned == 0)),
            99 => assert_eq!(gap, None),
            _ => assert!(matches!(gap, None | Some(Gap::Bound(_))), "{gap:?}"),
        }
    }
    assert!(unknown > 0 && inexact > 0, "{unknown}, {inexact}");
}

/// Goal: what is long before a letter is not read for it. Method: a long audit three hours before the letters, and a bound that is
/// shorter than that.
#[test]
fn the_audit_is_read_only_as_far_back_as_the_letters_need() {
    let place = Place::new();
    let old = |letter| tell(&place, 0, ("old", "ops", 1), ("flow.discarded", 1, letter));
    (0..300).for_each(old);
    let before = place.memory.now();
    place.shift.fetch_add(3 * 3_600_000, Ordering::SeqCst);
    eventually("three hours later", || place.memory.now().since(before) > Duration::from_secs(2 * 3_600));
    let value = br#"{"flow_id": "welcome", "record_id": "r"}"#;
    (0..2).for_each(|_| publish(&place, ("flow.discarded", 0), b"welcome", value));
    (300..320).for_each(old);
    for (records, is_known) in [(5, false), (150, true)] {
        let bound = Bound { records, ..WHOLE };
        let meter = Meter::default();
        let looked_at = (&place.memory, &meter);
        let mut lookback = Lookback::new(looked_at, &place.settings.topics, Kind::Discarded, bound);
        let known =
            all(&place).iter().filter_map(|letter| lookback.of(letter)).filter(|redrives| redrives.times == 0).count();
        assert_eq!(known, if is_known { 2 } else { 0 }, "{records}");
        assert_eq!(lookback.gap().is_none(), is_known, "{records}");
    }
}

/// The only flow of which the audit can be cut: records are deleted of partition 0.
fn at_home_in_0() -> String {
    (0..).map(|number| format!("flow-{number}")).find(|flow| is_at_home(flow, 0)).unwrap()
}

fn is_at_home(flow: &str, partition: i32) -> bool {
    crate::broker::murmur2::partition_for(flow.as_bytes(), 3) == partition
}

/// Goal: nobody is told that a letter was never redriven where nobody can know. Method: the audit loses its beginning, then all of
/// it, then its topic.
#[test]
fn an_audit_that_has_forgotten_says_nothing() {
    let (place, flow) = (Place::new(), at_home_in_0());
    let gate = place.gate();
    place.good(&["pause", &flow]);
    hold(&place, &flow, 2);
    place.good(&["purge", &flow, "--yes"]);
    gate.stop().unwrap();
    let items = items(&letters(&place, &[])).iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
    place.good(&["redrive", "discarded", "--item", &items[0], "--yes", "--by", "ops"]);
    let delete_before = |offset| {
        place.memory.admin().unwrap().delete_records(&[("flow.audit".to_owned(), offset)]).unwrap().remove(0).unwrap();
    };
    let last = records(&place, "flow.audit")
        .iter()
        .filter(|record| record.partition == 0)
        .map(|record| record.offset)
        .max()
        .unwrap();
    delete_before(last);
    let told = |note: &str| {
        let (table, beside) = place.both(&DISCARDED);
        assert!(
            beside.starts_with("`flow.audit` does not say of all letters whether they were redriven (`?`, `+`): "),
            "{beside}"
        );
        assert!(beside.contains(note), "{beside}");
        let cell =
            |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).nth(4).unwrap().to_owned();
        table.lines().skip(1).map(cell).collect::<Vec<_>>()
    };
    assert_eq!(told("it reaches back to "), ["1+", "?"]);
    let shown = letters(&place, &[]);
    assert_eq!((&shown[0]["redriven"]["exact"], &shown[1]["redriven"]), (&json!(false), &Value::Null));
    let csv = place.good(&[&DISCARDED[..], &["-o", "csv", "--no-headers"]].concat());
    assert!(csv.lines().nth(1).unwrap().ends_with(",,,,"), "{csv}");
    // Whoever asks for what was not redriven is shown what may not have been.
    assert_eq!(place.good(&["letters", "discarded", "--not-redriven", "-o", "name"]), format!("{}\n", items[1]));

    delete_before(last + 1);
    assert_eq!(told("its beginning was deleted"), ["?", "?"]);
    place.memory.admin().unwrap().delete_topics(&["flow.audit".to_owned()]).unwrap().remove(0).unwrap();
    assert_eq!(told("it cannot be read: "), ["?", "?"]);
    // Nothing is asked of it for names.
    assert_eq!(place.both(&["letters", "discarded", "-o", "name"]).1, "");
}

/// Goal: only the home partition of a letter's flow says whether the letter was redriven. Method: partition 0 has lost its beginning,
/// partition 1 has something that is older than the letters, and partition 2 has lost nothing, for it had nothing.
#[test]
fn what_is_older_elsewhere_is_no_proof() {
    let place = Place::new();
    tell(&place, 1, ("other", "ops", 1), ("flow.discarded", 1, 50));
    let before = place.memory.now();
    place.shift.fetch_add(3 * 3_600_000, Ordering::SeqCst);
    eventually("three hours later", || place.memory.now().since(before) > Duration::from_secs(2 * 3_600));
    let of = |home| (0..).map(|number| format!("flow-{number}")).find(|flow| is_at_home(flow, home)).unwrap();
    let flows = [of(0), of(1), of(2)];
    for (flow, partition) in flows.iter().zip(0..) {
        let value = format!(r#"{{"flow_id": "{flow}", "record_id": "r"}}"#);
        publish(&place, ("flow.discarded", partition), flow.as_bytes(), value.as_bytes());
    }
    (0..2).for_each(|letter| tell(&place, 0, (&flows[0], "ops", 1), ("flow.discarded", 0, letter)));
    place.memory.admin().unwrap().delete_records(&[("flow.audit".to_owned(), 1)]).unwrap().remove(0).unwrap();
    let letters = all(&place);
    let meter = Meter::default();
    for flow in &flows {
        let letter = letters.iter().find(|letter| letter.flow.as_ref().unwrap().as_str() == flow).unwrap();
        let mut lookback = Lookback::new((&place.memory, &meter), &place.settings.topics, Kind::Discarded, WHOLE);
        let times = lookback.of(letter).map(|redrives| redrives.times);
        assert_eq!(times, if *flow == flows[0] { None } else { Some(0) }, "{flow}");
        assert_eq!(matches!(lookback.gap(), Some(Gap::Deleted(_))), *flow == flows[0], "{flow}");
    }
    for flow in &flows {
        let refused = place.run(&["redrive", "discarded", "--flow", flow, "--dry-run"]).0.is_err();
        assert_eq!(refused, *flow == flows[0], "{flow}");
    }
}

/// Goal: what a transaction hides that is still open is not taken for nothing. Method: one is left open in the audit, and behind it
/// stands that a letter was redriven.
#[test]
fn what_an_open_transaction_hides_is_not_known() {
    let (place, gate) = purged(2);
    gate.stop().unwrap();
    let transaction = left_open(&place, ("some-gate", Duration::from_secs(60)), "flow.audit", 0..3, b"{}");
    let newest = all(&place)[0].item();
    tell(&place, 0, ("welcome", "ops", 1), ("flow.discarded", newest.partition, newest.offset));
    let (_, beside) = place.both(&["letters", "discarded", "-o", "json"]);
    let note = "`flow.audit` does not say of all letters whether they were redriven: a transaction stays open in it; try again in a moment\n";
    assert_eq!(beside, note);
    assert!(letters(&place, &[]).iter().all(|letter| letter["redriven"].is_null()));
    assert!(matches!(transaction.abort(), crate::broker::Abort::Done(_)));
    let times: Vec<Value> = letters(&place, &[]).iter().map(|letter| letter["redriven"]["times"].clone()).collect();
    assert_eq!(times, [1, 0]);
}

/// The time of the first redrive.
const BEGIN: i64 = 1_800_000_000_000;

/// Writes to a partition of the audit that a letter of a flow was redriven, by whom, and so many milliseconds after the first one.
fn tell(place: &Place, audit: i32, (flow, by, later): (&str, &str, i64), (topic, partition, offset): (&str, i32, i64)) {
    let redriven = Redriven {
        flow: FlowId::new(flow).unwrap(),
        partition,
        at: Timestamp(BEGIN + later),
        source: Source { topic: topic.into(), partition, offset },
        to: Source { topic: "flow.enrollments".into(), partition, offset: 1_000 + offset },
        by: by.to_owned(),
        reason: Some("oops".to_owned()).filter(|_| by == "ops"),
        edit: None,
    };
    publish(place, (&place.settings.topics.audit, audit), flow.as_bytes(), &redriven::write(&redriven));
}

pub fn publish(place: &Place, (topic, partition): (&str, i32), key: &[u8], value: &[u8]) {
    let mut publisher = place.memory.publisher().unwrap();
    let (partition, key, value) = (Some(partition), Some(key), Some(value));
    publisher.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] }).unwrap();
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
}

/// A redrive of 500 letters of a flow, a single one, one of three flows and of dead letters, and the first one once more.
fn redrives(place: &Place) {
    let welcome = |later: i64| {
        (12..512).for_each(|offset| tell(place, 0, ("welcome", "ops", later + offset), ("flow.discarded", 0, offset)));
        place.a_moment_later();
    };
    welcome(0);
    tell(place, 0, ("welcome", "eve", 2_000), ("flow.discarded", 0, 700));
    place.a_moment_later();
    for letter in 0..6 {
        let flow = ["a", "b", "b"][letter as usize % 3];
        tell(place, letter % 3, (flow, "eve", 3_000), ("flow.dead-letters", letter % 2, i64::from(letter)));
        place.a_moment_later();
    }
    tell(place, 1, ("c", "eve", 4_000), ("flow.dead-letters", 2, 9));
    place.a_moment_later();
    welcome(5_000);
}

const TABLE: &str = "\
AT                    FLOW     EVENT     BY/COMMAND  DETAIL
2027-01-15T08:00:00Z  welcome  redriven  ops         redriven 500 discarded events of welcome, 0/12..0/511: oops
2027-01-15T08:00:02Z  welcome  redriven  eve         letter flow.discarded/0/700 is event flow.enrollments/0/1700 now
2027-01-15T08:00:03Z  3 flows  redriven  eve         redriven 7 dead letters of 3 flows (a: 2, b: 4, c: 1), 0/0..0/4, 1/1..1/5, 2/9
2027-01-15T08:00:05Z  welcome  redriven  ops         redriven 500 discarded events of welcome, 0/12..0/511: oops
";

#[test]
fn a_redrive_is_one_line_of_the_audit() {
    let place = Place::new();
    redrives(&place);
    assert_eq!(place.good(&["audit"]), TABLE);
    // Lines are counted, not letters, and the last one is whole all the same.
    let newest = |count: usize| {
        let lines: Vec<&str> = TABLE.lines().collect();
        let rows = lines[lines.len() - count..].join("\n");
        format!("{rows}\nthe newest {count}; older ones with --limit\n")
    };
    let shown = |limit: &str| {
        let table = place.good(&["audit", "--limit", limit]);
        let (_, rows) = table.split_once('\n').unwrap();
        rows.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ")
    };
    for count in 1..4 {
        let expected = newest(count);
        let expected =
            expected.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" ");
        assert_eq!(shown(&count.to_string()), expected);
    }
    assert_eq!(place.good(&["audit", "--limit", "4"]), TABLE, "that is all");
    let wide = place.good(&["audit", "-o", "wide"]);
    let cells = wide.lines().nth(1).unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty());
    assert_eq!(cells.skip(5).collect::<Vec<_>>(), ["0/0..0/499", "-", "-"], "{wide}");
    // For scripts each letter is an event.
    for format in ["jsonl", "csv", "name"] {
        assert_eq!(
            place.good(&["audit", "-o", format, "--no-headers", "--limit", "5000"]).lines().count(),
            1_008,
            "{format}"
        );
    }
    assert_eq!(place.good(&["audit", "-o", "jsonl"]).lines().count(), 50);
    let by_eve = place.good(&["audit", "--by", "eve", "--no-headers"]);
    assert_eq!(by_eve.lines().count(), 2, "one behind the other, of other letters: {by_eve}");
}

/// Goal: what a redrive really writes is one line, also where it takes several transactions. Method: one of more letters than a
/// transaction has.
#[test]
fn a_redrive_of_several_transactions_is_one_line() {
    let (place, gate) = purged(600);
    gate.stop().unwrap();
    place.good(&["redrive", "discarded", "--command", "purge-1", "--yes", "--by", "ops", "--because", "oops"]);
    let table = place.good(&["audit", "welcome", "--event", "redriven", "--no-headers", "--limit", "1"]);
    assert_eq!(table.lines().count(), 1, "{table}");
    assert!(table.contains("  welcome  redriven  ops  redriven 600 discarded events of welcome, "), "{table}");
    assert!(table.ends_with(": oops\n"), "{table}");
}

#[test]
fn a_redrive_that_is_not_read_to_its_begin_has_more() {
    let place = Place::new();
    (0..500).for_each(|offset| tell(&place, 0, ("welcome", "ops", offset), ("flow.discarded", 0, offset)));
    let (table, beside) = place.both(&["audit", "--scan", "100", "--no-headers"]);
    let line = "2027-01-15T08:00:00Z  welcome  redriven  ops  redriven 100 or more discarded events of welcome, 0/400..0/499: oops\n";
    assert_eq!(table, line);
    assert!(beside.starts_with("looked through 100 of 500 offsets, and no further: "), "{beside}");
}

/// Goal: whoever follows sees a redrive as few lines, soon, and every other event at once. Method: redrives are written while it follows,
/// and what is shown is added up.
#[test]
fn a_redrive_is_followed_in_few_lines() {
    let place = Place::new();
    tell(&place, 0, ("welcome", "eve", 0), ("flow.discarded", 0, 7));
    let table = running(&place, &Screen::default(), &["audit", "-f"], |written| {
        eventually("what was there", || written.text().contains("flow.discarded/0/7"));
        redrives(&place);
        eventually("the last redrive", || written.text().lines().last().unwrap().contains("..0/511: oops"));
        let lines = written.text().lines().count();
        assert!(lines < 40, "{}", written.text());
        // Nothing comes behind it.
        tell(&place, 0, ("welcome", "ops", 90_000), ("flow.discarded", 0, 9));
        eventually("a single one", || {
            written.text().ends_with("letter flow.discarded/0/9 is event flow.enrollments/0/1009 now: oops\n")
        });
    });
    let counts = table.lines().filter_map(|line| {
        line.split_once("  redriven ")?.1.split_once("  redriven ")?.1.split(' ').next()?.parse::<u64>().ok()
    });
    let single = table.lines().filter(|line| line.contains("  letter ")).count() as u64;
    assert_eq!(counts.sum::<u64>() + single, 1_008 + 2, "{table}");
}

//! Letters that are put back.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value, json};

use super::flows::hold;
use super::schemas::{judge, printed};
use super::{Gate, Place, eventually};
use crate::broker::memory::{Fault, Memory, Operation};
use crate::broker::{Admin, Broker, Isolation, Outgoing, Producer, ProducerOptions, Record, Transaction, UNTRACKED};
use crate::cli::exit;
use crate::client::letters::{Kind, Wanted};
use crate::client::meter::Meter;
use crate::client::redrive::{Order, Which, preview, redrive};
use crate::clock::Clock;
use crate::schema::headers;
use crate::schema::redriven::{self, Redriven};

/// A paused flow that held so many events, which were purged.
pub fn purged(events: usize) -> (Place, Gate) {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    hold(&place, "welcome", events);
    place.good(&["purge", "welcome", "--yes", "--command-id", "purge-1"]);
    (place, gate)
}

pub fn records(place: &Place, topic: &str) -> Vec<Record> {
    (0..3).flat_map(|partition| place.memory.dump(topic, partition, Isolation::ReadCommitted).unwrap()).collect()
}

/// What the audit says was redriven.
pub fn told(place: &Place) -> Vec<Redriven> {
    let validator = super::schemas::validator("redriven");
    let read = |record: &Record| {
        let redriven = redriven::read(record.value.as_deref()?).ok()?;
        let document: Value = serde_json::from_slice(record.value.as_deref()?).unwrap();
        validator.validate(&document).map_err(|error| error.to_string()).unwrap();
        assert_eq!(record.key.as_deref(), Some(redriven.flow.as_str().as_bytes()));
        Some(redriven)
    };
    records(place, "flow.audit").iter().filter_map(read).collect()
}

/// Events that were letters before, with the letter that each was.
fn redriven_events(place: &Place) -> Vec<(Record, String)> {
    let letter = |record: &Record| {
        let header = record.last_header(headers::REDRIVE)?;
        Some(String::from_utf8(header.value.clone()?.to_vec()).unwrap())
    };
    let all = records(place, "flow.enrollments").into_iter();
    all.filter_map(|record| letter(&record).map(|letter| (record, letter))).collect()
}

/// Each event has its audit event, and each letter its event, once.
fn each_once(place: &Place, count: usize) {
    let (events, told) = (redriven_events(place), told(place));
    assert_eq!((events.len(), told.len()), (count, count));
    let mut letters: Vec<_> = events.iter().map(|(_, letter)| letter.clone()).collect();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!(letters.len(), count, "a letter is there twice");
    for redriven in told {
        let source = redriven.source.to_string();
        let (event, _) = events.iter().find(|(_, letter)| *letter == source).unwrap();
        assert_eq!(redriven.to, headers::Source::of(event));
    }
}

/// A transaction that somebody has left open, with a record in each of these partitions. `id`, and after what time it ends.
pub fn left_open(
    place: &Place,
    (id, timeout): (&str, Duration),
    topic: &str,
    partitions: Range<i32>,
    value: &[u8],
) -> <<Memory as Broker>::Producer as Producer>::Transaction {
    let mut producer = place.memory.producer(&ProducerOptions::new(id, timeout)).unwrap();
    let topic = producer.topic(topic).unwrap();
    assert!(producer.leaders_known(&[topic]).unwrap());
    let mut transaction = producer.begin().map_err(|(_, error)| error).unwrap();
    for partition in partitions {
        let (key, value) = (Some(&b"x"[..]), Some(value));
        let record = Outgoing { topic, partition, timestamp: None, key, value, headers: &[] };
        transaction.send(&record, UNTRACKED).unwrap();
    }
    transaction
}

/// Of all that was purged.
fn order(again: bool) -> Order {
    let which = Which::Like(Wanted { reason: Some("purge".to_owned()), ..Wanted::default() });
    Order { kind: Kind::Discarded, which, by: "ops".to_owned(), reason: None, again, edit: None }
}

fn held(place: &Place) -> u64 {
    let flow: Value = serde_json::from_str(&place.good(&["flow", "welcome", "-o", "json"])).unwrap();
    flow["held"]["total"].as_u64().unwrap()
}

#[test]
fn what_was_purged_comes_back_to_its_paused_flow() {
    let (place, gate) = purged(5);
    assert_eq!(held(&place), 0);
    place.event("welcome", "later");
    eventually("held", || held(&place) == 1);
    let shown =
        printed(&place, &["redrive", "discarded", "--command", "purge-1", "--dry-run"], "cli/redrive", "cli/redrive");
    assert_eq!((&shown["letters"], &shown["flows"]), (&json!(5), &json!({"welcome": 5})));
    assert!(redriven_events(&place).is_empty(), "a rehearsal writes nothing");

    let out =
        place.good(&["redrive", "discarded", "--command", "purge-1", "--yes", "--by", "ops", "--because", "oops"]);
    assert_eq!(out, "5 letters were redriven (welcome: 5)\n");
    eventually("held again", || held(&place) == 6);
    each_once(&place, 5);
    assert!(told(&place).iter().all(|told| told.by == "ops" && told.reason.as_deref() == Some("oops")));

    // Byte for byte the events that they were, without what the gate had added.
    let originals = records(&place, "flow.enrollments");
    for (event, _) in redriven_events(&place) {
        let is_twin =
            |other: &&Record| other.value == event.value && other.key == event.key && other.headers.is_empty();
        assert!(originals.iter().any(|other| is_twin(&other)));
        assert_eq!(event.headers.len(), 1);
    }
    gate.stop().unwrap();
}

#[test]
fn a_letter_is_redriven_once_unless_somebody_insists() {
    let (place, _gate) = purged(3);
    let again = ["redrive", "discarded", "--reason", "purge", "--yes"];
    place.good(&again);
    let (outcome, out) = place.run(&again);
    assert_eq!(outcome.unwrap_err().code, exit::OTHER);
    assert!(out.starts_with("0 letters were redriven\n") && out.contains(" has redriven it at "), "{out}");
    each_once(&place, 3);

    let letter = redriven_events(&place)[0].1.clone();
    let item = letter.strip_prefix("flow.discarded/").unwrap();
    let failure = place.run(&["redrive", "discarded", "--item", item, "--yes"]).0.unwrap_err().to_string();
    assert!(failure.contains(&format!("discarded letter {item} cannot be redriven: ")), "{failure}");
    assert!(failure.contains("Nothing was written"), "{failure}");
    place.good(&["redrive", "discarded", "--item", item, "--yes", "--again"]);
    assert_eq!(told(&place).len(), 4);
}

#[test]
fn a_dead_letter_is_mended() {
    let place = Place::new();
    let _gate = place.gate();
    place.send(Some(1), r#"{"flow_id": "welcome", "record": "r-1"}"#);
    eventually("a dead letter", || place.count("flow.dead-letters") == 1);
    let letters = records(&place, "flow.dead-letters");
    let item = format!("{}/{}", letters[0].partition, letters[0].offset);
    let failure = place.run(&["redrive", "dead", "--item", &item, "--yes"]).0.unwrap_err().to_string();
    assert!(failure.contains("it would be a dead letter again: record_id is missing"), "{failure}");

    let file = tempfile::NamedTempFile::new().unwrap();
    let (edit, path) = (["redrive", "dead", "--item", &item, "--yes", "--edit"], file.path().to_str().unwrap());
    std::fs::write(path, "{\"flow_id\": \"welcome\"}\n").unwrap();
    let failure = place.run(&[&edit[..], &[path]].concat()).0.unwrap_err().to_string();
    assert!(failure.contains("a dead letter again"), "{failure}");
    std::fs::write(path, "{\"flow_id\": \"welcome\", \"record_id\": \"r-1\"}\n").unwrap();
    place.good(&[&edit[..], &[path]].concat());
    eventually("delivered", || place.count("flow.records") == 1);
    let told = told(&place).remove(0);
    let edit = told.edit.unwrap();
    assert_eq!(edit.before.unwrap().data, r#"{"flow_id": "welcome", "record": "r-1"}"#);
    assert_eq!(edit.after.data, r#"{"flow_id": "welcome", "record_id": "r-1"}"#);
    each_once(&place, 1);
}

#[test]
fn what_cannot_be_redriven_is_told_and_the_rest_is() {
    let place = Place::new();
    let _gate = place.gate();
    place.send(Some(0), "no json");
    place.send(Some(0), r#"{"flow_id": "welcome", "record_id": "r", "version": 2}"#);
    eventually("dead letters", || place.count("flow.dead-letters") == 2);
    let shown = place.run(&["redrive", "dead", "--reason", "not_json", "--dry-run", "-o", "json"]).1;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    judge("cli/redrive", &shown);
    assert_eq!((&shown["letters"], &shown["stopped"]), (&json!(0), &json!(1)));
    assert_eq!(shown["obstacles"][0]["obstacle"], "unreadable");
    let failure = place.run(&["redrive", "dead", "--item", "2/77", "--yes"]).0.unwrap_err().to_string();
    assert!(failure.contains("dead letter 2/77 cannot be redriven: there is no such letter"), "{failure}");
}

#[test]
fn a_commit_of_which_nobody_knows_is_looked_up() {
    for happened in [true, false] {
        let (place, _gate) = purged(4);
        let mut armed = true;
        place.memory.set_fault_hook(Some(Box::new(move |call| {
            let is_it = call.operation == Operation::Commit && call.subject == "flowgate-flow-redrive";
            (is_it && std::mem::take(&mut armed)).then_some(Fault::CommitUnknown { happened })
        })));
        let out = place.good(&["redrive", "discarded", "--flow", "welcome", "--yes"]);
        assert_eq!(out, "4 letters were redriven (welcome: 4)\n", "happened: {happened}");
        each_once(&place, 4);
    }
}

#[test]
fn whoever_was_stopped_in_the_middle_goes_on_where_it_was() {
    let (place, _gate) = purged(4);
    // Killed with a transaction open: its events are there, and nobody is shown them.
    let value = br#"{"flow_id": "welcome", "record_id": "open"}"#;
    let transaction =
        left_open(&place, ("flowgate-flow-redrive", Duration::from_secs(10)), "flow.enrollments", 0..1, value);
    place.good(&["redrive", "discarded", "--flow", "welcome", "--yes"]);
    each_once(&place, 4);
    // Only now does the one that was killed go on.
    assert!(matches!(transaction.commit(), crate::broker::Commit::Unknown(_) | crate::broker::Commit::Abort(..)));
    eventually("held again", || held(&place) == 4);
}

/// Goal: what was redriven is known, though a gate's open transaction hides it. Method: one is left open in the audit before the
/// letters are redriven, and ends by its timeout.
#[test]
fn what_lies_behind_an_open_transaction_is_waited_for() {
    let (place, gate) = purged(2);
    gate.stop().unwrap();
    let _transaction = left_open(&place, ("some-gate", Duration::from_secs(2)), "flow.audit", 0..3, b"{}");
    let again = ["redrive", "discarded", "--flow", "welcome", "--yes"];
    // Nothing was redriven before, which is known without the audit's end.
    place.good(&again);
    let (outcome, out) = place.run(&again);
    assert_eq!(outcome.unwrap_err().code, exit::OTHER, "{out}");
    each_once(&place, 2);
}

/// Goal: a redrive whose producer is used up knows what another one has done before it has the next. Method: its first commit uses it
/// up, and the other one runs to its end before the second.
#[test]
fn two_redrives_do_nothing_twice() {
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", "welcome"]);
    (0..600).for_each(|number| place.event("welcome", &number.to_string()));
    eventually("held", || held(&place) == 600);
    place.good(&["purge", "welcome", "--yes"]);
    gate.stop().unwrap();
    let (broker, topics) = (&place.memory, &place.settings.topics);
    let mut armed = true;
    broker.set_fault_hook(Some(Box::new(move |call| {
        let is_it = call.operation == Operation::Commit && call.subject == "flowgate-flow-redrive";
        (is_it && std::mem::take(&mut armed)).then_some(Fault::Replace)
    })));
    let order = order(false);
    let found = preview(broker, topics, &order, Duration::from_secs(30), &Meter::default()).unwrap();
    assert_eq!(found.letters, 600);
    let mut others = 0;
    let done = redrive(broker, topics, &order, found.seen(), &Clock::default(), &Meter::default(), &mut |_| {
        if others == 0 {
            place.memory.deliver_strays();
            let out = place.good(&["redrive", "discarded", "--reason", "purge", "--yes"]);
            others = out.split(' ').next().unwrap().parse().unwrap();
        }
    });
    let done = done.unwrap();
    assert_eq!((done.letters, others, done.stopped), (500, 100, 100));
    each_once(&place, 600);
}

/// Goal: what is redriven once more is so once, however often the same order is given. Method: the preview of the first order is
/// used for the second.
#[test]
fn again_is_once_more_and_no_more() {
    let (place, gate) = purged(3);
    gate.stop().unwrap();
    place.good(&["redrive", "discarded", "--flow", "welcome", "--yes"]);
    let (broker, topics) = (&place.memory, &place.settings.topics);
    let order = order(true);
    let found = preview(broker, topics, &order, Duration::from_secs(30), &Meter::default()).unwrap();
    assert_eq!(found.letters, 3);
    for (letters, stopped) in [(3, 0), (0, 3)] {
        let done =
            redrive(broker, topics, &order, found.seen(), &Clock::default(), &Meter::default(), &mut |_| {}).unwrap();
        assert_eq!((done.letters, done.stopped), (letters, stopped));
    }
    assert_eq!(told(&place).len(), 6);
}

/// Goal: nobody is told that a letter was never redriven by an audit that has forgotten it. Method: records can be deleted of
/// partition 0 here, so the flow's home is that one.
#[test]
fn an_audit_that_does_not_reach_back_is_no_proof() {
    use crate::broker::murmur2::partition_for;
    let flow =
        (0..).map(|number| format!("flow-{number}")).find(|flow| partition_for(flow.as_bytes(), 3) == 0).unwrap();
    let place = Place::new();
    let gate = place.gate();
    place.good(&["pause", &flow]);
    hold(&place, &flow, 2);
    place.good(&["purge", &flow, "--yes"]);
    gate.stop().unwrap();
    let redrive = ["redrive", "discarded", "--flow", &flow, "--yes"];
    place.good(&redrive);
    place.good(&[&redrive[..], &["--again"]].concat());
    let last = place.memory.dump("flow.audit", 0, Isolation::ReadCommitted).unwrap().last().unwrap().offset;
    place.memory.admin().unwrap().delete_records(&[("flow.audit".to_owned(), last)]).unwrap().remove(0).unwrap();
    let refused = |back: &str| {
        let failure = place.run(&redrive).0.unwrap_err().to_string();
        assert!(failure.contains(&format!("partition 0 of `flow.audit` reaches back to {back}")), "{failure}");
    };
    refused("20");
    place.good(&[&redrive[..], &["--again"]].concat());
    let end = place.memory.watermarks("flow.audit", 0, Isolation::ReadCommitted).unwrap().end;
    place.memory.admin().unwrap().delete_records(&[("flow.audit".to_owned(), end)]).unwrap().remove(0).unwrap();
    refused("nothing only");
    place.good(&[&redrive[..], &["--again"]].concat());
}

#[test]
fn what_a_newer_version_tells_may_be_about_the_letter() {
    let (place, gate) = purged(2);
    gate.stop().unwrap();
    let audit = records(&place, "flow.audit");
    let of_the_flow = audit.iter().find(|record| record.key.as_deref() == Some(b"welcome")).unwrap().partition;
    super::redriven::publish(
        &place,
        ("flow.audit", of_the_flow),
        b"welcome",
        br#"{"version": 2, "event": "redriven"}"#,
    );
    let redrive = ["redrive", "discarded", "--reason", "purge", "--yes"];
    let failure = place.run(&redrive).0.unwrap_err().to_string();
    for words in ["may tell of a letter that was redriven", "version 2 is newer than this gate"] {
        assert!(failure.contains(words), "{failure}");
    }
    assert!(redriven_events(&place).is_empty());
    // Nor is it said that no letter was.
    let shown = printed(&place, &["letters", "discarded"], "cli/letters", "cli/letter");
    assert!(shown.as_array().unwrap().iter().all(|letter| letter["redriven"].is_null()), "{shown}");
    place.good(&[&redrive[..], &["--again"]].concat());
    each_once(&place, 2);
}

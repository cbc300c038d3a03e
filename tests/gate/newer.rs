//! What gates of other versions write: a row for each kind of document in each topic. Fields, headers and words that this version
//! does not know are kept where it rewrites a document; what it cannot understand it neither destroys nor passes over.

use flowgate::broker::{Header, Isolation, Publication, Record};
use flowgate::schema::partition;
use serde_json::{Value, json};

use super::rig::{DAY, Rig, publication};

/// Two flows, of which one holds three events, and a pause of every flow, so that each object of the documents is there.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.order("*", "pause", json!({"for_seconds": 3600}));
    rig.order("welcome", "pause", json!({"keep": "all"}));
    rig.send_all("welcome", "a b c");
    rig.settle();
    rig
}

/// The newest record of a key in the home partition of `welcome`.
fn newest(rig: &Rig, key: &[u8]) -> Record {
    let states = rig.memory.dump(&rig.topics.state, rig.home("welcome"), Isolation::ReadCommitted).unwrap();
    states.into_iter().rfind(|record| record.key.as_deref() == Some(key)).unwrap()
}

fn document(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}

/// The gate stops, and a newer one changes what it has written of a key.
fn rewritten(rig: &mut Rig, key: &[u8], change: impl FnOnce(&mut Value)) {
    rig.stop();
    let record = newest(rig, key);
    let mut document = document(&record);
    change(&mut document);
    let value = document.to_string();
    let home = Some(rig.home("welcome"));
    rig.publish(&publication(&rig.topics.state, home, Some(key), Some(value.as_bytes())));
    // The checker knows what this version writes.
    rig.whole = false;
}

/// A field that this version does not know, in the document and in every object of it.
fn with_unknown_fields(document: &mut Value) {
    let Value::Object(map) = document else { return };
    map.values_mut().for_each(with_unknown_fields);
    map.insert("of_a_newer_gate".to_owned(), json!({"is": ["kept"]}));
}

/// The paths of all objects with that field, which is as it was.
fn kept(document: &Value) -> Vec<String> {
    fn look(at: &str, document: &Value, found: &mut Vec<String>) {
        let Value::Object(map) = document else { return };
        if map.get("of_a_newer_gate") == Some(&json!({"is": ["kept"]})) {
            found.push(at.to_owned());
        }
        map.iter().for_each(|(name, value)| look(&format!("{at}/{name}"), value, found));
    }
    let mut found = Vec::new();
    look("", document, &mut found);
    found.retain(|at| !at.contains("of_a_newer_gate"));
    found
}

/// Goal: a state is rewritten with the fields of a newer gate in it, and those of a pause, a sample or the like go with it.
#[test]
fn unknown_fields_of_a_state_are_kept() {
    let mut rig = rig();
    rig.order("welcome", "release", json!({"record_ids": ["b"]}));
    rewritten(&mut rig, b"welcome", with_unknown_fields);
    let written = document(&newest(&rig, b"welcome"));
    let all = kept(&written);
    for object in ["", "/counts", "/counts/queued", "/at_pause", "/pause", "/queue", "/queue/watermark", "/queue/taken"]
    {
        assert!(all.contains(&object.to_owned()), "{object} is not in {all:?}");
    }
    rig.start("a");
    rig.send("welcome", "d", "enroll");
    rig.settle();
    let rewritten = document(&newest(&rig, b"welcome"));
    assert_ne!(rewritten["updated_at"], Value::Null);
    assert_eq!(rewritten["counts"]["queued"]["enroll"], 4, "it was written again");
    assert_eq!(kept(&rewritten), all);
    // The drain passes what was taken; then there is neither a pause nor anything taken.
    rig.order("welcome", "resume", json!({}));
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "b a c d");
    let live = document(&newest(&rig, b"welcome"));
    let left = ["", "/at_pause", "/at_pause/queued", "/counts", "/counts/queued", "/queue", "/queue/watermark"];
    assert!(left.iter().all(|object| kept(&live).contains(&(*object).to_owned())), "{live:#}");
    assert!(!kept(&live).iter().any(|at| at.starts_with("/pause") || at.contains("taken")), "{live:#}");
    assert_eq!(live["queue"]["taken"], Value::Null, "it is read as an object with all of its fields");
    // Whoever takes it over can read it, and a later pause has nothing of the one before.
    rig.restart("b");
    rig.order("welcome", "pause", json!({}));
    let paused = document(&newest(&rig, b"welcome"));
    let of_the_pause = |at: &&String| at.starts_with("/pause") || at.starts_with("/at_pause");
    assert_eq!(kept(&paused).iter().find(of_the_pause), None, "{paused:#}");
}

/// Goal: what a newer gate says of a sample goes with that sample, also where another one begins in the same turn.
#[test]
fn unknown_fields_of_a_sample_go_with_it() {
    let mut rig = rig();
    rig.stop();
    // Both wait for the next gate, which applies them in one turn.
    rig.command("welcome", "release", json!({"count": 1}));
    let state = newest(&rig, b"welcome");
    let mut newer = document(&state);
    newer["sample"] = json!({"command_id": "of-before", "left": 1, "released": {"enroll": 0, "advance": 0}, "of_a_newer_gate": {"is": ["kept"]}});
    let (home, value) = (Some(rig.home("welcome")), newer.to_string());
    rig.publish(&publication(&rig.topics.state, home, Some(b"welcome"), Some(value.as_bytes())));
    rig.whole = false;
    rig.start("a");
    rig.settle();
    let states = rig.memory.dump(&rig.topics.state, rig.home("welcome"), Isolation::ReadCommitted).unwrap();
    let of_the_gate = states.iter().filter(|record| record.offset > state.offset + 1 && record.key == state.key);
    for sample in of_the_gate.map(document).map(|state| state["sample"].clone()).filter(|sample| !sample.is_null()) {
        let is_of_before = sample["command_id"] == "of-before";
        assert_eq!(sample.get("of_a_newer_gate").is_some(), is_of_before, "{sample}");
    }
}

/// Goal: the same of the partition record, of which the pause of every flow comes and goes.
#[test]
fn unknown_fields_of_a_partition_record_are_kept() {
    let mut rig = rig();
    rewritten(&mut rig, partition::KEY, with_unknown_fields);
    let all = kept(&document(&newest(&rig, partition::KEY)));
    assert_eq!(all, ["", "/default_pause"]);
    rig.start("a");
    rig.order("welcome", "pause", json!({"for_seconds": 60}));
    assert_eq!(kept(&document(&newest(&rig, partition::KEY))), all);
    // Resumed and paused again: that is another pause.
    rig.order("*", "resume", json!({}));
    assert_eq!(kept(&document(&newest(&rig, partition::KEY))), [""]);
    rig.order("*", "pause", json!({}));
    assert_eq!(kept(&document(&newest(&rig, partition::KEY))), [""]);
}

/// Goal: what was unknown in a pause of every flow is not taken for the next one's where both come in one turn.
#[test]
fn unknown_fields_of_a_default_go_with_it() {
    let mut rig = rig();
    rewritten(&mut rig, partition::KEY, with_unknown_fields);
    rig.command("*", "resume", json!({}));
    rig.command("*", "pause", json!({}));
    rig.start("a");
    rig.settle();
    let record = document(&newest(&rig, partition::KEY));
    assert!(record["default_pause"].is_object(), "{record:#}");
    assert_eq!(kept(&record), [""], "{record:#}");
}

/// Goal: a document of a newer version stops this gate, which says what to do, writes nothing and reads no event; a gate as new as
/// the document (here: the document as it was) goes on with nothing lost.
#[test]
fn a_newer_version_of_what_gates_write_stops_this_one() {
    // A partition record that forwards has the version 2.
    for (key, reads) in [(&b"welcome"[..], "which reads 1"), (partition::KEY, "which reads 2")] {
        let mut rig = rig();
        rig.stop();
        let (home, record) = (Some(rig.home("welcome")), newest(&rig, key));
        let mut newer = document(&record);
        newer["version"] = json!(3);
        newer["state"] = json!({"is": "another thing"});
        rig.publish(&publication(&rig.topics.state, home, Some(key), Some(newer.to_string().as_bytes())));
        rig.send("welcome", "d", "enroll");
        rig.whole = false;
        let ends =
            |rig: &Rig| [&rig.topics.state, &rig.topics.records, &rig.topics.audit].map(|topic| rig.read(topic).len());
        let before = ends(&rig);
        rig.start("a");
        let stop = rig.try_settle().unwrap_err();
        let said = stop.to_string();
        for words in
            ["flow.state/", "version 3 is newer than this gate, ", reads, "run one as new as the one that wrote it"]
        {
            assert!(said.contains(words), "{said}");
        }
        assert_eq!(stop.exit_code(), 1);
        assert_eq!(ends(&rig), before, "nothing was written");
        // The newer gate would have understood it.
        rig.publish(&publication(&rig.topics.state, home, Some(key), record.value.as_deref()));
        rig.restart("a");
        rig.order("welcome", "resume", json!({}));
        rig.run_until_live("welcome");
        assert_eq!(rig.delivered("welcome"), "a b c d");
    }
}

/// An entry of the queue of `welcome` as a newer gate writes it: behind those that are there.
fn hold(rig: &Rig, record_id: &str, packed: &str, more: &[(&'static str, &str)]) {
    let own = [("flowgate-entry", packed)];
    let all = own.iter().chain(more);
    let headers: Vec<Header> = all.map(|(name, value)| Header::new(name, (*value).to_owned())).collect();
    let (key, value) =
        (format!("enroll:4:{record_id}"), json!({"flow_id": "welcome", "record_id": record_id}).to_string());
    let queue = rig.queue("welcome");
    let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
    rig.publish(&Publication { topic: &queue, partition: Some(0), timestamp: None, key, value, headers: &headers });
}

/// The flow has a fourth entry.
fn with_a_fourth_entry(state: &mut Value) {
    state["queue"]["next_entry"] = json!(5);
    state["queue"]["enrolls"] = json!(4);
    state["counts"]["queued"]["enroll"] = json!(4);
}

/// Goal: fields and headers that a newer gate adds to an entry are passed over, and go downstream with nothing.
#[test]
fn what_a_newer_gate_adds_to_an_entry_is_passed_over() {
    let mut rig = rig();
    let pause = rig.flow("welcome").pause().unwrap().id.clone();
    rewritten(&mut rig, b"welcome", with_a_fourth_entry);
    let packed = format!("4 4 0 {} {pause} flow.enrollments/0/99 newer", rig.now().0);
    hold(&rig, "d", &packed, &[("flowgate-newer", "1")]);
    rig.start("a");
    rig.order("welcome", "resume", json!({}));
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a b c d");
    for record in rig.read(&rig.topics.records) {
        let names: Vec<_> =
            record.headers.iter().map(|header| String::from_utf8_lossy(&header.name).into_owned()).collect();
        assert_eq!(names, ["flowgate-release", "flowgate-pause-id", "flowgate-held-ms"]);
    }
}

/// Goal: an entry that only a newer gate can read is never passed over, which would lose its event: neither by a drain, nor by
/// a search, nor by an index that is made again. What comes before it in the queue is delivered at most once.
#[test]
fn an_entry_that_only_a_newer_gate_can_read_stops_this_one() {
    let orders = [
        ("resume", json!({"max_rate": 1000})),
        ("release", json!({"record_ids": ["d"]})),
        ("release", json!({"count": 4})),
        ("purge", json!({})),
    ];
    for (action, options) in orders {
        let mut rig = rig();
        rewritten(&mut rig, b"welcome", with_a_fourth_entry);
        hold(&rig, "d", "v2:{\"entry\":4}", &[]);
        rig.start("a");
        rig.command("welcome", action, options);
        let stopped = (0..1_000).find_map(|_| {
            rig.wait(std::time::Duration::from_millis(50));
            rig.try_settle().err()
        });
        let said =
            stopped.unwrap_or_else(|| panic!("{action} passes over it: {}", rig.delivered("welcome"))).to_string();
        let words = [
            "is no queue entry",
            "the number of the entry in flowgate-entry",
            "if a newer flowgate wrote it, run that one",
        ];
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(rig.flow("welcome").queue.watermark.entry.max(3), 3, "it is held");
    }
}

/// Goal: what upstreams and operators send of a newer version has its fate and its answer, and the gate goes on.
#[test]
fn a_newer_version_of_what_others_send_is_refused_and_not_lost() {
    let mut rig = rig();
    rig.send_value("later", &json!({"version": 2, "flow_id": "later", "record_id": "r", "newer": true}));
    rig.settle();
    let [letter] = rig.dead_letters().try_into().unwrap();
    assert_eq!(letter.last_header("flowgate-reason").unwrap().value.as_deref(), Some(&b"newer_version"[..]));
    assert_eq!(document(&letter)["newer"], true, "as it came");
    let answer = rig.order("welcome", "resume", json!({"version": 2}));
    assert!(answer.starts_with("rejected: ") && answer.contains("version"), "{answer}");
    assert_eq!(rig.state("welcome"), "paused");
    // Fields that this version does not know are others' matter.
    rig.order("*", "resume", json!({}));
    rig.send_value("welcome", &json!({"flow_id": "welcome", "record_id": "d", "newer": true}));
    let answer = rig.order("welcome", "resume", json!({"newer": true}));
    assert!(answer.starts_with("applied"), "{answer}");
    rig.run_until_live("welcome");
    assert_eq!(rig.delivered("welcome"), "a b c d");
    rig.pass(DAY);
}

//! What must not change on the way: bytes, headers, keys, timestamps; and what a live flow costs.

use std::time::Duration;

use flowgate::broker::{Header, Isolation, Publication, Record};
use flowgate::time::Timestamp;
use serde_json::json;

use crate::say::say;

use super::rig::{DAY, Rig, START, header};

fn named(name: &'static str, value: Option<&'static [u8]>) -> Header {
    Header { name: name.into(), value: value.map(Into::into) }
}

/// Publishes an event of `welcome` with this key and these headers.
fn event(rig: &Rig, id: &str, key: Option<&[u8]>, headers: &[Header], timestamp: Option<Timestamp>) {
    let value = format!(" {{\"record_id\" : \"{id}\", \"flow_id\":\"welcome\"}} ");
    rig.publish(&Publication {
        topic: &rig.topics.enrollments,
        partition: Some(rig.home("welcome")),
        timestamp,
        key,
        value: Some(value.as_bytes()),
        headers,
    });
}

fn odd_headers() -> Vec<Header> {
    vec![
        named("traceparent", Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")),
        named("twice", Some(b"1")),
        named("twice", Some(b"\xff\x00")),
        named("empty", Some(b"")),
        named("null", None),
        named("", Some(b"no name")),
        named("flowgate-release", Some(b"forged")),
        named("flowgate-entry", Some(b"99 99 0 7 pause-7 flow.enrollments/0/7")),
        named("flowgate-key", None),
    ]
}

/// Goal: key (null, empty, the flow id, or any bytes), value, headers (also repeated ones, empty ones, and some that look like the
/// gate's) and timestamp come through byte for byte, live and through the queue.
#[test]
fn nothing_changes_on_the_way() {
    let mut rig = Rig::new();
    let keys: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"\x00\xff key"), Some(b"welcome")];
    let headers = odd_headers();
    let send = |rig: &Rig, at: i64| {
        for (number, key) in keys.iter().enumerate() {
            event(rig, &format!("r{at}-{number}"), *key, &headers, Some(Timestamp(START.0 - at)));
        }
    };
    send(&rig, 1_000);
    rig.order("welcome", "pause", json!({}));
    send(&rig, 2_000);
    rig.order("welcome", "resume", json!({}));
    let came = rig.read(&rig.topics.enrollments);
    let went = rig.read(&rig.topics.records);
    assert_eq!((came.len(), went.len()), (8, 8));
    for (came, went) in came.iter().zip(&went) {
        assert_eq!((&came.key, &came.value, came.timestamp), (&went.key, &went.value, went.timestamp));
        assert_eq!(went.headers[..headers.len()], headers);
    }
    assert!(went[..4].iter().all(|record| record.headers.len() == headers.len()), "live: nothing added");
    assert_eq!(header(&went[5], "flowgate-release").unwrap(), "resume", "the last one is the gate's");
}

/// Goal: nor do discarded records and dead letters, which only gain headers.
#[test]
fn what_is_set_aside_keeps_its_bytes() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({"new_records": "discard"}));
    event(&rig, "r1", None, &odd_headers(), Some(Timestamp(START.0 - 5_000)));
    rig.publish(&Publication {
        topic: &rig.topics.enrollments,
        partition: Some(1),
        timestamp: Some(Timestamp(7)),
        key: None,
        value: Some(b"not json"),
        headers: &odd_headers(),
    });
    rig.settle();
    let discarded = rig.read(&rig.topics.discarded).pop().unwrap();
    assert_eq!(discarded.headers[..9], odd_headers());
    assert_eq!(header(&discarded, "flowgate-timestamp").unwrap(), (START.0 - 5_000).to_string());
    let letter = rig.dead_letters().pop().unwrap();
    assert_eq!((letter.key.as_ref(), letter.value.as_deref()), (None, Some(b"not json".as_slice())));
    assert_eq!(header(&letter, "flowgate-timestamp").unwrap(), "7");
    assert_eq!(header(&letter, "flowgate-source").unwrap(), "flow.enrollments/1/1");
}

/// Goal: a timestamp that retention would not survive, or that lies in the future, becomes the time of writing, with the
/// original in a header; after a retention check all of them are still in flow.records, live and released.
#[test]
fn strange_timestamps_survive_retention() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.enrollments, "message.timestamp.after.max.ms", "9223372036854775807").unwrap();
    let strange =
        [0, 1, START.0 - 40 * 86_400_000, START.0 - 23 * 86_400_000, START.0 + 86_400_000, 9_000_000_000_000_000];
    let send = |rig: &Rig, way: &str| {
        for (number, time) in strange.iter().enumerate() {
            event(rig, &format!("{way}{number}"), Some(b"k"), &[], Some(Timestamp(*time)));
        }
    };
    send(&rig, "live");
    rig.settle();
    rig.order("welcome", "pause", json!({}));
    send(&rig, "held");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.memory.retain(&rig.topics.records).unwrap(), 0);
    let records = rig.read(&rig.topics.records);
    assert_eq!(records.len(), 12);
    for (record, time) in records.iter().zip(strange.iter().chain(&strange)) {
        assert_eq!(header(record, "flowgate-timestamp").unwrap(), time.to_string());
        assert!(record.timestamp.since(START) < DAY && record.timestamp >= START, "{}", record.timestamp);
    }
    // Far past, future: the margin is 8 days of the 30.
    event(&rig, "fine", Some(b"k"), &[], Some(Timestamp(START.0 - 21 * 86_400_000)));
    rig.settle();
    assert_eq!(rig.read(&rig.topics.records).pop().unwrap().headers, []);
}

fn count(rig: &Rig, topic: &str) -> usize {
    (0..3).map(|partition| rig.memory.record_count(topic, partition).unwrap()).sum()
}

/// Goal: a flow's first event writes its state once; after that a live flow's turns hold records and offsets, nothing
/// else, whatever comes.
#[test]
fn a_live_flow_costs_nothing() {
    let mut rig = Rig::new();
    rig.send_all("welcome", "a b");
    rig.settle();
    let written =
        |rig: &Rig| [&rig.topics.state, &rig.topics.audit, &rig.topics.discarded].map(|topic| count(rig, topic));
    let before = written(&rig);
    assert_eq!(before, [4, 1, 0], "three partition records, one flow, first seen");
    for round in 0..20 {
        rig.send_all("welcome", &format!("x{round} +a -a y{round}"));
        rig.settle();
    }
    assert_eq!(written(&rig), before);
    assert_eq!(count(&rig, &rig.topics.records), 82);
    // Once a minute the input position is noted.
    rig.pass(Duration::from_secs(61));
    rig.send_all("welcome", "z1");
    rig.settle();
    rig.send_all("welcome", "z2");
    rig.settle();
    assert_eq!(written(&rig), [5, 1, 0]);
}

/// Goal: an event at the wrong partition is sent on to its home as it came, once, and lives its life there.
#[test]
fn events_at_wrong_partitions_are_rerouted() {
    let mut rig = Rig::new();
    let home = rig.home("welcome");
    rig.order("welcome", "pause", json!({}));
    for partition in 0..3 {
        let value = json!({"flow_id": "welcome", "record_id": partition.to_string()}).to_string();
        rig.publish(&Publication {
            topic: &rig.topics.enrollments,
            partition: Some(partition),
            timestamp: None,
            key: Some(b"another"),
            value: Some(value.as_bytes()),
            headers: &odd_headers(),
        });
    }
    rig.settle();
    rig.order("welcome", "resume", json!({}));
    let at_home = rig.memory.dump(&rig.topics.enrollments, home, Isolation::ReadCommitted).unwrap();
    assert_eq!(at_home.len(), 3);
    let mine = |record: &Record| record.headers == odd_headers() && record.key.as_deref() == Some(b"another");
    assert!(at_home.iter().all(mine), "unmarked");
    assert_eq!(rig.workers[0].stats().rerouted, 2);
    assert_eq!(rig.flow("welcome").counts.released.total(), 3);
    // What cannot be understood is not sent anywhere.
    rig.publish(&Publication {
        topic: &rig.topics.enrollments,
        partition: Some((home + 1) % 3),
        timestamp: None,
        key: None,
        value: Some(b"{\"flow_id\":\"welcome\"}"),
        headers: &[],
    });
    rig.settle();
    assert_eq!((rig.dead_letters().len(), rig.workers[0].stats().rerouted), (1, 2));
}

/// An event of `welcome` with so many bytes of padding, that zstd can or cannot make small.
fn large(rig: &Rig, id: &str, bytes: usize, noise: bool) {
    let mut seed = 1_u32;
    let padding: String = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if noise {
            char::from(b'!' + (seed >> 24) as u8 % 90).to_string().replace(['"', '\\'], "x")
        } else {
            "x".into()
        }
    })
    .take(bytes)
    .collect();
    rig.send_value("welcome", &json!({"flow_id": "welcome", "record_id": id, "padding": padding}));
}

/// Goal: what Kafka refuses as too large is tried once alone with zstd, and is else a dead letter without its value;
/// order is kept, neighbours are not hurt, and the gate goes on.
#[test]
fn records_that_are_too_large() {
    for paused in [false, true] {
        let mut rig = Rig::new();
        rig.memory.configure(&rig.topics.records, "max.message.bytes", "50000").unwrap();
        if paused {
            rig.order("welcome", "pause", json!({"keep": "all"}));
        }
        rig.send_all("welcome", "a");
        large(&rig, "shrinks", 100_000, false);
        rig.send_all("welcome", "b");
        large(&rig, "never", 100_000, true);
        rig.send_all("welcome", "c");
        rig.send_all("other", "d");
        rig.settle();
        assert_eq!(rig.delivered("other"), "d");
        if paused {
            assert_eq!(rig.delivered("welcome"), "");
            // How a held record counts that cannot be stored downstream the checker does not know.
            rig.whole = false;
            rig.order("welcome", "resume", json!({}));
            assert_eq!(rig.flow("welcome").counts.removed.total(), 1);
        }
        assert_eq!(rig.delivered("welcome"), "a shrinks b c", "paused: {paused}");
        let letter = rig.dead_letters().pop().unwrap();
        assert_eq!(letter.value, None);
        assert_eq!(header(&letter, "flowgate-reason").unwrap(), "too_large");
        assert!(header(&letter, "flowgate-detail").unwrap().contains("bytes"));
        assert!(header(&letter, "flowgate-source").unwrap().starts_with("flow.enrollments/"));
        assert_eq!((rig.dead_letters().len(), rig.state("welcome")), (1, "live"));
        rig.send_all("welcome other", "");
        rig.send_all("welcome", "e");
        rig.send_all("other", "f");
        rig.settle();
        assert_eq!((rig.delivered("welcome").as_str(), rig.delivered("other").as_str()), ("a shrinks b c e", "d f"));
    }
}

/// Goal: a topic that takes neither the record nor its timestamp does not make the gate try for ever.
#[test]
fn a_refused_timestamp_ends_somewhere() {
    let mut rig = Rig::new();
    rig.memory.configure(&rig.topics.records, "message.timestamp.before.max.ms", "1000").unwrap();
    event(&rig, "a", None, &[], Some(Timestamp(START.0 - 86_400_000)));
    rig.send_all("other", "b");
    rig.settle();
    assert_eq!((rig.delivered("welcome").as_str(), rig.delivered("other").as_str()), ("a", "b"));
    let record = &rig.memory.dump(&rig.topics.records, rig.home("welcome"), Isolation::ReadCommitted).unwrap()[0];
    assert_eq!(header(record, "flowgate-timestamp").unwrap(), (START.0 - 86_400_000).to_string());
}

/// Goal: the same for a queue topic that somebody configured badly: the record keeps its time in a header.
#[test]
fn a_timestamp_that_the_queue_refuses_ends_somewhere() {
    let mut rig = Rig::new();
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "a");
    rig.settle();
    rig.memory.configure(&rig.queue("welcome"), "message.timestamp.before.max.ms", "1000").unwrap();
    event(&rig, "b", None, &[], Some(Timestamp(START.0 - 86_400_000)));
    rig.send_all("welcome", "c");
    rig.order("welcome", "resume", json!({}));
    assert_eq!(rig.delivered("welcome"), "a b c");
}

/// Goal: every input of the corpus comes to its end.
#[test]
fn the_corpus_on_the_memory_broker() {
    let mut rig = Rig::new();
    let topics = rig.topics.clone();
    rig.memory.configure(&topics.enrollments, "message.timestamp.after.max.ms", "9223372036854775807").unwrap();
    let (memory, now) = (rig.memory.clone(), rig.now());
    let ran = super::corpus::run_corpus(&memory, &topics, now, || rig.settle());
    say(&format!("corpus: {ran} inputs on the memory broker"));
    assert!(ran >= 40);
    assert_eq!(rig.memory.retain(&topics.records).unwrap(), 0, "all of them outlive a retention check");
}

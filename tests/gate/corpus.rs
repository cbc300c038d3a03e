//! Inputs good, odd and bad, each with the end it must come to: delivered, a dead letter with a reason that names the
//! field, or sent on to its home. Written over the port: the same inputs run on any broker.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::broker::murmur2::partition_for;
use flowgate::broker::{
    Admin, Broker, Header, Isolation, PollLimit, Polled, Publication, Publisher, Reader, Receipt, Record,
};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;

/// What becomes of an input.
enum End {
    /// In the records topic, byte for byte.
    Delivered,
    /// The same, by way of its home partition.
    Rerouted,
    /// In the records topic, with the time of writing and the original one in a header.
    Restamped,
    /// In the dead letters, untouched, for this reason; the detail names this.
    Dead(&'static str, &'static str),
}

struct Input {
    name: &'static str,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
    /// `None`: now.
    timestamp: Option<i64>,
    /// How far from its home it arrives.
    away: i32,
    end: End,
}

/// How many there are: a broker that takes its time is waited for until as many ends are found.
pub const INPUTS: usize = 60;

const FLOW: &str = "corpus";
const DAY: i64 = 24 * 60 * 60 * 1000;

fn input(name: &'static str, value: impl Into<Vec<u8>>, end: End) -> Input {
    let (key, value) = (Some(FLOW.as_bytes().to_vec()), Some(value.into()));
    Input { name, key, value, headers: Vec::new(), timestamp: None, away: 0, end }
}

fn good(name: &'static str, value: impl Into<Vec<u8>>) -> Input {
    input(name, value, End::Delivered)
}

fn bad(name: &'static str, value: impl Into<Vec<u8>>, reason: &'static str, names: &'static str) -> Input {
    input(name, value, End::Dead(reason, names))
}

/// An event whose record id is the input's name, so that no two are equal.
fn event(name: &'static str) -> Input {
    good(name, format!("{{\"flow_id\":\"{FLOW}\",\"record_id\":\"{name}\"}}"))
}

fn header(name: &'static [u8], value: Option<&'static [u8]>) -> Header {
    Header { name: bytes::Bytes::from_static(name), value: value.map(bytes::Bytes::from_static) }
}

/// The inputs, for a broker whose clock shows `now` and enrollments that take records of so many bytes.
fn inputs(now: Timestamp, largest: usize) -> Vec<Input> {
    let of = |fields: &str| format!("{{\"flow_id\":\"{FLOW}\",{fields}}}");
    let padded = |size: usize, name: &str| {
        let empty = of(&format!("\"record_id\":\"{name}\",\"x\":\"\"")).len();
        of(&format!("\"record_id\":\"{name}\",\"x\":\"{}\"", "y".repeat(size - empty)))
    };
    let cjk = "流".repeat(33) + "x";
    let cjk_event = format!("{{\"flow_id\":\"{cjk}\",\"record_id\":\"100 bytes of CJK\"}}");
    let twice = |field: &str| of(&format!("\"record_id\":1,\"{field}\":1,\"{field}\":1"));
    let mut inputs = vec![
        // Good.
        event("the least there is"),
        good("every field", of("\"record_id\":\"e\",\"kind\":\"enroll\",\"version\":1")),
        good("an advance", of("\"record_id\":\"e\",\"kind\":\"advance\"")),
        good("a withdraw", of("\"record_id\":\"e\",\"kind\":\"withdraw\"")),
        good("an integer as the record id", of("\"record_id\":-42")),
        good("an integer beyond 64 bits", of("\"record_id\":123456789012345678901234567890")),
        good("white space", format!("\n\t {} \r\n", of("\"record_id\" : \"white\""))),
        good(
            "escapes in names and values",
            format!("{{\"flow\\u005fid\":\"{FLOW}\",\"record_id\":\"\\ud83d\\ude00\"}}"),
        ),
        good(
            "fields of the upstream's own",
            of("\"record_id\":\"own\",\"at\":{\"deep\":[1,{\"flow_id\":\"no\"}]},\"at\":2"),
        ),
        good("half a character in a foreign field", of("\"record_id\":\"half\",\"x\":\"\\ud800\"")),
        good(
            "nested a thousand deep",
            of(&format!("\"record_id\":\"deep\",\"x\":{}{}", "[".repeat(1000), "]".repeat(1000))),
        ),
        good("a record id of 256 bytes", of(&format!("\"record_id\":\"{}\"", "r".repeat(256)))),
        // Odd but right.
        Input { key: None, ..event("a null key") },
        Input { key: Some(Vec::new()), ..event("an empty key") },
        Input { key: Some(b"\xff\x00\xfe".to_vec()), ..event("a key that is no text") },
        Input { key: Some(cjk.clone().into_bytes()), ..good("a flow id of 100 bytes of CJK", cjk_event) },
        Input {
            headers: vec![
                header(b"a", Some(b"1")),
                header(b"a", Some(b"1")),
                header(b"a", None),
                header(b"", Some(b"")),
            ],
            ..event("duplicate, null and nameless headers")
        },
        Input {
            headers: vec![header(b"flowgate-release", Some(b"timer")), header(b"flowgate-reason", Some(b"purge"))],
            ..event("headers that look like the gate's")
        },
        Input { headers: vec![header(b"\xff\xfe", Some(b"\x00"))], ..event("a header whose name is no text") }
            .without_odd(),
        Input {
            headers: vec![header(b"traceparent", Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))],
            ..event("a trace")
        },
        Input { timestamp: Some(now.0 - 5 * DAY), ..event("five days old") },
        Input { timestamp: Some(0), end: End::Restamped, ..event("from 1970") },
        Input {
            timestamp: Some(now.0 - 29 * DAY),
            end: End::Restamped,
            ..event("almost too old for the records topic")
        },
        Input { timestamp: Some(now.0 + 3 * 60 * 60 * 1000), end: End::Restamped, ..event("three hours ahead") },
        Input { timestamp: Some(i64::MAX / 1000), end: End::Restamped, ..event("from the far future") },
        Input { away: 1, end: End::Rerouted, ..event("at the wrong partition") },
        Input { away: 2, key: Some(b"by record".to_vec()), end: End::Rerouted, ..event("keyed by something else") },
        good("100 KB", padded(100_000, "100 KB")),
        good("as large as the topic allows", padded(largest - 200, "largest")),
        // Bad.
        Input { value: None, ..bad("a null value", "", "null_value", "value") },
        bad("nothing", "", "not_json", "value"),
        bad("not UTF-8", b"{\"flow_id\":\"\xff\"}".as_slice(), "not_utf8", "value"),
        bad("not JSON", "flow_id=corpus", "not_json", "value"),
        bad("JSON that ends early", "{\"flow_id\":\"corpus\"", "not_json", "value"),
        bad("two documents", of("\"record_id\":1") + "{}", "not_json", "value"),
        bad("a byte order mark", format!("\u{feff}{}", of("\"record_id\":1")), "not_json", "value"),
        bad("an array", "[{\"flow_id\":\"corpus\"}]", "not_an_object", "value"),
        bad("a number", "7", "not_an_object", "value"),
        bad("no flow id", "{\"record_id\":1}", "missing_field", "flow_id"),
        bad("an empty flow id", "{\"flow_id\":\"\",\"record_id\":1}", "empty", "flow_id"),
        bad("a flow id of 101 bytes", format!("{{\"flow_id\":\"{cjk}x\",\"record_id\":1}}"), "too_long", "flow_id"),
        bad("every flow", "{\"flow_id\":\"*\",\"record_id\":1}", "every_flow", "flow_id"),
        bad("a number as the flow id", "{\"flow_id\":5,\"record_id\":1}", "wrong_type", "flow_id"),
        bad(
            "half a character as the flow id",
            "{\"flow_id\":\"\\ud800\",\"record_id\":1}",
            "lone_surrogate",
            "flow_id",
        ),
        bad("no record id", of("\"kind\":\"enroll\""), "missing_field", "record_id"),
        bad("an empty record id", of("\"record_id\":\"\""), "empty", "record_id"),
        bad("a record id of 257 bytes", of(&format!("\"record_id\":\"{}\"", "r".repeat(257))), "too_long", "record_id"),
        bad("a fraction as the record id", of("\"record_id\":1.5"), "wrong_type", "record_id"),
        bad("an object as the record id", of("\"record_id\":{}"), "wrong_type", "record_id"),
        bad("an unknown kind", of("\"record_id\":1,\"kind\":\"leave\""), "unknown_kind", "kind"),
        bad("a kind in capitals", of("\"record_id\":1,\"kind\":\"ENROLL\""), "unknown_kind", "kind"),
        bad("null as the kind", of("\"record_id\":1,\"kind\":null"), "wrong_type", "kind"),
        bad(
            "the flow id twice",
            "{\"flow_id\":\"corpus\",\"flow_id\":\"corpus\",\"record_id\":1}",
            "duplicate_field",
            "flow_id",
        ),
        bad("the record id twice", of("\"record_id\":1,\"record_id\":1"), "duplicate_field", "record_id"),
        bad("the kind twice", twice("kind"), "duplicate_field", "kind"),
        bad("the version twice", twice("version"), "duplicate_field", "version"),
        bad("a newer version", of("\"record_id\":1,\"version\":2"), "newer_version", "version"),
        bad("a version that never was", of("\"record_id\":1,\"version\":0"), "unknown_version", "version"),
        bad("bad and as large as the topic allows", vec![b'x'; largest - 200], "not_json", "value"),
    ];
    let odd = Input { away: 1, ..bad("bad, and at another partition", of("\"x\":1"), "missing_field", "record_id") };
    inputs.push(odd);
    inputs
}

impl Input {
    /// Clients for which a header's name is text send this one as text.
    fn without_odd(mut self) -> Self {
        for header in &mut self.headers {
            header.name = bytes::Bytes::from_static("naïve-流".as_bytes());
        }
        self
    }

    fn flow(&self) -> &str {
        if self.name.contains("100 bytes of CJK") {
            "流流流流流流流流流流流流流流流流流流流流流流流流流流流流流流流流流x"
        } else {
            FLOW
        }
    }
}

fn read_all<B: Broker>(broker: &B, topic: &str, partitions: i32) -> Vec<Record> {
    let mut reader = broker.reader(Isolation::ReadCommitted).unwrap();
    let mut ends = BTreeMap::new();
    for partition in 0..partitions {
        let marks = reader.watermarks(topic, partition).unwrap();
        reader.assign(topic, partition, marks.low).unwrap();
        ends.insert(partition, marks.end);
    }
    let mut records = Vec::new();
    let limit = PollLimit { records: 1_000, bytes: 1 << 24, wait: Duration::from_millis(100) };
    while ends.iter().any(|(partition, end)| reader.position(topic, *partition).unwrap().unwrap_or_default() < *end) {
        assert!(matches!(reader.poll(limit, &mut records).unwrap(), Polled::Records));
    }
    records
}

/// Publishes every input, has `step` called until the gate has nothing left to do, and looks for each one's end. The
/// topics of `topics` are there, with the settings of `flowgate::topics` but for the enrollments' future timestamps.
/// Gives the number of inputs.
pub fn run_corpus<B: Broker>(broker: &B, topics: &Topics, now: Timestamp, mut step: impl FnMut()) -> usize {
    let mut admin = broker.admin().unwrap();
    let count = admin.partitions(&topics.enrollments).unwrap().unwrap();
    let largest = admin.topic_config(&topics.enrollments).unwrap()["max.message.bytes"].parse().unwrap();
    let inputs = inputs(now, largest);
    assert_eq!(inputs.len(), INPUTS);
    let mut publisher = broker.publisher().unwrap();
    for input in &inputs {
        let home = partition_for(input.flow().as_bytes(), count);
        let publication = Publication {
            topic: &topics.enrollments,
            partition: Some((home + input.away) % count),
            timestamp: input.timestamp.map(Timestamp),
            key: input.key.as_deref(),
            value: input.value.as_deref(),
            headers: &input.headers,
        };
        publisher.publish(&publication).unwrap();
    }
    let receipts = publisher.flush(Duration::from_secs(30)).unwrap();
    let receipts: Vec<Receipt> = receipts.into_iter().map(Result::unwrap).collect();
    step();
    let of = |topic: &str| admin_count(broker, topic);
    let delivered = read_all(broker, &topics.records, of(&topics.records));
    let dead = read_all(broker, &topics.dead_letters, of(&topics.dead_letters));
    let events = read_all(broker, &topics.enrollments, count);
    for (input, receipt) in inputs.iter().zip(&receipts) {
        judge(input, receipt, topics, &delivered, &dead, &events);
    }
    let good = inputs.iter().filter(|input| !matches!(input.end, End::Dead(..))).count();
    assert_eq!((delivered.len(), dead.len()), (good, inputs.len() - good), "each exactly once");
    inputs.len()
}

fn admin_count<B: Broker>(broker: &B, topic: &str) -> i32 {
    broker.admin().unwrap().partitions(topic).unwrap().unwrap()
}

fn text(record: &Record, name: &str) -> String {
    let value = record.last_header(name).and_then(|header| header.value.clone()).unwrap_or_default();
    String::from_utf8(value.to_vec()).unwrap()
}

#[track_caller]
fn judge(input: &Input, receipt: &Receipt, topics: &Topics, delivered: &[Record], dead: &[Record], events: &[Record]) {
    let name = input.name;
    let same = |record: &&Record| {
        record.value.as_deref() == input.value.as_deref()
            && record.key.as_deref() == input.key.as_deref()
            && record.headers.starts_with(&input.headers)
    };
    let found: Vec<&Record> = delivered.iter().filter(same).collect();
    match input.end {
        End::Dead(reason, names) => {
            let source = format!("{}/{}/{}", topics.enrollments, receipt.partition, receipt.offset);
            let letter: Vec<&Record> = dead.iter().filter(|of| text(of, "flowgate-source") == source).collect();
            assert_eq!((letter.len(), found.len()), (1, 0), "{name}");
            assert!(same(&letter[0]), "{name}: untouched");
            assert_eq!(text(letter[0], "flowgate-reason"), reason, "{name}");
            assert!(
                text(letter[0], "flowgate-detail").contains(names),
                "{name}: {}",
                text(letter[0], "flowgate-detail")
            );
        }
        End::Delivered | End::Rerouted => {
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!((found[0].timestamp, &found[0].headers), (receipt.timestamp, &input.headers), "{name}");
            let copies = events.iter().filter(same).count();
            assert_eq!(copies, 1 + usize::from(input.away > 0), "{name}");
        }
        End::Restamped => {
            assert_eq!(found.len(), 1, "{name}");
            assert_eq!(text(found[0], "flowgate-timestamp"), receipt.timestamp.0.to_string(), "{name}");
            assert_eq!(found[0].headers.len(), input.headers.len() + 1, "{name}");
        }
    }
}

//! What inputs are made of.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use flowgate::broker::{Header, Record};
use flowgate::flow::{Event, FlowId, Kind, RecordId};
use flowgate::schema::entry::{self, Mark};
use flowgate::schema::headers;
use flowgate::time::Timestamp;

use super::targets::take;

/// Every example of a kind, good and bad, in the order of their names; the good ones several times, for damage makes bad
/// ones of them soon enough.
pub fn examples(kind: &str) -> Vec<Vec<u8>> {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/examples").join(kind);
    let folders = fs::read_dir(examples).unwrap().map(|folder| folder.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()));
    let mut files: Vec<_> = files.collect();
    files.extend(files.clone().into_iter().filter(|file| file.parent().unwrap().ends_with("good")).cycle().take(100));
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

fn record(key: Option<&'static str>, headers: Vec<Header>) -> Record {
    Record {
        topic: "flow.enrollments".into(),
        partition: 0,
        offset: 41,
        timestamp: Timestamp(7),
        key: key.map(|key| Bytes::from_static(key.as_bytes())),
        value: Some(Bytes::from_static(b"{}")),
        headers,
    }
}

/// Records of an upstream: with keys and without, with headers that are the gate's.
pub fn records() -> Vec<Vec<u8>> {
    let forged = headers::ALL.into_iter().map(|name| Header::new(name, "flow.enrollments/1/2")).collect();
    let empty = Header { name: Bytes::new(), value: None };
    let records = [record(None, forged), record(Some(""), vec![empty]), record(Some("k"), Vec::new())];
    let texts = ["flow.enrollments/5/1099511627776", "t/1", ""].map(|text| text.as_bytes().to_vec());
    records.iter().map(take::put).chain(texts).collect()
}

/// Entries as the gate writes them, and a tombstone.
pub fn entries() -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    for (kind, id, latest, flow) in
        [(Kind::Enroll, "r", true, "k"), (Kind::Advance, "a:b", false, "k"), (Kind::Withdraw, "流", false, "welcome")]
    {
        let (id, event) = (RecordId::new(id).unwrap(), record(Some("k"), vec![Header::new("trace", "1")]));
        let flow = FlowId::new(flow).unwrap();
        let mark = Mark { number: 12, enrolls: 7, advances: 4, latest, held_at: Timestamp(99), pause_id: "pause-1" };
        let entry = entry::write(&Event { flow, record: id, kind }, &event, &mark);
        let stored = Record { key: Some(entry.key.clone().into()), headers: entry.headers, ..event.clone() };
        entries.push(take::put(&stored));
        let tombstone = Record { key: Some(entry.key.into()), value: None, ..record(None, Vec::new()) };
        entries.push(take::put(&tombstone));
    }
    entries
}

/// Two flow ids and a prefix, each behind its length.
pub fn names() -> Vec<Vec<u8>> {
    let long = "流".repeat(33);
    let hashed = format!("_h{}", "0".repeat(32));
    let names = [["a.b", "a_b", "flow"], ["welcome", "Welcome", "p"], [&long, &hashed, "a.b-c"], ["_2e", ".", "x_y"]];
    let put = |name: &str| [vec![u8::try_from(name.len()).unwrap()], name.as_bytes().to_vec()].concat();
    names.iter().map(|names| names.iter().flat_map(|name| put(name)).collect()).collect()
}

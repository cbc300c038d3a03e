//! What is no document: events as upstreams send them, entries of queues, headers, homes.

use std::time::Duration;

use bytes::Bytes;
use flowgate::broker::murmur2::partition_for;
use flowgate::broker::{Header, Record};
use flowgate::flow::{Event, FlowId, Kind, RecordId};
use flowgate::schema::entry::{self, Held, Mark, Reader};
use flowgate::schema::headers::{self, Discarded, Released, Releases, Source};
use flowgate::schema::{Reason, event};
use flowgate::time::Timestamp;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use serde_json::json;

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

/// Headers of anybody, the gate's names among them.
fn header() -> impl Strategy<Value = Header> {
    let name = prop_oneof![bytes(), (0..headers::ALL.len()).prop_map(|index| Bytes::from(headers::ALL[index]))];
    (name, of(bytes())).prop_map(|(name, value)| Header { name, value })
}

fn record() -> impl Strategy<Value = Record> {
    let place = ("[a-zA-Z0-9._-]{1,60}", 0..=i32::MAX, 0..=i64::MAX, any::<i64>());
    (place, of(bytes()), of(bytes()), vec(header(), 0..9)).prop_map(
        |((topic, partition, offset, timestamp), key, value, headers)| Record {
            topic: topic.into(),
            partition,
            offset,
            timestamp: Timestamp(timestamp),
            key,
            value,
            headers,
        },
    )
}

fn kind() -> impl Strategy<Value = Kind> {
    (0..Kind::ALL.len()).prop_map(|index| Kind::ALL[index])
}

fn record_id() -> impl Strategy<Value = RecordId> {
    // Long ones, and those that look like parts of a key.
    prop_oneof!["\\PC{1,60}", "[:0-9a-z]{1,9}", ".{1,30}"].prop_map(|text| RecordId::new(&text).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_are_read_back(flow in ".{1,25}", id in record_id(), number: i128, kind in kind(), foreign in ".{0,20}") {
        prop_assume!(flow != "*");
        let flow = FlowId::new(&flow).unwrap();
        let read = |json: String| event::read(Some(json.as_bytes())).unwrap();
        let text = json!({"x": foreign, "flow_id": flow.as_str(), "record_id": id.as_str(), "kind": kind.word()});
        prop_assert_eq!(read(text.to_string()), Event { flow: flow.clone(), record: id, kind });
        let integer = format!("{{\"record_id\":{number},\"flow_id\":{}}}", json!(flow.as_str()));
        let record = RecordId::new(&number.to_string()).unwrap();
        prop_assert_eq!(read(integer), Event { flow, record, kind: Kind::Enroll });
    }

    #[test]
    fn what_is_held_comes_back_whole(
        event in record(), kind in kind(), record_id in record_id(), latest: bool,
        counts: (u64, u64, u64), held_at: i64, pause in "[^ ]{1,20}", flow in "[^*]{1,9}", is_key: bool,
    ) {
        let flow = FlowId::new(&flow).unwrap();
        let key = if is_key { Some(Bytes::copy_from_slice(flow.as_str().as_bytes())) } else { event.key.clone() };
        let event = Record { key, ..event };
        let (number, enrolls, advances) = counts;
        let mark = Mark { number, enrolls, advances, latest, held_at: Timestamp(held_at), pause_id: &pause };
        let read = Event { flow: flow.clone(), record: record_id.clone(), kind };
        let entry = entry::write(&read, &event, &mark);
        let value = Some(event.value.clone().unwrap_or_default());
        let stored = Record { key: Some(entry.key.into()), headers: entry.headers, value, ..event.clone() };
        let (key, source) = (event.key.clone(), Source::of(&event));
        let expected = Held {
            kind, record_id, latest, number, enrolls, advances, key, headers: event.headers.into(),
            held_at: Timestamp(held_at), pause_id: pause.into(), source,
        };
        prop_assert_eq!(Reader::new(&flow).read(&stored), Ok(Some(expected)));
    }

    #[test]
    fn no_two_entries_share_a_key(
        one in (kind(), of(0..40_u64), record_id()), other in (kind(), of(0..40_u64), record_id()),
    ) {
        let key = |(kind, number, id): &(Kind, Option<u64>, RecordId)| entry::key(*kind, *number, id);
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }

    #[test]
    fn what_an_upstream_sent_stays_in_front(record in record(), why in 0..Discarded::ALL.len(), detail in ".{0,30}") {
        let source = Source::of(&record);
        let written = [
            headers::dead_letter(&record, Reason::NotJson, &detail),
            headers::discarded(&record.headers, Discarded::ALL[why], &detail, &source, record.timestamp),
            Releases::default().headers(&record.headers, Released::Timer, &detail, Duration::from_millis(7)),
        ];
        for written in written {
            prop_assert_eq!(&written[..record.headers.len()], &record.headers[..]);
            let read = Record { headers: written, ..record.clone() };
            let value = |name| {
                let header: Option<&Header> = read.last_header(name);
                header.and_then(|header| header.value.clone())
            };
            let ours = [headers::DETAIL, headers::PAUSE_ID].into_iter().filter_map(value);
            prop_assert!(ours.into_iter().any(|value| value == detail.as_bytes()));
        }
        prop_assert_eq!(Source::parse(&source.to_string()), Some(source));
    }

    #[test]
    fn every_key_has_a_home(key in vec(any::<u8>(), 0..300), partitions in 1..=i32::MAX) {
        prop_assert!((0..partitions).contains(&partition_for(&key, partitions)));
        prop_assert_eq!(partition_for(&key, 1), 0);
        prop_assert_eq!(partition_for(&key, 0), 0);
    }
}

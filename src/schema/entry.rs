//! A held event: the key and the headers of its entry in the queue topic. Value and timestamp are the event's own.
//!
//! The key decides what the broker's cleaner may remove: entries of equal keys replace each other, numbered ones are
//! unique. One header says the rest, in fields with a space between them:
//!
//! ```text
//! flowgate-entry: 12 7 4 1750000000000 pause-41 flow.enrollments/3/58
//! ```
//!
//! - the number of the entry, then how many entries up to and with it are enrolls, and how many advances: so counts stay
//!   exact when the cleaner has been there;
//! - when it was held, in milliseconds since 1970, and the pause that held it;
//! - where the event stands in the enrollments.
//!
//! Most upstreams key an event by its flow. Where one does not, the event's own key stands in a second header behind that
//! one. The gate's headers come after all of the upstream's, so the last one of that name is the gate's, whatever the upstream
//! calls its own.
//!
//! A later version may append fields to the first header, and headers behind these two: a reader passes over what it does not
//! know. Whatever else has such a header and cannot be read stops the gate, for an event may be held there ([`Foreign`]).

mod keys;
mod read;
mod write;

pub use keys::{key, parse_key, tombstones};
pub use read::{Foreign, Held, Reader, indexed, to_index};
pub use write::{Entry, Mark, write};

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::headers::{self, Source};
    use super::*;
    use crate::broker::{Header, Record};
    use crate::flow::{Event, FlowId, Kind, RecordId};
    use crate::time::Timestamp;

    const FLOW: &str = "welcome";

    fn record(key: Option<&'static [u8]>, headers: Vec<Header>) -> Record {
        Record {
            topic: "flow.enrollments".into(),
            partition: 3,
            offset: 41,
            timestamp: Timestamp(7),
            key: key.map(Bytes::from_static),
            value: Some(Bytes::from_static(b"{}")),
            headers,
        }
    }

    fn stored(entry: Entry, value: Option<&'static [u8]>) -> Record {
        Record {
            key: Some(entry.key.into()),
            headers: entry.headers,
            value: value.map(Bytes::from_static),
            ..record(None, Vec::new())
        }
    }

    const MARK: Mark<'_> =
        Mark { number: 12, enrolls: 7, advances: 4, latest: true, held_at: Timestamp(99), pause_id: "p-1" };

    fn id(text: &str) -> RecordId {
        RecordId::new(text).unwrap()
    }

    fn flow() -> FlowId {
        FlowId::new(FLOW).unwrap()
    }

    fn event(kind: Kind, record: &str) -> Event {
        Event { flow: flow(), record: id(record), kind }
    }

    fn read(record: &Record) -> Result<Option<Held>, Foreign> {
        Reader::new(&flow()).read(record)
    }

    /// The names of the gate's headers, behind `upstreams` of others.
    fn added(entry: &Entry, upstreams: usize) -> Vec<&str> {
        let names = entry.headers[upstreams..].iter().map(|header| std::str::from_utf8(&header.name).unwrap());
        names.collect()
    }

    /// An entry as the gate wrote it, but for the value of its packed header.
    fn with_packed(value: Option<&[u8]>) -> Record {
        let mut entry = write(&event(Kind::Enroll, "r"), &record(Some(FLOW.as_bytes()), Vec::new()), &MARK);
        entry.headers[0].value = value.map(Bytes::copy_from_slice);
        stored(entry, Some(b"{}"))
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        // An upstream may forge every header of ours: they come before ours and are its own.
        let forged = write(&event(Kind::Enroll, "x"), &record(None, Vec::new()), &Mark { number: 1, ..MARK }).headers;
        let own = [headers::ENTRY, headers::KEY].as_slice();
        for headers in [Vec::new(), forged[..1].to_vec(), forged[1..].to_vec(), forged] {
            for (key, latest, ours) in [
                (None, true, own),
                (Some(&b""[..]), false, own),
                (Some(b"k"), true, own),
                (Some(FLOW.as_bytes()), false, &own[..1]),
            ] {
                let original = record(key, headers.clone());
                let written = write(&event(Kind::Advance, "a:b"), &original, &Mark { latest, ..MARK });
                assert_eq!(added(&written, headers.len()), ours);
                let held = read(&stored(written, Some(b"{}"))).unwrap().unwrap();
                let expected = Held {
                    kind: Kind::Advance,
                    record_id: id("a:b"),
                    latest,
                    number: 12,
                    enrolls: 7,
                    advances: 4,
                    key: original.key.clone(),
                    headers: headers.clone().into(),
                    held_at: Timestamp(99),
                    pause_id: "p-1".into(),
                    source: Source::of(&original),
                };
                assert_eq!(held, expected);
            }
        }
    }

    #[test]
    fn keys_and_tombstones_are_written_as_documented() {
        assert_eq!(key(Kind::Enroll, None, &id("r:1")), b"enroll::r:1");
        assert_eq!(key(Kind::Withdraw, Some(18), &id("r")), b"withdraw:18:r");
        assert_eq!(tombstones(&id("r")), [b"enroll::r".to_vec(), b"advance::r".to_vec()]);
        let tombstone = Entry { key: b"enroll::r".to_vec(), headers: Vec::new() };
        assert_eq!(read(&stored(tombstone, None)), Ok(None));
    }

    #[test]
    fn the_packed_header_is_written_as_documented() {
        let entry = write(&event(Kind::Enroll, "r"), &record(Some(FLOW.as_bytes()), Vec::new()), &MARK);
        assert_eq!(entry.headers[0].value.as_deref(), Some(&b"12 7 4 99 p-1 flow.enrollments/3/41"[..]));
    }

    #[test]
    fn what_a_later_version_appends_is_passed_over() {
        let plain = read(&with_packed(Some(b"12 7 4 99 p-1 flow.enrollments/3/41"))).unwrap().unwrap();
        for more in [" 1", " ", " sample=1 x y", " \u{6d41}"] {
            let packed = format!("12 7 4 99 p-1 flow.enrollments/3/41{more}");
            assert_eq!(read(&with_packed(Some(packed.as_bytes()))).unwrap().unwrap(), plain, "{more:?}");
        }
    }

    #[test]
    fn headers_that_a_later_version_adds_are_passed_over() {
        let upstreams = vec![Header::new("traceparent", "00-1"), Header::new(headers::ENTRY, "of upstream's")];
        let newer = [Header::new("flowgate-newer", "1"), Header::new("flowgate-newest", "2")];
        for key in [Some(&b"k"[..]), Some(FLOW.as_bytes())] {
            let mut entry = write(&event(Kind::Enroll, "r"), &record(key, upstreams.clone()), &MARK);
            let plain = read(&stored(entry.clone(), Some(b"{}"))).unwrap().unwrap();
            assert_eq!((plain.key.as_deref(), &*plain.headers), (key, &*upstreams));
            entry.headers.extend(newer.clone());
            assert_eq!(read(&stored(entry, Some(b"{}"))), Ok(Some(plain)));
        }
    }

    #[test]
    fn what_may_be_held_by_a_later_version_is_told_from_what_somebody_else_wrote() {
        let may_be_held = |record: &Record| read(record).unwrap_err().may_be_held;
        assert!(may_be_held(&with_packed(Some(b"v2:{}"))));
        let entry = write(&event(Kind::Enroll, "r"), &record(None, Vec::new()), &MARK);
        assert!(may_be_held(&stored(Entry { key: b"leave::r".to_vec(), ..entry.clone() }, Some(b"{}"))));
        // A tombstone holds nothing, and without our header it is somebody else's.
        assert!(!may_be_held(&stored(Entry { key: b"leave::r".to_vec(), ..entry.clone() }, None)));
        assert!(!may_be_held(&stored(Entry { headers: Vec::new(), ..entry }, Some(b"{}"))));
    }

    #[test]
    fn what_entries_have_in_common_is_there_once() {
        let mut reader = Reader::new(&flow());
        let mut next = |packed: &[u8]| reader.read(&with_packed(Some(packed))).unwrap().unwrap();
        let (first, second) = (next(b"1 1 0 99 p-1 t/3/41"), next(b"2 2 0 99 p-1 t/3/42"));
        let (third, fourth) = (next(b"3 3 0 99 p-2 t/3/43"), next(b"4 4 0 99 p-1 u/3/44"));
        assert!(
            Arc::ptr_eq(&first.pause_id, &second.pause_id) && Arc::ptr_eq(&first.source.topic, &third.source.topic)
        );
        assert_eq!([&*second.pause_id, &*third.pause_id, &*fourth.pause_id], ["p-1", "p-2", "p-1"]);
        assert_eq!([&*third.source.topic, &*fourth.source.topic], ["t", "u"]);
    }

    #[test]
    fn what_the_gate_did_not_write_is_foreign() {
        let keyed = Mark { latest: false, ..MARK };
        let good = write(&event(Kind::Enroll, "r"), &record(None, Vec::new()), &keyed);
        assert!(read(&stored(good.clone(), Some(b"{}"))).is_ok());
        for key in ["", "enroll", "enroll:r", "leave::r", "enroll::", "enroll:012:r", "enroll:+12:r", "enroll:13:r"] {
            let entry = Entry { key: key.into(), ..good.clone() };
            assert!(read(&stored(entry, Some(b"{}"))).is_err(), "{key}");
        }
        let detail = |record: &Record| read(record).unwrap_err().detail;
        let mut other = Vec::new();
        for left in [&good.headers[..0], &good.headers[1..], &[good.headers[1].clone(), good.headers[0].clone()]] {
            let entry = Entry { headers: left.to_vec(), ..good.clone() };
            other.push(read(&stored(entry, Some(b"{}"))).map_err(|foreign| foreign.detail));
        }
        let last = Err("it has no header flowgate-entry".to_owned());
        assert_eq!(other[..2], [last.clone(), last]);
        // One header before ours is the upstream's, whatever its name.
        assert_eq!(other[2].as_ref().unwrap().as_ref().unwrap().headers.len(), 1);
        for value in [None, Some(&b"\xff"[..])] {
            assert_eq!(detail(&with_packed(value)), "flowgate-entry is no text");
        }
    }

    #[test]
    fn what_is_wrong_in_a_packed_header_is_named() {
        let names = [
            "the number of the entry",
            "the number of enrolls",
            "the number of advances",
            "the time at which it was held",
            "the pause id",
            "the source",
        ];
        let good = ["12", "7", "4", "99", "p-1", "flow.enrollments/3/41"];
        let detail = |packed: &str| read(&with_packed(Some(packed.as_bytes()))).unwrap_err().detail;
        for (place, name) in names.into_iter().enumerate() {
            if place > 0 {
                assert_eq!(detail(&good[..place].join(" ")), format!("flowgate-entry ends before {name}"));
            }
            let wrong: &[&str] = match place {
                0..=2 => &["", "-1", "+1", "01", "1.0", "x", "18446744073709551616"],
                3 => &["", "-0", "+1", "01", "1.0", "x", "9223372036854775808"],
                4 => &[""],
                _ => &["", "t", "t/1", "/1/2", "t/x/2", "t/1/2/3", "t/01/2", "t/-1/2", "t/1/+2", "t/2147483648/1"],
            };
            for wrong in wrong {
                let mut fields = good;
                fields[place] = wrong;
                let expected = format!("{name} in flowgate-entry is not as the gate writes it");
                assert_eq!(detail(&fields.join(" ")), expected, "{wrong:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn keys_are_read_back_whole(kind in 0..3_usize, number: Option<u64>, text in ".{1,60}") {
            let triple = (Kind::ALL[kind], number, id(&text));
            let key = key(triple.0, triple.1, &triple.2);
            // Reading back every part of it is what makes it injective.
            prop_assert_eq!(parse_key(&key), Some(triple));
        }
    }
}

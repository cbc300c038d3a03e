//! What stands in a queue topic is an entry, a tombstone, or foreign; and whatever event is held comes back whole.

use flowgate::broker::Record;
use flowgate::flow::{Event, FlowId, Kind, RecordId};
use flowgate::schema::entry::{self, Held, Mark, Reader};
use flowgate::schema::headers::Source;
use flowgate::time::Timestamp;

use super::End;
use super::take::Take;

pub fn check(bytes: &[u8]) -> End {
    held(&mut Take(bytes));
    stored(&Take(bytes).record("flow.queue.a.1"))
}

/// Anything, taken for a record of a queue topic.
fn stored(record: &Record) -> End {
    let parsed = entry::parse_key(record.key.as_deref().unwrap_or_default());
    if let Some((kind, number, id)) = &parsed {
        assert_eq!(Some(entry::key(*kind, *number, id).as_slice()), record.key.as_deref(), "one key, one triple");
    }
    match Reader::new(&flow()).read(record) {
        Ok(Some(held)) => {
            assert_eq!(written(&held, record), held, "written and read");
            End::Understood
        }
        Ok(None) => {
            assert!(record.value.is_none() && parsed.is_some());
            End::Understood
        }
        Err(foreign) => {
            assert!(foreign.to_string().starts_with("flow.queue.a.1/0/"), "{foreign}");
            End::Refused
        }
    }
}

fn written(held: &Held, record: &Record) -> Held {
    let Source { topic, partition, offset } = held.source.clone();
    let event =
        Record { topic, partition, offset, key: held.key.clone(), headers: held.headers.to_vec(), ..record.clone() };
    let mark = Mark {
        number: held.number,
        enrolls: held.enrolls,
        advances: held.advances,
        latest: held.latest,
        held_at: held.held_at,
        pause_id: &held.pause_id,
    };
    let read = Event { flow: flow(), record: held.record_id.clone(), kind: held.kind };
    let entry = entry::write(&read, &event, &mark);
    let again = Record { key: Some(entry.key.into()), headers: entry.headers, ..record.clone() };
    Reader::new(&flow()).read(&again).unwrap().unwrap()
}

/// Short, so that keys of made records are it sometimes.
fn flow() -> FlowId {
    FlowId::new("k").unwrap()
}

/// Any event, held: key, headers and source are its own again, whatever they are and whatever they are called.
fn held(take: &mut Take<'_>) {
    let kind = Kind::ALL[usize::from(take.byte()) % 3];
    let Some(id) = std::str::from_utf8(take.part()).ok().and_then(|text| RecordId::new(text).ok()) else { return };
    let (number, latest) = (u64::from(take.byte()), take.byte().is_multiple_of(2));
    let event = Record { value: Some(bytes::Bytes::new()), ..take.record("flow.enrollments") };
    let held_at = Timestamp(i64::from(take.byte()) - 9);
    let mark = Mark { number, enrolls: number / 2, advances: number / 3, latest, held_at, pause_id: "pause-1" };
    let read = Event { flow: flow(), record: id.clone(), kind };
    let entry = entry::write(&read, &event, &mark);
    let stored = Record { key: Some(entry.key.into()), headers: entry.headers, ..event.clone() };
    let expected = Held {
        kind,
        record_id: id,
        latest,
        number,
        enrolls: mark.enrolls,
        advances: mark.advances,
        key: event.key.clone(),
        headers: event.headers.clone().into(),
        held_at,
        pause_id: "pause-1".into(),
        source: Source::of(&event),
    };
    assert_eq!(Reader::new(&flow()).read(&stored), Ok(Some(expected)));
}

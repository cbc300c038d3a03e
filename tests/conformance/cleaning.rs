//! What takes records out of a log, and what never does.

use flowgate::broker::{Code, Isolation, Polled, Reader, Record};

use super::Harness;
use super::steps::{self, Writer};

const DAY: i64 = 86_400_000;

/// A topic that the cleaner works on as soon as it can.
fn compacted<H: Harness>(h: &H, case: &str, more: &[(&str, &str)]) -> String {
    let cleaner = h.cleaner_config();
    let mut config: Vec<(&str, &str)> = vec![("cleanup.policy", "compact")];
    config.extend(cleaner.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    config.extend(more);
    steps::topic(h, case, 1, &config)
}

/// Pushes the cleaner until the committed records, with their offsets, are these.
fn clean_to<H: Harness>(h: &H, topic: &str, expected: &[(&str, i64)]) -> Vec<Record> {
    let expected: Vec<(String, i64)> = expected.iter().map(|&(key, offset)| (key.to_owned(), offset)).collect();
    h.eventually("the cleaner has run", || {
        h.clean(topic);
        let records = own(steps::read_committed(h, topic, 0));
        let found: Vec<(String, i64)> =
            steps::keys(&records).into_iter().zip(records.iter().map(|record| record.offset)).collect();
        // It may take several passes, but what has to stay is there at each.
        assert!(expected.iter().all(|record| found.contains(record)), "{expected:?} were to stay, {found:?} are there");
        (found == expected).then_some(records)
    })
}

fn own(records: Vec<Record>) -> Vec<Record> {
    records.into_iter().filter(|record| record.key.as_deref() != Some(super::harness::FILLER)).collect()
}

/// Gaps are left where records were, and reading passes over them.
pub fn the_cleaner_keeps_the_newest_of_each_key<H: Harness>(h: &H) {
    let topic = compacted(h, "compact", &[]);
    let mut writer = Writer::new(h, "compact");
    writer.write(&topic, 0, &["a", "b", "a"]);
    writer.write(&topic, 0, &["c", "b"]);
    steps::publish(h, &topic, "last", "v", None);
    // 3 and 6 are markers.
    clean_to(h, &topic, &[("a", 2), ("c", 4), ("b", 5), ("last", 7)]);
    assert_eq!(steps::low_watermark(h, &topic, 0), 0);
}

/// An aborted record is no newer version of anything.
pub fn an_aborted_record_replaces_nothing<H: Harness>(h: &H) {
    let topic = compacted(h, "compact-abort", &[]);
    let mut writer = Writer::new(h, "compact-abort");
    writer.write(&topic, 0, &["a", "b", "b"]);
    writer.write_aborted(&topic, 0, &["a"]);
    steps::publish(h, &topic, "last", "v", None);
    clean_to(h, &topic, &[("a", 0), ("b", 2), ("last", 6)]);
}

/// Nothing at or beyond the last stable offset counts for the cleaner.
pub fn the_cleaner_stops_at_an_open_transaction<H: Harness>(h: &H) {
    let topic = compacted(h, "compact-open", &[]);
    let mut writer = Writer::new(h, "compact-open");
    for key in ["a", "b", "b"] {
        steps::publish(h, &topic, key, "v", None);
    }
    let open = writer.open(&topic, 0, &["c"]);
    steps::publish(h, &topic, "a", "newer", None);
    // The newest record is out of the cleaner's reach anyway.
    steps::publish(h, &topic, "behind", "v", None);
    h.eventually("the cleaner has run below the open transaction", || {
        h.clean(&topic);
        let found: Vec<i64> = own(steps::read_uncommitted(h, &topic, 0)).iter().map(|record| record.offset).collect();
        assert!([0, 2, 3, 4, 5].iter().all(|offset| found.contains(offset)), "{found:?}");
        (found == [0, 2, 3, 4, 5]).then_some(())
    });
    writer.commit(open);
    steps::settle(h, &topic, 0);
    steps::publish(h, &topic, "last", "v", None);
    let records = h.eventually("the cleaner goes on", || {
        h.clean(&topic);
        let records = own(steps::read_committed(h, &topic, 0));
        (records[0].offset != 0).then_some(records)
    });
    assert_eq!(steps::keys(&records), ["b", "c", "a", "behind", "last"]);
}

/// For `delete.retention.ms` a tombstone stays, and what it deleted is gone.
pub fn a_tombstone_outlives_what_it_deleted<H: Harness>(h: &H) {
    let topic = compacted(h, "tombstone", &[]);
    steps::publish(h, &topic, "a", "v", None);
    steps::publish(h, &topic, "b", "v", None);
    steps::try_publish(h, &steps::publication(&topic, Some(b"a"), None)).unwrap();
    steps::publish(h, &topic, "last", "v", None);
    let records = clean_to(h, &topic, &[("b", 1), ("a", 2), ("last", 3)]);
    assert_eq!(records[1].value, None);
}

pub fn a_tombstone_goes_after_its_time<H: Harness>(h: &H) {
    let topic = compacted(h, "tombstone-gone", &[("delete.retention.ms", "0")]);
    steps::publish(h, &topic, "a", "v", None);
    steps::publish(h, &topic, "b", "v", None);
    steps::try_publish(h, &steps::publication(&topic, Some(b"a"), None)).unwrap();
    steps::publish(h, &topic, "last", "v", None);
    clean_to(h, &topic, &[("b", 1), ("last", 3)]);
}

/// Retention goes by the record's own timestamp, not by when it came.
pub fn retention_goes_by_the_records_timestamp<H: Harness>(h: &H) {
    let config = [("retention.ms", "604800000"), ("message.timestamp.before.max.ms", "9223372036854775807")];
    let topic = steps::topic(h, "retention", 1, &config);
    let old = flowgate::time::Timestamp(h.now().0 - 10 * DAY);
    for key in ["a", "b", "c"] {
        steps::publish(h, &topic, key, "v", Some(old));
    }
    h.eventually("the old records are gone", || {
        h.retain(&topic);
        (steps::low_watermark(h, &topic, 0) == 3).then_some(())
    });
    let fresh = flowgate::time::Timestamp(h.now().0 - 6 * DAY);
    steps::publish(h, &topic, "d", "v", Some(fresh));
    h.retain(&topic);
    let records = steps::read_uncommitted(h, &topic, 0);
    assert_eq!((steps::keys(&records), records[0].offset), (vec!["d".to_owned()], 3));
}

/// Up to an offset, never backwards, and what is at or behind it stays.
pub fn records_are_deleted_up_to_an_offset<H: Harness>(h: &H) {
    let config = [("cleanup.policy", "compact,delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")];
    let topic = steps::topic(h, "delete", 1, &config);
    let mut writer = Writer::new(h, "delete");
    writer.write(&topic, 0, &["a", "b", "c", "d"]);
    assert_eq!(steps::settle(h, &topic, 0), 5);
    let low = |up_to: i64| {
        steps::delete_records(h, &topic, up_to).unwrap();
        steps::low_watermark(h, &topic, 0)
    };
    assert_eq!(low(2), 2);
    assert_eq!(low(1), 2, "a late request moves nothing back");
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["c", "d"]);
    assert!(steps::delete_records(h, &topic, 6).is_err(), "beyond the end");
    assert_eq!(low(5), 5);
    assert_eq!((steps::read_committed(h, &topic, 0), steps::high_watermark(h, &topic, 0)), (vec![], 5));
    writer.write(&topic, 0, &["e"]);
    assert_eq!(steps::read_committed(h, &topic, 0)[0].offset, 5);
}

/// A reader in the middle of what is deleted is told so.
pub fn a_reader_learns_that_its_place_was_deleted<H: Harness>(h: &H) {
    let topic = steps::topic(h, "delete-reader", 1, &[("cleanup.policy", "compact,delete"), ("retention.ms", "-1")]);
    let mut writer = Writer::new(h, "delete-reader");
    let mut reader = steps::reader(h, Isolation::ReadCommitted);
    let mut records = Vec::new();
    writer.write(&topic, 0, &["a"]);
    steps::settle(h, &topic, 0);
    reader.assign(&topic, 0, 0).unwrap();
    h.eventually("the reader is at the end", || {
        assert!(matches!(reader.poll(steps::LIMIT, &mut records).unwrap(), Polled::Records));
        reader.position(&topic, 0).unwrap().filter(|&position| position == 2)
    });
    reader.unassign(&topic, 0).unwrap();
    writer.write(&topic, 0, &["b", "c"]);
    let end = steps::settle(h, &topic, 0);
    steps::delete_records(h, &topic, end).unwrap();
    reader.assign(&topic, 0, 2).unwrap();
    let low = h.eventually("the reader is told", || match reader.poll(steps::LIMIT, &mut records).unwrap() {
        Polled::OutOfRange { low, .. } => Some(low),
        _ => None,
    });
    assert_eq!((low, steps::keys(&records)), (end, vec!["a".to_owned()]));
}

pub fn records_of_a_compact_only_topic_cannot_be_deleted<H: Harness>(h: &H) {
    let topic = steps::topic(h, "delete-refused", 1, &[("cleanup.policy", "compact")]);
    steps::publish(h, &topic, "a", "v", None);
    let refused = steps::delete_records(h, &topic, 1).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    assert_eq!(steps::low_watermark(h, &topic, 0), 0);
}

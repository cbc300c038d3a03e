//! Transactions as their readers see them.

use flowgate::broker::{Code, Isolation, PollLimit, Polled, Reader};

use super::Harness;
use super::steps::{self, Writer};

/// Records of one transaction in several partitions and topics: nothing of it before the commit, all of it after it, and
/// within one partition never a part.
pub fn a_commit_is_visible_as_a_whole<H: Harness>(h: &H) {
    let wide = steps::topic(h, "whole-wide", 2, &[]);
    let other = steps::topic(h, "whole-other", 1, &[]);
    let places = [(&wide, 0), (&wide, 1), (&other, 0)];
    let mut writer = Writer::new(h, "whole");
    for (topic, partition) in places {
        writer.write(topic, partition, &["before"]);
    }
    let first: Vec<i64> = places.iter().map(|(topic, partition)| steps::settle(h, topic, *partition)).collect();

    let handles = [writer.topic(&wide), writer.topic(&other)];
    let mut transaction = writer.begin();
    for key in [b"a", b"b", b"c"] {
        for (handle, partition) in [(handles[0], 0), (handles[0], 1), (handles[1], 0)] {
            steps::send(h, &mut transaction, &steps::outgoing(handle, partition, Some(key), Some(b"v")));
        }
    }
    steps::drain(h, &mut transaction);
    for ((topic, partition), first) in places.iter().zip(&first) {
        assert_eq!(steps::keys(&steps::read_uncommitted(h, topic, *partition)), ["before", "a", "b", "c"]);
        assert_eq!(steps::stable_offset(h, topic, *partition), *first, "visible before the commit");
        let shown = steps::read_to(h, topic, *partition, Isolation::ReadCommitted, *first);
        assert_eq!(steps::keys(&shown), ["before"]);
    }

    writer.commit(transaction);
    for ((topic, partition), first) in places.iter().zip(&first) {
        h.eventually("the commit is visible", || {
            let stable = steps::stable_offset(h, topic, *partition);
            assert!(stable == *first || stable >= first + 3, "a part of a commit is visible: {first} {stable}");
            (stable > *first).then_some(())
        });
        assert_eq!(steps::keys(&steps::read_committed(h, topic, *partition)), ["before", "a", "b", "c"]);
    }
}

pub fn an_aborted_record_is_hidden_from_read_committed_only<H: Harness>(h: &H) {
    let topic = steps::topic(h, "aborted", 1, &[]);
    let mut writer = Writer::new(h, "aborted");
    writer.write(&topic, 0, &["a"]);
    writer.write_aborted(&topic, 0, &["b", "c"]);
    writer.write(&topic, 0, &["d"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["a", "d"]);
    assert_eq!(steps::keys(&steps::read_uncommitted(h, &topic, 0)), ["a", "b", "c", "d"]);
}

/// What others write behind an open transaction waits for it, committed or not transactional at all.
pub fn an_open_transaction_holds_the_stable_offset<H: Harness>(h: &H) {
    let topic = steps::topic(h, "open", 1, &[]);
    let mut slow = Writer::new(h, "open-slow");
    let mut quick = Writer::new(h, "open-quick");
    steps::publish(h, &topic, "before", "v", None);
    let open = slow.open(&topic, 0, &["slow"]);
    quick.write(&topic, 0, &["quick"]);
    steps::publish(h, &topic, "plain", "v", None);

    let high = h.eventually("the quick transaction's marker is written", || {
        Some(steps::high_watermark(h, &topic, 0)).filter(|&high| high == 5)
    });
    assert_eq!(steps::stable_offset(h, &topic, 0), 1);
    assert_eq!(steps::keys(&steps::read_to(h, &topic, 0, Isolation::ReadCommitted, 1)), ["before"]);
    assert_eq!(steps::keys(&steps::read_uncommitted(h, &topic, 0)), ["before", "slow", "quick", "plain"]);

    slow.commit(open);
    let records = steps::read_committed(h, &topic, 0);
    assert_eq!(steps::keys(&records), ["before", "slow", "quick", "plain"]);
    assert_eq!(steps::settle(h, &topic, 0), high + 1, "each transaction's marker takes one offset");
}

/// Each transaction takes one offset more than its records in each partition it touched, and none elsewhere.
pub fn markers_leave_gaps_in_offsets<H: Harness>(h: &H) {
    let topic = steps::topic(h, "gaps", 2, &[]);
    let mut writer = Writer::new(h, "gaps");
    writer.write(&topic, 0, &["a"]);
    writer.write_aborted(&topic, 0, &["b"]);
    writer.write(&topic, 0, &["c", "d"]);
    let offsets: Vec<i64> = steps::read_committed(h, &topic, 0).iter().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 4, 5]);
    assert_eq!((steps::settle(h, &topic, 0), steps::settle(h, &topic, 1)), (7, 0));
}

/// How state is restored: the end comes from a read_uncommitted client, and a read_committed reader's position gets
/// there although only aborted records and markers are left.
pub fn a_restore_reaches_the_read_uncommitted_end<H: Harness>(h: &H) {
    let topic = steps::topic(h, "restore", 1, &[]);
    let mut writer = Writer::new(h, "restore");
    writer.write(&topic, 0, &["a", "b"]);
    writer.write_aborted(&topic, 0, &["c", "d"]);
    writer.write_aborted(&topic, 0, &["e"]);
    let end = steps::high_watermark(h, &topic, 0);
    let records = steps::read_to(h, &topic, 0, Isolation::ReadCommitted, end);
    assert_eq!(steps::keys(&records), ["a", "b"]);

    // The position is the next offset, not beyond it: what is written now is still read.
    let mut reader = steps::reader(h, Isolation::ReadCommitted);
    let end = steps::settle(h, &topic, 0);
    reader.assign(&topic, 0, end).unwrap();
    writer.write(&topic, 0, &["f"]);
    let mut records = Vec::new();
    h.eventually("the next record is read", || {
        reader.poll(steps::LIMIT, &mut records).unwrap();
        (!records.is_empty()).then_some(())
    });
    assert_eq!((steps::keys(&records), records[0].offset), (vec!["f".to_owned()], end));
}

/// A poll brings no more records than asked for, and the next one goes on behind them.
pub fn a_poll_keeps_to_its_limit<H: Harness>(h: &H) {
    let topic = steps::topic(h, "limit", 1, &[]);
    Writer::new(h, "limit").write(&topic, 0, &["a", "b", "c", "d", "e"]);
    steps::settle(h, &topic, 0);
    let mut reader = steps::reader(h, Isolation::ReadCommitted);
    reader.assign(&topic, 0, 0).unwrap();
    let mut records = Vec::new();
    h.eventually("all records are read", || {
        let before = records.len();
        let polled = reader.poll(PollLimit { records: 2, ..steps::LIMIT }, &mut records).unwrap();
        assert!(matches!(polled, Polled::Records));
        assert!(records.len() <= before + 2);
        (records.len() == 5).then_some(())
    });
    assert_eq!(steps::keys(&records), ["a", "b", "c", "d", "e"]);
}

pub fn a_reader_goes_back_and_stops<H: Harness>(h: &H) {
    let (topic, other) = (steps::topic(h, "back", 1, &[]), steps::topic(h, "back-other", 1, &[]));
    let mut writer = Writer::new(h, "back");
    writer.write(&topic, 0, &["a", "b", "c"]);
    steps::settle(h, &topic, 0);
    let mut reader = steps::reader(h, Isolation::ReadCommitted);
    let read = |reader: &mut steps::ReaderOf<H>, count: usize| steps::keys(&steps::read_some(h, reader, count));
    reader.assign(&topic, 0, 1).unwrap();
    assert_eq!(read(&mut reader, 2), ["b", "c"]);
    reader.assign(&topic, 0, 0).unwrap();
    assert_eq!(read(&mut reader, 3), ["a", "b", "c"]);
    reader.assign(&other, 0, 0).unwrap();
    reader.unassign(&topic, 0).unwrap();
    assert_eq!(reader.position(&topic, 0).unwrap(), None);
    writer.write(&topic, 0, &["d"]);
    steps::settle(h, &topic, 0);
    writer.write(&other, 0, &["e"]);
    assert_eq!(read(&mut reader, 1), ["e"]);
}

/// Goal: many partitions are begun in one call, those that are read already among them, and stopped in one. One that is named
/// twice is begun and stopped once.
pub fn a_reader_begins_and_stops_with_many_at_once<H: Harness>(h: &H) {
    let topics: Vec<String> = (0..20).map(|n| steps::topic(h, &format!("many-{n}"), 1, &[])).collect();
    let mut writer = Writer::new(h, "many");
    for topic in &topics {
        writer.write(topic, 0, &["a", "b", "c"]);
        steps::settle(h, topic, 0);
    }
    let mut reader = steps::reader(h, Isolation::ReadCommitted);
    reader.assign(&topics[0], 0, 0).unwrap();
    assert_eq!(steps::read_some(h, &mut reader, 3).len(), 3);
    let mut places: Vec<_> = topics.iter().map(|topic| (topic.as_str().into(), 0, 1)).collect();
    places.push((topics[1].as_str().into(), 0, 1));
    h.eventually("all are begun", || reader.assign_all(&places).ok());
    let mut records = steps::read_some(h, &mut reader, 40);
    records.sort_by_key(|record| (record.topic.clone(), record.offset));
    assert_eq!(steps::keys(&records), ["b", "c"].repeat(20));
    let mut stopped: Vec<_> = topics[1..].iter().map(|topic| (topic.as_str().into(), 0)).collect();
    stopped.push((topics[1].as_str().into(), 0));
    reader.unassign_all(&stopped).unwrap();
    for topic in &topics {
        writer.write(topic, 0, &["d"]);
        steps::settle(h, topic, 0);
    }
    let records = steps::read_some(h, &mut reader, 1);
    assert_eq!(records.iter().map(|record| &*record.topic).collect::<Vec<_>>(), [&topics[0]]);
    assert_eq!(reader.position(&topics[1], 0).unwrap(), None);
}

/// Goal: who reads a topic that is not there learns so, from one call or the other.
pub fn a_reader_learns_that_a_topic_is_not_there<H: Harness>(h: &H) {
    let (topic, mut reader) = (h.fresh_name("not-there"), steps::reader(h, Isolation::ReadCommitted));
    h.eventually("it is told", || {
        let mut records = Vec::new();
        let told = reader.assign_all(&[(topic.as_str().into(), 0, 0)]);
        let told = told.and_then(|()| reader.poll(steps::LIMIT, &mut records));
        told.is_err_and(|error| error.code == Code::UnknownTopic).then_some(())
    });
}

pub fn an_empty_transaction_ends<H: Harness>(h: &H) {
    let topic = steps::topic(h, "empty", 1, &[]);
    let mut writer = Writer::new(h, "empty");
    let transaction = writer.begin();
    writer.commit(transaction);
    let transaction = writer.begin();
    writer.abort(transaction);
    writer.write(&topic, 0, &["a"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["a"]);
}

//! Records: what is kept of them, and which are refused.

use flowgate::broker::Producer as _;
use flowgate::broker::{
    Broker as _, Code, Compression, Delivered, Header, Isolation, Outgoing, ProducerOptions, Publication, Reader as _,
    Record, Result, Stored, Transaction,
};
use flowgate::time::Timestamp;

use super::Harness;
use super::steps::{self, TransactionOf, Writer, header};

/// Sends one record with a tag and waits for its delivery.
fn deliver<H: Harness>(h: &H, transaction: &mut TransactionOf<H>, record: &Outgoing<'_>) -> Result<Stored> {
    match h.eventually("a record is taken", || steps::settled(transaction.send(record, 42))) {
        // A client may refuse by itself what the broker would.
        Err(error) => Err(error),
        Ok(()) => {
            steps::drain(h, transaction);
            let deliveries: Vec<Delivered> = transaction.deliveries();
            assert_eq!(deliveries.iter().map(|delivered| delivered.tag).collect::<Vec<_>>(), [42]);
            deliveries.into_iter().next().unwrap().outcome
        }
    }
}

/// One record by a transaction and the same by a publisher; both as they come back.
fn round_trip<H: Harness>(
    h: &H,
    case: &str,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[Header],
) -> [Record; 2] {
    let topic = steps::topic(h, case, 1, &[]);
    let mut writer = Writer::new(h, case);
    let handle = writer.topic(&topic);
    let mut transaction = writer.begin();
    deliver::<H>(h, &mut transaction, &Outgoing { headers, ..steps::outgoing(handle, 0, key, value) }).unwrap();
    writer.commit(transaction);
    steps::try_publish(h, &Publication { headers, ..steps::publication(&topic, key, value) }).unwrap();
    steps::read_committed(h, &topic, 0).try_into().unwrap()
}

/// Null and empty are told apart, in each of their combinations.
pub fn null_and_empty_keys_and_values_are_kept<H: Harness>(h: &H) {
    let parts: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"\x00\xff")];
    for key in parts {
        for value in parts {
            for record in round_trip(h, "null", key, value, &[]) {
                assert_eq!((record.key.as_deref(), record.value.as_deref()), (key, value));
                assert_eq!(record.headers, []);
            }
        }
    }
}

/// In their order, also when a name repeats, a value is missing or empty, or is no text.
pub fn headers_are_kept_as_they_were<H: Harness>(h: &H) {
    let headers = [
        header("a", Some(b"1")),
        header("b", None),
        header("a", Some(b"")),
        header("traceparent", Some(b"\xff\xfe\x00")),
        header("a", Some(b"1")),
    ];
    for record in round_trip(h, "headers", Some(b"k"), Some(b"v"), &headers) {
        assert_eq!(record.headers, headers);
    }
}

/// An empty key is fine in a compacted topic, no key at all is refused.
pub fn a_null_key_is_refused_in_a_compacted_topic<H: Harness>(h: &H) {
    let topic = steps::topic(h, "null-key", 1, &[("cleanup.policy", "compact")]);
    let mut writer = Writer::new(h, "null-key");
    let handle = writer.topic(&topic);
    let mut transaction = writer.begin();
    deliver::<H>(h, &mut transaction, &steps::outgoing(handle, 0, Some(b""), Some(b"v"))).unwrap();
    writer.commit(transaction);

    let handle = writer.topic(&topic);
    let mut transaction = writer.begin();
    let refused = deliver::<H>(h, &mut transaction, &steps::outgoing(handle, 0, None, Some(b"v"))).unwrap_err();
    assert_eq!(refused.code, Code::InvalidRecord, "{refused:?}");
    let (transaction, error) = writer.try_commit(transaction).expect_err("a commit without one of its records");
    let transaction = transaction.unwrap_or_else(|| panic!("the producer is lost: {error:?}"));
    writer.abort(transaction);
    assert_eq!(steps::read_committed(h, &topic, 0).len(), 1);
}

/// Old and future timestamps come back to the millisecond where the topic allows them.
pub fn timestamps_are_kept<H: Harness>(h: &H) {
    const MAX: &str = "9223372036854775807";
    let config =
        [("message.timestamp.before.max.ms", MAX), ("message.timestamp.after.max.ms", MAX), ("retention.ms", "-1")];
    let topic = steps::topic(h, "timestamps", 1, &config);
    let mut writer = Writer::new(h, "timestamps");
    let handle = writer.topic(&topic);
    let times = [Timestamp(852_120_000_123), Timestamp(h.now().0 + 31_536_000_000)];
    let mut transaction = writer.begin();
    for time in times {
        let record = Outgoing { timestamp: Some(time), ..steps::outgoing(handle, 0, Some(b"k"), None) };
        assert_eq!(deliver::<H>(h, &mut transaction, &record).unwrap().timestamp, time);
    }
    let stamped = deliver::<H>(h, &mut transaction, &steps::outgoing(handle, 0, Some(b"k"), None)).unwrap();
    assert!(stamped.timestamp.since(h.now()).max(h.now().since(stamped.timestamp)).as_secs() < 60);
    writer.commit(transaction);
    let receipt = steps::publish(h, &topic, "k", "v", Some(times[0]));
    assert_eq!(receipt.timestamp, times[0]);
    let found: Vec<Timestamp> = steps::read_committed(h, &topic, 0).iter().map(|record| record.timestamp).collect();
    assert_eq!(found, [times[0], times[1], stamped.timestamp, times[0]]);
}

/// The first record that is as late as a time; nothing where all are earlier, or where there is none.
pub fn a_time_is_found_in_a_log<H: Harness>(h: &H) {
    let topic = steps::topic(h, "times", 2, &[("retention.ms", "-1")]);
    let begin = h.now().0 - 60_000;
    for later in [0, 10, 10, 20] {
        steps::publish(h, &topic, "k", "v", Some(Timestamp(begin + later)));
    }
    let partition = (0..2).find(|partition| !steps::read_committed(h, &topic, *partition).is_empty()).unwrap();
    let mut reader = h.broker().reader(Isolation::ReadCommitted).unwrap();
    let mut found = |partition, time| {
        steps::insist(h, "a time is looked up", || reader.offset_at(&topic, partition, Timestamp(time)))
    };
    let expected = [(-1, Some(0)), (0, Some(0)), (1, Some(1)), (10, Some(1)), (11, Some(3)), (20, Some(3)), (21, None)];
    for (later, offset) in expected {
        assert_eq!(found(partition, begin + later), offset, "{later} ms later");
    }
    assert_eq!(found(partition, -5), Some(0));
    assert_eq!(found(1 - partition, begin), None);
}

/// The topic stamps its records; the delivery says with what. That is how a gate compares its clock with the broker's.
pub fn the_time_of_appending_comes_back_with_the_delivery<H: Harness>(h: &H) {
    let topic = steps::topic(h, "append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    let mut writer = Writer::new(h, "append-time");
    let handle = writer.topic(&topic);
    let mut transaction = writer.begin();
    let ancient = Some(Timestamp(852_120_000_000));
    let record = Outgoing { timestamp: ancient, ..steps::outgoing(handle, 0, Some(b"k"), None) };
    let stored = deliver::<H>(h, &mut transaction, &record).unwrap();
    writer.commit(transaction);
    let now = h.now();
    assert!(now.since(stored.timestamp).max(stored.timestamp.since(now)).as_secs() < 60, "{stored:?} at {now}");
    let records = steps::read_committed(h, &topic, 0);
    assert_eq!((records[0].timestamp, records[0].offset), (stored.timestamp, stored.offset));
}

/// Kafka's default allows an hour ahead; `before` is unlimited unless set. A refused record spoils its transaction.
pub fn a_timestamp_outside_the_topics_bounds_is_refused<H: Harness>(h: &H) {
    const HOUR: i64 = 3_600_000;
    let config = [("message.timestamp.before.max.ms", "3600000"), ("retention.ms", "-1")];
    let topic = steps::topic(h, "bounds", 1, &config);
    let mut writer = Writer::new(h, "bounds");
    for distance in [2 * HOUR, -2 * HOUR] {
        let handle = writer.topic(&topic);
        let mut transaction = writer.begin();
        let timestamp = Some(Timestamp(h.now().0 + distance));
        let record = Outgoing { timestamp, ..steps::outgoing(handle, 0, Some(b"k"), Some(b"v")) };
        let refused = deliver::<H>(h, &mut transaction, &record).unwrap_err();
        assert_eq!(refused.code, Code::InvalidTimestamp, "{refused:?}");
        assert!(transaction.flush(steps::LIMIT.wait).failed > 0);
        let (transaction, error) = writer.try_commit(transaction).expect_err("a commit without one of its records");
        writer.abort(transaction.unwrap_or_else(|| panic!("the producer is lost: {error:?}")));
    }
    let receipt = steps::publish(h, &topic, "k", "v", Some(Timestamp(h.now().0 + HOUR / 2)));
    assert_eq!(steps::read_committed(h, &topic, 0)[0].offset, receipt.offset);
}

/// By the size it has when it arrives: what is too large may pass once it is compressed.
pub fn a_record_too_large_is_refused_unless_compressed<H: Harness>(h: &H) {
    let topic = steps::topic(h, "large", 1, &[("max.message.bytes", "20000")]);
    let value = vec![b'x'; 30_000];
    let mut outcomes = Vec::new();
    for compression in [Compression::None, Compression::Zstd] {
        let transactional_id = h.fresh_name("large");
        let transaction_timeout = std::time::Duration::from_secs(60);
        let mut writer = Writer::with(
            h,
            ProducerOptions { compression, ..ProducerOptions::new(transactional_id, transaction_timeout) },
        );
        let handle = writer.topic(&topic);
        let mut transaction = writer.begin();
        let outcome = deliver::<H>(h, &mut transaction, &steps::outgoing(handle, 0, Some(b"k"), Some(&value)));
        match outcome.is_ok() {
            true => writer.commit(transaction),
            false => writer.abort(transaction),
        }
        outcomes.push(outcome.map_err(|error| error.code).map(|_| ()));
    }
    assert_eq!(outcomes, [Err(Code::TooLarge), Ok(())]);
    let records = steps::read_committed(h, &topic, 0);
    assert_eq!((records.len(), records[0].value.as_deref()), (1, Some(&value[..])));
}

/// A topic's limit is for one batch; a transaction may well be larger.
pub fn a_transaction_larger_than_one_batch_is_stored<H: Harness>(h: &H) {
    let topic = steps::topic(h, "batches", 1, &[]);
    let mut writer = Writer::new(h, "batches");
    let handle = writer.topic(&topic);
    let value = vec![b'x'; 700_000];
    let mut transaction = writer.begin();
    for key in [b"a", b"b", b"c", b"d"] {
        steps::send(h, &mut transaction, &steps::outgoing(handle, 0, Some(key), Some(&value)));
    }
    steps::drain(h, &mut transaction);
    assert_eq!(transaction.flush(steps::LIMIT.wait).failed, 0);
    writer.commit(transaction);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["a", "b", "c", "d"]);
}

/// Every tracked record of a transaction is reported once, with its offset; an untracked one is not.
pub fn deliveries_carry_tags_and_offsets<H: Harness>(h: &H) {
    let topic = steps::topic(h, "deliveries", 1, &[]);
    let mut writer = Writer::new(h, "deliveries");
    let handle = writer.topic(&topic);
    let mut transaction = writer.begin();
    for tag in [7, flowgate::broker::UNTRACKED, 9] {
        let record = steps::outgoing(handle, 0, Some(b"k"), None);
        steps::insist(h, "a record is taken", || transaction.send(&record, tag));
    }
    steps::drain(h, &mut transaction);
    let offset = |delivered: Delivered| (delivered.tag, delivered.outcome.unwrap().offset);
    let mut deliveries: Vec<(u64, i64)> = transaction.deliveries().into_iter().map(offset).collect();
    deliveries.sort_unstable();
    assert_eq!(deliveries, [(7, 0), (9, 2)]);
    assert!(transaction.deliveries().is_empty());
    writer.commit(transaction);
    assert_eq!(steps::read_committed(h, &topic, 0).len(), 3);
}

/// A record for a topic that is not there is refused sooner or later, and its producer is none the worse for it.
pub fn a_record_for_an_unknown_topic_is_refused<H: Harness>(h: &H) {
    let topic = steps::topic(h, "known", 1, &[]);
    let mut writer = Writer::new(h, "unknown");
    let missing = h.fresh_name("missing");
    let handle = writer.producer().topic(&missing).unwrap();
    let known = writer.producer().leaders_known(&[handle]);
    assert!(!matches!(known, Ok(true)), "{known:?}");
    let mut transaction = writer.begin();
    let refused = deliver::<H>(h, &mut transaction, &steps::outgoing(handle, 0, Some(b"k"), None)).unwrap_err();
    assert_eq!(refused.code, Code::UnknownTopic, "{refused:?}");
    writer.abort(transaction);
    writer.write(&topic, 0, &["a"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &topic, 0)), ["a"]);
}

/// Where nobody names a partition, the Java client's choice holds: murmur2 of the key.
pub fn the_publisher_partitions_as_the_java_client_does<H: Harness>(h: &H) {
    let topic = steps::topic(h, "murmur2", 6, &[]);
    let rows = [("", 3), ("a", 4), ("abcd", 2), ("welcome", 1), ("win-back", 4), ("post-purchase", 0), ("流れ", 3)];
    for (key, expected) in rows {
        let record = Publication { partition: None, ..steps::publication(&topic, Some(key.as_bytes()), Some(b"v")) };
        let receipt = steps::try_publish(h, &record).unwrap();
        assert_eq!(receipt.partition, expected, "{key:?}");
    }
    let records = steps::read_to(h, &topic, 3, Isolation::ReadCommitted, 2);
    assert_eq!(steps::keys(&records), ["", "流れ"]);
}

/// Receipts come in the order of publishing, a refused record's among them.
pub fn the_publisher_answers_in_order<H: Harness>(h: &H) {
    use flowgate::broker::{Broker, Publisher};
    let topic = steps::topic(h, "receipts", 2, &[]);
    let mut publisher = h.broker().publisher().unwrap();
    let ahead = Some(Timestamp(h.now().0 + 86_400_000));
    for (partition, timestamp) in [(0, None), (1, ahead), (0, None)] {
        let record = steps::publication(&topic, Some(b"k"), Some(b"v"));
        let record = Publication { partition: Some(partition), timestamp, ..record };
        steps::insist(h, "a record is taken", || publisher.publish(&record));
    }
    let receipts = steps::insist(h, "flush answers", || publisher.flush(std::time::Duration::from_secs(10)));
    let outcomes: Vec<_> =
        receipts.into_iter().map(|receipt| receipt.map(|receipt| receipt.offset).map_err(|error| error.code)).collect();
    assert_eq!(outcomes, [Ok(0), Err(Code::InvalidTimestamp), Ok(1)]);
}

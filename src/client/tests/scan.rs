//! A scan finds what is there, in order, however it is cut into pages.

use std::time::Duration;

use proptest::prelude::*;

use crate::broker::memory::Memory;
use crate::broker::{Admin, Broker, Code, NewTopic, Publication, Publisher, Record};
use crate::client::meter::Meter;
use crate::client::scan::{Bound, First, Found, Progress, Scan};
use crate::time::Timestamp;

const TOPIC: &str = "letters";
const BEGIN: i64 = 1_750_000_000_000;
const WHOLE: Bound = Bound { records: 1_000_000, time: Duration::from_secs(30) };

/// A topic of three partitions that stamps its records, of which each is in a partition and so many milliseconds later than the
/// one before.
fn filled(records: &[(i32, u64)]) -> Memory {
    let memory = Memory::new(Timestamp(BEGIN));
    let config = [("message.timestamp.type".to_owned(), "LogAppendTime".to_owned())].into();
    let topic = NewTopic { name: TOPIC.into(), partitions: 3, replication_factor: None, config };
    memory.admin().unwrap().create_topics(&[topic]).unwrap();
    let mut publisher = memory.publisher().unwrap();
    let mut now = BEGIN;
    for (number, (partition, later)) in records.iter().enumerate() {
        now += i64::try_from(*later).unwrap();
        memory.advance_to(Timestamp(now));
        let value = number.to_string();
        let (partition, value) = (Some(*partition), Some(value.as_bytes()));
        publisher
            .publish(&Publication { topic: TOPIC, partition, timestamp: None, key: None, value, headers: &[] })
            .unwrap();
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    }
    memory
}

/// The number of a record, if it is to be found: all but multiples of three.
fn pick(record: &Record) -> Option<usize> {
    let number: usize = std::str::from_utf8(record.value.as_deref()?).ok()?.parse().ok()?;
    (!number.is_multiple_of(3)).then_some(number)
}

fn open(memory: &Memory, first: First, bound: Bound) -> Scan<Memory, usize> {
    Scan::open(memory, TOPIC, None, first, bound).unwrap()
}

fn all(scan: &mut Scan<Memory, usize>, most: usize) -> Vec<Found<usize>> {
    std::iter::from_fn(|| scan.next(pick).unwrap()).take(most).collect()
}

fn numbers(found: &[Found<usize>]) -> Vec<usize> {
    found.iter().map(|found| found.what).collect()
}

/// What a scan has to find: by time, then partition, then offset.
fn expected(records: &[(i32, u64)], first: First) -> Vec<usize> {
    let mut at = 0;
    let mut order: Vec<(u64, i32, usize)> = Vec::new();
    for (number, (partition, later)) in records.iter().enumerate() {
        at += later;
        order.push((at, *partition, number));
    }
    order.sort_unstable();
    if first == First::Newest {
        order.reverse();
    }
    order.into_iter().map(|(.., number)| number).filter(|number| !number.is_multiple_of(3)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pages_join_to_everything_in_order(
        records in prop::collection::vec((0..3_i32, 0..3_u64), 0..400),
        page in 1..60_usize,
        looked_at in 1..500_u64,
        newest in any::<bool>(),
    ) {
        let (memory, first) = (filled(&records), if newest { First::Newest } else { First::Oldest });
        let bound = Bound { records: looked_at.max(3), ..WHOLE };
        let (mut found, mut marks, mut pages) = (Vec::new(), None, 0);
        loop {
            let mut scan = open(&memory, first, bound);
            if let Some(marks) = &marks {
                scan.go_on_at(marks);
            }
            found.extend(numbers(&all(&mut scan, page)));
            let progress = scan.progress();
            prop_assert!(progress.scanned <= bound.records);
            prop_assert_eq!(progress.total, records.len() as u64);
            if progress.is_whole {
                break;
            }
            marks = Some(scan.marks());
            pages += 1;
            prop_assert!(pages <= records.len() + 1, "it does not come to an end");
        }
        prop_assert_eq!(found, expected(&records, first));
    }

    #[test]
    fn what_is_older_than_a_time_is_left_out(
        records in prop::collection::vec((0..3_i32, 0..3_u64), 1..100),
        since in 0..300_u64,
        newest in any::<bool>(),
    ) {
        let (memory, first) = (filled(&records), if newest { First::Newest } else { First::Oldest });
        let mut scan = open(&memory, first, WHOLE);
        scan.leave_out_until(Timestamp(BEGIN + i64::try_from(since).unwrap())).unwrap();
        let mut at = 0;
        let times: Vec<u64> = records.iter().map(|(_, later)| { at += later; at }).collect();
        let mut expected = expected(&records, first);
        expected.retain(|number| times[*number] >= since);
        prop_assert_eq!(numbers(&all(&mut scan, usize::MAX)), expected);
    }
}

#[test]
fn only_some_partitions_are_looked_through() {
    let memory = filled(&[(0, 1), (1, 1), (2, 1), (1, 1), (0, 1)]);
    let mut scan: Scan<Memory, usize> = Scan::open(&memory, TOPIC, Some(&[1, 2]), First::Newest, WHOLE).unwrap();
    assert_eq!(numbers(&all(&mut scan, 9)), [2, 1]);
    assert_eq!(scan.progress(), Progress { scanned: 3, total: 3, is_whole: true });
}

/// Goal: a meter says how much of what will be looked at has been, and nothing of what the bound leaves out.
#[test]
fn a_meter_is_told_how_far_a_scan_has_come() {
    let memory = filled(&[(0, 1); 5]);
    for first in [First::Oldest, First::Newest] {
        let meter = Meter::default();
        let told = || meter.part().map(|part| (part.what.to_string(), part.done, part.total));
        let bound = Bound { records: 4, ..WHOLE };
        let mut scan: Scan<Memory, usize> = Scan::open(&memory, TOPIC, Some(&[0]), first, bound).unwrap();
        scan.tell(&meter);
        assert_eq!(told(), Some((TOPIC.to_owned(), 0, 4)));
        all(&mut scan, 9);
        assert_eq!(told(), Some((TOPIC.to_owned(), 4, 4)));
        scan.hush();
        assert_eq!(told(), None);
    }
}

#[test]
fn what_lies_before_an_offset_is_left_out() {
    let memory = filled(&[(0, 1), (0, 1), (0, 1), (0, 1), (0, 1)]);
    for (first, expected) in [(First::Oldest, [2, 4]), (First::Newest, [4, 2])] {
        let mut scan: Scan<Memory, usize> = Scan::open(&memory, TOPIC, Some(&[0]), first, WHOLE).unwrap();
        scan.leave_out_before(2);
        assert_eq!(numbers(&all(&mut scan, 9)), expected);
        assert_eq!(scan.progress(), Progress { scanned: 3, total: 3, is_whole: true });
    }
}

#[test]
fn what_comes_after_it_was_opened_is_not_part_of_it() {
    for first in [First::Oldest, First::Newest] {
        let memory = filled(&[(0, 1), (0, 1)]);
        let mut scan = open(&memory, first, WHOLE);
        let mut publisher = memory.publisher().unwrap();
        let (partition, value) = (Some(0), Some(&b"100"[..]));
        publisher
            .publish(&Publication { topic: TOPIC, partition, timestamp: None, key: None, value, headers: &[] })
            .unwrap();
        publisher.flush(Duration::ZERO).unwrap();
        assert_eq!(numbers(&all(&mut scan, 9)), [1]);
    }
}

#[test]
fn a_topic_that_is_not_there_is_named() {
    let memory = Memory::new(Timestamp(BEGIN));
    let error = Scan::<Memory, usize>::open(&memory, TOPIC, None, First::Newest, WHOLE).err().unwrap();
    assert_eq!((error.code, error.detail.as_str()), (Code::UnknownTopic, "topic `letters` does not exist"));
}

#[test]
fn nothing_read_in_time_is_an_error_and_not_an_end() {
    let memory = filled(&[(0, 1)]);
    let mut scan = open(&memory, First::Newest, Bound { time: Duration::ZERO, ..WHOLE });
    let error = scan.next(pick).unwrap_err();
    assert_eq!(error.code, Code::TimedOut);
}

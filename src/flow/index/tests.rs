use proptest::prelude::*;

use super::super::{Kind, Watermark};
use super::*;

type Entry = (u64, Kind, String, bool);

fn entry(number: u64, kind: Kind, name: u64, latest: bool) -> Entry {
    (number, kind, name.to_string(), latest)
}

fn indexed((number, kind, record, latest): &Entry) -> Indexed<'_> {
    Indexed { number: *number, kind: *kind, record, latest: *latest }
}

/// The contract, word for word (docs/contract.md, "Which held events are replaced").
fn is_replaced(old: &Entry, all: &[Entry]) -> bool {
    all.iter()
        .any(|new| new.0 > old.0 && new.2 == old.2 && (new.1 == Kind::Withdraw || (new.1 == old.1 && new.3 && old.3)))
}

/// Reads a queue as a worker does for a flow that resumes, until the index is ready; how many times it began to.
fn rebuild(entries: &[Entry], watermark: u64, budget: usize, least: usize) -> (Index, usize) {
    let last = entries.last().map_or(0, |entry| entry.0);
    let mut index = Index::behind(&queue(watermark, last));
    for passes in 1..10_000 {
        for entry in entries.iter().filter(|entry| entry.0 > watermark) {
            let mut room = index.room_to_read(budget.saturating_sub(index.bytes()), least);
            match index.read(indexed(entry), last, &mut room) {
                Ok(Read::On) => {}
                Ok(Read::Again) => break,
                Ok(Read::Done) => return (index, passes),
                Err(Outgrown { .. }) => {
                    index.no_room_to_read(&queue(watermark, last), true);
                    break;
                }
            }
            assert!(index.bytes() <= budget.max(least + entries.len() / 8 + 8), "{} bytes", index.bytes());
        }
    }
    panic!("no end: {index:?}");
}

fn queue(watermark: u64, last: u64) -> Queue {
    let watermark = Watermark { entry: watermark, ..Watermark::default() };
    Queue { next_entry: last + 1, watermark, ..Queue::default() }
}

/// What a slice needs to go on.
const LEAST: usize = 256;

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let kind = prop_oneof![4 => Just(Kind::Enroll), 4 => Just(Kind::Advance), 1 => Just(Kind::Withdraw)];
    let one = (kind, 0..12_u64, any::<bool>(), 1..3_u64);
    prop::collection::vec(one, 1..80).prop_map(|all| {
        let mut number = 0;
        let numbered = all.into_iter().map(|(kind, name, latest, step)| {
            number += step;
            entry(number, kind, name, latest)
        });
        numbered.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_index_knows_what_replaced_what(all in entries(), from in 0..40_u64) {
        let mut index = Index::new(from);
        for entry in all.iter().filter(|entry| entry.0 >= from) {
            index.hold(indexed(entry), &mut { usize::MAX }).unwrap();
        }
        for entry in all.iter().filter(|entry| entry.0 >= from && entry.1 != Kind::Withdraw) {
            prop_assert_eq!(index.replaced(indexed(entry)), is_replaced(entry, &all), "{:?}", entry);
        }
        // What it says of older ones is true, if not all.
        for entry in all.iter().filter(|entry| entry.0 < from) {
            prop_assert!(!index.replaced(indexed(entry)) || is_replaced(entry, &all), "{:?}", entry);
        }
    }

    /// Whatever the budget is, and whatever is held behind the last entry that was there when the slices began.
    #[test]
    fn a_rebuilt_index_knows_what_replaced_what(all in entries(), behind in 0..40_u64, withdrawn in 0..12_u64) {
        let last = all.last().unwrap().0;
        let watermark = behind.min(last - 1);
        for budget in [0, 40, 80, 200, 400, 1_000, 100_000] {
            let (mut index, _) = rebuild(&all, watermark, budget, LEAST);
            let more = entry(last + 1, Kind::Withdraw, withdrawn, false);
            let mut room = index.room_to_hold(budget.saturating_sub(index.bytes()), LEAST);
            let fits = index.hold(indexed(&more), &mut room).is_ok();
            let seen: Vec<_> = all.iter().cloned().chain(fits.then_some(more)).collect();
            for entry in all.iter().filter(|entry| entry.0 > watermark && entry.1 != Kind::Withdraw) {
                prop_assert_eq!(index.replaced(indexed(entry)), is_replaced(entry, &seen), "{:?} {}", entry, budget);
            }
        }
    }
}

#[test]
fn the_kinds_of_one_record_are_different_keys_and_a_withdraw_takes_both() {
    let mut index = Index::new(1);
    let hold = |index: &mut Index, entry: &Entry| index.hold(indexed(entry), &mut { usize::MAX }).unwrap();
    let (enroll, advance) = (entry(1, Kind::Enroll, 7, true), entry(2, Kind::Advance, 7, true));
    hold(&mut index, &enroll);
    hold(&mut index, &advance);
    assert!(!index.replaced(indexed(&enroll)));
    hold(&mut index, &entry(3, Kind::Withdraw, 7, true));
    let later = entry(4, Kind::Enroll, 7, true);
    hold(&mut index, &later);
    assert!(index.replaced(indexed(&enroll)) && index.replaced(indexed(&advance)));
    assert!(!index.replaced(indexed(&later)));
}

/// A rebuild that is behind takes what is held from the topic, and each entry once.
#[test]
fn what_is_held_during_a_rebuild_comes_from_the_topic() {
    let all = [(1, 7), (2, 8), (3, 7), (4, 8), (5, 7)].map(|(number, name)| entry(number, Kind::Enroll, name, true));
    let mut room = usize::MAX;
    let mut index = Index::behind(&queue(0, 3));
    let read = |index: &mut Index, entry: &Entry, last| index.read(indexed(entry), last, &mut { usize::MAX }).unwrap();
    assert!(index.reads() && !index.is_ready());
    assert_eq!((read(&mut index, &all[0], 3), index.remaining(&queue(0, 3))), (Read::On, 2));
    // A fourth one is held meanwhile, and a fifth is in the topic before the worker knows that it is committed.
    index.hold(indexed(&all[3]), &mut room).unwrap();
    assert_eq!((read(&mut index, &all[1], 4), read(&mut index, &all[2], 4)), (Read::On, Read::On));
    assert_eq!((read(&mut index, &all[3], 4), index.remaining(&queue(0, 4))), (Read::Done, 0));
    assert_eq!(read(&mut index, &all[4], 4), Read::On);
    index.hold(indexed(&all[4]), &mut room).unwrap();
    assert_eq!(all.each_ref().map(|entry| index.replaced(indexed(entry))), [true, true, true, false, false]);
}

#[test]
fn what_is_put_off_is_made_when_the_flow_resumes() {
    let mut index = Index::new(1);
    index.hold(indexed(&entry(1, Kind::Enroll, 1, true)), &mut 100).unwrap();
    assert!(index.hold(indexed(&entry(2, Kind::Enroll, 1, true)), &mut 0).is_err());
    index.no_room_to_hold(&queue(0, 2), false);
    assert!(index.is_put_off() && !index.is_ready() && !index.reads());
    assert_eq!(index.bytes(), 0);
    index.hold(indexed(&entry(3, Kind::Enroll, 1, true)), &mut 0).unwrap();
    index.pause(&queue(0, 3));
    assert!(index.is_put_off());
    index.resume(&queue(0, 3));
    assert!(index.reads());
    index.no_room_to_read(&queue(0, 3), false);
    assert!(index.is_put_off());
    index.resume(&queue(0, 3));
    index.no_room_to_read(&queue(0, 3), true);
    assert!(index.is_slicing());
    index.pause(&queue(0, 3));
    assert!(index.reads() && !index.is_slicing());
}

/// P4: however many repeated records there are, it stays within its budget, and comes to its end soon enough.
#[test]
fn slices_stay_within_their_budget_and_are_few() {
    let all: Vec<_> = (1..=4_000).map(|n| entry(n, Kind::Enroll, n % 2_000, true)).collect();
    // An index of 2,000 repeated keys takes 4,096 places.
    for (budget, most) in [(256, 3_000), (2_000, 300), (20_000, 45), (200_000, 1)] {
        let (index, passes) = rebuild(&all, 0, budget, LEAST);
        assert!(passes <= most, "{passes} passes with room for {budget} bytes");
        assert!(all.iter().all(|entry| index.replaced(indexed(entry)) == (entry.0 <= 2_000)));
    }
}

#[test]
fn what_remains_of_slices_becomes_less() {
    let all: Vec<_> = (1..=1_000).map(|n| entry(n, Kind::Enroll, n % 500, true)).collect();
    let mut index = Index::behind(&queue(0, 1_000));
    index.no_room_to_read(&queue(0, 1_000), true);
    let mut before = u64::MAX;
    loop {
        let mut began_again = false;
        for entry in &all {
            match index.read(indexed(entry), 1_000, &mut index.room_to_read(0, 4_000)) {
                Ok(Read::On) => {}
                Ok(_) => break,
                Err(_) => {
                    index.no_room_to_read(&queue(0, 1_000), true);
                    began_again = true;
                    break;
                }
            }
        }
        assert!(
            began_again || index.remaining(&queue(0, 1_000)) < before,
            "{} after {before}",
            index.remaining(&queue(0, 1_000))
        );
        before = index.remaining(&queue(0, 1_000));
        if index.is_ready() {
            break;
        }
    }
    assert_eq!(before, 0);
}

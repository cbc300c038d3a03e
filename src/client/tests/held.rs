//! Queues that are written by hand: with gaps, tombstones and what nobody of ours has written.

use std::time::Duration;

use proptest::prelude::*;

use crate::broker::memory::Memory;
use crate::broker::{Admin, Broker, NewTopic, Publication, Publisher, Record};
use crate::client::held::{self, Fate, Missing, Page, Wanted};
use crate::client::meter::Meter;
use crate::client::scan::{Bound, First, Marks, Window};
use crate::flow::{
    Cause, Drain, Event, Flow, FlowId, Keep, Kind, NewRecords, OnExpiry, Pause, PerKind, Purge, Queue, RecordId,
    Release, State,
};
use crate::flow::{CommandId, Watermark};
use crate::schema::entry::{self, Mark};
use crate::time::Timestamp;

const TOPIC: &str = "flow.queue.welcome.1";
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const WHOLE: Bound = Bound { records: 1_000_000, time: Duration::from_secs(30) };

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// Of this record, `latest` or not.
    Enroll(u8, bool),
    Advance(u8, bool),
    Withdraw(u8),
    /// A number was given, and the cleaner has taken its entry: this stands nowhere.
    Cleaned,
    Tombstone,
    Foreign,
}

/// A paused flow of this queue.
fn filled(queue: &[Stands]) -> (Memory, Flow) {
    let memory = Memory::new(NOW);
    let topic = NewTopic { name: TOPIC.into(), partitions: 1, replication_factor: None, config: Default::default() };
    memory.admin().unwrap().create_topics(&[topic]).unwrap();
    let mut publisher = memory.publisher().unwrap();
    let mut flow = Flow::new(FlowId::new("welcome").unwrap(), NOW);
    for stands in queue {
        let of = |kind, record: u8, latest| Some((kind, format!("r{record}"), latest));
        let what = match *stands {
            Stands::Enroll(record, latest) => of(Kind::Enroll, record, latest),
            Stands::Advance(record, latest) => of(Kind::Advance, record, latest),
            Stands::Withdraw(record) => of(Kind::Withdraw, record, true),
            Stands::Cleaned => {
                flow.queue.next_entry += 1;
                continue;
            }
            Stands::Tombstone | Stands::Foreign => None,
        };
        let (key, value, headers) = match what {
            Some((kind, record, latest)) => {
                let (number, id) = (flow.queue.next_entry, flow.id.clone());
                flow.queue.next_entry += 1;
                let event = Event { flow: id, record: RecordId::new(&record).unwrap(), kind };
                let mark = Mark { number, enrolls: 0, advances: 0, latest, held_at: NOW, pause_id: "pause-1" };
                let written = entry::write(&event, &source(), &mark);
                (written.key, Some(&b"{}"[..]), written.headers)
            }
            None if *stands == Stands::Tombstone => (b"enroll::x".to_vec(), None, Vec::new()),
            None => (b"who knows".to_vec(), Some(&b"what"[..]), Vec::new()),
        };
        let (partition, key) = (Some(0), Some(&key[..]));
        publisher
            .publish(&Publication { topic: TOPIC, partition, timestamp: None, key, value, headers: &headers })
            .unwrap();
    }
    assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    flow.state = State::Paused(pause());
    flow.counts.queued = PerKind { enroll: flow.queue.last_entry(), advance: 0 };
    (flow.queue.number, flow.queue.topic) = (1, Some(TOPIC.to_owned()));
    (memory, flow)
}

fn pause() -> Pause {
    Pause {
        id: "pause-1".to_owned(),
        by_all: false,
        paused_at: NOW,
        resumes_at: NOW.after(Duration::from_secs(3600)),
        new_records: NewRecords::Queue,
        keep: Keep::Latest,
        on_expiry: OnExpiry::Resume,
        expiry_rate: None,
        by: "ops".to_owned(),
        reason: None,
        warned: None,
    }
}

fn source() -> Record {
    Record {
        topic: "flow.enrollments".into(),
        partition: 0,
        offset: 0,
        timestamp: NOW,
        key: None,
        value: None,
        headers: Vec::new(),
    }
}

fn window((first, limit): (First, usize), from: Option<Marks>, bound: Bound) -> Window {
    Window { first, limit, since: None, from, bound, meter: Meter::default() }
}

fn look(memory: &Memory, flow: &Flow, after: Option<u64>, order: (First, usize)) -> Page {
    held::look(memory, flow, &Wanted { after, ..Wanted::default() }, &window(order, None, WHOLE)).unwrap()
}

fn numbers(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.held.number).collect()
}

fn all(memory: &Memory, flow: &Flow) -> Vec<u64> {
    numbers(&look(memory, flow, None, (First::Oldest, usize::MAX)))
}

fn fates(memory: &Memory, flow: &Flow) -> Vec<Option<Fate>> {
    look(memory, flow, None, (First::Oldest, usize::MAX)).entries.iter().map(|entry| entry.fate).collect()
}

fn stands() -> impl Strategy<Value = Stands> {
    prop_oneof![
        4 => (0..9_u8, any::<bool>()).prop_map(|(record, latest)| Stands::Enroll(record, latest)),
        1 => (0..9_u8).prop_map(Stands::Withdraw),
        1 => Just(Stands::Cleaned),
        2 => Just(Stands::Tombstone),
        1 => Just(Stands::Foreign),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Goal: a page that begins behind a number has every entry behind it and nothing else, and reads nothing that lies
    /// before. Method: any queue, from any number on, both ways; the total is what lies from there to the end.
    #[test]
    fn a_page_begins_behind_a_number_and_reads_nothing_before(
        queue in prop::collection::vec(stands(), 1..120),
        after in 0..130_u64,
        before in 0..130_u64,
    ) {
        let (memory, flow) = filled(&queue);
        let all = all(&memory, &flow);
        let expected: Vec<u64> = all.iter().copied().filter(|number| *number > after).collect();
        let oldest = look(&memory, &flow, Some(after), (First::Oldest, usize::MAX));
        prop_assert_eq!(numbers(&oldest), expected.clone());
        let newest = look(&memory, &flow, Some(after), (First::Newest, usize::MAX));
        prop_assert_eq!(numbers(&newest), expected.iter().rev().copied().collect::<Vec<_>>());
        // What else stands behind the last entry that is left out is read with it.
        let mut next_entry = 0;
        let mut behind = 0;
        for stands in queue.iter() {
            match stands {
                Stands::Cleaned => next_entry += 1,
                Stands::Enroll(..) | Stands::Advance(..) | Stands::Withdraw(_) => {
                    next_entry += 1;
                    behind = if next_entry <= after { 0 } else { behind + 1 };
                }
                Stands::Tombstone | Stands::Foreign => behind += 1,
            }
        }
        prop_assert!(oldest.progress.total <= behind, "{} {behind}", oldest.progress.total);

        let marks = held::before(&memory, &flow, before, WHOLE).unwrap();
        let order = (First::Newest, usize::MAX);
        let page = held::look(&memory, &flow, &Wanted::default(), &window(order, Some(marks), WHOLE)).unwrap();
        prop_assert_eq!(numbers(&page), all.into_iter().rev().filter(|number| *number < before).collect::<Vec<_>>());
    }

    /// Goal: pages joined by their numbers are everything, each entry once, however little is looked through for each. (From the
    /// newest on that has to reach an entry: what has no number lies before none.)
    #[test]
    fn pages_join_by_their_numbers(
        queue in prop::collection::vec(stands(), 1..80),
        limit in 1..7_usize,
        records in 1..20_u64,
        newest in any::<bool>(),
    ) {
        let (memory, flow) = filled(&queue);
        let mut expected = all(&memory, &flow);
        let first = if newest { First::Newest } else { First::Oldest };
        if newest {
            expected.reverse();
        }
        let bare = |stands: &&[Stands]| matches!(stands[0], Stands::Tombstone | Stands::Foreign);
        let there: Vec<Stands> = queue.iter().copied().filter(|stands| *stands != Stands::Cleaned).collect();
        let is_bare = |stands: &Stands| matches!(stands, Stands::Tombstone | Stands::Foreign);
        let runs = there.chunk_by(|one, other| is_bare(one) == is_bare(other)).filter(bare);
        let longest = runs.map(|run| run.len() as u64).max().unwrap_or_default();
        let records = if newest { records + longest } else { records };
        let (mut found, mut at, bound) = (Vec::new(), None, Bound { records, ..WHOLE });
        for _ in 0..=queue.len() {
            let (mut marks, mut after) = (None, None);
            match (newest, at) {
                (true, Some(at)) => marks = Some(held::before(&memory, &flow, at, WHOLE).unwrap()),
                (false, at) => after = at,
                (true, None) => {}
            }
            let wanted = Wanted { after, ..Wanted::default() };
            let page = held::look(&memory, &flow, &wanted, &window((first, limit), marks.clone(), bound)).unwrap();
            found.extend(numbers(&page));
            match page.beyond {
                Some(beyond) => at = Some(beyond),
                None => break,
            }
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_fate_is_what_the_rules_give() {
    use Stands::{Advance, Enroll, Withdraw};
    let queue = [
        Enroll(1, true),
        Advance(1, true),
        Enroll(2, false),
        Enroll(3, true),
        Enroll(1, true),
        Enroll(2, true),
        Withdraw(3),
        Enroll(3, true),
        Enroll(3, false),
    ];
    let (memory, mut flow) = filled(&queue);
    let (gone, goes, removed) = (Some(Fate::Replaced), Some(Fate::Released), Some(Fate::Removed));
    assert_eq!(fates(&memory, &flow), [gone, goes, goes, gone, goes, goes, goes, goes]);
    let command = CommandId::new("purge-1").unwrap();
    flow.queue.purge_through = Some(Purge { entry: 5, command, removed: PerKind::default() });
    assert_eq!(fates(&memory, &flow), [gone, removed, removed, gone, removed, goes, goes, goes]);
    flow.queue.purge_through = None;
    // Of what is too old for the drain, what is replaced is replaced.
    let drain = Drain {
        command: None,
        cause: Cause::Resume,
        release: Release::All,
        max_rate: None,
        max_age: Some(Duration::from_secs(60)),
        as_of: NOW.after(Duration::from_secs(61)),
        through_entry: None,
    };
    flow.state = State::Resuming { pause: pause(), drain };
    assert_eq!(fates(&memory, &flow), [gone, removed, removed, gone, removed, removed, removed, removed]);
}

/// Goal: what is not read is not known, whatever a purge draws; and what is left of the bound is for the fates.
#[test]
fn without_the_rest_of_the_queue_no_fate_is_known() {
    let queue: Vec<Stands> = (0..100).map(|record| Stands::Enroll(record, true)).collect();
    let (memory, mut flow) = filled(&queue);
    let command = CommandId::new("purge-1").unwrap();
    flow.queue.purge_through = Some(Purge { entry: 9, command, removed: PerKind::default() });
    let look = |records| {
        let bound = Bound { records, ..WHOLE };
        held::look(&memory, &flow, &Wanted::default(), &window((First::Newest, 1), None, bound)).unwrap().entries[0]
            .fate
    };
    assert_eq!(look(1), Some(Fate::Released), "nothing stands behind the newest one");
    let oldest = |records| {
        let bound = Bound { records, ..WHOLE };
        let page = held::look(&memory, &flow, &Wanted::default(), &window((First::Oldest, 1), None, bound)).unwrap();
        (page.entries[0].fate, page.beyond)
    };
    assert_eq!(oldest(100), (None, Some(1)), "all of the bound was for finding it");
    assert_eq!(oldest(1_000), (Some(Fate::Removed), Some(1)));
}

#[test]
fn what_was_deleted_is_told() {
    let queue = [Stands::Enroll(1, true), Stands::Enroll(2, true), Stands::Enroll(3, true)];
    let (memory, mut flow) = filled(&queue);
    let look = |flow: &Flow| {
        let page = look(&memory, flow, None, (First::Oldest, 9));
        (numbers(&page), page.missing)
    };
    assert_eq!(look(&flow), (vec![1, 2, 3], None));
    memory.admin().unwrap().delete_records(&[(TOPIC.to_owned(), 1)]).unwrap().remove(0).unwrap();
    assert_eq!(look(&flow), (vec![2, 3], Some(Missing::Records)));
    flow.queue.watermark = Watermark { entry: 1, enrolls: 1, advances: 0, offset: 1 };
    assert_eq!(look(&flow), (vec![2, 3], None), "it had been passed");
    // The topic before this one is gone.
    flow.queue.watermark = Watermark { entry: 1, enrolls: 1, advances: 0, offset: Queue::NOWHERE };
    assert_eq!(look(&flow), (vec![2, 3], Some(Missing::Records)));
    memory.admin().unwrap().delete_topics(&[TOPIC.to_owned()]).unwrap().remove(0).unwrap();
    assert_eq!(look(&flow), (vec![], Some(Missing::Topic)));
    flow.queue.topic = None;
    assert_eq!(look(&flow), (vec![], Some(Missing::Topic)));
    flow.queue.watermark.entry = flow.queue.last_entry();
    assert_eq!(look(&flow), (vec![], None));
}

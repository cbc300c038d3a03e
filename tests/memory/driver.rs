//! The driver's side of the memory broker: time, silent members, faults, chores.

use std::time::Duration;

use flowgate::broker::memory::{Fault, Hook, Memory, Operation, Tombstones};
use flowgate::broker::{
    Action, Admin, Broker, Code, Commit, Error, Isolation, Member, MemberOptions, NewTopic, Polled, Producer, Reader,
    Transaction, UNTRACKED,
};

use crate::conformance::Harness;
use crate::conformance::steps::{self, Consumer, Writer};
use crate::{InMemory, start};

fn member(h: &InMemory, client_id: &str, group: &str, topic: &str) -> Consumer<<Memory as Broker>::Member> {
    let options = MemberOptions { client_id: client_id.to_owned(), ..h.member_options(group, topic) };
    Consumer::new(h.memory.member(&options).unwrap())
}

fn turns(consumers: &mut [&mut Consumer<<Memory as Broker>::Member>]) {
    for _ in 0..5 {
        for consumer in consumers.iter_mut() {
            consumer.turn();
        }
    }
}

/// A frozen process keeps what it has, and a newcomer waits, until its session ends by the broker's clock: to the
/// millisecond.
#[test]
fn a_frozen_member_is_waited_for_until_its_session_ends() {
    let h = start();
    let topic = steps::topic(&h, "frozen", 2, &[]);
    let (mut one, mut two) = (member(&h, "one", "g", &topic), member(&h, "two", "g", &topic));
    turns(&mut [&mut one, &mut two]);
    assert_eq!((one.assigned.len(), two.assigned.len()), (1, 1));
    let identity = one.member.group().unwrap();
    h.memory.freeze("one");
    let mut three = member(&h, "three", "g", &topic);
    h.pass(Duration::from_millis(5_999));
    turns(&mut [&mut two, &mut three]);
    assert_eq!((two.assigned.len(), three.changes), (1, 0), "nothing moves while the group waits");
    h.pass(Duration::from_millis(1));
    turns(&mut [&mut two, &mut three]);
    assert_eq!((two.assigned.len(), three.assigned.len()), (1, 1));

    h.memory.thaw("one");
    let mut writer = Writer::new(&h, "frozen");
    let mut transaction = writer.begin();
    let refused = transaction.send_offsets(&[steps::offset(&topic, 0, 1, "")], &identity).unwrap_err();
    assert_eq!((refused.action, refused.code), (Action::Abort, Code::StaleGeneration));
    one.turn();
    assert_eq!(one.revoked.last(), Some(&(0, true)));
    one.member.leave().unwrap();
}

#[test]
fn a_member_thawed_in_time_has_lost_nothing() {
    let h = start();
    let topic = steps::topic(&h, "thawed", 1, &[]);
    let mut one = member(&h, "one", "g", &topic);
    turns(&mut [&mut one]);
    h.memory.freeze("one");
    h.pass(Duration::from_secs(5));
    h.memory.thaw("one");
    h.pass(Duration::from_secs(5));
    turns(&mut [&mut one]);
    assert_eq!((one.assigned, one.revoked), (vec![0], vec![]));
}

/// A crashed member's partitions are free after its session, not before.
#[test]
fn a_crashed_member_is_noticed_after_its_session() {
    let h = start();
    let topic = steps::topic(&h, "crashed", 1, &[]);
    let mut one = member(&h, "one", "g", &topic);
    turns(&mut [&mut one]);
    drop(one);
    let mut two = member(&h, "two", "g", &topic);
    h.pass(Duration::from_millis(5_999));
    turns(&mut [&mut two]);
    assert_eq!(two.changes, 0);
    h.pass(Duration::from_millis(1));
    turns(&mut [&mut two]);
    assert_eq!(two.assigned, [0]);
}

/// A driver whose clock leaps may have transactions wait for as long as they take.
#[test]
fn a_transaction_that_is_kept_outlasts_its_time() {
    for keeps in [true, false] {
        let h = start();
        if keeps {
            h.memory.keep_transactions();
        }
        let topic = steps::topic(&h, "kept", 1, &[]);
        let transaction = Writer::new(&h, "kept").open(&topic, 0, &["a"]);
        h.pass(Duration::from_secs(1_000_000));
        assert_eq!(matches!(transaction.commit(), Commit::Done(_)), keeps);
        assert_eq!(steps::read_committed(&h, &topic, 0).len(), usize::from(keeps));
    }
}

/// An unknown commit: only what is read back says whether it holds, and it says so both ways.
#[test]
fn an_unknown_commit_is_told_by_the_offsets_metadata() {
    for happened in [true, false] {
        let h = start();
        let topic = steps::topic(&h, "unknown", 1, &[]);
        let mut consumer = steps::sole_member(&h, "g", &topic, 1);
        let mut writer = Writer::new(&h, "unknown");
        let mut transaction = writer.open(&topic, 0, &["a"]);
        let group = consumer.member.group().unwrap();
        transaction.send_offsets(&[steps::offset(&topic, 0, 1, "turn-1")], &group).unwrap();
        h.memory.fail_next(Operation::Commit, Fault::CommitUnknown { happened });
        assert!(matches!(transaction.commit(), Commit::Unknown(_)));
        if !happened {
            let error = consumer.member.committed(&[0], Duration::ZERO).unwrap_err();
            assert_eq!(error.action, Action::Retry, "still pending");
        }
        Writer::with(&h, writer.options.clone());
        let found = consumer.member.committed(&[0], Duration::ZERO).unwrap().remove(0);
        assert_eq!(found.map(|committed| committed.metadata), happened.then(|| "turn-1".to_owned()));
        assert_eq!(steps::read_committed(&h, &topic, 0).len(), usize::from(happened));
    }
}

/// The answer comes before the markers: readers still stand at the old stable offset.
#[test]
fn markers_may_lag_behind_the_answer() {
    let h = start();
    let topic = steps::topic(&h, "lag", 1, &[]);
    let mut consumer = steps::sole_member(&h, "g", &topic, 1);
    let mut writer = Writer::new(&h, "lag");
    let mut transaction = writer.open(&topic, 0, &["a"]);
    transaction.send_offsets(&[steps::offset(&topic, 0, 1, "turn-1")], &consumer.member.group().unwrap()).unwrap();
    h.memory.fail_next(Operation::Commit, Fault::MarkersLag);
    writer.commit(transaction);
    assert_eq!(h.memory.watermarks(&topic, 0, Isolation::ReadCommitted).unwrap().end, 0);
    assert_eq!(consumer.member.committed(&[0], Duration::ZERO).unwrap_err().code, Code::Busy);
    assert_eq!(h.memory.producer(&writer.options).err().map(|error| error.action), Some(Action::Retry));
    h.memory.release_markers(Some(&writer.options.transactional_id));
    assert_eq!(h.memory.watermarks(&topic, 0, Isolation::ReadCommitted).unwrap().end, 2);
    assert_eq!(h.memory.committed("g", &topic, 0).map(|committed| committed.metadata), Some("turn-1".to_owned()));
    h.memory.forget_offsets("g");
    assert_eq!(consumer.member.committed(&[0], Duration::ZERO).unwrap(), [None]);
}

/// A hook sees each call with what it is about, and can refuse one topic of a request.
#[test]
fn a_hook_can_refuse_one_topic() {
    let h = start();
    let refused = Error::new(Action::Retry, Code::Denied, "not this one");
    let answer = refused.clone();
    let hook: Hook = Box::new(move |call| {
        let hit = call.operation == Operation::CreateTopics && call.subject == "b";
        hit.then(|| Fault::Fail(answer.clone()))
    });
    h.memory.set_fault_hook(Some(hook));
    let new = |name: &str| NewTopic {
        name: name.to_owned(),
        partitions: 1,
        replication_factor: None,
        config: Default::default(),
    };
    let request = ["a", "b", "c"].map(new);
    let mut admin = h.memory.admin().unwrap();
    assert_eq!(admin.create_topics(&request).unwrap(), [Ok(()), Err(refused), Ok(())]);
    h.memory.set_fault_hook(None);
    assert_eq!(admin.create_topics(&request[1..2]).unwrap(), [Ok(())]);

    let mut reader = h.memory.reader(Isolation::ReadCommitted).unwrap();
    let fault = Error::new(Action::Retry, Code::TimedOut, "once");
    h.memory.fail_next(Operation::ReaderPoll, Fault::Fail(fault.clone()));
    assert_eq!(reader.poll(steps::LIMIT, &mut Vec::new()).unwrap_err(), fault);
    assert!(matches!(reader.poll(steps::LIMIT, &mut Vec::new()), Ok(Polled::Records)));
}

/// The cleaner goes as far as it is told and no farther.
#[test]
fn compaction_goes_up_to_an_offset() {
    let h = start();
    let topic = steps::topic(&h, "upto", 1, &[("cleanup.policy", "compact")]);
    for _ in 0..4 {
        steps::publish(&h, &topic, "a", "v", None);
    }
    let offsets = |memory: &Memory| -> Vec<i64> {
        let records = memory.dump(&topic, 0, Isolation::ReadUncommitted).unwrap();
        records.iter().map(|record| record.offset).collect()
    };
    assert_eq!(h.memory.compact(&topic, 0, 2, Tombstones::Keep), Ok(1));
    assert_eq!(offsets(&h.memory), [1, 2, 3]);
    assert_eq!(h.memory.compact(&topic, 0, i64::MAX, Tombstones::Remove), Ok(1));
    assert_eq!(offsets(&h.memory), [2, 3], "the newest of the log is never touched");
}

/// A million records in, in transactions of a thousand, and out again, in a fraction of what a schedule may take.
/// Prints how long; asserts only what cannot depend on the machine.
#[test]
fn a_million_records_pass_through() {
    let h = start();
    let topic = steps::topic(&h, "million", 4, &[]);
    let started = std::time::Instant::now();
    let mut writer = Writer::new(&h, "million");
    let handle = writer.topic(&topic);
    let mut producer = Some(h.memory.producer(&writer.options).unwrap());
    let handle = producer.as_mut().map_or(handle, |producer| producer.topic(&topic).unwrap());
    let value = [7; 200];
    for batch in 0..1000_u64 {
        let mut transaction = producer.take().unwrap().begin().map_err(|(_, error)| error).unwrap();
        for record in 0..1000_u64 {
            let key = (batch * 1000 + record).to_be_bytes();
            let partition = i32::try_from(record % 4).unwrap();
            transaction.send(&steps::outgoing(handle, partition, Some(&key), Some(&value)), UNTRACKED).unwrap();
        }
        match transaction.commit() {
            Commit::Done(done) => producer = Some(done),
            _ => panic!("not committed"),
        }
    }
    let written = started.elapsed();
    let mut reader = h.memory.reader(Isolation::ReadCommitted).unwrap();
    for partition in 0..4 {
        reader.assign(&topic, partition, 0).unwrap();
    }
    let (mut count, mut records) = (0, Vec::new());
    while count < 1_000_000 {
        reader.poll(steps::LIMIT, &mut records).unwrap();
        assert!(!records.is_empty(), "read {count} only");
        count += records.len();
        records.clear();
    }
    println!("a million records: {written:?} in, {:?} in and out", started.elapsed());
    assert_eq!(count, 1_000_000);
    for partition in 0..4 {
        assert_eq!(reader.position(&topic, partition).unwrap(), Some(251_000));
    }
}

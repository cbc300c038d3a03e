//! Members of a group: who gets which partitions, and what is read of them.

use std::collections::BTreeSet;

use flowgate::broker::{Broker, Code, Isolation, Member, Polled, Reader};

use super::Harness;
use super::steps::{self, Consumer, MemberOf, Writer};

fn join<H: Harness>(h: &H, group: &str, topic: &str) -> Consumer<MemberOf<H>> {
    Consumer::new(h.broker().member(&h.member_options(group, topic)).unwrap())
}

/// Turns both until they have so many partitions each.
fn share<H: Harness>(
    h: &H,
    first: &mut Consumer<MemberOf<H>>,
    second: &mut Consumer<MemberOf<H>>,
    (of_first, of_second): (usize, usize),
) {
    h.eventually("the partitions are shared", || {
        first.turn();
        second.turn();
        (first.assigned.len() == of_first && second.assigned.len() == of_second).then_some(())
    });
    let mut all: Vec<i32> = first.assigned.iter().chain(&second.assigned).copied().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), of_first + of_second, "a partition has two owners");
}

/// The cooperative protocol: what the first member keeps is never revoked, and goes on being delivered.
pub fn a_join_moves_no_more_than_it_must<H: Harness>(h: &H) {
    let topic = steps::topic(h, "join", 4, &[]);
    let group = h.fresh_name("join");
    let mut first = steps::sole_member(h, &group, &topic, 4);
    for partition in 0..4 {
        steps::insist(h, "fetch_from answers", || first.member.fetch_from(partition, 0));
    }
    let mut second = join(h, &group, &topic);
    share(h, &mut first, &mut second, (2, 2));
    let revoked: BTreeSet<(i32, bool)> = first.revoked.iter().copied().collect();
    let moved: BTreeSet<(i32, bool)> = second.assigned.iter().map(|&partition| (partition, false)).collect();
    assert_eq!((revoked, first.revoked.len()), (moved, 2), "kept partitions were revoked");
    assert_eq!(second.revoked, []);

    let kept = first.assigned[0];
    Writer::new(h, "join").write(&topic, kept, &["a"]);
    h.eventually("a kept partition is still read, without being told again", || {
        first.turn();
        second.turn();
        (!first.records.is_empty()).then_some(())
    });
    assert_eq!((first.records[0].partition, second.records.len()), (kept, 0));
}

/// Balance takes one partition from each of two members; sticky means that it takes nothing else from them.
pub fn a_third_member_takes_one_partition_of_each<H: Harness>(h: &H) {
    let topic = steps::topic(h, "third", 6, &[]);
    let group = h.fresh_name("third");
    let mut first = steps::sole_member(h, &group, &topic, 6);
    let mut second = join(h, &group, &topic);
    share(h, &mut first, &mut second, (3, 3));
    let before = (first.revoked.len(), second.revoked.len());
    let mut third = join(h, &group, &topic);
    h.eventually("each has two partitions", || {
        for member in [&mut first, &mut second, &mut third] {
            member.turn();
        }
        [&first, &second, &third].iter().all(|member| member.assigned.len() == 2).then_some(())
    });
    assert_eq!((first.revoked.len(), second.revoked.len()), (before.0 + 1, before.1 + 1));
    assert_eq!(third.revoked, []);
}

/// Nobody gets a partition before its owner has acknowledged that it is to be given up.
pub fn a_partition_moves_only_after_its_owner_acknowledged<H: Harness>(h: &H) {
    let topic = steps::topic(h, "handover", 2, &[]);
    let group = h.fresh_name("handover");
    let mut first = steps::sole_member(h, &group, &topic, 2);
    let mut second = join(h, &group, &topic);
    let mut records = Vec::new();
    h.eventually("a partition is to be given up", || {
        second.turn();
        match steps::settled(first.member.poll(steps::LIMIT, &mut records))?.unwrap() {
            Polled::Revoked { partitions, lost: false } => Some(partitions),
            Polled::Assigned(new) => {
                assert!(new.is_empty(), "{new:?}");
                first.member.acknowledge().unwrap();
                None
            }
            Polled::Records => None,
            other => panic!("{other:?}"),
        }
    });
    for _ in 0..10 {
        second.turn();
        assert!(second.assigned.is_empty(), "it was not acknowledged yet");
        // Meanwhile the old owner lives and is told nothing more.
        assert!(matches!(first.member.poll(steps::LIMIT, &mut records), Ok(Polled::Records)));
    }
    first.member.acknowledge().unwrap();
    h.eventually("the newcomer gets its partition", || {
        first.turn();
        second.turn();
        (second.assigned.len() == 1).then_some(())
    });
}

pub fn a_leave_gives_the_partitions_to_the_others<H: Harness>(h: &H) {
    let topic = steps::topic(h, "leave", 4, &[]);
    let group = h.fresh_name("leave");
    let mut first = steps::sole_member(h, &group, &topic, 4);
    let mut second = join(h, &group, &topic);
    share(h, &mut first, &mut second, (2, 2));
    let revoked = second.revoked.len();
    first.member.leave().unwrap();
    h.eventually("who stays has all partitions", || {
        second.turn();
        (second.assigned.len() == 4).then_some(())
    });
    assert_eq!(second.revoked.len(), revoked, "what it had was revoked");
}

/// A member that does not poll is lost: the others get its partitions, its offsets are refused, and it learns of it at
/// its next poll and may join again.
pub fn a_lost_member_is_replaced_and_fenced<H: Harness>(h: &H) {
    let topic = steps::topic(h, "lost", 2, &[]);
    let group = h.fresh_name("lost");
    let mut options = h.member_options(&group, &topic);
    options.max_poll_interval = options.session_timeout;
    let mut first = Consumer::new(h.broker().member(&options).unwrap());
    let mut second = join(h, &group, &topic);
    share(h, &mut first, &mut second, (1, 1));
    let identity = first.member.group().unwrap();
    let held = first.assigned.clone();
    let revoked = first.revoked.len();

    h.eventually("the other member has all partitions", || {
        second.turn();
        (second.assigned.len() == 2).then_some(())
    });
    let mut writer = Writer::new(h, "lost");
    let mut transaction = writer.open(&topic, held[0], &["zombie"]);
    let offsets = [steps::offset(&topic, held[0], 1, "zombie")];
    let refused = steps::send_offsets(h, &mut transaction, &offsets, &identity).unwrap_err();
    assert_eq!(refused.code, Code::StaleGeneration, "{refused:?}");
    writer.abort(transaction);
    assert_eq!(steps::committed(h, &mut second.member, &held), [None]);

    h.eventually("the lost member is back", || {
        first.turn();
        second.turn();
        (first.revoked.len() > revoked && first.assigned.len() == 1 && second.assigned.len() == 1).then_some(())
    });
    assert_eq!(first.revoked[revoked..], [(held[0], true)]);
}

/// A member that is dropped leaves its partitions to the others, sooner or later.
pub fn a_dropped_member_is_replaced<H: Harness>(h: &H) {
    let topic = steps::topic(h, "dropped", 2, &[]);
    let group = h.fresh_name("dropped");
    let first = steps::sole_member(h, &group, &topic, 2);
    drop(first);
    steps::sole_member(h, &group, &topic, 2);
}

/// A member belongs to its group from its first assignment on, until it leaves or its time is over; it is asked for at the
/// group, so that a member which has not polled since knows it too.
pub fn a_member_belongs_while_the_group_counts_on_it<H: Harness>(h: &H) {
    let topic = steps::topic(h, "belongs", 2, &[]);
    let group = h.fresh_name("belongs");
    let mut options = h.member_options(&group, &topic);
    options.max_poll_interval = options.session_timeout;
    let mut first = Consumer::new(h.broker().member(&options).unwrap());
    assert!(!belongs(h, &mut first), "not assigned yet");
    let mut second = join(h, &group, &topic);
    share(h, &mut first, &mut second, (1, 1));
    assert!(belongs(h, &mut first));

    h.eventually("the other member has all partitions", || {
        second.turn();
        (second.assigned.len() == 2).then_some(())
    });
    assert!(!belongs(h, &mut first), "its time is over");
    assert!(belongs(h, &mut second));

    let (revoked, changes) = (first.revoked.len(), second.changes);
    h.eventually("the lost member is back", || {
        first.turn();
        second.turn();
        (first.revoked.len() > revoked && first.assigned.len() == 1 && second.changes > changes).then_some(())
    });
    assert!(belongs(h, &mut first), "it is back");
}

/// A member of the same client id is told of, as long as it lives; one that this process has dropped is not. (A client
/// that cannot tell says so.)
pub fn a_namesake_is_a_member_of_another_process<H: Harness>(h: &H) {
    let topic = steps::topic(h, "namesake", 2, &[]);
    let group = h.fresh_name("namesake");
    let options = h.member_options(&group, &topic);
    let mut first = Consumer::new(h.broker().member(&options).unwrap());
    let mut second = Consumer::new(h.broker().member(&options).unwrap());
    let mut third = join(h, &group, &topic);
    h.eventually("two have a partition each", || {
        first.turn();
        second.turn();
        third.turn();
        (first.assigned.len() + second.assigned.len() + third.assigned.len() == 2
            && third.changes > 0
            && first.changes > 0
            && second.changes > 0)
            .then_some(())
    });
    let standing = steps::insist(h, "standing answers", || first.member.standing());
    assert!(standing.belongs && standing.namesake != Some(false), "{standing:?}");
    drop(second);
    let standing = steps::insist(h, "standing answers", || first.member.standing());
    assert!(standing.belongs && standing.namesake != Some(true), "{standing:?}");
    let standing = steps::insist(h, "standing answers", || third.member.standing());
    assert!(standing.belongs && standing.namesake != Some(true), "it has a name of its own: {standing:?}");
}

fn belongs<H: Harness>(h: &H, consumer: &mut Consumer<MemberOf<H>>) -> bool {
    let standing = steps::insist(h, "standing answers", || consumer.member.standing());
    assert_ne!(standing.namesake, Some(true), "nobody else has its name");
    standing.belongs
}

/// What is assigned stays idle until it is given a position; from there it is read, also backwards, until it is paused.
pub fn a_member_reads_from_where_it_is_told<H: Harness>(h: &H) {
    let topic = steps::topic(h, "fetch", 2, &[]);
    let mut writer = Writer::new(h, "fetch");
    writer.write(&topic, 0, &["a", "b", "c"]);
    writer.write(&topic, 1, &["x"]);
    steps::settle(h, &topic, 0);
    steps::settle(h, &topic, 1);
    let mut consumer = steps::sole_member(h, &h.fresh_name("fetch"), &topic, 2);
    let read = |consumer: &mut Consumer<MemberOf<H>>, from: &[(i32, i64)], last: &str| {
        consumer.records.clear();
        for &(partition, offset) in from {
            steps::insist(h, "fetch_from answers", || consumer.member.fetch_from(partition, offset));
        }
        h.eventually("records are read", || {
            consumer.turn();
            steps::keys(&consumer.records).iter().any(|key| key == last).then_some(())
        });
        steps::keys(&consumer.records)
    };
    assert_eq!(read(&mut consumer, &[(0, 1)], "c"), ["b", "c"], "partition 1 was idle");
    assert_eq!(read(&mut consumer, &[(0, 0)], "c"), ["a", "b", "c"]);

    consumer.member.pause(0).unwrap();
    writer.write(&topic, 0, &["d"]);
    steps::settle(h, &topic, 0);
    assert_eq!(read(&mut consumer, &[(1, 0)], "x"), ["x"], "partition 0 was paused");
    assert_eq!(consumer.assigned, [0, 1]);
    assert_eq!(read(&mut consumer, &[(0, 2)], "d"), ["c", "d"]);
}

/// A position above the end or below the low watermark is reported with the low watermark, and reading stops there.
pub fn a_position_outside_the_log_is_reported<H: Harness>(h: &H) {
    let config = [("cleanup.policy", "compact,delete"), ("retention.ms", "-1")];
    let topic = steps::topic(h, "range", 1, &config);
    let mut writer = Writer::new(h, "range");
    writer.write(&topic, 0, &["a", "b", "c"]);
    steps::settle(h, &topic, 0);
    steps::delete_records(h, &topic, 2).unwrap();
    let mut consumer = steps::sole_member(h, &h.fresh_name("range"), &topic, 1);
    let mut reader = steps::reader(h, Isolation::ReadCommitted);
    let mut records = Vec::new();
    for position in [0, 100] {
        steps::insist(h, "fetch_from answers", || consumer.member.fetch_from(0, position));
        let low = h.eventually("a member is told that its position is outside the log", || {
            out_of_range(steps::settled(consumer.member.poll(steps::LIMIT, &mut records))?.unwrap())
        });
        assert_eq!((low, records.len()), (2, 0), "at {position}");
        reader.assign(&topic, 0, position).unwrap();
        let low = h.eventually("a reader is told that its position is outside the log", || {
            out_of_range(steps::settled(reader.poll(steps::LIMIT, &mut records))?.unwrap())
        });
        assert_eq!((low, records.len()), (2, 0), "at {position}");
    }
    steps::insist(h, "fetch_from answers", || consumer.member.fetch_from(0, 2));
    h.eventually("reading goes on from a position in the log", || {
        consumer.turn();
        (!consumer.records.is_empty()).then_some(())
    });
    assert_eq!(steps::keys(&consumer.records), ["c"]);
}

fn out_of_range(polled: Polled) -> Option<i64> {
    match polled {
        Polled::OutOfRange { partition, low, .. } => {
            assert_eq!(partition, 0);
            Some(low)
        }
        Polled::Records => None,
        other => panic!("{other:?}"),
    }
}

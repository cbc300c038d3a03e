//! Static members: whose place in a group is kept under a name while they are away.

use std::time::Duration;

use flowgate::broker::{Action, Broker, Code, Error, Member, MemberOptions, Polled};

use super::Harness;
use super::steps::{self, Consumer, LIMIT, MemberOf, Writer};

fn options<H: Harness>(h: &H, group: &str, topic: &str) -> MemberOptions {
    let instance_id = Some(h.fresh_name("place"));
    MemberOptions { instance_id, ..h.member_options(group, topic) }
}

fn join<H: Harness>(h: &H, options: &MemberOptions) -> Consumer<MemberOf<H>> {
    Consumer::new(h.broker().member(options).unwrap())
}

/// Turns both until they have two partitions each and nothing more is to come for either.
fn share<H: Harness>(h: &H, one: &mut Consumer<MemberOf<H>>, other: &mut Consumer<MemberOf<H>>) {
    let mut quiet = 0;
    h.eventually("the partitions are shared", || {
        let before = one.changes + other.changes;
        one.turn();
        other.turn();
        let shared = one.assigned.len() == 2 && other.assigned.len() == 2;
        quiet = if shared && one.changes + other.changes == before { quiet + 1 } else { 0 };
        (quiet > 20).then_some(())
    });
}

/// Turns the one that came back until it has its partitions; the other one is turned too, and told nothing.
fn comes_back<H: Harness>(
    h: &H,
    options: &MemberOptions,
    had: &[i32],
    other: &mut Consumer<MemberOf<H>>,
) -> Consumer<MemberOf<H>> {
    let (began, changes) = (h.now(), other.changes);
    let mut back = join(h, options);
    h.eventually("it has its partitions again", || {
        back.turn();
        other.turn();
        (back.assigned == had).then_some(())
    });
    let took = h.now().since(began);
    assert!(took < options.session_timeout / 2, "that was a session's end: {took:?}");
    assert_eq!(other.changes, changes, "the others were moved");
    back
}

/// A static member that died and comes again has what it had at once, and nobody else is told anything.
pub fn a_static_member_that_died_comes_back_at_once<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-died", 4, &[]);
    let group = h.fresh_name("place-died");
    let (one, other) = (options(h, &group, &topic), options(h, &group, &topic));
    let (mut first, mut second) = (join(h, &one), join(h, &other));
    share(h, &mut first, &mut second);
    let had = first.assigned.clone();
    drop(first);
    let mut back = comes_back(h, &one, &had, &mut second);
    let mut writer = Writer::new(h, "place-died");
    let mut transaction = writer.begin();
    let offsets = [steps::offset(&topic, had[0], 7, "back")];
    steps::send_offsets(h, &mut transaction, &offsets, &back.member.group().unwrap()).unwrap();
    writer.commit(transaction);
    let committed = steps::committed(h, &mut back.member, &[had[0]]);
    assert_eq!(committed[0].as_ref().map(|committed| committed.offset), Some(7));
}

/// Leaving in good order keeps the place as well.
pub fn a_static_member_that_left_comes_back_at_once<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-left", 4, &[]);
    let group = h.fresh_name("place-left");
    let (one, other) = (options(h, &group, &topic), options(h, &group, &topic));
    let (mut first, mut second) = (join(h, &one), join(h, &other));
    share(h, &mut first, &mut second);
    let had = first.assigned.clone();
    first.member.leave().unwrap();
    comes_back(h, &one, &had, &mut second);
}

/// The price: who leaves for good is missed only when its session ends. A member of no name is missed at once.
pub fn a_static_member_that_left_for_good_is_missed_after_its_session<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-good", 4, &[]);
    let group = h.fresh_name("place-good");
    let (one, other) = (options(h, &group, &topic), options(h, &group, &topic));
    let (mut first, mut second) = (join(h, &one), join(h, &other));
    share(h, &mut first, &mut second);
    first.member.leave().unwrap();
    let left = h.now();
    h.eventually("who stays has all partitions", || {
        second.turn();
        (second.assigned.len() == 4).then_some(())
    });
    // Its last heartbeat may have been a third of a session before.
    let took = h.now().since(left);
    assert!(took >= one.session_timeout / 2, "nobody waited for it: {took:?}");
}

/// A newcomer waits for a dead member's session to end; one that comes back instead ends the wait.
pub fn a_newcomer_waits_for_a_place_no_longer_than_that_is_empty<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-waited", 2, &[]);
    let group = h.fresh_name("place-waited");
    let one = options(h, &group, &topic);
    let first = steps::sole(h, &one, 2);
    drop(first);
    let mut newcomer = join(h, &h.member_options(&group, &topic));
    for _ in 0..10 {
        newcomer.turn();
        h.pass(Duration::from_millis(50));
    }
    assert_eq!(newcomer.changes, 0, "the dead member is waited for");
    let began = h.now();
    let mut back = join(h, &one);
    h.eventually("each has a partition", || {
        back.turn();
        newcomer.turn();
        (back.assigned.len() == 1 && newcomer.assigned.len() == 1).then_some(())
    });
    let took = h.now().since(began);
    assert!(took < one.session_timeout * 3 / 4, "that was a session's end: {took:?}");
}

/// Who has the same name comes later and takes the place: the earlier one is told at its next calls, for good, and what it
/// sends in a transaction is refused.
pub fn a_static_member_is_fenced_by_its_successor<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-fenced", 2, &[]);
    let group = h.fresh_name("place-fenced");
    let one = options(h, &group, &topic);
    let mut first = steps::sole(h, &one, 2);
    let identity = first.member.group().unwrap();
    let mut second = join(h, &one);
    h.eventually("the successor has every partition", || {
        second.turn();
        (second.assigned.len() == 2).then_some(())
    });
    let mut writer = Writer::new(h, "place-fenced");
    let offsets = [steps::offset(&topic, 0, 3, "first")];
    let mut transaction = writer.begin();
    let refused = steps::send_offsets(h, &mut transaction, &offsets, &identity).unwrap_err();
    assert_eq!((refused.action, refused.code), (Action::Abort, Code::StaleGeneration), "{refused:?}");
    writer.abort(transaction);
    let fenced = h.eventually("the earlier one is told", || {
        second.turn();
        first.member.poll(LIMIT, &mut first.records).err().filter(|error| error.action != Action::Retry)
    });
    assert_eq!((fenced.action, fenced.code), (Action::Rebuild, Code::InstanceFenced), "{fenced:?}");
    let again = [first.member.poll(LIMIT, &mut first.records).err(), first.member.standing().err()];
    for error in again {
        assert!(matches!(error, Some(Error { code: Code::InstanceFenced, .. })), "{error:?}");
    }
    // The successor goes on, also when the other one goes.
    drop(first);
    let offsets = [steps::offset(&topic, 0, 5, "second")];
    let mut transaction = writer.begin();
    steps::send_offsets(h, &mut transaction, &offsets, &second.member.group().unwrap()).unwrap();
    writer.commit(transaction);
    assert!(second.revoked.is_empty() && second.member.standing().unwrap().belongs);
}

/// A fenced member that joins again under its name takes the place back, from a living one too.
pub fn a_place_can_be_taken_back<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-back", 2, &[]);
    let group = h.fresh_name("place-back");
    let one = options(h, &group, &topic);
    let mut first = steps::sole(h, &one, 2);
    for _ in 0..3 {
        let mut next = join(h, &one);
        h.eventually("the next one has every partition, and the one before is told", || {
            next.turn();
            let fenced = first.member.poll(LIMIT, &mut first.records).is_err_and(|error| error.action != Action::Retry);
            (fenced && next.assigned.len() == 2).then_some(())
        });
        first = next;
    }
}

/// A static member that does not poll loses its place, and is back when it polls again.
pub fn a_lost_static_member_comes_back<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-lost", 4, &[]);
    let group = h.fresh_name("place-lost");
    let mut one = options(h, &group, &topic);
    one.max_poll_interval = one.session_timeout;
    let other = options(h, &group, &topic);
    let (mut first, mut second) = (join(h, &one), join(h, &other));
    share(h, &mut first, &mut second);
    h.eventually("the other member has all partitions", || {
        second.turn();
        (second.assigned.len() == 4).then_some(())
    });
    h.eventually("the lost member is back", || {
        // Its client may find itself refused while it gives its partitions up: then another one takes its place.
        match first.member.poll(LIMIT, &mut first.records) {
            Err(Error { action: Action::Rebuild, code, .. }) => {
                assert_eq!(code, Code::StaleGeneration);
                first = join(h, &one);
            }
            Ok(Polled::Revoked { partitions, lost }) => {
                assert!(lost);
                first.assigned.retain(|partition| !partitions.contains(partition));
                first.member.acknowledge().unwrap();
            }
            Ok(Polled::Assigned(partitions)) => {
                first.assigned.extend(partitions);
                first.member.acknowledge().unwrap();
            }
            _ => {}
        }
        second.turn();
        (first.assigned.len() == 2 && second.assigned.len() == 2).then_some(())
    });
}

/// A static member dies that was told to give a partition up, and comes back without it: nobody has that one, until some
/// member comes or goes, of whatever topic.
pub fn what_was_to_be_given_up_comes_to_nobody_before_the_group_looks<H: Harness>(h: &H) {
    let topic = steps::topic(h, "place-orphan", 2, &[]);
    let other_topic = steps::topic(h, "place-knock", 1, &[]);
    let group = h.fresh_name("place-orphan");
    let one = options(h, &group, &topic);
    let mut first = steps::sole(h, &one, 2);
    let mut second = join(h, &options(h, &group, &topic));
    h.eventually("a partition is to be given up", || {
        second.turn();
        match steps::settled(first.member.poll(LIMIT, &mut first.records))?.unwrap() {
            Polled::Revoked { .. } => Some(()),
            Polled::Assigned(_) => {
                first.member.acknowledge().unwrap();
                None
            }
            _ => None,
        }
    });
    drop(first);
    let mut back = join(h, &one);
    h.eventually("it is back", || {
        back.turn();
        second.turn();
        (back.assigned.len() == 1).then_some(())
    });
    for _ in 0..20 {
        back.turn();
        second.turn();
        h.pass(Duration::from_millis(50));
    }
    assert_eq!((back.assigned.len(), second.assigned.len()), (1, 0), "somebody looked");
    let mut knock = join(h, &h.member_options(&group, &other_topic));
    h.eventually("a member of another topic is in the group", || {
        back.turn();
        second.turn();
        knock.turn();
        (!knock.assigned.is_empty()).then_some(())
    });
    knock.member.leave().unwrap();
    h.eventually("each has a partition", || {
        back.turn();
        second.turn();
        (back.assigned.len() == 1 && second.assigned.len() == 1).then_some(())
    });
    assert_eq!(back.revoked, []);
}

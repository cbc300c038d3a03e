//! A group's offsets as part of transactions.

use std::time::Duration;

use flowgate::broker::{Action, Admin, Broker, Code, Committed, Error, Member};

use super::Harness;
use super::steps::{self, Writer};

fn committed(offset: i64, metadata: &str) -> Option<Committed> {
    Some(Committed { offset, metadata: metadata.to_owned() })
}

/// They are the group's from the commit on, each with its own metadata, also of a transaction without records.
pub fn offsets_are_committed_with_their_metadata<H: Harness>(h: &H) {
    let input = steps::topic(h, "offsets", 3, &[]);
    let mut consumer = steps::sole_member(h, &h.fresh_name("offsets"), &input, 3);
    assert_eq!(steps::committed(h, &mut consumer.member, &[0, 1]), [None, None]);
    let mut writer = Writer::new(h, "offsets");
    let mut transaction = writer.begin();
    let offsets = [steps::offset(&input, 0, 5, "gate-0-17"), steps::offset(&input, 2, 0, "")];
    steps::send_offsets(h, &mut transaction, &offsets, &consumer.member.group().unwrap()).unwrap();
    writer.commit(transaction);
    let found = steps::committed(h, &mut consumer.member, &[2, 0, 1]);
    assert_eq!(found, [committed(0, ""), committed(5, "gate-0-17"), None]);

    // Also backwards: rewinding is what an operator does.
    let mut transaction = writer.begin();
    let offsets = [steps::offset(&input, 0, 3, "back")];
    steps::send_offsets(h, &mut transaction, &offsets, &consumer.member.group().unwrap()).unwrap();
    writer.commit(transaction);
    assert_eq!(steps::committed(h, &mut consumer.member, &[0]), [committed(3, "back")]);
}

pub fn offsets_are_gone_with_an_abort<H: Harness>(h: &H) {
    let input = steps::topic(h, "offsets-abort", 1, &[]);
    let mut consumer = steps::sole_member(h, &h.fresh_name("offsets-abort"), &input, 1);
    let mut writer = Writer::new(h, "offsets-abort");
    let group = consumer.member.group().unwrap();
    let mut transaction = writer.begin();
    steps::send_offsets(h, &mut transaction, &[steps::offset(&input, 0, 5, "kept")], &group).unwrap();
    writer.commit(transaction);
    let mut transaction = writer.open(&input, 0, &["a"]);
    steps::send_offsets(h, &mut transaction, &[steps::offset(&input, 0, 9, "dropped")], &group).unwrap();
    writer.abort(transaction);
    assert_eq!(steps::committed(h, &mut consumer.member, &[0]), [committed(5, "kept")]);
}

pub fn a_negative_offset_is_refused<H: Harness>(h: &H) {
    let input = steps::topic(h, "negative", 2, &[]);
    let mut consumer = steps::sole_member(h, &h.fresh_name("negative"), &input, 2);
    let mut writer = Writer::new(h, "negative");
    let group = consumer.member.group().unwrap();
    let mut transaction = writer.begin();
    let offsets = [steps::offset(&input, 0, 1, ""), steps::offset(&input, 1, -1, "")];
    let refused = steps::send_offsets(h, &mut transaction, &offsets, &group).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    writer.abort(transaction);
    assert_eq!(steps::committed(h, &mut consumer.member, &[0, 1]), [None, None]);
}

/// The barrier behind a previous owner: no answer while a transaction may still change it.
pub fn pending_offsets_hold_back_committed<H: Harness>(h: &H) {
    let input = steps::topic(h, "pending", 2, &[]);
    let mut consumer = steps::sole_member(h, &h.fresh_name("pending"), &input, 2);
    let mut writer = Writer::new(h, "pending");
    let group = consumer.member.group().unwrap();
    for end_with_commit in [false, true] {
        let mut transaction = writer.begin();
        steps::send_offsets(h, &mut transaction, &[steps::offset(&input, 0, 5, "m")], &group).unwrap();
        let held = consumer.member.committed(&[0, 1], Duration::from_millis(300)).unwrap_err();
        assert_eq!(held.action, Action::Retry, "{held:?}");
        assert!(matches!(held.code, Code::Busy | Code::TimedOut), "{held:?}");
        match end_with_commit {
            true => writer.commit(transaction),
            false => writer.abort(transaction),
        }
        let expected = end_with_commit.then(|| committed(5, "m")).flatten();
        assert_eq!(steps::committed(h, &mut consumer.member, &[0, 1]), [expected, None]);
    }
}

fn seen<H: Harness>(h: &H, group: &str, topic: &str, partitions: &[i32]) -> Vec<Option<Committed>> {
    let mut admin = h.broker().admin().unwrap();
    steps::insist(h, "group_offsets answers", || admin.group_offsets(group, topic, partitions))
}

fn set<H: Harness>(h: &H, group: &str, topic: &str, at: (i32, i64), metadata: &str) -> Result<(), Error> {
    let mut admin = h.broker().admin().unwrap();
    let offset = steps::offset(topic, at.0, at.1, metadata);
    h.eventually("set_group_offset answers", || steps::settled(admin.set_group_offset(group, &offset)))
}

/// In the order of asking, with metadata; what is pending does not count, and holds the answer up for nobody.
pub fn a_groups_offsets_are_seen_from_outside<H: Harness>(h: &H) {
    let (input, other) = (steps::topic(h, "seen", 3, &[]), steps::topic(h, "seen", 1, &[]));
    let group = h.fresh_name("seen");
    assert_eq!(seen(h, &group, &input, &[0, 1]), [None, None], "nobody knows the group");
    let consumer = steps::sole_member(h, &group, &input, 3);
    assert_eq!(seen(h, &group, &input, &[0, 1]), [None, None], "nothing was committed");
    let mut writer = Writer::new(h, "seen");
    let identity = consumer.member.group().unwrap();
    let mut transaction = writer.begin();
    let offsets = [steps::offset(&input, 0, 5, "gate-0-17"), steps::offset(&input, 2, 0, "")];
    steps::send_offsets(h, &mut transaction, &offsets, &identity).unwrap();
    assert_eq!(seen(h, &group, &input, &[0]), [None], "pending");
    writer.commit(transaction);
    let expected = [committed(0, ""), committed(5, "gate-0-17"), None];
    h.eventually("the commit is seen", || (seen(h, &group, &input, &[2, 0, 1]) == expected).then_some(()));
    let mut transaction = writer.begin();
    steps::send_offsets(h, &mut transaction, &[steps::offset(&input, 0, 9, "dropped")], &identity).unwrap();
    assert_eq!(seen(h, &group, &input, &[0]), [committed(5, "gate-0-17")], "pending");
    writer.abort(transaction);
    assert_eq!(seen(h, &group, &input, &[0]), [committed(5, "gate-0-17")]);
    assert_eq!(seen(h, &group, &other, &[0]), [None], "of another topic");
    assert_eq!(seen(h, &h.fresh_name("seen"), &input, &[0]), [None], "of another group");
}

/// Also of a group that nobody has heard of, also backwards; members that join later find it.
pub fn a_groups_offset_is_set_from_outside<H: Harness>(h: &H) {
    let input = steps::topic(h, "set", 2, &[]);
    let group = h.fresh_name("set");
    for (offset, metadata) in [(7, "restored"), (3, ""), (0, "again")] {
        set(h, &group, &input, (0, offset), metadata).unwrap();
        assert_eq!(seen(h, &group, &input, &[0, 1]), [committed(offset, metadata), None]);
    }
    let mut consumer = steps::sole_member(h, &group, &input, 2);
    assert_eq!(steps::committed(h, &mut consumer.member, &[0, 1]), [committed(0, "again"), None]);
}

/// While a group has members its offsets are theirs; when the last one has left they can be set again.
pub fn a_group_with_members_keeps_its_offsets<H: Harness>(h: &H) {
    let input = steps::topic(h, "theirs", 1, &[]);
    let group = h.fresh_name("theirs");
    let consumer = steps::sole_member(h, &group, &input, 1);
    let refused = set(h, &group, &input, (0, 5), "foreign").unwrap_err();
    let busy = Some(Code::Busy);
    assert_eq!((refused.action, Some(refused.code)), (Action::Stop, busy), "{refused:?}");
    assert_eq!(seen(h, &group, &input, &[0]), [None]);
    consumer.member.leave().unwrap();
    let taken = h.eventually("the group has no members any more", || {
        Some(set(h, &group, &input, (0, 5), "foreign")).filter(|set| set.as_ref().err().map(|of| of.code) != busy)
    });
    taken.unwrap();
    assert_eq!(seen(h, &group, &input, &[0]), [committed(5, "foreign")]);
}

pub fn an_offset_of_nothing_is_refused<H: Harness>(h: &H) {
    let (input, group) = (steps::topic(h, "nothing", 1, &[]), h.fresh_name("nothing"));
    let negative = set(h, &group, &input, (0, -1), "").unwrap_err();
    assert_eq!(negative.code, Code::InvalidArgument, "{negative:?}");
    let mut admin = h.broker().admin().unwrap();
    for (topic, partition) in [(h.fresh_name("never"), 0), (input.clone(), 1)] {
        let offset = steps::offset(&topic, partition, 5, "");
        let unknown = admin.set_group_offset(&group, &offset).unwrap_err();
        assert_eq!((unknown.action, unknown.code), (Action::Retry, Code::UnknownTopic), "{unknown:?}");
    }
    assert_eq!(seen(h, &group, &input, &[0]), [None]);
}

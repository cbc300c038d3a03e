//! A group's offsets as part of transactions.

use std::time::Duration;

use flowgate::broker::{Action, Code, Committed, Member};

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

//! A test a row: each setting that a promise depends on, made wrong, is found and named with its promise.

use super::*;
use crate::broker::memory::{Fault, Memory, Operation};
use crate::broker::{Action, Broker};
use crate::flow::Limits;
use crate::time::Timestamp;
use crate::topics::{Layout, specification};

const QUEUE: &str = "flow.queue.welcome.1";

fn made(replicas: Option<i32>) -> (Memory, Topics) {
    let memory = Memory::new(Timestamp(1_750_000_000_000));
    memory.configure_broker("offsets.retention.minutes", "30240");
    let topics = Topics::new("flow").unwrap();
    let layout = Layout { partitions: 3, replication_factor: replicas };
    let mut all = specification(&topics, &layout);
    let queue = [
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("message.timestamp.after.max.ms", "9223372036854775807"),
        ("max.message.bytes", "1114124"),
    ];
    let config = queue.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    all.push(crate::broker::NewTopic { name: QUEUE.into(), partitions: 1, replication_factor: replicas, config });
    assert!(memory.admin().unwrap().create_topics(&all).unwrap().iter().all(Result::is_ok));
    (memory, topics)
}

fn look(memory: &Memory, topics: &Topics) -> Vec<Difference> {
    check(&mut memory.admin().unwrap(), topics, Limits::MAX_PAUSE, Scope::WithQueues).unwrap()
}

#[test]
fn topics_as_they_are_created_have_no_difference() {
    let (memory, topics) = made(None);
    assert_eq!(look(&memory, &topics), []);
}

/// Makes one setting wrong, and looks for the one difference.
#[track_caller]
fn goes_red(topic: &str, setting: &str, value: &str, weight: Weight, promise: &str) {
    let (memory, topics) = made(None);
    memory.configure(topic, setting, value).unwrap();
    let found = look(&memory, &topics);
    assert_eq!(found.len(), 1, "{topic} {setting}={value}: {found:#?}");
    let one = &found[0];
    assert_eq!((one.topic.as_str(), one.setting.as_str(), one.weight), (topic, setting, weight));
    assert!(one.promise.starts_with(promise), "{one:?}");
    assert!(one.fix.contains(topic) && one.fix.contains(setting), "{}", one.fix);
    assert!(one.found.starts_with(value) && !one.why.is_empty());
}

macro_rules! rows {
    ($($name:ident: $topic:expr, $setting:literal, $value:literal => $weight:ident $promise:literal;)+) => {$(
        #[test]
        fn $name() {
            goes_red($topic, $setting, $value, Weight::$weight, $promise);
        }
    )+};
}

rows! {
    enrollments_compacted: "flow.enrollments", "cleanup.policy", "compact" => Breaks "P1";
    enrollments_compacted_too: "flow.enrollments", "cleanup.policy", "compact,delete" => Breaks "P1";
    enrollments_kept_for_too_short: "flow.enrollments", "retention.ms", "604799999" => Breaks "P1";
    enrollments_kept_by_size: "flow.enrollments", "retention.bytes", "1000000" => Weakens "P1";
    enrollments_stamped_by_the_broker: "flow.enrollments", "message.timestamp.type", "LogAppendTime" => Breaks "P9";
    enrollments_unclean: "flow.enrollments", "unclean.leader.election.enable", "true" => Breaks "P1";
    control_compacted: "flow.control", "cleanup.policy", "compact" => Breaks "P6";
    control_kept_for_too_short: "flow.control", "retention.ms", "604800000" => Weakens "P3";
    control_kept_by_size: "flow.control", "retention.bytes", "1" => Weakens "P3";
    control_stamped_by_senders: "flow.control", "message.timestamp.type", "CreateTime" => Breaks "P5";
    control_unclean: "flow.control", "unclean.leader.election.enable", "true" => Breaks "P1";
    records_compacted: "flow.records", "cleanup.policy", "compact" => Breaks "P1";
    records_kept_for_less_than_a_pause: "flow.records", "retention.ms", "1814399999" => Breaks "P1";
    records_kept_by_size: "flow.records", "retention.bytes", "1" => Weakens "P1";
    records_stamped_by_the_broker: "flow.records", "message.timestamp.type", "LogAppendTime" => Breaks "P9";
    records_refuse_the_past: "flow.records", "message.timestamp.before.max.ms", "86400000" => Breaks "P7";
    records_refuse_the_future: "flow.records", "message.timestamp.after.max.ms", "3600000" => Breaks "P7";
    records_without_room_for_headers: "flow.records", "max.message.bytes", "1048588" => Breaks "P7";
    records_unclean: "flow.records", "unclean.leader.election.enable", "true" => Breaks "P1";
    state_deleted_by_age: "flow.state", "cleanup.policy", "delete" => Breaks "P3";
    state_deleted_by_age_too: "flow.state", "cleanup.policy", "compact,delete" => Breaks "P3";
    state_stamped_by_the_gate: "flow.state", "message.timestamp.type", "CreateTime" => Breaks "P5";
    state_refuses_the_past: "flow.state", "message.timestamp.before.max.ms", "1" => Weakens "P7";
    state_refuses_the_future: "flow.state", "message.timestamp.after.max.ms", "1" => Weakens "P7";
    state_unclean: "flow.state", "unclean.leader.election.enable", "true" => Breaks "P1";
    audit_compacted: "flow.audit", "cleanup.policy", "compact" => Breaks "the account";
    audit_kept_for_too_short: "flow.audit", "retention.ms", "604800000" => Weakens "the account";
    audit_stamped_by_the_gate: "flow.audit", "message.timestamp.type", "CreateTime" => Weakens "the account";
    audit_refuses_the_past: "flow.audit", "message.timestamp.before.max.ms", "1" => Weakens "P7";
    audit_refuses_the_future: "flow.audit", "message.timestamp.after.max.ms", "1" => Weakens "P7";
    audit_unclean: "flow.audit", "unclean.leader.election.enable", "true" => Breaks "P1";
    discarded_compacted: "flow.discarded", "cleanup.policy", "compact" => Breaks "P1";
    discarded_kept_for_too_short: "flow.discarded", "retention.ms", "1" => Weakens "the account";
    discarded_stamped_by_the_gate: "flow.discarded", "message.timestamp.type", "CreateTime" => Weakens "the account";
    discarded_refuses_the_past: "flow.discarded", "message.timestamp.before.max.ms", "1" => Weakens "P7";
    discarded_refuses_the_future: "flow.discarded", "message.timestamp.after.max.ms", "1" => Weakens "P7";
    discarded_without_room_for_headers: "flow.discarded", "max.message.bytes", "1048588" => Breaks "P7";
    discarded_unclean: "flow.discarded", "unclean.leader.election.enable", "true" => Breaks "P1";
    dead_letters_compacted: "flow.dead-letters", "cleanup.policy", "compact" => Breaks "P1";
    dead_letters_kept_for_too_short: "flow.dead-letters", "retention.ms", "1" => Weakens "the account";
    dead_letters_stamped_by_the_gate: "flow.dead-letters", "message.timestamp.type", "CreateTime" => Weakens "the account";
    dead_letters_refuse_the_past: "flow.dead-letters", "message.timestamp.before.max.ms", "1" => Weakens "P7";
    dead_letters_refuse_the_future: "flow.dead-letters", "message.timestamp.after.max.ms", "1" => Weakens "P7";
    dead_letters_without_room_for_headers: "flow.dead-letters", "max.message.bytes", "1048588" => Breaks "P7";
    dead_letters_unclean: "flow.dead-letters", "unclean.leader.election.enable", "true" => Breaks "P1";
    a_queue_only_compacted: QUEUE, "cleanup.policy", "compact" => Breaks "P4";
    a_queue_only_deleted: QUEUE, "cleanup.policy", "delete" => Breaks "P4";
    a_queue_that_forgets: QUEUE, "retention.ms", "604800000" => Breaks "P1";
    a_queue_of_bounded_size: QUEUE, "retention.bytes", "1000000" => Breaks "P1";
    a_queue_stamped_by_the_broker: QUEUE, "message.timestamp.type", "LogAppendTime" => Breaks "P9";
    a_queue_that_refuses_the_past: QUEUE, "message.timestamp.before.max.ms", "1" => Breaks "P7";
    a_queue_that_refuses_the_future: QUEUE, "message.timestamp.after.max.ms", "3600000" => Breaks "P7";
    a_queue_without_room_for_headers: QUEUE, "max.message.bytes", "1048588" => Breaks "P7";
    a_queue_unclean: QUEUE, "unclean.leader.election.enable", "true" => Breaks "P1";
}

#[test]
fn larger_enrollments_want_more_room_everywhere() {
    let (memory, topics) = made(None);
    memory.configure("flow.enrollments", "max.message.bytes", "5000000").unwrap();
    let found = look(&memory, &topics);
    let of: Vec<_> = found.iter().map(|one| one.topic.as_str()).collect();
    assert_eq!(of, ["flow.records", "flow.discarded", "flow.dead-letters", QUEUE]);
    assert!(found.iter().all(|one| one.fix.ends_with("max.message.bytes=5065536")), "{found:#?}");
}

#[test]
fn retention_without_end_and_a_shorter_longest_pause_are_fine() {
    let (memory, topics) = made(None);
    memory.configure("flow.enrollments", "retention.ms", "-1").unwrap();
    memory.configure("flow.records", "retention.ms", "691200000").unwrap();
    let found = check(&mut memory.admin().unwrap(), &topics, DAY, Scope::Fixed).unwrap();
    assert_eq!(found, [], "a pause of a day needs 8 days of records");
}

#[test]
fn replicas_in_sync() {
    for (replicas, in_sync, expected) in [
        (1, "1", None),
        (2, "1", None),
        (3, "2", None),
        (3, "1", Some((Weight::Weakens, "P1", "=2"))),
        (3, "4", Some((Weight::Breaks, "P7", "=2"))),
        (1, "2", Some((Weight::Breaks, "P7", "=1"))),
    ] {
        let (memory, topics) = made(Some(replicas));
        for topic in memory.admin().unwrap().topics("flow.").unwrap() {
            memory.configure(&topic, "min.insync.replicas", if replicas == 3 { "2" } else { "1" }).unwrap();
        }
        memory.configure("flow.state", "min.insync.replicas", in_sync).unwrap();
        let found = look(&memory, &topics);
        let found: Vec<_> = found.iter().map(|one| (one.weight, &one.promise[..2], one.fix.as_str())).collect();
        match expected {
            None => assert_eq!(found, [], "{replicas} {in_sync}"),
            Some((weight, promise, fix)) => {
                assert_eq!(found.len(), 1, "{replicas} {in_sync}: {found:?}");
                assert_eq!((found[0].0, found[0].1), (weight, promise));
                assert!(found[0].2.ends_with(fix), "{found:?}");
            }
        }
    }
}

#[test]
fn topics_that_are_missing_or_have_other_numbers_of_partitions() {
    let (memory, topics) = made(None);
    let mut admin = memory.admin().unwrap();
    admin.delete_topics(&["flow.state".into(), "flow.control".into(), "flow.audit".into()]).unwrap();
    for (name, partitions) in [("flow.state", 2), ("flow.control", 2)] {
        let all = specification(&topics, &Layout { partitions, replication_factor: None });
        let mut topic = all.into_iter().find(|topic| topic.name == name).unwrap();
        topic.partitions = partitions;
        admin.create_topics(&[topic]).unwrap();
    }
    let found = look(&memory, &topics);
    let found: Vec<_> = found.iter().map(|one| format!("{} {} {}", one.topic, one.setting, one.promise)).collect();
    let expected = [
        "flow.control partitions P6 commands repeat safely",
        "flow.state partitions P8 one owner",
        "flow.audit topic P7 nothing stops the gate",
    ];
    assert_eq!(found, expected);
}

#[test]
fn settings_that_are_not_shown_are_not_fine() {
    let (memory, topics) = made(None);
    let denied = || Error::new(Action::Retry, Code::Denied, "not shown");
    memory.fail_next(Operation::TopicConfig, Fault::Fail(denied()));
    let found = look(&memory, &topics);
    assert_eq!((found[0].setting.as_str(), found[0].weight), ("DescribeConfigs", Weight::Breaks));
    assert_eq!(found[0].topic, "flow.enrollments");
    assert!(found[0].fix.contains("flowgate acls setup"), "{}", found[0].fix);
}

#[test]
fn nor_are_those_of_queues_and_of_brokers() {
    let (memory, topics) = made(None);
    let denied = || Fault::Fail(Error::new(Action::Retry, Code::Denied, "not shown"));
    // Of the eighth topic: the first seven are those that always exist.
    (0..7).for_each(|_| memory.fail_next(Operation::TopicConfig, Fault::Late(Duration::ZERO)));
    memory.fail_next(Operation::TopicConfig, denied());
    memory.fail_next(Operation::BrokerConfig, denied());
    let found = look(&memory, &topics);
    let found: Vec<_> = found.iter().map(|one| (one.topic.as_str(), one.setting.as_str(), one.weight)).collect();
    let expected =
        [("flow.queue.*", "DescribeConfigs", Weight::Breaks), ("(brokers)", "DescribeConfigs", Weight::Weakens)];
    assert_eq!(found, expected);
    // A gate that starts does not ask for what it has no right to.
    memory.fail_next(Operation::BrokerConfig, denied());
    let mut admin = memory.admin().unwrap();
    assert_eq!(check(&mut admin, &topics, Limits::MAX_PAUSE, Scope::Fixed).unwrap(), []);
}

#[test]
fn a_broker_that_forgets_offsets_early_is_warned_about() {
    let (memory, topics) = made(None);
    memory.configure_broker("offsets.retention.minutes", "10080");
    let found = look(&memory, &topics);
    assert_eq!(
        (found.len(), found[0].setting.as_str(), found[0].weight),
        (1, "offsets.retention.minutes", Weight::Weakens)
    );
    assert!(found[0].wanted.contains("30240 (21d)"), "{}", found[0].wanted);
}

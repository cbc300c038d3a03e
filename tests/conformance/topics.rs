//! Topics: made, looked at, deleted.

use flowgate::broker::{Admin, Broker, Code, Isolation, NewTopic, Reader};

use super::Harness;
use super::steps::{self, Writer};

fn new(name: &str, partitions: i32, config: &[(&str, &str)]) -> NewTopic {
    let config = config.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    NewTopic { name: name.to_owned(), partitions, replication_factor: None, config }
}

/// One request, an answer a topic: what exists or is impossible does not spoil the rest.
pub fn each_topic_of_a_request_has_its_own_answer<H: Harness>(h: &H) {
    let there = steps::topic(h, "there", 2, &[]);
    let (fresh, bad) = (h.fresh_name("fresh"), h.fresh_name("bad"));
    let mut admin = h.broker().admin().unwrap();
    let request = [new(&there, 2, &[]), new(&fresh, 3, &[]), new(&bad, 1, &[("cleanup.policy", "nonsense")])];
    let answers = steps::insist(h, "create_topics answers", || admin.create_topics(&request));
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|error| error.code)).collect();
    assert_eq!(codes[..2], [Err(Code::TopicExists), Ok(())]);
    assert!(codes[2].is_err());
    h.eventually("the new topic is shown", || admin.partitions(&fresh).ok().flatten().filter(|&count| count == 3));
    assert_eq!(steps::insist(h, "partitions answers", || admin.partitions(&bad)), None);
    // A topic just made can be written to.
    Writer::new(h, "fresh").write(&fresh, 2, &["a"]);
    assert_eq!(steps::keys(&steps::read_committed(h, &fresh, 2)), ["a"]);
}

pub fn topics_are_listed_by_prefix<H: Harness>(h: &H) {
    let prefix = h.fresh_name("list");
    let names = [format!("{prefix}.b"), format!("{prefix}.a"), format!("{prefix}-c")];
    for name in &names {
        steps::create(h, new(name, 1, &[])).unwrap();
    }
    let mut admin = h.broker().admin().unwrap();
    let listed = h.eventually("all topics are listed", || {
        let listed = steps::settled(admin.topics(&prefix))?.unwrap();
        (listed.len() == 3).then_some(listed)
    });
    assert_eq!(listed, [names[2].clone(), names[1].clone(), names[0].clone()]);
    assert_eq!(admin.topics(&format!("{prefix}.a")).unwrap(), [names[1].clone()]);
}

/// What was set, and the defaults of what was not.
pub fn a_topics_settings_can_be_read<H: Harness>(h: &H) {
    let topic = steps::topic(h, "config", 1, &[("cleanup.policy", "compact,delete"), ("retention.ms", "-1")]);
    let mut admin = h.broker().admin().unwrap();
    let config = steps::insist(h, "topic_config answers", || admin.topic_config(&topic));
    let expected = [
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("message.timestamp.type", "CreateTime"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("message.timestamp.before.max.ms", "9223372036854775807"),
        ("max.message.bytes", "1048588"),
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "false"),
    ];
    for (name, value) in expected {
        assert_eq!(config.get(name).map(String::as_str), Some(value), "{name}");
    }
}

/// Defaults too: what nobody has set is in force all the same.
pub fn the_brokers_settings_can_be_read<H: Harness>(h: &H) {
    let mut admin = h.broker().admin().unwrap();
    let config = steps::insist(h, "broker_config answers", || admin.broker_config());
    assert_eq!(config.get("offsets.retention.minutes").map(String::as_str), Some("10080"));
}

pub fn a_topics_replicas_are_counted<H: Harness>(h: &H) {
    let (by_default, never) = (steps::topic(h, "replicas", 2, &[]), h.fresh_name("never"));
    let asked = h.fresh_name("replicas");
    steps::create(h, NewTopic { replication_factor: Some(1), ..new(&asked, 3, &[]) }).unwrap();
    let mut admin = h.broker().admin().unwrap();
    for (topic, expected) in [(by_default, Some(1)), (asked, Some(1)), (never, None)] {
        assert_eq!(steps::insist(h, "replicas answers", || admin.replicas(&topic)), expected, "{topic}");
    }
}

pub fn a_deleted_topic_is_gone<H: Harness>(h: &H) {
    let (topic, never) = (steps::topic(h, "gone", 1, &[]), h.fresh_name("never"));
    steps::publish(h, &topic, "a", "v", None);
    let mut admin = h.broker().admin().unwrap();
    let answers = steps::insist(h, "delete_topics answers", || admin.delete_topics(&[topic.clone(), never.clone()]));
    let codes: Vec<_> = answers.into_iter().map(|answer| answer.map_err(|error| error.code)).collect();
    assert_eq!(codes, [Ok(()), Err(Code::UnknownTopic)]);
    h.eventually("the topic is not shown any more", || admin.partitions(&topic).ok()?.is_none().then_some(()));
    assert_eq!(admin.topics(&topic).unwrap(), Vec::<String>::new());
    let mut reader = steps::reader(h, Isolation::ReadUncommitted);
    h.eventually("its watermarks are refused", || match reader.watermarks(&never, 0) {
        Err(error) if error.code == Code::UnknownTopic => Some(()),
        _ => None,
    });
}

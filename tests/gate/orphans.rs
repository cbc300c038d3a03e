//! Queue topics that were left behind are collected, and no other.

use std::time::Duration;

use flowgate::broker::memory::{Fault, Operation};
use flowgate::broker::{Action, Admin, Broker, Code, Error, NewTopic};
use serde_json::json;

use super::rig::{DAY, Rig};

const TTL: Duration = Duration::from_secs(30);

/// A flow was paused and is live again, with its queue topic still there.
fn with_idle_queue(flow: &str) -> Rig {
    let mut rig = Rig::with(|options| options.queue_ttl = TTL);
    rig.order(flow, "pause", json!({}));
    rig.send_all(flow, "a");
    rig.order(flow, "resume", json!({}));
    assert_eq!(rig.queue_topics().len(), 1);
    rig
}

/// Goal: a queue topic whose deletion fails once is deleted later. Also with a name that is a hash.
#[test]
fn a_deletion_that_fails_is_made_up_for() {
    for flow in ["welcome", "流".repeat(33).as_str()] {
        let mut rig = with_idle_queue(flow);
        let failed = Error::new(Action::Retry, Code::TimedOut, "no answer");
        rig.memory.fail_next(Operation::DeleteTopics, Fault::Fail(failed));
        rig.pass(TTL + Duration::from_secs(1));
        assert_eq!((rig.flow(flow).queue.topic, rig.queue_topics().len()), (None, 1), "retired, and still there");
        rig.pass(Duration::from_secs(61));
        assert_eq!(rig.queue_topics(), Vec::<String>::new());
    }
}

/// Goal: a queue topic whose owner dies between its retirement and its deletion is deleted by the next owner.
#[test]
fn the_next_owner_deletes_what_the_last_one_did_not() {
    let mut rig = with_idle_queue("welcome");
    rig.wait(TTL + Duration::from_secs(1));
    assert!(rig.step_to(0, "delete topics"));
    rig.restart("b");
    assert_eq!(rig.queue_topics(), Vec::<String>::new());
}

/// Goal: nothing else is deleted: not a topic in use, not one with a higher number, not one of a flow that nobody knows,
/// not one of another prefix.
#[test]
fn no_other_topic_is_deleted() {
    let mut rig = with_idle_queue("welcome");
    let names = [
        "flow.queue.welcome.2",
        "flow.queue.welcome.01",
        "flow.queue.unknown.1",
        "flow.queue.records",
        "flow.queue.queue.welcome.1",
        "flow.queue.welcome",
        "flows.queue.welcome.1",
    ];
    let topic = |name: &str| {
        let name = name.to_owned();
        NewTopic { name, partitions: 1, replication_factor: None, config: std::collections::BTreeMap::new() }
    };
    let mut admin = rig.memory.admin().unwrap();
    for made in admin.create_topics(&names.map(topic)).unwrap() {
        made.unwrap();
    }
    let before = admin.topics("flow").unwrap();
    assert!(before.contains(&"flow.queue.welcome.1".to_owned()));
    rig.restart("b");
    assert_eq!(admin.topics("flow").unwrap(), before, "after a take-over");
    rig.order("welcome", "pause", json!({}));
    rig.send_all("welcome", "b");
    rig.settle();
    rig.pass(DAY);
    assert_eq!(admin.topics("flow").unwrap(), before, "a day later");
    // Topics of no flow are no business of the checker's.
    rig.whole = false;
}

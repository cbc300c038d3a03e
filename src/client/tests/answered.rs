//! The answers to a command, found in the audit.

use std::time::Duration;

use crate::broker::memory::Memory;
use crate::broker::{Admin, Broker, NewTopic, Publication, Publisher};
use crate::client::answered::{self, Answers};
use crate::client::control::home;
use crate::client::redriven::Gap;
use crate::client::scan::Bound;
use crate::flow::{
    Action, AuditEvent, Command, CommandId, Expect, FlowId, Happening, Outcome, Position, Target, Verdict,
};
use crate::schema::audit;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

const BEGIN: i64 = 1_750_000_000_000;
const WHOLE: Bound = Bound { records: 1_000_000, time: Duration::from_secs(30) };
const PARTITIONS: i32 = 3;

/// An audit that the broker stamps, a second later for each event.
struct Audit {
    memory: Memory,
    topics: Topics,
    now: i64,
}

impl Audit {
    fn new() -> Self {
        let (memory, topics) = (Memory::new(Timestamp(BEGIN)), Topics::new("flow").unwrap());
        for name in [&topics.audit, &topics.enrollments] {
            let config = [("message.timestamp.type".to_owned(), "LogAppendTime".to_owned())].into();
            let topic = NewTopic { name: name.clone(), partitions: PARTITIONS, replication_factor: None, config };
            memory.admin().unwrap().create_topics(&[topic]).unwrap();
        }
        Self { memory, topics, now: BEGIN }
    }

    /// An answer of a partition of the enrollments.
    fn tell(&mut self, target: &Target, id: &str, partition: i32, offset: i64, detail: &str) {
        let outcome = Outcome::rejected(detail);
        let action = Action::Forget;
        let command = Command {
            id: CommandId::new(id).unwrap(),
            target: target.clone(),
            action,
            issued_by: "ops".to_owned(),
            issued_at: None,
            reason: None,
            expect: Expect::default(),
        };
        let flow = match target {
            Target::Flow(flow) => Some(flow.clone()),
            Target::Every => None,
        };
        let happening = Happening::Answer { command, offset, outcome, repeated: false };
        let event = AuditEvent { flow, partition, at: Timestamp(0), position: Position::default(), happening };
        self.now += 1_000;
        self.memory.advance_to(Timestamp(self.now));
        let (value, topic) = (audit::write(&event), self.topics.audit.as_str());
        let (partition, value) = (Some(home(target, PARTITIONS)), Some(value.as_slice()));
        let mut publisher = self.memory.publisher().unwrap();
        publisher.publish(&Publication { topic, partition, timestamp: None, key: None, value, headers: &[] }).unwrap();
        assert!(publisher.flush(Duration::ZERO).unwrap().iter().all(Result::is_ok));
    }

    fn look(&self, target: &Target, id: &str, bound: Bound) -> Answers {
        answered::look(&self.memory, &self.topics, target, &CommandId::new(id).unwrap(), bound).unwrap()
    }

    /// What is told by each partition.
    fn found(&self, target: &Target, id: &str) -> Vec<(i32, i64, String)> {
        let answers = self.look(target, id, WHOLE);
        assert!(answers.by.values().all(|answered| answered.outcome.verdict == Verdict::Rejected));
        let each = answers.by.into_iter();
        each.map(|(partition, answered)| (partition, answered.offset, answered.outcome.detail)).collect()
    }

    /// Of partition 0.
    fn delete_before(&self, offset: i64) {
        let mut admin = self.memory.admin().unwrap();
        admin.delete_records(&[(self.topics.audit.clone(), offset)]).unwrap().remove(0).unwrap();
    }
}

fn flow(id: &str) -> Target {
    Target::Flow(FlowId::new(id).unwrap())
}

#[test]
fn the_newest_answer_to_this_command_of_this_flow_is_found() {
    let mut audit = Audit::new();
    let a = flow("a");
    // Its answers stand among those of the other one.
    let beside =
        ('b'..='z').map(|id| flow(&id.to_string())).find(|flow| home(flow, PARTITIONS) == home(&a, PARTITIONS));
    audit.tell(&a, "c", 1, 1, "older");
    audit.tell(&a, "c", 1, 2, "newer");
    audit.tell(&a, "d", 1, 3, "another command");
    audit.tell(&beside.unwrap(), "c", 1, 4, "another flow");
    audit.tell(&Target::Every, "c", 1, 5, "every flow");
    assert_eq!(audit.found(&a, "c"), [(1, 2, "newer".to_owned())]);
    assert_eq!(audit.found(&Target::Every, "c"), [(1, 5, "every flow".to_owned())]);
    let none = audit.look(&a, "e", WHOLE);
    assert!(!none.are_all() && none.by.is_empty() && none.gap.is_none(), "{none:?}");
}

#[test]
fn each_partition_answers_for_every_flow() {
    let mut audit = Audit::new();
    for (partition, offset) in [(0, 7), (2, 7), (0, 9)] {
        audit.tell(&Target::Every, "c", partition, offset, "so");
    }
    // The id was used again: of that command one partition has answered.
    let found = audit.look(&Target::Every, "c", WHOLE);
    assert_eq!((found.are_all(), found.asked, &found.gap), (false, 3, &None));
    let by = |found: &Answers| found.by.iter().map(|(of, answered)| (*of, answered.offset)).collect::<Vec<_>>();
    assert_eq!(by(&found), [(0, 9)]);
    audit.tell(&Target::Every, "c", 1, 9, "so");
    audit.tell(&Target::Every, "c", 2, 9, "so");
    let found = audit.look(&Target::Every, "c", WHOLE);
    assert_eq!((found.are_all(), by(&found)), (true, vec![(0, 9), (1, 9), (2, 9)]));
}

/// Goal: nobody is told that there is no answer before everything was looked at.
#[test]
fn what_was_not_looked_at_is_told() {
    let mut audit = Audit::new();
    let a = ('a'..='z').map(|id| flow(&id.to_string())).find(|flow| home(flow, PARTITIONS) == 0).unwrap();
    for number in 0..500 {
        audit.tell(&a, &format!("c{number}"), 0, number, "");
    }
    let bound = Bound { records: 200, ..WHOLE };
    let cut = audit.look(&a, "c0", bound);
    let Some(Gap::Bound(progress)) = cut.gap else { panic!("{cut:?}") };
    assert_eq!((progress.scanned, progress.total), (200, 500));
    // The 200th from the end.
    assert_eq!(cut.back_to, Some(Timestamp(BEGIN + 301_000)));
    let found = audit.look(&a, "c400", bound);
    assert!(found.are_all() && found.gap.is_none(), "{found:?}");
    audit.delete_before(100);
    let cut = audit.look(&a, "c0", WHOLE);
    assert_eq!(cut.gap, Some(Gap::Deleted(Some(Timestamp(BEGIN + 101_000)))));
    assert!(audit.look(&a, "c100", WHOLE).gap.is_none(), "it is there");
    audit.delete_before(500);
    assert_eq!(audit.look(&a, "c499", WHOLE).gap, Some(Gap::Deleted(None)));
}

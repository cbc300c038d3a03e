//! Who may do what on the cluster, and no more: the ACLs of each role.
//!
//! `Read`, `Write` and `Delete` include `Describe`; a transactional producer needs no `IdempotentWrite`. Both were tried on Apache
//! Kafka 4.3.1. With all of a role's lines everything works; lines are taken away one by one in `tests/faults/rights.rs`.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::broker::Operation::{self, Create, Delete, Describe, DescribeConfigs, Read, Write};
use crate::broker::{Admin, Code, Result};
use crate::schema::topics::Topics;

/// Who has a user of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `flowgate run`, with what it does for those who ask over HTTP
    Gate,
    /// Whoever makes the topics and looks after them: `topics create`, `topics check`, `positions restore`
    Setup,
    /// Sees everything: `flows`, `flow`, `queue`, `audit`, `letters`, `positions`
    Viewer,
    /// A viewer who pauses and resumes. The cluster cannot tell one command from another: this is every command
    Operator,
    /// An operator who redrives letters
    Admin,
    /// Sends events
    Upstream,
    /// Takes what is delivered, and follows the states
    Executor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Topic,
    Group,
    TransactionalId,
    Cluster,
}

/// What one resource, or all whose names begin with `name`, may be used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub resource: Resource,
    pub name: String,
    /// Whether `name` is only how names begin.
    pub is_prefix: bool,
    pub operations: Vec<Operation>,
    /// Those of the operations without which events and commands go on all the same: what HTTP shows and takes, chores, and what the
    /// cluster may allow in another way.
    pub lesser: &'static [Operation],
    /// What it is for.
    pub why: &'static str,
}

impl Acl {
    /// The operations, as Kafka's tools name them.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        self.operations.iter().map(|operation| operation.word())
    }
}

/// What the ACLs depend on.
#[derive(Clone, Copy, Debug)]
pub struct Needs<'a> {
    pub topics: &'a Topics,
    /// No command comes over HTTP.
    pub is_read_only: bool,
    /// The consumer group of the executors.
    pub executors: &'a str,
}

impl Role {
    pub const ALL: [Self; 7] =
        [Self::Gate, Self::Setup, Self::Viewer, Self::Operator, Self::Admin, Self::Upstream, Self::Executor];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Setup => "setup",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Upstream => "upstream",
            Self::Executor => "executor",
        }
    }

    /// The least that the role needs.
    #[must_use]
    pub fn acls(self, needs: &Needs<'_>) -> Vec<Acl> {
        let topics = needs.topics;
        match self {
            Self::Gate => gate(topics, needs.is_read_only),
            Self::Setup => setup(topics),
            Self::Viewer => viewer(topics),
            Self::Operator => [viewer(topics), vec![commands(topics)]].concat(),
            Self::Admin => [viewer(topics), vec![commands(topics)], redrives(topics)].concat(),
            Self::Upstream => vec![topic(&topics.enrollments, &[Write], "events are sent")],
            Self::Executor => vec![
                topic(&topics.records, &[Read], "what is delivered is taken"),
                topic(&topics.state, &[Read], "a paused flow freezes what its executor has"),
                group(needs.executors, &[Read], "its own offsets are committed"),
            ],
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let words = || Self::ALL.map(Self::word).join(", ");
        Self::ALL.into_iter().find(|role| role.word() == text).ok_or_else(|| format!("one of {}", words()))
    }
}

/// What a user lacks, for logs and probes.
#[must_use]
pub fn sentence(lacking: &[Acl]) -> String {
    let one = |acl: &Acl| {
        let of = match (acl.resource, acl.is_prefix) {
            (Resource::Topic, false) => "the topic",
            (Resource::Topic, true) => "topics that begin with",
            (Resource::Group, _) => "the group",
            (Resource::TransactionalId, _) => "transactional ids",
            (Resource::Cluster, _) => "the cluster",
        };
        let operations: Vec<_> = acl.words().collect();
        format!("{} on {of} `{}` ({})", operations.join(" and "), acl.name, acl.why)
    };
    let each: Vec<_> = lacking.iter().map(one).collect();
    format!("the brokers do not allow this user: {}; `flowgate acls gate` prints what it needs", each.join("; "))
}

/// Those of these without which events or commands stand still.
#[must_use]
pub fn vital(lacking: &[Acl]) -> Vec<Acl> {
    let vital = |acl: &Acl| {
        let operations: Vec<_> = acl.operations.iter().copied().filter(|one| !acl.lesser.contains(one)).collect();
        (!operations.is_empty()).then(|| Acl { operations, ..acl.clone() })
    };
    lacking.iter().filter_map(vital).collect()
}

/// A queue topic, for [`missing`]. Goes through all topics of the cluster.
///
/// # Errors
/// Of the broker, as [`Admin`] has them.
pub fn some_queue<A: Admin>(admin: &mut A, topics: &Topics) -> Result<Option<String>> {
    Ok(admin.topics(&topics.queue_prefix())?.into_iter().next())
}

/// Those of these ACLs, with the operations, that the brokers say are missing. What they do not tell is left out: of transactional
/// ids and the cluster, of topics that are not there, and of a group whether it may be more than looked at. `queue`: a queue topic;
/// without one, or if it is gone, only who has no right at all on queues hears so.
///
/// # Errors
/// No broker answers.
pub fn missing<A: Admin>(admin: &mut A, wanted: &[Acl], queue: Option<&str>) -> Result<Vec<Acl>> {
    let some_topic = wanted.iter().find(|acl| acl.resource == Resource::Topic && !acl.is_prefix);
    let mut missing = Vec::new();
    for acl in wanted {
        let asked = match (acl.resource, acl.is_prefix, some_topic) {
            (Resource::Topic, false, _) => admin.allowed(&acl.name),
            (Resource::Topic, true, _) => {
                // Of one that is not there a user who may see none hears that.
                let none = format!("{}-", acl.name);
                match admin.allowed(queue.unwrap_or(&none)) {
                    Err(error) if error.code == Code::UnknownTopic && queue.is_some() => admin.allowed(&none),
                    asked => asked,
                }
            }
            (Resource::Group, false, Some(topic)) => admin.group_offsets(&acl.name, &topic.name, &[0]).map(|_| None),
            _ => continue,
        };
        let allowed = match asked {
            Ok(Some(allowed)) => allowed,
            Err(error) if error.code == Code::Denied => BTreeSet::new(),
            Err(error) if error.code == Code::TimedOut => return Err(error),
            // Nothing is known: the topic is not there, or these brokers cannot be asked.
            Ok(None) | Err(_) => continue,
        };
        let operations: Vec<_> = acl.operations.iter().copied().filter(|one| !allowed.contains(one)).collect();
        if !operations.is_empty() {
            missing.push(Acl { operations, ..acl.clone() });
        }
    }
    Ok(missing)
}

fn gate(topics: &Topics, is_read_only: bool) -> Vec<Acl> {
    let (control, why): (&[Operation], _) = match is_read_only {
        true => (&[Read, DescribeConfigs], "commands are read"),
        false => (&[Read, Write, DescribeConfigs], "commands are read; those that come over HTTP are written"),
    };
    let enrollments = "events are read; those at a wrong partition, and redriven ones, are written";
    let all = &[Read, Write, DescribeConfigs];
    // `topics check` looks at settings at each start, and says itself what it may not see.
    let written = |name, why| Acl { lesser: &[Read, DescribeConfigs], ..topic(name, all, why) };
    let read = |name, operations, why| Acl { lesser: &[Write, DescribeConfigs], ..topic(name, operations, why) };
    vec![
        read(&topics.enrollments, all, enrollments),
        read(&topics.control, control, why),
        Acl { lesser: &[DescribeConfigs], ..topic(&topics.records, &[Write, DescribeConfigs], "events are delivered") },
        Acl {
            lesser: &[DescribeConfigs],
            ..topic(&topics.state, all, "the states of flows are written, and restored")
        },
        written(&topics.audit, "what happens is written; HTTP shows it"),
        written(&topics.discarded, "what is discarded is written; HTTP shows it"),
        written(&topics.dead_letters, "dead letters are written; HTTP shows them"),
        Acl {
            lesser: &[Create, Delete],
            ..queues(topics, &[Read, Write, Create, Delete], "events are held, and their topics made and removed")
        },
        group(&topics.group, &[Read], "gates share the partitions of the enrollments, and commit offsets"),
        Acl {
            is_prefix: true,
            ..transactional_id(&format!("{}-", topics.group), "each worker has a transactional producer")
        },
    ]
}

fn setup(topics: &Topics) -> Vec<Acl> {
    let each = |name: &&String| topic(name, &[Create, Describe, DescribeConfigs], "it is made, and looked at");
    let Topics { enrollments, control, records, state, audit, discarded, dead_letters, .. } = topics;
    let mut all: Vec<Acl> =
        [enrollments, control, records, state, audit, discarded, dead_letters].iter().map(each).collect();
    // To restore a position it is looked for in the partition's record, and committed in the name of the group. Who reads may describe.
    for of_positions in [0, 3] {
        all[of_positions].operations = vec![Read, Create, DescribeConfigs];
    }
    all.push(queues(topics, &[DescribeConfigs, Describe], "the settings of queues are looked at"));
    all.push(group(&topics.group, &[Read], "positions are restored"));
    all.push(Acl {
        resource: Resource::Cluster,
        name: "kafka-cluster".to_owned(),
        is_prefix: false,
        operations: vec![DescribeConfigs],
        lesser: &[],
        why: "the brokers' settings are looked at",
    });
    all
}

fn viewer(topics: &Topics) -> Vec<Acl> {
    vec![
        topic(&topics.state, &[Read], "the states of flows"),
        topic(&topics.audit, &[Read], "what has happened"),
        topic(&topics.records, &[Read], "what was delivered last"),
        topic(&topics.discarded, &[Read], "what was discarded"),
        topic(&topics.dead_letters, &[Read], "dead letters"),
        queues(topics, &[Read], "held events"),
        topic(&topics.enrollments, &[Describe], "how many partitions there are, and where they end"),
        group(&topics.group, &[Describe], "where the gates are in their input"),
    ]
}

fn commands(topics: &Topics) -> Acl {
    topic(&topics.control, &[Write], "commands are given")
}

fn redrives(topics: &Topics) -> Vec<Acl> {
    vec![
        topic(&topics.enrollments, &[Write], "letters come back as events"),
        topic(&topics.audit, &[Write], "and are told of"),
        transactional_id(&format!("{}-redrive", topics.group), "both in one transaction"),
    ]
}

fn topic(name: &str, operations: &[Operation], why: &'static str) -> Acl {
    let (resource, name, operations) = (Resource::Topic, name.to_owned(), operations.into());
    Acl { resource, name, is_prefix: false, operations, lesser: &[], why }
}

fn queues(topics: &Topics, operations: &[Operation], why: &'static str) -> Acl {
    Acl { is_prefix: true, ..topic(&topics.queue_prefix(), operations, why) }
}

fn group(name: &str, operations: &[Operation], why: &'static str) -> Acl {
    Acl { resource: Resource::Group, ..topic(name, operations, why) }
}

fn transactional_id(name: &str, why: &'static str) -> Acl {
    Acl { resource: Resource::TransactionalId, ..topic(name, &[Write], why) }
}

//! Who may do what on the cluster, and no more: the ACLs of each role.
//!
//! `Read`, `Write` and `Delete` include `Describe`; a transactional producer needs no `IdempotentWrite`. Both were tried on Apache
//! Kafka 4.3.1, and so was every line here: with all of a role's lines everything works, and without any one of them
//! something does not (`tests/faults/rights.rs`).

use std::str::FromStr;

use crate::broker::Operation::{self, Create, Delete, Describe, DescribeConfigs, Read, Write};
use crate::broker::{Admin, Code, Guarded, Result};
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
    /// What it is for.
    pub why: &'static str,
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
        let operations: Vec<_> = acl.operations.iter().map(|operation| operation.word()).collect();
        format!("{} on {of} `{}` ({})", operations.join(" and "), acl.name, acl.why)
    };
    let each: Vec<_> = lacking.iter().map(one).collect();
    format!("the brokers do not allow this user: {}; `flowgate acls gate` prints what it needs", each.join("; "))
}

/// Those of these ACLs, with the operations, that the brokers say are missing. What they do not tell is left out: of transactional
/// ids and the cluster, and of topics that are not there.
///
/// # Errors
/// Of the broker, as [`Admin`] has them.
pub fn missing<A: Admin>(admin: &mut A, wanted: &[Acl]) -> Result<Vec<Acl>> {
    let mut missing = Vec::new();
    for acl in wanted {
        let named = match acl.is_prefix {
            false => Some(acl.name.clone()),
            // Those that we may not see are not listed. Of one that is not there a user who may see none hears that.
            true if acl.resource == Resource::Topic => {
                let listed = admin.topics(&acl.name)?.into_iter().next();
                Some(listed.unwrap_or_else(|| format!("{}-", acl.name)))
            }
            true => None,
        };
        let asked = match (acl.resource, &named) {
            (Resource::Topic, Some(name)) => admin.allowed(Guarded::Topic(name)),
            (Resource::Group, Some(name)) => admin.allowed(Guarded::Group(name)),
            _ => continue,
        };
        let allowed = match asked {
            Ok(Some(allowed)) => allowed,
            Ok(None) => continue,
            Err(error) if error.code == Code::Denied => Default::default(),
            Err(error) if error.code == Code::UnknownTopic => continue,
            Err(error) => return Err(error),
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
        true => (&[Read], "commands are read"),
        false => (&[Read, Write], "commands are read; those that come over HTTP are written"),
    };
    let enrollments = "events are read; those at a wrong partition, and redriven ones, are written";
    vec![
        topic(&topics.enrollments, &[Read, Write, DescribeConfigs], enrollments),
        topic(&topics.control, &[control, &[DescribeConfigs]].concat(), why),
        topic(&topics.records, &[Write, DescribeConfigs], "events are delivered"),
        topic(&topics.state, &[Read, Write, DescribeConfigs], "the states of flows are written, and restored"),
        topic(&topics.audit, &[Read, Write, DescribeConfigs], "what happens is written; HTTP shows it"),
        topic(&topics.discarded, &[Read, Write, DescribeConfigs], "what is discarded is written; HTTP shows it"),
        topic(&topics.dead_letters, &[Read, Write, DescribeConfigs], "dead letters are written; HTTP shows them"),
        queues(topics, &[Read, Write, Create, Delete], "events are held, and their topics made and removed"),
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
    // To restore a position it is looked for in the partition's record, and committed in the name of the group.
    all[0].operations.insert(0, Read);
    all[3].operations.insert(0, Read);
    all.push(queues(topics, &[DescribeConfigs, Describe], "the settings of queues are looked at"));
    all.push(group(&topics.group, &[Read], "positions are restored"));
    all.push(Acl {
        resource: Resource::Cluster,
        name: "kafka-cluster".to_owned(),
        is_prefix: false,
        operations: vec![DescribeConfigs],
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
    Acl { resource: Resource::Topic, name: name.to_owned(), is_prefix: false, operations: operations.into(), why }
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

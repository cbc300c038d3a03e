//! The topics of a prefix: with which settings they are made, and why each of them is needed.

pub mod acls;
pub mod bounds;
pub mod check;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use bounds::{AFTER, BEFORE};

use crate::broker::NewTopic;
use crate::schema::topics::Topics;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Kafka's default for `max.message.bytes`.
const MAX_MESSAGE_BYTES: i64 = 1_048_588;

/// What the gate's headers may add to a record, in bytes.
pub const HEADER_ROOM: i64 = 64 * 1024;

/// How the topics of a prefix are to be made.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Partitions of the enrollments, and with them of the state: flows have their homes there for good.
    pub partitions: i32,
    /// `None`: the broker's default.
    pub replication_factor: Option<i32>,
}

/// The topics to create before the gate starts. The gate itself makes the queue topics ([`queue`]). Older brokers name some settings
/// otherwise: [`bounds::TimestampBounds::fit`].
#[must_use]
pub fn specification(topics: &Topics, layout: &Layout) -> Vec<NewTopic> {
    let Layout { partitions, replication_factor } = *layout;
    let topic = |name: &str, partitions: i32, settings: &[(&str, String)]| NewTopic {
        name: name.to_owned(),
        partitions,
        replication_factor,
        config: settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<BTreeMap<_, _>>(),
    };
    let days = |days: u32| ("retention.ms", (DAY * days).as_millis().to_string());
    let set = |name: &'static str, value: &str| (name, value.to_owned());
    let deleted = || set("cleanup.policy", "delete");
    let stamped_by_broker = || set("message.timestamp.type", "LogAppendTime");
    let stamped_by_sender = || set("message.timestamp.type", "CreateTime");
    // Any timestamp an upstream sends can be written: a refused one would abort its turn for ever.
    let before = || set(BEFORE, "9223372036854775807");
    let after = || set(AFTER, "9223372036854775807");
    let roomy = || ("max.message.bytes", (MAX_MESSAGE_BYTES + HEADER_ROOM).to_string());
    vec![
        topic(&topics.enrollments, partitions, &[deleted(), days(7), stamped_by_sender()]),
        topic(&topics.control, 1, &[deleted(), days(90), stamped_by_broker()]),
        topic(&topics.records, partitions, &[deleted(), days(30), stamped_by_sender(), before(), after(), roomy()]),
        topic(&topics.state, partitions, &[set("cleanup.policy", "compact"), stamped_by_broker(), before(), after()]),
        topic(&topics.audit, partitions, &[deleted(), days(400), stamped_by_broker(), before(), after()]),
        topic(&topics.discarded, partitions, &[deleted(), days(90), stamped_by_broker(), before(), after(), roomy()]),
        topic(
            &topics.dead_letters,
            partitions,
            &[deleted(), days(90), stamped_by_broker(), before(), after(), roomy()],
        ),
    ]
}

/// The topic that holds the events of one flow, as the gate makes it. Compacted, so that replaced events go; never aged out; and with
/// records deleted up to an offset, which a topic that is only compacted refuses. `largest`: the largest record of the enrollments,
/// if that is known.
#[must_use]
pub fn queue(name: &str, segment: Duration, replication_factor: Option<i32>, largest: Option<i64>) -> NewTopic {
    let segment = segment.as_millis().to_string();
    let settings = [
        ("cleanup.policy", "compact,delete"),
        ("retention.ms", "-1"),
        ("retention.bytes", "-1"),
        ("message.timestamp.type", "CreateTime"),
        (BEFORE, "9223372036854775807"),
        (AFTER, "9223372036854775807"),
        // The cleaner leaves the segment alone that is being written: by default 1 GiB or 7 days of it.
        ("segment.bytes", "67108864"),
        ("segment.ms", &segment),
        ("max.compaction.lag.ms", &segment),
    ];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut config: BTreeMap<String, String> = settings.into_iter().map(own).collect();
    if let Some(largest) = largest {
        config.insert("max.message.bytes".to_owned(), (largest + HEADER_ROOM).to_string());
    }
    NewTopic { name: name.to_owned(), partitions: 1, replication_factor, config }
}

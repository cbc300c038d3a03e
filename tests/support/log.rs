//! Everything in the topics of a prefix, as the checker wants it.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::broker::{Admin, Broker, Isolation, PollLimit, Reader, Record, Result};
use flowgate::schema::topics::Topics;
use flowgate_checker as checker;

pub fn read_all<B: Broker>(broker: &B, topics: &Topics) -> Result<checker::Log> {
    let mut admin = broker.admin()?;
    let mut queues = BTreeMap::new();
    for queue in admin.topics(&topics.queue_prefix())? {
        let records = read(broker, &mut admin, &queue)?;
        queues.insert(queue, records);
    }
    let partitions = admin.partitions(&topics.enrollments)?.unwrap_or_default();
    let mut read = |topic: &str| read(broker, &mut admin, topic);
    Ok(checker::Log {
        enrollments: read(&topics.enrollments)?,
        control: read(&topics.control)?,
        records: read(&topics.records)?,
        discarded: read(&topics.discarded)?,
        dead_letters: read(&topics.dead_letters)?,
        audit: read(&topics.audit)?,
        state: read(&topics.state)?,
        enrollment_partitions: partitions,
        queues,
        prefix: topics.prefix.clone(),
    })
}

/// Everything that a `read_committed` consumer can see of a topic.
fn read<B: Broker>(broker: &B, admin: &mut B::Admin, topic: &str) -> Result<Vec<checker::Record>> {
    const LIMIT: PollLimit = PollLimit { records: 10_000, bytes: 16 * 1024 * 1024, wait: Duration::from_millis(50) };
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let mut found = Vec::new();
    for partition in 0..admin.partitions(topic)?.unwrap_or_default() {
        let ends = reader.watermarks(topic, partition)?;
        reader.assign(topic, partition, ends.low)?;
        while reader.position(topic, partition)?.is_some_and(|position| position < ends.end) {
            reader.poll(LIMIT, &mut found)?;
        }
        reader.unassign(topic, partition)?;
    }
    Ok(found.into_iter().map(plain).collect())
}

fn plain(record: Record) -> checker::Record {
    checker::Record {
        partition: record.partition,
        offset: record.offset,
        timestamp_ms: record.timestamp.0,
        key: record.key.map(Into::into),
        value: record.value.map(Into::into),
        headers: record.headers.into_iter().map(|of| (of.name.into(), of.value.map(Into::into))).collect(),
    }
}

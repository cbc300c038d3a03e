//! Reads every topic to its end and has the independent checker count what became of each event.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate_checker as checker;

use super::show::thousands;
use crate::broker::{Admin, Broker, Isolation, PollLimit, Reader, Record, Result};
use crate::schema::topics::Topics;

/// The checker's answer, with how much it has looked at.
pub struct Proof {
    pub report: checker::Report,
    pub delivered: usize,
    pub discarded: usize,
    pub dead: usize,
}

/// Reads and checks. The gate must be at rest.
///
/// # Errors
/// The broker's.
pub fn prove<B: Broker>(broker: &B, topics: &Topics) -> Result<Proof> {
    let mut admin = broker.admin()?;
    let mut queues = BTreeMap::new();
    for queue in admin.topics(&topics.queue_prefix())? {
        let records = read(broker, &mut admin, &queue)?;
        queues.insert(queue, records);
    }
    let partitions = admin.partitions(&topics.enrollments)?.unwrap_or_default();
    let mut read = |topic: &str| read(broker, &mut admin, topic);
    let log = checker::Log {
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
    };
    Ok(Proof {
        report: checker::check(&log),
        delivered: log.records.len(),
        discarded: log.discarded.len(),
        dead: log.dead_letters.len(),
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

impl Proof {
    /// No anomaly, and all sums close.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.report.is_green()
    }

    /// Both sums of promise P1, a row a flow and one for all.
    #[must_use]
    pub fn table(&self) -> String {
        type Row = fn(&checker::Sums) -> u64;
        let first: [(&str, Row); 5] = [
            ("in", |sums| sums.input),
            ("= delivered live", |sums| sums.delivered_live),
            ("+ queued", |sums| sums.queued.total()),
            ("+ turned away", |sums| sums.turned_away.total()),
            ("+ dead", |sums| sums.dead),
        ];
        let second: [(&str, Row); 5] = [
            ("queued", |sums| sums.queued.total()),
            ("= held", |sums| sums.held.total()),
            ("+ released", |sums| sums.released.total()),
            ("+ replaced", |sums| sums.replaced.total()),
            ("+ removed", |sums| sums.removed.total()),
        ];
        [first, second].map(|columns| self.sums(&columns)).join("\n")
    }

    fn sums(&self, columns: &[(&str, fn(&checker::Sums) -> u64)]) -> String {
        let mut table = format!("{:13}", "");
        for (title, _) in columns {
            table.push_str(&format!("  {title:>width$}", width = width(title)));
        }
        table.push('\n');
        let mut total = vec![0; columns.len()];
        for (flow, sums) in &self.report.flows {
            let row: Vec<u64> = columns.iter().map(|(_, of)| of(sums)).collect();
            total.iter_mut().zip(&row).for_each(|(total, count)| *total += count);
            table.push_str(&line(flow, columns, &row));
        }
        table.push_str(&line("all flows", columns, &total));
        table
    }
}

fn width(title: &str) -> usize {
    title.chars().count().max(7)
}

fn line(name: &str, columns: &[(&str, fn(&checker::Sums) -> u64)], row: &[u64]) -> String {
    let mut line = format!("{name:<13}");
    for ((title, _), count) in columns.iter().zip(row) {
        // The sign stands under the sign, the number under the word.
        let (sign, width) = match title.split_once(' ') {
            Some((sign @ ("=" | "+"), _)) => (sign, width(title) - 1),
            _ => ("", width(title)),
        };
        line.push_str(&format!("  {sign}{:>width$}", thousands(*count)));
    }
    let closes = row.first().copied() == Some(row.iter().skip(1).sum());
    line.push_str(if closes { "  closes\n" } else { "  DOES NOT CLOSE\n" });
    line
}

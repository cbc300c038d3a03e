//! Reads every topic to its end and has the independent checker count what became of each event, and play them again.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use flowgate_checker as checker;

use super::patience::patiently;
use super::show::thousands;
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, PollLimit, Polled, Reader, Record, Result};
use crate::schema::topics::Topics;

/// The checker's answer, with how much it has looked at.
pub struct Proof {
    pub report: checker::Report,
    pub replay: checker::Replay,
    pub delivered: usize,
    pub discarded: usize,
    pub dead: usize,
}

/// A term of a sum: its name with its sign, and its count.
type Column = (&'static str, fn(&checker::Sums) -> u64);

/// Reads and checks. The gate must be at rest.
///
/// # Errors
/// The broker's.
pub fn prove<B: Broker>(broker: &B, topics: &Topics) -> Result<Proof> {
    Ok(Proof::of(&at_rest(broker, topics)?))
}

/// Everything in the topics of a prefix when the gate is at rest: every transaction shows whether it holds.
///
/// # Errors
/// The broker's.
pub fn at_rest<B: Broker>(broker: &B, topics: &Topics) -> Result<checker::Log> {
    patiently(|| decided(broker, topics))?;
    patiently(|| log(broker, topics))
}

/// A commit is answered before every topic shows it: fails with [`Action::Retry`] until all of them do.
fn decided<B: Broker>(broker: &B, topics: &Topics) -> Result<()> {
    let mut admin = broker.admin()?;
    let mut stable = broker.reader(Isolation::ReadCommitted)?;
    let mut latest = broker.reader(Isolation::ReadUncommitted)?;
    for topic in admin.topics(&format!("{}.", topics.prefix))? {
        for partition in 0..admin.partitions(&topic)?.unwrap_or_default() {
            if stable.watermarks(&topic, partition)?.end < latest.watermarks(&topic, partition)?.end {
                let detail = format!("a transaction is open in partition {partition} of `{topic}`");
                return Err(Error::new(Action::Retry, Code::Busy, detail));
            }
        }
    }
    Ok(())
}

/// Everything in the topics of a prefix, as the checker wants it.
///
/// # Errors
/// The broker's.
pub fn log<B: Broker>(broker: &B, topics: &Topics) -> Result<checker::Log> {
    let mut admin = broker.admin()?;
    let queues = admin.topics(&topics.queue_prefix())?;
    let partitions = admin.partitions(&topics.enrollments)?.unwrap_or_default();
    let fixed = [
        &topics.enrollments,
        &topics.control,
        &topics.records,
        &topics.discarded,
        &topics.dead_letters,
        &topics.audit,
        &topics.state,
    ];
    let mut all = read(broker, &mut admin, fixed.into_iter().chain(&queues))?;
    gather(topics, partitions, &queues, |topic| Ok(all.remove(topic).unwrap_or_default()))
}

/// Puts together what the checker wants to see. `partitions`: of the enrollments. `take` gives the records of a topic.
///
/// # Errors
/// Those of `take`.
pub fn gather<E>(
    topics: &Topics,
    partitions: i32,
    queues: &[String],
    mut take: impl FnMut(&str) -> std::result::Result<Vec<checker::Record>, E>,
) -> std::result::Result<checker::Log, E> {
    Ok(checker::Log {
        enrollments: take(&topics.enrollments)?,
        control: take(&topics.control)?,
        records: take(&topics.records)?,
        discarded: take(&topics.discarded)?,
        dead_letters: take(&topics.dead_letters)?,
        audit: take(&topics.audit)?,
        state: take(&topics.state)?,
        enrollment_partitions: partitions,
        queues: queues.iter().map(|queue| Ok((queue.clone(), take(queue)?))).collect::<std::result::Result<_, E>>()?,
        prefix: topics.prefix.clone(),
        never_too_large: None,
        deleted: BTreeMap::new(),
    })
}

/// Everything that a `read_committed` consumer can see of these topics, each by partition and offset. All partitions are
/// read at once: one after the other, each would wait for a fetch of its own.
fn read<'a, B: Broker>(
    broker: &B,
    admin: &mut B::Admin,
    topics: impl Iterator<Item = &'a String>,
) -> Result<HashMap<String, Vec<checker::Record>>> {
    const LIMIT: PollLimit = PollLimit { records: 10_000, bytes: 16 * 1024 * 1024, wait: Duration::from_millis(50) };
    // Without progress: how long until topics are looked for that are gone, and until it is given up.
    const LOOK: Duration = Duration::from_secs(1);
    const STILL: Duration = Duration::from_secs(20);
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let mut unread = Vec::new();
    for topic in topics {
        for partition in 0..admin.partitions(topic)?.unwrap_or_default() {
            let ends = match reader.watermarks(topic, partition) {
                // The gate has retired a queue meanwhile.
                Err(error) if error.code == Code::UnknownTopic => continue,
                ends => ends?,
            };
            if ends.low < ends.end {
                reader.assign(topic, partition, ends.low)?;
                unread.push((topic, partition, ends.end));
            }
        }
    }
    let (mut found, mut progress) = (Vec::new(), (0, unread.len(), Instant::now()));
    while !unread.is_empty() {
        match reader.poll(LIMIT, &mut found) {
            // The gate has emptied a queue meanwhile, or retired it: see below.
            Ok(Polled::OutOfRange { topic, partition, low }) => reader.assign(&topic, partition, low)?,
            Ok(_) => {}
            Err(error) if error.code == Code::UnknownTopic => {}
            Err(error) => return Err(error),
        }
        let still = progress.2.elapsed() >= LOOK;
        let mut left = Vec::new();
        for (topic, partition, end) in unread {
            let read = reader.position(topic, partition)?.is_none_or(|position| position >= end);
            if read || (still && admin.partitions(topic)?.is_none()) {
                reader.unassign(topic, partition)?;
            } else {
                left.push((topic, partition, end));
            }
        }
        unread = left;
        if (progress.0, progress.1) != (found.len(), unread.len()) {
            progress = (found.len(), unread.len(), Instant::now());
        } else if progress.2.elapsed() >= STILL {
            let detail = format!("nothing was read of {unread:?} for {STILL:?}");
            return Err(Error::new(Action::Retry, Code::TimedOut, detail));
        }
    }
    found.sort_by_key(|record| (record.partition, record.offset));
    let mut by_topic: HashMap<String, Vec<checker::Record>> = HashMap::new();
    for record in found {
        by_topic.entry(record.topic.to_string()).or_default().push(plain(record));
    }
    Ok(by_topic)
}

/// A record as the checker knows it.
#[must_use]
pub fn plain(record: Record) -> checker::Record {
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
    fn of(log: &checker::Log) -> Self {
        Self {
            report: checker::check(log),
            replay: checker::replay(log),
            delivered: log.records.len(),
            discarded: log.discarded.len(),
            dead: log.dead_letters.len(),
        }
    }

    /// No anomaly, all sums close, and the rules on an ordinary list deliver the same.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.report.is_green() && self.replay.differences.is_empty()
    }

    /// Both sums of promise P1, a row a flow and one for all.
    #[must_use]
    pub fn table(&self) -> String {
        let first: [Column; 5] = [
            ("in", |sums| sums.input),
            ("= delivered live", |sums| sums.delivered_live),
            ("+ queued", |sums| sums.queued.total()),
            ("+ turned away", |sums| sums.turned_away.total()),
            ("+ dead", |sums| sums.dead),
        ];
        let second: [Column; 5] = [
            ("queued", |sums| sums.queued.total()),
            ("= held", |sums| sums.held.total()),
            ("+ released", |sums| sums.released.total()),
            ("+ replaced", |sums| sums.replaced.total()),
            ("+ removed", |sums| sums.removed.total()),
        ];
        [first, second].map(|columns| self.sums(&columns)).join("\n")
    }

    fn sums(&self, columns: &[Column]) -> String {
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

fn line(name: &str, columns: &[Column], row: &[u64]) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::backend::{Backend, Way};
    use super::super::play::Play;
    use super::super::simulation::Simulation;
    use super::*;
    use crate::broker::memory::{Fault, Operation};
    use crate::broker::{Commit, Outgoing, Producer, ProducerOptions, Transaction, UNTRACKED};

    /// Goal: the proof can fail. Method: two months that hold; then the same topics with one delivery taken out, and with
    /// one delivered twice.
    #[test]
    fn one_lost_or_doubled_delivery_is_seen() {
        let mut play = Play::<Simulation>::start((), Way::Fast).unwrap();
        play.run_until(play.first_day().after(Duration::from_secs(60 * 24 * 60 * 60))).unwrap();
        let whole = log(play.backend().broker(), &Topics::new("demo").unwrap()).unwrap();
        let proof = Proof::of(&whole);
        assert!(proof.holds() && proof.delivered > 5_000, "{:?}", proof.report.anomalies);
        assert_eq!(proof.table().matches("  closes\n").count(), 6, "{}", proof.table());

        assert!(proof.replay.share() > 0.99, "{}", proof.replay.share());

        let mut lost = whole.clone();
        lost.records.remove(4_321);
        let proof = Proof::of(&lost);
        assert_eq!(proof.replay.differences.len(), 1, "{:?}", proof.replay.differences);
        assert!(!proof.holds() && proof.table().contains("  DOES NOT CLOSE\n"), "{}", proof.table());

        let mut doubled = whole;
        let mut twice = doubled.records[4_321].clone();
        twice.offset = 1_000_000;
        doubled.records.push(twice);
        let proof = Proof::of(&doubled);
        assert!(!proof.report.is_green() && !proof.replay.differences.is_empty());
    }

    /// Goal: what is committed and not yet shown is waited for. Method: a delivery whose marker comes late.
    #[test]
    fn a_commit_that_not_every_topic_shows_is_not_decided() {
        let mut play = Play::<Simulation>::start((), Way::Fast).unwrap();
        play.run_until(play.first_day().after(Duration::from_secs(24 * 60 * 60))).unwrap();
        let (broker, topics) = (play.backend().broker(), play.backend().topics());
        let shown = log(broker, topics).unwrap().records.len();
        assert_eq!(decided(broker, topics), Ok(()));
        let mut producer = broker.producer(&ProducerOptions::new("late", Duration::from_secs(60))).unwrap();
        let topic = producer.topic(&topics.records).unwrap();
        let mut transaction = producer.begin().map_err(|(_, error)| error).unwrap();
        let (timestamp, headers) = (play.now(), &[]);
        let record =
            Outgoing { topic, partition: 0, timestamp: Some(timestamp), key: None, value: Some(b"{}"), headers };
        transaction.send(&record, UNTRACKED).unwrap();
        broker.fail_next(Operation::Commit, Fault::MarkersLag);
        assert!(matches!(transaction.commit(), Commit::Done(_)));
        assert_eq!(decided(broker, topics).unwrap_err().action, Action::Retry);
        broker.release_markers(Some("late"));
        assert_eq!(decided(broker, topics), Ok(()));
        assert_eq!(log(broker, topics).unwrap().records.len(), shown + 1);
    }
}

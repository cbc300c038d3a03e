//! Looks on while a contestant works: few and cheap requests, for they cost the broker time too.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::Result;
use crate::child::Contender;
use crate::site::PARTITIONS;

const LIMIT: Duration = Duration::from_secs(10);

/// Between two looks.
const PACE: Duration = Duration::from_millis(10);

/// Nothing takes longer than this without any progress.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Watcher {
    /// Sees offsets that are committed, also while more are pending, and what open transactions have written.
    eager: BaseConsumer,
    /// Sees what is committed.
    strict: BaseConsumer,
}

/// How far a contestant was when its first records were there, and when the last one was.
pub struct Progress<T> {
    pub first: Mark,
    pub last: Mark,
    /// What was taken down in that last moment.
    pub noted: T,
}

#[derive(Clone, Copy)]
pub struct Mark {
    pub after: Duration,
    pub records: u64,
}

impl Watcher {
    pub fn new(brokers: &str, group: &str) -> Result<Self> {
        let consumer = |isolation| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", brokers).set("group.id", group).set("isolation.level", isolation);
            config.create::<BaseConsumer>()
        };
        Ok(Self { eager: consumer("read_uncommitted")?, strict: consumer("read_committed")? })
    }

    /// Where the partitions end, open transactions included.
    pub fn ends(&self, topic: &str) -> Result<Vec<i64>> {
        ends(&self.eager, topic)
    }

    /// Where the partitions end for readers of what is committed. The ends of transactions count as records do.
    pub fn stable_ends(&self, topic: &str) -> Result<Vec<i64>> {
        ends(&self.strict, topic)
    }

    /// What readers of what is committed can read up to, all partitions together.
    pub fn readable(&self, topic: &str) -> Result<u64> {
        Ok(self.stable_ends(topic)?.iter().sum::<i64>().unsigned_abs())
    }

    /// Waits until readers of what is committed can read more than that: something was delivered.
    pub fn until_more(&self, topic: &str, than: u64, contender: &mut Contender) -> Result<()> {
        let began = Instant::now();
        while self.readable(topic)? <= than {
            contender.check()?;
            if began.elapsed() > PATIENCE {
                return Err(format!("nothing is delivered:\n{}", contender.last_words()).into());
            }
            std::thread::sleep(PACE);
        }
        Ok(())
    }

    /// What the group has committed.
    pub fn committed(&self, topic: &str) -> Result<Vec<i64>> {
        patiently(|| self.eager.committed_offsets(list(topic, Offset::Invalid)?, LIMIT))
    }

    /// How many of the records are committed that stand between those that introduced flows and the ends.
    pub fn passed(&self, topic: &str, introduced: &[i64], ends: &[i64]) -> Result<u64> {
        // The end of the transaction that introduced the flows has an offset too.
        let starts: Vec<i64> = introduced.iter().map(|end| if *end > 0 { end + 1 } else { 0 }).collect();
        self.passed_between(topic, &starts, ends)
    }

    /// How many of the offsets between are committed.
    pub fn passed_between(&self, topic: &str, starts: &[i64], ends: &[i64]) -> Result<u64> {
        let now = self.committed(topic)?;
        let of = now.iter().zip(starts).zip(ends).map(|((now, start), end)| (now.min(end) - start).max(0));
        Ok(of.sum::<i64>().unsigned_abs())
    }

    /// Waits until the group has committed so much.
    pub fn until_committed(&self, topic: &str, wanted: &[i64], contender: &mut Contender) -> Result<()> {
        let (mut began, mut before) = (Instant::now(), Vec::new());
        loop {
            let now = self.committed(topic)?;
            if now.iter().zip(wanted).all(|(now, wanted)| now >= wanted) {
                return Ok(());
            }
            contender.check()?;
            if now != before {
                (began, before) = (Instant::now(), now);
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{before:?} committed of {wanted:?}:\n{}", contender.last_words()).into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Looks until all records have passed, and nothing more comes for `rest`. `passed` may count a few too many.
    pub fn follow<T>(
        &self,
        gun: Instant,
        records: u64,
        rest: Duration,
        contender: &mut Contender,
        mut passed: impl FnMut(&Self) -> Result<u64>,
        mut note: impl FnMut() -> Result<T>,
    ) -> Result<Progress<T>> {
        let (mut first, mut done) = (None, None);
        let mut last = Mark { after: Duration::ZERO, records: 0 };
        loop {
            let now = passed(self)?;
            let after = gun.elapsed();
            if now > last.records {
                last = Mark { after, records: now };
                first = first.or(Some(last));
                if now >= records {
                    done = Some(note()?);
                }
            }
            if let Some(first) = first
                && done.is_some()
                && after - last.after >= rest
                && let Some(noted) = done.take()
            {
                return Ok(Progress { first, last: Mark { records, ..last }, noted });
            }
            if after - last.after > PATIENCE {
                let said = contender.last_words();
                return Err(format!("{} of {records} records, and no more:\n{said}", last.records).into());
            }
            contender.check()?;
            std::thread::sleep(PACE);
        }
    }
}

fn ends(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i64>> {
    // All partitions in one request; asked for a time, `End` is answered with the end.
    patiently(|| consumer.offsets_for_times(list(topic, Offset::End)?, LIMIT))
}

/// Asks again for a while: of a topic that has just been made, the broker may say that it does not lead it.
fn patiently(ask: impl Fn() -> KafkaResult<TopicPartitionList>) -> Result<Vec<i64>> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match ask() {
            Ok(list) => return Ok(offsets(&list)),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => std::thread::sleep(PACE),
        }
    }
}

fn list(topic: &str, offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

fn offsets(list: &TopicPartitionList) -> Vec<i64> {
    let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
    list.elements().iter().map(|element| offset(element.offset())).collect()
}

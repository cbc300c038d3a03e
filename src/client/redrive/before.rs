//! What was redriven before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::order::{Earlier, Order};
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, Reader, Result};
use crate::client::letters::Item;
use crate::client::meter::Meter;
use crate::client::peek::peek;
use crate::client::scan::{Bound, First, Marks, Scan};
use crate::client::{no_topic, rest};
use crate::schema::redriven::{self, Redriven};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Brokers stamp the letters and the audit by clocks of their own.
const CLOCKS: Duration = Duration::from_secs(60 * 60);

/// Letters that the audit says were redriven.
#[derive(Default)]
pub struct Before {
    letters: HashMap<Item, Earlier>,
    /// Where the audit was read to.
    pub ends: Marks,
}

impl Before {
    /// Reads the audit from when the oldest of the letters was set aside, to its end; `None`: there are no letters. `seen`: how far a preview has read it, if
    /// letters are to be redriven again: only what was redriven since counts then.
    ///
    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if it takes longer: nothing is known then. [`Action::Stop`] if the audit does not reach
    /// back so far.
    pub fn read<B: Broker>(
        (broker, meter): (&B, &Meter),
        topics: &Topics,
        order: &Order,
        since: Option<Timestamp>,
        seen: Option<&Marks>,
        limit: Duration,
    ) -> Result<Self> {
        let Some(since) = since else { return Ok(Self::default()) };
        let deadline = Instant::now() + limit;
        wait_for_open_transactions(broker, &topics.audit, deadline)?;
        let bound = Bound { records: u64::MAX, time: deadline.saturating_duration_since(Instant::now()) };
        let mut scan: Scan<B, Redriven> = Scan::open(broker, &topics.audit, None, First::Oldest, bound)?;
        let mut before = Self { letters: HashMap::new(), ends: scan.ends() };
        match seen.filter(|_| order.again) {
            Some(seen) => scan.go_on_at(seen),
            None => {
                if !order.again {
                    reaches_back(broker, &topics.audit, &before.ends, since, deadline)?;
                }
                scan.leave_out_until(since.before(CLOCKS))?;
            }
        }
        scan.tell(meter);
        while let Some(redriven) = scan.next_of_all(|record| redriven::read(record.value.as_deref()?).ok())? {
            before.note(redriven, order.kind.topic(topics));
        }
        Ok(before)
    }

    fn note(&mut self, Redriven { source, to, by, at, .. }: Redriven, topic: &str) {
        if *source.topic == *topic {
            let item = Item { partition: source.partition, offset: source.offset };
            let earlier = self.letters.entry(item).or_insert_with(|| Earlier { times: 0, by, at, to: to.to_string() });
            earlier.times += 1;
        }
    }

    /// How many times.
    pub fn count(&self, item: Item) -> u64 {
        self.letters.get(&item).map_or(0, |earlier| earlier.times)
    }

    /// The first time.
    pub fn first(&self, item: Item) -> Option<&Earlier> {
        self.letters.get(&item)
    }
}

/// How long a transaction of a gate may stay open: its timeout, and what a broker takes to notice that.
const OPEN: Duration = Duration::from_secs(60);

/// What was committed behind a transaction that is still open is not shown yet. Gates write to the audit all the time, so whoever
/// wants to know all that is committed by now waits until everything that is in the topic by now is decided.
fn wait_for_open_transactions<B: Broker>(broker: &B, topic: &str, deadline: Instant) -> Result<()> {
    let count = broker.admin()?.partitions(topic)?.ok_or_else(|| no_topic(topic))?;
    let (mut all, mut decided) = (broker.reader(Isolation::ReadUncommitted)?, broker.reader(Isolation::ReadCommitted)?);
    let ends: Vec<i64> =
        (0..count).map(|partition| Ok(all.watermarks(topic, partition)?.end)).collect::<Result<_>>()?;
    let deadline = deadline.min(Instant::now() + OPEN);
    for (partition, end) in (0..count).zip(ends) {
        while decided.watermarks(topic, partition)?.end < end {
            if Instant::now() >= deadline {
                let detail = format!("a transaction stays open in `{topic}`: what lies behind it is not known");
                return Err(Error::new(Action::Retry, Code::TimedOut, detail));
            }
            rest();
        }
    }
    Ok(())
}

/// Where the beginning of the audit was deleted, it has to reach back to the oldest letter all the same: else nobody knows whether
/// that was redriven before.
fn reaches_back<B: Broker>(broker: &B, topic: &str, ends: &Marks, since: Timestamp, deadline: Instant) -> Result<()> {
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    for partition in ends.keys() {
        let low = reader.watermarks(topic, *partition)?.low;
        let first = if low > 0 { peek(&mut reader, (topic, *partition), low, deadline)? } else { None };
        if let Some(first) = first.filter(|first| first.timestamp > since) {
            let detail = format!(
                "the oldest letter was set aside at {since}, and `{topic}` reaches back to {} only: it does not say whether that \
                 letter was redriven before",
                first.timestamp
            );
            return Err(Error::new(Action::Stop, Code::OutOfRange, detail));
        }
    }
    Ok(())
}

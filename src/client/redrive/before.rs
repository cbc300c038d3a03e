//! What was redriven before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, Reader, Result};
use crate::client::letters::{Item, Kind};
use crate::client::scan::{Bound, First, Scan};
use crate::client::{no_topic, rest};
use crate::schema::redriven::{self, Redriven};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Brokers stamp the letters and the audit by clocks of their own.
const CLOCKS: Duration = Duration::from_secs(60 * 60);

/// Letters that the audit says were redriven.
#[derive(Default)]
pub struct Before {
    letters: HashMap<Item, (u64, Box<Redriven>)>,
}

impl Before {
    /// Reads the audit from when the oldest of the letters was set aside, to its end.
    ///
    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if that is more than the bound: nothing is known then.
    pub fn read<B: Broker>(
        &mut self,
        broker: &B,
        topics: &Topics,
        kind: Kind,
        since: Option<Timestamp>,
        bound: Bound,
    ) -> Result<()> {
        let bound = Bound { records: u64::MAX, ..bound };
        wait_for_open_transactions(broker, &topics.audit)?;
        let mut scan: Scan<B, Redriven> = Scan::open(broker, &topics.audit, None, First::Oldest, bound)?;
        if let Some(since) = since {
            scan.leave_out_until(since.before(CLOCKS))?;
        }
        while let Some(found) = scan.next(|record| redriven::read(record.value.as_deref()?).ok())? {
            let redriven = found.what;
            if *redriven.source.topic == *kind.topic(topics) {
                let item = Item { partition: redriven.source.partition, offset: redriven.source.offset };
                let entry = self.letters.entry(item).or_insert_with(|| (0, Box::new(redriven)));
                entry.0 += 1;
            }
        }
        match scan.progress().is_whole {
            true => Ok(()),
            false => {
                let detail = format!("`{}` could not be read to its end in time", topics.audit);
                Err(Error::new(Action::Retry, Code::TimedOut, detail))
            }
        }
    }

    /// How many times.
    pub fn count(&self, item: Item) -> u64 {
        self.letters.get(&item).map_or(0, |(count, _)| *count)
    }

    /// The first time.
    pub fn first(&self, item: Item) -> Option<&Redriven> {
        self.letters.get(&item).map(|(_, redriven)| &**redriven)
    }
}

/// How long a transaction of a gate may stay open: its timeout, and what a broker takes to notice that.
const OPEN: Duration = Duration::from_secs(60);

/// What was committed behind a transaction that is still open is not shown yet. Gates write to the audit all the time, so whoever
/// wants to know all that is committed by now waits until everything that is in the topic by now is decided.
fn wait_for_open_transactions<B: Broker>(broker: &B, topic: &str) -> Result<()> {
    let count = broker.admin()?.partitions(topic)?.ok_or_else(|| no_topic(topic))?;
    let (mut all, mut decided) = (broker.reader(Isolation::ReadUncommitted)?, broker.reader(Isolation::ReadCommitted)?);
    let ends: Vec<i64> =
        (0..count).map(|partition| Ok(all.watermarks(topic, partition)?.end)).collect::<Result<_>>()?;
    let deadline = Instant::now() + OPEN;
    for (partition, end) in (0..count).zip(ends) {
        while decided.watermarks(topic, partition)?.end < end {
            if Instant::now() >= deadline {
                let detail =
                    format!("a transaction has been open in `{topic}` for {OPEN:?}: what lies behind it is not known");
                return Err(Error::new(Action::Retry, Code::TimedOut, detail));
            }
            rest();
        }
    }
    Ok(())
}

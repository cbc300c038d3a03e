//! What was redriven before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::order::{Earlier, Order};
use crate::broker::{Action, Broker, Code, Error, Isolation, Reader, Result};
use crate::client::letters::Item;
use crate::client::meter::Meter;
use crate::client::peek::peek;
use crate::client::redriven::{CLOCKS, home, told};
use crate::client::scan::{Bound, First, Marks, Scan};
use crate::client::settled::wait_until_settled;
use crate::flow::FlowId;
use crate::schema::redriven::Redriven;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// Letters that the audit says were redriven.
#[derive(Default)]
pub struct Before {
    letters: HashMap<Item, Earlier>,
    /// Where the audit was read to.
    pub ends: Marks,
}

/// What the audit is asked about.
#[derive(Clone, Debug)]
pub struct About {
    /// When the oldest of the letters was set aside.
    pub since: Timestamp,
    /// Whose letters they are, if they are one flow's.
    pub flow: Option<FlowId>,
}

impl Before {
    /// Reads the audit from when the oldest of the letters was set aside, to its end; `None`: there are no letters. `seen`: how far
    /// a preview has read it, if letters are to be redriven again: only what was redriven since counts then.
    ///
    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if it takes longer: nothing is known then. [`Action::Stop`] if the audit does not reach
    /// back so far, or has something of a newer version.
    pub fn read<B: Broker>(
        (broker, meter): (&B, &Meter),
        topics: &Topics,
        order: &Order,
        about: Option<About>,
        seen: Option<&Marks>,
        limit: Duration,
    ) -> Result<Self> {
        let Some(About { since, flow }) = about else { return Ok(Self::default()) };
        let deadline = Instant::now() + limit;
        wait_until_settled(broker, &topics.audit, deadline.min(Instant::now() + OPEN))?;
        let bound = Bound { records: u64::MAX, time: deadline.saturating_duration_since(Instant::now()) };
        let mut scan: Scan<B, Result<Redriven>> = Scan::open(broker, &topics.audit, None, First::Oldest, bound)?;
        let mut before = Self { letters: HashMap::new(), ends: scan.ends() };
        match seen.filter(|_| order.again) {
            Some(seen) => scan.go_on_at(seen),
            None => {
                if !order.again {
                    let home = home(order.kind, flow.as_ref(), &before.ends);
                    let partitions = before.ends.keys().copied().filter(|at| home.is_none_or(|home| home == *at));
                    reaches_back(broker, (&topics.audit, partitions), since, deadline)?;
                }
                scan.leave_out_until(since.before(CLOCKS))?;
            }
        }
        scan.tell(meter);
        while let Some(redriven) = scan.next_of_all(|record| told(record).transpose())? {
            match redriven {
                Ok(redriven) => before.note(redriven, order.kind.topic(topics)),
                // Whoever insists does not ask, but for what came since the look at it.
                Err(_) if order.again && seen.is_none() => {}
                Err(error) => return Err(error),
            }
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

/// Transactions that are open are waited for no longer: a gate's timeout, and what a broker takes to notice that.
const OPEN: Duration = Duration::from_secs(60);

/// Where the beginning of one of these partitions of the audit was deleted, it has to reach back to the oldest letter all the same: else
/// nobody knows whether that was redriven before.
fn reaches_back<B: Broker>(
    broker: &B,
    (topic, partitions): (&str, impl Iterator<Item = i32>),
    since: Timestamp,
    deadline: Instant,
) -> Result<()> {
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    for partition in partitions {
        let low = reader.watermarks(topic, partition)?.low;
        if low == 0 {
            continue;
        }
        let first = peek(&mut reader, (topic, partition), low, deadline)?.map(|first| first.timestamp);
        // What was deleted may be of the same millisecond.
        if first.is_none_or(|first| first >= since) {
            let back = first.map_or_else(|| "nothing".to_owned(), |first| first.to_string());
            let detail = format!(
                "the oldest letter was set aside at {since}, and partition {partition} of `{topic}` reaches back to {back} only: \
                 it does not say whether that letter was redriven before"
            );
            return Err(Error::new(Action::Stop, Code::OutOfRange, detail));
        }
    }
    Ok(())
}

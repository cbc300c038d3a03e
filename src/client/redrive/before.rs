//! What was redriven before.

use std::collections::HashMap;
use std::time::Duration;

use crate::broker::{Action, Broker, Code, Error, Result};
use crate::client::letters::{Item, Kind};
use crate::client::scan::{Bound, First, Scan};
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

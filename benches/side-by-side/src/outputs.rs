//! Where a contestant's records are in the end, and whether all of them are there.

use std::time::{Duration, Instant};

use flowgate::broker::{Admin as _, Broker as _};
use flowgate::schema::topics::Topics;

use crate::Result;
use crate::count::scan;
use crate::site::{PARTITIONS, Site};

/// Counts again while records are missing: a group's offsets are committed before all topics are told so.
pub fn until_counted(site: &Site, outputs: &[(String, i32)], wanted: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match scan(&site.brokers, outputs, |_| ())? {
            found if found == wanted => return Ok(()),
            found if found > wanted || Instant::now() > deadline => {
                return Err(format!("{found} records, not {wanted}").into());
            }
            _ => {}
        }
    }
}

/// Where delivered records are.
pub fn delivered(topics: &Topics) -> Vec<(String, i32)> {
    (0..PARTITIONS).map(|partition| (topics.records.clone(), partition)).collect()
}

/// Where held records are.
pub fn held(site: &Site, topics: &Topics) -> Result<Vec<(String, i32)>> {
    let queues = site.kafka.admin()?.topics(&topics.queue_prefix())?;
    Ok(queues.into_iter().map(|queue| (queue, 0)).collect())
}

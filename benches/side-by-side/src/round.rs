//! One contestant's turn in one case.

use std::time::{Duration, Instant};

use flowgate::broker::{Admin as _, Broker as _};
use flowgate::schema::topics::Topics;
use tempfile::TempDir;

use crate::case::{Case, Kind};
use crate::contestant::Contestant;
use crate::count::scan;
use crate::figures::Figures;
use crate::site::{PARTITIONS, Site};
use crate::{Result, beside, cost, known, latency, memory, pause, restart, takeover, throughput, timers};

pub fn run(site: &mut Site, case: Case, contestant: &Contestant) -> Result<Figures> {
    let topics = site.topics()?;
    let measure = match case.kind {
        Kind::Live | Kind::Hold | Kind::Drain => throughput::measure,
        Kind::Latency => latency::measure,
        Kind::Pause => pause::measure,
        Kind::Restart | Kind::Rebuilt => restart::measure,
        Kind::Timers => timers::measure,
        Kind::Beside => beside::measure,
        Kind::Known => known::measure,
        Kind::Memory | Kind::Repeats => memory::measure,
        Kind::Cost => cost::measure,
        Kind::Takeover => takeover::measure,
    };
    let figures = measure(site, case, contestant, &topics);
    site.delete(&topics)?;
    figures
}

/// Where a contestant runs, and leaves what it has to.
pub fn directory() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("flowgate-side-by-side-").tempdir()?)
}

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

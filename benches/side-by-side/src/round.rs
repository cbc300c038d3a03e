//! One contestant's turn in one case.

use std::fmt;
use std::time::{Duration, Instant};

use flowgate::broker::{Admin as _, Broker as _, Publication, Publisher as _};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::case::{Case, Kind};
use crate::contestant::Contestant;
use crate::count::scan;
use crate::site::{PARTITIONS, Site};
use crate::{Result, latency, pause, throughput};

/// Of one round.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// From the first commit that brought records to the last one.
    pub records_per_second: f64,
    /// From the gun to the first records.
    pub first_seconds: f64,
    /// From the gun to the last record.
    pub seconds: f64,
    /// Of the contestant, from the gun to the last record.
    pub cpu_seconds_per_million: f64,
    /// Of the broker.
    pub broker_cpu_seconds_per_million: f64,
    /// The contestant's, in MiB.
    pub peak_mib: f64,
    #[serde(flatten)]
    pub latency: Option<Latency>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Latency {
    /// `None` of nothing.
    pub fn of(mut millis: Vec<f64>) -> Option<Self> {
        millis.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| millis.get((millis.len() * percent / 100).min(millis.len().checked_sub(1)?)).copied();
        Some(Self { p50_ms: at(50)?, p99_ms: at(99)? })
    }
}

pub fn run(site: &mut Site, case: Case, contestant: &Contestant) -> Result<Figures> {
    let topics = site.topics()?;
    let figures = match case.kind {
        Kind::Live | Kind::Hold | Kind::Drain => throughput::measure(site, case, contestant, &topics),
        Kind::Latency => latency::measure(site, case, contestant, &topics),
        Kind::Pause => pause::measure(site, case, contestant, &topics),
    };
    site.delete(&topics)?;
    figures
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

/// Sends a command for each flow, and says when they were written, by the broker's clock.
pub fn command(site: &Site, topics: &Topics, flows: &[String], action: &str) -> Result<Vec<Timestamp>> {
    let mut publisher = site.kafka.publisher()?;
    for flow in flows {
        let value = json!({
            "command_id": format!("{action}-{flow}"), "flow_id": flow, "action": action, "issued_by": "bench",
        });
        let value = value.to_string();
        let (key, value) = (Some(flow.as_bytes()), Some(value.as_bytes()));
        let topic = &topics.control;
        publisher.publish(&Publication { topic, partition: Some(0), timestamp: None, key, value, headers: &[] })?;
    }
    let receipts = publisher.flush(Duration::from_secs(30))?;
    Ok(receipts.into_iter().map(|receipt| Ok(receipt?.timestamp)).collect::<flowgate::broker::Result<_>>()?)
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

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0}/s, first after {:.0} ms, {:.2} CPU-s a million (broker {:.2}), {:.0} MiB",
            self.records_per_second,
            self.first_seconds * 1e3,
            self.cpu_seconds_per_million,
            self.broker_cpu_seconds_per_million,
            self.peak_mib
        )?;
        match &self.latency {
            Some(Latency { p50_ms, p99_ms }) => write!(f, ", p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms"),
            None => Ok(()),
        }
    }
}

//! What is found out in a round.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::meter::Used;
use crate::watch::Progress;

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
    /// What only this case measures.
    #[serde(serialize_with = "as_object", skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Measure>,
}

/// A name that ends with its unit, and the figure.
pub type Measure = (&'static str, f64);

#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

impl Figures {
    /// Of so many events; `progress` counts the records that came of them.
    pub fn of(events: u64, progress: &Progress<Used>) -> Self {
        let Progress { first, last, noted: Used { own, broker, peak_mib } } = progress;
        let millions = events as f64 / 1e6;
        Self {
            // A round so small that one commit has it all has no other measure.
            records_per_second: match last.records.saturating_sub(first.records) {
                0 => last.records as f64 / last.after.as_secs_f64(),
                rest => rest as f64 / (last.after - first.after).as_secs_f64(),
            },
            first_seconds: first.after.as_secs_f64(),
            seconds: last.after.as_secs_f64(),
            cpu_seconds_per_million: own.as_secs_f64() / millions,
            broker_cpu_seconds_per_million: broker.as_secs_f64() / millions,
            peak_mib: *peak_mib,
            latency: None,
            more: Vec::new(),
        }
    }

    /// With what only this case measures.
    pub fn with(mut self, more: impl IntoIterator<Item = Measure>) -> Self {
        self.more.extend(more);
        self
    }
}

impl Latency {
    /// `None` of nothing.
    pub fn of(mut millis: Vec<f64>) -> Option<Self> {
        millis.sort_unstable_by(f64::total_cmp);
        let at = |percent: usize| millis.get((millis.len() * percent / 100).min(millis.len().checked_sub(1)?)).copied();
        Some(Self { p50_ms: at(50)?, p99_ms: at(99)? })
    }
}

fn as_object<S: Serializer>(measures: &[Measure], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(measures.iter().copied())
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
        if let Some(Latency { p50_ms, p99_ms }) = &self.latency {
            write!(f, ", p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms")?;
        }
        self.more.iter().try_for_each(|(name, figure)| write!(f, ", {name} {figure:.2}"))
    }
}

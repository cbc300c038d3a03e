//! `flowgate capacity`

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::output::Output;
use super::table::Layout;
use super::{Failure, exit};
use crate::capacity::{Load, Needs, Site};
use crate::config::Settings;
use crate::demo::show::thousands;
use crate::duration;

/// Say what gates and brokers have to have for a load
///
/// It asks nobody: it multiplies what was measured on a small machine (docs/capacity.md says how, and what is an estimate) and the
/// settings `workers` and `memory`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Events a second when there are most
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rate: u64,
    /// Flows that are paused at once
    #[arg(long, value_name = "FLOWS", value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    flows: u64,
    /// Events that are held at once
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(0..=100_000_000_000))]
    held: u64,
    /// Events a second on average over a month [default: as many as --rate]
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    mean_rate: Option<u64>,
    /// Bytes of an event: its key, value and headers
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    event_bytes: u64,
    /// Flows that ever had an event [default: as many as --flows]
    #[arg(long, value_name = "FLOWS", value_parser = clap::value_parser!(u64).range(0..=100_000_000))]
    known_flows: Option<u64>,
    /// In which all that is held is to be delivered beside the live events, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration::whole_seconds)]
    drain_within: Option<Duration>,
    /// Brokers of the cluster
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    broker_count: u64,
    /// Copies of each partition [default: 3, or as many as there are brokers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=9))]
    replication_factor: Option<u64>,
    #[command(flatten)]
    output: Output,
}

impl Args {
    /// # Errors
    /// Numbers that contradict each other; and of the output.
    pub fn run(&self, settings: &Settings, out: &mut dyn Write) -> Result<(), Failure> {
        let refuse = |what: String, hint| Err(Failure::new(exit::CONFIGURATION, what).hint(hint));
        let replicas = self.replication_factor.unwrap_or(3.min(self.broker_count));
        if replicas > self.broker_count {
            let what = format!(
                "--replication-factor {replicas}: no broker has two copies of a partition, and --broker-count is {}",
                self.broker_count
            );
            return refuse(what, "name more brokers, or fewer replicas");
        }
        let mean_rate = self.mean_rate.unwrap_or(self.rate);
        if mean_rate > self.rate {
            return refuse(
                format!("--mean-rate {mean_rate} is more than --rate {}", self.rate),
                "--rate is of the busiest second",
            );
        }
        let known_flows = self.known_flows.unwrap_or(self.flows);
        if known_flows < self.flows {
            let what = format!("--known-flows {known_flows} is less than --flows {}", self.flows);
            return refuse(what, "flows that are paused are among those that are known");
        }
        let Self { rate, flows, held, event_bytes, drain_within, broker_count: brokers, .. } = *self;
        let load = Load { rate, mean_rate, flows, known_flows, held, event_bytes, drain_within };
        let number = |of: usize| u64::try_from(of).unwrap_or(u64::MAX);
        let site = Site { brokers, replicas, workers: number(settings.workers), memory: number(settings.memory) };
        let needs = Needs::of(&load, &site, &settings.topics);
        self.output.write(out, &document(&load, &site, &needs), |_| table(&load, &site, &needs))
    }
}

fn document(load: &Load, site: &Site, needs: &Needs) -> Value {
    let Needs { gates, brokers, times } = needs;
    json!({
        "load": {
            "rate": load.rate,
            "mean_rate": load.mean_rate,
            "flows": load.flows,
            "known_flows": load.known_flows,
            "held": load.held,
            "event_bytes": load.event_bytes,
            "drain_within_seconds": load.drain_within.map(|time| time.as_secs()),
        },
        "site": {
            "brokers": site.brokers,
            "replicas": site.replicas,
            "workers": site.workers,
            "memory_bytes": site.memory,
        },
        "gates": {
            "gates": gates.gates,
            "partitions": gates.partitions,
            "cores": gates.cores,
            "memory_bytes": gates.memory,
        },
        "brokers": {
            "topics": brokers.topics,
            "partitions": brokers.partitions,
            "held_disk_bytes": brokers.held_disk,
            "enrollments_disk_bytes": brokers.enrollments_disk,
            "records_disk_bytes": brokers.records_disk,
            "open_files": brokers.open_files,
            "open_files_limit": brokers.open_files_limit,
            "maps": brokers.maps,
            "max_map_count": brokers.maps_limit,
            "memory_bytes": brokers.memory,
            "cores": brokers.cores,
            "received_bytes_per_second": brokers.received,
            "sent_bytes_per_second": brokers.sent,
        },
        "times": {
            "drain_seconds": times.drain.map(|time| time.as_secs()),
            "index_seconds": times.index.as_secs(),
        },
    })
}

fn table(load: &Load, site: &Site, needs: &Needs) -> String {
    let Needs { gates, brokers, times } = needs;
    let row = |what: &str, needed: String, why: &str| [what.to_owned(), needed, why.to_owned()];
    let drain = times.drain.map_or_else(|| "never".to_owned(), duration::show);
    let limit = |used, limit| format!("{} (limit {})", thousands(used), thousands(limit));
    let rows = [
        row("GATES", thousands(gates.gates), "one of them may be down"),
        row(
            "  partitions",
            thousands(gates.partitions),
            "of the enrollments: for four times as many workers, as none can be added",
        ),
        row("  cores", thousands(gates.cores), "of each, half of them in use"),
        row("  memory", size(gates.memory), "of each: twice the setting `memory` a worker, and what flows take"),
        row("BROKERS", thousands(site.brokers), "each of them has to have:"),
        row("  cores", thousands(brokers.cores), "half of them in use, as a leader of its share; an estimate"),
        row("  memory", size(brokers.memory), "for the topics of paused flows, beside what it needs anyway"),
        row("  disk, held", size(brokers.held_disk), "what flows hold"),
        row("  disk, input", size(brokers.enrollments_disk), "the enrollments of 7 days"),
        row("  disk, output", size(brokers.records_disk), "what was delivered in 30 days"),
        row(
            "  partitions",
            thousands(brokers.partitions),
            &format!("of {} topics: each paused flow has one", thousands(brokers.topics)),
        ),
        row(
            "  open files",
            limit(brokers.open_files, brokers.open_files_limit),
            "a segment of a log is one: `ulimit -n`",
        ),
        row("  mapped files", limit(brokers.maps, brokers.maps_limit), "and two indexes: `vm.max_map_count`"),
        row("  network in", format!("{}/s", size(brokers.received)), "from upstreams, gates, brokers"),
        row("  network out", format!("{}/s", size(brokers.sent)), "to gates, executors, brokers"),
        row("TIMES", String::new(), "while one gate is down:"),
        row("  drain", drain, "until all is delivered that is held, beside the mean rate"),
        row("  index", duration::show(times.index), "until all queues are indexed after a restart; only drains wait"),
    ];
    let layout = Layout::of(&["", "", ""], rows.iter());
    let head = format!(
        "{} events a second at most, of {} bytes; {} flows paused at once, with {} events held:\n",
        thousands(load.rate),
        thousands(load.event_bytes),
        thousands(load.flows),
        thousands(load.held)
    );
    let lines: Vec<String> = rows.iter().map(|row| layout.line(row)).collect();
    format!("{head}\n{}", lines.join("\n"))
}

/// In the largest unit of which there are ten, rounded up.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = UNITS.iter().find(|(_, power)| bytes >> power >= 10);
    let (unit, power) = unit.copied().unwrap_or(("B", 0));
    format!("{} {unit}", thousands(bytes.div_ceil(1 << power)))
}

//! What gates and brokers have to have for a load: arithmetic over what was measured. docs/capacity.md has the measurements, and says
//! which of them are estimates.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::schema::topics::Topics;
use crate::topics::{Layout, queue, specification};

/// Events a second that one worker is planned to pass, hold or drain. The slowest of these cases did twice as many with broker,
/// gate and upstream on the same two cores (docs/performance.md: a drain of 1,000 flows).
const WORKER_RATE: u64 = 50_000;

/// CPU time of a gate for a million events that are drained, which cost more than those that are held or pass (docs/performance.md).
const CPU_A_MILLION: f64 = 3.6;

/// Of brokers for as many, with one replica and cold machine code (docs/performance.md).
const BROKER_CPU_A_MILLION: f64 = 4.6;

/// Cores that are planned for each one in use.
const SPARE_CORES: f64 = 2.0;

/// What a flow takes in a gate that was never paused, in bytes (`known-100000`).
const KNOWN_FLOW: u64 = 250;

/// The same of a paused one, beside the memory of its worker.
const PAUSED_FLOW: u64 = 2048;

/// Peaks of memory were at most 1.7 times the setting `memory` (`memory-1000x10000`).
const MEMORY_FACTOR: u64 = 2;

/// What Kafka adds to an event in the enrollments, in bytes, in batches of a busy upstream (`footprint`). As are those below, it was
/// measured with values of 200 bytes, and with what keys take in it.
const IN_ENROLLMENTS: u64 = 20;

/// What is added to an event that is held: this where flows hold ten each, 120 where they hold many (`footprint`).
const IN_QUEUE: u64 = 175;

/// What is added to an event that was held and is delivered (`footprint`).
const IN_RECORDS: u64 = 100;

/// Open files of a broker for each segment (`footprint`).
const FILES_A_SEGMENT: u64 = 1;

/// Regions of its address space for each segment: two indexes (`footprint`).
const MAPS_A_SEGMENT: u64 = 2;

/// Memory of a broker for each queue topic, in bytes (`footprint`).
const BROKER_MEMORY_A_QUEUE: u64 = 96 * 1024;

/// Limits that brokers should have in any case: Kafka's documentation asks for so many open files, and so many regions are what
/// other servers with many mapped files ask for.
const LEAST_FILES: u64 = 100_000;
const LEAST_MAPS: u64 = 262_144;

/// How many workers more than today the partitions are for: none can be added later.
const GROWTH: u64 = 4;

/// So few partitions cost nothing.
const LEAST_PARTITIONS: u64 = 6;

/// Entries that are read again for an index, a second, by one worker (`rebuilt-1x10000000`).
const INDEXED_A_SECOND: u64 = 400_000;

/// What is to be borne.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Events a second when there are most.
    pub rate: u64,
    /// The same on average over the days that they are kept.
    pub mean_rate: u64,
    /// Flows that are paused at once.
    pub flows: u64,
    /// Flows that ever had an event.
    pub known_flows: u64,
    /// Events that are held at once.
    pub held: u64,
    /// Of an event: key, value and headers.
    pub event_bytes: u64,
    /// In which all that is held is to be delivered. `None`: as long as it takes beside the live events.
    pub drain_within: Option<Duration>,
}

/// Where it is to be borne.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub brokers: u64,
    pub replicas: u64,
    /// Of each gate.
    pub workers: u64,
    /// The setting `memory`, in bytes.
    pub memory: u64,
}

/// What it takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Needs {
    pub gates: Gates,
    pub brokers: Brokers,
    pub times: Times,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gates {
    /// One of them may be down.
    pub gates: u64,
    /// Of the enrollments.
    pub partitions: u64,
    /// Of each.
    pub cores: u64,
    /// Of each, in bytes.
    pub memory: u64,
}

/// Of each broker, but for `topics`. Bytes, unless their names say otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brokers {
    /// All topics of the prefix, those of paused flows among them.
    pub topics: u64,
    /// Partitions that lie on it.
    pub partitions: u64,
    pub held_disk: u64,
    pub enrollments_disk: u64,
    pub records_disk: u64,
    /// What it opens for the gate's topics, and the limit that it should have.
    pub open_files: u64,
    pub open_files_limit: u64,
    /// The same of regions of its address space: `vm.max_map_count`.
    pub maps: u64,
    pub maps_limit: u64,
    /// Beside what it needs anyway.
    pub memory: u64,
    /// As leader of its share.
    pub cores: u64,
    /// Each second, when there are most events: from upstreams, gates and other brokers.
    pub received: u64,
    /// To gates, executors and other brokers.
    pub sent: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Until all is delivered that is held, if all flows are resumed at once with no rate. `None`: never, beside so many live ones.
    pub drain: Option<Duration>,
    /// Until the indexes of paused flows are there again after a restart of every gate. Nothing waits for it but drains.
    pub index: Duration,
}

impl Needs {
    #[must_use]
    pub fn of(load: &Load, site: &Site, topics: &Topics) -> Self {
        let gates = Gates::of(load, site);
        let fixed = Fixed::of(topics, gates.partitions);
        Self { gates, brokers: Brokers::of(load, site, &fixed), times: Times::of(load, site, &gates) }
    }
}

impl Load {
    /// Events a second that gates have to pass: those that come, and those that are drained beside them.
    fn passed(&self) -> u64 {
        let drained = self.drain_within.map_or(0, |time| self.held.div_ceil(time.as_secs().max(1)));
        self.rate.saturating_add(drained)
    }
}

impl Gates {
    fn of(load: &Load, site: &Site) -> Self {
        let busy = load.passed().div_ceil(WORKER_RATE.saturating_mul(site.workers)).max(1);
        let gates = busy + 1;
        let partitions = (GROWTH * gates * site.workers).max(LEAST_PARTITIONS);
        let states = load.known_flows.saturating_mul(KNOWN_FLOW).saturating_add(load.flows.saturating_mul(PAUSED_FLOW));
        Self {
            gates,
            partitions,
            cores: cores(load.passed(), busy, CPU_A_MILLION),
            memory: (site.workers * site.memory * MEMORY_FACTOR).saturating_add(states),
        }
    }

    /// While one of them is down.
    fn workers(&self, site: &Site) -> u64 {
        (self.gates - 1) * site.workers
    }
}

impl Brokers {
    fn of(load: &Load, site: &Site, fixed: &Fixed) -> Self {
        let share = |all: u64| all.saturating_mul(site.replicas).div_ceil(site.brokers);
        let disk = |events: u64, more| share(events.saturating_mul(load.event_bytes + more));
        let held = load.held.saturating_mul(load.event_bytes + IN_QUEUE);
        // Each queue topic has one segment that is written to, and those that are full.
        let segments = share(load.flows + held / fixed.segment + fixed.partitions);
        let (open_files, maps) = (segments * FILES_A_SEGMENT, segments * MAPS_A_SEGMENT);
        // An upstream's event is written once by it and once by the gate, and each is read once. Copies go from broker to broker.
        let written = load.rate.saturating_mul(2 * load.event_bytes + IN_ENROLLMENTS + IN_QUEUE);
        Self {
            topics: load.flows + fixed.topics,
            partitions: share(load.flows + fixed.partitions),
            held_disk: disk(load.held, IN_QUEUE),
            enrollments_disk: disk(load.mean_rate.saturating_mul(fixed.enrollments_kept), IN_ENROLLMENTS),
            records_disk: disk(load.mean_rate.saturating_mul(fixed.records_kept), IN_RECORDS),
            open_files,
            open_files_limit: (2 * open_files).max(LEAST_FILES),
            maps,
            maps_limit: (2 * maps).max(LEAST_MAPS),
            memory: share(load.flows) * BROKER_MEMORY_A_QUEUE,
            cores: cores(load.passed(), site.brokers, BROKER_CPU_A_MILLION),
            received: share(written),
            sent: share(written),
        }
    }
}

impl Times {
    fn of(load: &Load, site: &Site, gates: &Gates) -> Self {
        let workers = gates.workers(site);
        let beside = (workers * WORKER_RATE).saturating_sub(load.mean_rate.min(load.rate));
        let drain = || Duration::from_secs(load.held.div_ceil(beside.max(1)));
        let index = Duration::from_secs(load.held.div_ceil(INDEXED_A_SECOND * workers));
        Self { drain: (beside > 0 || load.held == 0).then(drain), index }
    }
}

/// What of the topics' settings is reckoned with, and of those that every prefix has.
struct Fixed {
    topics: u64,
    partitions: u64,
    /// For how many seconds the enrollments, and what is delivered, are kept.
    enrollments_kept: u64,
    records_kept: u64,
    /// Bytes of a segment of a queue topic.
    segment: u64,
}

impl Fixed {
    /// `partitions`: of the enrollments.
    fn of(topics: &Topics, partitions: u64) -> Self {
        let layout = Layout { partitions: i32::try_from(partitions).unwrap_or(i32::MAX), replication_factor: None };
        let made = specification(topics, &layout);
        let kept = |name: &str| {
            let topic = made.iter().find(|topic| topic.name == name);
            topic.map_or(0, |topic| setting(&topic.config, "retention.ms") / 1000)
        };
        Self {
            topics: made.len() as u64,
            partitions: made.iter().map(|topic| u64::from(topic.partitions.unsigned_abs())).sum(),
            enrollments_kept: kept(&topics.enrollments),
            records_kept: kept(&topics.records),
            segment: setting(&queue("", Duration::ZERO, None, None).config, "segment.bytes").max(1),
        }
    }
}

/// 0: it has no such setting.
fn setting(config: &BTreeMap<String, String>, name: &str) -> u64 {
    config.get(name).and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// Of each of so many, where a million events take so many seconds of CPU time.
fn cores(rate: u64, shared_by: u64, seconds_a_million: f64) -> u64 {
    let busy = rate as f64 / 1e6 * seconds_a_million / shared_by as f64;
    (busy * SPARE_CORES).ceil().max(1.0) as u64
}

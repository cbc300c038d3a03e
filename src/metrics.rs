//! Every metric: names, help and labels here, typed methods for everybody else.
//!
//! No label names a flow: an instance has at most 300 series, however many flows there are. Counters are moved by the
//! difference of what a worker has counted; gauges are set from the workers' snapshots when somebody looks.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::flow::{Verdict, Warning};
use crate::schema::Reason;
use crate::time::Timestamp;
use crate::worker::{KINDS, Memory, Snapshot, Stats};

/// Handles of the metrics of one process; clones move the same ones.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    events: IntCounterVec,
    passed: IntCounterVec,
    rerouted: prometheus::IntCounter,
    unrecorded: prometheus::IntCounter,
    dead_letters: IntCounterVec,
    commands: IntCounterVec,
    turns: IntCounterVec,
    slow_turns: prometheus::IntCounter,
    outdated_turns: prometheus::IntCounter,
    phases: HistogramVec,
    lateness: prometheus::Histogram,
    failed_calls: IntCounterVec,
    producers: prometheus::IntCounter,
    fenced: prometheus::IntCounter,
    worker_restarts: prometheus::IntCounter,
    flows: IntGaugeVec,
    flows_limit: prometheus::IntGauge,
    held: prometheus::IntGauge,
    drain_remaining: prometheus::IntGauge,
    stalled_drains: prometheus::IntGauge,
    losing_drains: prometheus::IntGauge,
    memory: IntGaugeVec,
    memory_limit: IntGaugeVec,
    indexing: prometheus::IntGauge,
    indexing_remaining: prometheus::IntGauge,
    lost: prometheus::IntGauge,
    oldest_pause: Gauge,
    next_timer: Gauge,
    expiring: IntGaugeVec,
    old_pauses: prometheus::IntGauge,
    default_pauses: prometheus::IntGauge,
    lag_records: prometheus::IntGauge,
    lag_seconds: Gauge,
    lag_measured: Gauge,
    clock_difference: Gauge,
    blocked: IntGaugeVec,
    partitions: IntGaugeVec,
    all_partitions: prometheus::IntGauge,
    ready: prometheus::IntGauge,
    http_connections: prometheus::IntGauge,
    http_refused: IntCounterVec,
    certificate_ends: prometheus::GaugeVec,
    refused_files: prometheus::IntGauge,
    trace_spans: IntCounterVec,
}

/// Why HTTP refused a request or closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Headers that were not complete in time.
    LateHeaders,
    /// A body that was not complete in time.
    LateBody,
    /// An answer that was not read in time.
    LateReader,
    /// More headers than are read.
    LargeHeaders,
    /// A larger body than is read.
    LargeBody,
    /// What is no request.
    Malformed,
    /// A TLS handshake that failed, or was not complete in time.
    Handshake,
    /// A request without TLS where TLS is spoken.
    NoTls,
    /// A `Host` or `Origin` that is not ours.
    Host,
    /// Too many connections: one had to give way.
    Crowded,
    /// A connection could not be accepted, for want of file handles or memory.
    NoHandle,
}

impl Refused {
    pub const ALL: [Self; 11] = [
        Self::LateHeaders,
        Self::LateBody,
        Self::LateReader,
        Self::LargeHeaders,
        Self::LargeBody,
        Self::Malformed,
        Self::Handshake,
        Self::NoTls,
        Self::Host,
        Self::Crowded,
        Self::NoHandle,
    ];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LateHeaders => "late_headers",
            Self::LateBody => "late_body",
            Self::LateReader => "late_reader",
            Self::LargeHeaders => "large_headers",
            Self::LargeBody => "large_body",
            Self::Malformed => "malformed",
            Self::Handshake => "handshake",
            Self::NoTls => "no_tls",
            Self::Host => "host",
            Self::Crowded => "crowded",
            Self::NoHandle => "no_handle",
        }
    }
}

/// The phases of a turn, as [`crate::worker::Worker::phase`] names them, that are timed.
pub const PHASES: [&str; 11] =
    ["chores", "gather", "create", "leaders", "send", "acks", "offsets", "commit", "abort", "replace", "read back"];

/// Why nothing may go on, beyond what workers know of themselves: no broker answers, or the process is starting.
pub const BROKERS: &str = "brokers";

impl Metrics {
    /// # Errors
    /// If two metrics had one name: a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            events: counters("events_total", "Events read and committed, by what became of them.", "outcome")?,
            passed: counters("passed_total", "Held events that left their queue, by what became of them.", "outcome")?,
            rerouted: counter("rerouted_total", "Events sent on to the home partition of their flow.")?,
            unrecorded: counter(
                "unrecorded_events_total",
                "Events delivered whose flows are not recorded, because max_known_flows others are.",
            )?,
            dead_letters: counters(
                "dead_letters_total",
                "Events and commands that could not be understood or stored.",
                "reason",
            )?,
            commands: counters("commands_total", "Commands answered, by the answer.", "outcome")?,
            turns: counters("turns_total", "Transactions ended, by how.", "outcome")?,
            slow_turns: counter(
                "slow_turns_total",
                "Turns committed that took more than half of transaction_timeout.",
            )?,
            outdated_turns: counter(
                "outdated_turns_total",
                "Turns dropped and done again because they took longer than transaction_timeout.",
            )?,
            phases: histograms(
                "turn_phase_seconds",
                "Time spent in each phase of turns; `gather` waits while there is nothing to do.",
                "phase",
                &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0],
            )?,
            lateness: prometheus::Histogram::with_opts(
                opts("timer_lateness_seconds", "How long after its deadline a pause ended by the timer.")
                    .buckets(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 86400.0]),
            )?,
            failed_calls: counters(
                "broker_failures_total",
                "Failed calls to the brokers, by what they led to.",
                "action",
            )?,
            producers: counter(
                "producers_total",
                "Producers made: one a worker at the start, one after each lost answer, and one in place of another that had met many topics.",
            )?,
            fenced: counter(
                "fenced_total",
                "Failed calls to which the brokers said that another process or member has the place of this one.",
            )?,
            worker_restarts: counter(
                "worker_restarts_total",
                "Workers that began again with new clients, because no event came of a partition though its log went on.",
            )?,
            flows: gauges("flows", "Flows of the partitions of this instance, by state.", "state")?,
            flows_limit: int_gauge(
                "flows_limit",
                "Flows that this instance records at most: max_known_flows of each worker.",
            )?,
            held: int_gauge("held_events", "Events held in queue topics.")?,
            drain_remaining: int_gauge("drain_remaining_events", "Held events of flows that are resuming.")?,
            stalled_drains: int_gauge(
                "stalled_drains",
                "Flows of which no held event was passed for 60 s though it should be (resume, purge, release) and could.",
            )?,
            losing_drains: int_gauge(
                "losing_drains",
                "Flows that resume while as many events are held for them as are passed, or more, over 60 s.",
            )?,
            memory: gauges(
                "memory_bytes",
                "What waits in the memory of the workers: events read ahead of drains, indexes, events that no turn took yet.",
                "share",
            )?,
            memory_limit: gauges(
                "memory_limit_bytes",
                "What may wait of each, by the setting `memory`: a worker that reaches it waits.",
                "share",
            )?,
            indexing: int_gauge("indexing_flows", "Flows whose indexes of replaced events are being rebuilt.")?,
            indexing_remaining: int_gauge(
                "indexing_remaining_events",
                "Held events that are still to be read for these indexes, about.",
            )?,
            lost: int_gauge("lost_events", "Held events that somebody deleted: at most so many, of blocked flows.")?,
            oldest_pause: gauge("oldest_pause_age_seconds", "Age of the oldest pause in force; 0 if there is none.")?,
            next_timer: gauge(
                "next_timer_seconds",
                "Time until the next deadline; negative if it has passed, +Inf if there is none.",
            )?,
            expiring: gauges(
                "expiring_flows",
                "Paused flows whose pause ends by itself within this time, and is longer than that.",
                "within",
            )?,
            old_pauses: int_gauge("old_pauses", "Flows that have been paused for more than 10 days.")?,
            default_pauses: int_gauge(
                "default_pauses",
                "Partitions of this instance in which a pause of every flow is in force, for new flows too.",
            )?,
            lag_records: int_gauge("lag_records", "Events of the partitions of this instance that are not read yet.")?,
            lag_seconds: gauge(
                "lag_seconds",
                "Age of the oldest event that is not read yet, by its own timestamp; 0 if there is none.",
            )?,
            lag_measured: gauge(
                "lag_measured_timestamp_seconds",
                "When the brokers were last asked for the lag and answered, since the Unix epoch; at first the start of the process.",
            )?,
            clock_difference: gauge(
                "clock_difference_seconds",
                "How far this clock is ahead of the brokers' (negative: behind).",
            )?,
            blocked: gauges(
                "blocked",
                "What cannot go on, by why: partitions or flows that wait; 0 when all is well.",
                "reason",
            )?,
            partitions: gauges("partitions", "Partitions of this instance, by how far they are taken over.", "stage")?,
            all_partitions: int_gauge(
                "enrollments_partitions",
                "Partitions of the enrollments topic, whoever has them; 0 until it is known.",
            )?,
            ready: int_gauge("ready", "1 if every worker has joined and every partition is restored.")?,
            http_connections: int_gauge("http_connections", "Connections that HTTP holds open.")?,
            http_refused: counters(
                "http_refused_total",
                "Requests that HTTP refused and connections that it cut off, by why.",
                "reason",
            )?,
            // Without labels, and yet one of several: it is not there where HTTP speaks no TLS, or an alert would take 0 for long ago.
            certificate_ends: prometheus::GaugeVec::new(
                Opts::new(
                    "flowgate_http_certificate_expiry_timestamp_seconds",
                    "When the certificate that HTTP shows, or the first of its chain, ends, since the Unix epoch.",
                ),
                &[],
            )?,
            refused_files: int_gauge(
                "refused_files",
                "Files of settings that have changed and are refused: what they held before is still in use.",
            )?,
            trace_spans: counters(
                "trace_spans_total",
                "Spans of traces: taken by the collector, or dropped because it does not take them as fast as they come.",
                "outcome",
            )?,
            registry,
        };
        metrics.register()?;
        metrics.begin();
        Ok(metrics)
    }

    fn register(&self) -> prometheus::Result<()> {
        let build =
            IntGaugeVec::new(Opts::new("flowgate_build_info", "Always 1; the version is a label."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let all: [Box<dyn Collector>; 46] = [
            Box::new(build),
            Box::new(self.events.clone()),
            Box::new(self.passed.clone()),
            Box::new(self.rerouted.clone()),
            Box::new(self.unrecorded.clone()),
            Box::new(self.dead_letters.clone()),
            Box::new(self.commands.clone()),
            Box::new(self.turns.clone()),
            Box::new(self.slow_turns.clone()),
            Box::new(self.outdated_turns.clone()),
            Box::new(self.phases.clone()),
            Box::new(self.lateness.clone()),
            Box::new(self.failed_calls.clone()),
            Box::new(self.producers.clone()),
            Box::new(self.fenced.clone()),
            Box::new(self.worker_restarts.clone()),
            Box::new(self.flows.clone()),
            Box::new(self.flows_limit.clone()),
            Box::new(self.held.clone()),
            Box::new(self.drain_remaining.clone()),
            Box::new(self.stalled_drains.clone()),
            Box::new(self.losing_drains.clone()),
            Box::new(self.memory.clone()),
            Box::new(self.memory_limit.clone()),
            Box::new(self.indexing.clone()),
            Box::new(self.indexing_remaining.clone()),
            Box::new(self.lost.clone()),
            Box::new(self.oldest_pause.clone()),
            Box::new(self.next_timer.clone()),
            Box::new(self.expiring.clone()),
            Box::new(self.old_pauses.clone()),
            Box::new(self.default_pauses.clone()),
            Box::new(self.lag_records.clone()),
            Box::new(self.lag_seconds.clone()),
            Box::new(self.lag_measured.clone()),
            Box::new(self.clock_difference.clone()),
            Box::new(self.blocked.clone()),
            Box::new(self.partitions.clone()),
            Box::new(self.all_partitions.clone()),
            Box::new(self.ready.clone()),
            Box::new(self.http_connections.clone()),
            Box::new(self.http_refused.clone()),
            Box::new(self.certificate_ends.clone()),
            Box::new(self.refused_files.clone()),
            Box::new(self.trace_spans.clone()),
            Box::new(started()?),
        ];
        all.into_iter().try_for_each(|one| self.registry.register(one))
    }

    /// Every series exists from the start: a rate over a counter that appears with its first count misses that one.
    fn begin(&self) {
        let touch = |counters: &IntCounterVec, labels: &[&str]| {
            labels.iter().for_each(|label| counters.with_label_values(&[label]).inc_by(0));
        };
        touch(&self.events, &["delivered", "held", "turned_away", "dead_letter"]);
        touch(&self.passed, &["released", "replaced", "removed"]);
        touch(&self.dead_letters, &Reason::ALL.map(Reason::word));
        touch(&self.commands, &Verdict::ALL.map(Verdict::word));
        touch(&self.turns, &["committed", "aborted"]);
        touch(&self.failed_calls, &["retry", "abort", "rebuild", "stop"]);
        touch(&self.trace_spans, &["exported", "dropped"]);
        touch(&self.http_refused, &Refused::ALL.map(Refused::word));
        for phase in PHASES {
            let _ = self.phases.with_label_values(&[&label(phase)]);
        }
        let now = crate::clock::now();
        self.set(&[], now);
        self.lag(Lag::default(), now);
    }

    /// What a worker has done since it was last asked.
    pub fn count(&self, before: &Stats, after: &Stats) {
        let add = |counters: &IntCounterVec, label: &str, before: u64, after: u64| {
            counters.with_label_values(&[label]).inc_by(after.saturating_sub(before));
        };
        add(&self.events, "delivered", before.delivered, after.delivered);
        add(&self.events, "held", before.held, after.held);
        add(&self.events, "turned_away", before.turned_away, after.turned_away);
        add(&self.events, "dead_letter", before.dead_letters, after.dead_letters);
        add(&self.passed, "released", before.released, after.released);
        add(&self.passed, "replaced", before.replaced, after.replaced);
        add(&self.passed, "removed", before.removed, after.removed);
        add(&self.turns, "committed", before.turns, after.turns);
        add(&self.turns, "aborted", before.aborts, after.aborts);
        self.rerouted.inc_by(after.rerouted.saturating_sub(before.rerouted));
        self.unrecorded.inc_by(after.unrecorded.saturating_sub(before.unrecorded));
        self.producers.inc_by(after.producers.saturating_sub(before.producers));
        self.slow_turns.inc_by(after.slow.saturating_sub(before.slow));
        self.outdated_turns.inc_by(after.outdated.saturating_sub(before.outdated));
        self.fenced.inc_by(after.fenced.saturating_sub(before.fenced));
        let each = |counters: &IntCounterVec, before: &BTreeMap<&str, u64>, after: &BTreeMap<&'static str, u64>| {
            for (label, count) in after {
                add(counters, label, before.get(label).copied().unwrap_or_default(), *count);
            }
        };
        each(&self.dead_letters, &before.dead_by_reason, &after.dead_by_reason);
        each(&self.commands, &before.answers, &after.answers);
        each(&self.failed_calls, &before.troubles, &after.troubles);
    }

    /// A worker has spent so long in a phase.
    pub fn phase(&self, phase: &str, time: Duration) {
        if PHASES.contains(&phase) {
            self.phases.with_label_values(&[&label(phase)]).observe(time.as_secs_f64());
        }
    }

    pub fn timer_late(&self, by: Duration) {
        self.lateness.observe(by.as_secs_f64());
    }

    /// A worker is asked to begin again with new clients, because no event comes of a partition.
    pub fn worker_begins_anew(&self) {
        self.worker_restarts.inc();
    }

    /// How far behind this instance was when the brokers were asked.
    pub fn lag(&self, lag: Lag, now: Timestamp) {
        self.lag_measured.set(now.0 as f64 / 1000.0);
        self.lag_records.set(lag.records);
        self.lag_seconds.set(lag.age.as_secs_f64());
    }

    /// What is now, of all workers together.
    pub fn set(&self, workers: &[Snapshot], now: Timestamp) {
        let sum = |of: fn(&Snapshot) -> u64| to_i64(workers.iter().map(of).sum());
        self.flows.with_label_values(&["live"]).set(sum(|shot| shot.live));
        self.flows.with_label_values(&["paused"]).set(sum(|shot| shot.paused.flows));
        self.flows.with_label_values(&["resuming"]).set(sum(|shot| shot.resuming.flows));
        self.held.set(sum(|shot| shot.paused.events + shot.resuming.events));
        self.drain_remaining.set(sum(|shot| shot.resuming.events));
        self.stalled_drains.set(sum(|shot| shot.stalled_drains));
        self.losing_drains.set(sum(|shot| shot.losing_drains));
        self.flows_limit.set(sum(|shot| shot.most_flows as u64));
        let memory = workers.iter().fold(Memory::default(), |sum, shot| sum.and(&shot.memory));
        for (label, share) in memory.shares() {
            self.memory.with_label_values(&[label]).set(to_i64(share.used as u64));
            self.memory_limit.with_label_values(&[label]).set(to_i64(share.most as u64));
        }
        self.indexing.set(sum(|shot| shot.indexing.len() as u64));
        self.indexing_remaining.set(sum(|shot| shot.indexing.values().sum()));
        self.lost.set(sum(|shot| shot.lost));
        let oldest = workers.iter().filter_map(|shot| shot.oldest_pause).min();
        self.oldest_pause.set(oldest.map_or(0.0, |began| now.since(began).as_secs_f64()));
        let next = workers.iter().filter_map(|shot| shot.next_timer).min();
        self.next_timer.set(next.map_or(f64::INFINITY, |next| (next.0 - now.0) as f64 / 1000.0));
        for (number, warning) in Warning::ALL.into_iter().enumerate() {
            let flows = workers.iter().filter_map(|shot| shot.expiring.get(number)).sum();
            self.expiring.with_label_values(&[within(warning)]).set(to_i64(flows));
        }
        self.old_pauses.set(sum(|shot| shot.old_pauses));
        self.default_pauses.set(sum(|shot| shot.default_pauses));
        let clock = workers.iter().filter_map(|shot| shot.stats.clock_ahead).max_by_key(|ahead| ahead.abs());
        self.clock_difference.set(clock.unwrap_or_default() as f64 / 1000.0);
        for kind in KINDS.into_iter().chain([BROKERS]) {
            let blocked = workers.iter().flat_map(|shot| &shot.blocked).filter(|(of, _)| *of == kind).count();
            self.blocked.with_label_values(&[kind]).set(to_i64(blocked as u64));
        }
        // Each worker has learned the same number, or none yet.
        self.all_partitions.set(workers.iter().map(|shot| shot.all_partitions.into()).max().unwrap_or_default());
        for stage in ["joining", "introducing", "active"] {
            let partitions = workers.iter().flat_map(|shot| &shot.partitions);
            let count = partitions.filter(|partition| partition.stage == stage).count();
            self.partitions.with_label_values(&[stage]).set(to_i64(count as u64));
        }
    }

    pub fn set_ready(&self, ready: bool) {
        self.ready.set(i64::from(ready));
    }

    pub fn http_connections(&self, open: usize) {
        self.http_connections.set(to_i64(open as u64));
    }

    pub fn http_refused(&self, why: Refused) {
        self.http_refused.with_label_values(&[why.word()]).inc();
    }

    /// The collector has taken so many spans.
    pub fn spans_exported(&self, count: u64) {
        self.trace_spans.with_label_values(&["exported"]).inc_by(count);
    }

    /// So many will never reach it.
    pub fn spans_dropped(&self, count: u64) {
        self.trace_spans.with_label_values(&["dropped"]).inc_by(count);
    }

    pub fn refused_files(&self, count: usize) {
        self.refused_files.set(to_i64(count as u64));
    }

    /// HTTP shows a certificate that ends then; `None`: it shows none, or that cannot be read.
    pub fn http_certificate_ends(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.certificate_ends.with_label_values::<&str>(&[]).set(at.0 as f64 / 1000.0),
            None => self.certificate_ends.reset(),
        }
    }

    /// The text that Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be written");
                String::new()
            }
        }
    }
}

/// How far an instance is behind its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    pub records: i64,
    pub age: Duration,
}

/// When the process began, as Prometheus names it everywhere.
fn started() -> prometheus::Result<Gauge> {
    let help = "Start time of the process since the Unix epoch.";
    let started = Gauge::with_opts(Opts::new("process_start_time_seconds", help))?;
    started.set(crate::clock::now().0 as f64 / 1000.0);
    Ok(started)
}

fn within(warning: Warning) -> &'static str {
    match warning {
        Warning::Day => "24h",
        Warning::Hour => "1h",
    }
}

fn label(phase: &str) -> String {
    phase.replace(' ', "_")
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn opts(name: &str, help: &str) -> HistogramOpts {
    HistogramOpts::new(format!("flowgate_{name}"), help)
}

fn counter(name: &str, help: &str) -> prometheus::Result<prometheus::IntCounter> {
    prometheus::IntCounter::with_opts(Opts::new(format!("flowgate_{name}"), help))
}

fn counters(name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
    IntCounterVec::new(Opts::new(format!("flowgate_{name}"), help), &[label])
}

fn gauge(name: &str, help: &str) -> prometheus::Result<Gauge> {
    Gauge::with_opts(Opts::new(format!("flowgate_{name}"), help))
}

fn int_gauge(name: &str, help: &str) -> prometheus::Result<prometheus::IntGauge> {
    prometheus::IntGauge::with_opts(Opts::new(format!("flowgate_{name}"), help))
}

fn gauges(name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
    IntGaugeVec::new(Opts::new(format!("flowgate_{name}"), help), &[label])
}

fn histograms(name: &str, help: &str, label: &str, buckets: &[f64]) -> prometheus::Result<HistogramVec> {
    HistogramVec::new(opts(name, help).buckets(buckets.to_vec()), &[label])
}

//! What can be set, as values, and what a worker is told of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::files::ReadFile;
use super::kafka;
use super::pairs::Pairs;
use super::tls::Tls;
use super::tokens::{Secret, Token};
use crate::flow::Limits;
use crate::schema::topics::Topics;
use crate::schema::trace_parent::Sampling;
use crate::time::Timestamp;
use crate::worker::{Budget, Options, Shares};

/// Everything that can be set, valid.
#[derive(Clone, Debug)]
pub struct Settings {
    pub brokers: String,
    pub topics: Topics,
    /// Names this instance among those of the prefix.
    pub instance: String,
    /// Somebody gave that name; else it is made up.
    pub instance_is_given: bool,
    pub workers: usize,
    pub http: SocketAddr,
    /// Names by which HTTP may be asked, beside those that always may.
    pub http_hosts: Vec<String>,
    /// Who may ask over HTTP.
    pub http_tokens: Vec<Token>,
    /// Where those come from, if from a file.
    pub http_tokens_file: Option<ReadFile>,
    pub http_read_only: bool,
    /// What people call what is served here.
    pub http_label: Option<String>,
    pub http_secret: Option<Secret>,
    pub http_secret_file: Option<ReadFile>,
    /// `None`: HTTP speaks no TLS.
    pub http_tls: Option<Tls>,
    /// Whether a certificate is given, also where it was not read.
    pub http_is_tls: bool,
    pub log: Log,
    /// `None`: nothing is traced.
    pub otlp: Option<Otlp>,
    pub limits: Limits,
    pub queue: Queue,
    /// But for its bytes, which are a share of `memory`.
    pub turn: Budget,
    /// Of one worker.
    pub max_known_flows: usize,
    /// Of one worker, in bytes.
    pub memory: usize,
    pub session_timeout: Duration,
    pub transaction_timeout: Duration,
    pub max_poll_interval: Duration,
    /// librdkafka's own, for all clients.
    pub kafka: kafka::Client,
    /// Which of these come from files, by their names.
    pub kafka_files: BTreeMap<String, ReadFile>,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// As `tracing_subscriber`'s filter has it: `info`, or `warn,flowgate=debug`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Where spans of traces go.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// With its path.
    pub url: String,
    pub sampling: Sampling,
    pub headers: Pairs,
    pub headers_file: Option<ReadFile>,
    /// `None`: the system's.
    pub ca: Option<PathBuf>,
    pub resource: Pairs,
}

/// The topics that hold events.
#[derive(Clone, Debug)]
pub struct Queue {
    pub topic_ttl: Duration,
    pub segment: Duration,
    pub replication_factor: Option<i32>,
}

impl Settings {
    /// What each worker of this instance is told. `started_at`: tells this process from those before it.
    #[must_use]
    pub fn each_worker(&self, started_at: Timestamp) -> Vec<Options> {
        let incarnation = format!("{:x}", started_at.0);
        (0..self.workers).map(|number| self.worker(number, &incarnation)).collect()
    }

    /// What the memory of a worker is for.
    #[must_use]
    pub fn shares(&self) -> Shares {
        Shares::of(self.memory)
    }

    /// What a worker of this instance is told.
    #[must_use]
    pub fn worker(&self, number: usize, incarnation: &str) -> Options {
        let shares = self.shares();
        Options {
            keeps_place: self.instance_is_given,
            limits: self.limits,
            session_timeout: self.session_timeout,
            max_poll_interval: self.max_poll_interval,
            transaction_timeout: self.transaction_timeout,
            turn: Budget { bytes: shares.turn, ..self.turn },
            max_known_flows: self.max_known_flows,
            index_bytes: shares.indexes,
            queue_ttl: self.queue.topic_ttl,
            replication_factor: self.queue.replication_factor,
            queue_segment: self.queue.segment,
            sampling: self.otlp.as_ref().map_or(Sampling::default(), |otlp| otlp.sampling),
            ..Options::new(self.topics.clone(), self.instance.clone(), number, incarnation)
        }
    }
}

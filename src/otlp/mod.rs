//! Traces: spans of what workers have noted, sent to a collector by OTLP over HTTP.
//!
//! A worker hands in what a turn has noted and goes on; where that waits already, it is dropped and counted. A thread of its own makes
//! spans of it (`spans.rs`) and sends them (`send.rs`): a collector that is slow or gone costs spans, and nothing else.
//!
//! Architecture invariant: nothing here is waited for by a turn, and no failure here ends the process.

mod send;
mod spans;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::Span;

use crate::instance::Traces;
use crate::metrics::Metrics;
use crate::worker::TracedTurn;

pub use send::{Collector, Headers};
pub use spans::Names;

/// Turns that wait to be made spans of. Each has 1,000 events at most.
const WAITING: usize = 32;

/// Spans sent at once.
const BATCH: usize = 512;

/// How long a span waits for others at most.
const LINGER: Duration = Duration::from_secs(1);

/// How often a batch is tried, with twice as long in between each time.
const TRIES: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);

/// How often a collector that takes nothing is told of.
const TOLD: Duration = Duration::from_secs(60);

/// What is handed to the thread.
enum Handed {
    Turn(TracedTurn),
    /// Everything before it is to be sent now, and the answer given when it is.
    Flush(SyncSender<()>),
}

/// Where turns are handed in.
#[derive(Clone)]
pub struct Exporter {
    handed: SyncSender<Handed>,
    metrics: Metrics,
}

impl Exporter {
    /// Starts the thread. `names`: what all spans say of this gate.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(collector: Collector, names: Names, metrics: Metrics) -> std::io::Result<Self> {
        let (handed, taken) = sync_channel(WAITING);
        let exporter = Self { handed, metrics: metrics.clone() };
        let mut thread = Thread { collector, names, metrics, waiting: Vec::new(), told: None, is_flushing: false };
        thread::Builder::new().name("traces".to_owned()).spawn(move || thread.run(&taken))?;
        Ok(exporter)
    }

    /// Sends what there is, waiting no longer than `limit`. Blocks.
    pub fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let (done, is_done) = sync_channel(1);
        let mut flush = Handed::Flush(done);
        // The queue may be full for a moment.
        while let Err(error) = self.handed.try_send(flush) {
            let std::sync::mpsc::TrySendError::Full(back) = error else { return };
            if Instant::now() >= deadline {
                return;
            }
            flush = back;
            thread::sleep(Duration::from_millis(5));
        }
        let _ = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

impl Traces for Exporter {
    fn take(&self, turn: TracedTurn) {
        let spans = turn.events.len() + turn.commands.len() + 1;
        if self.handed.try_send(Handed::Turn(turn)).is_err() {
            self.metrics.spans_dropped(spans as u64);
        }
    }
}

struct Thread {
    collector: Collector,
    names: Names,
    metrics: Metrics,
    /// Spans that are not sent yet.
    waiting: Vec<Span>,
    /// When it was last told that the collector takes nothing.
    told: Option<Instant>,
    /// Who waits for it is about to end.
    is_flushing: bool,
}

impl Thread {
    fn run(&mut self, taken: &Receiver<Handed>) {
        let mut since: Option<Instant> = None;
        loop {
            let wait = since.map_or(LINGER, |since| LINGER.saturating_sub(since.elapsed()));
            let (mut is_due, mut answer) = (false, None);
            match taken.recv_timeout(wait) {
                Ok(Handed::Turn(turn)) => {
                    self.metrics.spans_dropped(turn.missed);
                    self.waiting.extend(spans::of(turn, &self.names));
                    since = since.or(Some(Instant::now()));
                }
                Ok(Handed::Flush(done)) => (is_due, answer) = (true, Some(done)),
                Err(RecvTimeoutError::Timeout) => is_due = true,
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let is_linger_over = since.is_some_and(|since| since.elapsed() >= LINGER);
            self.is_flushing = answer.is_some();
            while self.waiting.len() >= BATCH || (is_due || is_linger_over) && !self.waiting.is_empty() {
                let batch: Vec<Span> = self.waiting.drain(..self.waiting.len().min(BATCH)).collect();
                self.send(batch);
            }
            if self.waiting.is_empty() {
                since = None;
            }
            if let Some(done) = answer {
                let _ = done.send(());
            }
        }
    }

    fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let message = self.names.message(batch);
        let mut wait = AGAIN;
        for left in (0..TRIES).rev() {
            match self.collector.send(&message) {
                Ok(refused) => {
                    self.metrics.spans_exported(count.saturating_sub(refused));
                    self.metrics.spans_dropped(refused.min(count));
                    self.told = None;
                    return;
                }
                Err(failed) => {
                    if self.told.is_none_or(|told| told.elapsed() > TOLD) {
                        tracing::warn!(
                            url = self.collector.url(),
                            "the collector takes no spans of traces: {}",
                            failed.why
                        );
                        self.told = Some(Instant::now());
                    }
                    // Who is about to end waits for no collector.
                    if left == 0 || !failed.is_passing || self.is_flushing {
                        break;
                    }
                    thread::sleep(wait);
                    wait *= 2;
                }
            }
        }
        self.metrics.spans_dropped(count);
    }
}

//! An instance of the gate on a cluster, as `flowgate run` has it: threads that live by the wall clock. The calendar is how
//! the feed and the display are paced; a pause lasts as long as its days of the calendar take.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::Failure;
use super::backend::{Backend, Way};
use super::calendar::{Calendar, Tempo, in_seconds};
use super::signals::Signals;
use crate::broker::Broker;
use crate::clock;
use crate::flow::Limits;
use crate::instance::{self, Board, StopSign};
use crate::metrics::Metrics;
use crate::schema::topics::Topics;
use crate::time::Timestamp;
use crate::worker::{Options, Stop};

/// How long a day of a pause takes where everything else goes as fast as it can: what is paused for some days must not
/// be over before its events are sent, and nobody wants to wait for 14 days much longer.
const DAY_OF_A_PAUSE: Duration = Duration::from_millis(500);

/// Far longer than a gate needs to join, or for what it is waited for.
const LATE: Duration = Duration::from_secs(60);

/// A stop in good order takes no longer, while brokers answer.
const STOP: Duration = Duration::from_secs(10);

const NAP: Duration = Duration::from_millis(5);

/// What it takes to start a gate: a cluster with the topics on it.
pub struct Setup<B> {
    pub broker: B,
    pub topics: Topics,
    /// What each worker is told.
    pub workers: Vec<Options>,
    /// Ends the gate; it can be raised from outside.
    pub stop: StopSign,
    pub signals: Signals,
}

pub struct Cluster<B: Broker> {
    broker: B,
    topics: Topics,
    board: Arc<Board>,
    stop: StopSign,
    signals: Signals,
    /// How the gate ended.
    ended: Receiver<Result<(), Stop>>,
    /// The time in the calendar.
    now: Timestamp,
    /// How long a day of the calendar takes for the gate.
    day: Duration,
    leaps: bool,
    /// Since when the calendar stands.
    since: Instant,
}

impl<B: Broker + Send + 'static> Backend for Cluster<B> {
    type Broker = B;
    type Setup = Setup<B>;

    fn start(setup: Setup<B>, from: Timestamp, way: Way) -> Result<Self, Failure> {
        let Setup { broker, topics, mut workers, stop, signals } = setup;
        let day = way.day().unwrap_or(DAY_OF_A_PAUSE);
        for options in &mut workers {
            options.limits.max_pause = options.limits.max_pause.min(in_seconds(Limits::MAX_PAUSE, day));
            if let Way::Watched { pace, .. } = way {
                options.turn.backlog = pace.entries;
            }
        }
        let metrics = Metrics::new().map_err(|error| Stop::Other(format!("the metrics cannot be made: {error}")))?;
        let board = Arc::new(Board::new(metrics, workers.len()));
        board.hinder(None);
        let (tell, ended) = channel();
        let gate = {
            let (broker, topics, board, stop) = (broker.clone(), topics.clone(), Arc::clone(&board), stop.clone());
            // Nobody listens any more when the demo ended first.
            move || drop(tell.send(instance::run(&broker, &topics, workers, &board, &stop)))
        };
        let thread = thread::Builder::new().name("gate".to_owned()).spawn(gate);
        thread.map_err(|error| Stop::Other(format!("no thread can be started: {error}")))?;
        let (leaps, since) = (matches!(way, Way::Fast), Instant::now());
        let mut cluster = Self { broker, topics, board, stop, signals, ended, now: from, day, leaps, since };
        while !cluster.board.missing().is_empty() {
            cluster.wait()?;
        }
        Ok(cluster)
    }

    fn broker(&self) -> &B {
        &self.broker
    }

    fn topics(&self) -> &Topics {
        &self.topics
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn clock(&self) -> Timestamp {
        clock::now()
    }

    fn calendar(&self, tempo: Option<Tempo>) -> Calendar {
        match tempo {
            Some(tempo) => Calendar::Flowing(tempo),
            None => Calendar::Standing { now: self.now, day: self.day },
        }
    }

    /// The instance has its own who look on.
    fn board(&mut self) -> Result<Arc<Board>, Failure> {
        Ok(Arc::clone(&self.board))
    }

    /// The broker stamps what it is sent with the time of sending, whatever the calendar says.
    fn leaps(&self) -> bool {
        self.leaps
    }

    /// The gate goes on by itself meanwhile.
    ///
    /// # Errors
    /// [`Failure::Gate`] if it has stopped.
    fn run_until(&mut self, time: Timestamp) -> Result<(), Failure> {
        self.now = self.now.max(time);
        self.since = Instant::now();
        self.look()
    }

    /// # Errors
    /// [`Failure::Interrupted`], [`Failure::Gate`] if the gate has stopped, [`Failure::Late`] after a minute.
    fn wait(&mut self) -> Result<(), Failure> {
        self.look()?;
        if self.signals.have_ended() {
            return Err(Failure::Interrupted);
        }
        let waited = self.since.elapsed();
        if waited > LATE {
            let missing = || self.board.missing().into_iter().next();
            let why = self.trouble().or_else(missing).unwrap_or_else(|| "no answer".to_owned());
            return Err(Failure::Late { waited, why });
        }
        thread::sleep(NAP);
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        self.board.workers().into_iter().flat_map(|worker| worker.blocked).map(|(_, sentence)| sentence).next()
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.stop.raise();
        match self.ended.recv_timeout(STOP) {
            Ok(outcome) => Ok(outcome?),
            Err(RecvTimeoutError::Disconnected) => Err(vanished()),
            Err(RecvTimeoutError::Timeout) => {
                let why = self.trouble().unwrap_or_else(|| "it does not leave the group".to_owned());
                Err(Failure::Late { waited: STOP, why })
            }
        }
    }
}

impl<B: Broker> Cluster<B> {
    /// Whether the gate is still there.
    fn look(&self) -> Result<(), Failure> {
        match self.ended.try_recv() {
            Err(TryRecvError::Empty) => Ok(()),
            Ok(Err(stop)) => Err(stop.into()),
            // Somebody else has raised the sign.
            _ if self.stop.is_up() => Err(Failure::Interrupted),
            Ok(Ok(())) | Err(TryRecvError::Disconnected) => Err(vanished()),
        }
    }
}

impl<B: Broker> Drop for Cluster<B> {
    /// The gate has left when this is over, so that its topics can be removed. How it ended is of no interest any more.
    fn drop(&mut self) {
        self.stop.raise();
        let _ = self.ended.recv_timeout(STOP);
    }
}

fn vanished() -> Failure {
    Stop::Other("it has ended though nobody asked it to".to_owned()).into()
}

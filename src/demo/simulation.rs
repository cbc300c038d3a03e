//! The production worker on the memory broker, in a calendar that goes as fast as wanted.
//!
//! It is stepped here, in the calendar. Whoever looks on does so on threads, as in any instance, and reads the time off the calendar.

use std::sync::Arc;
use std::time::Duration;

use super::Failure;
use super::backend::{Backend, Way};
use super::calendar::{Calendar, Tempo, in_calendar};
use crate::broker::memory::{Memory, Tombstones};
use crate::broker::{Admin, Broker, Isolation};
use crate::clock::Clock;
use crate::instance::{self, Board, Meter, StopSign};
use crate::metrics::Metrics;
use crate::schema::topics::Topics;
use crate::time::Timestamp;
use crate::topics::{Layout, specification};
use crate::worker::{Options, Step, Stop, Worker};

/// Longer than any demo: jumps of the calendar must not look like a worker that hangs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

const SECOND: Duration = Duration::from_secs(1);

/// What a step waits for within this time is waited for; anything later is another moment.
const MOMENT: Duration = Duration::from_millis(10);

/// More steps than anything here needs without the calendar moving.
const STEPS: u64 = 1_000_000;

/// Flows have their homes on so many partitions.
const PARTITIONS: i32 = 6;

/// How often the broker's cleaner runs, in the calendar.
const CLEANING: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// One broker, one worker, one calendar.
pub struct Simulation {
    memory: Memory,
    topics: Topics,
    worker: Worker<Memory>,
    /// How long, in the calendar, a turn of a drain takes.
    busy: Option<Duration>,
    /// A turn of a drain is under way until then.
    busy_until: Timestamp,
    clean_at: Timestamp,
    board: Arc<Board>,
    meter: Meter,
    /// Ends those who look on; `None`: nobody does yet.
    stop: Option<StopSign>,
}

impl Backend for Simulation {
    type Broker = Memory;
    type Setup = ();

    /// Makes the topics too.
    ///
    /// # Errors
    /// [`Failure`]; none is to be expected.
    fn start((): (), from: Timestamp, way: Way) -> Result<Self, Failure> {
        let topics = Topics::new("demo")?;
        let memory = Memory::new(from);
        let layout = Layout { partitions: PARTITIONS, replication_factor: None };
        // A redrive over HTTP takes some milliseconds, in which days pass.
        memory.keep_transactions();
        memory.admin()?.create_topics(&specification(&topics, &layout))?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut options = Options::new(topics.clone(), "demo", 0, "1");
        options.session_timeout = FOR_EVER;
        options.max_poll_interval = FOR_EVER;
        options.transaction_timeout = FOR_EVER;
        let mut busy = None;
        if let Way::Watched { day, pace } = way {
            options.turn.backlog = pace.entries;
            busy = Some(in_calendar(pace.turn, day));
        }
        let worker = Worker::new(memory.clone(), options);
        let clean_at = from.after(CLEANING);
        let clock = {
            let memory = memory.clone();
            let pace = way.day().map_or(1.0, |day| in_calendar(SECOND, day).as_secs_f64());
            Clock::new(move || memory.now(), pace)
        };
        let metrics = Metrics::new().map_err(|error| Stop::Other(format!("the metrics cannot be made: {error}")))?;
        let board = Arc::new(Board::by(clock, metrics, 1));
        let (meter, stop, busy_until) = (Meter::new(0), None, from);
        let mut simulation = Self { memory, topics, worker, busy, busy_until, clean_at, board, meter, stop };
        for _ in 0..STEPS {
            if simulation.worker.is_ready() {
                simulation.board.hinder(None);
                return Ok(simulation);
            }
            let now = simulation.now();
            if let Step::Waiting(time) = simulation.worker.step(now)? {
                simulation.memory.advance_to(now.after(time));
            }
        }
        Err(simulation.restless())
    }

    fn broker(&self) -> &Memory {
        &self.memory
    }

    fn topics(&self) -> &Topics {
        &self.topics
    }

    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn clock(&self) -> Timestamp {
        self.memory.now()
    }

    fn calendar(&self, _tempo: Option<Tempo>) -> Calendar {
        Calendar::Simulated
    }

    fn board(&mut self) -> Result<Arc<Board>, Failure> {
        if self.stop.is_none() {
            let stop = StopSign::default();
            instance::look_on(&self.memory, &self.topics, &self.board, &stop)?;
            self.stop = Some(stop);
            self.meter.show(&mut self.worker, &self.board, true);
        }
        Ok(Arc::clone(&self.board))
    }

    /// The broker stamps what it is sent with the time of the calendar.
    fn leaps(&self) -> bool {
        false
    }

    /// May end a few milliseconds late.
    ///
    /// # Errors
    /// [`Failure::Gate`] if the worker has to stop, [`Failure::Restless`] if it does not settle.
    fn run_until(&mut self, time: Timestamp) -> Result<(), Failure> {
        while self.clean_at <= time {
            self.work_until(self.clean_at)?;
            self.clean()?;
            self.clean_at = self.clean_at.after(CLEANING);
        }
        self.work_until(time)?;
        if self.stop.is_some() {
            self.meter.show(&mut self.worker, &self.board, false);
        }
        Ok(())
    }

    /// Whatever can be done was done on the way.
    fn wait(&mut self) -> Result<(), Failure> {
        Err(self.restless())
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.worker.stop();
        for _ in 0..STEPS {
            match self.worker.step(self.now())? {
                Step::Left => return Ok(()),
                Step::Waiting(wait) => self.memory.advance_to(self.now().after(wait)),
                Step::Progress | Step::Idle { .. } => {}
            }
        }
        Err(self.restless())
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.stop.iter().for_each(StopSign::raise);
    }
}

impl Simulation {
    /// Lets the worker do what it can until this time, jumping from each moment at which something is due to the next.
    fn work_until(&mut self, time: Timestamp) -> Result<(), Failure> {
        let mut steps = 0;
        let mut moment = self.now();
        loop {
            let now = self.now();
            if self.busy_until > now {
                self.memory.advance_to(self.busy_until.min(time));
                if self.now() < self.busy_until {
                    return Ok(());
                }
                continue;
            }
            steps = if now > moment { 0 } else { steps + 1 };
            moment = now;
            if steps > STEPS {
                return Err(self.restless());
            }
            let passed = self.passed();
            match self.worker.step(now)? {
                Step::Progress => {}
                Step::Waiting(wait) => self.memory.advance_to(now.after(wait)),
                Step::Idle { until: Some(until) } if until <= now.after(MOMENT) => self.memory.advance_to(until),
                Step::Idle { until } => {
                    if now >= time {
                        return Ok(());
                    }
                    self.memory.advance_to(until.map_or(time, |until| until.min(time)));
                }
                Step::Left => return Ok(()),
            }
            if let Some(busy) = self.busy.filter(|_| self.passed() > passed) {
                self.busy_until = self.now().after(busy);
            }
        }
    }

    /// Runs the broker's cleaner over the queues and the state, as a cluster does by itself, now and then.
    fn clean(&self) -> Result<(), Failure> {
        let mut admin = self.memory.admin()?;
        let mut compacted = admin.topics(&self.topics.queue_prefix())?;
        compacted.push(self.topics.state.clone());
        for topic in compacted {
            for partition in 0..admin.partitions(&topic)?.unwrap_or_default() {
                let end = self.memory.watermarks(&topic, partition, Isolation::ReadCommitted)?.end;
                self.memory.compact(&topic, partition, end, Tombstones::Keep)?;
            }
        }
        Ok(())
    }

    /// Held events that have got their fate.
    fn passed(&self) -> u64 {
        let stats = self.worker.stats();
        stats.released + stats.replaced + stats.removed
    }

    fn restless(&self) -> Failure {
        Failure::Restless { steps: STEPS, phase: self.worker.phase() }
    }
}

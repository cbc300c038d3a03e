//! The production worker on the memory broker, in a calendar that goes as fast as wanted.

use std::time::Duration;

use super::Failure;
use crate::broker::memory::{Memory, Tombstones};
use crate::broker::{Admin, Broker, Isolation};
use crate::schema::topics::Topics;
use crate::time::Timestamp;
use crate::topics::{Layout, specification};
use crate::worker::{Options, Step, Worker};

/// Longer than any demo: jumps of the calendar must not look like a worker that hangs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// What a step waits for within this time is waited for; anything later is another moment.
const MOMENT: Duration = Duration::from_millis(10);

/// More steps than anything here needs without the calendar moving.
const STEPS: u64 = 1_000_000;

/// How a drain is slowed down, to be seen: at this speed of the calendar it would be over at once.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Held events passed in one turn.
    pub entries: usize,
    /// How long, in the calendar, such a turn takes.
    pub turn: Duration,
}

/// One broker, one worker, one calendar.
pub struct Simulation {
    memory: Memory,
    topics: Topics,
    worker: Worker<Memory>,
    pace: Option<Pace>,
    /// A turn of a drain is under way until then.
    busy_until: Timestamp,
}

impl Simulation {
    /// Makes the topics, starts the worker, and waits until it has joined.
    ///
    /// # Errors
    /// [`Failure`]; none is to be expected.
    pub fn start(topics: &Topics, partitions: i32, start: Timestamp, pace: Option<Pace>) -> Result<Self, Failure> {
        let memory = Memory::new(start);
        let layout = Layout { partitions, replication_factor: None };
        memory.admin()?.create_topics(&specification(topics, &layout))?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut options = Options::new(topics.clone(), "demo", 0, "1");
        options.session_timeout = FOR_EVER;
        options.max_poll_interval = FOR_EVER;
        options.transaction_timeout = FOR_EVER;
        if let Some(pace) = pace {
            options.turn.backlog = pace.entries;
        }
        let worker = Worker::new(memory.clone(), options);
        let mut simulation = Self { memory, topics: topics.clone(), worker, pace, busy_until: start };
        for _ in 0..STEPS {
            if simulation.worker.is_ready() {
                return Ok(simulation);
            }
            let now = simulation.now();
            if let Step::Waiting(time) = simulation.worker.step(now)? {
                simulation.memory.advance_to(now.after(time));
            }
        }
        Err(simulation.restless())
    }

    #[must_use]
    pub fn broker(&self) -> &Memory {
        &self.memory
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.memory.now()
    }

    /// Lets the worker do what it can until this time, jumping from each moment at which something is due to the next.
    /// May end a few milliseconds late.
    ///
    /// # Errors
    /// [`Failure::Gate`] if the worker has to stop, [`Failure::Restless`] if it does not settle.
    pub fn run_until(&mut self, time: Timestamp) -> Result<(), Failure> {
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
            if let Some(pace) = self.pace.filter(|_| self.passed() > passed) {
                self.busy_until = self.now().after(pace.turn);
            }
        }
    }

    /// Ends the worker as SIGTERM would.
    ///
    /// # Errors
    /// As [`Simulation::run_until`].
    pub fn stop(&mut self) -> Result<(), Failure> {
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

    /// Runs the broker's cleaner over the queues and the state, as a cluster does by itself, now and then.
    ///
    /// # Errors
    /// The broker's; none is to be expected.
    pub fn clean(&self) -> Result<(), Failure> {
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

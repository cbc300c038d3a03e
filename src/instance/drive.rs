//! Steps one worker by the clock of its instance, and meters it.

use std::time::{Duration, Instant};

use super::board::Board;
use super::spare::Spare;
use super::stop::{StopSign, sleep};
use crate::broker::Broker;
use crate::metrics::BROKERS;
use crate::worker::{Options, Snapshot, Stats, Step, Stop, Worker};

/// How often a worker shows where it stands: a snapshot looks at every flow that is not live.
const SHOW: Duration = Duration::from_millis(200);

/// After so long of nothing but waiting the brokers are to blame, visibly.
const SILENCE: Duration = Duration::from_secs(5);

/// The group waits no longer than this for members that died, in most settings: a worker that is not in it by then is kept out.
const OUTSIDE: Duration = Duration::from_secs(60);

/// How often the log repeats what is blocked.
const REPEAT: Duration = Duration::from_secs(60);

pub(super) fn drive<B: Broker>(broker: B, options: Options, board: &Board, stop: &StopSign) -> Result<(), Stop> {
    let number = options.worker;
    let mut worker = Worker::new(broker, options);
    let mut meter = Meter::new(number);
    let (mut spare, mut turns) = (Spare::default(), 0);
    loop {
        if stop.is_up() {
            worker.stop();
        }
        board.begins_anew(number, || worker.begin_anew());
        let phase = worker.phase();
        let began = Instant::now();
        let step = worker.step(board.clock.now());
        let took = began.elapsed();
        meter.stepped(phase, took, matches!(step, Ok(Step::Waiting(_))), board);
        // What it waits for is seen while it waits: afterwards it may be over.
        let last = match &step {
            Ok(Step::Waiting(time)) => *time >= SHOW,
            Ok(Step::Left) | Err(_) => true,
            Ok(Step::Progress | Step::Idle { .. }) => false,
        };
        meter.show(&mut worker, board, last);
        if turns != worker.stats().turns {
            turns = worker.stats().turns;
            if let Some(traces) = board.traces() {
                worker.take_traced().for_each(|turn| traces.take(turn));
            }
            spare.worked();
        }
        if matches!(step, Ok(Step::Idle { .. })) {
            spare.rest();
        }
        match step? {
            Step::Progress => {}
            Step::Waiting(time) => sleep(time, stop),
            // A broker that did not wait by itself is not asked a million times a second.
            Step::Idle { .. } if took < Duration::from_millis(1) => std::thread::sleep(Duration::from_millis(1)),
            Step::Idle { .. } => {}
            Step::Left => return Ok(()),
        }
    }
}

/// Meters a worker, and shows where it stands.
pub struct Meter {
    worker: usize,
    phase: &'static str,
    in_phase: Duration,
    shown: Option<Instant>,
    counted: Stats,
    /// Since when there was nothing but waiting.
    waiting: Option<Instant>,
    /// Since when the worker has not been in the group.
    outside: Option<Instant>,
    told: (Vec<String>, Instant),
}

impl Meter {
    #[must_use]
    pub fn new(worker: usize) -> Self {
        let told = (Vec::new(), Instant::now());
        Self {
            worker,
            phase: "",
            in_phase: Duration::ZERO,
            shown: None,
            counted: Stats::default(),
            waiting: None,
            outside: None,
            told,
        }
    }

    /// A phase may take several steps in a row: it is measured as a whole.
    fn stepped(&mut self, phase: &'static str, took: Duration, waits: bool, board: &Board) {
        if phase != self.phase {
            board.metrics.phase(self.phase, self.in_phase);
            (self.phase, self.in_phase) = (phase, Duration::ZERO);
        }
        self.in_phase += took;
        self.waiting = waits.then(|| self.waiting.unwrap_or_else(Instant::now));
    }

    /// Shows where the worker stands, if that was some time ago. `last`: in any case, for it may not be asked again soon.
    pub fn show<B: Broker>(&mut self, worker: &mut Worker<B>, board: &Board, last: bool) {
        if !last && self.shown.is_some_and(|shown| shown.elapsed() < SHOW) {
            return;
        }
        self.shown = Some(Instant::now());
        for late in worker.take_lateness() {
            board.metrics.timer_late(late);
        }
        let is_silent = self.waiting.is_some_and(|since| since.elapsed() >= SILENCE);
        worker.watch_drains(!is_silent);
        let mut shot = Snapshot { taken_at: Some(Instant::now()), ..worker.snapshot() };
        self.outside = (!shot.joined).then(|| self.outside.unwrap_or_else(Instant::now));
        let is_outside = self.outside.is_some_and(|since| since.elapsed() >= OUTSIDE);
        if shot.blocked.is_empty() && (is_silent || is_outside) {
            let trouble = shot.stats.last_trouble.as_deref().unwrap_or("no answer");
            let what = if is_silent { "nothing goes on" } else { "the group does not take the worker in" };
            shot.blocked.push((BROKERS, format!("{what}: {trouble}")));
        }
        board.metrics.count(&self.counted, &shot.stats);
        self.counted = shot.stats.clone();
        self.tell(shot.blocked.iter().map(|(_, sentence)| sentence.clone()).collect());
        board.show(self.worker, shot);
    }

    /// Logs what is blocked when that changes, and again now and then.
    fn tell(&mut self, blocked: Vec<String>) {
        let (told, at) = &self.told;
        if *told == blocked && (blocked.is_empty() || at.elapsed() < REPEAT) {
            return;
        }
        match blocked.is_empty() {
            true => tracing::info!(worker = self.worker, "nothing is blocked any more"),
            false => blocked.iter().for_each(|why| tracing::error!(worker = self.worker, why, "blocked")),
        }
        self.told = (blocked, Instant::now());
    }
}

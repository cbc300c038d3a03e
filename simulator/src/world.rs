//! One memory broker, up to three machines with a production worker each, and what a schedule does to them.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::broker::memory::{Latency, Memory, Serving, Tombstones};
use flowgate::broker::{Admin, Broker, Isolation};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Step, Stop, Worker};
use serde_json::json;

use crate::archive::Archive;
use crate::counted::Counted;
use crate::dice::Dice;
use crate::fault::Faults;
use crate::plan::{Event, Lag, MACHINES, Op, PARTITIONS, Plan, Shape};
use crate::positions::Down;
use crate::reached::Reached;
use crate::trace::Trace;
use crate::zombie::Zombie;

/// The broker's time at which every schedule begins.
pub const START: Timestamp = Timestamp(1_750_000_000_000);

/// After so long a process not heard of has left the group.
pub const SESSION: Duration = Duration::from_secs(10);

/// Instances, one a machine, each with one worker.
const NAMES: [&str; MACHINES] = ["a", "b", "c"];
const WORKER: usize = 0;

/// After so long a process that does not poll has left the group.
const POLLS: Duration = Duration::from_secs(5 * 60);

pub struct World {
    pub memory: Memory,
    pub topics: Topics,
    pub faults: Faults,
    pub archive: Archive,
    pub trace: Trace,
    pub counted: Counted,
    pub machines: Vec<Machine>,
    pub downs: Vec<Down>,
    /// Of the turns that hold: from the first poll to the commit.
    pub longest_turn: Duration,
    reached: Reached,
    pub shape: Shape,
    /// Partitions whose committed offsets were lost, so that whoever takes them over has to stop; with where they were.
    pub lost: BTreeMap<i32, i64>,
    /// Somebody stopped for that: the offsets are to be restored.
    pub restoring: bool,
    /// Seconds: of processes that start.
    max_pause: u64,
    incarnations: u32,
}

/// A host with its clock. Its instance name is its letter.
#[derive(Default)]
pub struct Machine {
    pub worker: Option<Worker<Memory>>,
    pub frozen: bool,
    /// Of its process' newest turn.
    times: Times,
    /// When its process last began to hang.
    pub(crate) hung: Option<Timestamp>,
    /// When its process had its first producer.
    pub(crate) settled: Option<Timestamp>,
    /// Processes that hung when another one was started in their place.
    pub(crate) zombies: Vec<Zombie>,
    /// Whether its process has ever had one of those beside it.
    pub(crate) rivals: bool,
    /// Since when its process is stepped without a long break, and when it was stepped last.
    pub(crate) awake: (Timestamp, Timestamp),
    /// The longest pause that its process allows.
    pub max_pause: Duration,
    /// How many milliseconds its clock differs from the broker's.
    pub ahead: i64,
}

impl World {
    /// # Errors
    /// A sentence: the topics cannot be made.
    pub fn new(plan: &Plan, trace: Trace) -> Result<Self, String> {
        let memory = Memory::new(START);
        let topics = Topics::new("flow").map_err(|why| why.to_string())?;
        let layout = Layout { partitions: PARTITIONS, replication_factor: None };
        let failed = |error: flowgate::broker::Error| error.to_string();
        let made = memory.admin().map_err(failed)?.create_topics(&specification(&topics, &layout)).map_err(failed)?;
        made.into_iter().collect::<Result<Vec<_>, _>>().map_err(failed)?;
        if let Some(bytes) = plan.shape.records_bytes {
            memory.configure(&topics.records, "max.message.bytes", &bytes.to_string()).map_err(failed)?;
        }
        let faults = Faults::default();
        let hook = faults.clone();
        memory.set_fault_hook(Some(Box::new(move |call| hook.consult(call))));
        let machines = (0..MACHINES).map(|_| Machine::default()).collect();
        memory.set_latency(latency(plan));
        Ok(Self {
            memory,
            topics,
            faults,
            archive: Archive::default(),
            trace,
            counted: Counted::default(),
            machines,
            downs: Vec::new(),
            longest_turn: Duration::ZERO,
            reached: Reached::default(),
            shape: plan.shape,
            lost: BTreeMap::new(),
            restoring: false,
            max_pause: plan.shape.max_pause,
            incarnations: 0,
        })
    }

    /// # Errors
    /// A sentence: something happened that must not.
    pub fn apply(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Send(event) => {
                self.count_oddities(event);
                self.send(event)
            }
            Op::Burst { flow, kind, first, count } => (0..*count).try_for_each(|number| {
                let record = format!("burst-{first}-{number}");
                let value = json!({"flow_id": flow, "record_id": record, "kind": kind}).to_string().into_bytes();
                self.send(&Event { flow, value, partition: None, key: true, timestamp: None, headers: &[] })
            }),
            Op::Command { id, flow, action, more } => {
                let mut command = json!({
                    "command_id": id, "flow_id": flow, "action": action, "issued_by": "operator",
                    "issued_at": "2025-06-15T15:06:40Z",
                });
                if let (Some(fields), Some(more)) = (command.as_object_mut(), more.as_object()) {
                    fields.extend(more.clone());
                }
                self.counted.early_commands += u64::from(self.incarnations == 0);
                self.control(command.to_string().as_bytes())
            }
            Op::Noise(text) => self.control(text.as_bytes()),
            Op::Step { machine, steps } => self.steps(*machine, *steps),
            Op::StepTo { machine, phase } => self.step_to(*machine, phase),
            Op::Start { machine } => self.start(*machine),
            Op::Crash { machine } => {
                if let Some(worker) = self.machines[*machine].worker.take() {
                    *self.counted.crashes.entry(worker.phase()).or_default() += 1;
                }
                self.machines[*machine].frozen = false;
                Ok(())
            }
            Op::Stop { machine } => {
                if let Some(worker) = &mut self.machines[*machine].worker {
                    worker.stop();
                }
                Ok(())
            }
            Op::Freeze { machine } => {
                self.freeze(*machine);
                Ok(())
            }
            Op::Thaw { machine } => {
                self.thaw(*machine);
                Ok(())
            }
            Op::Zombie { machine, steps } => self.zombies(*machine, *steps),
            Op::Wait(millis) => {
                // Markers lag for seconds: a coordinator that is up does not leave them for longer.
                if *millis >= 60_000 {
                    self.memory.release_markers(None);
                }
                self.wait(Duration::from_millis(*millis));
                Ok(())
            }
            Op::Clock { machine, ahead } => {
                self.counted.clock_jumps += u64::from(self.machines[*machine].ahead != *ahead);
                self.machines[*machine].ahead = *ahead;
                Ok(())
            }
            Op::Clean { quarters, tombstones } => self.clean(*quarters, *tombstones),
            // What was read and what was not is not told by offsets that are wrong.
            Op::Retain if !self.lost.is_empty() => Ok(()),
            Op::Retain => {
                self.counted.retentions += 1;
                self.archive.retain(&self.memory, &self.topics)
            }
            Op::Markers => {
                self.memory.release_markers(None);
                Ok(())
            }
            Op::Strays => {
                self.deliver_strays();
                Ok(())
            }
            Op::Arm(armed) => {
                self.faults.arm(*armed);
                Ok(())
            }
            Op::MaxPause(seconds) => {
                self.max_pause = *seconds;
                Ok(())
            }
            Op::Lose(loss) => self.lose(*loss),
        }
    }

    /// For how many milliseconds a topic keeps its records; `None`: for ever.
    ///
    /// # Errors
    /// The broker's, as a sentence.
    pub fn retention(&self, topic: &str) -> Result<Option<i64>, String> {
        let admin = self.memory.admin();
        let config = admin.and_then(|mut admin| admin.topic_config(topic)).map_err(|error| error.to_string())?;
        Ok(config.get("retention.ms").and_then(|text| text.parse().ok()).filter(|millis| *millis >= 0))
    }

    /// Lets time pass. Whoever is between two turns polls all the while, unless this seed's processes hang.
    pub fn wait(&self, time: Duration) {
        let at_rest = |of: &Machine| {
            of.worker.as_ref().is_some_and(|worker| !of.frozen && matches!(worker.phase(), "chores" | "gather"))
        };
        let long = time >= POLLS / 10 && !self.shape.hangs;
        let polling: Vec<usize> = (0..MACHINES).filter(|of| long && at_rest(&self.machines[*of])).collect();
        polling.iter().for_each(|of| self.memory.set_polling(&client_id(*of), true));
        self.memory.advance_to(self.memory.now().after(time));
        polling.iter().for_each(|of| self.memory.set_polling(&client_id(*of), false));
    }

    fn options(&mut self, machine: usize) -> Options {
        self.incarnations += 1;
        let mut options = Options::new(self.topics.clone(), NAMES[machine], WORKER, format!("i{}", self.incarnations));
        options.keeps_place = self.shape.places;
        options.session_timeout = SESSION;
        options.transaction_timeout = SESSION;
        options.max_poll_interval = POLLS;
        options.turn.records = self.shape.turn_records;
        options.turn.bytes = self.shape.turn_bytes;
        options.turn.backlog = self.shape.turn_backlog;
        options.turn.topics = self.shape.turn_topics;
        options.turn.slice = self.shape.turn_slice;
        options.turn.commands = self.shape.turn_records;
        options.turn.queues = self.shape.turn_topics;
        options.turn.ahead = self.shape.turn_backlog * 3;
        options.max_known_flows = self.shape.turn_slice + 1;
        options.index_bytes = self.shape.index_bytes;
        options.queue_ttl = Duration::from_secs(self.shape.queue_ttl);
        options.limits.max_pause = Duration::from_secs(self.max_pause);
        options
    }

    pub fn start(&mut self, machine: usize) -> Result<(), String> {
        if self.machines[machine].worker.is_some() && !self.machines[machine].frozen {
            return Ok(());
        }
        self.note_down()?;
        let options = self.options(machine);
        let of = &mut self.machines[machine];
        if of.frozen {
            let (since, times) = (of.hung.unwrap_or_default(), of.times);
            of.zombies.extend(of.worker.take().map(|worker| Zombie::new(worker, since, times)));
        }
        (of.frozen, of.hung, of.settled) = Default::default();
        (of.rivals, of.awake) = (!of.zombies.is_empty(), Default::default());
        of.max_pause = options.limits.max_pause;
        of.worker = Some(Worker::new(self.memory.clone(), options));
        Ok(())
    }

    pub fn deliver_strays(&mut self) {
        self.counted.strays += self.memory.deliver_strays();
    }

    fn freeze(&mut self, machine: usize) {
        let of = &mut self.machines[machine];
        if let Some(worker) = &of.worker
            && !of.frozen
        {
            of.frozen = true;
            of.hung = Some(self.memory.now());
            *self.counted.freezes.entry(worker.phase()).or_default() += 1;
            self.memory.freeze(&client_id(machine));
        }
    }

    pub fn thaw(&mut self, machine: usize) {
        let now = self.memory.now();
        self.machines[machine].frozen = false;
        self.machines[machine].zombies.iter_mut().for_each(|zombie| zombie.wake(now));
        self.memory.thaw(&client_id(machine));
    }

    fn steps(&mut self, machine: usize, steps: u64) -> Result<(), String> {
        for _ in 0..steps {
            if self.step(machine)? != Stepped::Moved {
                break;
            }
        }
        Ok(())
    }

    fn step_to(&mut self, machine: usize, phase: &str) -> Result<(), String> {
        for _ in 0..400 {
            if self.machines[machine].worker.as_ref().is_none_or(|worker| worker.phase() == phase) {
                break;
            }
            // With nothing to do it waits for the next moment that matters.
            if self.step(machine)? != Stepped::Moved {
                break;
            }
        }
        Ok(())
    }

    /// One step of the process of a machine, if one runs there.
    pub fn step(&mut self, machine: usize) -> Result<Stepped, String> {
        let of = &mut self.machines[machine];
        if of.frozen {
            return Ok(Stepped::Nothing);
        }
        let Some(mut worker) = of.worker.take() else { return Ok(Stepped::Nothing) };
        let now = self.memory.now();
        let since = if now.since(of.awake.1) < SESSION / 2 { of.awake.0 } else { now };
        of.awake = (since, now);
        let mut times = of.times;
        let fenced = self.counted.fenced;
        let stepped = self.one_step(machine, &mut worker, &mut times);
        self.machines[machine].times = times;
        if self.counted.fenced > fenced && self.is_alone(machine) {
            return Err("a process ends as fenced by an equal, though it was the only one of its name".to_owned());
        }
        match stepped {
            Ok(Stepped::Ended) => drop(worker),
            _ => {
                let now = self.memory.now();
                let of = &mut self.machines[machine];
                of.settled = of.settled.or_else(|| (worker.stats().producers > 0).then_some(now));
                of.worker = Some(worker);
            }
        }
        self.restore_positions()?;
        stepped
    }

    pub(crate) fn one_step(
        &mut self,
        machine: usize,
        worker: &mut Worker<Memory>,
        times: &mut Times,
    ) -> Result<Stepped, String> {
        self.counted.steps += 1;
        let turns = worker.stats().turns;
        let began = self.memory.now();
        let now = Timestamp(began.0 + self.machines[machine].ahead);
        let phase = worker.phase();
        let step = worker.step(now);
        self.look_at_turn((phase, worker), (began, turns), times)?;
        if self.trace.is_on() {
            let news = self.faults.news();
            let faults: String = news.iter().map(|kind| format!(" [{kind:?}]")).collect();
            self.trace.line(&format!("    {} {phase} -> {}{faults}", client_id(machine), worker.phase()));
        }
        match step {
            Ok(Step::Progress) => Ok(Stepped::Moved),
            Ok(Step::Waiting(time)) => {
                self.wait(time);
                Ok(Stepped::Moved)
            }
            Ok(Step::Idle { until: Some(until) }) if until <= now.after(Duration::from_millis(100)) => {
                self.wait(until.since(now).max(Duration::from_millis(1)));
                Ok(Stepped::Moved)
            }
            // Whoever runs a worker polls again, and a slow broker answers then.
            Ok(Step::Idle { .. }) if self.memory.take_withheld() => {
                self.counted.slow_answers += 1;
                self.wait(Duration::from_millis(1));
                Ok(Stepped::Moved)
            }
            Ok(Step::Idle { .. }) => Ok(Stepped::Nothing),
            Ok(Step::Left) => Ok(Stepped::Ended),
            // The process ends, and whoever runs it starts it again.
            Err(Stop::FencedByEqual(_)) => {
                self.counted.fenced += 1;
                Ok(Stepped::Ended)
            }
            Err(stop @ Stop::PositionsLost(_)) if self.is_lost(&stop) => {
                self.counted.positions_lost += 1;
                self.restoring = true;
                Ok(Stepped::Ended)
            }
            Err(stop) => Err(format!("a worker stops: {stop}")),
        }
    }

    /// After a step from this phase, which began then: how old its turn is, and whether it holds though it took too long.
    fn look_at_turn(
        &mut self,
        (phase, worker): (&str, &Worker<Memory>),
        (began, turns_before): (Timestamp, u64),
        times: &mut Times,
    ) -> Result<(), String> {
        let now = self.memory.now();
        if phase == "gather" && worker.phase() != "gather" {
            (times.decided, times.committed) = (now, None);
        }
        if phase == "commit" {
            times.committed.get_or_insert(began);
        }
        let age = times.committed.map_or(Duration::ZERO, |committed| committed.since(times.decided));
        // A clock that is set otherwise under way may hide an age from the gate.
        if worker.stats().turns > turns_before && age >= SESSION && self.counted.clock_jumps == 0 {
            return Err(format!(
                "a turn is committed {age:?} after it was decided: longer than a transaction may last"
            ));
        }
        if worker.stats().turns > turns_before {
            self.longest_turn = self.longest_turn.max(now.since(times.gathered));
            self.reached.look(&self.memory, &self.topics)?;
        }
        if phase != "gather" && worker.phase() == "gather" {
            times.gathered = now;
        }
        Ok(())
    }

    fn clean(&mut self, quarters: i64, tombstones: bool) -> Result<(), String> {
        self.counted.cleanings += 1;
        let failed = |error: flowgate::broker::Error| error.to_string();
        let tombstones = if tombstones { Tombstones::Remove } else { Tombstones::Keep };
        let mut logs: Vec<(String, i32, Tombstones)> = Vec::new();
        for topic in self.memory.admin().map_err(failed)?.topics(&self.topics.queue_prefix()).map_err(failed)? {
            logs.push((topic, 0, tombstones));
        }
        for partition in 0..PARTITIONS {
            logs.push((self.topics.state.clone(), partition, Tombstones::Keep));
        }
        self.archive.keep_states(&self.memory, &self.topics)?;
        for (topic, partition, tombstones) in logs {
            let marks = self.memory.watermarks(&topic, partition, Isolation::ReadUncommitted).map_err(failed)?;
            let up_to = marks.low + (marks.end - marks.low) * quarters / 4;
            self.memory.compact(&topic, partition, up_to, tombstones).map_err(failed)?;
        }
        Ok(())
    }
}

/// When the newest turn of a process began to gather, when it was decided, and when it was first asked to be committed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Times {
    gathered: Timestamp,
    decided: Timestamp,
    committed: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepped {
    Moved,
    /// It had nothing to do.
    Nothing,
    /// The process is gone.
    Ended,
}

/// As the worker's options have it.
fn client_id(machine: usize) -> String {
    format!("{}-{WORKER}", NAMES[machine])
}

/// Whether an offset's metadata says that a turn of one of the workers committed it.
#[must_use]
pub fn is_a_turns_name(metadata: &str) -> bool {
    (0..MACHINES).any(|machine| metadata.starts_with(&format!("{}-", client_id(machine))))
}

/// As slow as the seed's broker is.
fn latency(plan: &Plan) -> Option<Latency> {
    let Lag { empty_polls, records } = plan.shape.lag;
    let mut dice = Dice::new(!plan.seed);
    (records > 0).then(|| {
        let latency = move |serving| match serving {
            Serving::Begin => dice.below(empty_polls + 1) as usize,
            Serving::Poll => dice.below(records + 1) as usize,
        };
        Box::new(latency) as Latency
    })
}

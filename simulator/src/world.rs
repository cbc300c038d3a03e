//! One memory broker, up to three machines with a production worker each, and what a schedule does to them.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::broker::memory::{Arrived, Memory, Tombstones};
use flowgate::broker::{Admin, Broker, Header, Isolation, Publication, Publisher};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Step, Stop, Worker};
use serde_json::json;

use crate::archive::Archive;
use crate::fault::Faults;
use crate::plan::{Event, MACHINES, Op, PARTITIONS, Plan, Shape};
use crate::trace::Trace;
use crate::zombie::Zombie;

const START: Timestamp = Timestamp(1_750_000_000_000);

/// After so long a process not heard of has left the group.
pub const SESSION: Duration = Duration::from_secs(10);

/// Instances, one a machine, each with one worker.
const NAMES: [&str; MACHINES] = ["a", "b", "c"];
const WORKER: usize = 0;

/// Longer than any schedule: a jump of the clock must not look like a worker that hangs.
const FOR_EVER: Duration = Duration::from_secs(600 * 24 * 60 * 60);

pub struct World {
    pub memory: Memory,
    pub topics: Topics,
    pub faults: Faults,
    pub archive: Archive,
    pub trace: Trace,
    pub counted: Counted,
    pub machines: Vec<Machine>,
    pub downs: Vec<Down>,
    pub shape: Shape,
    incarnations: u32,
}

/// A host with its clock. Its instance name is its letter.
#[derive(Default)]
pub struct Machine {
    pub worker: Option<Worker<Memory>>,
    pub frozen: bool,
    /// When its process last began to hang.
    pub(crate) hung: Option<Timestamp>,
    /// When its process had its first producer.
    pub(crate) settled: Option<Timestamp>,
    /// Processes that hung when another one was started in their place.
    pub(crate) zombies: Vec<Zombie>,
    /// How many milliseconds its clock differs from the broker's.
    pub ahead: i64,
}

/// How often something happened to a worker, by the phase that it was about to begin.
pub type ByPhase = BTreeMap<&'static str, u64>;

/// What has happened, apart from faults of calls.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub steps: u64,
    pub crashes: ByPhase,
    pub freezes: ByPhase,
    pub zombie_steps: u64,
    pub fenced: u64,
    pub clock_jumps: u64,
    pub strays: Arrived,
    pub cleanings: u64,
    pub retentions: u64,
    /// Generations of the group after the first.
    pub rebalances: u64,
    /// Starts of a process when none was left, with everything at rest.
    pub restarts: u64,
    /// Pauses that were left to their timers at the end.
    pub expiries: u64,
}

/// What there was when a process was started and none was left: whoever comes next has to apply every command that waits
/// before it takes one event.
pub struct Down {
    /// Commands below it waited.
    pub control_end: i64,
    /// Of the input, by partition: where the next owner goes on.
    pub positions: Vec<i64>,
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
        let (archive, counted, downs, incarnations) = Default::default();
        Ok(Self { memory, topics, faults, archive, trace, counted, machines, downs, shape: plan.shape, incarnations })
    }

    /// # Errors
    /// A sentence: something happened that must not.
    pub fn apply(&mut self, op: &Op) -> Result<(), String> {
        match op {
            Op::Send(event) => self.send(event),
            Op::Burst { flow, kind, first, count } => (0..*count).try_for_each(|number| {
                let record = format!("burst-{first}-{number}");
                let value = json!({"flow_id": flow, "record_id": record, "kind": kind}).to_string().into_bytes();
                self.send(&Event { flow, value, partition: None, key: true, timestamp: None, forged: false })
            }),
            Op::Command { id, flow, action, more } => {
                let mut command = json!({
                    "command_id": id, "flow_id": flow, "action": action, "issued_by": "operator",
                    "issued_at": "2025-06-15T15:06:40Z",
                });
                if let (Some(fields), Some(more)) = (command.as_object_mut(), more.as_object()) {
                    fields.extend(more.clone());
                }
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
        }
    }

    pub fn wait(&self, time: Duration) {
        self.memory.advance_to(self.memory.now().after(time));
    }

    fn options(&mut self, machine: usize) -> Options {
        self.incarnations += 1;
        let mut options = Options::new(self.topics.clone(), NAMES[machine], WORKER, format!("i{}", self.incarnations));
        options.session_timeout = SESSION;
        options.transaction_timeout = SESSION;
        options.max_poll_interval = FOR_EVER;
        options.turn.records = self.shape.turn_records;
        options.turn.bytes = self.shape.turn_bytes;
        options.turn.backlog = self.shape.turn_backlog;
        options.turn.topics = self.shape.turn_topics;
        options.index_bytes = self.shape.index_bytes;
        options.queue_ttl = Duration::from_secs(self.shape.queue_ttl);
        options.limits.max_pause = Duration::from_secs(self.shape.max_pause);
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
            let since = of.hung.unwrap_or_default();
            of.zombies.extend(of.worker.take().map(|worker| Zombie::new(worker, since)));
        }
        (of.frozen, of.hung, of.settled) = Default::default();
        of.worker = Some(Worker::new(self.memory.clone(), options));
        Ok(())
    }

    /// Takes note of what waits, if nobody runs and nothing can change what is committed.
    fn note_down(&mut self) -> Result<(), String> {
        let nobody = self.machines.iter().all(|of| of.worker.is_none() && of.zombies.is_empty());
        let Topics { group, enrollments, control, .. } = &self.topics;
        let committed = |partition| Some(self.memory.committed(group, enrollments, partition)?.offset);
        let positions: Option<Vec<i64>> = (0..PARTITIONS).map(committed).collect();
        if let Some(positions) = positions.filter(|_| nobody && self.memory.is_quiet()) {
            let marks = self.memory.watermarks(control, 0, Isolation::ReadUncommitted);
            let control_end = marks.map_err(|error| error.to_string())?.end;
            self.downs.push(Down { control_end, positions });
            self.counted.restarts += 1;
        }
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
        let stepped = self.one_step(machine, &mut worker);
        if !matches!(stepped, Ok(Stepped::Ended)) {
            let now = self.memory.now();
            let of = &mut self.machines[machine];
            of.settled = of.settled.or_else(|| (worker.stats().producers > 0).then_some(now));
            of.worker = Some(worker);
        }
        stepped
    }

    pub(crate) fn one_step(&mut self, machine: usize, worker: &mut Worker<Memory>) -> Result<Stepped, String> {
        self.counted.steps += 1;
        let now = Timestamp(self.memory.now().0 + self.machines[machine].ahead);
        let phase = worker.phase();
        let step = worker.step(now);
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
            Ok(Step::Idle { .. }) => Ok(Stepped::Nothing),
            Ok(Step::Left) => Ok(Stepped::Ended),
            // The process ends, and whoever runs it starts it again.
            Err(Stop::FencedByEqual(_)) => {
                self.counted.fenced += 1;
                Ok(Stepped::Ended)
            }
            Err(stop) => Err(format!("a worker stops: {stop}")),
        }
    }

    pub fn send(&self, event: &Event) -> Result<(), String> {
        let forged = [Header { name: "flowgate-release".into(), value: Some("upstream's own".into()) }];
        self.publish(&Publication {
            topic: &self.topics.enrollments,
            partition: event.partition.or((!event.key).then(|| self.home(event.flow))),
            timestamp: event.timestamp.map(Timestamp),
            key: event.key.then_some(event.flow.as_bytes()),
            value: Some(&event.value),
            headers: if event.forged { &forged } else { &[] },
        })
    }

    fn home(&self, flow: &str) -> i32 {
        flowgate::broker::murmur2::partition_for(flow.as_bytes(), PARTITIONS)
    }

    pub fn control(&self, value: &[u8]) -> Result<(), String> {
        let topic = &self.topics.control;
        let (partition, key, value) = (Some(0), Some(b"operator".as_slice()), Some(value));
        self.publish(&Publication { topic, partition, timestamp: None, key, value, headers: &[] })
    }

    fn publish(&self, publication: &Publication<'_>) -> Result<(), String> {
        let mut publisher = self.memory.publisher().map_err(|error| error.to_string())?;
        publisher.publish(publication).map_err(|error| error.to_string())?;
        // What the topic itself refuses (a timestamp, a size) never became an event.
        drop(publisher.flush(Duration::ZERO));
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
        for (topic, partition, tombstones) in logs {
            let marks = self.memory.watermarks(&topic, partition, Isolation::ReadUncommitted).map_err(failed)?;
            let up_to = marks.low + (marks.end - marks.low) * quarters / 4;
            self.memory.compact(&topic, partition, up_to, tombstones).map_err(failed)?;
        }
        Ok(())
    }
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

//! One memory broker, up to three machines with a production worker each, and what a schedule does to them.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::broker::memory::{Latency, Memory, Serving, Tombstones};
use flowgate::broker::{Admin, Broker, Isolation};
use flowgate::schema::topics::Topics;
use flowgate::time::Timestamp;
use flowgate::topics::{Layout, specification};
use flowgate::worker::{Options, Worker};
use serde_json::json;

use crate::archive::Archive;
use crate::counted::Counted;
use crate::dice::Dice;
use crate::down::Down;
use crate::fault::Faults;
use crate::machine::{Machine, NAMES, POLLS, SESSION, Stepped, WORKER, Zombie, client_id};
use crate::plan::{Event, Lag, MACHINES, Op, PARTITIONS, Plan, Shape};
use crate::reached::Reached;
use crate::trace::Trace;

/// The broker's time at which every schedule begins.
pub const START: Timestamp = Timestamp(1_750_000_000_000);

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
    pub(crate) reached: Reached,
    pub shape: Shape,
    /// The newest entry of each flow that somebody has deleted.
    pub deleted: BTreeMap<String, u64>,
    /// Partitions whose committed offsets were lost, so that whoever takes them over has to stop; with where they were.
    pub lost: BTreeMap<i32, i64>,
    /// Somebody stopped for that: the offsets are to be restored.
    pub restoring: bool,
    /// Seconds: of processes that start.
    max_pause: u64,
    incarnations: u32,
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
            deleted: BTreeMap::new(),
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
            Op::Delete { flow, quarters } => self.delete(flow, *quarters),
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
        options.turn.every = self.shape.turn_slice;
        options.turn.queues = self.shape.turn_topics;
        options.turn.ahead = self.shape.turn_backlog * 3;
        options.turn.idle_topics = 2;
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

    /// Somebody deletes of a flow's queue what the gate has not passed yet.
    fn delete(&mut self, flow: &str, quarters: Option<i64>) -> Result<(), String> {
        let failed = |error: flowgate::broker::Error| error.to_string();
        let Some(queue) = self.flows()?.into_iter().find(|of| of.id.as_str() == flow).map(|of| of.queue) else {
            return Ok(());
        };
        let Some(topic) = queue.topic else { return Ok(()) };
        let Ok(marks) = self.memory.watermarks(&topic, 0, Isolation::ReadUncommitted) else { return Ok(()) };
        let below = quarters.map(|quarters| marks.low + (marks.end - marks.low) * quarters / 4);
        // Also what a transaction under way has written.
        let entries = self.memory.dump(&topic, 0, Isolation::ReadUncommitted).map_err(failed)?;
        let gone = entries.iter().filter(|record| below.is_none_or(|below| record.offset < below));
        let newest = gone.filter_map(|record| Some(flowgate::schema::entry::indexed(record)?.number)).max();
        let Some(newest) = newest.filter(|newest| *newest > queue.watermark.entry) else { return Ok(()) };
        let known = self.deleted.entry(flow.to_owned()).or_default();
        *known = newest.max(*known);
        // No fault postpones it: what is held meanwhile would be deleted, too.
        self.memory.set_fault_hook(None);
        let mut admin = self.memory.admin().map_err(failed)?;
        let deleted = match below {
            Some(below) => admin.delete_records(&[(topic, below)]),
            None => admin.delete_topics(&[topic]),
        };
        let hook = self.faults.clone();
        self.memory.set_fault_hook(Some(Box::new(move |call| hook.consult(call))));
        deleted.map_err(failed)?.into_iter().collect::<Result<Vec<_>, _>>().map_err(failed)?;
        self.counted.deletions[usize::from(below.is_none())] += 1;
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

/// As slow as the seed's broker is.
fn latency(plan: &Plan) -> Option<Latency> {
    let Lag { empty_polls, records } = plan.shape.lag;
    let mut dice = Dice::new(!plan.seed);
    (records > 0).then(|| {
        let latency = move |serving| match serving {
            Serving::Begin => dice.below(empty_polls + 1) as usize,
            Serving::New => dice.below(3) as usize,
            Serving::Poll => dice.below(records + 1) as usize,
        };
        Box::new(latency) as Latency
    })
}

//! Everything heals: no fault, right clocks, nobody hangs. Then the gate has to come to rest with nothing left over.

use std::time::Duration;

use flowgate::broker::Isolation;
use flowgate::flow::{Flow, Queue, State, Warning};
use flowgate::schema;
use flowgate::time::Timestamp;
use flowgate::worker::Worker;
use serde_json::json;

use crate::machine::{SESSION, Stepped};
use crate::plan::{Event, FLOWS, MACHINES, PARTITIONS};
use crate::world::World;

/// How late a timer may fire (promise P5).
const PROMPT: Duration = Duration::from_secs(1);

/// For how long an event may wait while there is nothing but a slow drain to do.
const SOON: Duration = Duration::from_secs(2);

/// Steps of one worker without rest that mean it never rests.
const RESTLESS: u64 = 3_000_000;

impl World {
    /// # Errors
    /// A sentence: what does not come to its end.
    pub fn settle_for_good(&mut self) -> Result<(), String> {
        self.faults.disarm();
        // From now on nobody is held up: whoever has nothing to do polls while time passes.
        self.shape.hangs = false;
        self.memory.set_fault_hook(None);
        self.bury_zombies();
        for machine in 0..MACHINES {
            self.machines[machine].ahead = 0;
            self.thaw(machine);
        }
        // Whatever is still under way may come now, and after the next turns.
        self.memory.release_markers(None);
        self.start(0)?;
        for _ in 0..3 {
            self.wait(SESSION + Duration::from_secs(1));
            self.deliver_strays();
            self.settle()?;
            // A process that was told to stop, or was fenced meanwhile, is started again.
            self.start(0)?;
        }
        self.settle()?;
        if self.counted.deletions[1] > 0 {
            // That a topic is gone is believed when the cluster has said so for a while.
            for _ in 0..60 {
                self.wait(Duration::from_secs(1));
                self.settle()?;
            }
        }
        self.positions_are_restored()?;
        self.all_is_read()?;
        self.caps_hold()?;
        for flow in self.flows()? {
            if flow.deadline().is_some_and(|deadline| deadline <= self.memory.now()) {
                return Err(format!("the timer of {} has not fired; {}", flow.id, self.obstacles()));
            }
        }
        self.accept_losses()?;
        if let Some(flow) = self
            .flows()?
            .iter()
            .find(|flow| matches!(flow.state, State::Paused(_)) && (flow.passes() || flow.sample.is_some()))
        {
            return Err(format!("the purge or sample of {} does not end; {}", flow.id, self.obstacles()));
        }
        if self.shape.patient {
            self.leave_to_timers()?;
        }
        let mut left = self.flows()?;
        left.retain(|flow| !matches!(flow.state, State::Live) && !flow.queue.is_passed());
        // What is not gone yet of a queue may be found missing by a drain.
        left.retain(|flow| !self.deleted.contains_key(flow.id.as_str()));
        self.drains_hold_nobody_up(&left)?;
        self.resume_all()?;
        for _ in 0..2_000 {
            self.settle()?;
            self.accept_losses()?;
            if self.flows()?.iter().all(|flow| matches!(flow.state, State::Live)) {
                self.queues_go(&left)?;
                return self.stop();
            }
            self.wait(Duration::from_millis(250));
        }
        let left: Vec<String> = self.flows()?.iter().map(|flow| format!("{} {}", flow.id, flow.state_word())).collect();
        Err(format!("not every flow gets live: {}; {}", left.join(", "), self.obstacles()))
    }

    /// Leaves every pause to its timer, with nothing else going on: none fires much after its deadline.
    fn leave_to_timers(&mut self) -> Result<(), String> {
        // What was late while faults happened is no matter.
        self.lateness();
        let mut deadlines: Vec<Timestamp> = self.flows()?.iter().filter_map(Flow::deadline).collect();
        deadlines.sort_unstable();
        self.counted.expiries += deadlines.len() as u64;
        let warnings = deadlines.iter().flat_map(|deadline| Warning::ALL.map(|of| deadline.before(of.ahead())));
        let mut moments: Vec<Timestamp> = warnings.filter(|moment| *moment > self.memory.now()).collect();
        moments.extend(&deadlines);
        moments.sort_unstable();
        for deadline in moments {
            // Sessions end in the first leap: whoever owns the flow then has come back long before its deadline.
            for left in (0..6).rev() {
                self.wait(deadline.before(SESSION / 2 * left).since(self.memory.now()));
                self.settle()?;
            }
        }
        if let Some(flow) = self.flows()?.iter().find(|flow| flow.deadline().is_some()) {
            return Err(format!("the timer of {} does not fire at its deadline; {}", flow.id, self.obstacles()));
        }
        match self.lateness() {
            late if late > PROMPT => Err(format!("a timer fired {late:?} after its deadline")),
            _ => Ok(()),
        }
    }

    /// What comes while a slow drain is under way is read at once: an event of the very flow, and so its neighbours' too.
    fn drains_hold_nobody_up(&mut self, left: &[Flow]) -> Result<(), String> {
        // At one a second its drain takes longer than `SOON`.
        let slow = |flow: &&Flow| matches!(flow.state, State::Paused(_)) && flow.counts.held().total() > 4;
        let named = |flow: &Flow| FLOWS.into_iter().find(|id| *id == flow.id.as_str());
        let Some(id) = left.iter().find(slow).and_then(named) else { return Ok(()) };
        let command = json!({
            "command_id": format!("slowly-{id}"), "flow_id": id, "action": "resume", "max_rate": 1,
            "issued_by": "finale", "issued_at": "2025-06-15T15:06:40Z",
        });
        self.control(command.to_string().as_bytes())?;
        self.settle()?;
        let value = json!({"flow_id": id, "record_id": "finale"}).to_string().into_bytes();
        self.send(&Event { flow: id, value, partition: None, key: true, timestamp: None, headers: &[] })?;
        let sent = self.memory.now();
        self.settle()?;
        self.all_is_read()?;
        match self.memory.now().since(sent) {
            late if late > SOON => {
                Err(format!("an event is read {late:?} after it was sent: a drain of {id} held it up"))
            }
            _ => Ok(()),
        }
    }

    /// Whatever somebody has deleted of a flow's queue is accepted as lost, however much it is.
    fn accept_losses(&mut self) -> Result<(), String> {
        for round in 0..20 {
            let blocked = |id: &str| self.obstacles().contains(&format!("flow `{id}` is blocked"));
            let blocked: Vec<String> = self.deleted.keys().filter(|id| blocked(id)).cloned().collect();
            if blocked.is_empty() {
                return Ok(());
            }
            for id in blocked {
                let command = json!({
                    "command_id": format!("accept-{round}-{}", self.memory.now()), "flow_id": id,
                    "action": "accept_loss", "at_most": 1_000_000, "issued_by": "finale",
                    "issued_at": "2025-06-15T15:06:40Z",
                });
                self.control(command.to_string().as_bytes())?;
            }
            self.settle()?;
            // A queue that seems to be gone is looked at again from time to time.
            self.wait(Duration::from_secs(11));
            self.settle()?;
        }
        Err(format!("a loss that is accepted stays; {}", self.obstacles()))
    }

    /// Whatever is not live is resumed, as fast as it can; no flow is paused any more when it is first seen.
    fn resume_all(&self) -> Result<(), String> {
        let every = json!({
            "command_id": "finale-every", "flow_id": "*", "action": "resume", "issued_by": "finale",
            "issued_at": "2025-06-15T15:06:40Z",
        });
        self.control(every.to_string().as_bytes())?;
        for flow in self.flows()?.iter().filter(|flow| !matches!(flow.state, State::Live)) {
            let id = flow.id.as_str();
            let command = json!({
                "command_id": format!("finale-{id}"), "flow_id": id, "action": "resume", "max_rate": 1_000_000,
                "issued_by": "finale", "issued_at": "2025-06-15T15:06:40Z",
            });
            self.control(command.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// Queues that were drained with nothing going wrong are emptied at once, and go when they have been idle for long enough.
    fn queues_go(&mut self, drained: &[Flow]) -> Result<(), String> {
        let topics: Vec<(Queue, String)> = {
            let mut flows = self.flows()?;
            flows.retain(|flow| drained.iter().any(|drained| drained.id == flow.id));
            flows.into_iter().filter_map(|flow| Some((flow.queue.clone(), flow.queue.topic?))).collect()
        };
        for (queue, topic) in &topics {
            let low =
                self.memory.watermarks(topic, 0, Isolation::ReadUncommitted).map_err(|error| error.to_string())?.low;
            if low < queue.watermark.offset {
                let up_to = queue.watermark.offset;
                return Err(format!(
                    "`{topic}` is not emptied after its drain: it begins at {low}, and {up_to} is passed"
                ));
            }
        }
        self.wait(Duration::from_secs(self.shape.queue_ttl + 1));
        self.settle()?;
        match topics.iter().find(|(_, topic)| self.memory.watermarks(topic, 0, Isolation::ReadUncommitted).is_ok()) {
            Some((_, topic)) => Err(format!("`{topic}` is still there, though it was idle for long enough")),
            None => Ok(()),
        }
    }

    /// How late timers fired since the last look, at most.
    fn lateness(&mut self) -> Duration {
        let workers = self.machines.iter_mut().filter_map(|machine| machine.worker.as_mut());
        workers.flat_map(Worker::take_lateness).max().unwrap_or_default()
    }

    /// No flow holds up another: whatever still drains, every event has been read.
    fn all_is_read(&self) -> Result<(), String> {
        for partition in 0..PARTITIONS {
            let records = self.memory.dump(&self.topics.enrollments, partition, Isolation::ReadCommitted);
            let next = records.map_err(|error| error.to_string())?.last().map_or(0, |record| record.offset + 1);
            let read = self.memory.committed(&self.topics.group, &self.topics.enrollments, partition);
            let read = read.map_or(0, |committed| committed.offset);
            if read < next {
                return Err(format!("partition {partition} is read up to {read} of {next}; {}", self.obstacles()));
            }
        }
        Ok(())
    }

    /// Who has to stop for its positions has stopped.
    fn positions_are_restored(&self) -> Result<(), String> {
        match self.lost.is_empty() {
            true => Ok(()),
            false => Err(format!("offsets were lost (partition, where it was: {:?}), and gates go on", self.lost)),
        }
    }

    /// No pause is longer than the owner of its flow allows, whatever its owner's owner allowed.
    fn caps_hold(&self) -> Result<(), String> {
        let flows = self.flows()?;
        for machine in &self.machines {
            let partitions = machine.worker.iter().flat_map(|worker| worker.snapshot().partitions);
            for partition in partitions.filter(|partition| partition.stage == "active") {
                let at_home = flows.iter().filter(|flow| self.home(flow.id.as_str()) == partition.number);
                let too_long = |flow: &&Flow| match &flow.state {
                    State::Paused(pause) => pause.resumes_at > pause.paused_at.after(machine.max_pause),
                    State::Live | State::Resuming { .. } => false,
                };
                if let Some(flow) = at_home.into_iter().find(too_long) {
                    return Err(format!("the pause of {} lasts longer than its owner allows", flow.id));
                }
            }
        }
        Ok(())
    }

    /// Steps every worker until all have nothing to do. As soon as time passes for one it is the next one's turn: no machine
    /// stands still while another one works.
    fn settle(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        let mut steps = 0;
        while quiet < 2 {
            let before = (self.progress(), self.memory.now());
            for machine in 0..MACHINES {
                let now = self.memory.now();
                while self.step(machine)? == Stepped::Moved && self.memory.now() == now {
                    steps += 1;
                    if steps > RESTLESS {
                        return Err(format!("machine {machine} does not come to rest; {}", self.obstacles()));
                    }
                }
            }
            // Twice: what one of them did last may concern the others.
            quiet = if (self.progress(), self.memory.now()) == before { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    fn workers(&self) -> impl Iterator<Item = &Worker<flowgate::broker::memory::Memory>> {
        self.machines.iter().filter_map(|machine| machine.worker.as_ref())
    }

    fn progress(&self) -> Vec<(u64, u64, bool)> {
        self.workers().map(|of| (of.stats().turns, of.stats().aborts, of.is_ready())).collect()
    }

    fn obstacles(&self) -> String {
        let told = self.workers().map(|of| format!("{} {:?} {:?}", of.phase(), of.obstacles(), of.stats()));
        told.collect::<Vec<_>>().join("; ")
    }

    fn stop(&mut self) -> Result<(), String> {
        for machine in &mut self.machines {
            if let Some(worker) = &mut machine.worker {
                worker.stop();
            }
        }
        for _ in 0..RESTLESS {
            let mut running = false;
            for machine in 0..MACHINES {
                running |= self.step(machine)? != Stepped::Nothing || self.machines[machine].worker.is_some();
            }
            if !running {
                return Ok(());
            }
        }
        Err(format!("the workers do not stop; {}", self.obstacles()))
    }

    /// The public state of every flow.
    pub(crate) fn flows(&self) -> Result<Vec<Flow>, String> {
        let mut newest = std::collections::BTreeMap::new();
        for partition in 0..PARTITIONS {
            let records = self.memory.dump(&self.topics.state, partition, Isolation::ReadCommitted);
            for record in records.map_err(|error| error.to_string())? {
                if record.key.as_deref().is_some_and(|key| !key.is_empty()) {
                    newest.insert(record.key, record.value);
                }
            }
        }
        let read =
            |value| schema::state::read(AsRef::<[u8]>::as_ref(&value)).map(|of| of.body).map_err(|why| why.to_string());
        newest.into_values().flatten().map(read).collect()
    }
}

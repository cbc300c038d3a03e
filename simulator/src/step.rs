//! One step of a process, and what is looked at after it.

use std::time::Duration;

use flowgate::broker::memory::Memory;
use flowgate::time::Timestamp;
use flowgate::worker::{Step, Stop, Worker};

use crate::machine::{SESSION, Stepped, Times, client_id};
use crate::world::World;

impl World {
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
}

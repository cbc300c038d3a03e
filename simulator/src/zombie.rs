//! Processes that hung when another one was started in their place, and wake up beside it.

use crate::machine::{Stepped, TAKEN_BACK};
use crate::plan::Kind;
use crate::world::World;

impl World {
    /// The zombies of a machine take so many steps each. None that was out of the group makes a producer: that would
    /// end the one in its place.
    pub fn zombies(&mut self, machine: usize, steps: u64) -> Result<(), String> {
        let zombies = std::mem::take(&mut self.machines[machine].zombies);
        let mut left = Vec::new();
        for mut zombie in zombies {
            zombie.wake(self.memory.now());
            let mut alive = true;
            for _ in 0..steps {
                self.counted.zombie_steps += 1;
                let of = &self.machines[machine];
                let now = self.memory.now();
                // Where its place was kept, it may try whether anybody else lives; but that takes its time.
                let at_once = zombie.woken.is_some_and(|woken| now.since(woken) < TAKEN_BACK);
                let settled = of.is_settled(now) && (!self.shape.places || at_once || of.is_alive(now));
                let before = zombie.worker.stats().producers;
                let stepped = self.one_step(machine, &mut zombie.worker, &mut zombie.times)?;
                if zombie.worker.stats().producers > before {
                    if settled && zombie.barred == Some(true) {
                        return Err("a process that hung past its session fences the one in its place".to_owned());
                    }
                    // The name was free: it is its own again.
                    zombie.barred = Some(false);
                }
                match stepped {
                    Stepped::Moved => {}
                    Stepped::Nothing => break,
                    Stepped::Ended => {
                        alive = false;
                        break;
                    }
                }
            }
            if alive {
                left.push(zombie);
            }
        }
        self.machines[machine].zombies = left;
        self.restore_positions()
    }

    /// Whether nobody of the same name can have fenced a machine's process, nor the group have said so by mistake more often
    /// than once.
    pub(crate) fn is_alone(&self, machine: usize) -> bool {
        let fired = self.faults.fired();
        let times = |kind| fired.get(&kind).copied().unwrap_or_default();
        // Within a late call, or where a clock is set, it is not seen that a transaction outlives its time.
        let late = [Kind::LateCommit, Kind::LateOffsets, Kind::LatePoll, Kind::LateDelete].into_iter().map(times);
        let hidden = late.sum::<u64>() + self.counted.clock_jumps;
        !self.machines[machine].rivals && times(Kind::PollFenced) < 2 && hidden == 0
    }

    /// Every process that hung is stopped for good.
    pub fn bury_zombies(&mut self) {
        for machine in &mut self.machines {
            machine.zombies.clear();
        }
    }
}

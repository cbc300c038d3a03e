//! Everything that can happen, and what it does.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::explore::Model;
use super::log::{self, Log};
use super::missing::Missing;
use super::orders::{Input, Issued, Order};
use super::recall::Recall;
use super::turn::{Around, Share};
use super::world::{Memory, Turn, Worker, World};

/// How much there is of everything.
pub struct Space {
    /// For each flow, what comes in; a choice of several is several starts.
    pub inputs: Vec<Vec<Vec<Input>>>,
    pub workers: usize,
    /// What may be sent to each flow.
    pub orders: Vec<Vec<Order>>,
    /// How many commands in all, repeated ones among them.
    pub commands: usize,
    /// Commands come twice.
    pub repeats: bool,
    pub cleaner: bool,
    /// Somebody deletes records of queues behind the gate's back.
    pub deletes: bool,
    /// The clock goes this far.
    pub ticks: i64,
    /// The longest pause.
    pub max_pause: i64,
    pub found: RefCell<Found>,
}

/// What was found of single partitions, so that it is asked once for all the worlds in which it comes up.
#[derive(Default)]
pub struct Found {
    turns: HashMap<u128, Arc<Log>>,
    restored: HashSet<u128>,
    ended: HashSet<u128>,
}

impl Found {
    /// How many different turns one partition can take.
    pub fn turns(&self) -> usize {
        self.turns.len()
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Action {
    Tick,
    /// Somebody sends a command for this flow.
    Send(usize, Order),
    /// Somebody sends a command of this flow again.
    Repeat(usize, usize),
    /// The cleaner takes an entry.
    Clean(usize, u64),
    /// Somebody deletes everything up to an entry.
    Delete(usize, u64),
    /// The group gives the partition to this worker.
    Rebalance(usize, usize),
    /// The worker hears of it.
    Poll(usize),
    /// It reads a partition back that it was given.
    Join(usize, usize),
    /// It stages a turn that goes so far in one partition, and only applies commands and timers in the others, and sends
    /// it with its offsets: a stale generation is refused.
    Stage(usize, usize, Share),
    Commit(usize),
    Abort(usize),
    /// Everything that it knows is gone; the broker aborts what was under way.
    Crash(usize),
}

impl Model for Space {
    type State = World;
    type Action = Action;

    fn key(&self, world: &World) -> u128 {
        world.key()
    }

    fn actions(&self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        // A turn has read what it needs when it is staged: whether a command, a tick, the cleaner or another worker's
        // turn comes while it is under way or after it, what is committed in the end is the same. So those wait. What does
        // make a difference half-way: rebalances, and a new owner that would read back what is not decided yet.
        let idle = world.workers.iter().all(|worker| worker.turn.is_none());
        if idle {
            self.outside(world, &mut actions);
        }
        for (number, worker) in world.workers.iter().enumerate() {
            let others = (0..world.logs.len()).filter(|partition| world.owner[*partition] != number);
            actions.extend(others.map(|partition| Action::Rebalance(partition, number)));
            if worker.turn.is_some() {
                actions.extend([Action::Commit(number), Action::Abort(number)]);
                continue;
            }
            self.memberships(world, number, &mut actions);
            if idle {
                self.turns(world, number, &mut actions);
                // With a turn under way it is as if that had been aborted before.
                actions.extend(worker.memory.iter().any(Option::is_some).then_some(Action::Crash(number)));
            }
        }
        actions
    }

    fn next(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Tick => next.now += 1,
            Action::Send(flow, order) => {
                for (of, control) in next.control.iter_mut().enumerate() {
                    if of == flow || order.is_for_every() {
                        let id = u8::try_from(control.len()).unwrap();
                        control.push(Issued { order, id, recorded_at: world.now });
                    }
                }
            }
            Action::Repeat(flow, place) => {
                let again = Issued { recorded_at: world.now, ..world.control[flow][place] };
                next.control[flow].push(again);
            }
            Action::Clean(flow, number) => next.missing[flow].cleaned |= 1 << number,
            Action::Delete(flow, number) => next.missing[flow].deleted = number,
            Action::Rebalance(partition, to) => {
                let from = std::mem::replace(&mut next.owner[partition], to);
                if let Some(memory) = &mut next.workers[from].memory[partition] {
                    memory.stale = true;
                }
            }
            Action::Poll(worker) => {
                next.workers[worker].memory.iter_mut().for_each(|memory| {
                    memory.take_if(|memory| memory.stale);
                });
            }
            Action::Join(worker, partition) => {
                let log = Arc::clone(&world.logs[partition]);
                if self.found.borrow_mut().restored.insert(log.key) {
                    log.restored();
                }
                let recall = Recall::new(&log, world.missing[partition]);
                next.workers[worker].memory[partition] = Some(Memory { log, recall, stale: false });
            }
            Action::Stage(worker, partition, share) => {
                let turn = self.stage(world, worker, partition, share)?;
                // What fences a zombie. (Had the rebalance come between staging and sending, it would end like this too.)
                if world.workers[worker].is_behind() {
                    return None;
                }
                next.workers[worker].turn = Some(turn);
                if self.workers == 1 {
                    // With nobody who could take over half-way, an abort leaves no trace.
                    self.commit(&mut next, worker);
                }
            }
            Action::Commit(worker) => self.commit(&mut next, worker),
            Action::Abort(worker) => next.workers[worker].turn = None,
            Action::Crash(worker) => {
                next.workers[worker] = Worker { memory: vec![None; world.logs.len()], ..Worker::default() };
            }
        }
        Some(next)
    }
}

impl Space {
    fn outside(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now < self.ticks {
            actions.push(Action::Tick);
        }
        for flow in 0..world.logs.len() {
            if world.sent() < self.commands {
                actions.extend(self.orders[flow].iter().map(|order| Action::Send(flow, *order)));
            }
            if self.repeats && world.sent() < self.commands {
                actions.extend((0..world.control[flow].len()).map(|place| Action::Repeat(flow, place)));
            }
            let (log, missing) = (&world.logs[flow], world.missing[flow]);
            let Missing { cleaned, deleted } = missing;
            let is_there = |number: &u64| cleaned >> number & 1 == 0 && *number > deleted;
            let cleanable = log.cleanable().filter(|number| self.cleaner && is_there(number));
            actions.extend(cleanable.map(|number| Action::Clean(flow, number)));
            let deletable = log.deletable(missing).filter(|_| self.deletes);
            actions.extend(deletable.map(|number| Action::Delete(flow, number)));
        }
    }

    fn memberships(&self, world: &World, number: usize, actions: &mut Vec<Action>) {
        let worker = &world.workers[number];
        if worker.is_behind() {
            actions.push(Action::Poll(number));
            return;
        }
        for partition in (0..world.logs.len()).filter(|partition| world.owner[*partition] == number) {
            // Whoever takes over waits until the former owner's transactions are decided.
            if worker.memory[partition].is_none() && !world.is_pending(partition) {
                actions.push(Action::Join(number, partition));
            }
        }
    }

    fn turns(&self, world: &World, number: usize, actions: &mut Vec<Action>) {
        for (partition, memory) in world.workers[number].memory.iter().enumerate() {
            let Some(Memory { log, recall, .. }) = memory else { continue };
            let unread = match &recall.search {
                // With nothing found it still has to end.
                Some(search) => search.found().max(1),
                None if recall.drains() => log.unread(world.missing[partition]).count(),
                None => 0,
            };
            let waiting = self.inputs[world.start][partition].len() - usize::try_from(log.record.input).unwrap();
            for entries in shares(unread) {
                let shares = shares(waiting).map(|events| Share { entries, events });
                actions.extend(shares.map(|share| Action::Stage(number, partition, share)));
            }
        }
    }

    /// `None`: there is nothing to do.
    fn stage(&self, world: &World, worker: usize, partition: usize, share: Share) -> Option<Turn> {
        let mut logs = Vec::new();
        for (of, memory) in world.workers[worker].memory.iter().enumerate() {
            let Some(memory) = memory else { continue };
            let share = if of == partition { share } else { Share::default() };
            let log = self.turn(memory, share, self.around(world, of), (world.start, of));
            if log.key != memory.log.key {
                logs.push((of, log));
            }
        }
        (!logs.is_empty()).then_some(logs)
    }

    fn turn(&self, memory: &Memory, share: Share, around: Around<'_>, of: (usize, usize)) -> Arc<Log> {
        let Memory { log, recall, .. } = memory;
        let key = log::key(&(of, log.key, recall, share, around.now, around.control, around.missing));
        if let Some(turn) = self.found.borrow().turns.get(&key) {
            return Arc::clone(turn);
        }
        let turn = Arc::new(log.turn(recall, share, around));
        self.found.borrow_mut().turns.insert(key, Arc::clone(&turn));
        turn
    }

    fn around<'a>(&'a self, world: &'a World, partition: usize) -> Around<'a> {
        let inputs = &self.inputs[world.start][partition];
        let (control, missing) = (&world.control[partition], world.missing[partition]);
        Around { now: world.now, max_pause: self.max_pause, control, inputs, missing }
    }

    fn commit(&self, world: &mut World, worker: usize) {
        let Some(turn) = world.workers[worker].turn.take() else { return };
        for (partition, log) in turn {
            let missing = world.missing[partition];
            let Some(memory) = &mut world.workers[worker].memory[partition] else { continue };
            memory.recall = memory.recall.after(&log, missing);
            memory.log = Arc::clone(&log);
            log.follows(&world.logs[partition]);
            world.logs[partition] = log;
            self.ends(world, partition);
        }
    }

    /// From here on, with nothing more coming in and a new owner, everything comes to its end.
    fn ends(&self, world: &World, partition: usize) {
        let now = self.ticks + self.max_pause + 1;
        let around = Around { now, ..self.around(world, partition) };
        let log = &world.logs[partition];
        let key = log::key(&(world.start, partition, log.key, around.control, around.missing));
        if !self.found.borrow_mut().ended.insert(key) {
            return;
        }
        let mut log = log.restored();
        let mut recall = Recall::new(&log, around.missing);
        let mut control = around.control.to_vec();
        let all = Share { entries: usize::MAX, events: usize::MAX };
        // A purge, the timer, the backlog, what came meanwhile, and some to spare.
        for round in 0..6 {
            if log.is_at_rest(around.inputs.len()) {
                return;
            }
            if log.gone(around.missing).is_some() {
                control.push(Issued { order: Order::AcceptLoss(u32::MAX), id: u8::MAX - round, recorded_at: now });
            }
            log = log.turn(&recall, all, Around { control: &control, ..around });
            recall = recall.after(&log, around.missing);
        }
        assert!(log.is_at_rest(around.inputs.len()), "the drain does not end: {:?}", log.ledger);
    }
}

/// Nothing, one, everything: what lies between is several turns.
fn shares(all: usize) -> impl Iterator<Item = usize> + Clone {
    [0, 1, all].into_iter().take(if all > 2 { 3 } else { all.min(1) + 1 })
}

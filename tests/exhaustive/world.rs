//! Some gates and a Kafka: who owns what, what is committed, and what is under way.

use std::sync::Arc;

use super::log::{self, Log};
use super::missing::Missing;
use super::orders::{Input, Issued};
use super::recall::Recall;
use super::space::Space;

#[derive(Clone)]
pub struct World {
    pub start: usize,
    pub now: i64,
    /// A partition with one flow each.
    pub logs: Vec<Arc<Log>>,
    pub control: Vec<Vec<Issued>>,
    /// What is not in the queues any more.
    pub missing: Vec<Missing>,
    /// Whom the group gave each partition to.
    pub owner: Vec<usize>,
    pub workers: Vec<Worker>,
}

#[derive(Clone, Default)]
pub struct Worker {
    pub memory: Vec<Option<Memory>>,
    /// Whose offsets the broker took: from now on only the worker's own producer can undo it.
    pub turn: Option<Turn>,
}

/// What is staged for each partition that the turn acts for.
pub type Turn = Vec<(usize, Arc<Log>)>;

#[derive(Clone)]
pub struct Memory {
    pub log: Arc<Log>,
    pub recall: Recall,
    /// The partition was given to somebody else since: this is out of date, and the worker does not know.
    pub stale: bool,
}

impl World {
    /// Nothing has happened; the partitions are dealt to the workers in turn.
    pub fn starts(space: &Space) -> Vec<Self> {
        let flows = space.inputs[0].len();
        let start = |(start, inputs): (usize, &Vec<Vec<Input>>)| Self {
            start,
            now: 0,
            logs: inputs.iter().zip(["a", "b"]).map(|(inputs, name)| Arc::new(Log::new(name, inputs.len()))).collect(),
            control: vec![Vec::new(); flows],
            missing: vec![Missing::default(); flows],
            owner: (0..flows).map(|flow| flow % space.workers).collect(),
            workers: vec![Worker { memory: vec![None; flows], ..Worker::default() }; space.workers],
        };
        space.inputs.iter().enumerate().map(start).collect()
    }

    /// How many commands there are.
    pub fn sent(&self) -> usize {
        self.control.iter().map(Vec::len).sum()
    }

    /// Whether a transaction may still move what the partition's owner goes on from.
    pub fn is_pending(&self, partition: usize) -> bool {
        let mut turns = self.workers.iter().filter_map(|worker| worker.turn.as_ref());
        turns.any(|turn| turn.iter().any(|(of, _)| *of == partition))
    }

    /// Stands for everything that can still happen.
    pub fn key(&self) -> u128 {
        let workers: Vec<_> = self.workers.iter().map(Worker::key).collect();
        let logs: Vec<_> = self.logs.iter().map(|log| log.key).collect();
        let World { start, now, control, missing, owner, .. } = self;
        let last = workers.len() - 1;
        // It makes no difference which worker is called the first: with two of them, the smaller key stands for both.
        let named = |worker: usize| if workers[0] <= workers[last] { worker } else { last - worker };
        let owner: Vec<_> = owner.iter().map(|worker| named(*worker)).collect();
        let workers: Vec<_> = (0..workers.len()).map(|worker| workers[named(worker)]).collect();
        log::key(&(start, now, logs, control, missing, owner, workers))
    }
}

impl Worker {
    /// It lost a partition and has not heard of it: its generation is stale.
    pub fn is_behind(&self) -> bool {
        self.memory.iter().flatten().any(|memory| memory.stale)
    }

    /// What is stale is refused whatever it says.
    fn key(&self) -> u128 {
        let known = |memory: &Memory| (!memory.stale).then(|| (memory.log.key, memory.recall.clone()));
        let memory: Vec<_> = self.memory.iter().map(|memory| memory.as_ref().map(known)).collect();
        let staged = |turn: &Turn| turn.iter().map(|(partition, log)| (*partition, log.key)).collect::<Vec<_>>();
        let turn = self.turn.as_ref().map(staged);
        log::key(&(memory, turn))
    }
}

//! What is to happen, how often, and in which order.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use clap::ValueEnum as _;

use crate::company::Dice;
use crate::proxy::Swallow;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Fault {
    GateKilled,
    GateFrozen,
    RebalanceStorm,
    TopicCreationDenied,
    BrokerLost,
    LeaderLost,
    TransactionCoordinatorLost,
    GroupCoordinatorLost,
    Delays,
    Cuts,
    CommitUnanswered,
    CommitUnansweredAndCut,
    CommitSwallowed,
    CommitSwallowedAndCut,
    Compaction,
    IdleQueueDeleted,
    HeldEventsDeleted,
}

use Fault::*;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GateKilled => "kill -9 of a gate",
            GateFrozen => "SIGSTOP of a gate past its session, then SIGCONT",
            RebalanceStorm => "gates that join and leave quickly",
            TopicCreationDenied => "creation of a queue topic denied",
            BrokerLost => "kill -9 of a broker",
            LeaderLost => "kill -9 of the leader of an input partition",
            TransactionCoordinatorLost => "kill -9 of the transaction coordinator",
            GroupCoordinatorLost => "kill -9 of the group coordinator",
            Delays => "delayed requests and answers",
            Cuts => "connections cut",
            CommitUnanswered => "the answer to EndTxn swallowed",
            CommitUnansweredAndCut => "the answer to EndTxn swallowed, the connection cut",
            CommitSwallowed => "EndTxn swallowed",
            CommitSwallowedAndCut => "EndTxn swallowed, the connection cut",
            Compaction => "forced compaction of held events",
            IdleQueueDeleted => "an idle queue topic deleted",
            HeldEventsDeleted => "held events deleted",
        })
    }
}

impl Fault {
    /// What it swallows, if that is what it does.
    pub fn swallow(self) -> Option<Swallow> {
        Some(match self {
            CommitUnanswered => Swallow { request: false, cut: false },
            CommitUnansweredAndCut => Swallow { request: false, cut: true },
            CommitSwallowed => Swallow { request: true, cut: false },
            CommitSwallowedAndCut => Swallow { request: true, cut: true },
            _ => return None,
        })
    }
}

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub events: u64,
    pub events_a_second: u64,
    /// How often each fault has to happen.
    pub times: u32,
}

impl Plan {
    /// `CHAOS=long` for the long run; `CHAOS_SEED` for the order and the moments of another.
    pub fn from_environment() -> Self {
        let seed = match std::env::var("CHAOS_SEED") {
            Ok(seed) => seed.parse().expect("CHAOS_SEED is a number"),
            Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_micros() as u64,
        };
        match std::env::var("CHAOS").as_deref() {
            Ok("long") => Self { seed, events: 1_000_000, events_a_second: 500, times: 10 },
            Ok(other) => panic!("CHAOS={other}: only `long` is known"),
            Err(_) => Self { seed, events: 100_000, events_a_second: 300, times: 2 },
        }
    }

    /// Every fault as often as it has to happen, in an order that the dice choose.
    pub fn order(&self, dice: &mut Dice) -> Vec<Fault> {
        // For looking at some of them alone.
        let only = std::env::var("CHAOS_ONLY").unwrap_or_default();
        let wanted = Fault::value_variants()
            .iter()
            .copied()
            .filter(|fault| only.split(',').any(|name| format!("{fault:?}").starts_with(name)));
        let mut order: Vec<Fault> = wanted.flat_map(|fault| (0..self.times).map(move |_| fault)).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, dice.below(place as u64 + 1) as usize);
        }
        order
    }
}

/// What has happened of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub tried: u32,
    pub happened: u32,
    /// The longest time from the end of the fault until events went on.
    pub recovery: Duration,
}

pub type Tallies = BTreeMap<Fault, Tally>;

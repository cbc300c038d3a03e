//! One fault after another, each counted only if it really happened, and the way back to rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flowgate::broker::{Admin, Broker, Isolation, Reader};
use flowgate::flow::{Flow, State};
use serde_json::json;

use crate::PATIENCE;
use crate::company::{Company, Dice, Onlooker, is_live};
use crate::fleet::Fleet;
use crate::load::Load;
use crate::plan::{Fault, Plan, Tallies};
use crate::prometheus::Prometheus;
use crate::proxy::Proxy;
use crate::say::say;
use crate::server::cluster::KafkaCluster;
use crate::upstream::{Client, Partitioner};

pub struct Chaos {
    pub company: Arc<Company>,
    pub cluster: Arc<KafkaCluster>,
    pub proxy: Arc<Proxy>,
    pub fleet: Fleet,
    pub dice: Dice,
    /// Sees what the gates tell, by the alerts that are for it.
    pub prometheus: Prometheus,
    /// For flows that the load knows nothing of: each has one client.
    pub client: Client,
    onlooker: Onlooker,
    /// The newest entry of each flow that somebody has deleted.
    pub deleted: BTreeMap<String, u64>,
    /// How many flows faults have made.
    flows: u32,
    pub tallies: Tallies,
}

/// How often a fault is tried again that did not happen, for each time that it has to.
const TRIES: u32 = 3;

impl Chaos {
    pub fn new(company: &Arc<Company>, cluster: Arc<KafkaCluster>, proxy: Arc<Proxy>, dice: Dice) -> Self {
        Self {
            company: Arc::clone(company),
            cluster,
            proxy,
            prometheus: Prometheus::watching(company),
            fleet: Fleet::start(company),
            dice,
            client: company.client(Partitioner::Java),
            onlooker: company.onlooker(),
            deleted: BTreeMap::new(),
            flows: 0,
            tallies: Tallies::new(),
        }
    }

    /// Everything that the plan has, in the order that the dice choose.
    pub fn run(&mut self, plan: &Plan) {
        let began = Instant::now();
        let mut order = plan.order(&mut self.dice);
        order.reverse();
        let mut failed = Vec::new();
        while let Some(fault) = order.pop() {
            let started = Instant::now();
            let happened = self.inject(fault);
            let recovery = self.recover();
            let tally = self.tallies.entry(fault).or_default();
            tally.tried += 1;
            tally.happened += u32::from(happened);
            tally.recovery = tally.recovery.max(recovery);
            let told = if happened { "" } else { ": did not happen" };
            let took = (started.elapsed() - recovery).as_secs_f64();
            say(&format!(
                "chaos at {:5.1} s: {fault}{told}; {took:.1} s, events went on {:.1} s later",
                began.elapsed().as_secs_f64(),
                recovery.as_secs_f64()
            ));
            if !happened && failed.iter().filter(|again| **again == fault).count() < (TRIES * plan.times) as usize {
                failed.push(fault);
                // Not at once: what was in its way may still be.
                order.insert(0, fault);
            }
            self.dice.moment(Duration::from_secs(2));
        }
    }

    fn inject(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::GateKilled => self.kill_gate(),
            Fault::GateFrozen => self.freeze_gate(),
            Fault::RebalanceStorm => self.storm(),
            Fault::TopicCreationDenied => self.deny_topic_creation(),
            Fault::BrokerLost => self.lose(Self::some_node),
            Fault::LeaderLost => self.lose(Self::leader),
            Fault::TransactionCoordinatorLost => self.lose(Self::transaction_coordinator),
            Fault::GroupCoordinatorLost => self.lose(Self::group_coordinator),
            Fault::Delays => self.delay(),
            Fault::Cuts => self.cut(),
            Fault::CommitUnanswered
            | Fault::CommitUnansweredAndCut
            | Fault::CommitSwallowed
            | Fault::CommitSwallowedAndCut => fault.swallow().is_some_and(|what| self.swallow(what)),
            Fault::Compaction => self.compact(),
            Fault::IdleQueueDeleted => self.delete_idle_queue(),
            Fault::HeldEventsDeleted => self.delete_held_events(),
        }
    }

    /// Waits until events go on in every partition, and says how long that took.
    fn recover(&mut self) -> Duration {
        let began = Instant::now();
        let partitions: Vec<i32> = (0..crate::PARTITIONS.cast_signed()).collect();
        let (kafka, topics) = (self.company.kafka.clone(), self.company.topics.clone());
        let mut admin = kafka.admin().unwrap();
        let mut offsets = move || -> Option<Vec<i64>> {
            let found = admin.group_offsets(&topics.group, &topics.enrollments, &partitions).ok()?;
            Some(found.into_iter().map(|committed| committed.map_or(-1, |committed| committed.offset)).collect())
        };
        let (mut before, mut last) = (None, None);
        let recovered = self.fleet.within(PATIENCE, |_| {
            let Some(now) = offsets() else { return false };
            last = Some(now.clone());
            match &before {
                None => {
                    before = Some(now);
                    false
                }
                Some(before) => before.iter().zip(now).all(|(before, now)| now > *before),
            }
        });
        assert!(
            recovered,
            "events do not go on in every partition within {PATIENCE:?}; committed offsets {before:?}, then {last:?}, ends \
             {:?}{}{}",
            self.ends(),
            self.fleet.gauges(),
            self.fleet.tails()
        );
        began.elapsed()
    }

    /// Where each input partition ends: the first offset that is not committed yet, then the next one to be written.
    fn ends(&self) -> Vec<String> {
        let topic = &self.company.topics.enrollments;
        let end = |isolation, partition| {
            let ends = self.company.kafka.reader(isolation).and_then(|mut reader| reader.watermarks(topic, partition));
            ends.map_or_else(|error| error.to_string(), |ends| ends.end.to_string())
        };
        let partitions = 0..crate::PARTITIONS.cast_signed();
        let both = |partition| {
            format!("{}/{}", end(Isolation::ReadCommitted, partition), end(Isolation::ReadUncommitted, partition))
        };
        partitions.map(both).collect()
    }

    /// A flow that nothing was ever done with.
    pub fn new_flow(&mut self, kind: &str) -> String {
        self.flows += 1;
        format!("{kind}-{}", self.flows)
    }

    /// Whatever pause of every flow is in force: an own pause, which ends by command.
    pub fn pause(&mut self, flow: &str) {
        let options = json!({"new_records": "queue", "keep": "latest", "on_expiry": "resume", "for_seconds": 3600});
        self.company.command(flow, "pause", &options);
        self.until("paused on its own", flow, |flow| matches!(&flow.state, State::Paused(pause) if !pause.by_all));
    }

    /// Whether it is live within a limit.
    pub fn is_live_within(&mut self, flow: &str, limit: Duration) -> bool {
        let Self { fleet, onlooker, .. } = self;
        fleet.within(limit, |_| onlooker.flow(flow).is_some_and(|flow| is_live(&flow)))
    }

    /// As it is known by now.
    pub fn flow(&mut self, flow: &str) -> Option<Flow> {
        self.onlooker.flow(flow)
    }

    /// Waits until something holds for a flow, as committed.
    #[track_caller]
    pub fn until(&mut self, what: &str, flow: &str, holds: impl Fn(&Flow) -> bool) {
        let Self { fleet, onlooker, .. } = self;
        if !fleet.within(PATIENCE, |_| onlooker.flow(flow).is_some_and(|flow| holds(&flow))) {
            let found = self.onlooker.flow(flow);
            panic!("not within {PATIENCE:?}: {flow}: {what}: {found:?}{}", self.fleet.tails());
        }
    }

    /// All faults healed, everything sent, losses accepted, every flow live, everything read. How many commands the operator sent.
    pub fn settle(&mut self, load: Load, events: u64) -> u64 {
        self.proxy.swallow_nothing();
        self.proxy.delay(Duration::ZERO);
        self.until_whole();
        load.hurry();
        self.fleet.until("everything is sent", |_| load.sent() >= events);
        let commands = load.stop();
        for flow in ["*".to_owned()].into_iter().chain(self.onlooker.flows()) {
            self.company.command(&flow, "resume", &json!({"release": "all", "max_rate": 1_000_000}));
        }
        // First, or a flow may be live because a pause before that has not been read.
        self.company.until_all_is_read();
        for flow in self.deleted.keys().cloned().collect::<Vec<String>>() {
            self.accept_loss(&flow);
        }
        for flow in self.onlooker.flows() {
            // Or forgotten, by what the onlooker had not read yet.
            let Self { fleet, onlooker, .. } = &mut *self;
            let is_at_rest = fleet.within(PATIENCE, |_| onlooker.flow(&flow).is_none_or(|flow| is_live(&flow)));
            assert!(is_at_rest, "{flow} is not live at the end: {:?}{}", onlooker.flow(&flow), fleet.tails());
        }
        self.company.until_all_is_read();
        commands
    }

    /// Both gates leave in good order.
    pub fn stop(self) -> (Tallies, BTreeMap<String, u64>, BTreeMap<i32, u32>) {
        let Self { mut fleet, tallies, deleted, .. } = self;
        fleet.tend();
        let Fleet { gates, ended, .. } = fleet;
        gates.into_iter().for_each(|gate| drop(gate.stop()));
        (tallies, deleted, ended)
    }
}

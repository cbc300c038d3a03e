//! Faults of processes: gates and nodes of the cluster that die, freeze, come and go.

use std::time::Duration;

use serde_json::json;

use crate::inject::Chaos;
use crate::server::cluster::{Coordinator, NODES};

impl Chaos {
    /// The next process has the same name, which fences what the dead one left open, or another, which has to wait.
    /// It counts if the gate had partitions.
    pub fn kill_gate(&mut self) -> bool {
        let slot = self.dice.below(2) as usize;
        let worked = self.fleet.within(Duration::from_secs(20), |fleet| fleet.said(slot, "restored") > 0);
        let killed = worked && self.fleet.kill(slot);
        // Now and then it stays away until somebody would be told.
        match self.dice.below(2) {
            0 if killed => self.prometheus.sees("FlowgateDown", &format!("instance=\"{}\"", self.fleet.name(slot))),
            _ => self.dice.moment(Duration::from_secs(2)),
        }
        if self.dice.below(2) == 0 {
            self.fleet.rename(slot);
        }
        self.fleet.replace(slot, &[]);
        killed
    }

    /// It counts if another gate had taken partitions over when the frozen one woke up with them in its hands.
    pub fn freeze_gate(&mut self) -> bool {
        let frozen = self.dice.below(2) as usize;
        let other = 1 - frozen;
        let before = self.fleet.said(other, "restored");
        self.fleet.tend();
        self.fleet.gates[frozen].signal("STOP");
        let taken = self.fleet.within(Duration::from_secs(20), |fleet| fleet.said(other, "restored") > before);
        self.prometheus.sees("FlowgateDown", &format!("instance=\"{}\"", self.fleet.name(frozen)));
        self.fleet.gates[frozen].signal("CONT");
        taken
    }

    /// It counts if somebody had to give partitions up for it.
    pub fn storm(&mut self) -> bool {
        let revoked = |chaos: &Self| (0..2).map(|slot| chaos.fleet.said(slot, "revoked")).sum::<usize>();
        let before = revoked(self);
        for _ in 0..4 {
            let (name, mut guest) = self.fleet.guest();
            self.dice.moment(Duration::from_millis(2500));
            match self.dice.below(2) {
                0 => drop(guest),
                _ => {
                    guest.signal("TERM");
                    self.fleet.within(Duration::from_secs(6), |_| guest.ended().is_some());
                }
            }
            self.company.forget(&name);
        }
        revoked(self) > before
    }

    /// One of the gates wants more replicas than there are brokers: flows that have to be held for the first time keep
    /// their partitions waiting, visibly, until a gate with the right settings takes them over.
    pub fn deny_topic_creation(&mut self) -> bool {
        let slot = self.dice.below(2) as usize;
        let too_many = format!("queue.replication_factor={}", NODES + 2);
        self.fleet.replace(slot, &[&too_many]);
        self.fleet.within(Duration::from_secs(20), |fleet| fleet.said(slot, "restored") > 0);
        let denied = |gate: &Self| gate.fleet.gates[slot].log().contains("cannot be made");
        let mut flows = Vec::new();
        // Not every flow is at home in a partition of this gate.
        for _ in 0..12 {
            let flow = self.new_flow("fresh");
            self.pause(&flow);
            self.client.burst(&flow, 10);
            flows.push(flow);
            self.fleet.within(Duration::from_secs(2), |fleet| fleet.gates[slot].log().contains("cannot be made"));
            if denied(self) {
                break;
            }
        }
        let happened = denied(self);
        if happened {
            let labels = format!("instance=\"{}\", reason=\"queue_topic\"", self.fleet.name(slot));
            self.prometheus.sees("FlowgateBlocked", &labels);
        }
        self.fleet.replace(slot, &[]);
        for flow in flows {
            self.until(&format!("{flow} is held after all"), &flow, |flow| flow.counts.queued.total() > 0);
            self.company.command(&flow, "resume", &json!({}));
        }
        happened
    }

    /// `kill -9` of the node that does something, and its restart a while later.
    pub fn lose(&mut self, node: impl Fn(&mut Self) -> Option<usize>) -> bool {
        self.until_whole();
        let Some(node) = node(self) else { return false };
        self.cluster.kill(node);
        self.dice.moment(Duration::from_secs(5));
        self.fleet.tend();
        self.cluster.restart(node);
        true
    }

    pub fn some_node(&mut self) -> Option<usize> {
        Some(self.dice.below(NODES as u64) as usize)
    }

    pub fn leader(&mut self) -> Option<usize> {
        let partition = self.dice.below(u64::from(crate::PARTITIONS)) as i32;
        self.cluster.leader(&self.company.topics.enrollments, partition)
    }

    pub fn transaction_coordinator(&mut self) -> Option<usize> {
        let slot = self.dice.below(2) as usize;
        let id = self.company.topics.transactional_id(self.fleet.name(slot), 0);
        self.cluster.coordinator(Coordinator::Transaction(&id))
    }

    pub fn group_coordinator(&mut self) -> Option<usize> {
        self.cluster.coordinator(Coordinator::Group(&self.company.topics.group))
    }

    /// Losing a second node before the first is back in sync would be an outage, not a fault to get over.
    pub fn until_whole(&mut self) {
        let cluster = std::sync::Arc::clone(&self.cluster);
        self.fleet.until("every replica is in sync", |_| cluster.is_whole());
    }
}

//! Every open connection, and which one gives way when there are too many.
//!
//! A newcomer always gets in. The peer that has most gives one up for it, so that whoever takes all there are only robs
//! themselves: first one that waits for a request, then one that is answered; of these the one that has done so for
//! longest. A half-sent request, or an answer that is not read, is soon that one; Prometheus' is not.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::pulse::{Doing, Pulse};
use crate::metrics::Metrics;

#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
}

struct Entry {
    peer: IpAddr,
    pulse: Arc<Pulse>,
}

pub(super) struct Connections {
    most: usize,
    metrics: Metrics,
    table: Mutex<Table>,
    closed: Notify,
}

impl Connections {
    pub fn new(most: usize, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { most: most.max(1), metrics, table: Mutex::default(), closed: Notify::new() })
    }

    /// Takes a connection in. It counts until what is returned is dropped.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, pulse: Arc<Pulse>) -> Place {
        let mut table = self.table();
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Entry { peer: party(peer), pulse });
        self.metrics.http_connections(table.open.len());
        if table.open.len() > self.most
            && let Some(entry) = table.to_give_way(number)
        {
            entry.pulse.give_way();
        }
        drop(table);
        Place { connections: Arc::clone(self), number }
    }

    /// Makes room when there are no file handles left, for whatever reason.
    pub fn shrink(&self) {
        let table = self.table();
        if let Some(entry) = table.to_give_way(table.next) {
            entry.pulse.give_way();
        }
    }

    /// Waits until those that gave way have given their file handles back.
    pub async fn settle(&self) {
        loop {
            let closed = self.closed.notified();
            if self.table().open.len() <= self.most {
                return;
            }
            closed.await;
        }
    }

    /// A panic elsewhere leaves a whole table behind: go on.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn to_give_way(&self, newcomer: u64) -> Option<&Entry> {
        let mut held: HashMap<IpAddr, usize> = HashMap::new();
        for entry in self.open.values() {
            *held.entry(entry.peer).or_default() += 1;
        }
        let others = self.open.iter().filter(|(number, _)| **number != newcomer);
        let greed = |entry: &Entry| held.get(&entry.peer).copied().unwrap_or_default();
        let order = |(number, entry): &(&u64, &Entry)| {
            let beat = entry.pulse.beat();
            let answered = matches!(beat.doing, Doing::Answering { .. } | Doing::Streaming);
            (std::cmp::Reverse(greed(entry)), answered, beat.since, **number)
        };
        let staying = others.filter(|(_, entry)| entry.pulse.beat().doing != Doing::GivingWay);
        staying.min_by_key(order).map(|(_, entry)| entry)
    }
}

/// Whom a peer's connections are counted for. Whoever has an IPv6 address has all of its last 64 bits.
fn party(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

/// An open connection's place among the others.
pub(super) struct Place {
    connections: Arc<Connections>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.open.remove(&self.number);
        self.connections.metrics.http_connections(table.open.len());
        drop(table);
        self.connections.closed.notify_one();
    }
}

//! The conformance suite on the memory broker.

#![allow(clippy::unwrap_used, reason = "a test ends where it meets what it did not expect")]

#[macro_use]
mod conformance;

#[path = "memory/driver.rs"]
mod driver;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use conformance::Harness;
use flowgate::broker::memory::{Memory, Serving, Tombstones};
use flowgate::broker::{Admin, Broker, MemberOptions};
use flowgate::time::Timestamp;

/// A broker of its own for each case. Looks of `eventually` move its clock on.
struct InMemory {
    memory: Memory,
    names: Cell<u32>,
}

fn start() -> InMemory {
    InMemory { memory: Memory::new(Timestamp(1_700_000_000_000)), names: Cell::new(0) }
}

fn start_slowly() -> InMemory {
    let broker = start();
    let mut polls = 0;
    broker.memory.set_latency(Some(Box::new(move |serving| match serving {
        Serving::Begin => 3,
        Serving::New => 2,
        Serving::Poll => {
            polls += 1;
            polls % 4
        }
    })));
    broker
}

impl Harness for InMemory {
    type Broker = Memory;

    fn broker(&self) -> &Memory {
        &self.memory
    }

    fn fresh_name(&self, case: &str) -> String {
        self.names.set(self.names.get() + 1);
        format!("{case}-{}", self.names.get())
    }

    fn now(&self) -> Timestamp {
        self.memory.now()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn pass(&self, step: Duration) {
        self.memory.advance_to(self.memory.now().after(step));
    }

    fn member_options(&self, group: &str, topic: &str) -> MemberOptions {
        MemberOptions {
            group: group.to_owned(),
            client_id: self.fresh_name("client"),
            instance_id: None,
            topic: topic.to_owned(),
            session_timeout: Duration::from_secs(6),
            max_poll_interval: Duration::from_secs(600),
        }
    }

    fn short_transaction_timeout(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn cleaner_config(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    fn clean(&self, topic: &str) {
        let config = self.memory.admin().unwrap().topic_config(topic).unwrap();
        let tombstones = if config["delete.retention.ms"] == "0" { Tombstones::Remove } else { Tombstones::Keep };
        self.memory.compact(topic, 0, i64::MAX, tombstones).unwrap();
    }

    fn retain(&self, topic: &str) {
        self.memory.retain(topic).unwrap();
    }
}

conformance_suite!(super::start);

/// The same of a broker that shows its logs as slowly as Kafka does.
mod slow {
    conformance_suite!(super::super::start_slowly);
}

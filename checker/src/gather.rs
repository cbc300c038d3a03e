//! Reads the enrollments: what is understood at home, what is understood elsewhere, what is broken.

use std::collections::HashMap;

use crate::record::{Log, Record};
use crate::report::Kind;
use crate::understand::{Broken, Understood, is_odd, understand};
use crate::{Place, home};
use std::borrow::Cow;

/// What is in the enrollments.
#[derive(Debug, Default)]
pub(crate) struct Gathered<'a> {
    /// Understood and at home, by partition and offset.
    pub events: Vec<Event<'a>>,
    /// Every flow that an event names, at home or elsewhere.
    pub flows: Vec<FlowEvents<'a>>,
    pub by_name: HashMap<Cow<'a, str>, usize>,
    /// Understood, at a partition that is not the flow's home.
    pub strays: Vec<Stray<'a>>,
    pub broken: Vec<BrokenEvent<'a>>,
}

#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub source: &'a Record,
    pub flow: usize,
    pub record: Cow<'a, str>,
    pub kind: Kind,
    /// Understood, but refused by Kafka or by a stricter reader: its dead letter is its fate.
    pub refused: bool,
}

#[derive(Debug)]
pub(crate) struct FlowEvents<'a> {
    pub name: Cow<'a, str>,
    /// Indices into the events, in home order.
    pub events: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Stray<'a> {
    pub source: &'a Record,
    pub flow: usize,
    pub refused: bool,
}

#[derive(Debug)]
pub(crate) struct BrokenEvent<'a> {
    pub source: &'a Record,
    pub flow: Option<usize>,
    pub why: &'static str,
}

/// Where dead letters (or discarded records) say they come from: partition and offset of the enrollments.
pub(crate) type Sources = HashMap<(i32, i64), Vec<usize>>;

/// A record below this size, and of an ordinary time, is never refused by Kafka: the topics that the gate writes allow
/// 64 KiB more than the enrollments.
const NEVER_TOO_LARGE: usize = 64 * 1024;
/// The end of the year 9999.
const LAST_ORDINARY_TIME_MS: i64 = 253_402_300_799_999;

impl<'a> Gathered<'a> {
    pub(crate) fn read(log: &'a Log, dead: &Sources) -> Self {
        let mut records: Vec<&Record> = log.enrollments.iter().collect();
        records.sort_by_key(|record| (record.partition, record.offset));
        let mut gathered = Self::default();
        for source in records {
            let is_dead = dead.contains_key(&(source.partition, source.offset));
            match understand(source.value.as_deref()) {
                Ok(event) if event.doubtful && is_dead => {
                    gathered.broken(source, Broken { flow: Some(event.flow), why: "doubtful" });
                }
                Ok(event) => gathered.understood(source, event, is_dead, log),
                Err(broken) => gathered.broken(source, broken),
            }
        }
        gathered
    }

    fn understood(&mut self, source: &'a Record, event: Understood<'a>, is_dead: bool, log: &Log) {
        let at_home = home(&event.flow, log.enrollment_partitions) == source.partition;
        let flow = self.flow(event.flow);
        let refused = is_dead && may_be_refused(source, log.never_too_large.unwrap_or(NEVER_TOO_LARGE));
        if at_home {
            self.flows[flow].events.push(self.events.len());
            self.events.push(Event { source, flow, record: event.record, kind: event.kind, refused });
        } else {
            self.strays.push(Stray { source, flow, refused });
        }
    }

    fn broken(&mut self, source: &'a Record, broken: Broken<'a>) {
        let flow = broken.flow.map(|name| self.flow(name));
        self.broken.push(BrokenEvent { source, flow, why: broken.why });
    }

    /// The index of a flow, new or known.
    pub(crate) fn flow(&mut self, name: Cow<'a, str>) -> usize {
        if let Some(known) = self.by_name.get(&name) {
            return *known;
        }
        self.flows.push(FlowEvents { name: name.clone(), events: Vec::new() });
        self.by_name.insert(name, self.flows.len() - 1);
        self.flows.len() - 1
    }
}

/// Whether a dead letter of an understandable event can be right: Kafka may refuse what is large or of an odd time, and
/// a strict reader what is odd JSON.
fn may_be_refused(source: &Record, never_too_large: usize) -> bool {
    source.size() >= never_too_large
        || !(-1..=LAST_ORDINARY_TIME_MS).contains(&source.timestamp_ms)
        || is_odd(source.value.as_deref())
}

/// Names the records of a topic in anomalies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topics<'a> {
    pub prefix: &'a str,
}

impl Topics<'_> {
    pub(crate) fn place(self, topic: &str, record: &Record) -> Place {
        Place { topic: format!("{}.{topic}", self.prefix), partition: record.partition, offset: record.offset }
    }

    /// The place of an event.
    pub(crate) fn event(self, record: &Record) -> Place {
        self.place("enrollments", record)
    }

    /// Reads a `flowgate-source` header: topic/partition/offset, if the topic is the one asked for.
    pub(crate) fn source(self, topic: &str, header: &str) -> Option<(i32, i64)> {
        let mut parts = header.rsplitn(3, '/');
        let offset = parts.next()?.parse().ok()?;
        let partition = parts.next()?.parse().ok()?;
        let named = parts.next()?.strip_prefix(self.prefix)?.strip_prefix('.')?;
        (named == topic).then_some((partition, offset))
    }
}

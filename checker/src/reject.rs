//! Dead letters and discarded records: each names its source, each source has its one.

use std::collections::BTreeMap;

use crate::gather::{Gathered, Sources, Topics};
use crate::record::{Log, Record};
use crate::report::Sums;
use crate::{Anomaly, Fault};

const REASON: &str = "flowgate-reason";
const SOURCE: &str = "flowgate-source";

/// Dead letters and discarded records by their sources.
#[derive(Debug, Default)]
pub(crate) struct Rejected {
    pub dead_events: Sources,
    pub dead_commands: Sources,
    pub discarded: Sources,
}

/// Reads where rejected records come from.
pub(crate) fn sources(log: &Log, topics: Topics<'_>, anomalies: &mut Vec<Anomaly>) -> Rejected {
    let mut rejected = Rejected::default();
    let mut unexplained = |topic, record: &Record, why| {
        anomalies.push(Anomaly { flow: None, fault: Fault::Unexplained { at: topics.place(topic, record), why } });
    };
    for (index, record) in log.dead_letters.iter().enumerate() {
        let header = record.last_header(SOURCE).unwrap_or_default();
        if let Some(source) = topics.source("enrollments", header) {
            rejected.dead_events.entry(source).or_default().push(index);
        } else if let Some(source) = topics.source("control", header) {
            rejected.dead_commands.entry(source).or_default().push(index);
        } else {
            unexplained("dead-letters", record, "flowgate-source names no event and no command");
        }
        if record.last_header(REASON).is_none_or(str::is_empty) {
            unexplained("dead-letters", record, "it has no flowgate-reason");
        }
    }
    for (index, record) in log.discarded.iter().enumerate() {
        match topics.source("enrollments", record.last_header(SOURCE).unwrap_or_default()) {
            Some(source) => rejected.discarded.entry(source).or_default().push(index),
            None => unexplained("discarded", record, "flowgate-source names no event"),
        }
        if record.last_header(REASON).is_none_or(str::is_empty) {
            unexplained("discarded", record, "it has no flowgate-reason");
        }
    }
    rejected
}

/// What dead letters add to the sums.
#[derive(Debug, Default)]
pub(crate) struct DeadSums {
    pub by_flow: BTreeMap<usize, u64>,
    pub flowless: u64,
}

/// Judges the dead letters of broken events, and finds those of events that are not broken.
pub(crate) fn dead_letters(
    log: &Log,
    topics: Topics<'_>,
    gathered: &Gathered<'_>,
    rejected: &Rejected,
    anomalies: &mut Vec<Anomaly>,
) -> DeadSums {
    let mut sums = DeadSums::default();
    let mut seen = 0;
    let mut judge = |source: &Record, flow: Option<usize>, why: Option<&'static str>| -> bool {
        let place = topics.event(source);
        let flow = flow.map(|flow| gathered.flows[flow].name.to_string());
        let mut fault = |fault| anomalies.push(Anomaly { flow: flow.clone(), fault });
        let letters = rejected.dead_events.get(&(source.partition, source.offset)).map_or(&[][..], Vec::as_slice);
        seen += letters.len();
        for (nth, letter) in letters.iter().enumerate() {
            let record = &log.dead_letters[*letter];
            let at = topics.place("dead-letters", record);
            if nth > 0 {
                let first = topics.place("dead-letters", &log.dead_letters[letters[0]]);
                fault(Fault::Doubled { event: place.clone(), first, at: at.clone() });
            }
            // What Kafka refuses as too large may come without its value.
            let value = record.value == source.value || (why.is_none() && record.value.is_none());
            if record.key != source.key || !value || !record.headers.starts_with(&source.headers) {
                let what = "its key, its value or its headers";
                fault(Fault::Altered { event: place.clone(), at, what });
            }
        }
        if let (true, Some(why)) = (letters.is_empty(), why) {
            fault(Fault::DeadLetterMissing { event: place, why });
        }
        !letters.is_empty()
    };
    for broken in &gathered.broken {
        if judge(broken.source, broken.flow, Some(broken.why)) {
            match broken.flow {
                Some(flow) => *sums.by_flow.entry(flow).or_default() += 1,
                None => sums.flowless += 1,
            }
        }
    }
    for event in gathered.events.iter().filter(|event| event.refused) {
        // Its fate is in the sums of its flow already.
        judge(event.source, Some(event.flow), None);
    }
    for stray in gathered.strays.iter().filter(|stray| stray.refused) {
        if judge(stray.source, Some(stray.flow), None) {
            *sums.by_flow.entry(stray.flow).or_default() += 1;
        }
    }
    if seen < rejected.dead_events.values().map(Vec::len).sum() {
        unfounded(log, topics, gathered, rejected, anomalies);
    }
    sums
}

/// Dead letters of events that are fine, or that are not there.
fn unfounded(
    log: &Log,
    topics: Topics<'_>,
    gathered: &Gathered<'_>,
    rejected: &Rejected,
    anomalies: &mut Vec<Anomaly>,
) {
    let mut left = rejected.dead_events.clone();
    let events = gathered.events.iter().map(|event| (event.source, event.flow, event.refused));
    let strays = gathered.strays.iter().map(|stray| (stray.source, stray.flow, stray.refused));
    for (source, flow, refused) in events.chain(strays) {
        for letter in left.remove(&(source.partition, source.offset)).unwrap_or_default() {
            if !refused {
                let at = topics.place("dead-letters", &log.dead_letters[letter]);
                let flow = Some(gathered.flows[flow].name.to_string());
                anomalies.push(Anomaly { flow, fault: Fault::DeadLetterUnfounded { event: topics.event(source), at } });
            }
        }
    }
    for broken in &gathered.broken {
        left.remove(&(broken.source.partition, broken.source.offset));
    }
    for letter in left.into_values().flatten() {
        let at = topics.place("dead-letters", &log.dead_letters[letter]);
        anomalies.push(Anomaly { flow: None, fault: Fault::Unexplained { at, why: "its event is not there" } });
    }
}

/// Discarded records whose event is not at home, and so can have no such fate.
pub(crate) fn homeless(
    log: &Log,
    topics: Topics<'_>,
    gathered: &Gathered<'_>,
    discarded: &Sources,
    anomalies: &mut Vec<Anomaly>,
) {
    if discarded.is_empty() {
        return;
    }
    let mut left = discarded.clone();
    for event in &gathered.events {
        left.remove(&(event.source.partition, event.source.offset));
    }
    for index in left.into_values().flatten() {
        let at = topics.place("discarded", &log.discarded[index]);
        let why = "flowgate-source names no event at its home";
        anomalies.push(Anomaly { flow: None, fault: Fault::Unexplained { at, why } });
    }
}

impl DeadSums {
    /// Adds a flow's dead letters to its sums.
    pub(crate) fn add_to(&self, flow: usize, sums: &mut Sums) {
        let dead = self.by_flow.get(&flow).copied().unwrap_or_default();
        sums.input += dead;
        sums.dead += dead;
    }
}

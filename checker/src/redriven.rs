//! Letters that somebody has put back into the enrollments: each is told of with its event, and is that event.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

use crate::gather::Topics;
use crate::record::{Log, Record};
use crate::{Anomaly, Fault, home};

const REDRIVEN: &[u8] = b"\"redriven\"";

const REDRIVE: &str = "flowgate-redrive";

/// What dead letters and discarded events gain: reason, detail, source, timestamp.
const OF_LETTERS: usize = 4;

#[derive(Deserialize)]
struct Document {
    event: String,
    flow_id: Option<String>,
    partition: Option<i32>,
    source: Option<String>,
    to: Option<String>,
    edit: Option<serde_json::Value>,
}

/// Whether a record of the audit is of this kind, which no gate writes.
pub(crate) fn is_redriven(record: &Record) -> bool {
    document(record).is_some()
}

fn document(record: &Record) -> Option<Document> {
    let value = record.value.as_deref()?;
    // Gates write nearly all of the audit: most documents need not be read for this.
    if !value.windows(REDRIVEN.len()).any(|text| text == REDRIVEN) {
        return None;
    }
    let document: Document = serde_json::from_slice(value).ok()?;
    (document.event == "redriven").then_some(document)
}

/// Compares what the audit tells of letters with the events and with the letters that retention has left.
pub(crate) fn redriven(log: &Log, topics: Topics<'_>, anomalies: &mut Vec<Anomaly>) {
    let told: Vec<_> = log.audit.iter().filter_map(|record| Some((record, document(record)?))).collect();
    if told.is_empty() {
        return;
    }
    let there = There::of(log, topics);
    let mut events = HashSet::new();
    for (record, document) in told {
        let why = match &document.to {
            Some(to) if !events.insert(to.clone()) => Some(format!("{to} is told of twice")),
            _ => there.fault(&document),
        };
        let (flow, at) = (document.flow_id, topics.place("audit", record));
        anomalies.extend(why.map(|why| Anomaly { flow, fault: Fault::Audit { at, why } }));
    }
}

/// Events and letters by their places, as the audit writes these.
struct There<'a> {
    events: HashMap<String, &'a Record>,
    letters: HashMap<String, &'a Record>,
    partitions: i32,
}

impl<'a> There<'a> {
    fn of(log: &'a Log, topics: Topics<'_>) -> Self {
        let named = |topic: &'static str, records: &'a [Record]| {
            let named = records.iter().map(|record| (topics.place(topic, record).to_string(), record));
            named.collect::<Vec<_>>()
        };
        let letters = [named("dead-letters", &log.dead_letters), named("discarded", &log.discarded)].concat();
        Self {
            events: named("enrollments", &log.enrollments).into_iter().collect(),
            letters: letters.into_iter().collect(),
            partitions: log.enrollment_partitions,
        }
    }

    fn fault(&self, document: &Document) -> Option<String> {
        let (Some(flow), Some(source), Some(to)) = (&document.flow_id, &document.source, &document.to) else {
            return Some("a redriven letter without flow, source or event".to_owned());
        };
        let Some(event) = self.events.get(to) else { return Some(format!("there is no event at {to}")) };
        if event.last_header(REDRIVE) != Some(source) {
            return Some(format!("the event at {to} does not say that it was {source}"));
        }
        if document.partition != Some(event.partition) || event.partition != home(flow, self.partitions) {
            return Some(format!("the event at {to} is not at the home of its flow"));
        }
        // Retention may have taken the letter since.
        let letter = self.letters.get(source)?;
        let own = letter.headers.len().checked_sub(OF_LETTERS).map(|own| &letter.headers[..own]);
        let same = own == event.headers.split_last().map(|(_, own)| own)
            && letter.key == event.key
            && (letter.value == event.value || document.edit.is_some());
        (!same).then(|| format!("the event at {to} is not the letter {source}"))
    }
}

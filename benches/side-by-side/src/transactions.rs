//! Whether one transaction has paused all flows of a partition: what it writes to a partition of a topic has offsets without a
//! gap, for the marker at its end takes one.

use std::collections::{BTreeMap, HashSet};

use flowgate::schema::topics::Topics;
use flowgate::schema::{self, Malformed};
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use crate::Result;
use crate::cli::Stored;
use crate::count::scan;
use crate::site::{PARTITIONS, Site};

/// Where some records stand, by the partition of their topic.
#[derive(Default)]
pub struct Runs(BTreeMap<i32, Run>);

struct Run {
    first: i64,
    last: i64,
    records: i64,
}

impl Runs {
    pub fn add(&mut self, record: &BorrowedMessage<'_>) {
        let offset = record.offset();
        let run = self.0.entry(record.partition()).or_insert(Run { first: offset, last: offset, records: 0 });
        (run.last, run.records) = (offset, run.records + 1);
    }

    pub fn records(&self) -> i64 {
        self.0.values().map(|run| run.records).sum()
    }

    /// An error if there is a gap between records of one partition.
    pub fn check(&self, topic: &str) -> Result<()> {
        for (partition, Run { first, last, records }) in &self.0 {
            if last - first + 1 != *records {
                let what = format!("{records} records stand between {first} and {last} of {topic}/{partition}");
                return Err(format!("the pause was more than one transaction: {what}").into());
            }
        }
        Ok(())
    }
}

/// Checks the states: those of all flows of a partition under this pause, and the partition's record with the position behind the
/// command, stand together.
pub fn check_states(site: &Site, topics: &Topics, pause: Stored, flows: u32) -> Result<()> {
    let id = format!("pause-{}", pause.offset);
    let (mut runs, mut seen, mut wrong) = (Runs::default(), HashSet::new(), None);
    let partitions: Vec<(String, i32)> = (0..PARTITIONS).map(|partition| (topics.state.clone(), partition)).collect();
    scan(&site.brokers, &partitions, |record| match is_of(record, pause, &id) {
        Ok(true) => {
            // Later states say the same, beside what has happened since.
            if seen.insert((record.partition(), record.key().map(<[u8]>::to_vec))) {
                runs.add(record);
            }
        }
        Ok(false) => {}
        Err(error) => wrong = Some(error),
    })?;
    if let Some(error) = wrong {
        return Err(error.into());
    }
    let (found, wanted) = (runs.records(), i64::from(flows) + i64::from(PARTITIONS));
    if found != wanted {
        return Err(format!("{found} states of flows and partitions say that `*` is paused, not {wanted}").into());
    }
    runs.check(&topics.state)
}

/// Whether the state of a flow says that it is under this pause, or the partition's record that the command has taken effect.
fn is_of(record: &BorrowedMessage<'_>, pause: Stored, id: &str) -> std::result::Result<bool, Malformed> {
    let value = record.payload().unwrap_or_default();
    Ok(match record.key().unwrap_or_default() {
        [] => schema::partition::read(value)?.body.control > pause.offset,
        _ => schema::state::read(value)?.body.pause().is_some_and(|pause| pause.id == id),
    })
}

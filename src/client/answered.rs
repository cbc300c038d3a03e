//! The answers to a command, as the audit has them: what the states no longer remember.
//!
//! The audit is read backwards from its end, within a bound, until all are found. Architecture invariant: a command is said not to be
//! answered only if everything was read that the audit has ever had of it.

use std::collections::BTreeMap;
use std::time::Instant;

use super::control::{asked_by_every, home};
use super::no_topic;
use super::redriven::Gap;
use super::scan::{Bound, First, Scan};
use super::settled::is_settled_by;
use crate::broker::{Admin, Broker, Record, Result};
use crate::flow::{Answered, CommandId, Happening, Target};
use crate::schema::audit;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// By the partition of the enrollments that answered, of which only a command for every flow has several. Where several commands have
    /// had the id, the newest one's.
    pub by: BTreeMap<i32, Answered>,
    /// So many answer such a command.
    pub asked: usize,
    /// All that was stored later was read.
    pub back_to: Option<Timestamp>,
    /// Why there may be answers that were not found; `None`: there are no others.
    pub gap: Option<Gap>,
}

impl Answers {
    #[must_use]
    pub fn are_all(&self) -> bool {
        self.by.len() >= self.asked
    }
}

/// Looks for them, as far as the bound allows.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if nothing could be read in time; [`crate::broker::Code::UnknownTopic`].
pub fn look<B: Broker>(
    broker: &B,
    topics: &Topics,
    target: &Target,
    command: &CommandId,
    bound: Bound,
) -> Result<Answers> {
    let deadline = Instant::now() + bound.time;
    let is_settled = is_settled_by(broker, &topics.audit, deadline)?;
    let count = broker.admin()?.partitions(&topics.audit)?.ok_or_else(|| no_topic(&topics.audit))?;
    let asked = match target {
        Target::Flow(_) => 1,
        Target::Every => usize::try_from(asked_by_every(broker, topics)?).unwrap_or(1),
    };
    let bound = Bound { time: deadline.saturating_duration_since(Instant::now()), ..bound };
    let mut scan = Scan::open(broker, &topics.audit, Some(&[home(target, count)]), First::Newest, bound)?;
    let mut found = Answers { by: BTreeMap::new(), asked, back_to: None, gap: None };
    let mut newest = None;
    while !found.are_all() {
        // Of every record, for each says how far the reading has come.
        let Some(next) = scan.next(|record| Some(read(record, target, command)))? else { break };
        found.back_to = Some(next.timestamp);
        if let Some((partition, answered)) = next.what {
            // An id that was used again long after names another command: the newest one is meant.
            if *newest.get_or_insert(answered.offset) == answered.offset {
                found.by.entry(partition).or_insert(answered);
            }
        }
    }
    let progress = scan.progress();
    found.gap = if found.are_all() {
        None
    } else if !is_settled {
        Some(Gap::OpenTransaction)
    } else if !progress.is_whole {
        Some(Gap::Bound(progress))
    } else if scan.begins().values().any(|low| *low > 0) {
        Some(Gap::Deleted(found.back_to))
    } else {
        None
    };
    Ok(found)
}

/// The answer to the command, and the partition that gave it, if the record is that.
fn read(record: &Record, target: &Target, wanted: &CommandId) -> Option<(i32, Answered)> {
    let event = audit::read(record.value.as_deref()?).ok()?;
    let of = event.flow.map_or(Target::Every, Target::Flow);
    match event.happening {
        // Of `*` the repeated answers of some partitions, at the offset of the repeat, are not those of all.
        Happening::Answer { repeated: true, .. } if *target == Target::Every => None,
        Happening::Answer { command, offset, outcome, .. } if command.id == *wanted && of == *target => {
            Some((event.partition, Answered { id: command.id, offset, outcome }))
        }
        _ => None,
    }
}

//! What becomes of held events: that depends on what is held behind them.

use std::collections::HashMap;

use super::fate::{Entry, Fate};
use super::place::ONLY;
use crate::broker::{Broker, Code, Record, Result};
use crate::client::meter::Meter;
use crate::client::scan::{Bound, First, Scan};
use crate::flow::drain::Passing;
use crate::flow::{Flow, Kind};
use crate::schema::entry;

/// Reads on behind these entries, to the end of the queue if the bound allows, for what replaces them.
///
/// # Errors
/// Of the broker. Too little time is none: then the fates are not known.
pub fn judge<B: Broker>(
    (broker, meter): (&B, &Meter),
    topic: &str,
    flow: &Flow,
    entries: &mut [Entry],
    bound: Bound,
) -> Result<()> {
    let Some(from) = entries.iter().map(|entry| entry.offset).min() else { return Ok(()) };
    let mut of_record: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        of_record.entry(entry.held.record_id.to_string()).or_default().push(index);
    }
    let mut scan: Scan<B, ()> = Scan::open(broker, topic, Some(&[ONLY]), First::Oldest, bound)?;
    scan.leave_out_before(from + 1);
    scan.tell(meter);
    let mut look = |record: &Record| -> Option<()> {
        let later = entry::indexed(record)?;
        for index in of_record.get(later.record)? {
            let Some(entry) = entries.get_mut(*index) else { continue };
            let replaces =
                later.kind == Kind::Withdraw || later.kind == entry.held.kind && later.latest && entry.held.latest;
            if replaces && later.number > entry.held.number {
                entry.fate = Some(Fate::Replaced);
            }
        }
        None
    };
    match scan.next(&mut look) {
        Err(error) if error.code != Code::TimedOut => return Err(error),
        _ => {}
    }
    // What is replaced is not removed: so nothing else can be said before all is read.
    if scan.progress().is_whole {
        for entry in entries.iter_mut().filter(|entry| entry.fate.is_none()) {
            let is_removed = matches!(flow.fate(&entry.held.survivor(entry.offset), false), Passing::Remove(_));
            entry.fate = Some(if is_removed { Fate::Removed } else { Fate::Released });
        }
    }
    Ok(())
}

//! Letters go back into the enrollments, as new events.
//!
//! Each letter, and the audit event that says so, is written in one transaction of an id that every redrive of the prefix has.
//! So there is one redrive at a time, and what was redriven is known exactly: whoever begins makes the producer first, which
//! ends what an earlier one has left open, and reads the audit then.
//!
//! - `order.rs`: what is to be redriven, and what may stand against it; `report.rs`: what would be done, or was;
//! - `chosen.rs`: which letters these are;
//! - `before.rs`: what was redriven before, by the audit;
//! - `write.rs`: a transaction.

mod before;
mod chosen;
mod order;
mod report;
mod write;

use std::time::Duration;

use bytes::Bytes;

use super::scan::Bound;
use crate::broker::{Broker, Result};
use crate::schema::topics::Topics;
use before::Before;
use chosen::Choice;
use order::Ready;
use write::{Outcome, Writer};

pub use order::{Obstacle, Order, Which};
pub use report::Report;

/// What a redrive would do. Nothing is written.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if the letters, or the audit, cannot be looked through within `limit`.
pub fn preview<B: Broker>(broker: &B, topics: &Topics, order: &Order, limit: Duration) -> Result<Report> {
    let bound = whole(limit);
    let mut choice = Choice::new(broker, topics, order, None, bound)?;
    let mut before = Before::default();
    let mut report = Report::until(choice.ends());
    before.read(broker, topics, order.kind, choice.since(), bound)?;
    while let Some((item, found)) = choice.next()? {
        match chosen::judge(order, topics, &before, found) {
            Ok(ready) => report.add(&ready),
            Err(obstacle) => report.stop(item, obstacle),
        }
    }
    Ok(report)
}

/// Longer than any redrive.
const LIMIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn whole(time: Duration) -> Bound {
    Bound { records: u64::MAX, time }
}

/// Letters of one transaction, and bytes of their values: it must not take long, for it holds back all who read the enrollments.
const LETTERS: usize = 500;
const BYTES: usize = 4 * 1024 * 1024;

/// Redrives what `preview` has found, and nothing that came since. `progress` is told the letters redriven so far.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::Fenced`]: another redrive has begun. What was redriven by then stays so, and the same
/// order goes on behind it.
pub fn redrive<B: Broker>(
    broker: &B,
    topics: &Topics,
    order: &Order,
    preview: &Report,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let bound = whole(LIMIT);
    let mut writer = Writer::open(broker, topics)?;
    let mut before = Before::default();
    let mut choice = Choice::new(broker, topics, order, Some(preview.ends()), bound)?;
    let mut report = Report::default();
    before.read(broker, topics, order.kind, choice.since(), bound)?;
    loop {
        let mut batch: Vec<Ready> = Vec::new();
        let (mut bytes, mut is_whole) = (0, false);
        while batch.len() < LETTERS && bytes < BYTES {
            let Some((item, found)) = choice.next()? else {
                is_whole = true;
                break;
            };
            match chosen::judge(order, topics, &before, found) {
                Ok(ready) => {
                    bytes += ready.value.as_ref().map_or(0, Bytes::len);
                    batch.push(ready);
                }
                Err(obstacle) => report.stop(item, obstacle),
            }
        }
        while !batch.is_empty() {
            match writer.write(order, &batch)? {
                Outcome::Written => {
                    batch.drain(..).for_each(|ready| report.add(&ready));
                    progress(report.letters);
                }
                Outcome::Refused(index, why) => {
                    let refused = batch.remove(index);
                    report.stop(refused.letter.item(), Obstacle::Refused(why));
                }
                // The new producer has ended it, one way or the other: the audit knows which.
                Outcome::Unknown => {
                    writer.begin_again()?;
                    let mut now = Before::default();
                    now.read(broker, topics, order.kind, choice.since(), bound)?;
                    let is_written = |ready: &Ready| now.count(ready.letter.item()) > before.count(ready.letter.item());
                    let (written, left): (Vec<_>, Vec<_>) = batch.into_iter().partition(is_written);
                    written.iter().for_each(|ready| report.add(ready));
                    batch = left;
                    before = now;
                }
            }
        }
        if is_whole {
            return Ok(report);
        }
    }
}

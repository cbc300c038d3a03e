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

use crate::broker::{Broker, Result};
use crate::client::meter::Meter;
use crate::clock::Clock;
use crate::schema::topics::Topics;
use before::Before;
use chosen::Choice;
use order::Ready;
use write::{Outcome, Writer};

pub use order::{Obstacle, Order, Which};
pub use report::{Report, Seen, letters};

/// What a redrive would do. Nothing is written. `meter` is told how far the looks through the letters and the audit have come.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if the letters, or the audit, cannot be looked through within `limit` each.
pub fn preview<B: Broker>(
    broker: &B,
    topics: &Topics,
    order: &Order,
    limit: Duration,
    meter: &Meter,
) -> Result<Report> {
    let mut choice = Choice::new((broker, meter), topics, order, None, limit)?;
    let before = Before::read((broker, meter), topics, order, choice.about(), None, limit)?;
    let seen = Seen { letters: choice.ends(), audit: before.ends.clone() };
    // Whoever wants letters again has seen all that was redriven.
    let known = if order.again { Before::default() } else { before };
    let mut report = Report { seen, ..Report::default() };
    choice.give(limit, meter);
    while let Some((item, found)) = choice.next()? {
        match chosen::judge(order, topics, &known, found) {
            Ok(ready) => report.add(&ready),
            Err(obstacle) => report.stop(item, obstacle),
        }
    }
    Ok(report)
}

/// Longer than any redrive.
const LIMIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Letters of one transaction, and bytes of them: it must not take long, for it holds back all who read the enrollments.
const LETTERS: usize = 500;
const BYTES: usize = 4 * 1024 * 1024;

/// Redrives what a preview has seen, and nothing that came since; `clock` says when. `meter` is told how far the looks have come that have to be
/// made first; then `progress` is told the letters redriven so far.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::Fenced`]: another redrive has begun. What was redriven by then stays so, and the same
/// order, with what the same preview has seen, goes on behind it.
pub fn redrive<B: Broker>(
    broker: &B,
    topics: &Topics,
    order: &Order,
    seen: &Seen,
    clock: &Clock,
    meter: &Meter,
    progress: &mut dyn FnMut(u64),
) -> Result<Report> {
    let mut writer = Writer::open(broker, topics, clock)?;
    let mut choice = Choice::new((broker, meter), topics, order, Some(&seen.letters), LIMIT)?;
    let about = choice.about();
    let known = || {
        let before = Before::read((broker, meter), topics, order, about.clone(), Some(&seen.audit), LIMIT);
        // From here on the letters are what is counted.
        meter.clear();
        before
    };
    let mut before = known()?;
    choice.hush();
    let mut report = Report::default();
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
                    bytes += ready.size();
                    batch.push(ready);
                }
                Err(obstacle) => report.stop(item, obstacle),
            }
        }
        while !batch.is_empty() {
            let outcome = writer.write(order, &batch)?;
            match outcome {
                Outcome::Written => {
                    batch.drain(..).for_each(|ready| report.add(&ready));
                    progress(report.letters);
                }
                Outcome::Refused(index, why) => {
                    let refused = batch.remove(index);
                    report.stop(refused.letter.item(), Obstacle::Refused(why));
                }
                Outcome::Unknown | Outcome::WithoutProducer => {
                    writer.begin_again()?;
                    let now = known()?;
                    let is_ours = matches!(outcome, Outcome::Unknown);
                    batch = left(batch, (&before, &now), is_ours, &mut report);
                    before = now;
                }
            }
        }
        if is_whole {
            return Ok(report);
        }
    }
}

/// What is left of a batch, by what the audit says now: the new producer has ended whatever was under way, one way or the other.
/// `is_ours`: what was redriven meanwhile is our own batch.
fn left(batch: Vec<Ready>, (before, now): (&Before, &Before), is_ours: bool, report: &mut Report) -> Vec<Ready> {
    let mut left = Vec::new();
    for ready in batch {
        let item = ready.letter.item();
        match now.first(item).filter(|_| now.count(item) > before.count(item)) {
            None => left.push(ready),
            Some(_) if is_ours => report.add(&ready),
            Some(earlier) => report.stop(item, Obstacle::Before(earlier.clone())),
        }
    }
    left
}

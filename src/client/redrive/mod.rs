//! Letters go back into the enrollments, as new events.
//!
//! Each letter, and the audit event that says so, is written in one transaction of an id that every redrive of the prefix has.
//! So there is one redrive at a time, and what was redriven is known exactly: whoever begins makes the producer first, which
//! ends what an earlier one has left open, and reads the audit then.
//!
//! - `chosen.rs`: which letters, and what stands against one;
//! - `before.rs`: what was redriven before, by the audit;
//! - `write.rs`: a transaction.

mod before;
mod chosen;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::letters::{Item, Kind, Letter, Wanted};
use super::scan::{Bound, Marks};
use crate::broker::{Broker, Result};
use crate::flow::{Event, FlowId};
use crate::schema::redriven::Redriven;
use crate::schema::topics::Topics;
use before::Before;
use chosen::Choice;
use write::{Outcome, Writer};

/// What is to be redriven.
#[derive(Clone, Debug)]
pub struct Order {
    pub kind: Kind,
    pub which: Which,
    /// Who asks.
    pub by: String,
    pub reason: Option<String>,
    /// Letters too that were redriven before.
    pub again: bool,
    /// Of the only letter that is named: what its value is to be.
    pub edit: Option<Bytes>,
}

#[derive(Clone, Debug)]
pub enum Which {
    /// These, each of which has to be there.
    Items(Vec<Item>),
    /// All that are like this, as of now.
    Like(Wanted),
}

/// What stands against redriving a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no letter at this place (any more).
    NotThere,
    /// It was redriven before.
    Before(Box<Redriven>),
    /// Its value was too large to be kept.
    WithoutValue,
    /// It is a command, not an event.
    Command,
    /// It would be a dead letter again: why.
    Unreadable(String),
    /// The enrollments do not take it: why.
    Refused(String),
}

impl Obstacle {
    /// For scripts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::Before(_) => "redriven_before",
            Self::WithoutValue => "without_value",
            Self::Command => "command",
            Self::Unreadable(_) => "unreadable",
            Self::Refused(_) => "refused",
        }
    }

    /// For people; `enrollments`: the topic.
    #[must_use]
    pub fn sentence(&self, enrollments: &str) -> String {
        match self {
            Self::NotThere => "there is no such letter (any more)".to_owned(),
            Self::Before(redriven) => {
                format!("{} has redriven it at {} to `{}`", redriven.by, redriven.at, redriven.to)
            }
            Self::WithoutValue => "its value was too large to be kept here".to_owned(),
            Self::Command => format!("it is a command, not an event of `{enrollments}`"),
            Self::Unreadable(why) => format!("it would be a dead letter again: {why}"),
            Self::Refused(why) => format!("the brokers do not take it: {why}"),
        }
    }
}

/// A letter that can be redriven, and what it will be.
#[derive(Clone, Debug)]
struct Ready {
    letter: Letter,
    event: Event,
    /// What is written: the letter's own value, or the one it gets.
    value: Option<Bytes>,
}

/// What a redrive would do, or has done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Letters that can be, or were, redriven.
    pub letters: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// How many of each flow; of the first [`Report::FLOWS`] flows.
    pub flows: BTreeMap<FlowId, u64>,
    /// Those that are not redriven, and why: the first [`Report::OBSTACLES`].
    pub obstacles: Vec<(Item, Obstacle)>,
    /// All of those.
    pub stopped: u64,
    /// What came behind this is not part of it.
    ends: Marks,
}

impl Report {
    pub const FLOWS: usize = 1_000;
    pub const OBSTACLES: usize = 1_000;

    /// Of a preview: what it has seen ends here.
    #[must_use]
    pub fn ends(&self) -> &Marks {
        &self.ends
    }

    /// As a preview that ended there, to redrive what it has seen.
    #[must_use]
    pub fn until(ends: Marks) -> Self {
        Self { ends, ..Self::default() }
    }

    fn stop(&mut self, item: Item, obstacle: Obstacle) {
        self.stopped += 1;
        if self.obstacles.len() < Self::OBSTACLES {
            self.obstacles.push((item, obstacle));
        }
    }

    fn add(&mut self, Ready { event, value, .. }: &Ready) {
        self.letters += 1;
        self.bytes += value.as_ref().map_or(0, |value| value.len() as u64);
        if self.flows.len() < Self::FLOWS || self.flows.contains_key(&event.flow) {
            *self.flows.entry(event.flow.clone()).or_default() += 1;
        }
    }
}

/// What a redrive would do. Nothing is written.
///
/// # Errors
/// Of the broker; [`crate::broker::Code::TimedOut`] if the letters, or the audit, cannot be looked through within `limit`.
pub fn preview<B: Broker>(broker: &B, topics: &Topics, order: &Order, limit: Duration) -> Result<Report> {
    let bound = whole(limit);
    let mut choice = Choice::new(broker, topics, order, None, bound)?;
    let mut before = Before::default();
    let mut report = Report { ends: choice.ends(), ..Report::default() };
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
    let mut choice = Choice::new(broker, topics, order, Some(&preview.ends), bound)?;
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

//! Which letters an order is about, and what stands against one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::before::Before;
use super::order::{Obstacle, Order, Ready, Which};
use crate::broker::{Action, Broker, Code, Error, Isolation, Reader, Record, Result};
use crate::client::letters::{Item, Kind, Letter, Wanted};
use crate::client::peek::peek;
use crate::client::scan::{Bound, First, Marks, Scan};
use crate::schema;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// How long one look for a letter may take.
const LOOK: Duration = Duration::from_secs(10);

/// The letters of an order, one by one.
pub enum Choice<B: Broker> {
    /// In the order in which they were named; `None`: it is not there.
    Named { letters: std::vec::IntoIter<(Item, Option<Letter>)>, since: Option<Timestamp> },
    /// In the order in which they were set aside.
    Like { scan: Box<Scan<B, Letter>>, wanted: Wanted, ends: Marks, since: Option<Timestamp> },
}

impl<B: Broker> Choice<B> {
    /// `ends`: what came behind them is left out.
    pub fn new(broker: &B, topics: &Topics, order: &Order, ends: Option<&Marks>, bound: Bound) -> Result<Self> {
        match &order.which {
            Which::Items(items) => {
                let mut letters = Vec::with_capacity(items.len());
                let mut seen = BTreeMap::new();
                for item in items.iter().filter(|item| seen.insert(**item, ()).is_none()) {
                    letters.push((*item, find(broker, order.kind.topic(topics), *item)?));
                }
                let since = letters.iter().filter_map(|(_, letter)| Some(letter.as_ref()?.set_aside_at)).min();
                Ok(Self::Named { letters: letters.into_iter(), since })
            }
            Which::Like(wanted) => {
                let mut scan = Scan::open(broker, order.kind.topic(topics), None, First::Oldest, bound)?;
                if let Some(ends) = ends {
                    scan.leave_out_from(ends);
                }
                let ends = scan.ends();
                let since = oldest(broker, order.kind.topic(topics), ends.keys())?;
                Ok(Self::Like { scan: Box::new(scan), wanted: wanted.clone(), ends, since })
            }
        }
    }

    /// When the oldest letter was set aside that it may be about; `None`: there is none.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Named { since, .. } | Self::Like { since, .. } => *since,
        }
    }

    pub fn ends(&self) -> Marks {
        match self {
            Self::Named { .. } => Marks::new(),
            Self::Like { ends, .. } => ends.clone(),
        }
    }

    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if the bound is reached before the end.
    pub fn next(&mut self) -> Result<Option<(Item, Option<Letter>)>> {
        match self {
            Self::Named { letters, .. } => Ok(letters.next()),
            Self::Like { scan, wanted, .. } => {
                let pick = |record: &Record| Some(Letter::read(record)).filter(|letter| wanted.fits(letter));
                match scan.next(pick)? {
                    Some(found) => Ok(Some((found.what.item(), Some(found.what)))),
                    None if scan.progress().is_whole => Ok(None),
                    None => {
                        Err(Error::new(Action::Retry, Code::TimedOut, "not all letters could be looked at in time"))
                    }
                }
            }
        }
    }
}

/// When the oldest record of these partitions was stored.
fn oldest<'a, B: Broker>(
    broker: &B,
    topic: &str,
    partitions: impl Iterator<Item = &'a i32>,
) -> Result<Option<Timestamp>> {
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let mut oldest = None;
    for partition in partitions {
        let low = reader.watermarks(topic, *partition)?.low;
        let first = peek(&mut reader, (topic, *partition), low, LOOK)?.map(|record| record.timestamp);
        oldest = first.into_iter().chain(oldest).min();
    }
    Ok(oldest)
}

fn find<B: Broker>(broker: &B, topic: &str, item: Item) -> Result<Option<Letter>> {
    let mut reader = broker.reader(Isolation::ReadCommitted)?;
    let record = peek(&mut reader, (topic, item.partition), item.offset, LOOK)?;
    Ok(record.filter(|record| record.offset == item.offset).map(|record| Letter::read(&record)))
}

/// The letter as it will be written, or what stands against that.
pub fn judge(
    order: &Order,
    topics: &Topics,
    before: &Before,
    letter: Option<Letter>,
) -> std::result::Result<Ready, Obstacle> {
    let letter = letter.ok_or(Obstacle::NotThere)?;
    if let Some(redriven) = before.first(letter.item()).filter(|_| !order.again) {
        return Err(Obstacle::Before(Box::new(redriven.clone())));
    }
    if order.kind == Kind::Dead && letter.source.as_ref().is_some_and(|source| *source.topic == *topics.control) {
        return Err(Obstacle::Command);
    }
    let was_kept = letter.value.is_some() || letter.reason == schema::Reason::NullValue.word();
    if order.edit.is_none() && !was_kept {
        return Err(Obstacle::WithoutValue);
    }
    let value = order.edit.as_ref().or(letter.value.as_ref()).cloned();
    match schema::event::read(value.as_deref()) {
        Ok(event) => Ok(Ready { letter, event, value }),
        Err(unreadable) => Err(Obstacle::Unreadable(unreadable.detail)),
    }
}

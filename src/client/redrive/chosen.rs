//! Which letters an order is about, and what stands against one.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::before::{About, Before};
use super::order::{Obstacle, Order, Ready, Which};
use crate::broker::{Broker, Code, Isolation, Reader, Result};
use crate::client::letters::{Item, Kind, Letter, Wanted};
use crate::client::meter::Meter;
use crate::client::peek::peek;
use crate::client::scan::{Bound, First, Marks, Scan};
use crate::schema;
use crate::schema::topics::Topics;

/// The letters of an order, one by one.
pub enum Choice<B: Broker> {
    /// In the order in which they were named; `None`: it is not there.
    Named(VecDeque<(Item, Option<Letter>)>),
    /// In the order in which they were set aside.
    Like { scan: Box<Scan<B, Letter>>, wanted: Wanted, first: Option<Box<Letter>> },
}

impl<B: Broker> Choice<B> {
    /// `ends`: what came behind them is left out.
    ///
    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if the first ones cannot be found in time.
    pub fn new(
        (broker, meter): (&B, &Meter),
        topics: &Topics,
        order: &Order,
        ends: Option<&Marks>,
        limit: Duration,
    ) -> Result<Self> {
        let topic = order.kind.topic(topics);
        match &order.which {
            Which::Items(items) => {
                let (mut reader, deadline) = (broker.reader(Isolation::ReadCommitted)?, Instant::now() + limit);
                let (mut letters, mut seen) = (VecDeque::new(), BTreeSet::new());
                for item in items.iter().filter(|item| seen.insert(**item)) {
                    letters.push_back((*item, find(&mut reader, topic, *item, deadline)?));
                }
                Ok(Self::Named(letters))
            }
            Which::Like(wanted) => {
                let bound = Bound { records: u64::MAX, time: limit };
                let mut scan = Box::new(Scan::open(broker, topic, None, First::Oldest, bound)?);
                if let Some(ends) = ends {
                    scan.leave_out_from(ends);
                }
                scan.tell(meter);
                let first = scan.next_of_all(|record| wanted.pick(record))?.map(Box::new);
                Ok(Self::Like { scan, wanted: wanted.clone(), first })
            }
        }
    }

    /// What to ask the audit about; `None`: there are no letters.
    pub fn about(&self) -> Option<About> {
        match self {
            Self::Named(letters) => {
                let there = || letters.iter().filter_map(|(_, letter)| letter.as_ref());
                let since = there().map(|letter| letter.set_aside_at).min()?;
                let flow = there()
                    .next()?
                    .flow
                    .clone()
                    .filter(|flow| there().all(|letter| letter.flow.as_ref() == Some(flow)));
                Some(About { since, flow })
            }
            Self::Like { first, wanted, .. } => {
                Some(About { since: first.as_ref()?.set_aside_at, flow: wanted.flow.clone() })
            }
        }
    }

    /// What came behind this is not among them.
    pub fn ends(&self) -> Marks {
        match self {
            Self::Named(_) => Marks::new(),
            Self::Like { scan, .. } => scan.ends(),
        }
    }

    /// Has so much time from now on, and tells the meter how far it has come.
    pub fn give(&mut self, limit: Duration, meter: &Meter) {
        if let Self::Like { scan, .. } = self {
            scan.give(limit);
            scan.tell(meter);
        }
    }

    /// Tells no meter any longer.
    pub fn hush(&mut self) {
        if let Self::Like { scan, .. } = self {
            scan.hush();
        }
    }

    /// # Errors
    /// Of the broker; [`Code::TimedOut`] if the time is over before the end.
    pub fn next(&mut self) -> Result<Option<(Item, Option<Letter>)>> {
        match self {
            Self::Named(letters) => Ok(letters.pop_front()),
            Self::Like { scan, wanted, first } => {
                let letter = match first.take() {
                    Some(first) => Some(*first),
                    None => scan.next_of_all(|record| wanted.pick(record))?,
                };
                Ok(letter.map(|letter| (letter.item(), Some(letter))))
            }
        }
    }
}

fn find(reader: &mut impl Reader, topic: &str, item: Item, deadline: Instant) -> Result<Option<Letter>> {
    let record = match peek(reader, (topic, item.partition), item.offset, deadline) {
        // There is no such partition.
        Err(error) if error.code == Code::UnknownTopic => return Ok(None),
        peeked => peeked?,
    };
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
    if let Some(earlier) = before.first(letter.item()) {
        return Err(Obstacle::Before(earlier.clone()));
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

//! Holds a flow's topics against its script, one record after another.

use std::collections::HashMap;

use super::difference::Departure;
use super::flow::Flow;
use super::script::{Due, Script, Stretch};
use super::topics::{DISCARDED, RECORDS, Topics};
use crate::Place;
use crate::record::Record;
use crate::report::Kind;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Deliveries that the list foretold, each at its place.
    pub compared: u64,
    pub departures: Vec<Departure>,
}

pub(super) fn compare(flow: &Flow<'_>, topics: Topics<'_>, script: &Script) -> Outcome {
    let mut outcome = Outcome::default();
    let bench = Bench { flow, topics };
    let mut reader = Reader { records: &flow.delivered, next: 0 };
    let mut searches: Vec<Chain<'_>> = script.searches.iter().map(|dues| Chain::new(flow, dues)).collect();
    let delivered = script.stretches.iter().try_for_each(|stretch| {
        let search = stretch.search.and_then(|(search, ends)| Some((searches.get_mut(search)?, ends)));
        bench.stretch(stretch, search, &mut reader, &mut outcome.compared)
    });
    let delivered = delivered.and_then(|()| bench.end(RECORDS, &reader, script.broken_off));
    let discarded = bench.discarded(script);
    outcome
        .departures
        .extend([bench.scattered(RECORDS, &flow.delivered), delivered.err(), discarded.err()].into_iter().flatten());
    outcome
}

/// A topic's records of one flow.
struct Reader<'a> {
    records: &'a [&'a Record],
    next: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Record> {
        self.records.get(self.next).copied()
    }
}

struct Bench<'a> {
    flow: &'a Flow<'a>,
    topics: Topics<'a>,
}

impl Bench<'_> {
    fn is(&self, record: &Record, event: usize) -> bool {
        let source = self.flow.events[event].source;
        record.value == source.value && record.key == source.key
    }

    /// Reads one stretch. In a drain, a withdraw lies where it came: it takes out what the drain has not come to.
    /// What a sample of named records releases lies anywhere, in its own order, and all of it ahead of the sample's end.
    fn stretch(
        &self,
        stretch: &Stretch,
        mut search: Option<(&mut Chain<'_>, bool)>,
        reader: &mut Reader<'_>,
        compared: &mut u64,
    ) -> Result<(), Departure> {
        let mut left = Chain::new(self.flow, &stretch.chain);
        let mut withdraws = stretch.withdraws.iter().copied().peekable();
        // Nothing to be told: they are all that is delivered.
        let alone = stretch.chain.is_empty();
        loop {
            let leaving = withdraws.peek().copied();
            // What came behind a withdraw cannot be delivered ahead of it.
            let due = left.peek().filter(|due| leaving.is_none_or(|withdraw| due.event < withdraw));
            let record = reader.peek();
            let sought = search.as_mut().and_then(|(search, _)| search.peek());
            let is_sought = sought.zip(record).is_some_and(|(sought, record)| self.is(record, sought.event));
            match (due, leaving, record) {
                (Some(due), _, Some(record)) if self.is(record, due.event) => {
                    *compared += u64::from(due.certain);
                    left.advance();
                    if let Some((search, _)) = &mut search
                        && self.flow.events[due.event].kind == Kind::Withdraw
                    {
                        search.take_out(due.event);
                    }
                }
                (_, Some(withdraw), Some(record)) if self.is(record, withdraw) => {
                    *compared += u64::from(alone);
                    withdraws.next();
                    left.take_out(withdraw);
                    if let Some((search, _)) = &mut search {
                        search.take_out(withdraw);
                    }
                }
                _ if is_sought => {
                    *compared += u64::from(sought.is_some_and(|sought| sought.certain));
                    if let Some((search, _)) = &mut search {
                        search.advance();
                    }
                }
                (None, None, _) => {
                    let missing = sought.filter(|_| search.is_some_and(|(_, ends)| ends));
                    return missing.map_or(Ok(()), |sought| Err(self.departure(RECORDS, sought.event, record)));
                }
                (Some(due), _, _) if due.may_be_missing => {
                    left.advance();
                    continue;
                }
                (Some(_), None, _) if stretch.open => return Ok(()),
                (due, leaving, record) => {
                    let expected = match (due, leaving) {
                        (Some(due), None) => due.event,
                        // The withdraw may come at any place, but it has to come.
                        (Some(due), Some(_)) if record.is_some() => due.event,
                        (_, Some(withdraw)) => withdraw,
                        (None, None) => return Ok(()),
                    };
                    return Err(self.departure(RECORDS, expected, record));
                }
            }
            reader.next += 1;
        }
    }

    fn discarded(&self, script: &Script) -> Result<(), Departure> {
        let mut reader = Reader { records: &self.flow.discarded, next: 0 };
        for stretch in &script.stretches {
            let mut removed = stretch.discarded.iter().map(|due| due.event).peekable();
            let mut turned_away = stretch.turned_away.iter().copied().peekable();
            while let Some(expected) = removed.peek().or(turned_away.peek()).copied() {
                let fits = |event: &usize| reader.peek().is_some_and(|record| self.is(record, *event));
                if removed.next_if(fits).is_some() || turned_away.next_if(fits).is_some() {
                    reader.next += 1;
                } else if reader.peek().is_none() && stretch.open && turned_away.peek().is_none() {
                    return Ok(());
                } else {
                    return Err(self.departure(DISCARDED, expected, reader.peek()));
                }
            }
        }
        self.end(DISCARDED, &reader, script.broken_off)
    }

    fn end(&self, topic: &'static str, reader: &Reader<'_>, broken_off: bool) -> Result<(), Departure> {
        match reader.peek() {
            Some(record) if !broken_off => {
                let found = self.topics.place(topic, record);
                Err(Departure::Unexpected { found, event: self.event(record) })
            }
            _ => Ok(()),
        }
    }

    fn departure(&self, topic: &'static str, expected: usize, found: Option<&Record>) -> Departure {
        let expected = self.place(expected);
        match found {
            Some(record) => {
                Departure::Instead { expected, found: self.topics.place(topic, record), event: self.event(record) }
            }
            None => Departure::Missing { topic, expected },
        }
    }

    fn place(&self, event: usize) -> Place {
        self.topics.place("enrollments", self.flow.events[event].source)
    }

    /// The first event of these bytes.
    fn event(&self, record: &Record) -> Option<Place> {
        (0..self.flow.events.len()).find(|event| self.is(record, *event)).map(|event| self.place(event))
    }

    fn scattered(&self, topic: &'static str, records: &[&Record]) -> Option<Departure> {
        let first = records.first()?;
        let other = records.iter().find(|record| record.partition != first.partition)?;
        Some(Departure::Scattered { found: self.topics.place(topic, other), first: self.topics.place(topic, first) })
    }
}

/// What is left of a stretch's chain.
struct Chain<'a> {
    flow: &'a Flow<'a>,
    chain: &'a [Due],
    next: usize,
    /// By record, the last withdraw that was met.
    withdrawn: HashMap<&'a str, usize>,
}

impl<'a> Chain<'a> {
    fn new(flow: &'a Flow<'a>, chain: &'a [Due]) -> Self {
        Self { flow, chain, next: 0, withdrawn: HashMap::new() }
    }

    /// The next one that no withdraw has taken out.
    fn peek(&mut self) -> Option<Due> {
        while let Some(due) = self.chain.get(self.next) {
            let record = &*self.flow.events[due.event].record;
            if self.withdrawn.get(record).is_none_or(|withdraw| *withdraw < due.event) {
                return Some(*due);
            }
            self.next += 1;
        }
        None
    }

    fn advance(&mut self) {
        self.next += 1;
    }

    fn take_out(&mut self, withdraw: usize) {
        self.withdrawn.insert(&self.flow.events[withdraw].record, withdraw);
    }
}

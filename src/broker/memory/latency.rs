//! How slowly readers and members are shown what is in the logs, if a driver wants that: a client of Kafka has nothing of
//! a partition until its first fetch is answered, and then a few records at a time.

use std::sync::Arc;

use super::log::{Budget, Log, Seen};
use crate::broker::{Isolation, Record};

/// What a driver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// A partition was given a position: how many polls bring nothing of it from now on?
    Begin,
    /// A partition is polled: how many of its records come at most? 0 is taken for 1 once it was read to its end: what
    /// is new there comes at once.
    Poll,
}

/// Decides how slowly partitions are served. It must not call the broker.
pub type Latency = Box<dyn FnMut(Serving) -> usize + Send>;

/// The driver's choice, and what came of it.
#[derive(Default)]
pub(super) struct Pace {
    pub latency: Option<Latency>,
    /// A poll brought less than there was.
    pub withheld: bool,
}

/// How far a client has read a partition.
#[derive(Clone, Copy)]
pub(super) struct Fetching {
    /// Everything that may be seen below it was delivered.
    pub position: i64,
    /// Polls that bring nothing.
    empty_polls: usize,
    /// It was read to its end.
    caught_up: bool,
}

impl Pace {
    /// A client begins to read at `position`.
    pub fn begin(&mut self, position: i64) -> Fetching {
        let empty_polls = self.latency.as_mut().map_or(0, |latency| latency(Serving::Begin));
        Fetching { position, empty_polls, caught_up: false }
    }

    /// As [`Log::read`], as slowly as the driver wants it.
    pub fn read(
        &mut self,
        log: &Log,
        place: (&Arc<str>, i32),
        fetching: &mut Fetching,
        isolation: Isolation,
        budget: &mut Budget,
        records: &mut Vec<Record>,
    ) -> Seen {
        let Some(latency) = &mut self.latency else {
            return log.read(place, &mut fetching.position, isolation, budget, records);
        };
        let most = match fetching.empty_polls.checked_sub(1) {
            Some(left) => {
                fetching.empty_polls = left;
                0
            }
            None => latency(Serving::Poll).max(usize::from(fetching.caught_up)),
        };
        if most == 0 {
            self.withheld |= fetching.position != log.end(isolation);
            return Seen::Withheld;
        }
        let before = records.len();
        let mut share = budget.at_most(most);
        let seen = log.read(place, &mut fetching.position, isolation, &mut share, records);
        budget.spend(most, &share);
        match (seen, records[before..].last()) {
            (Seen::Full, _) if !budget.is_spent() => {
                self.withheld = true;
                Seen::Withheld
            }
            // That nothing comes behind these is known with the next answer.
            (Seen::End, Some(last)) if fetching.position > last.offset + 1 => {
                fetching.position = last.offset + 1;
                Seen::Withheld
            }
            (Seen::End, _) => {
                fetching.caught_up = true;
                Seen::End
            }
            (seen, _) => seen,
        }
    }
}

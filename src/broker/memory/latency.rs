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
    /// A reader that has read a partition to its end asks for what has come behind that: how many polls bring nothing of it,
    /// unless one of them waits? What comes later is for its next question. Of members this is not asked: they have it at once.
    New,
    /// A partition is polled: how many of its records come at most? 0 is taken for 1 once it was read to its end.
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
    /// Where what a reader has asked for ends. `None`: it has not asked yet, or is no reader.
    asked: Option<i64>,
    /// It asked for what was new.
    is_new: bool,
}

impl Pace {
    /// A client begins to read at `position`.
    pub fn begin(&mut self, position: i64) -> Fetching {
        let empty_polls = self.latency.as_mut().map_or(0, |latency| latency(Serving::Begin));
        Fetching { position, empty_polls, caught_up: false, asked: None, is_new: false }
    }

    /// A reader polls, and waits or not: it asks for what is there, and for what is new once it has that.
    pub fn ask(&mut self, log: &Log, fetching: &mut Fetching, isolation: Isolation, waits: bool) {
        let Some(latency) = &mut self.latency else { return };
        let end = log.end(isolation);
        match fetching.asked {
            None => fetching.asked = Some(end),
            Some(asked) if end > asked && !log.shows_any(fetching.position..asked, isolation) => {
                (fetching.asked, fetching.is_new) = (Some(end), true);
                fetching.empty_polls = latency(Serving::New);
            }
            Some(_) => {}
        }
        if fetching.is_new && waits {
            fetching.empty_polls = 0;
        }
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
        let end = log.end(isolation);
        let Some(latency) = &mut self.latency else {
            return log.read(place, &mut fetching.position, (isolation, end), budget, records);
        };
        let most = match fetching.empty_polls.checked_sub(1) {
            Some(left) => {
                fetching.empty_polls = left;
                0
            }
            None => latency(Serving::Poll).max(usize::from(fetching.caught_up)),
        };
        if most == 0 {
            self.withheld |= fetching.position != end;
            return Seen::Withheld;
        }
        let before = records.len();
        let mut share = budget.at_most(most);
        let shown = (isolation, fetching.asked.map_or(end, |asked| end.min(asked)));
        let seen = log.read(place, &mut fetching.position, shown, &mut share, records);
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
            (Seen::End, _) if fetching.position < end => {
                self.withheld = true;
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

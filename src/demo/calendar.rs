//! The calendar that is shown, and how the gate's own clock reads in it.
//!
//! In a simulation both are one. On a cluster the gate lives by the wall clock: there only the feed and what is shown keep
//! to the calendar, and a pause of 14 days lasts as long as 14 days of the calendar take.

use std::time::{Duration, Instant};

use crate::clock;
use crate::flow::{Action, PauseEnd, PauseOrder};
use crate::time::Timestamp;

/// A day of the calendar.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Commands give lengths in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Which time of the calendar it is to be by now.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    began: Instant,
    /// The same moment by the wall clock.
    began_at: Timestamp,
    from: Timestamp,
    /// How long a day takes.
    day: Duration,
}

impl Tempo {
    /// Begins now, at `from`. `day`: how long a day of the calendar takes.
    #[must_use]
    pub fn new(from: Timestamp, day: Duration) -> Self {
        Self { began: Instant::now(), began_at: clock::now(), from, day }
    }

    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.from.after(in_calendar(self.began.elapsed(), self.day))
    }

    /// The time of the calendar at a time of the wall clock.
    fn at(&self, wall: Timestamp) -> Timestamp {
        let since = in_calendar(wall.since(self.began_at), self.day);
        self.from.after(since).before(in_calendar(self.began_at.since(wall), self.day))
    }
}

/// What a stretch of real time is in a calendar whose day takes `day`.
#[must_use]
pub fn in_calendar(real: Duration, day: Duration) -> Duration {
    DAY.mul_f64(real.as_secs_f64() / day.max(Duration::from_micros(1)).as_secs_f64())
}

/// How long a stretch of the calendar takes for a gate that lives by the wall clock, where a day takes `day`: whole
/// seconds, at least one.
#[must_use]
pub fn in_seconds(calendar: Duration, day: Duration) -> Duration {
    // Durations that were divided are short of a nanosecond or two.
    const SHORT: f64 = 1e-6;
    let days = calendar.as_secs_f64() / DAY.as_secs_f64();
    Duration::from_secs((days * day.as_secs_f64() - SHORT).ceil() as u64).max(SECOND)
}

/// How times and lengths of the gate's clock read in the calendar.
#[derive(Clone, Copy, Debug)]
pub enum Calendar {
    /// The gate's clock is the calendar.
    Simulated,
    /// The gate's clock is the wall clock, and the calendar goes on with it.
    Flowing(Tempo),
    /// The gate's clock is the wall clock; the calendar stands at `now` until everything has happened that belongs there.
    Standing { now: Timestamp, day: Duration },
}

impl Calendar {
    /// When in the calendar something happened.
    #[must_use]
    pub fn time(&self, of_gate: Timestamp) -> Timestamp {
        match self {
            Self::Simulated => of_gate,
            Self::Flowing(tempo) => tempo.at(of_gate),
            Self::Standing { now, .. } => *now,
        }
    }

    /// How long in the calendar something lasts.
    #[must_use]
    pub fn length(&self, of_gate: Duration) -> Duration {
        match self {
            Self::Simulated => of_gate,
            Self::Flowing(Tempo { day, .. }) | Self::Standing { day, .. } => in_calendar(of_gate, *day),
        }
    }

    /// What is to be ordered so that it lasts in the calendar as long as this order says.
    #[must_use]
    pub fn order(&self, action: &Action) -> Action {
        let day = match self {
            Self::Simulated => return action.clone(),
            Self::Flowing(Tempo { day, .. }) | Self::Standing { day, .. } => *day,
        };
        match action {
            Action::Pause(order) => {
                let end = match order.end {
                    Some(PauseEnd::For(length)) => Some(PauseEnd::For(in_seconds(length, day))),
                    end => end,
                };
                Action::Pause(PauseOrder { end, ..order.clone() })
            }
            action => action.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_there_and_back() {
        let second = Duration::from_secs(1);
        assert_eq!(in_calendar(second * 14, second), DAY * 14);
        assert_eq!(in_calendar(second, second * 2), DAY / 2);
        assert_eq!(in_seconds(DAY * 14, second), second * 14);
        assert_eq!(in_seconds(DAY * 14, second / 2), second * 7);
        // Of what is no whole second a little more; of next to nothing one.
        assert_eq!(in_seconds(DAY * 21, second / 2), second * 11);
        assert_eq!(in_seconds(DAY * 14, second * 5 / 14), second * 5);
        assert_eq!(in_seconds(DAY, Duration::from_millis(1)), second);
    }

    #[test]
    fn the_wall_clock_in_the_calendar() {
        let from = Timestamp(852_076_800_000);
        let tempo = Tempo { began_at: Timestamp(1_000_000), ..Tempo::new(from, Duration::from_secs(1)) };
        let flowing = Calendar::Flowing(tempo);
        assert_eq!(flowing.time(Timestamp(1_002_500)), from.after(DAY * 5 / 2));
        assert_eq!(flowing.time(Timestamp(999_000)), from.before(DAY));
        assert_eq!(flowing.length(Duration::from_secs(14)), DAY * 14);
        let standing = Calendar::Standing { now: from, day: Duration::from_millis(500) };
        assert_eq!(standing.time(Timestamp(1_002_500)), from);
        assert_eq!(standing.length(Duration::from_secs(7)), DAY * 14);
        assert_eq!(Calendar::Simulated.time(from), from);
        assert_eq!(Calendar::Simulated.length(DAY), DAY);
    }

    #[test]
    fn only_a_length_is_ordered_otherwise() {
        let pause = |end| Action::Pause(PauseOrder { end, ..PauseOrder::default() });
        let standing = Calendar::Standing { now: Timestamp(0), day: Duration::from_millis(500) };
        let ten_days = pause(Some(PauseEnd::For(DAY * 10)));
        assert_eq!(standing.order(&ten_days), pause(Some(PauseEnd::For(Duration::from_secs(5)))));
        assert_eq!(standing.order(&pause(None)), pause(None));
        assert_eq!(Calendar::Simulated.order(&ten_days), ten_days);
    }
}

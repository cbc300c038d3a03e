//! Whether what is held of a flow goes on as it should, seen from looks at it now and then. Nothing is decided by it: it is for
//! people who watch the gate.

use std::time::Duration;

use crate::flow::Rate;
use crate::time::Timestamp;

/// What has been seen of one drain.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Since when it might pass something and has passed nothing. `None`: when it was last looked at it could not.
    idle_since: Option<Timestamp>,
    /// The last entry that it had passed then.
    entry: u64,
    /// What it is compared with, to see whether it comes to an end.
    window: Option<Window>,
    losing: bool,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    entry: u64,
    held: u64,
}

/// A drain at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Nothing that is told elsewhere keeps it from passing something.
    pub may_pass: bool,
    /// The last entry that is passed.
    pub entry: u64,
    /// Events that are held.
    pub held: u64,
    pub rate: Option<Rate>,
}

impl Watch {
    /// A drain that may pass something and passes nothing for this long is stalled: several times what a take-over, a
    /// transaction and a change of leaders take together (10 s each, by default).
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// Whether as much arrives as it passes is looked at over this time.
    pub const WINDOW: Duration = Duration::from_secs(60);

    pub fn look(&mut self, look: Look, now: Timestamp) {
        if !look.may_pass {
            *self = Self::default();
            return;
        }
        // A clock that was set back begins again.
        let since = self.idle_since.filter(|since| *since <= now && self.entry == look.entry);
        (self.idle_since, self.entry) = (Some(since.unwrap_or(now)), look.entry);
        let begins = Window { began: now, entry: look.entry, held: look.held };
        let window = *self.window.get_or_insert(begins);
        if now < window.began {
            self.window = Some(begins);
        } else if now.since(window.began) >= at_least(Self::WINDOW, look.rate, 10.0) {
            self.losing = look.entry > window.entry && look.held >= window.held;
            self.window = Some(begins);
        }
    }

    /// Whether it has passed nothing for too long: with a low rate that is the time of two events.
    pub fn is_stalled(&self, rate: Option<Rate>, now: Timestamp) -> bool {
        self.idle_since.is_some_and(|since| now.since(since) >= at_least(Self::PATIENCE, rate, 2.0))
    }

    /// Whether in the last whole window as much was held for it as it has passed, or more: like this it never ends.
    pub fn is_losing(&self) -> bool {
        self.losing
    }
}

/// The time, or that which so many events take at this rate, if that is longer.
fn at_least(time: Duration, rate: Option<Rate>, events: f64) -> Duration {
    rate.map_or(time, |rate| time.max(Duration::from_secs_f64(events / rate.per_second())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_800_000_000_000);

    fn at(seconds: u64) -> Timestamp {
        T0.after(Duration::from_secs(seconds))
    }

    /// Looks once a second from 0 on; the first second at which it is stalled, and that at which it is losing.
    fn watched(seconds: u64, look: impl Fn(u64) -> Look) -> (Option<u64>, Option<u64>) {
        let (mut watch, mut stalled, mut losing) = (Watch::default(), None, None);
        for second in 0..=seconds {
            let seen = look(second);
            watch.look(seen, at(second));
            stalled = stalled.or(watch.is_stalled(seen.rate, at(second)).then_some(second));
            losing = losing.or(watch.is_losing().then_some(second));
        }
        (stalled, losing)
    }

    fn look(entry: u64, held: u64) -> Look {
        Look { may_pass: true, entry, held, rate: None }
    }

    #[test]
    fn a_drain_that_passes_nothing_for_a_minute_though_it_may_is_stalled() {
        assert_eq!(watched(100, |_| look(7, 10)).0, Some(60));
        assert_eq!(watched(59, |_| look(7, 10)).0, None);
        // It passed one entry in second 30.
        assert_eq!(watched(100, |second| look(7 + second / 30, 10)).0, None);
        assert_eq!(watched(100, |second| look(7 + u64::from(second >= 30), 10)).0, Some(90));
    }

    #[test]
    fn what_may_pass_nothing_is_not_stalled_and_has_its_minute_afterwards() {
        assert_eq!(watched(600, |_| Look { may_pass: false, ..look(7, 10) }).0, None);
        assert_eq!(watched(600, |second| Look { may_pass: second != 59, ..look(7, 10) }).0, Some(120));
    }

    #[test]
    fn it_is_stalled_no_more_once_it_passes_something() {
        let mut watch = Watch::default();
        watch.look(look(7, 10), at(0));
        watch.look(look(7, 10), at(60));
        assert!(watch.is_stalled(None, at(60)));
        watch.look(look(8, 9), at(61));
        assert!(!watch.is_stalled(None, at(61)));
    }

    #[test]
    fn a_low_rate_leaves_the_time_of_two_events() {
        let slow = |rate: u64| move |_| Look { rate: Rate::of_thousandths(rate), ..look(7, 10) };
        assert_eq!(watched(300, slow(10)).0, Some(200));
        assert_eq!(watched(300, slow(1_000)).0, Some(60));
    }

    #[test]
    fn a_clock_that_is_set_back_begins_the_minute_again() {
        let mut watch = Watch::default();
        watch.look(look(7, 10), at(1_000));
        watch.look(look(7, 10), at(10));
        assert!(!watch.is_stalled(None, at(69)));
        assert!(watch.is_stalled(None, at(70)));
    }

    #[test]
    fn a_drain_for_which_as_much_arrives_as_it_passes_is_losing() {
        let arriving = |a_second: u64| move |second: u64| look(10 * second, (1_000 + a_second * second) - 10 * second);
        assert_eq!(watched(90, arriving(10)).1, Some(60));
        assert_eq!(watched(90, arriving(11)).1, Some(60));
        assert_eq!(watched(90, arriving(9)).1, None);
        assert_eq!(watched(59, arriving(10)).1, None);
        // What passes nothing does not lose: it is stalled.
        assert_eq!(watched(200, |second| look(7, 10 + second)).1, None);
    }

    #[test]
    fn it_is_losing_no_more_once_less_arrives() {
        let mut watch = Watch::default();
        watch.look(look(0, 100), at(0));
        watch.look(look(600, 100), at(60));
        assert!(watch.is_losing());
        watch.look(look(700, 0), at(119));
        assert!(watch.is_losing(), "not before a whole window");
        watch.look(look(700, 0), at(120));
        assert!(!watch.is_losing());
    }

    #[test]
    fn a_low_rate_is_looked_at_over_the_time_of_ten_events() {
        let slow = |second: u64| Look { rate: Rate::of_thousandths(50), ..look(second / 20, 100) };
        assert_eq!(watched(199, slow).1, None);
        assert_eq!(watched(200, slow).1, Some(200));
    }
}

//! When an event was held, from the times of what the audit tells around it.

/// Two gates' clocks are each within 60 s of the broker's.
const BETWEEN_GATES_MS: i64 = 120_000;

/// The audit of one home partition, every flow's: before which input offset, and when.
#[derive(Debug, Default)]
pub(super) struct Clock {
    times: Vec<(i64, i64)>,
}

/// What is known of an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Young,
    Old,
    Doubtful,
}

impl Clock {
    /// Something took effect at this time, before the event at this offset and after the one before.
    pub(super) fn note(&mut self, input: i64, at_ms: i64) {
        self.times.push((input, at_ms));
    }

    /// To be called when everything is noted.
    pub(super) fn sort(&mut self) {
        self.times.sort_unstable();
    }

    /// When something was told first behind the event at `offset`.
    pub(super) fn behind(&self, offset: i64) -> Option<i64> {
        self.times.get(self.times.partition_point(|(input, _)| *input <= offset)).map(|(_, at_ms)| *at_ms)
    }

    /// Whether the event at `offset` was held for more than `limit_ms` at `as_of_ms`.
    pub(super) fn age(&self, offset: i64, limit_ms: i64, as_of_ms: i64) -> Age {
        let next = self.times.partition_point(|(input, _)| *input <= offset);
        let since = next.checked_sub(1).and_then(|before| self.times.get(before));
        let until = self.times.get(next);
        // What was held after the order is no older than the order.
        let least = until.map_or(0, |(_, until)| as_of_ms - until);
        if least > limit_ms.saturating_add(BETWEEN_GATES_MS) {
            Age::Old
        } else if since.is_some_and(|(_, since)| as_of_ms - since <= limit_ms.saturating_sub(BETWEEN_GATES_MS)) {
            Age::Young
        } else {
            Age::Doubtful
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_ages_where_the_times_around_an_event_do() {
        const HOUR: i64 = 3_600_000;
        let mut clock = Clock::default();
        for (input, at) in [(20, 9 * HOUR), (10, HOUR), (10, HOUR / 2)] {
            clock.note(input, at);
        }
        clock.sort();
        let age = |offset, limit| clock.age(offset, limit, 10 * HOUR);
        // Held at some time from 1 h to 9 h.
        assert_eq!(age(10, 10 * HOUR), Age::Young);
        assert_eq!(age(19, HOUR / 2), Age::Old);
        assert_eq!(age(10, 5 * HOUR), Age::Doubtful);
        assert_eq!(age(10, 9 * HOUR), Age::Doubtful, "exactly so old by one gate's clock");
        assert_eq!(age(9, 12 * HOUR), Age::Doubtful, "held before the first time");
        assert_eq!(age(9, 9 * HOUR), Age::Old);
        assert_eq!(age(20, 2 * HOUR), Age::Young);
    }
}

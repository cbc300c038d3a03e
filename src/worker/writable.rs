//! The topics that the producer in hand can write to.
//!
//! librdkafka's producer goes through all partitions that it has ever written to whenever it wakes up, and forgets none: with
//! 100 queue topics that no event comes for any more a sixth of its process's time went there while they were drained (measured).
//! So a producer that has met many topics and writes to few is replaced, when there is much to do.

use std::collections::HashMap;
use std::time::Duration;

use crate::broker::Topic;
use crate::time::Timestamp;

/// A topic that nothing was written to for so long is idle: longer than any turn lasts.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Default)]
pub struct Writable(HashMap<String, Known>);

struct Known {
    topic: Topic,
    /// When it was learned, or something was written to it.
    used_at: Timestamp,
}

impl Writable {
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn extend(&mut self, topics: impl IntoIterator<Item = (String, Topic)>, now: Timestamp) {
        self.0.extend(topics.into_iter().map(|(name, topic)| (name, Known { topic, used_at: now })));
    }

    /// The handle of a topic that is written to now.
    pub fn take(&mut self, name: &str, now: Timestamp) -> Option<Topic> {
        let known = self.0.get_mut(name)?;
        known.used_at = now;
        Some(known.topic)
    }

    pub fn remove(&mut self, name: &str) -> Option<Topic> {
        self.0.remove(name).map(|known| known.topic)
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether at least so many topics, and three quarters of all, are idle.
    pub fn are_idle(&self, least: usize, now: Timestamp) -> bool {
        let idle = self.0.values().filter(|known| now.since(known.used_at) >= IDLE).count();
        idle >= least.max(self.0.len() * 3 / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Timestamp = Timestamp(1_800_000_000_000);

    fn learned(count: u32) -> Writable {
        let mut writable = Writable::default();
        let topics = (0..count).map(|index| (index.to_string(), Topic { producer: 1, index }));
        writable.extend(topics, BEGAN);
        writable
    }

    #[test]
    fn topics_are_idle_that_nothing_was_written_to_for_longer_than_any_turn_lasts() {
        let writable = learned(8);
        assert!(!writable.are_idle(8, BEGAN.after(IDLE - Duration::from_millis(1))));
        assert!(writable.are_idle(8, BEGAN.after(IDLE)));
        assert!(!writable.are_idle(9, BEGAN.after(IDLE)), "there are not so many");
    }

    #[test]
    fn a_producer_whose_topics_are_mostly_in_use_is_good_enough() {
        for (used, are_idle) in [(2, true), (3, false)] {
            let mut writable = learned(8);
            let now = BEGAN.after(IDLE);
            for index in 0..used {
                assert_eq!(writable.take(&index.to_string(), now).map(|topic| topic.index), Some(index));
            }
            assert_eq!(writable.are_idle(4, now), are_idle, "{used} of 8 in use");
        }
    }
}

//! The upstream: sends the events, each in its time.

use std::time::Duration;

use super::calendar::DAY;
use super::patience::patiently;
use super::purchases::Incoming;
use crate::broker::{Broker, Publication, Publisher, Result};
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// How long a batch may take until the broker has it.
const LIMIT: Duration = Duration::from_secs(10);

/// Events on their way to the enrollments.
pub struct Feed<B: Broker> {
    publisher: B::Publisher,
    topic: String,
    /// In the order of sending, with the time of sending.
    events: Vec<(Timestamp, Incoming)>,
    sent: usize,
}

impl<B: Broker> Feed<B> {
    /// Sends each event at its own moment. `events` are in time.
    ///
    /// # Errors
    /// The broker's, if it cannot be reached.
    pub fn new(broker: &B, topics: &Topics, events: Vec<Incoming>) -> Result<Self> {
        let events = events.into_iter().map(|event| (event.at, event)).collect();
        Ok(Self { publisher: broker.publisher()?, topic: topics.enrollments.clone(), events, sent: 0 })
    }

    /// Sends the events of one moment evenly over the day that follows, in the same order: in the data everything comes
    /// at noon, which would be a jump a day to look at.
    #[must_use]
    pub fn spread(mut self) -> Self {
        for same in self.events.chunk_by_mut(|(a, _), (b, _)| a == b) {
            let apart = DAY / u32::try_from(same.len()).unwrap_or(u32::MAX);
            for (index, (at, _)) in (0u32..).zip(same) {
                *at = at.after(apart * index);
            }
        }
        self
    }

    /// When the next event is to be sent; `None`: that was all.
    #[must_use]
    pub fn next_at(&self) -> Option<Timestamp> {
        self.events.get(self.sent).map(|(at, _)| *at)
    }

    /// When the last event is to be sent.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        self.events.last().map(|(at, _)| *at)
    }

    /// How many events there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.events.len()
    }

    /// How many of them were sent.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Sends what is to be sent by now.
    ///
    /// # Errors
    /// The broker's, if it refused one of them: the feed is of no use any more.
    pub fn send_until(&mut self, now: Timestamp) -> Result<()> {
        let rest = self.events.get(self.sent..).unwrap_or_default();
        let due = rest.iter().take_while(|(at, _)| *at <= now);
        let mut count = 0;
        for (_, event) in due {
            let record = Publication {
                topic: &self.topic,
                partition: None,
                // The time of sending: topics with time retention would drop records stamped 1997 at once.
                timestamp: None,
                key: Some(event.flow_id.as_bytes()),
                value: Some(event.value.as_bytes()),
                headers: &[],
            };
            patiently(|| self.publisher.publish(&record))?;
            count += 1;
        }
        if count > 0 {
            self.publisher.flush(LIMIT)?.into_iter().collect::<Result<Vec<_>>>()?;
        }
        self.sent += count;
        Ok(())
    }
}

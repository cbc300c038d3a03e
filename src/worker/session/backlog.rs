//! What has been read of a draining flow's queue and not passed yet, and what its rate allows.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::amount::Amount;
use super::wait::Blocked;
use super::watch::Watch;
use crate::broker::murmur2::murmur2;
use crate::flow::{Flow, FlowId, Rate, Watermark};
use crate::mutant::{self, Mutant};
use crate::schema::entry::{self, Held};
use crate::time::Timestamp;

/// What has been read of a draining flow's queue and not passed yet.
pub struct Backlog {
    pub topic: Arc<str>,
    pub entries: entry::Reader,
    pub reading: Reading,
    /// Entries read since the reading began.
    pub read_since: usize,
    pub buffer: VecDeque<Waiting>,
    pub buffer_bytes: usize,
    /// What the turn under way passes of it: it stays until that holds, and there is room behind it already.
    pub passing: Amount,
    /// The number of the last entry read into the buffer, or passed before.
    pub read_to: u64,
    /// Where to go on reading.
    pub read_offset: i64,
    pub bucket: Bucket,
    /// Held events were deleted: nothing of it can be passed.
    pub blocked: Option<Blocked>,
    /// What was held for it in the last turn that held or passed something of it: it passes at least twice that, as far as
    /// its rate allows.
    pub held_before: Amount,
    /// The entry up to which records of the topic were last deleted.
    pub deleted_entry: u64,
    /// Whether it goes on, for whoever watches.
    pub watch: Watch,
}

impl Backlog {
    pub fn new(flow: &Flow, topic: &str, now: Timestamp) -> Self {
        let watermark = flow.queue.watermark;
        Self {
            topic: topic.into(),
            entries: entry::Reader::new(&flow.id),
            reading: Reading::No,
            read_since: 0,
            buffer: VecDeque::new(),
            buffer_bytes: 0,
            passing: Amount::default(),
            read_to: watermark.entry,
            read_offset: watermark.offset,
            bucket: Bucket::new(&flow.id, flow.max_rate(), now),
            blocked: None,
            held_before: Amount::default(),
            deleted_entry: watermark.entry,
            watch: Watch::default(),
        }
    }

    /// What has been read and is not passed by the turn under way.
    pub fn waiting(&self) -> Amount {
        self.passing.missing_of(Amount { entries: self.buffer.len(), bytes: self.buffer_bytes })
    }

    /// What a resumed flow passes at least, so that it outruns what is held for it meanwhile: as far as its rate allows.
    pub fn at_least(&self, rate: Option<Rate>) -> Amount {
        let outruns = match mutant::is(Mutant::DrainDoesNotOutrunItsFlow) {
            true => Amount::default(),
            false => self.held_before.times(2),
        };
        rate.map_or(outruns, |rate| outruns.first(Bucket::most(rate).ceil() as usize))
    }

    /// What of that has not been read.
    pub fn lacks(&self, rate: Option<Rate>) -> Amount {
        Amount { entries: self.buffer.len(), bytes: self.buffer_bytes }.missing_of(self.at_least(rate))
    }

    /// Whether its flow may pass all that is left of its queue at once, by its rate.
    pub fn may_pass_the_rest(&self, flow: &Flow, now: Timestamp) -> bool {
        let left = flow.queue.last_entry().saturating_sub(flow.queue.watermark.entry);
        let allowed = |rate| self.bucket.refilled(Some(rate), now).tokens;
        flow.max_rate().is_none_or(|rate| u32::try_from(left).is_ok_and(|left| allowed(rate) >= f64::from(left)))
    }

    /// Nothing was read.
    pub fn begin_again(&mut self, watermark: Watermark) {
        self.clear();
        self.read_to = watermark.entry;
        self.read_offset = watermark.offset;
    }

    pub fn clear(&mut self) {
        self.reading = Reading::No;
        self.buffer.clear();
        self.buffer_bytes = 0;
        self.passing = Amount::default();
    }
}

/// Whether the queue of a draining flow is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    No,
    /// It will be: others are being read, or it was asked for just now.
    Waits,
    On,
}

/// An entry read back.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub held: Held,
    pub value: Option<Bytes>,
    pub timestamp: Timestamp,
    pub offset: i64,
    pub size: usize,
}

/// How many releases a rate allows: one when a drain begins. With a rate below one a second it is a part of one, another part for
/// each flow: else all flows that are resumed together release one at once, whatever the rate of all of them is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub tokens: f64,
    pub at: Timestamp,
}

impl Bucket {
    pub fn new(flow: &FlowId, rate: Option<Rate>, now: Timestamp) -> Self {
        let is_slow = rate.is_some_and(|rate| rate.per_second() < 1.0);
        let tokens = if is_slow { spread(flow) } else { 1.0 };
        Self { tokens, at: now }
    }

    /// Of a drain that another owner began, when all that is known is when that one wrote the flow's state last: whatever it
    /// released, it had done so by then. Nothing is given away, however often owners follow one another.
    pub fn taken_over(written: Timestamp, now: Timestamp) -> Self {
        let tokens = if mutant::is(Mutant::BucketFullAtATakeOver) { f64::INFINITY } else { 0.0 };
        Self { tokens, at: written.min(now) }
    }

    /// It never holds more than a quarter of a second's worth, or one.
    fn most(rate: Rate) -> f64 {
        (rate.per_second() / 4.0).max(1.0)
    }

    /// Filled up for the time since, if there is a rate.
    #[must_use]
    pub fn refilled(self, rate: Option<Rate>, now: Timestamp) -> Self {
        let Some(rate) = rate else { return self };
        let elapsed = now.since(self.at).as_secs_f64();
        Self { tokens: (self.tokens + elapsed * rate.per_second()).min(Self::most(rate)), at: now }
    }

    /// Counts from now, if the clock was set back.
    pub fn follow(&mut self, now: Timestamp) {
        self.at = self.at.min(now);
    }

    /// When there will be a whole token again.
    pub fn next(&self, rate: Rate) -> Timestamp {
        let missing = (1.0 - self.tokens).max(0.0) / rate.per_second();
        self.at.after(Duration::from_secs_f64(missing) + Duration::from_millis(1))
    }
}

/// Of many flows some have any number from 0 to below 1, always the same.
fn spread(flow: &FlowId) -> f64 {
    f64::from(murmur2(flow.as_str().as_bytes()).cast_unsigned()) / 2_f64.powi(32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: flows that are resumed together keep to the rate of all of them from the first second on. Method: 1,000 with 0.05 a
    /// second each, which is 50 a second.
    #[test]
    fn slow_drains_that_begin_together_do_not_begin_with_an_event_each() {
        let (began, rate) = (Timestamp(1_800_000_000_000), Rate::of_thousandths(50).unwrap());
        let flows = (0..1_000).map(|number| FlowId::new(&format!("flow-{number}")).unwrap());
        let mut buckets: Vec<Bucket> = flows.map(|flow| Bucket::new(&flow, Some(rate), began)).collect();
        for second in 1..=40 {
            let mut released = 0;
            for bucket in &mut buckets {
                *bucket = bucket.refilled(Some(rate), began.after(Duration::from_secs(second)));
                if bucket.tokens >= 1.0 {
                    bucket.tokens -= 1.0;
                    released += 1;
                }
            }
            assert!((30..=70).contains(&released), "{released} in second {second}");
        }
    }
}

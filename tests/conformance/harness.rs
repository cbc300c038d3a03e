//! What a broker under test has to offer beyond the port: names, a clock, and a push for the cleaner.

use std::collections::BTreeMap;
use std::time::Duration;

use flowgate::broker::{Broker, MemberOptions};
use flowgate::time::Timestamp;

/// One broker under test. Each case gets one of its own by value; brokers behind it may be shared by parallel cases, so
/// cases use fresh names and never look at what they did not make.
pub trait Harness {
    type Broker: Broker;

    fn broker(&self) -> &Self::Broker;

    /// A name that no other case, and no other call, gets: for topics, groups and transactional ids. Starts with `case`
    /// (letters, digits and `-`), so that a broker's log can be read.
    fn fresh_name(&self, case: &str) -> String;

    /// The broker's clock. A wall clock in the same machine will do.
    fn now(&self) -> Timestamp;

    /// How long [`Harness::eventually`] looks before it gives up, by the broker's clock. Longer than the broker's
    /// slowest habit (a session timeout, a cleaner's pass) on a busy machine.
    fn patience(&self) -> Duration;

    /// Lets a little time go by between two looks: the memory broker's clock moves on by `step`, a real broker's test
    /// sleeps for so long. Never used as synchronisation by itself.
    fn pass(&self, step: Duration);

    /// Options for a member with the shortest session timeout this broker allows and a generous `max_poll_interval`.
    /// A case that loses a member shortens `max_poll_interval` to the session timeout and stops polling it.
    fn member_options(&self, group: &str, topic: &str) -> MemberOptions;

    /// A transaction timeout that a case can wait out.
    fn short_transaction_timeout(&self) -> Duration;

    /// Settings that make the cleaner of a compacted topic work on it within [`Harness::patience`], given that
    /// [`Harness::clean`] is called between looks (Kafka: `segment.ms`, `min.cleanable.dirty.ratio`, ...). Without
    /// `delete.retention.ms`: that is the case's own, 0 where it wants tombstones removed.
    fn cleaner_config(&self) -> BTreeMap<String, String>;

    /// One push for the cleaner of partition 0 of a compacted topic; called between looks, any number of times. It may
    /// append records of the key [`FILLER`] (on Kafka an append is what rolls a segment, and the active one is never
    /// cleaned). Tombstones behind the first pass are to go if the topic has `delete.retention.ms=0`, else to stay.
    fn clean(&self, topic: &str);

    /// One push for time retention on a topic (Kafka: nothing, but the broker is to run with a short
    /// `log.retention.check.interval.ms`).
    fn retain(&self, topic: &str);

    /// Looks until `look` has an answer; panics with `what` when patience ends.
    fn eventually<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = self.now().after(self.patience());
        loop {
            if let Some(answer) = look() {
                return answer;
            }
            assert!(self.now() < deadline, "gave up after {:?} waiting until {what}", self.patience());
            self.pass(Duration::from_millis(20));
        }
    }
}

/// The key of records that [`Harness::clean`] may append; no case's own.
pub const FILLER: &[u8] = b"~filler";

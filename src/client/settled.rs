//! Waits until no open transaction hides what is committed in a topic by now.

use std::time::{Duration, Instant};

use super::{no_topic, rest};
use crate::broker::{Action, Admin, Broker, Code, Error, Isolation, Reader, Result};

/// How long to wait for transactions that are open. Those of a gate at work end sooner.
const SETTLED: Duration = Duration::from_secs(2);

/// Whether [`wait_until_settled`] came to its end, for whoever can say that something may be hidden. It waits for two seconds at most.
///
/// # Errors
/// As there, but for a transaction that stays open.
pub fn is_settled_by<B: Broker>(broker: &B, topic: &str, deadline: Instant) -> Result<bool> {
    match wait_until_settled(broker, topic, deadline.min(Instant::now() + SETTLED)) {
        Err(error) if error.code == Code::TimedOut => Ok(false),
        settled => settled.map(|()| true),
    }
}

/// What was committed behind a transaction that is still open is not shown yet. Gates write to the audit all the time, so whoever
/// wants to know all that is committed by now waits until everything that is in the topic by now is decided.
///
/// # Errors
/// Of the broker; [`Code::TimedOut`] if a transaction is still open at the deadline; [`Code::UnknownTopic`].
pub fn wait_until_settled<B: Broker>(broker: &B, topic: &str, deadline: Instant) -> Result<()> {
    let count = broker.admin()?.partitions(topic)?.ok_or_else(|| no_topic(topic))?;
    let (mut all, mut decided) = (broker.reader(Isolation::ReadUncommitted)?, broker.reader(Isolation::ReadCommitted)?);
    let ends: Vec<i64> =
        (0..count).map(|partition| Ok(all.watermarks(topic, partition)?.end)).collect::<Result<_>>()?;
    for (partition, end) in (0..count).zip(ends) {
        while decided.watermarks(topic, partition)?.end < end {
            if Instant::now() >= deadline {
                let detail = format!("a transaction stays open in `{topic}`: what lies behind it is not known");
                return Err(Error::new(Action::Retry, Code::TimedOut, detail));
            }
            rest();
        }
    }
    Ok(())
}

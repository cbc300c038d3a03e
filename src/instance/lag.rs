//! How far an instance is behind its input, and whether it goes on: asked for beside the workers, so that no turn waits for it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::board::Board;
use super::stalled::Stalled;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Code, Error, Isolation, Reader};
use crate::client::peek::first;
use crate::metrics::Lag;
use crate::schema::topics::Topics;
use crate::time::Timestamp;

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// How long to wait for the oldest event of a partition that is not read yet.
const PEEK: Duration = Duration::from_millis(500);

pub(super) fn look<B: Broker>(broker: &B, topics: &Topics, board: &Board, stop: &StopSign) {
    let (mut reader, mut stalled) = (None, Stalled::default());
    while !stop.is_up() {
        if let Err(error) = measure(broker, &mut reader, topics, board, &mut stalled) {
            // What a worker meets as well is told there.
            tracing::debug!(%error, "the lag is not known");
            // Who cannot be asked may be why nothing went on meanwhile.
            (reader, stalled) = Default::default();
        }
        sleep(EVERY, stop);
    }
}

fn measure<B: Broker>(
    broker: &B,
    reader: &mut Option<B::Reader>,
    topics: &Topics,
    board: &Board,
    stalled: &mut Stalled,
) -> Result<(), Error> {
    let reader = match reader {
        Some(reader) => reader,
        None => reader.insert(broker.reader(Isolation::ReadCommitted)?),
    };
    let (mut lag, mut has_asked, now) = (Lag::default(), false, board.clock.now());
    for (number, worker) in board.workers().into_iter().enumerate() {
        let mut waiting = BTreeSet::new();
        for partition in worker.partitions.iter().filter(|partition| partition.stage == "active") {
            let end = reader.watermarks(&topics.enrollments, partition.number)?.end;
            has_asked = true;
            let behind = end.saturating_sub(partition.position);
            if behind > 0 {
                lag.records += behind;
                let place = (topics.enrollments.as_str(), partition.number);
                // Only markers of transactions may lie there.
                if let Some(age) = age(reader, place, (partition.position, end), now)? {
                    lag.age = lag.age.max(age);
                    waiting.insert(partition.number);
                }
            }
        }
        if let Some(partition) = stalled.look((number, &worker), &waiting, Instant::now()) {
            tracing::error!(
                worker = number,
                partition,
                "no event comes of a partition although its log goes on; the worker begins anew, with new clients"
            );
            board.metrics.worker_begins_anew();
            board.ask_to_begin_anew(number);
        }
    }
    if !has_asked {
        // Who has no partition says all the same whether the brokers answer.
        reader.watermarks(&topics.enrollments, 0)?;
    }
    board.metrics.lag(lag, now);
    Ok(())
}

/// The age of the first record of a partition from an offset on and before another, zero if that takes too long to read; `None`:
/// there is none.
fn age<R: Reader>(
    reader: &mut R,
    place: (&str, i32),
    within: (i64, i64),
    now: Timestamp,
) -> Result<Option<Duration>, Error> {
    match first(reader, place, within, Instant::now() + PEEK) {
        Err(error) if error.code == Code::TimedOut => Ok(Some(Duration::ZERO)),
        found => Ok(found?.map(|record| now.since(record.timestamp))),
    }
}

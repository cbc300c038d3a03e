//! Follows the state topic, so that any instance can show every flow of the prefix.

use std::time::{Duration, Instant};

use super::board::{Board, Reached};
use super::spare::Spare;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Error, Isolation};
use crate::client::states::States;
use crate::schema::topics::Topics;

const AGAIN: Duration = Duration::from_secs(1);

/// How often it asks whether there is anything more to read: that nothing comes may be for want of a broker.
const ASK: Duration = Duration::from_secs(1);

pub(super) fn look<B: Broker>(broker: &B, topics: &Topics, board: &Board, stop: &StopSign) {
    while !stop.is_up() {
        if let Err(error) = follow(broker, topics, board, stop) {
            tracing::warn!(%error, "the states of flows cannot be followed; beginning again");
            sleep(AGAIN, stop);
        }
    }
}

fn follow<B: Broker>(broker: &B, topics: &Topics, board: &Board, stop: &StopSign) -> Result<(), Error> {
    let mut states = States::open(broker, topics)?;
    let mut asker = broker.reader(Isolation::ReadCommitted)?;
    board.begin_again();
    let (mut reached, mut spare, mut asked) = (Reached::default(), Spare::default(), None::<Instant>);
    while !stop.is_up() {
        let changes = states.read()?;
        match changes.is_empty() {
            true => spare.rest(),
            false => spare.worked(),
        }
        if !reached.complete {
            reached.progress = states.progress()?;
            reached.complete = states.is_caught_up()?;
        }
        reached.as_of = reached.as_of.max(states.newest());
        if reached.complete && asked.is_none_or(|asked| asked.elapsed() >= ASK) {
            let now = board.clock.now();
            if states.is_at_end(&mut asker)? {
                reached.as_of = reached.as_of.max(now);
            }
            asked = Some(Instant::now());
        }
        board.learn(changes, reached);
    }
    Ok(())
}

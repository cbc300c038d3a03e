//! Follows the state topic, so that any instance can show every flow of the prefix.

use std::time::Duration;

use super::board::Board;
use super::spare::Spare;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Error};
use crate::client::states::States;
use crate::schema::topics::Topics;

const AGAIN: Duration = Duration::from_secs(1);

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
    let (mut complete, mut spare) = (false, Spare::default());
    while !stop.is_up() {
        let changes = states.read()?;
        match changes.is_empty() {
            true => spare.rest(),
            false => spare.worked(),
        }
        complete = complete || states.is_caught_up()?;
        board.learn(changes, complete);
    }
    Ok(())
}

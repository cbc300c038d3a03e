//! Hears the audit from the start of the process on, for whoever waits for an answer or follows what happens.

use std::time::Duration;

use super::board::Board;
use super::stop::{StopSign, sleep};
use crate::broker::{Broker, Error};
use crate::client::listener::{Listener, Places};
use crate::schema::topics::Topics;

const AGAIN: Duration = Duration::from_secs(1);

pub(super) fn look<B: Broker>(broker: &B, topics: &Topics, board: &Board, stop: &StopSign) {
    let mut places = Places::new();
    while !stop.is_up() {
        if let Err(error) = listen(broker, topics, board, stop, &mut places) {
            tracing::warn!(%error, "the audit cannot be heard; going on from where it was");
            sleep(AGAIN, stop);
        }
    }
}

fn listen<B: Broker>(
    broker: &B,
    topics: &Topics,
    board: &Board,
    stop: &StopSign,
    places: &mut Places,
) -> Result<(), Error> {
    let mut listener = Listener::open(broker, topics, places)?;
    // From here on no answer is missed: it stays so when this begins again.
    board.feed.hears();
    while !stop.is_up() {
        let told = listener.read();
        places.clone_from(listener.places());
        board.feed.tell(told?);
    }
    Ok(())
}

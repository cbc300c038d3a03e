//! Stores the commands that are handed in at the desk.

use super::board::Board;
use super::desk::{Stored, Unstored};
use super::stop::StopSign;
use crate::broker::{Broker, Error};
use crate::client::control::{asked_by_every, store};
use crate::flow::{Command, Target};
use crate::schema::topics::Topics;
use crate::schema::trace_parent::TraceParent;

pub(super) fn look<B: Broker>(broker: &B, topics: &Topics, board: &Board, stop: &StopSign) {
    let mut publisher = None;
    board.desk.serve(stop, |commands, parent| {
        carry_out(broker, &mut publisher, topics, commands, parent).map_err(|error| {
            tracing::warn!(%error, "commands could not be stored; the next ones are tried with a new producer");
            publisher = None;
            Unstored::Failed(error.to_string())
        })
    });
}

fn carry_out<B: Broker>(
    broker: &B,
    publisher: &mut Option<B::Publisher>,
    topics: &Topics,
    commands: &[Command],
    parent: Option<TraceParent>,
) -> Result<Stored, Error> {
    let is_for_every = commands.iter().any(|command| command.target == Target::Every);
    let asked = if is_for_every { asked_by_every(broker, topics)? } else { 1 };
    let publisher = match publisher {
        Some(publisher) => publisher,
        None => publisher.insert(broker.publisher()?),
    };
    Ok(Stored { offsets: store(publisher, topics, commands, parent)?, asked })
}
